"""Grades all that was handed in to a classroom and is new or changed.

    submitted/ ── read as data ──> workers ── verdicts ──> journal ──> gradebook

One process, this one, writes. It runs nobody's code: workers judge, in sandboxes. Kill
it at any moment and start it again: what was judged is kept, the rest is judged.
"""

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

import filelock

from autograder import formgrader, intake, journal, judging, places, pool
from autograder.journal import Journal, Row
from autograder.judging import Assignment
from autograder.notebooks import Rejected
from autograder.pool import Outcome, Task, Workers
from autograder.verdicts import failed, rejected
from course.classroom import Classroom
from course.errors import ClassroomError

JOURNAL = "grading.db"
THREADS = 8  # at most, of one worker process: they share its zygotes


class Writer(Protocol):
    """A gradebook that verdicts are written to."""

    name: str

    def present(self) -> set[tuple[str, str]]:
        """Return (assignment, student) of the submissions that it holds."""

    def students(self) -> set[str]:
        """Return the ids of the students that it knows."""

    def write(self, row: Row, timestamp: str) -> str:
        """Write a verdict in one transaction; return the timestamp if it is one."""


class Shown(Protocol):
    """Shows how far it is."""

    def total(self, count: int) -> None:
        """Say how many submissions will be judged."""

    def advance(self, row: Row) -> None:
        """Say that one of them is done."""


@dataclass(frozen=True)
class Report:
    """What a run did, and how the class stands.

    Attributes:
        rows: every student and assignment, with the verdict; `key` None: not submitted.
        judged: how many were judged in this run; `kept`: how many were so before.
        strange: names below `submitted/` that were not looked into, and why.
        seconds: wall time of the run.
    """

    rows: tuple[Row, ...]
    judged: int
    kept: int
    strange: tuple[intake.Strange, ...] = ()
    seconds: float = 0.0

    @property
    def per_minute(self) -> float:
        """Submissions judged in a minute."""
        return 60 * self.judged / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, object]:
        """Return the report as plain data."""
        rows = [
            {
                "assignment": it.assignment,
                "student": it.student,
                "verdict": it.verdict.to_json() if it.verdict else None,
                "status": _status(it),
                "points": it.verdict.points if it.verdict else None,
            }
            for it in self.rows
        ]
        return {
            "judged": self.judged,
            "kept": self.kept,
            "seconds": round(self.seconds, 3),
            "strange": [vars(it) for it in self.strange],
            "submissions": rows,
        }


@dataclass
class _Work:
    """One content to judge, for all who handed it in."""

    key: str
    assignment: str
    students: list[str]
    suspicion: int = 0


def grade_classroom(
    room: Classroom,
    assignments: Sequence[Assignment],
    workers: Callable[[], contextlib.AbstractContextManager[Workers]],
    *,
    writer: Writer | None = None,
    shown: Shown | None = None,
    retry: bool = False,
    student: str | None = None,
) -> Report:
    """Grade what is new or changed; return how the class stands.

    Args:
        room: the classroom.
        assignments: those to grade; see `kinds.assignments`.
        workers: starts what judges; called only when there is something to judge.
        writer: the gradebook that verdicts go to.
        shown: shows how far it is.
        retry: judge again what was set aside or not wholly graded.
        student: judge this one's work alone, and report on it alone.

    Raises:
        ClassroomError: another grading is running, or the journal cannot be used.
        SandboxError: untrusted code cannot be run here.
    """
    start = monotonic()
    with _alone(room), Journal(room.folder / JOURNAL) as kept:
        run = _Run(room, {it.name: it for it in assignments}, kept, writer, shown)
        work, strange = run.stock(retry=retry, student=student)
        run.catch_up()
        if work:
            if shown is not None:
                shown.total(sum(len(it.students) for it in work))
            with workers() as judges:
                run.judge(work, judges)
        rows = tuple(
            it for it in kept.rows(run.assignments) if student in (None, it.student)
        )
        seconds = monotonic() - start
    handed_in = sum(it.key is not None for it in rows)
    return Report(rows, run.judged, handed_in - run.judged, tuple(strange), seconds)


