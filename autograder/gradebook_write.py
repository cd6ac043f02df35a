"""Verdicts into nbgrader's database, so that formgrader and its exporters work on them.

| verdict | `auto_score` | `needs_manual_grade` |
|---|---|---|
| judged | the points | no; yes if a person graded it and the points changed since |
| not graded, or for a person to grade | none | yes, until a person grades it |

A grade that a person gave (`manual_score`, `extra_credit`, comments, flags) is never
touched. One transaction per submission; writing the same verdict again changes nothing.
SQLite or PostgreSQL, whatever URL nbgrader's own configuration names.

nbgrader has no word for "no score": it adds up what is there, so that its CSV exporter
prints 0.0 for a submission without any verdict. `needs_manual_grade` tells those from a
real zero; `autograder export` leaves their scores empty.
"""

import contextlib
import datetime
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import nbformat
from nbgrader.api import (
    Assignment,
    Grade,
    Gradebook,
    MissingEntry,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import (
    AssignLatePenalties,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
    SaveCells,
)
from nbgrader.utils import parse_utc
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from autograder import gradebook_rows, places
from autograder.gradebook_rows import Asked, Cells
from autograder.journal import Row
from autograder.verdicts import ExerciseVerdict, SubmissionVerdict
from course import settings
from course.errors import ClassroomError

if TYPE_CHECKING:
    from traitlets.config import Config


class GradebookWriter:
    """nbgrader's database of one course; a context manager.

    `name` tells gradebooks apart, without the password.
    """

    def __init__(
        self, url: str, course_id: str, config: "Config | None" = None
    ) -> None:
        """Open the database; its tables are made when they are missing.

        Args:
            url: `sqlite:///…/gradebook.db`, `postgresql://user@host/name`, ...
            course_id: nbgrader's name of the course.
            config: the classroom's nbgrader configuration: its late penalties, and the
                marks of solutions in its notebooks.

        Raises:
            ClassroomError: the database cannot be reached.
        """
        self.url, self.course_id, self._config = with_driver(url), course_id, config
        with _explained("the URL of the gradebook"):
            shown = make_url(self.url).set(password=None).render_as_string()
        self.name = hashlib.sha256(f"{shown} {course_id}".encode()).hexdigest()[:16]
        with _explained(shown), settings.in_environment(_with_alembic()):
            self._book = Gradebook(self.url, course_id)
        self._late = _late_plugin(config)
        self._known: dict[str, Asked] = {}

    def close(self) -> None:
        """Close the connection."""
        self._book.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    # ------------------------------------------------------------ assignments

    def prepare(self, name: str, source: bytes) -> None:
        """See to it that the assignment, its notebook and its cells are there.

        The most points of each check come from the instructor's notebook, always.

        Args:
            name: of the assignment's notebook, see `places`.
            source: the instructor's notebook.

        Raises:
            ClassroomError: it has other checks than the one that grades are there for.
        """
        notebook = nbformat.reads(source.decode(), as_version=4)
        if self._points(name) == _points_of(notebook):
            return
        folder, own = places.parts(name)
        with self._transaction():
            try:
                self._book.find_assignment(folder)
            except MissingEntry:
                found = Assignment(name=folder, course_id=self.course_id)
                self._book.db.add(found)
        resources = {
            "nbgrader": {"notebook": own, "assignment": folder, "db_url": self.url}
        }
        for step in (LockCells, ClearSolutions, ComputeChecksums):
            notebook, _ = step(config=self._config).preprocess(notebook, resources)
        try:
            SaveCells(config=self._config).preprocess(notebook, resources)
        except RuntimeError:
            raise ClassroomError(
                f"the gradebook holds grades of {name} for other cells than its "
                "notebook has now: make a new classroom for the new notebook"
            ) from None
        self._book.db.expire_all()
        self._known.pop(folder, None)

    def _points(self, name: str) -> dict[str, float] | None:
        try:
            folder, notebook = places.parts(name)
            found = self._book.find_notebook(notebook, folder)
        except MissingEntry:
            return None
        finally:
            self._book.db.rollback()
        cells = [*found.grade_cells, *found.task_cells]
        return {it.name: float(it.max_score) for it in cells}

    # ------------------------------------------------------------ submissions

    def present(self) -> set[tuple[str, str]]:
        """Return (assignment, student) of the submissions that it holds."""
        names = Assignment.name, Notebook.name, SubmittedAssignment.student_id
        joined = (
            self._book.db.query(*names)
            .join(Notebook, Notebook.assignment_id == Assignment.id)
            .join(SubmittedNotebook, SubmittedNotebook.notebook_id == Notebook.id)
            .join(
                SubmittedAssignment,
                SubmittedAssignment.id == SubmittedNotebook.assignment_id,
            )
        )
        found = {(places.name_of(it[0], it[1]), it[2]) for it in joined.all()}
        self._book.db.rollback()
        return found

    def students(self) -> set[str]:
        """Return the ids of the students of the course."""
        found = {it[0] for it in self._book.db.query(Student.id).all()}
        self._book.db.rollback()
        return found

    def write(self, row: Row, timestamp: str = "") -> str:
        """Write the verdict on one submission, in one transaction.

        Returns the timestamp; empty if nbgrader cannot read it.

        Args:
            row: with a verdict; its assignment was prepared.
            timestamp: when it was handed in, as in nbgrader's `timestamp.txt`; empty,
                or no time: what the gradebook has stays.

        Raises:
            ClassroomError: the database refuses; nothing of it was written.
        """
        if row.verdict is None:
            return ""
        when = _time(timestamp)
        folder, own = places.parts(row.assignment)
        with self._transaction():
            asked = self._asked(folder)
            found = self._submission(asked, row.student)
            if found is None:
                db = self._book.db
                gradebook_rows.add(db, asked, row.student, own, row.verdict, when)
                if self._late is not None:
                    found = self._submission(asked, row.student)
            if found is not None:
                self._update(found, asked, own, row.verdict, when)
        return "" if when is None else timestamp

    def _asked(self, folder: str) -> Asked:
        """Return what a submission to the assignment consists of; read once."""
        if folder not in self._known:
            found = self._book.find_assignment(folder)
            cells = {it.id: Cells.of(it) for it in found.notebooks}
            self._known[folder] = Asked(found.id, cells)
        return self._known[folder]

    def _submission(self, asked: Asked, student: str) -> SubmittedAssignment | None:
        """Return the submission, with all its notebooks; None: there is none yet."""
        key = {"assignment_id": asked.id, "student_id": student}
        query = self._book.db.query(SubmittedAssignment)
        found = query.filter_by(**key).one_or_none()
        if found is None:
            return None
        missing = asked.cells.keys() - {it.notebook_id for it in found.notebooks}
        for number in missing:
            cells = asked.cells[number]
            gradebook_rows.add_notebook(self._book.db, number, found.id, cells, {})
        if missing:
            self._book.db.expire(found)
        return found

    def _update(
        self,
        found: SubmittedAssignment,
        asked: Asked,
        own: str,
        verdict: SubmissionVerdict,
        when: datetime.datetime | None,
    ) -> None:
        """Note what the grader says, and the penalty, of a submission that is there."""
        if when is not None:
            found.timestamp = when
        cells = {number: it for number, it in asked.cells.items() if it.name == own}
        notebooks = [it for it in found.notebooks if it.notebook_id in cells]
        for notebook in notebooks:
            _grade(notebook, cells[notebook.notebook_id], verdict)
        self._book.db.flush()
        for notebook in notebooks:
            self._penalise(found, notebook)

    def _penalise(
        self, found: SubmittedAssignment, notebook: SubmittedNotebook
    ) -> None:
        """Set the penalty as the classroom's plugin has it; without one leave it be."""
        if self._late is None or found.assignment.duedate is None:
            return
        penalty = None
        if found.total_seconds_late > 0:
            score = sum(_score(it) for it in notebook.grades)
            seconds = found.total_seconds_late
            student = found.student_id
            penalty = self._late.late_submission_penalty(student, score, seconds)
            penalty = None if penalty is None else min(max(0.0, penalty), score)
        if notebook.late_submission_penalty != penalty:
            notebook.late_submission_penalty = penalty

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        db = self._book.db
        with _explained(self.name):
            try:
                yield
                db.commit()
            except BaseException:
                db.rollback()
                raise


def with_driver(url: str) -> str:
    """Return the URL with the driver that we install for PostgreSQL.

    >>> with_driver("postgres://me@here/class")
    'postgresql+psycopg://me@here/class'
    """
    scheme, rest = url.split(":", 1) if ":" in url else ("", url)
    known = {"postgres", "postgresql", "postgresql+psycopg2"}
    return f"postgresql+psycopg:{rest}" if scheme in known else url


def _with_alembic() -> dict[str, str]:
    """Return an environment in which nbgrader finds `alembic`: it lies beside Python."""
    path = [str(Path(sys.executable).parent), settings.for_child().get("PATH", "")]
    return settings.for_child(PATH=os.pathsep.join(path))


def _grade(
    notebook: SubmittedNotebook, cells: Cells, verdict: SubmissionVerdict
) -> None:
    known = {it.grade_id: it for it in verdict.exercises}
    for grade in notebook.grades:
        _set(grade, known.get(cells.graded[grade.cell_id]))


def _set(grade: Grade, verdict: ExerciseVerdict | None) -> None:
    """Note what the grader says; what a person said stays, to be looked at anew."""
    points = None if verdict is None else verdict.points
    is_new = grade.auto_score != points
    if is_new:
        grade.auto_score = points
    if grade.manual_score is None:
        needed = points is None
    else:
        needed = bool(grade.needs_manual_grade or is_new)
    if grade.needs_manual_grade is not needed:
        grade.needs_manual_grade = needed


def _score(grade: Grade) -> float:
    given = grade.auto_score if grade.manual_score is None else grade.manual_score
    return 0.0 if given is None else given + (grade.extra_credit or 0.0)


def _points_of(notebook: Mapping[str, Any]) -> dict[str, float]:
    points = {}
    for cell in notebook["cells"]:
        own = cell["metadata"].get("nbgrader", {})
        if own.get("grade") or own.get("task"):
            points[own["grade_id"]] = float(own.get("points", 0))
    return points


def _late_plugin(config: "Config | None") -> LateSubmissionPlugin | None:
    """Return the plugin that the classroom chose; None when it gives no penalties."""
    step = AssignLatePenalties(config=config)
    step.init_plugin()
    plugin = step.plugin_inst
    is_plain = type(plugin) is LateSubmissionPlugin
    return None if is_plain and plugin.penalty_method == "none" else plugin


def _time(text: str) -> Any:
    try:
        return parse_utc(text) if text else None
    except Exception:  # noqa: BLE001 - a stranger's text: dateutil lets any error out
        return None


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        raise ClassroomError(
            f"{what} is no database that can be used ({error}): give "
            "sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    except ImportError as error:
        raise ClassroomError(
            f"the database needs a driver ({error}): pip install "
            "'crossroads-course[postgres]'"
        ) from None
    except SQLAlchemyError as error:
        text = str(error).splitlines()[0]
        raise ClassroomError(
            f"the gradebook {what} cannot be used ({text}): nothing of this submission "
            "was written; mend it and grade again"
        ) from None
