"""A submission's rows in nbgrader's database, added in one go.

Rows, not objects: SQLAlchemy would keep account of those, which takes three times as
long.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from nbgrader.api import (
    Comment,
    Grade,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from sqlalchemy import insert
from sqlalchemy.orm import Session

from autograder.verdicts import SubmissionVerdict


@dataclass(frozen=True)
class Cells:
    """A notebook's cells, by the database's numbers: those with points have a name."""

    name: str
    graded: Mapping[str, str]
    commented: tuple[str, ...]

    @classmethod
    def of(cls, notebook: Notebook) -> Self:
        """Return the cells of a notebook of an assignment."""
        graded = (*notebook.grade_cells, *notebook.task_cells)
        commented = (*notebook.solution_cells, *notebook.task_cells)
        names = {it.id: it.name for it in graded}
        return cls(notebook.name, names, tuple(it.id for it in commented))


@dataclass(frozen=True)
class Asked:
    """An assignment, and the cells of its notebooks, by the database's numbers."""

    id: str
    cells: Mapping[str, Cells]


def add(
    db: Session,
    asked: Asked,
    student: str,
    own: str,
    verdict: SubmissionVerdict,
    when: datetime.datetime | None,
) -> None:
    """Add a submission, with all its cells and what the grader says of them.

    Args:
        db: in a transaction.
        asked: the assignment.
        student: who; made known if the database does not know them.
        own: the notebook that the verdict is on.
        verdict: on that notebook.
        when: it was handed in; None: nobody knows.
    """
    if db.get(Student, student) is None:
        db.execute(insert(Student), [{"id": student}])
    number = new_uuid()
    key = {"id": number, "assignment_id": asked.id, "student_id": student}
    db.execute(insert(SubmittedAssignment), [{**key, "timestamp": when}])
    points = {it.grade_id: it.points for it in verdict.exercises}
    for notebook, cells in asked.cells.items():
        add_notebook(db, notebook, number, cells, points if cells.name == own else {})


def add_notebook(
    db: Session,
    notebook: str,
    submission: str,
    cells: Cells,
    points: Mapping[str, float | None],
) -> None:
    """Add a notebook of a submission, with all its cells.

    Args:
        db: in a transaction.
        notebook: the database's number of the assignment's notebook.
        submission: the database's number of the submission.
        cells: of the notebook.
        points: by the cell's name; a cell without any is for a person to grade.
    """
    number = new_uuid()
    key = {"id": number, "notebook_id": notebook, "assignment_id": submission}
    db.execute(insert(SubmittedNotebook), [key])
    grades = [
        {"cell_id": cell, "notebook_id": number, "auto_score": points.get(name)}
        for cell, name in cells.graded.items()
    ]
    for it in grades:
        it["needs_manual_grade"] = it["auto_score"] is None
    if grades:
        db.execute(insert(Grade), grades)
    comments = [{"cell_id": it, "notebook_id": number} for it in cells.commented]
    if comments:
        db.execute(insert(Comment), comments)
