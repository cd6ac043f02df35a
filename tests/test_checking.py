"""`course check`: all checks of one's own notebook, the hidden parts included."""

import json

import nbformat
import pytest
from class_tools import cell_of, only_the_example
from click.testing import CliRunner

from course import build, checking, cli, progress
from course.errors import CrossroadsError

NAME = "z1_example.ipynb"


@pytest.fixture
def work(tmp_path, example_lesson):
    """Write the learner's notebook after a change; return its path."""
    with only_the_example(tmp_path / "lessons"):

        def write(change=lambda notebook: None, name=NAME):
            notebook = build.learner_notebook(example_lesson)
            change(notebook)
            path = tmp_path / name
            nbformat.write(notebook, path)
            return path

        yield write


def solve(lesson, *without):
    def change(notebook):
        for exercise in lesson.exercises:
            if exercise.id not in without:
                cell_of(notebook, exercise.grade_id).source = exercise.solution

    return change


def test_solved_it_is_all_right_and_nothing_is_logged_or_changed(work, example_lesson):
    path = work(solve(example_lesson))
    before = path.read_bytes()
    results = checking.check_notebook(path)
    assert [it.passed for it in results] == [True] * len(example_lesson.exercises)
    assert sum(it.points for it in results) == example_lesson.points
    assert list(progress.events()) == []
    assert path.read_bytes() == before


def test_a_skeleton_gets_nothing_and_the_words_of_its_checks(work):
    results = checking.check_notebook(work())
    assert not any(it.passed or it.points for it in results)
    assert all(it.message.startswith(f"✗ {it.key}: ") for it in results)


def test_locked_cells_are_the_lessons_own_and_missing_ones_come_back(
    work, example_lesson
):
    first, *others = example_lesson.exercises

    def cheat(notebook):
        solve(example_lesson, first.id)(notebook)
        cell_of(notebook, first.check_id).source = "pass"
        gone = others[0].check_id if others else first.check_id
        notebook.cells.remove(cell_of(notebook, gone))

    results = {it.key: it for it in checking.check_notebook(work(cheat))}
    assert not results[first.key].passed
    assert all(results[it.key].passed for it in others)


def test_the_hidden_part_judges_too(work, example_lesson):
    """The visible part has small inputs only."""
    exercise = example_lesson.by_id["softmax"]

    def overflow(notebook):
        solve(example_lesson)(notebook)
        cell_of(
            notebook, exercise.grade_id
        ).source = "def softmax(z):\n    return np.exp(z) / np.exp(z).sum()"

    done = CliRunner().invoke(cli.main, ["check", str(work(overflow)), "--json"])
    assert done.exit_code == 1
    wrong = [it["key"] for it in json.loads(done.stdout) if not it["passed"]]
    assert exercise.key in wrong


def test_a_cell_without_end_costs_its_own_exercise(work, example_lesson):
    exercise = example_lesson.exercises[-1]

    def loop(notebook):
        solve(example_lesson)(notebook)
        name = exercise.grade_id
        cell_of(notebook, name).source = "while True:\n    pass"

    results = checking.check_notebook(work(loop), limit_s=3)
    assert [it.key for it in results if not it.passed] == [exercise.key]


def test_an_answer_that_ends_the_process_leaves_no_verdict_open(work, example_lesson):
    exercise = example_lesson.exercises[-1]

    def leave(notebook):
        solve(example_lesson)(notebook)
        cell_of(notebook, exercise.grade_id).source = "import os\nos._exit(0)"

    last = checking.check_notebook(work(leave))[-1]
    assert (last.passed, last.points) == (False, 0)
    assert "the process ended" in last.message


def test_the_command_prints_the_sum(work, example_lesson):
    done = CliRunner().invoke(cli.main, ["check", str(work(solve(example_lesson)))])
    assert done.exit_code == 0, done.output
    assert (
        f"{example_lesson.points:g} of {example_lesson.points:g} points" in done.output
    )


def test_the_table_ends_with_where_a_hint_is():
    results = [
        checking.Result("z1.softmax", True, "", 2, 2),
        checking.Result("z1.argmax", False, "✗ z1.argmax: no.", 0, 1),
    ]
    assert checking.table(results[:1]).endswith("2 of 2 points")
    assert checking.table(results).endswith("A hint: course hint z1.argmax")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none.ipynb", None, "there is no file"),
        ("z1_x.ipynb", "not json", "not a notebook"),
        (
            "b7_x.ipynb",
            '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
            "no lesson 'b7'",
        ),
    ],
)
def test_bad_input_is_named(tmp_path, name, text, words):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(CrossroadsError, match=words):
        checking.check_notebook(path)
