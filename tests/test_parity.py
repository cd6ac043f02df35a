"""The grader gives what the lessons' own answers are worth, as nbgrader does."""

import json

import pytest
from class_tools import NAME, only_the_example
from click.testing import CliRunner

from autograder import honest, parity
from autograder.cli import main
from course import lesson
from course.demo_class import dependencies

LESSONS = [lesson.read(path) for path in lesson.lesson_paths()]


@pytest.mark.parametrize("it", LESSONS, ids=lambda it: it.id)
def test_every_answer_of_the_bank_is_in_an_honest_submission(it):
    made = dict(honest.submissions(it))
    for exercise in it.exercises:
        texts = {answers[exercise.id] for answers in made.values()}
        bank = {exercise.solution, exercise.skeleton}
        bank |= {answer.source for answer in (*exercise.rights, *exercise.wrongs)}
        assert texts == bank


@pytest.mark.parametrize("it", LESSONS, ids=lambda it: it.id)
def test_a_wrong_answer_stands_on_right_ones(it):
    depends = dependencies(it)
    for name, answers in honest.submissions(it):
        if name.startswith("wrong"):
            wrong = {ex.id for ex in it.exercises if answers[ex.id] != ex.solution}
            assert not [ex for ex in wrong if depends[ex] & wrong], name


@pytest.mark.slow
@pytest.mark.usefixtures("_can_hold_untrusted_work")
def test_both_graders_give_the_same_points(tmp_path):
    with only_the_example(tmp_path / "lessons"):
        done = CliRunner().invoke(main, ["parity", "z1", "--json"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    assert (found["name"], found["points"], found["max_points"]) == (NAME, 3, 3)
    assert found["submissions"] == 5
    assert found["verdicts"] == 10


@pytest.mark.slow
@pytest.mark.usefixtures("_can_hold_untrusted_work")
def test_a_reference_that_fails_is_a_difference(tmp_path, example_room):
    source = example_room.folder / "source" / NAME / f"{NAME}.ipynb"
    place = tmp_path / "course" / "source" / NAME
    place.mkdir(parents=True)
    text = source.read_text().replace("z - z.max()", "z + 1")
    (place / source.name).write_text(text)
    (found,) = parity.compare(str(tmp_path / "course"), quick=True, quiet=True)
    assert (found.points, found.max_points) == (1, 3)
    assert any("z1_softmax_check" in it for it in found.differences)
    parity.show([found], quick=True)


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.usefixtures("_can_hold_untrusted_work")
def test_every_lesson_s_solutions_get_full_marks_in_the_sandbox():
    """With a hidden seed that no author tried."""
    found = parity.compare(None, quick=True, quiet=True)
    assert len(found) == len(LESSONS)
    assert [it.differences for it in found if it.differences] == []
