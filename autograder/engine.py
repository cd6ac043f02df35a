"""One submission: a student's process and a referee's process, and what comes of them.

    engine (trusted, runs nobody's code)
     ├─ sandbox "student": zygote ── fork ── the student's cells      ⇡ socketpair
     └─ sandbox "referee": zygote ── fork ── the checks, the points   ⇣
                                      └─ records, as JSON, to the engine

The engine holds the wall time, kills by pidfd, and gives the referee a fresh student's
process when it asks for one. Whatever fails, the verdict says so: what was not judged
is not graded.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from autograder import frames
from autograder.bubblewrap import Kind
from autograder.limits import REFEREE, STUDENT, Limits
from autograder.probe import Mode, probe
from autograder.sandbox import Child, Ended, Sandbox, Setting
from autograder.submission import Plan
from autograder.verdicts import SubmissionVerdict, assemble, failed
from course.errors import SandboxError

GRANTED, REFUSED = b"+", b"-"
MAX_RECORDS = 256 << 20  # bytes of all records of a submission


@dataclass(frozen=True)
class Caps:
    """Limits of one submission.

    Attributes:
        wall_s: of the whole submission, seconds.
        students: processes for it: the first, and fresh ones after deaths.
        student: of each of the student's processes.
        referee: of the referee's process.
    """

    wall_s: float = 300.0
    students: int = 25
    student: Limits = STUDENT
    referee: Limits = REFEREE


@dataclass(frozen=True)
class Usage:
    """What a submission took.

    Attributes:
        cpu_s: CPU seconds of all its processes, made namespaces included.
        student_cpu_s: those of the student's processes.
        peak_kb: the most memory that one of the student's processes had mapped, what
            it shares with the zygote included.
        start_s: wall time until both processes ran.
        students: how many of the student's processes there were.
    """

    cpu_s: float
    student_cpu_s: float
    peak_kb: int
    start_s: float
    students: int


class Engine:
    """Two zygotes and what they judge; a context manager.

    Several threads may call `grade` at once in nested mode. In flat mode the children
    of a sandbox would see each other: calls wait for each other, so that each worker
    should have an engine of its own.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        mode: Mode | None = None,
        caps: Caps | None = None,
    ) -> None:
        """Start both zygotes.

        Args:
            setting: what lessons of this kind import, and the assets they read.
            mode: `Mode.NESTED` or `Mode.FLAT`; None: what this machine can do.
            caps: limits of one submission; None: the defaults.

        Raises:
            SandboxError: untrusted code cannot be run here, and why.
        """
        self.setting, self.caps = setting, caps or Caps()
        self.mode = probe().require() if mode is None else mode
        if self.mode not in (Mode.NESTED, Mode.FLAT):
            raise SandboxError(f"{self.mode} is no mode of this process: nested, flat")
        self._turn = threading.Lock()
        self._boxes: dict[Kind, Sandbox] = {}
        self._repair = threading.Lock()
        try:
            for kind in Kind:
                self._boxes[kind] = self._new(kind)
            for kind in Kind:  # both preload at the same time
                self._boxes[kind].wait_ready()
        except BaseException:
            self.close()
            raise

    @property
    def is_concurrent(self) -> bool:
        """Whether several threads may grade with it at the same time."""
        return self.mode is Mode.NESTED

    def sandbox(self, kind: Kind) -> Sandbox:
        """Return the running sandbox of this kind; a dead one is started again.

        Raises:
            SandboxError: it cannot be started.
        """
        with self._repair:
            box = self._boxes.get(kind)
            if box is not None and box.is_alive:
                return box
            if box is not None:
                box.close()
            self._boxes[kind] = box = self._new(kind).wait_ready()
            return box

    def _new(self, kind: Kind) -> Sandbox:
        setting = self.setting
        if kind is Kind.REFEREE:
            setting = replace(setting, warm=(), figures=False)
        return Sandbox(kind, setting, nested=self.mode is Mode.NESTED)

    def discard(self, kind: Kind) -> None:
        """Close a sandbox that cannot be trusted any longer; `sandbox` starts another."""
        with self._repair:
            box = self._boxes.pop(kind, None)
        if box is not None:
            box.close()

    def grade(self, plan: Plan) -> SubmissionVerdict:
        """Return the verdict on one submission; nothing is raised for what it does."""
        return self._judged(plan).verdict()

    def measured(self, plan: Plan) -> tuple[SubmissionVerdict, Usage]:
        """Return the verdict on one submission, and what it took."""
        run = self._judged(plan)
        return run.verdict(), run.usage()

    def calibrate(
        self, plan: Plan
    ) -> tuple[SubmissionVerdict, dict[str, tuple[str, ...]]]:
        """Return the verdict on the reference, and what each callee of it returned.

        Args:
            plan: `submission.of_reference(reference)`.
        """
        run = self._judged(plan)
        last: Mapping[str, Any] = run.records[-1] if run.records else {}
        returns = dict(last.get("returns") or {})
        return run.verdict(), {name: tuple(it) for name, it in returns.items()}

    def _judged(self, plan: Plan) -> "_Run":
        turn = contextlib.nullcontext() if self.is_concurrent else self._turn
        with turn:
            run = _Run(self, plan)
            try:
                run.conduct()
            except (SandboxError, OSError) as error:
                run.reason = f"the grader could not go on: {error}. Grade again"
            finally:
                run.end()
        return run

    def close(self) -> None:
        """End both zygotes and all their children."""
        for kind in Kind:
            self.discard(kind)

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


