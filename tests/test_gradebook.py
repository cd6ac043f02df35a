"""Grading never gives points for what was not judged, and one bad file stops nobody."""

import copy
import csv
import json
import shutil

import filelock
import nbformat
import pytest
from class_tools import NAME, RIGHT, cell_of, hand_in, run, solve
from click.testing import CliRunner
from nbgrader.api import Gradebook, MissingEntry

from autograder import gradebook
from autograder.cli import main
from course import bank
from course.classroom import open_classroom
from course.errors import ClassroomError

CHECK = "z1_softmax_check"
LOUD = f"{RIGHT}\nquiet = softmax\n\n\ndef softmax(z):\n    import sys\n\n"
LOUD += "    print('hm', file=sys.stderr)\n    return quiet(z)"


def answer(source):
    def change(notebook):
        cell_of(notebook, "z1_softmax").source = source

    return change


def tagged(notebook):
    cell_of(notebook, CHECK).metadata["tags"] = ["skip-execution"]


def emptied(notebook):
    cell_of(notebook, CHECK).source = ""


def ungraded(notebook):
    cell_of(notebook, CHECK).metadata.nbgrader["grade"] = False


def worth_more(notebook):
    answer(RIGHT)(notebook)
    cell_of(notebook, CHECK).metadata.nbgrader["points"] = 1000


def as_markdown(notebook):
    cell = cell_of(notebook, CHECK)
    cell.cell_type = "markdown"
    del cell["outputs"], cell["execution_count"]


def without(*names):
    def change(notebook):
        answer(RIGHT)(notebook)
        for name in names:
            notebook.cells.remove(cell_of(notebook, name))

    return change


def doubled(notebook):
    answer(RIGHT)(notebook)
    notebook.cells.append(copy.deepcopy(cell_of(notebook, CHECK)))
    notebook.cells[-1]["id"] = "copy"


def foreign(notebook):
    answer(RIGHT)(notebook)
    cell = nbformat.v4.new_code_cell("1 / 0")
    cell.metadata["nbgrader"] = {"grade_id": "mine", "grade": True, "points": 9}
    notebook.cells.append(cell)


# What was done to the notebook, and what softmax (2 points) is then worth.
TAMPERED = {
    "tagged": (tagged, 0),
    "emptied": (emptied, 0),
    "ungraded": (ungraded, 0),
    "as-markdown": (as_markdown, 0),
    "worth-more": (worth_more, 2),
    "no-check": (without(CHECK), 2),
    "no-setup": (without("z1_setup_1"), 2),
    "nothing-left": (without("z1_setup_1", "z1_softmax", CHECK), 0),
    "doubled": (doubled, 2),
    "foreign": (foreign, 2),
    "loud": (answer(LOUD), 2),
    "endless": (answer(f"{RIGHT}\nwhile True:\n    pass"), 2),
}
ENDED = answer("import os\n\nos._exit(1)")
FAILED = ("dead", "cut", "empty", "missing", "link")


@pytest.fixture(scope="module")
def room(tmp_path_factory, example_room, example_lesson):
    """A graded class: everybody tampered with something."""
    place = tmp_path_factory.mktemp("gradebook") / "room"
    made = open_classroom(shutil.copytree(example_room.folder, place))
    (made.folder / "own_config.py").write_text("get_config().Execute.timeout = 10\n")
    hand_in(made, "solution", change=solve(example_lesson))
    for n, wrong in enumerate(example_lesson.by_id["softmax"].wrongs):
        hand_in(made, f"wrong-{n}", change=answer(wrong.source))
    for name, (change, _) in TAMPERED.items():
        hand_in(made, name, change=change)
    hand_in(made, "dead", change=ENDED)
    path = hand_in(made, "cut")
    path.write_text(path.read_text()[:900])
    hand_in(made, "empty").write_text("")
    path = hand_in(made, "missing")
    path.rename(path.with_name("Untitled.ipynb"))
    path = hand_in(made, "link")
    path.unlink()
    path.symlink_to(made.path("submitted", "solution", NAME) / path.name)
    done = run(made, "autograder.cli", "grade", ".", "--json", check=False)
    assert done.returncode == 1, done.stderr  # some failed
    assert len(json.loads(done.stdout)) == 1 + 2 + len(TAMPERED) + len(FAILED)
    run(made, "autograder.cli", "feedback", ".")
    run(made, "autograder.cli", "export", ".")
    return made


pytestmark = pytest.mark.slow  # the class is graded once, by a real kernel for each


def result_of(room, student):
    return next(it for it in gradebook.results_of(room) if it.student == student)


def verdict_of(room, student):
    verdicts = result_of(room, student).verdicts
    return next(it for it in verdicts if it.check == CHECK)


@pytest.fixture
def book(room):
    with Gradebook(f"sqlite:///{room.gradebook}", room.course_id) as opened:
        yield opened


def test_a_solution_has_full_marks(room):
    assert result_of(room, "solution").score == 3


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_neither_wins_nor_loses_points(room, name):
    assert result_of(room, name).status == gradebook.GRADED
    assert verdict_of(room, name).points == TAMPERED[name][1]
    assert result_of(room, name).max_score == 3