def local_pool(
    room: Classroom,
    assignments: Sequence[Assignment],
    count: int,
    *,
    concurrent: bool,
    factory: str = pool.ENGINE,
) -> pool.Pool:
    """Start worker processes that judge `count` submissions at the same time.

    Args:
        room: its `logs/grader.log` gets what goes wrong.
        assignments: all that may be judged.
        count: one for each core is what a machine can do.
        concurrent: a grader can judge several at once (nested mode).
        factory: see `judging.started`.
    """
    threads = min(count, THREADS) if concurrent else 1
    processes = -(-count // threads)
    log = room.folder / "logs" / "grader.log"
    log.parent.mkdir(exist_ok=True)
    return pool.Pool(
        assignments, processes=processes, threads=threads, factory=factory, log=log
    )


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sources(room: Classroom, names: Iterable[str]) -> dict[str, bytes]:
    """Return the instructor's notebooks of these assignments.

    Raises:
        ClassroomError: one is missing.
    """
    found = {}
    for name in names:
        path = places.notebook_in(room.folder / "source", name)
        if not path.is_file():
            raise ClassroomError(
                f"{path} is missing: run `course classroom {room.folder}` to make it, "
                "or put the instructor's notebook there"
            )
        found[name] = path.read_bytes()
    return found


@dataclass
class _Run:
    """One run over a classroom."""

    room: Classroom
    assignments: dict[str, Assignment]
    kept: Journal
    writer: Writer | None
    shown: Shown | None
    judged: int = 0
    under_way: dict[int, _Work] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)  # whose files were unreadable

    # ------------------------------------------------------------ what there is

    def stock(
        self, *, retry: bool, student: str | None
    ) -> tuple[list[_Work], list[intake.Strange]]:
        """Note what was handed in; return what of it must be judged."""
        found, strange = intake.find(self.room.folder, self.assignments)
        keys: dict[tuple[str, str], str | None] = {}
        for it in found:
            keys[it.assignment, it.student] = self.key(it)
        self.judged = sum(student in (None, it) for it in self.refused)
        for known in self.writer.students() if self.writer else ():
            for name in self.assignments:
                keys.setdefault((name, known), None)
        self.kept.take_stock(self.assignments, ((*k, key) for k, key in keys.items()))
        work: dict[str, _Work] = {}
        for (name, owner), key in sorted(keys.items()):
            if key is None or student not in (None, owner):
                continue
            if retry and key not in work and self.is_doubtful(key):
                self.kept.forget(key)
            if not self.kept.is_settled(key):
                work.setdefault(key, _Work(key, name, [])).students.append(owner)
        return [it for it in work.values() if not self.set_aside(it)], strange

    def key(self, found: intake.Found) -> str:
        """Return the key of what was handed in; note a verdict if it is unreadable."""
        assignment = self.assignments[found.assignment]
        problem = found.problem
        if not problem:
            try:
                data, _ = intake.read(self.room.folder, found.student, found.assignment)
            except Rejected as error:
                problem = str(error)
        if not problem:
            return _key(assignment, data)
        key = _key(assignment, problem.encode(), "unreadable")
        if not self.kept.is_settled(key):
            verdict = rejected(judging.due_of(assignment), problem)
            self.kept.record(key, verdict)
            self.refused.append(found.student)
        return key

    def is_doubtful(self, key: str) -> bool:
        verdict = self.kept.verdict(key)
        return verdict is not None and verdict.status in ("partly_graded", "error")

    def set_aside(self, work: _Work) -> bool:
        """Give a verdict on what the grader died of too often; return whether it did."""
        past = self.kept.past(work.key)
        work.suspicion = past.deaths + past.ends
        if not past.reason:
            return False
        due = judging.due_of(self.assignments[work.assignment])
        self.kept.record(work.key, failed(due, past.reason), final=True)
        self.publish(work)
        return True

    # ------------------------------------------------------------ judging

    def judge(self, work: Iterable[_Work], judges: Workers) -> None:
        """Judge all; suspects come last, one at a time, the least suspect first."""
        kinds = {name: it.kind for name, it in self.assignments.items()}
        queue = deque(
            sorted(work, key=lambda it: (it.suspicion, kinds[it.assignment], it.key))
        )
        try:
            while queue or self.under_way:
                while queue and self.may_begin(queue[0], judges):
                    self.begin(queue.popleft(), judges)
                for outcome in judges.wait(1.0):
                    queue.extend(self.ended(outcome))
        finally:  # stopped on purpose, or by an error of ours: nobody is to blame
            for number in self.under_way:
                self.kept.end(number, "stopped")

    def may_begin(self, work: _Work, judges: Workers) -> bool:
        is_alone = any(it.suspicion for it in self.under_way.values())
        if work.suspicion or is_alone:
            return not self.under_way
        return judges.free > 0

    def begin(self, work: _Work, judges: Workers) -> None:
        """Read the submission again and hand it to a worker."""
        try:
            data, _ = intake.read(self.room.folder, work.students[0], work.assignment)
        except Rejected:
            return  # it is being changed: the next run sees to it
        if _key(self.assignments[work.assignment], data) != work.key:
            return
        alone = work.suspicion > 0
        place = work.assignment, work.students[0]
        number = self.kept.begin(work.key, *place, alone=alone)
        self.under_way[number] = work
        judges.send(Task(number, work.assignment, data))

    def ended(self, outcome: Outcome) -> Iterator[_Work]:
        """Keep what came of a task; give it back if it must be judged once more."""
        work = self.under_way.pop(outcome.number)
        if outcome.verdict is not None:
            self.kept.record(work.key, outcome.verdict, attempt=outcome.number)
            self.publish(work)
            return
        self.kept.end(outcome.number, "died" if outcome.begun else "stopped")
        if not self.set_aside(work):
            yield work

    # ------------------------------------------------------------ gradebook

    def publish(self, work: _Work) -> None:
        """Write a verdict to the gradebook, and show that it is there."""
        verdict = self.kept.verdict(work.key)
        for student in work.students:
            row = Row(work.assignment, student, work.key, verdict)
            self.write(row)
            self.judged += 1
            if self.shown is not None:
                self.shown.advance(row)

    def catch_up(self) -> None:
        """Write what the gradebook lacks: a kill came between, or it is another one."""
        if self.writer is None:
            return
        present = self.writer.present()
        held = self.kept.unwritten(self.writer.name, self.assignments, present)
        for row in list(held):
            self.write(row)

    def write(self, row: Row) -> None:
        if self.writer is None:
            return
        assignment, data, timestamp = self.assignments[row.assignment], b"", ""
        with contextlib.suppress(Rejected):
            place = self.room.folder, row.student, row.assignment
            data, timestamp = intake.read(*place)
        if row.key != _key(assignment, data):
            data = b""  # unreadable, or handed in again meanwhile
        kept = self.writer.write(row, timestamp)
        formgrader.keep(self.room.folder, row, assignment.source, data, kept)
        self.kept.wrote(self.writer.name, row)


def _key(assignment: Assignment, data: bytes, what: str = "notebook") -> str:
    return journal.key_of(
        what.encode(),
        assignment.name.encode(),
        hashlib.sha256(data).digest(),
        assignment.digest,
        judging.grader_version(),
    )


def _status(row: Row) -> str:
    if row.verdict is not None:
        return str(row.verdict.status)
    return journal.NOT_SUBMITTED if row.key is None else journal.NOT_YET


@contextlib.contextmanager
def _alone(room: Classroom) -> Iterator[None]:
    """Keep other gradings of this classroom out while the block runs."""
    lock = filelock.FileLock(room.folder / ".grading.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ClassroomError(
            f"another grading of {room.folder} is running: wait until it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()
