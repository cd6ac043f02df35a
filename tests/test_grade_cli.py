"""`autograder` on a class that tampered with everything: the commands, end to end."""

import copy
import csv
import json
import os
import shutil
import tempfile
from pathlib import Path

import nbformat
import pytest
from class_tools import NAME, RIGHT, cell_of, hand_in, solve
from click.testing import CliRunner
from engine_tools import as_user
from nbgrader.api import Gradebook

from autograder import probe
from autograder.cli import main
from autograder.probe import Found, Mode
from course import bank
from course.classroom import open_api, open_classroom

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_can_hold_untrusted_work")]
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


def marked_up(notebook):
    """An answer, and a page's worth of script around it."""
    answer(f"{RIGHT}\nprint('<script>alert(1)</script>')")(notebook)
    text = "<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://127.0.0.1/)"
    notebook.cells.append(nbformat.v4.new_markdown_cell(text))


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
    "marked-up": (marked_up, 2),
    "dead": (answer("import os\n\nos._exit(1)"), 0),
}
REJECTED = {
    "cut": "not JSON",
    "empty": "the file is empty",
    "missing": "'Untitled.ipynb': rename it",
    "link": "symbolic link",
}


def autograder(*arguments):
    return CliRunner().invoke(main, [str(it) for it in arguments])


def make_class(room, lesson):
    hand_in(room, "solution", change=solve(lesson))
    for n, wrong in enumerate(lesson.by_id["softmax"].wrongs):
        hand_in(room, f"wrong-{n}", change=answer(wrong.source))
    for name, (change, _) in TAMPERED.items():
        hand_in(room, name, change=change)
    path = hand_in(room, "cut")
    path.write_text(path.read_text()[:900])
    hand_in(room, "empty").write_text("")
    path = hand_in(room, "missing")
    path.rename(path.with_name("Untitled.ipynb"))
    path = hand_in(room, "link")
    path.unlink()
    path.symlink_to(room.path("submitted", "solution", NAME) / path.name)


@pytest.fixture(scope="module")
def room(tmp_path_factory, example_room, example_lesson):
    place = tmp_path_factory.mktemp("cli") / "room"
    made = open_classroom(shutil.copytree(example_room.folder, place))
    make_class(made, example_lesson)
    return made


@pytest.fixture(scope="module")
def graded(room):
    """What `autograder grade --json` said of each student."""
    done = autograder("grade", room.folder, "--json")
    assert done.exit_code == 1, done.output  # some could not be graded
    found = json.loads(done.stdout)
    assert found["judged"] == 1 + 2 + len(TAMPERED) + len(REJECTED)
    return {it["student"]: it for it in found["submissions"]}


def of_softmax(graded, student):
    exercises = graded[student]["verdict"]["exercises"]
    return next(it for it in exercises if it["grade_id"] == CHECK)


def test_a_solution_has_full_marks_and_every_point_is_judged(graded, example_lesson):
    found = graded["solution"]
    assert found["points"] == 3
    checks = [it["grade_id"] for it in found["verdict"]["exercises"]]
    assert checks == [it.check_id for it in example_lesson.exercises]


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_neither_wins_nor_loses_points(graded, name):
    assert graded[name]["status"] == "graded"
    assert of_softmax(graded, name)["points"] == TAMPERED[name][1]
    assert sum(it["max_points"] for it in graded[name]["verdict"]["exercises"]) == 3


def test_the_verdict_says_which_misconception_it_is(graded, example_lesson):
    for n, wrong in enumerate(example_lesson.by_id["softmax"].wrongs):
        said = of_softmax(graded, f"wrong-{n}")["message"]
        assert bank.unsaid(wrong, said) == []


@pytest.mark.parametrize("name", REJECTED)
def test_what_cannot_be_graded_has_no_score_and_a_reason(graded, name):
    assert (graded[name]["status"], graded[name]["points"]) == ("rejected", None)
    assert REJECTED[name] in graded[name]["verdict"]["reason"]


