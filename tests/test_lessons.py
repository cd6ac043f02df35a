"""What holds for every lesson and every answer in its bank."""

import os
import re
import resource
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from course import bank, build, lesson
from course.errors import CheckFailed

LESSONS = [lesson.read(path) for path in lesson.lesson_paths()]
EXERCISES = [(it, exercise) for it in LESSONS for exercise in it.exercises]
ANSWERS = [
    pytest.param(it, exercise, answer, id=f"{exercise.key}-{kind}-{answer.line}")
    for it, exercise in EXERCISES
    for kind, answer in bank.answers(exercise)
]


def ids(pair):
    return pair[1].key


def test_the_four_lessons_at_the_heart_are_there():
    assert {"a1", "a4", "m1", "m3"} <= {it.id for it in LESSONS}


@pytest.mark.parametrize("pair", EXERCISES, ids=ids)
def test_the_solution_passes(pair):
    outcome = bank.judge(*pair)
    assert outcome.passed, outcome.message


@pytest.mark.parametrize("pair", EXERCISES, ids=ids)
def test_the_solution_that_the_last_hint_shows_passes(pair):
    assert "replace this line" not in pair[1].solution
    outcome = bank.judge(*pair, pair[1].solution)
    assert outcome.passed, outcome.message


@pytest.mark.parametrize("pair", EXERCISES, ids=ids)
def test_the_skeleton_fails(pair):
    assert not bank.judge(*pair, pair[1].skeleton).passed


@pytest.mark.parametrize(("found", "exercise", "answer"), ANSWERS)
def test_each_answer_of_the_bank_is_judged_rightly(found, exercise, answer):
    outcome = bank.judge(found, exercise, answer.source)
    if not answer.says:
        assert outcome.passed, outcome.message
        return
    assert not outcome.passed
    assert outcome.message.startswith(f"✗ {exercise.key}: "), outcome.message
    assert bank.unsaid(answer, outcome.message) == [], outcome.message


@pytest.mark.parametrize("pair", EXERCISES, ids=ids)
def test_every_exercise_is_of_the_agreed_size(pair):
    exercise = pair[1]
    assert exercise.minutes <= 12
    assert len(exercise.wrongs) >= (1 if exercise.is_prediction else 3)


@pytest.mark.parametrize("found", LESSONS, ids=lambda it: it.id)
def test_every_lesson_has_what_every_lesson_has(found):
    text = "\n".join(cell.source for cell in found.cells)
    assert 4 <= sum(not it.is_prediction for it in found.exercises) <= 7
    assert any(it.is_prediction for it in found.exercises)
    assert 40 <= found.minutes <= 80
    for part in ("{{exercises}}", f'again("{found.id}", 0)'):
        assert part in text, part
    assert re.search(rf'outcome\(\s*"{found.id}\.', text)
    assert any(cell.role == "demo" for cell in found.cells)


def execute(notebook, tmp_path):
    """Run a notebook as nbgrader does; return the CPU seconds of its kernel."""
    client = NotebookClient(notebook, timeout=1200, allow_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    client.execute(cwd=str(tmp_path))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def errors_of(notebook):
    return [
        f"{cell.source[:60]!r}: {output.ename}: {output.evalue[:300]}"
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """The kernel cannot reach anything but this machine."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "sitecustomize.py").write_text(BLOCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


BLOCK = """
import socket

_connect = socket.socket.connect


def connect(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
        raise OSError(f"the network is blocked: {address}")
    return _connect(self, address)


socket.socket.connect = connect
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="counts CPU seconds with rusage")
@pytest.mark.parametrize("found", LESSONS, ids=lambda it: it.id)
def test_the_solved_lesson_runs_offline_within_its_budget(found, offline, tmp_path):
    notebook = build.source_notebook(found)
    seconds = execute(notebook, tmp_path)
    assert errors_of(notebook) == []
    assert seconds <= found.cpu_s, f"{seconds:.1f} CPU seconds"


# Their own tests run every cell and look at what it shows: minutes, not twice.
DEMONSTRATED_ELSEWHERE = {"a3", "a4", "m1", "m2", "m3", "m4", "m5", "m6"}


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.parametrize(
    "found",
    [it for it in LESSONS if it.id not in DEMONSTRATED_ELSEWHERE],
    ids=lambda it: it.id,
)
def test_the_solved_lesson_runs_with_its_demonstrations(found, offline, tmp_path):
    notebook = build.source_notebook(found)
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)
    execute(notebook, tmp_path)
    assert errors_of(notebook) == []


@pytest.mark.slow
@pytest.mark.parametrize("found", LESSONS, ids=lambda it: it.id)
def test_the_skeleton_runs_and_only_its_checks_complain(found, offline, tmp_path):
    notebook = build.learner_notebook(found)
    execute(notebook, tmp_path)
    names = {
        output.ename
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    }
    assert names == {CheckFailed.__name__}
    complaints = errors_of(notebook)
    assert len(complaints) == len(found.exercises), complaints
    nbformat.validate(notebook)
