"""What the grader says of a submission: plain data, to and from JSON.

A verdict is made on the trusted side only. `points` is None where nothing was judged:
"not graded" is neither zero nor full marks. The most points come from the plan, that
is from the instructor's notebook, never from what was handed in.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, object]
NO_SANDBOX = "judged without a sandbox (--trust)"
MAX_TEXT = 20_000  # characters of any one text kept in a verdict


class Status(StrEnum):
    """What became of one exercise; `reason` says what a person can do about it."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    VIOLATION = "violation"
    NOT_GRADED = "not_graded"
    MANUAL = "manual"

    @property
    def reason(self) -> str:
        """What it means, and what a person can do."""
        return _REASONS[self]

    @property
    def is_judged(self) -> bool:
        """Whether it comes with points."""
        return self not in (Status.NOT_GRADED, Status.MANUAL)


_REASONS = {
    Status.PASSED: "the check accepted the answer",
    Status.PARTIAL: "the check gave a part of the points",
    Status.FAILED: "the check rejected the answer: its message says why",
    Status.TIMED_OUT: "the student's code did not end in time: look for an endless "
    "loop; it cost this exercise only",
    Status.CRASHED: "the student's process ended while it was asked (os._exit, a "
    "crash, too much memory); it cost this exercise only",
    Status.VIOLATION: "the student's process sent what nobody asked for: read the "
    "submission before you talk to its author",
    Status.NOT_GRADED: "the grader could not judge it: see the message, mend the "
    "cause and grade again",
    Status.MANUAL: "a person grades it, in formgrader",
}


class SubmissionStatus(StrEnum):
    """What became of a whole submission."""

    GRADED = "graded"
    PARTLY_GRADED = "partly_graded"
    REJECTED = "rejected"
    ERROR = "error"

    @property
    def reason(self) -> str:
        """What it means, and what a person can do."""
        return _SUBMISSION_REASONS[self]


_SUBMISSION_REASONS = {
    SubmissionStatus.GRADED: "every exercise has a verdict",
    SubmissionStatus.PARTLY_GRADED: "some exercises have no verdict: see their "
    "messages, then grade again or give points by hand",
    SubmissionStatus.REJECTED: "the file is not a notebook that can be read: ask its "
    "author to hand in again",
    SubmissionStatus.ERROR: "the grader itself failed: nothing was judged; grade again",
}


