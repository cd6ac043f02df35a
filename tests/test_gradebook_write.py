"""nbgrader reads what we write, and what people wrote is never lost."""

import csv
import datetime
import json
import secrets
import shutil
import subprocess
import sys

import postgres
import pytest
from nbgrader.api import Gradebook
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from autograder import gradebook_rows, gradebook_write
from autograder.gradebook_write import GradebookWriter, with_driver
from autograder.journal import Row
from autograder.verdicts import Due, ExerciseVerdict, Status, assemble
from course import build
from course.classroom import open_api
from course.errors import ClassroomError

NAME, COURSE = "z1_example", "crossroads"
CHECK = "z1_softmax_check"
NO_DECIMAL = "12h55555555555555555505555555555531 Feb 202455555555UTC+355530ma"


@pytest.fixture(scope="module")
def source(example_lesson):
    return build.to_text(build.source_notebook(example_lesson, 5)).encode()


@pytest.fixture(scope="module")
def config(example_room):
    with open_api(example_room.folder) as api:
        return api.config


@pytest.fixture(scope="module")
def made(tmp_path_factory, source, config):
    """A file with the assignment in it: to make one takes nbgrader seconds."""
    path = tmp_path_factory.mktemp("made") / "gradebook.db"
    with GradebookWriter(f"sqlite:///{path}", COURSE, config) as it:
        it.prepare(NAME, source)
    return path


@pytest.fixture(scope="module")
def made_in_postgres(source, config):
    """The same in a server, which gives copies of its database."""
    with postgres.server() as url:
        with GradebookWriter(url, COURSE, config) as it:
            it.prepare(NAME, source)
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """A database with the assignment in it; each test has its own."""
    if request.param == "sqlite":
        path = request.getfixturevalue("made")
        return f"sqlite:///{shutil.copy(path, tmp_path / 'gradebook.db')}"
    server = request.getfixturevalue("made_in_postgres")
    name = f"test_{secrets.token_hex(6)}"
    other = server.replace("/postgres", "/template1")
    postgres.execute(other, f"CREATE DATABASE {name} TEMPLATE postgres")
    return server.replace("/postgres", f"/{name}")


@pytest.fixture
def writer(url):
    with GradebookWriter(url, COURSE) as it:
        yield it


@pytest.fixture
def checks(example_lesson):
    return {it.check_id: float(it.points) for it in example_lesson.exercises}


def row(checks, student="ann", **points):
    """Return a row with full points but for those named (None: not graded)."""
    exercises = []
    for name, most in checks.items():
        given = points.get(name, most)
        status = Status.PASSED if given == most else Status.FAILED
        status = Status.NOT_GRADED if given is None else status
        exercises.append(ExerciseVerdict(name, status, given, most))
    records = [{"kind": "exercise"} | it.to_json() for it in exercises]
    due = [Due(it.grade_id, it.max_points) for it in exercises]
    return Row(NAME, student, "key", assemble(due, records))


def grades(url, student="ann"):
    with Gradebook(with_driver(url), COURSE) as book:
        found = book.find_submission_notebook(NAME, NAME, student)
        return {it.name: it.to_dict() for it in found.grades}


def by_hand(url, student="ann", check=CHECK, **values):
    """Do what formgrader does when a person grades."""
    with Gradebook(with_driver(url), COURSE) as book:
        grade = book.find_grade(check, NAME, NAME, student)
        for name, value in values.items():
            setattr(grade, name, value)
        grade.needs_manual_grade = False
        book.db.commit()


def test_the_most_points_are_the_instructors(writer, url, checks):
    writer.write(row(checks))
    with Gradebook(with_driver(url), COURSE) as book:
        found = book.find_submission(NAME, "ann")
        assert found.score == found.max_score == sum(checks.values())
        assert not found.needs_manual_grade
    assert writer.present() == {(NAME, "ann")}
    assert writer.students() == {"ann"}


