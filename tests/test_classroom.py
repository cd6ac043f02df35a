"""A classroom is an nbgrader course, made of the lessons, that can be made again."""

import copy
import csv
import shutil
from pathlib import Path

import nbformat
import pytest
from class_tools import (
    EXAMPLE,
    NAME,
    RIGHT,
    cell_of,
    hand_in,
    only_the_example,
    run,
    solve,
)
from nbgrader.api import Gradebook

from course import build
from course.classroom import make_classroom, open_classroom
from course.errors import ClassroomError

ROOT = Path(__file__).parents[1]

# nbgrader's own way with its database; our code calls it with these warnings off.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:Warning")


@pytest.fixture(autouse=True)
def _library(tmp_path):
    with only_the_example(tmp_path / "lessons"):
        yield


@pytest.fixture
def room(example_room, tmp_path):
    """A copy: a classroom can be moved, and a new gradebook takes seconds."""
    return open_classroom(shutil.copytree(example_room.folder, tmp_path / "room"))


def files_of(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def book(room):
    return Gradebook(f"sqlite:///{room.gradebook}", room.course_id)


def grade_someone(room):
    with book(room) as gradebook:
        gradebook.add_student("s1")
        gradebook.add_submission(NAME, "s1")


def read_release(room):
    return nbformat.read(room.folder / "release" / NAME / f"{NAME}.ipynb", 4)


def test_the_students_version_is_the_learners_notebook(room, example_lesson):
    release = read_release(room).cells
    learner = build.learner_notebook(example_lesson).cells
    assert [it.source.rstrip() for it in release] == [it.source for it in learner]


def test_the_source_draws_hidden_tests_from_the_class_s_own_seed(room):
    source = (room.folder / "source" / NAME / f"{NAME}.ipynb").read_text()
    assert "HIDDEN_SEED = 5" in source
    assert "HIDDEN_SEED = 7" not in source


def test_making_it_again_changes_no_byte(room):
    before = files_of(room.folder)
    again = make_classroom(room.folder)
    assert files_of(room.folder) == before
    assert again == room
    assert again.changed == ()


@pytest.mark.slow
def test_a_random_seed_is_kept_and_differs_between_classes(tmp_path):
    one, two = (make_classroom(tmp_path / name) for name in ("one", "two"))
    assert one.hidden_seed != two.hidden_seed
    assert make_classroom(one.folder).hidden_seed == one.hidden_seed


def test_another_seed_is_refused(room):
    with pytest.raises(ClassroomError, match=r"hidden seed 5, not 6.*leave the seed"):
        make_classroom(room.folder, hidden_seed=6)


def test_a_new_text_reaches_source_and_students_but_not_what_was_handed_in(
    room, tmp_path
):
    grade_someone(room)
    submitted = hand_in(room, "s1").read_bytes()
    text = EXAMPLE.read_text().replace("## Softmax", "## Softmax, again")
    with only_the_example(tmp_path / "lessons", text):
        assert make_classroom(room.folder).changed == (NAME,)
    assert "## Softmax, again" in [it.source for it in read_release(room).cells]
    assert hand_in(room, "s2") != submitted
    assert (room.folder / "submitted/s1" / NAME / f"{NAME}.ipynb").read_bytes() == (
        submitted
    )
    with book(room) as gradebook:
        assert gradebook.find_submission(NAME, "s1") is not None


def test_new_points_are_refused_once_there_are_grades(room, tmp_path):
    text = EXAMPLE.read_text().replace("points=2", "points=3")
    grade_someone(room)
    before = files_of(room.folder)
    with (
        only_the_example(tmp_path / "lessons", text),
        pytest.raises(ClassroomError, match=r"z1_softmax_check: 2 -> 3.*new classroom"),
    ):
        make_classroom(room.folder)
    assert files_of(room.folder) == before


def test_new_points_are_taken_while_there_are_no_grades(room, tmp_path):
    text = EXAMPLE.read_text().replace("points=2", "points=3")
    with only_the_example(tmp_path / "lessons", text):
        make_classroom(room.folder)
    with book(room) as gradebook:
        assert gradebook.find_assignment(NAME).max_score == 4


@pytest.mark.parametrize("name", [".", "notebooks", "some/where"])
def test_a_folder_inside_of_the_repository_is_refused(name):
    with pytest.raises(ClassroomError, match=r"inside.*solutions.*outside of it"):
        make_classroom(ROOT / name)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ClassroomError, match="not empty and not a classroom"):
        make_classroom(tmp_path)
    assert not (tmp_path / "classroom.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"course_id": "a/b"}, r"'a/b' must be letters"),
        ({"hidden_seed": -1}, r"-1; it must be from 0"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, arguments, message):
    with pytest.raises(ClassroomError, match=message):
        make_classroom(tmp_path / "room", **arguments)


def test_damaged_notes_are_named(room):
    (room.folder / "classroom.json").write_text("{")
    with pytest.raises(ClassroomError, match=r"classroom.json cannot be read"):
        open_classroom(room.folder)


def test_students_are_enrolled_and_may_be_enrolled_again(room, tmp_path):
    path = tmp_path / "students.csv"
    path.write_text("id,first_name,last_name,email\ns1,A,B,a@example.org\ns2,,,\n")
    for _ in range(2):
        make_classroom(room.folder, students=path)
    with book(room) as gradebook:
        assert {it.id for it in gradebook.students} == {"s1", "s2"}
        assert gradebook.find_student("s1").email == "a@example.org"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,last_name\n", "lacks the column 'first_name'"),
        ("id,first_name,last_name,email\na/b,,,\n", r":2: id 'a/b' must be"),
        ("id,first_name,last_name,email\n,,,\n", r":2: id '' must be"),
        ("id,first_name,last_name,email\na,,,\na,,,\n", r":3: id 'a' occurs twice"),
    ],
)
def test_a_wrong_list_of_students_is_refused_before_anything_is_made(
    tmp_path, text, message
):
    path = tmp_path / "students.csv"
    path.write_text(text)
    with pytest.raises(ClassroomError, match=message):
        make_classroom(tmp_path / "room", students=path)
    assert not (tmp_path / "room").exists()


