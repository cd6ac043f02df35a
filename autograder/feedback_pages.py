"""A page for each submission, for its author: what was right, what was not, what next.

    feedback/<student>/<assignment>/<assignment>.html     as nbgrader's release_feedback
                                    timestamp.txt         wants it, with the two files
                                    submission_secret.txt that it looks for

Nothing of the student's takes effect in it. Of hidden tests it says that they exist;
see `autograder.messages` for which words are shown of one that failed.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from autograder import messages, notebooks, pages, places
from autograder.journal import Row
from autograder.messages import Detail, Shown
from autograder.outline import Item, Outline
from autograder.verdicts import (
    NO_SANDBOX,
    CellRun,
    ExerciseVerdict,
    Status,
    SubmissionStatus,
    SubmissionVerdict,
)
from course.errors import ClassroomError

MAX_NOTES = 20
MAX_STOPPED = 5
TIMESTAMP, SECRET = "timestamp.txt", "submission_secret.txt"
_LOOKS = {  # the style's name, a mark for those who do not see colours, words
    Status.PASSED: ("good", "✓", "right"),
    Status.PARTIAL: ("bad", "◐", "partly right"),
    Status.FAILED: ("bad", "✗", "not right yet"),
    Status.TIMED_OUT: ("bad", "✗", "no end in time"),
    Status.CRASHED: ("bad", "✗", "the process ended"),
    Status.VIOLATION: ("bad", "✗", "broke the rules"),
    Status.NOT_GRADED: ("open", "?", "not graded"),
    Status.MANUAL: ("open", "…", "graded by a person"),
}
_EXPLANATIONS = {
    Status.PASSED: "",
    Status.PARTIAL: "",
    Status.FAILED: "",
    Status.TIMED_OUT: "Your code did not end in time. Look for a loop that never ends, "
    "or for work that is done again and again. It cost this exercise only.",
    Status.CRASHED: "The process that ran your code ended: by os._exit or exit, by a "
    "crash in a library, or because it needed more memory than there is. It cost this "
    "exercise only. Restart your kernel and run the notebook from the top.",
    Status.VIOLATION: "Your code sent the grader something that it had not asked for. "
    "Remove what talks to the grader; if you did nothing of the kind, ask your "
    "instructor.",
    Status.NOT_GRADED: "This exercise has no verdict yet: neither zero nor full points. "
    "You need not do anything: your instructor sees why, and can grade it again.",
    Status.MANUAL: "A person reads this answer and gives the points.",
}
_NOTICES = {
    SubmissionStatus.GRADED: "",
    SubmissionStatus.PARTLY_GRADED: "Some exercises have no verdict yet: neither zero "
    "nor full points. The sum is not final.",
    SubmissionStatus.REJECTED: "Your file could not be graded. It has no score: not "
    "zero either. Mend the file and hand it in again.",
    SubmissionStatus.ERROR: "The grader could not judge your notebook. It has no score: "
    "not zero either. Your instructor sees why, and can grade it again.",
}
# What the grader says of limits holds nothing of the checks: it may be passed on.
_LIMIT = re.compile(
    r"the submission took more than [\d.]+ seconds"
    r"|the student's process ended \d+ times: the rest is not judged"
)


@dataclass(frozen=True)
class Card:
    """One exercise on the page."""

    name: str
    look: str
    mark: str
    result: str
    points: float | None
    max_points: float
    explanation: str
    shown: Shown
    cell_error: str
    hint: Markup | None
    has_hidden: bool


def page(
    student: str,
    outline: Outline,
    verdict: SubmissionVerdict,
    detail: Detail = Detail.FULL,
) -> str:
    """Return the feedback page of one submission, HTML in one file.

    Args:
        student: the student's id; like all of theirs, it may be anything.
        outline: the assignment's.
        verdict: what the grader said.
        detail: how much of the checks' words is shown.
    """
    errors = _errors(verdict.cells) if detail is Detail.FULL else {}
    cards = [
        _card(it, outline.item(it.grade_id), errors, detail) for it in verdict.exercises
    ]
    known = {it.answer_id for it in outline.items}
    others = [it for it in verdict.cells if it.id in errors.keys() - known]
    most = verdict.max_points
    values = {
        "student": student,
        "title": outline.title,
        "points": verdict.points,
        "max_points": most,
        "share": f"{100 * (verdict.points or 0) / most if most else 0:.1f}",
        "is_open": any(not it.status.is_judged for it in verdict.exercises),
        "notice": _notice(verdict),
        "cards": cards,
        "notes": _notes(verdict),
        "stopped": others[:MAX_STOPPED],
    }
    return pages.render("feedback.html", values)


def write_pages(
    folder: Path,
    rows: Iterable[Row],
    outlines: Mapping[str, Outline],
    detail: Detail = Detail.FULL,
) -> list[Path]:
    """Write the page of every submission that has a verdict; return the pages.

    Args:
        folder: the classroom.
        rows: what was handed in, with its verdicts.
        outlines: by the assignment's name; one that is missing is made of the verdict.
        detail: how much of the checks' words is shown.

    Raises:
        ClassroomError: a name that would lead out of the folder.
    """
    written = []
    for row in rows:
        if row.verdict is None:
            continue
        outline = outlines.get(row.assignment) or Outline(
            row.assignment, row.assignment
        )
        text = page(row.student, outline, row.verdict, detail)
        written.append(write_page(folder, row.student, row.assignment, text))
    return written


def write_page(folder: Path, student: str, assignment: str, text: str) -> Path:
    """Write one page where nbgrader's release_feedback finds it; return its path.

    Raises:
        ClassroomError: a name that would lead out of the folder.
    """
    inner, notebook = places.parts(assignment)
    for name in (student, inner, notebook):
        if not name.strip(".") or re.search(r"[/\\\0]", name):
            raise ClassroomError(
                f"{name!r} cannot be the name of a folder: rename the submission"
            )
    place = folder / "feedback" / student / inner
    path = pages.write(place / f"{notebook}.html", text)
    submitted = folder / "submitted" / student / inner
    timestamp = _beside(submitted, TIMESTAMP, 200)
    pages.write(place / TIMESTAMP, timestamp)
    secret = _beside(submitted, SECRET, 4096)
    if secret or not (place / SECRET).exists():
        pages.write(place / SECRET, secret or secrets.token_hex(32))
    return path


def _card(
    verdict: ExerciseVerdict, item: Item, errors: Mapping[str, str], detail: Detail
) -> Card:
    look, mark, result = _LOOKS[verdict.status]
    is_wrong = verdict.status.is_judged and verdict.status is not Status.PASSED
    crashed = verdict.status is Status.CRASHED  # the explanation says it
    wants_hint = is_wrong and item.hint and not item.is_prediction
    return Card(
        item.key,
        look,
        mark,
        result,
        verdict.points,
        verdict.max_points,
        _EXPLANATIONS[verdict.status],
        messages.shown(verdict, item, detail),
        errors.get(item.answer_id, "") if is_wrong and not crashed else "",
        pages.markdown(item.hint) if wants_hint else None,
        item.has_hidden,
    )


def _errors(cells: Iterable[CellRun]) -> dict[str, str]:
    """Return what the student's cells stopped with, by the cell's id."""
    return {it.id: it.error for it in cells if not it.ok and it.error}


def _notice(verdict: SubmissionVerdict) -> list[str]:
    lines = [_NOTICES[verdict.status]]
    if verdict.status is SubmissionStatus.REJECTED:
        lines.append(f"What is wrong with it: {verdict.reason}")
    elif limit := _LIMIT.search(verdict.reason):
        lines.append(f"The reason: {limit.group()}.")
    return [it for it in lines if it]


def _notes(verdict: SubmissionVerdict) -> list[str]:
    own = [it for it in verdict.notes if it != NO_SANDBOX]  # the instructor's business
    notes = own[:MAX_NOTES]
    if len(own) > MAX_NOTES:
        notes.append(f"… and {len(own) - MAX_NOTES} more")
    if verdict.restarts:
        times = "once" if verdict.restarts == 1 else f"{verdict.restarts} times"
        notes.append(
            f"the process that ran your code ended and was started again {times}: your "
            "cells were run anew, and the other exercises were judged all the same"
        )
    return notes


def _beside(submitted: Path, name: str, limit: int) -> str:
    """Return a small text file of the submission's; nothing if it is anything else."""
    if submitted.is_symlink() or submitted.parent.is_symlink():
        return ""
    try:
        data = notebooks.contents(submitted / name)
    except notebooks.Rejected:
        return ""
    return data.decode("utf-8", "replace") if len(data) <= limit else ""