@pytest.mark.usefixtures("graded")
def test_a_second_run_judges_nothing_and_says_the_same(room):
    done = autograder("grade", room.folder)
    assert done.exit_code == 1
    assert "0 judged in" in done.output
    assert f"{len(REJECTED)} could not be graded" in done.output
    assert "rejected: the file is empty" in " ".join(
        done.output.replace("│", " ").split()
    )


@pytest.mark.usefixtures("graded")
def test_the_export_has_no_score_where_there_is_none(room, tmp_path):
    done = autograder("export", room.folder, "--to", tmp_path)
    assert done.exit_code == 0, done.output
    with (tmp_path / "grades.csv").open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert len(rows) == 1 + 2 + len(TAMPERED) + len(REJECTED)
    assert rows["solution"]["score"] == "3.0"
    for name, words in REJECTED.items():
        assert (rows[name]["score"], rows[name]["raw_score"]) == ("", "")
        assert rows[name]["status"] == "rejected"
        assert words in rows[name]["reason"]
    assert autograder("export", room.folder, "--to", tmp_path, "--format", "json")
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    assert {it["student"] for it in verdicts} == set(rows)


@pytest.mark.usefixtures("graded")
def test_each_has_a_feedback_page_without_hidden_tests(room):
    done = autograder("feedback", room.folder)
    assert f"{1 + 2 + len(TAMPERED) + len(REJECTED)} pages" in done.output
    pages = {it.parts[-3]: it for it in (room.folder / "feedback").glob("*/*/*.html")}
    assert "could not be graded" in pages["empty"].read_text()
    assert "forgot to normalise" in pages["wrong-0"].read_text()
    for page in pages.values():
        assert "HIDDEN_SEED" not in page.read_text()
        assert "<script" not in page.read_text()


@pytest.mark.usefixtures("graded")
def test_the_report_is_one_page(room, tmp_path):
    path = tmp_path / "report.html"
    done = autograder("report", room.folder, "--lesson", "z1", "--to", path)
    assert done.output.strip() == str(path)
    assert "the file is empty" in path.read_text()


@pytest.mark.usefixtures("graded")
def test_formgrader_shows_the_work_and_runs_nothing_of_it(room):
    """Formgrader renders `autograded/` with its own exporter, in the instructor's page."""
    from nbconvert.exporters import HTMLExporter
    from nbgrader.preprocessors import GetGrades

    with open_api(room.folder) as api:
        known = {it["student"]: it for it in api.get_submissions(NAME)}
        url = api.coursedir.db_url
    assert known["solution"]["autograded"]
    assert known["solution"]["score"] == 3
    assert known["empty"]["needs_manual_grade"]
    for student in ("marked-up", "no-check", "dead", "empty"):
        path = room.path("autograded", student, NAME) / f"{NAME}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        names = {"notebook": NAME, "assignment": NAME, "student": student}
        resources = {"nbgrader": {**names, "db_url": url}}
        notebook, _ = GetGrades().preprocess(notebook, resources)
        found = {
            it.metadata.get("nbgrader", {}).get("grade_id") for it in notebook.cells
        }
        assert {"z1_setup_1", "z1_softmax", CHECK} <= found
    page, _ = HTMLExporter(template_name="basic").from_filename(
        room.path("autograded", "marked-up", NAME) / f"{NAME}.ipynb"
    )
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
    assert "<img" not in page


def grade_by_hand(room, student, points):
    with Gradebook(f"sqlite:///{room.gradebook}", room.course_id) as book:
        grade = book.find_grade(CHECK, NAME, NAME, student)
        grade.manual_score = points
        grade.needs_manual_grade = False
        book.db.commit()


