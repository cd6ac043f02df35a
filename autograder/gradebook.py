"""What nbgrader's gradebook says now: the final grades, those by hand included.

nbgrader adds up what is there, so that its own export says 0 for a submission that was
not graded, and for one that was not handed in. Here both have an empty score.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SQLAlchemyError

from autograder import gradebook_write, journal, places
from autograder.journal import Row, safe
from autograder.verdicts import SubmissionStatus
from course.classroom import Classroom, open_api
from course.errors import ClassroomError

COLUMNS = (
    *("assignment", "student_id", "last_name", "first_name", "email", "timestamp"),
    *("raw_score", "late_submission_penalty", "score", "max_score", "status", "reason"),
)
GRADED, BY_HAND = "graded", "to be graded by hand"


@dataclass(frozen=True)
class _State:
    """What the grader says of all notebooks of one student's assignment."""

    status: str
    reason: str


def url_of(room: Classroom) -> str:
    """Return the URL of the database that the classroom's configuration names."""
    with open_api(room.folder) as api:
        return gradebook_write.with_driver(str(api.coursedir.db_url))


def export(room: Classroom, rows: Iterable[Row], to: Path) -> int:
    """Write the final grades as CSV in nbgrader's columns; return the number of lines.

    Two columns more say `status` and `reason`. Late penalties and grades by hand count.

    Args:
        room: the classroom.
        rows: what the grader came to.
        to: the file.

    Raises:
        ClassroomError: the database cannot be read.
    """
    states = _states(rows)
    try:
        with Gradebook(url_of(room), room.course_id) as book:
            found = list(_rows(book, states))
    except SQLAlchemyError as error:
        text = str(error).splitlines()[0]
        raise ClassroomError(f"the gradebook cannot be read ({text})") from None
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(
            {key: safe(str(value)) for key, value in it.items()} for it in found
        )
    return len(found)


def forget(room: Classroom, gone: Callable[[str], bool]) -> None:
    """Remove the students for whose id `gone` is true, and their grades."""
    with Gradebook(url_of(room), room.course_id) as book:
        for name in [it.id for it in book.students if gone(it.id)]:
            book.remove_student(name)


def _states(rows: Iterable[Row]) -> dict[tuple[str, str], _State]:
    """Return (student, assignment) -> what the grader says, of the worst notebook."""
    found: dict[tuple[str, str], _State] = {}
    for row in rows:
        place = row.student, places.parts(row.assignment)[0]
        state = _state(row)
        if place not in found or found[place].status == GRADED:
            found[place] = state
    return found


def _state(row: Row) -> _State:
    if row.verdict is None:
        status = journal.NOT_SUBMITTED if row.key is None else journal.NOT_YET
        return _State(status.replace("_", " "), "")
    if row.verdict.status is SubmissionStatus.GRADED:
        return _State(GRADED, "")
    return _State(str(row.verdict.status).replace("_", " "), row.verdict.reason)


def _rows(
    book: Gradebook, states: dict[tuple[str, str], _State]
) -> Iterator[dict[str, object]]:
    students = {it.id: it for it in book.students}
    wanted = {assignment for _, assignment in states}
    for assignment in (it for it in book.assignments if it.name in wanted):
        for name, person in sorted(students.items()):
            state = states.get((name, assignment.name), _State("not submitted", ""))
            row: dict[str, object] = dict.fromkeys(COLUMNS, "")
            row |= {"assignment": assignment.name, "student_id": name}
            row |= {"max_score": assignment.max_score}
            columns = ("last_name", "first_name", "email")
            row |= {it: getattr(person, it) or "" for it in columns}
            yield row | _scores(book, assignment.name, name, state)


def _scores(
    book: Gradebook, assignment: str, student: str, state: _State
) -> dict[str, Any]:
    """Return the score that the gradebook has now; empty if there is no whole one."""
    told = {"status": state.status, "reason": state.reason}
    try:
        found = book.find_submission(assignment, student)
    except MissingEntry:
        return told
    told["timestamp"] = str(found.timestamp or "")
    if found.needs_manual_grade:
        return told if state.reason else told | {"status": BY_HAND}
    penalty = found.late_submission_penalty or 0.0
    return told | {
        "raw_score": found.score,
        "late_submission_penalty": penalty,
        "score": max(0.0, found.score - penalty),
        "status": GRADED,
        "reason": "",
    }
