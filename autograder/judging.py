"""One submission's bytes in, its verdict out: the function that every worker runs.

What it gets and gives is plain data, so that it runs the same in this process, in a
worker process, and on another machine.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata, util
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol

import course
from autograder import submission
from autograder.notebooks import Rejected
from autograder.submission import Plan, Reference
from autograder.verdicts import (
    NO_SANDBOX,
    Due,
    ExerciseVerdict,
    SubmissionVerdict,
    failed,
    rejected,
)

# Modules that judge nothing: a change of theirs grades nothing anew.
BESIDE = frozenset(
    {
        *("cli", "demo", "tables", "reasons", "feedback_pages", "reports", "export"),
        *("gradescope", "gradebook", "gradebook_write", "grading", "journal", "pool"),
        *("worker", "scheduler", "intake", "messages", "outline", "pages"),
        *("class_numbers", "report_figures", "rooms", "run", "parity", "kept"),
        *("nbgrader_run", "formgrader", "demo_checks"),
    }
)
LIBRARIES = ("ipython", "msgpack", "numpy", "torch", "transformers", "matplotlib")


class Grader(Protocol):
    """Judges plans, perhaps several at a time."""

    def grade(self, plan: Plan) -> SubmissionVerdict:
        """Return the verdict on one submission; nothing is raised for what it does."""


@dataclass(frozen=True)
class Assignment:
    """What the instructor asks for.

    Attributes:
        name: nbgrader's name of it.
        source: the instructor's notebook, bytes; trusted.
        kind: assignments of one kind share a grader (what is loaded before the fork).
        options: what the grader's factory gets, plain data.
        limits: `cell_s`, `call_s`, `check_s` other than the defaults.
        shared: which checks run inside the student's process: "" (none but those whose
            cell says `crossroads_shared`), "needed" (those that the reference does not
            pass otherwise), "all". Such a verdict can be forged.
        trusted: judged without a sandbox.
    """

    name: str
    source: bytes = field(repr=False)
    kind: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    shared: str = ""
    trusted: bool = False

    @property
    def digest(self) -> bytes:
        """Hash of all that is judged by."""
        others = dict(self.limits) | {"shared": self.shared, "trusted": self.trusted}
        told = json.dumps(others, sort_keys=True)
        return hashlib.sha256(self.source + told.encode()).digest()

    def to_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return {**vars(self), "source": self.source.decode()}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Assignment":
        """Return what `to_json` gave."""
        return cls(**{**data, "source": str(data["source"]).encode()})  # type: ignore[arg-type]


class Judge:
    """A grader of one kind of assignments, and what it is to judge by."""

    def __init__(self, grader: Grader, assignments: Sequence[Assignment]) -> None:
        """Read the instructor's notebooks; each is calibrated when it is first needed."""
        self.grader = grader
        self._known = {it.name: it for it in assignments}
        self._ready: dict[str, _Ready] = {}

    def prepare(self, name: str) -> None:
        """Judge the reference's own solutions: they must get full marks.

        Not thread-safe; call it before `judge`.
        """
        if name not in self._ready:
            self._ready[name] = _ready(self.grader, self._known[name])

    def judge(self, name: str, data: bytes) -> SubmissionVerdict:
        """Return the verdict on the bytes of a submitted notebook."""
        ready = self._ready[name]
        due = ready.reference.due
        if ready.problem:
            return failed(due, ready.problem)
        try:
            notebook = submission.read(data)
            plan = submission.plan(
                ready.reference, notebook, returns=ready.returns, limits=ready.limits
            )
        except Rejected as error:
            return rejected(due, str(error))
        except Exception as error:  # noqa: BLE001 - the file is not to stop the class
            return failed(due, f"the notebook could not be read: {error!r}"[:2000])
        if self._known[name].trusted:
            plan = replace(plan, notes=(*plan.notes, NO_SANDBOX))
        try:
            return self.grader.grade(plan)
        except Exception as error:  # noqa: BLE001 - nor is the grader's own fault
            return failed(due, f"the grader failed: {error!r}"[:2000])


@dataclass(frozen=True)
class _Ready:
    reference: Reference
    limits: Mapping[str, float]
    returns: Mapping[str, tuple[str, ...]] | None = None
    problem: str = ""


def due_of(assignment: Assignment) -> tuple[Due, ...]:
    """Return what every submission of the assignment is judged for.

    Raises:
        CrossroadsError: the instructor's notebook cannot be graded by.
    """
    return _reference(assignment).due


def _reference(assignment: Assignment) -> Reference:
    return submission.reference(json.loads(assignment.source), assignment.name)


def _ready(grader: Grader, assignment: Assignment) -> _Ready:
    reference = _reference(assignment)
    if assignment.shared == "all":
        reference = submission.shared(reference, {it.id for it in reference.steps})
    verdict, returns = _calibrated(grader, reference, assignment.limits)
    short = _short(verdict)
    if short and assignment.shared == "needed":
        again = submission.shared(reference, {it.grade_id for it in short})
        verdict, returns = _calibrated(grader, again, assignment.limits)
        reference, short = again, _short(verdict)
    problem = ""
    if short:
        first = short[0]
        problem = (
            "the reference's own solutions do not get full marks here, so nobody is "
            f"judged by it ({first.grade_id}: {first.status.reason}. {first.message}): "
            "mend the lesson or the installation"
        )[:2000]
    return _Ready(reference, assignment.limits, returns, problem)


def _calibrated(
    grader: Grader, reference: Reference, limits: Mapping[str, float]
) -> tuple[SubmissionVerdict, Mapping[str, tuple[str, ...]] | None]:
    plan = replace(submission.of_reference(reference), **limits)  # type: ignore[arg-type]
    calibrate = getattr(grader, "calibrate", None)
    return (grader.grade(plan), None) if calibrate is None else calibrate(plan)


def _short(verdict: SubmissionVerdict) -> list[ExerciseVerdict]:
    """Return the exercises in which the reference itself does not get full marks."""
    return [
        it
        for it in verdict.exercises
        if it.points != it.max_points and it.status != "manual"
    ]


@contextmanager
def started(factory: str, assignments: Sequence[Assignment]) -> Iterator["Judge"]:
    """Start a grader for assignments of one kind; give what judges with it.

    Args:
        factory: `module:function`; called with the options of the kind, it returns a
            context manager that gives a `Grader`.
        assignments: those of one kind.

    Raises:
        SandboxError: untrusted code cannot be run here.
    """
    make = resolve_name(factory)
    context: AbstractContextManager[Grader] = make(assignments[0].options)
    with context as grader:
        yield Judge(grader, assignments)


@cache
def grader_version() -> bytes:
    """Return a hash of all that judges beside the assignment: code and libraries."""
    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for name in LIBRARIES:
        found = metadata.version(name) if util.find_spec(_module(name)) else "none"
        digest.update(f"{name}={found};".encode())
    here = Path(__file__).parent
    own = [it for it in here.glob("*.py") if it.stem not in BESIDE]
    lessons = list(Path(course.__file__ or "").parent.glob("*.py"))
    for path in sorted([*own, *lessons]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


def _module(distribution: str) -> str:
    return "IPython" if distribution == "ipython" else distribution
