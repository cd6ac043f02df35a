"""What the end of a check means: points, a status, and a message that may be shown."""

import json
import traceback
from dataclasses import replace
from typing import Any

from autograder.compiled import filename_of
from autograder.link import Link
from autograder.student_errors import (
    Abort,
    Died,
    GraderLimit,
    Hung,
    StudentError,
    Violation,
)
from autograder.submission import Step
from autograder.verdicts import MAX_TEXT, ExerciseVerdict, Status
from course.lesson_text import BEGIN_HIDDEN, END_HIDDEN


def verdict_of(
    step: Step, link: Link, outcome: BaseException | None, value: object
) -> ExerciseVerdict:
    """Return what a check's end means; whatever the check swallowed counts as well.

    Args:
        step: the check.
        link: the conversation that it had.
        outcome: what it raised.
        value: its last expression's value.
    """
    abort = link.broken or (outcome if isinstance(outcome, Abort) else None)
    if isinstance(abort, GraderLimit):
        return not_graded(step, str(abort))
    status = Status.TIMED_OUT if link.is_late else Status.FAILED
    if abort is not None:
        status = status_of(abort)
    failed = ExerciseVerdict(step.id, status, 0.0, step.points)
    if outcome is not None:
        is_abort = isinstance(outcome, Abort)
        message = str(outcome) if is_abort else _message(outcome)
        return replace(
            failed,
            message=clean(message),
            traceback=clean(_story(outcome)),
            hidden=_is_hidden(step, outcome),
        )
    if abort is not None:
        return replace(failed, message=clean(str(abort)))
    if link.refused:
        return replace(failed, status=Status.FAILED, message=clean(link.refused))
    return _passed(step, value)


def _passed(step: Step, value: object) -> ExerciseVerdict:
    """Return full points, or those that the check's last line names (as nbgrader)."""
    full = ExerciseVerdict(step.id, Status.PASSED, step.points, step.points)
    if type(value) not in (int, float):
        return full
    points = float(value)  # type: ignore[arg-type]
    if not 0 <= points <= step.points:  # nan as well
        return not_graded(step, f"the check's last line gives {value!r} points")
    if points == step.points:
        return full
    return replace(full, status=Status.PARTIAL, points=points)


def not_graded(step: Step, reason: str) -> ExerciseVerdict:
    """Return a verdict without points: nothing was judged."""
    return ExerciseVerdict(
        step.id, Status.NOT_GRADED, None, step.points, message=clean(reason)
    )


def status_of(abort: Abort) -> Status:
    """Return the status of an exercise during which the conversation ended."""
    kinds = {Violation: Status.VIOLATION, Died: Status.CRASHED, Hung: Status.TIMED_OUT}
    return kinds.get(type(abort), Status.FAILED)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception class of the check's own
        text = "(no message)"
    is_sentence = isinstance(error, AssertionError) and bool(text)
    return text if is_sentence else f"{type(error).__name__}: {text}"


def _story(error: BaseException) -> str:
    """Return the student's own traceback, from the error or what it came from."""
    for it in _chain(error):
        if isinstance(it, StudentError):
            return it.student_traceback
    return ""


def _is_hidden(step: Step, error: BaseException) -> bool:
    """Whether a line of the check's hidden part is on the way to the failure."""
    lines: set[int] = set()
    for it in _chain(error):
        frames = traceback.walk_tb(it.__traceback__)
        lines |= {n for f, n in frames if f.f_code.co_filename == filename_of(step.id)}
    inside = False
    for number, text in enumerate(step.source.split("\n"), 1):
        if BEGIN_HIDDEN in text:
            inside = True
        elif END_HIDDEN in text:
            inside = False
        elif inside and number in lines:
            return True
    return False


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error and those in whose handling it was raised."""
    found: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None and len(found) < 10:
        found.append(seen)
        seen = seen.__cause__ or seen.__context__
    return found


def cell_answer(answer: Any, room: int) -> tuple[bool, str, tuple[Any, ...]]:
    """Return (ok, traceback, outputs) of what the student's side says of a cell.

    Args:
        answer: anything.
        room: bytes that the outputs may take as JSON; what is beyond is dropped.
    """
    if type(answer) is not list or len(answer) != 3:
        return False, "the cell's outcome has another form", ()
    ok, error, outputs = answer
    if type(outputs) is not list or not all(type(it) is dict for it in outputs):
        outputs = []
    text = error[:MAX_TEXT] if type(error) is str else ""
    return ok is True, clean(text), _within(room, outputs[:200])


def _within(room: int, outputs: list[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for it in outputs:
        plain = _plain(it)
        room -= size_of(plain)
        if room < 0:
            return (*found, _DROPPED)
        found.append(plain)
    return tuple(found)


def size_of(value: object) -> int:
    """Return the bytes that plain data takes as JSON."""
    return len(json.dumps(value))


_DROPPED = {
    "output_type": "stream",
    "name": "stderr",
    "text": "[more outputs were dropped: there is a limit for a submission]\n",
}


def _plain(value: Any, depth: int = 0) -> Any:
    """Return outputs as JSON has them: texts, numbers, lists and dicts, no more."""
    if type(value) is dict and depth < 6:
        return {_key(k): _plain(it, depth + 1) for k, it in value.items()}
    if type(value) is list and depth < 6:
        return [_plain(it, depth + 1) for it in value[:1000]]
    if value is None or type(value) is bool:
        return value
    if type(value) is int and abs(value) < 1 << 53:
        return value
    return clean(value, limit=4 << 20) if type(value) is str else ""


def _key(key: object) -> str:
    return clean(key, limit=80) if type(key) is str else ""


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return text that every file takes: no lone surrogates, no endless length."""
    return text[:limit].encode("utf-8", "replace").decode()