def test_what_was_not_graded_has_no_score(writer, url, checks):
    writer.write(row(checks, **{CHECK: None}))
    it = grades(url)[CHECK]
    assert (it["auto_score"], it["needs_manual_grade"]) == (None, True)
    assert not it["failed_tests"]


def test_a_wrong_answer_is_a_real_zero(writer, url, checks):
    writer.write(row(checks, **{CHECK: 0.0}))
    it = grades(url)[CHECK]
    assert (it["auto_score"], it["needs_manual_grade"]) == (0.0, False)
    assert it["failed_tests"]


def test_nbgraders_cells_are_what_it_would_have_made(url, example_room):
    def cells(book):
        notebook = book.find_notebook(NAME, NAME)
        own = {"id", "notebook", "assignment"}
        return sorted(
            json.dumps({k: v for k, v in it.to_dict().items() if k not in own})
            for kind in ("grade_cells", "solution_cells", "source_cells")
            for it in getattr(notebook, kind)
        )

    theirs = Gradebook(f"sqlite:///{example_room.gradebook}", COURSE)
    with theirs, Gradebook(with_driver(url), COURSE) as ours:
        assert cells(ours) == cells(theirs)


def test_writing_again_changes_nothing(writer, url, checks, source):
    writer.write(row(checks))
    before = grades(url)
    for _ in range(2):
        writer.write(row(checks))
        writer.prepare(NAME, source)
    assert grades(url) == before


def test_what_a_person_gave_survives(writer, url, checks):
    writer.write(row(checks, **{CHECK: 0.0}))
    by_hand(url, manual_score=1.5, extra_credit=0.5)
    writer.write(row(checks, **{CHECK: 0.0}))
    it = grades(url)[CHECK]
    assert (it["manual_score"], it["extra_credit"]) == (1.5, 0.5)
    assert not it["needs_manual_grade"]
    writer.write(row(checks))
    it = grades(url)[CHECK]
    assert (it["auto_score"], it["manual_score"]) == (checks[CHECK], 1.5)
    assert it["needs_manual_grade"]  # to be looked at: the points changed since


def test_a_grade_by_hand_ends_the_wait_for_one(writer, url, checks):
    writer.write(row(checks, **{CHECK: None}))
    by_hand(url, manual_score=1.0)
    writer.write(row(checks, **{CHECK: None}))
    assert not grades(url)[CHECK]["needs_manual_grade"]


def late(url, duedate="2026-01-02 10:00:00"):
    with Gradebook(with_driver(url), COURSE) as book:
        found = book.find_assignment(NAME)
        found.duedate = datetime.datetime.fromisoformat(duedate)
        book.db.commit()


def penalty(url):
    with Gradebook(with_driver(url), COURSE) as book:
        return book.find_submission(NAME, "ann").late_submission_penalty


def test_late_penalties_are_the_classrooms(url, source, checks, config):
    config = Config(config, LateSubmissionPlugin={"penalty_method": "zero"})
    with GradebookWriter(url, COURSE, config) as writer:
        writer.prepare(NAME, source)
        late(url)
        writer.write(row(checks), "2026-01-03 10:00:00 UTC")
        assert penalty(url) == sum(checks.values())
        writer.write(row(checks, **{CHECK: 0.0}), "2026-01-03 10:00:00 UTC")
        assert penalty(url) == sum(checks.values()) - checks[CHECK]
        writer.write(row(checks), "2026-01-01 10:00:00 UTC")
        assert penalty(url) == 0


def test_a_penalty_that_a_person_set_stays(writer, url, checks):
    late(url)
    writer.write(row(checks), "2026-01-03 10:00:00 UTC")
    with Gradebook(with_driver(url), COURSE) as book:
        found = book.find_submission_notebook(NAME, NAME, "ann")
        found.late_submission_penalty = 1.0
        book.db.commit()
    writer.write(row(checks), "2026-01-03 10:00:00 UTC")
    assert penalty(url) == 1.0