@dataclass(frozen=True)
class ExerciseVerdict:
    """What the grader says of one exercise.

    Attributes:
        grade_id: nbgrader's id of the check cell (`a1_softmax_check`).
        status: what became of it.
        points: None when nothing was judged.
        max_points: from the instructor's notebook.
        message: what the check said; empty when it passed.
        traceback: the student's own traceback, as text that the student chose: escape.
        hidden: the failing line stands in the check's hidden part, so that the
            message may hold what students must not see.
        stdout: what was printed while the check ran: for the instructor alone.
        stdout_dropped: characters printed beyond the limit.
        seconds: wall time of the check.
        calls: requests to the student's process.
        shared: judged inside the student's process (see `submission.Step.shared`).
    """

    grade_id: str
    status: Status
    points: float | None
    max_points: float
    message: str = ""
    traceback: str = ""
    hidden: bool = False
    stdout: str = ""
    stdout_dropped: int = 0
    seconds: float = 0.0
    calls: int = 0
    shared: bool = False

    def __post_init__(self) -> None:
        """Hold that points go with a judgement, and lie between 0 and the most.

        Raises:
            ValueError: they do not.
        """
        if self.status.is_judged is (self.points is None):
            raise ValueError(f"{self.status} with points {self.points!r}")
        if self.points is not None and not 0 <= self.points <= self.max_points:
            raise ValueError(f"points {self.points!r} are not in 0..{self.max_points}")

    def to_json(self) -> Json:
        """Return the verdict as plain data."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "ExerciseVerdict":
        """Return the verdict that `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown, or of another type.
        """
        return cls(**_fields(cls, data) | {"status": Status(str(data["status"]))})


@dataclass(frozen=True)
class CellRun:
    """How one of the student's or the instructor's cells ran in the student's process.

    `outputs` are notebook outputs (nbformat 4) that the student chose: untrusted.
    """

    id: str
    ok: bool
    error: str = ""
    outputs: tuple[Json, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> Json:
        """Return the run as plain data."""
        return vars(self) | {"outputs": list(self.outputs)}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "CellRun":
        """Return the run that `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown, or of another type.
        """
        fields = _fields(cls, data)
        return cls(**fields | {"outputs": tuple(fields["outputs"])})


@dataclass(frozen=True)
class SubmissionVerdict:
    """What the grader says of a whole submission.

    Attributes:
        status: what became of it.
        reason: empty when graded; else what happened and what to do.
        exercises: one for each check cell of the instructor's notebook, in its order.
        cells: how the cells ran.
        notes: what was odd about the notebook (a deleted cell, an edited check, ...).
        restarts: how often the student's process had to be started again.
        seconds: wall time; `cpu_s`: CPU seconds, when the engine measured them.
    """

    status: SubmissionStatus
    reason: str = ""
    exercises: tuple[ExerciseVerdict, ...] = ()
    cells: tuple[CellRun, ...] = ()
    notes: tuple[str, ...] = ()
    restarts: int = 0
    seconds: float = 0.0
    cpu_s: float | None = None

    @property
    def points(self) -> float | None:
        """The sum of the points judged; None when nothing was."""
        given = [it.points for it in self.exercises if it.points is not None]
        return math.fsum(given) if given else None

    @property
    def max_points(self) -> float:
        """The most points, of all exercises, judged or not."""
        return math.fsum(it.max_points for it in self.exercises)

    @property
    def is_trusted(self) -> bool:
        """Whether it was judged without a sandbox."""
        return NO_SANDBOX in self.notes

    def to_json(self) -> Json:
        """Return the verdict as plain data."""
        return vars(self) | {
            "exercises": [it.to_json() for it in self.exercises],
            "cells": [it.to_json() for it in self.cells],
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "SubmissionVerdict":
        """Return the verdict that `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown, or of another type.
        """
        fields = _fields(cls, data)
        more = {
            "status": SubmissionStatus(str(data["status"])),
            "exercises": tuple(map(ExerciseVerdict.from_json, fields["exercises"])),
            "cells": tuple(map(CellRun.from_json, fields["cells"])),
            "notes": tuple(fields["notes"]),
        }
        return cls(**fields | more)


@dataclass(frozen=True)
class Due:
    """One exercise that a plan must judge: its check cell's id and its most points."""

    grade_id: str
    max_points: float
    manual: bool = False


def rejected(due: Iterable[Due], reason: str) -> SubmissionVerdict:
    """Return the verdict on a file that cannot be read: nothing is graded."""
    return _unjudged(SubmissionStatus.REJECTED, due, reason)


def failed(due: Iterable[Due], reason: str) -> SubmissionVerdict:
    """Return the verdict when the grader itself failed: nothing is graded."""
    return _unjudged(SubmissionStatus.ERROR, due, reason)


def assemble(
    due: Iterable[Due],
    records: Iterable[Mapping[str, object]],
    *,
    reason: str = "",
    notes: Iterable[str] = (),
    seconds: float = 0.0,
    cpu_s: float | None = None,
) -> SubmissionVerdict:
    """Return the verdict that the referee's records add up to.

    An exercise without a record is not graded; one with two has the first; a record
    of an exercise that the plan does not know is dropped; the most points are the
    plan's.

    Args:
        due: what must be judged, from the plan.
        records: what `referee.conduct` emitted, in order.
        reason: why records may be missing (a time limit, say).
        notes: what intake found odd.
        seconds: wall time.
        cpu_s: CPU time, when measured.
    """
    judged: dict[str, ExerciseVerdict] = {}
    cells: list[CellRun] = []
    restarts = 0
    for record in records:
        kind = record.get("kind")
        data = {key: value for key, value in record.items() if key != "kind"}
        if kind == "exercise":
            verdict = ExerciseVerdict.from_json(data)
            judged.setdefault(verdict.grade_id, verdict)
        elif kind == "cell":
            cells.append(CellRun.from_json(data))
        elif kind == "restart":
            restarts += 1
    exercises = tuple(_due_verdict(it, judged, reason) for it in due)
    missing = any(it.status is Status.NOT_GRADED for it in exercises)
    status = SubmissionStatus.PARTLY_GRADED if missing else SubmissionStatus.GRADED
    if missing and not any(it.status.is_judged for it in exercises):
        status = SubmissionStatus.ERROR
    return SubmissionVerdict(
        status,
        reason=(reason or status.reason) if missing else "",
        exercises=exercises,
        cells=tuple(cells),
        notes=tuple(notes),
        restarts=restarts,
        seconds=seconds,
        cpu_s=cpu_s,
    )


def _due_verdict(
    due: Due, judged: Mapping[str, ExerciseVerdict], reason: str
) -> ExerciseVerdict:
    found = judged.get(due.grade_id)
    if found is not None and found.max_points == due.max_points:
        return found
    if due.manual:
        return ExerciseVerdict(due.grade_id, Status.MANUAL, None, due.max_points)
    return ExerciseVerdict(
        due.grade_id,
        Status.NOT_GRADED,
        None,
        due.max_points,
        message=reason or "the grader ended before it came to this exercise",
    )


def _unjudged(
    status: SubmissionStatus, due: Iterable[Due], reason: str
) -> SubmissionVerdict:
    exercises = tuple(_due_verdict(it, {}, reason) for it in due)
    return SubmissionVerdict(status, reason=reason, exercises=exercises)


def _fields(cls: Any, data: Mapping[str, object]) -> dict[str, Any]:
    unknown = sorted(set(data) - set(cls.__dataclass_fields__))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not a field of {cls.__name__}")
    return dict(data)