def test_a_grade_by_hand_outlives_what_is_handed_in_next(
    example_room, example_lesson, tmp_path
):
    room = open_classroom(shutil.copytree(example_room.folder, tmp_path / "room"))
    hand_in(room, "by-hand", change=solve(example_lesson))
    assert autograder("grade", room.folder, "--student", "by-hand").exit_code == 0
    grade_by_hand(room, "by-hand", 1.5)
    hand_in(room, "by-hand").write_text("{")
    assert autograder("grade", room.folder, "--student", "by-hand").exit_code == 1
    with Gradebook(f"sqlite:///{room.gradebook}", room.course_id) as book:
        grade = book.find_grade(CHECK, NAME, NAME, "by-hand")
        assert (grade.auto_score, grade.manual_score) == (None, 1.5)
    autograder("export", room.folder, "--to", tmp_path / "out")
    with (tmp_path / "out" / "grades.csv").open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert (rows["by-hand"]["status"], rows["by-hand"]["score"]) == ("rejected", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lesson", "q9"], "no lesson 'q9'; it has z1_example"),
        (["--student", "nobody"], "holds nothing of 'nobody'"),
        (
            ["--trust", "--scheduler", "tcp://127.0.0.1:1"],
            "--trust is for this machine",
        ),
    ],
)
def test_what_does_not_fit_is_named(room, arguments, words):
    done = autograder("grade", room.folder, *arguments)
    assert done.exit_code == 1
    assert words in done.output


@pytest.mark.parametrize("command", ["grade", "feedback", "report", "export"])
def test_a_folder_that_is_no_classroom_is_named(tmp_path, command):
    done = autograder(command, tmp_path)
    assert done.exit_code == 1
    assert "is not a classroom" in done.output


def test_what_was_not_graded_yet_has_no_pages(example_room):
    done = autograder("feedback", example_room.folder)
    assert done.exit_code == 1
    assert "`autograder grade` comes first" in done.output


# ------------------------------------------------------------ without a sandbox


@pytest.fixture
def small(example_room, example_lesson, tmp_path):
    """A class of two, not graded yet."""
    made = open_classroom(shutil.copytree(example_room.folder, tmp_path / "room"))
    hand_in(made, "ann", change=solve(example_lesson))
    hand_in(made, "bob", change=answer("import os\nos._exit(0)"))
    return made


def test_without_a_sandbox_it_refuses_and_says_what_to_do(small, monkeypatch):
    found = probe.choose(lambda _: "no namespaces", lambda: ("podman", ""))
    monkeypatch.setattr(probe, "probe", lambda: found)
    done = autograder("grade", small.folder)
    assert done.exit_code == 1
    assert "no namespaces" in done.output
    assert "podman run" in done.output
    assert "`--trust`" in done.output
    assert not (small.folder / "grading.db").exists()


def test_trusted_work_is_graded_without_a_sandbox_and_says_so(small, monkeypatch):
    monkeypatch.setattr(probe, "probe", lambda: Found(Mode.NONE, ("none",)))
    done = autograder("grade", small.folder, "--trust")
    assert done.exit_code == 0, done.output
    assert "judged without a sandbox" in done.output
    with Gradebook(f"sqlite:///{small.gradebook}", small.course_id) as book:
        assert book.find_submission(NAME, "ann").score == 3
        assert book.find_submission(NAME, "bob").score == 0
    monkeypatch.undo()
    again = autograder("grade", small.folder, "--json")
    assert json.loads(again.stdout)["judged"] == 2  # trust is not taken over


USER = """
from autograder.cli import main
main(["grade", "{folder}", "--json"])
"""


def test_an_ordinary_user_grades_in_the_sandbox(small):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is root's alone
        place = Path(shutil.copytree(small.folder, Path(name) / "room"))
        if os.geteuid() == 0:
            for path in (place, *place.rglob("*")):
                os.chown(path, 65534, 65534)
        done = as_user(USER.format(folder=place), place, uid=65534)
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout)["submissions"]
        assert [it["points"] for it in found] == [3, 0]
        owners = {it.stat().st_uid for it in place.rglob("*")}
        assert len(owners) == 1
        assert (place / "autograded" / "ann" / NAME / f"{NAME}.ipynb").is_file()
