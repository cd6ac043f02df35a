"""Any nbgrader course is graded: not of our lessons, several notebooks, data beside."""

import json
import shutil

import nbformat
import pytest
from class_tools import run
from click.testing import CliRunner
from nbgrader.api import Gradebook
from referee_tools import cell

from autograder import rooms
from autograder.cli import main
from course.classroom import Classroom
from course.errors import ClassroomError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_can_hold_untrusted_work")]
SOLUTION = "    ### BEGIN SOLUTION\n    {}\n    ### END SOLUTION\n"
HIDDEN = "\n### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
SQUARE = "def square(x):\n" + SOLUTION.format("return x * x")
MEAN = "import csv, helper\ndef mean(path='data.csv'):\n" + SOLUTION.format(
    "return helper.mean(float(it[0]) for it in csv.reader(open(path)))"
)
PROBLEM1 = [
    cell(SQUARE, "square", solution=True),
    cell(
        "assert square(2) == 4" + HIDDEN.format("assert square(3) == 9"),
        "test_square",
        grade=True,
        points=2,
    ),
    # looks into the student's own namespace, which the referee does not have
    cell(
        "assert 'square' in globals() and square.__code__.co_argcount == 1",
        "test_names",
        grade=True,
        points=1,
    ),
]
PROBLEM2 = [
    cell(MEAN, "mean", solution=True),
    cell("assert mean() == 2.0", "test_mean", grade=True, points=3),
]  # fmt: skip


def written(path, cells):
    for it in cells:
        it.update(outputs=[], execution_count=None)
        it["metadata"]["nbgrader"]["cell_type"] = "code"
        it["id"] = it["id"].replace("_", "-")
    text = nbformat.v4.new_markdown_cell("Why?")
    text["id"] = "why"
    text.metadata["nbgrader"] = {"grade_id": "why", "grade": True, "solution": True}
    text.metadata["nbgrader"] |= {"locked": False, "points": 1, "schema_version": 3}
    text.metadata["nbgrader"] |= {"task": False, "cell_type": "markdown"}
    whole = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [*cells, text],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course that nbgrader's own commands made."""
    folder = tmp_path_factory.mktemp("foreign") / "course"
    source = folder / "source" / "ps1"
    written(source / "problem1.ipynb", PROBLEM1)
    written(source / "problem2.ipynb", PROBLEM2)
    (source / "data.csv").write_text("1\n3\n")
    (source / "helper.py").write_text("from statistics import mean\n")
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\nc.CourseDirectory.course_id = 'c101'\n"
    )
    run(Classroom(folder, "c101", 0, ()), "nbgrader", "generate_assignment", "ps1")
    hand_in(folder, "ann")
    hand_in(folder, "bob", "return x * x", "return 2 * x")
    hand_in(folder, "eve", "return x * x", "import os; os._exit(0)")
    (folder / "submitted" / "eve" / "ps1" / "problem2.ipynb").unlink()
    return folder


def hand_in(folder, student, *change):
    """Hand in the solutions, with one text of them exchanged."""
    place = folder / "submitted" / student / "ps1"
    shutil.copytree(folder / "release" / "ps1", place)
    for name in ("problem1", "problem2"):
        text = (folder / "source" / "ps1" / f"{name}.ipynb").read_text()
        (place / f"{name}.ipynb").write_text(text.replace(*change) if change else text)


@pytest.fixture(scope="module")
def graded(course):
    done = CliRunner().invoke(main, ["grade", str(course), "--json"])
    assert done.exit_code == 1, done.output  # eve's second notebook is missing
    found = json.loads(done.stdout)["submissions"]
    return {(it["student"], it["assignment"]): it for it in found}


def points(graded, student, name):
    exercises = graded[student, f"ps1/{name}"]["verdict"]["exercises"]
    return {it["grade_id"]: it["points"] for it in exercises}


def test_each_notebook_of_an_assignment_is_graded(graded):
    right = {"test_square": 2, "test_names": 1, "why": None}
    assert points(graded, "ann", "problem1") == right
    assert points(graded, "bob", "problem1") == {**right, "test_square": 0}
    assert points(graded, "eve", "problem1") == {**right, "test_square": 0}


def test_what_is_handed_out_beside_the_notebook_is_there(graded):
    assert points(graded, "ann", "problem2") == {"test_mean": 3, "why": None}
    assert graded["eve", "ps1/problem2"]["status"] == "rejected"


def test_only_checks_that_need_it_run_in_shared_mode_and_are_marked(course, graded):
    exercises = graded["ann", "ps1/problem1"]["verdict"]["exercises"]
    shared = {it["grade_id"] for it in exercises if it["shared"]}
    assert shared == {"test_names"}
    shown = CliRunner().invoke(main, ["grade", str(course)]).output
    assert "test_names [shared mode]" in shown
    assert "3 verdicts come from checks that ran inside" in shown
    path = course / "report.html"
    assert CliRunner().invoke(main, ["report", str(course)]).exit_code == 0
    assert "in shared mode" in path.read_text()


@pytest.mark.usefixtures("graded")
def test_the_gradebook_holds_both_notebooks(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "c101") as book:
        found = book.find_submission("ps1", "ann")
        assert (found.score, found.max_score) == (6, 8)
        assert {it.name for it in found.notebooks} == {"problem1", "problem2"}
        assert found.needs_manual_grade  # of `why`
    assert (course / "autograded" / "ann" / "ps1" / "problem2.ipynb").is_file()


@pytest.mark.usefixtures("graded")
def test_feedback_has_a_page_for_each_notebook(course):
    done = CliRunner().invoke(main, ["feedback", str(course)])
    assert done.exit_code == 0, done.output
    assert (course / "feedback" / "ann" / "ps1" / "problem2.html").is_file()


def test_without_the_shared_mode_such_a_notebook_is_not_graded(course, tmp_path):
    place = shutil.copytree(course, tmp_path / "course")
    (place / "grading.db").unlink(missing_ok=True)
    command = ["grade", str(place), "--shared", "never", "--json", "--student", "ann"]
    done = CliRunner().invoke(main, command)
    found = json.loads(done.stdout)["submissions"]
    assert [it["points"] for it in found] == [None, 3]
    assert "test_names" in found[0]["verdict"]["reason"]


def test_parity_compares_it_with_nbgrader(course):
    done = CliRunner().invoke(main, ["parity", str(course), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [(it["submissions"], it["shared"]) for it in found] == [(2, 1), (2, 0)]
    assert not (course / "submitted" / "solutions").exists()


def test_a_folder_without_notebooks_is_no_course(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(ClassroomError, match="nor another nbgrader course"):
        rooms.open_room(tmp_path)