def tampered(change):
    """Return a change of the solved notebook's check of softmax."""

    def of(notebook):
        cell_of(notebook, "z1_softmax").source = RIGHT
        change(notebook, cell_of(notebook, "z1_softmax_check"))

    return of


def tag(_, check):
    check.metadata["tags"] = ["skip-execution"]


def empty(notebook, check):
    cell_of(notebook, "z1_softmax").source = ""
    check.metadata.nbgrader["grade"] = False


def double(notebook, check):
    notebook.cells.append(copy.deepcopy(check))
    notebook.cells[-1]["id"] = "copy"


def delete(notebook, check):
    notebook.cells.remove(check)
    notebook.cells.remove(cell_of(notebook, "z1_setup_1"))


LOUD = "softmax = lambda z, f=softmax: (print('hm', file=__import__('sys').stderr), f(z))[1]"


def speak(notebook, _):
    cell_of(notebook, "z1_softmax").source += f"\n{LOUD}"


# What was done to the notebook, and what it then gets of 3 points (the guess is wrong).
TAMPERED = {tag: "2.0", empty: "0.0", double: "2.0", delete: "2.0", speak: "2.0"}


@pytest.mark.slow
def test_nbgrader_s_own_commands_do_the_whole_round(room, example_lesson):
    """With the steps that a classroom adds to them: see `course.preprocessors`."""
    hand_in(room, "solution", change=solve(example_lesson))
    hand_in(room, "skeleton")
    for change in TAMPERED:
        hand_in(room, change.__name__, change=tampered(change))
    run(room, "nbgrader", "generate_assignment", NAME, "--force")
    run(room, "nbgrader", "autograde", NAME)
    run(room, "nbgrader", "generate_feedback", NAME)
    run(room, "nbgrader", "export")
    wanted = {it.__name__: points for it, points in TAMPERED.items()}
    assert exported(room) == {"solution": "3.0", "skeleton": "0.0"} | wanted
    page = (room.folder / "feedback/solution" / NAME / f"{NAME}.html").read_text()
    assert "softmax([0, 1])" in page
    assert "HIDDEN" not in page
    assert "overflows" not in page


def exported(room):
    with (room.folder / "grades.csv").open() as file:
        return {row["student_id"]: row["score"] for row in csv.DictReader(file)}