@pytest.mark.parametrize(
    "said", ["", "nonsense", "9" * 99, "\0", "2026-13-45", NO_DECIMAL]
)
def test_a_timestamp_that_is_none_is_passed_over(writer, url, checks, said):
    handed_in = "2026-01-03 10:00:00 UTC"
    assert writer.write(row(checks), handed_in) == handed_in
    assert writer.write(row(checks), said) == ""
    with Gradebook(with_driver(url), COURSE) as book:
        when = book.find_submission(NAME, "ann").timestamp
    assert when == datetime.datetime.fromisoformat("2026-01-03 10:00")


def test_a_write_that_fails_leaves_nothing(writer, url, checks, monkeypatch):
    whole = gradebook_rows.add_notebook

    def broken(*arguments):
        whole(*arguments)
        raise OperationalError("disk", {}, Exception("full"))

    with monkeypatch.context() as patch:
        patch.setattr(gradebook_rows, "add_notebook", broken)
        with pytest.raises(ClassroomError, match="nothing of this submission"):
            writer.write(row(checks))
    assert writer.present() == set()
    assert writer.students() == set()
    writer.write(row(checks))
    assert writer.present() == {(NAME, "ann")}


def test_an_update_that_fails_leaves_what_was(writer, url, checks, monkeypatch):
    writer.write(row(checks))

    def broken(grade, verdict):
        grade.auto_score = 0.25
        raise OperationalError("disk", {}, Exception("full"))

    monkeypatch.setattr(gradebook_write, "_set", broken)
    with pytest.raises(ClassroomError, match="nothing of this submission"):
        writer.write(row(checks))
    with Gradebook(with_driver(url), COURSE) as book:
        scores = {
            it.auto_score
            for it in book.find_submission_notebook(NAME, NAME, "ann").grades
        }
    assert 0.25 not in scores


def test_other_checks_than_those_with_grades_are_refused(writer, source, checks):
    writer.write(row(checks))
    other = json.loads(source)
    for cell in other["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == CHECK:
            cell["metadata"]["nbgrader"]["grade_id"] = "another_check"
    with pytest.raises(ClassroomError, match="make a new classroom"):
        writer.prepare(NAME, json.dumps(other).encode())


def test_formgraders_functions_read_it(writer, url, checks):
    writer.write(row(checks))
    writer.write(row(checks, "bob", **{CHECK: None}))
    with Gradebook(with_driver(url), COURSE) as book:
        found = {it["student"]: it for it in book.submission_dicts(NAME)}
        assert found["ann"]["score"] == sum(checks.values())
        assert found["ann"]["max_score"] == found["bob"]["max_score"]
        assert [found[it]["needs_manual_grade"] for it in ("ann", "bob")] == [
            False,
            True,
        ]
        (one, two) = book.notebook_submission_dicts(NAME, NAME)
        assert {one["student"], two["student"]} == {"ann", "bob"}
        assert len(book.student_dicts()) == 2
        assert book.average_assignment_score(NAME) > 0


def test_nbgraders_own_export_reads_it(writer, url, checks, tmp_path):
    writer.write(row(checks))
    writer.write(row(checks, "bob", **dict.fromkeys(checks)))
    to = tmp_path / "grades.csv"
    command = [sys.executable, "-m", "nbgrader", "export", f"--to={to}"]
    command += [f"--db={with_driver(url)}", f"--CourseDirectory.course_id={COURSE}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = csv.DictReader(to.read_text().splitlines())
    scores = {it["student_id"]: it["score"] for it in lines}
    assert float(scores["ann"]) == sum(checks.values())
    assert scores["bob"] == "0.0"  # nbgrader's own: it has no word for "no score"


def test_a_database_that_is_none_is_refused(tmp_path):
    for url in ("nonsense", "mongodb://x", f"sqlite:///{tmp_path}/no/such/folder/x.db"):
        with pytest.raises(ClassroomError, match="be used"):
            GradebookWriter(url, COURSE)


def test_the_password_is_not_in_messages():
    with pytest.raises(ClassroomError) as raised:
        GradebookWriter("postgresql://me:secret@127.0.0.1:1/none", COURSE)
    assert "secret" not in str(raised.value)
