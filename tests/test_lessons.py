"""What holds for every lesson and every answer in its bank."""

import os
import re
import sys
from typing import NamedTuple

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


def errors_of(cells):
    return [
        (output.ename, f"{cell.source[:60]!r}: {output.ename}: {output.evalue[:300]}")
        for cell in cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ]


BLOCK = """
import socket

_connect = socket.socket.connect


def connect(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
        raise OSError(f"the network is blocked: {address}")
    return _connect(self, address)


socket.socket.connect = connect
"""


def execute(notebook, folder):
    """Run a notebook as nbgrader does, in a kernel that reaches this machine alone."""
    (folder / "sitecustomize.py").write_text(BLOCK)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("CROSSROADS_HOME", str(folder / "home"))
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        client = NotebookClient(notebook, timeout=1200, allow_errors=True)
        client.execute(cwd=str(folder))


# What the kernel and its children took so far, start and imports included.
BETWEEN = """
import os
print(sum(os.times()[:4]))
%reset -f
"""


class Ran(NamedTuple):
    """A lesson, its solved cells, the CPU seconds of these, and its skeleton."""

    found: lesson.Lesson
    solved: list
    cpu_s: float
    skeleton: nbformat.NotebookNode


@pytest.fixture(scope="module")
def ran(request, tmp_path_factory):
    """A lesson after a run: first solved, then, with no name left, its skeleton."""
    found = request.param
    solved, skeleton = build.source_notebook(found), build.learner_notebook(found)
    for it in solved.cells:
        it.id = f"solved-{it.id}"  # those of the skeleton are the same
    between = nbformat.v4.new_code_cell(BETWEEN)
    both = nbformat.v4.new_notebook(cells=[*solved.cells, between, *skeleton.cells])
    both.metadata = solved.metadata
    execute(both, tmp_path_factory.mktemp("lesson"))
    seconds = float(between.outputs[0].text)
    return Ran(found, solved.cells, seconds, skeleton)


of_each_lesson = pytest.mark.parametrize(
    "ran", LESSONS, indirect=True, ids=lambda it: it.id
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="counts CPU seconds")
@of_each_lesson
def test_the_solved_lesson_runs_offline_within_its_budget(ran):
    assert errors_of(ran.solved) == []
    assert 0 < ran.cpu_s <= ran.found.cpu_s


@pytest.mark.slow
@of_each_lesson
def test_the_skeleton_runs_and_only_its_checks_complain(ran):
    complaints = errors_of(ran.skeleton.cells)
    assert {name for name, _ in complaints} == {CheckFailed.__name__}
    assert len(complaints) == len(ran.found.exercises), complaints
    nbformat.validate(ran.skeleton)


# Their own tests run every cell and look at what it shows: minutes, not twice. (A6's
# trains ten steps there, not thirty.)
DEMONSTRATED_ELSEWHERE = {
    *("a3", "a4", "a5", "a6", "a8"),
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
}


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.parametrize(
    "found",
    [it for it in LESSONS if it.id not in DEMONSTRATED_ELSEWHERE],
    ids=lambda it: it.id,
)
def test_the_solved_lesson_runs_with_its_demonstrations(found, tmp_path):
    notebook = build.source_notebook(found)
    for cell in notebook.cells:
        cell.metadata.pop("tags", None)
    execute(notebook, tmp_path)
    assert errors_of(notebook.cells) == []
