"""Verdicts of a class, made by hand, for the tests of pages, reports and exports."""

from pathlib import Path

from autograder import outline
from autograder.journal import Row
from autograder.verdicts import (
    CellRun,
    ExerciseVerdict,
    Status,
    SubmissionStatus,
    SubmissionVerdict,
    rejected,
)
from course import lesson

LESSON = lesson.read(Path(__file__).parent / "data" / "z1_example.py")
OUTLINE = outline.of_lesson(LESSON)
NAME = LESSON.name
GUESS, SOFTMAX = "z1_guess_check", "z1_softmax_check"
JUDGED = (Status.PASSED, Status.PARTIAL, Status.FAILED, Status.TIMED_OUT)
JUDGED += (Status.CRASHED, Status.VIOLATION)


def exercise(status=Status.PASSED, message="", check=SOFTMAX, points=None, **more):
    """Return a verdict; points are full when it passed, else 0, else as given."""
    most = 1.0 if check == GUESS else 2.0
    if points is None and status in JUDGED:
        points = most if status is Status.PASSED else 0.0
    return ExerciseVerdict(check, status, points, most, message, **more)


def verdict(*exercises, status=SubmissionStatus.GRADED, **more):
    """Return the verdict on a submission."""
    return SubmissionVerdict(status, exercises=exercises, **more)


def failed(message, **more):
    """Return a submission whose softmax failed with this message."""
    return verdict(exercise(check=GUESS), exercise(Status.FAILED, message, **more))


def refused(reason):
    """Return the verdict on a file that could not be read."""
    due = [outline_due(it) for it in (GUESS, SOFTMAX)]
    return rejected(due, reason)


def outline_due(check):
    """Return what is due for a check."""
    from autograder.verdicts import Due

    return Due(check, 1.0 if check == GUESS else 2.0)


def row(student, found, key="k"):
    """Return a row of the journal."""
    return Row(NAME, student, key, found)


def cell(name, error):
    """Return a cell that stopped."""
    return CellRun(name, False, error)
