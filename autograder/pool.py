"""Worker processes on this machine: tasks in, verdicts out.

A worker that dies takes the tasks with it that it was judging; each is reported as
died, and another worker takes its place. Whoever uses the pool decides what to do with
them. Workers end when this process ends, however it ends.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from autograder import worker
from autograder.judging import Assignment
from autograder.verdicts import SubmissionVerdict
from course import settings
from course.errors import ClassroomError, SandboxError

ENGINE = "autograder.kinds:start"
MAX_IDLE_DEATHS = 3  # workers in a row that die before they judged anything
DEADLINE_S = 900.0  # the engine's own limits end a submission long before


@dataclass(frozen=True)
class Task:
    """One submission to judge; `number` is the caller's."""

    number: int
    assignment: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        number: the task's.
        verdict: None when the process died that had the task.
        begun: it was being judged; if not, it has no part in that death.
    """

    number: int
    verdict: SubmissionVerdict | None
    begun: bool = True


class Workers(Protocol):
    """What judges tasks: this machine's processes, or a cluster."""

    @property
    def free(self) -> int:
        """How many tasks more it takes now."""

    @property
    def busy(self) -> int:
        """How many tasks it is judging."""

    def send(self, task: Task) -> None:
        """Begin with a task."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what has become known, at the latest after so many seconds."""


@dataclass
class _Process:
    """One worker process, seen from here."""

    process: "subprocess.Popen[bytes]"
    sock: socket.socket
    tasks: dict[int, float] = field(default_factory=dict)  # number -> deadline
    begun: set[int] = field(default_factory=set)


class Pool:
    """Worker processes with some threads each; a context manager."""

    def __init__(
        self,
        assignments: Sequence[Assignment],
        *,
        processes: int,
        threads: int = 1,
        factory: str = ENGINE,
        log: Path | None = None,
    ) -> None:
        """Start the processes; they start their graders when the first task comes.

        Args:
            assignments: all that tasks may name.
            processes: how many.
            threads: submissions that each judges at the same time.
            factory: see `judging.started`.
            log: where they write what goes wrong; None: nowhere.
        """
        self._assignments, self._threads = assignments, threads
        self._factory, self._log = factory, log
        self._idle_deaths = 0
        self._all: list[_Process] = []
        try:
            self._all += [self._started() for _ in range(processes)]
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [it.process.pid for it in self._all]

    @property
    def free(self) -> int:
        """How many tasks more they take now."""
        return len(self._all) * self._threads - self.busy

    @property
    def busy(self) -> int:
        """How many tasks they are judging."""
        return sum(len(it.tasks) for it in self._all)

    def send(self, task: Task) -> None:
        """Give a task to the worker that has the least to do."""
        chosen = min(self._all, key=lambda it: len(it.tasks))
        chosen.tasks[task.number] = time.monotonic() + DEADLINE_S
        message = {"do": "task", "id": task.number, "assignment": task.assignment}
        with contextlib.suppress(OSError):  # dead: `wait` says so
            worker.send(chosen.sock, message | {"body": task.data})

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes that came, at the latest after so many seconds.

        Raises:
            SandboxError: untrusted code cannot be run here, and why.
            ClassroomError: workers die before they judge anything.
        """
        socks = {it.sock: it for it in self._all}
        ready, _, _ = select.select(list(socks), [], [], seconds)
        outcomes: list[Outcome] = []
        for sock in ready:
            outcomes += self._taken(socks[sock])
        now = time.monotonic()
        for it in list(self._all):
            if any(deadline < now for deadline in it.tasks.values()):
                outcomes += self._died(it)
        return outcomes

    def close(self) -> None:
        """End the workers, and all that they started."""
        for it in self._all:
            with contextlib.suppress(OSError):
                worker.send(it.sock, {"do": "end"})
                it.sock.shutdown(socket.SHUT_WR)  # it ends even while it judges
        for it in self._all:
            self._end(it)
        self._all = []

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

    def _taken(self, it: _Process) -> list[Outcome]:
        try:
            message = worker.receive(it.sock)
        except (EOFError, OSError):
            return self._died(it)
        if "refused" in message:
            raise SandboxError(str(message["refused"]))
        if "begun" in message:
            it.begun.add(int(message["begun"]))
            return []
        number = int(message["id"])
        it.tasks.pop(number, None)
        self._idle_deaths = 0
        verdict = SubmissionVerdict.from_json(json.loads(message["verdict"]))
        return [Outcome(number, verdict)]

    def _died(self, it: _Process) -> list[Outcome]:
        """Put another worker in its place; return the tasks that died with it."""
        self._end(it)
        self._all.remove(it)
        if not it.begun:
            self._idle_deaths += 1
        if self._idle_deaths > MAX_IDLE_DEATHS * max(1, len(self._all)):
            raise ClassroomError(
                f"the grader's processes die at once, the last with code "
                f"{it.process.returncode}{self._told()}"
            )
        self._all.append(self._started())
        return [Outcome(number, None, begun=number in it.begun) for number in it.tasks]

    def _end(self, it: _Process) -> None:
        it.sock.close()
        try:
            it.process.wait(0.0 if it.process.poll() is not None else 10.0)
        except subprocess.TimeoutExpired:
            it.process.kill()
            it.process.wait()

    def _started(self) -> _Process:
        ours, theirs = socket.socketpair()
        with theirs, self._output() as output:
            command = [sys.executable, "-P", "-m", "autograder.worker"]
            command += [str(theirs.fileno()), self._factory, str(self._threads)]
            process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(),),
                env=settings.for_child(OMP_NUM_THREADS="1"),
                start_new_session=True,  # a Ctrl-C is for this process alone
            )
        known = json.dumps([it.to_json() for it in self._assignments])
        worker.send(ours, {"do": "know", "body": known})
        return _Process(process, ours)

    @contextlib.contextmanager
    def _output(self) -> Iterator[int]:
        path = os.devnull if self._log is None else str(self._log)
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield number
        finally:
            os.close(number)

    def _told(self) -> str:
        return "" if self._log is None else f": see {self._log}"
