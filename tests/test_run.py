"""A classroom graded in sandboxes: submissions to nbgrader's database."""

import shutil

import pytest
from class_tools import NAME, cell_of, hand_in, solve
from nbgrader.api import Gradebook

from autograder.run import How, grade_classroom
from course.classroom import open_classroom
from course.errors import ClassroomError

pytestmark = pytest.mark.slow
CHECK = "z1_softmax_check"


@pytest.fixture
def room(tmp_path, example_room):
    return open_classroom(shutil.copytree(example_room.folder, tmp_path / "room"))


def answer(source):
    def change(notebook):
        cell_of(notebook, "z1_softmax").source = source

    return change


@pytest.mark.usefixtures("_can_hold_untrusted_work")
def test_a_class_is_graded_in_sandboxes(room, example_lesson):
    hand_in(room, "ann", change=solve(example_lesson))
    hand_in(room, "bob", change=answer("import os\nos._exit(0)"))
    hand_in(room, "eve").write_text("{")
    spy = f"open({str(room.folder / 'stolen')!r}, 'w').write('x')"
    hand_in(room, "spy", change=answer(spy))
    report = grade_classroom(room.folder, How(workers=2), lesson="z1", progress=False)
    rows = {it.student: it.verdict for it in report.rows}
    most = sum(it.points for it in example_lesson.exercises)
    assert rows["ann"].points == rows["ann"].max_points == most
    assert rows["bob"].points < most
    assert rows["eve"].status == "rejected"
    assert not (room.folder / "stolen").exists()
    with Gradebook(f"sqlite:///{room.gradebook}", room.course_id) as book:
        assert book.find_submission(NAME, "ann").score == most
        assert book.find_submission(NAME, "eve").needs_manual_grade
    again = grade_classroom(room.folder, How(workers=1), progress=False)
    assert (again.judged, again.kept) == (0, 4)
    assert again.rows == report.rows


def test_a_lesson_that_the_classroom_lacks_is_named(room):
    with pytest.raises(ClassroomError, match="no lesson 'x9'"):
        grade_classroom(room.folder, lesson="x9")


def test_no_worker_is_no_number_of_workers(room):
    with pytest.raises(ClassroomError, match="1 or more"):
        grade_classroom(room.folder, How(workers=0))