@dataclass
class _Run:
    """One submission while it is judged."""

    engine: Engine
    plan: Plan
    records: list[Mapping[str, object]] = field(default_factory=list)
    reason: str = ""  # why records are missing
    referee: Child | None = None
    student: Child | None = None
    ends: list[tuple[Kind, Ended]] = field(default_factory=list)
    start: float = field(default_factory=time.monotonic)
    start_s: float = 0.0
    students: int = 0
    size: int = 0  # bytes of the records
    waiting: socket.socket | None = None  # to a student that is not asked for yet

    @property
    def deadline(self) -> float:
        return self.start + self.engine.caps.wall_s

    def conduct(self) -> None:
        """Let the referee judge; keep its records until it has done."""
        with _pair() as (ours, theirs):
            box = self.engine.sandbox(Kind.REFEREE)
            self.referee = box.fork(theirs, self.engine.caps.referee)
            theirs.close()
            self.waiting = self.new_student()  # both forks at the same time
            self.referee.started()
            ours.settimeout(self.engine.caps.wall_s)
            frames.send(ours, self.plan.to_json())
            self.start_s = time.monotonic() - self.start
            try:
                while not self.taken(ours):
                    pass
            except TimeoutError:
                limit = self.engine.caps.wall_s
                self.reason = f"the submission took more than {limit:g} seconds"
            except EOFError:
                self.referee.kill()
                how = self.referee.wait().text
                self.reason = f"the referee ended before it had done: {how}"
            except (frames.BadFrame, ValueError) as error:
                self.reason = f"the referee's record cannot be read: {error}"

    def taken(self, ours: socket.socket) -> bool:
        """Take one record; return whether it was the last."""
        data = frames.receive(ours, self.deadline)
        self.size += len(data)
        if self.size > MAX_RECORDS:
            raise frames.BadFrame(f"records of {self.size} bytes")
        record = json.loads(data)
        kind = record.get("kind") if isinstance(record, dict) else None
        if kind == "student":
            self.give_student(ours)
        elif kind == "error":
            self.reason = f"the referee failed: {str(record.get('error'))[:2000]}"
            return True
        elif isinstance(record, dict):
            self.records.append(record)
        return kind == "done"

    def give_student(self, ours: socket.socket) -> None:
        """Hand a fresh student's process to the referee, or say why not."""
        most = self.engine.caps.students
        if self.waiting is None and self.students >= most:
            text = f"the student's process ended {most} times: the rest is not judged"
            self.refuse_student(ours, text)
            return
        try:
            sock, self.waiting = self.waiting or self.new_student(), None
            if self.student is not None:
                self.student.started()
        except SandboxError as error:
            self.refuse_student(ours, str(error))
            return
        with sock:
            socket.send_fds(ours, [GRANTED], [sock.fileno()])

    def refuse_student(self, ours: socket.socket, why: str) -> None:
        """Say why there is no more process: what is left is not judged."""
        ours.sendall(REFUSED)
        frames.send(ours, why.encode())

    def new_student(self) -> socket.socket:
        """End the student's process that there is; return the socket to another."""
        self.end_student()
        self.students += 1
        box = self.engine.sandbox(Kind.STUDENT)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.student = box.fork(theirs, self.engine.caps.student)
            except SandboxError:
                ours.close()
                raise
        return ours

    def end_student(self) -> None:
        child, self.student = self.student, None
        self._end(Kind.STUDENT, child)

    def end(self) -> None:
        """Kill what still runs, and take note of how it ended."""
        if self.waiting is not None:
            self.waiting.close()
        self.end_student()
        child, self.referee = self.referee, None
        self._end(Kind.REFEREE, child)

    def _end(self, kind: Kind, child: Child | None) -> None:
        if child is None:
            return
        try:
            child.started().kill()
            ended = child.wait()
        except SandboxError:
            ended = Ended(None, clean=False)
        self.ends.append((kind, ended))
        if not (ended.clean or self.engine.is_concurrent):
            self.engine.discard(kind)  # the next one must not meet what this one left

    def verdict(self) -> SubmissionVerdict:
        """Return what the records add up to."""
        seconds = time.monotonic() - self.start
        cpu_s = self.usage().cpu_s
        if any(it.status is None for _, it in self.ends):
            # not the student's doing: what it cost must not count against them
            self.records = []
            text = "the sandbox ended under the submission: grade again"
            self.reason = self.reason or text
        try:
            found = assemble(
                self.plan.due,
                self.records,
                reason=self.reason,
                notes=self.plan.notes,
                seconds=seconds,
                cpu_s=cpu_s,
            )
            return replace(found, reason=found.reason or self.reason)
        except (ValueError, TypeError, KeyError) as error:
            reason = f"the referee's records do not add up: {error}"
            found = failed(self.plan.due, reason)
            return replace(found, notes=self.plan.notes, seconds=seconds, cpu_s=cpu_s)

    def usage(self) -> Usage:
        """Return what the submission took."""
        student = [it for kind, it in self.ends if kind is Kind.STUDENT]
        return Usage(
            cpu_s=sum(it.cpu_s for _, it in self.ends),
            student_cpu_s=sum(it.cpu_s for it in student),
            peak_kb=max((it.rss_kb for it in student), default=0),
            start_s=self.start_s,
            students=self.students,
        )


@contextlib.contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs
