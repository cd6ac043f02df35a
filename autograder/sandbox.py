"""A zygote in its sandbox, and the children that it forks: seen from outside.

Start it from the main thread where you can: the kernel then ends it with this process
even when that is killed. (From another thread, it ends when its control socket closes,
which is a moment later.)
"""

import base64
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autograder import bubblewrap, seccomp
from autograder.bubblewrap import Kind
from autograder.limits import Limits
from course.errors import SandboxError

_RUNTIMES = {Kind.STUDENT: "autograder.student", Kind.REFEREE: "autograder.conductor"}
LAZY = {  # what libraries import when it is first used: in each child, if not here
    "numpy": ("numpy.linalg", "numpy.random", "numpy.testing"),
    "matplotlib.pyplot": ("matplotlib.backends.backend_agg",),
}
MAX_MESSAGE = 1 << 16
FORK_S = 60.0  # a busy machine; it takes a hundredth of a second


@dataclass(frozen=True)
class Setting:
    """What a zygote has loaded before it forks.

    Attributes:
        preload: modules to import.
        names: `module.name` of what is imported out of modules; it need not exist.
        warm: source texts that are run once (the student's sandbox only).
        figures: draw figures into the cells' outputs.
        assets: folders of models and data, seen as /opt/assets/NAME.
        runtime: None: that of the kind; "": none, children say hello (for the probe).
    """

    preload: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()
    figures: bool = False
    assets: tuple[Path, ...] = ()
    runtime: str | None = None

    def config(self, kind: Kind, *, nested: bool) -> dict[str, object]:
        """Return the configuration that the zygote gets."""
        filters = seccomp.compiled()
        lazy = [it for name in self.preload for it in LAZY.get(name, ())]
        return {
            "runtime": _RUNTIMES[kind] if self.runtime is None else self.runtime,
            "preload": [*self.preload, *lazy],
            "names": list(self.names),
            "warm": list(self.warm),
            "figures": self.figures,
            "nested": nested,
            "self": seccomp.SELF,
            "filters": {
                "child": base64.b64encode(filters.child).decode(),
                "flat": base64.b64encode(filters.flat).decode(),
            },
        }


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    `status`: as `os.wait` gives it; None: nobody could say. `cpu_s`: CPU time
    in seconds, making its namespaces included. `rss_kb`: the most memory it had mapped,
    what it shares with the zygote included. `clean`: it left nothing behind.
    """

    status: int | None
    cpu_s: float = 0.0
    rss_kb: int = 0
    clean: bool = True

    @property
    def text(self) -> str:
        """How it ended, in words."""
        if self.status is None:
            return "it ended, and nobody saw how"
        if os.WIFSIGNALED(self.status):
            return f"killed by {signal.Signals(os.WTERMSIG(self.status)).name}"
        return f"exit code {os.WEXITSTATUS(self.status)}"


class Child:
    """One forked child. Call `started` first, and `wait` last, whatever happens."""

    def __init__(self, report: socket.socket) -> None:
        """Take the socket on which the zygote, and the child as it begins, report."""
        self._report = report
        self._pidfd: int | None = None
        self._ended: Ended | None = None

    def started(self) -> Self:
        """Wait until it is confined and runs; at once if it was waited for before.

        Raises:
            SandboxError: it could not be made.
        """
        if self._pidfd is not None or self._ended is not None:
            return self
        try:
            self._report.settimeout(FORK_S)
            problem = self._problem()
        except (OSError, ValueError, TypeError) as error:
            problem = repr(error)
        if problem:
            self.kill()
            self._close()
            raise SandboxError(f"no child could be made: {problem}")
        return self

    def _problem(self) -> str:
        """Take the pidfd, and what the child said, in any order; return what is wrong."""
        said: dict[str, Any] = {}
        while not {"forked", "started"} <= said.keys():
            data, fds, _, _ = socket.recv_fds(self._report, MAX_MESSAGE, 1)
            if not data:
                return "the sandbox is gone"
            if fds:
                self._pidfd = fds[0]
            said |= json.loads(data)
            if "failed" in said:
                return str(said["failed"])
            if "status" in said:
                how = os.waitstatus_to_exitcode(int(said["status"]))
                return f"it ended before it began, with code {how}"
        return str(said["started"])

    @property
    def pid(self) -> int:
        """Its process number as seen here; 0 when it has ended."""
        if self._pidfd is None:
            return 0
        for line in Path(f"/proc/self/fdinfo/{self._pidfd}").read_text().splitlines():
            if line.startswith("Pid:"):
                return max(int(line.split()[1]), 0)
        return 0

    def kill(self) -> None:
        """Kill it, and with it (nested mode) all in its namespace."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait(self, seconds: float = 10.0) -> Ended:
        """Return how it ended.

        Raises:
            SandboxError: it has not, in this time: it was not killed, or cannot be.
        """
        if self._ended is not None:
            return self._ended
        if self._pidfd is None:
            return Ended(None)
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)  # readable when it has ended
        if not poll.poll(seconds * 1000):
            raise SandboxError(f"process {self.pid} did not end in {seconds:g} seconds")
        self._report.settimeout(seconds)
        try:
            self._ended = Ended(**json.loads(self._report.recv(MAX_MESSAGE)))
        except (OSError, ValueError, TypeError):
            self._ended = Ended(None, clean=False)
        self._close()
        return self._ended

    def _close(self) -> None:
        self._report.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def running(kind: Kind, setting: Setting, *, nested: bool = True) -> "Sandbox":
    """Return a sandbox whose zygote has preloaded.

    Raises:
        SandboxError: it cannot be had, and why.
    """
    return Sandbox(kind, setting, nested=nested).wait_ready()


