"""The house stays as it is drawn: imports, sizes, one list of versions, no addresses."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from course import errors

ROOT = Path(__file__).parents[1]
MODULES = [
    path
    for package in ("course", "autograder")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "lessons" not in path.parts
]
TOOLS = {
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "ruff check": ["-m", "ruff", "check", "."],
    "mypy": ["-m", "mypy"],
    "mypy benchmarks": ["-m", "mypy", *map(str, sorted(ROOT.glob("benchmarks/*.py")))],
}


def imports_of(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("name", TOOLS)
def test_the_tools_have_nothing_to_say(name):
    command = [sys.executable, *TOOLS[name]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_course_never_imports_the_autograder():
    for path in MODULES:
        if path.is_relative_to(ROOT / "course"):
            wrong = [it for it in imports_of(path) if it.split(".")[0] == "autograder"]
            assert wrong == [], path


def test_only_the_gradebook_and_the_classroom_import_nbgrader():
    users = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if any(it.split(".")[0] == "nbgrader" for it in imports_of(path))
    }
    assert users <= {
        "autograder/gradebook.py",
        "autograder/gradebook_rows.py",
        "autograder/gradebook_write.py",
        "autograder/nbgrader_run.py",  # the peer that parity compares with
        "course/classroom.py",
        "course/preprocessors.py",  # steps that a classroom adds to nbgrader's own
    }


def test_lessons_import_only_course_and_libraries():
    for path in (ROOT / "course" / "lessons").rglob("*.py"):
        assert "autograder" not in path.read_text(), path


def test_only_settings_reads_the_environment():
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if re.search(r"os\.environ\b|getenv", path.read_text())
    }
    assert readers <= ENVIRONMENT_READERS, readers


# settings reads it; the others hand a changed copy of it to a child process.
ENVIRONMENT_READERS = {"course/settings.py"}


def test_functions_fit_on_a_screen_and_modules_have_one_subject():
    for path in MODULES:
        text = path.read_text()
        assert text.count("\n") <= 420, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno - body[0].lineno + 1) if body else 0
                assert lines <= 40, f"{path}:{node.lineno} {node.name}: {lines} lines"


def test_no_package_asserts():
    for path in MODULES:
        found = [
            n
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Assert)
        ]
        assert not found, path


def test_every_exception_is_drawn_in_the_tree():
    own = {name for name, it in vars(errors).items() if isinstance(it, type)}
    assert own == {name for name in own if name in errors.__doc__}


def test_environment_yml_says_what_pyproject_says():
    text = (ROOT / "environment.yml").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"python {project['requires-python']}" in text
    torch = next(it for it in project["dependencies"] if it.startswith("torch"))
    assert f"- {torch}\n" in text
    assert "- --editable .[dev]\n" in text
    assert "- --constraint constraints.txt\n" in text


def test_every_dependency_is_pinned_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[<>=!;\[ ]", it)[0].lower() for it in wanted}
    lines = (ROOT / "constraints.txt").read_text().split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+-]+", line) for line in lines)
    pinned = [line.split("==")[0] for line in lines]
    assert sorted(set(pinned)) == pinned
    assert {it.replace("_", "-") for it in names} <= {
        it.replace("_", "-") for it in pinned
    }


def test_no_package_is_pinned_that_makes_every_start_slow():
    pinned = (ROOT / "constraints.txt").read_text()
    assert "rfc3987-syntax==" not in pinned, "CONTRIBUTING.md says why"


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    words = ["pypi" + ".org", "python" + "hosted", "registry.npm" + "js", "/ro" + "ot/"]
    for name in filter(None, names):
        text = (ROOT / name).read_bytes().decode("utf-8", "ignore")
        assert not [word for word in words if word in text], name