def test_the_verdict_says_which_misconception_it_is(room, example_lesson):
    for n, wrong in enumerate(example_lesson.by_id["softmax"].wrongs):
        assert bank.unsaid(wrong, verdict_of(room, f"wrong-{n}").message) == []


def test_nbgrader_and_the_bank_agree_on_every_answer(room, example_lesson):
    softmax = example_lesson.by_id["softmax"]
    for n, wrong in enumerate(softmax.wrongs):
        outcome = bank.judge(example_lesson, softmax, wrong.source)
        verdict = verdict_of(room, f"wrong-{n}")
        assert outcome.passed is (verdict.points > 0)
        assert outcome.message.split("\n")[0] == verdict.message.split("\n")[0]


@pytest.mark.parametrize("name", FAILED)
def test_what_cannot_be_graded_has_no_score_and_leaves_nothing_behind(room, book, name):
    found = result_of(room, name)
    assert (found.status, found.score, found.verdicts) == ("failed", None, ())
    assert not room.path("autograded", name, NAME).exists()
    with pytest.raises(MissingEntry):
        book.find_submission(NAME, name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dead", "the kernel died"),
        ("cut", "not a complete notebook: it breaks off or is damaged at line"),
        ("empty", "is empty (0 bytes): ask for it"),
        ("missing", "the folder holds Untitled.ipynb: rename"),
        ("link", "no ordinary file"),
    ],
)
def test_the_reason_says_what_a_person_can_do(room, name, words):
    assert words in result_of(room, name).reason


def test_the_export_has_no_score_where_there_is_none(room):
    with (room.folder / "grades.csv").open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert len(rows) == 1 + 2 + len(TAMPERED) + len(FAILED)
    assert rows["solution"]["score"] == "3.0"
    for name in FAILED:
        assert (rows[name]["score"], rows[name]["raw_score"]) == ("", "")
        assert rows[name]["status"] == "failed"
        assert rows[name]["reason"] == result_of(room, name).reason


def test_each_has_a_feedback_page_without_hidden_tests(room):
    pages = {it.parts[-3]: it for it in (room.folder / "feedback").glob("*/*/*.html")}
    students = {it.student for it in gradebook.results_of(room)}
    assert set(pages) == students - {"by-hand"}  # another test's, handed in later
    assert "could not be graded" in pages["empty"].read_text()
    assert "forgot to normalise" in pages["wrong-0"].read_text()
    for page in pages.values():
        assert "HIDDEN" not in page.read_text()


def test_a_grade_by_hand_outlives_a_failed_regrading(room, example_lesson):
    hand_in(room, "by-hand", change=solve(example_lesson))
    run(room, "autograder.cli", "grade", ".", "--student", "by-hand")
    url = f"sqlite:///{room.gradebook}"
    with Gradebook(url, room.course_id) as book:
        grade = book.find_grade(CHECK, NAME, NAME, "by-hand")
        grade.manual_score = 1.5
        book.db.commit()
    hand_in(room, "by-hand", change=ENDED)
    run(room, "autograder.cli", "grade", ".", "--student", "by-hand", check=False)
    with Gradebook(url, room.course_id) as book:
        grade = book.find_grade(CHECK, NAME, NAME, "by-hand")
        assert (grade.auto_score, grade.manual_score) == (None, 1.5)
    assert result_of(room, "by-hand").score is None
    assert gradebook.export(room, room.folder / "by-hand.csv") > 0
    with (room.folder / "by-hand.csv").open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert rows["by-hand"]["status"] == "to be graded by hand"
    assert rows["by-hand"]["score"] == ""


def test_two_gradings_at_once_are_refused(room):
    with (
        filelock.FileLock(room.folder / ".grading.lock"),
        pytest.raises(ClassroomError, match="another grading"),
    ):
        gradebook.grade(room, student="solution")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lesson", "q9"], "no lesson 'q9'; it has z1_example"),
        (["--student", "nobody"], "holds no submission of"),
    ],
)
def test_what_is_not_there_is_named(room, arguments, words):
    done = CliRunner().invoke(main, ["grade", str(room.folder), *arguments])
    assert done.exit_code == 1
    assert words in done.output


def test_a_folder_that_is_no_classroom_is_named(tmp_path):
    done = CliRunner().invoke(main, ["grade", str(tmp_path)])
    assert done.exit_code == 1
    assert "not a classroom" in done.output


def test_stopping_leaves_nothing_half_made(example_room, tmp_path):
    """nbgrader swallows the interrupt and calls it a failed submission."""
    place = shutil.copytree(example_room.folder, tmp_path / "room")
    copied = open_classroom(place)
    hand_in(copied, "s1")

    class Interrupted:
        def autograde(self, assignment, student):
            copied.path("autograded", student, assignment).mkdir(parents=True)
            return {"success": False, "error": "Traceback\nKeyboardInterrupt\n"}

    with pytest.raises(KeyboardInterrupt):
        gradebook._grade_one(Interrupted(), copied, "s1", NAME)
    assert not copied.path("autograded", "s1", NAME).exists()


def test_every_point_of_the_example_is_judged(room, example_lesson):
    found = {it.check for it in result_of(room, "solution").verdicts}
    assert found == {it.check_id for it in example_lesson.exercises}