class Sandbox:
    """A zygote; a context manager. Call `wait_ready` before `fork`."""

    def __init__(self, kind: Kind, setting: Setting, *, nested: bool = True) -> None:
        """Start bubblewrap and the zygote in it; it preloads while others work.

        Args:
            kind: whose sandbox.
            setting: what it loads.
            nested: each child in namespaces of its own. If not, run one at a time.

        Raises:
            SandboxError: bubblewrap or libseccomp is missing.
        """
        self.kind = kind
        config = json.dumps(setting.config(kind, nested=nested)).encode()
        self._lock = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = self._started(setting, theirs)
        except BaseException:
            self._control.close()
            self._errors.close()
            raise
        finally:
            theirs.close()
        self.ready: Mapping[str, Any] = {}  # seconds to preload, threads
        with contextlib.suppress(OSError):  # `wait_ready` tells what is wrong
            self._control.send(config)

    def wait_ready(self, start_s: float = 300.0) -> Self:
        """Wait until the zygote has preloaded; if it does not, close.

        Raises:
            SandboxError: it did not start, and why.
        """
        try:
            self.ready = self._preloaded(start_s)
        except BaseException:
            self.close()
            raise
        return self

    def _started(
        self, setting: Setting, theirs: socket.socket
    ) -> "subprocess.Popen[bytes]":
        filter_fd = seccomp.as_file(seccomp.compiled().sandbox)
        try:
            command = bubblewrap.command(
                bubblewrap.view(self.kind, setting.assets),
                control=theirs.fileno(),
                filter_fd=filter_fd,
                with_parent=threading.current_thread() is threading.main_thread(),
                kind=self.kind,
            )
            return subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=(theirs.fileno(), filter_fd),
                start_new_session=True,  # a Ctrl-C is for this process alone
            )
        finally:
            os.close(filter_fd)

    def _preloaded(self, start_s: float) -> Mapping[str, Any]:
        self._control.settimeout(start_s)
        try:
            answer = self._control.recv(MAX_MESSAGE)
        except TimeoutError:
            raise SandboxError(f"it did not start in {start_s:g} seconds") from None
        except OSError:
            answer = b""
        if not answer:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            raise SandboxError(f"the sandbox did not start: {self._complaint()}")
        self._control.settimeout(FORK_S)
        ready: Mapping[str, Any] = json.loads(answer)
        return ready

    def _complaint(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(size - 2000, 0))
        text = self._errors.read().decode(errors="replace").strip()
        return text or f"exit code {self._process.returncode}"

    def fork(self, sock: socket.socket, limits: Limits) -> Child:
        """Ask for a child that runs the runtime on `sock`; the caller closes `sock`.

        Returns at once: `Child.started` waits.

        Raises:
            SandboxError: the zygote is gone.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"limits": limits.to_json()}).encode()
        try:
            with self._lock:
                fds = [sock.fileno(), theirs.fileno()]
                socket.send_fds(self._control, [request], fds)
        except OSError as error:
            ours.close()
            raise SandboxError(f"the {self.kind}'s zygote is gone: {error}") from None
        finally:
            theirs.close()
        return Child(ours)

    @property
    def is_alive(self) -> bool:
        """Whether the zygote runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process that was started: bubblewrap's own, outside of the sandbox."""
        return self._process.pid

    def close(self) -> None:
        """End the zygote and every child; return when they are gone."""
        self._control.close()  # the zygote is process 1: when it ends, all end
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()  # it preloads, or hangs: bubblewrap takes it along
            self._process.wait()
        self._errors.close()

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
