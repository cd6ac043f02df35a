"""Tables of a class's verdicts for spreadsheets and programs.

    exercises   one row for each student and exercise: points, max, status, message
    submissions one row for each student and assignment: points, max, status, reason

Both are for the instructor: messages may hold values of hidden tests. A missing verdict
is an empty cell, never a 0. No cell can be taken for a formula.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from autograder import journal, pages
from autograder.journal import NOT_SUBMITTED, NOT_YET, Row

SUBMISSION_COLUMNS = (
    *("assignment", "student", "status", "points", "max_points", "not_graded"),
    *("restarts", "reason", "notes"),
)


def exercises(rows: Iterable[Row]) -> str:
    """Return the CSV with one row for each student and exercise."""
    return journal.table(rows)


def submissions(rows: Iterable[Row]) -> str:
    """Return the CSV with one row for each student and assignment."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SUBMISSION_COLUMNS)
    for row in sorted(rows, key=lambda it: (it.assignment, it.student)):
        writer.writerow([journal.safe(it) for it in _cells(row)])
    return text.getvalue()


def as_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return all verdicts as plain data; `verdict` is None where there is none."""
    return [
        {
            "assignment": row.assignment,
            "student": row.student,
            "verdict": None if row.verdict is None else row.verdict.to_json(),
        }
        for row in sorted(rows, key=lambda it: (it.assignment, it.student))
    ]


def write(folder: Path, rows: Iterable[Row]) -> list[Path]:
    """Write `exercises.csv` and `submissions.csv`; return their paths."""
    kept = list(rows)
    return [
        pages.write(folder / "exercises.csv", exercises(kept)),
        pages.write(folder / "submissions.csv", submissions(kept)),
    ]


def _cells(row: Row) -> tuple[str, ...]:
    verdict = row.verdict
    if verdict is None:
        status = NOT_SUBMITTED if row.key is None else NOT_YET
        return row.assignment, row.student, status, "", "", "", "", "", ""
    points = "" if verdict.points is None else f"{verdict.points:.12g}"
    missing = sum(not it.status.is_judged for it in verdict.exercises)
    return (
        row.assignment,
        row.student,
        str(verdict.status),
        points,
        f"{verdict.max_points:.12g}",
        str(missing),
        str(verdict.restarts),
        verdict.reason,
        "; ".join(verdict.notes),
    )
