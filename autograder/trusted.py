"""`--trust`: the same grader without a sandbox, for notebooks of your own.

The checks still run in another process than the students' code, with the same limits
of time, but that code has your rights: it can read your files and change them, use the
network, look at the checks and forge a verdict. It runs where there is no sandbox: on
macOS, or on a Linux that forbids namespaces. (Windows cannot fork: use the container,
or the Linux subsystem.)

The process that it starts, `python -P -m autograder.trusted FD`, imports what lessons
need and forks one child per request, as the sandbox's zygote does.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from autograder import frames, kinds
from autograder.bubblewrap import Kind
from autograder.engine import Engine
from autograder.limits import Limits
from autograder.probe import Mode
from autograder.sandbox import Ended, Setting
from course import settings
from course.errors import SandboxError

FACTORY = "autograder.trusted:start"
START_S = 300.0
_RUNTIMES = {Kind.STUDENT: "autograder.student", Kind.REFEREE: "autograder.conductor"}


class TrustedEngine(Engine):
    """Judges as `Engine` does, in plain processes of this user."""

    def __init__(self, setting: Setting) -> None:
        """Start both processes that fork."""
        super().__init__(setting, mode=Mode.NESTED)  # children do not share folders

    def _new(self, kind: Kind) -> Any:
        return _Forker(kind, self.setting)


def start(options: Mapping[str, object]) -> Engine:
    """Return the engine for assignments of one kind: a factory of `judging.started`.

    Raises:
        SandboxError: this system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise SandboxError(
            "this system cannot fork processes: grade in the container, or in the "
            "Linux subsystem"
        )
    return TrustedEngine(kinds.setting(options))


class _Child:
    """One forked child; as `sandbox.Child`."""

    def __init__(self, report: socket.socket) -> None:
        self._report = report
        self._ended: Ended | None = None

    def started(self) -> Self:
        return self

    def kill(self) -> None:
        """Ask its reaper to kill it."""
        with contextlib.suppress(OSError):
            self._report.shutdown(socket.SHUT_WR)

    def wait(self, seconds: float = 10.0) -> Ended:
        if self._ended is None:
            self._report.settimeout(seconds)
            try:
                self._ended = Ended(**json.loads(frames.receive(self._report)))
            except (OSError, EOFError, ValueError, TypeError):
                self._ended = Ended(None, clean=False)
            self._report.close()
        return self._ended


class _Forker:
    """A process that forks children; as `sandbox.Sandbox`."""

    def __init__(self, kind: Kind, setting: Setting) -> None:
        self.kind = kind
        self._lock = threading.Lock()
        self._home = tempfile.TemporaryDirectory(prefix="crossroads-")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._control, theirs = socket.socketpair()
        fixed = {"PYTHONHASHSEED": "0"} if kind is Kind.STUDENT else {}
        with theirs:
            command = [sys.executable, "-P", "-m", "autograder.trusted"]
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, str(theirs.fileno())],
                cwd=self._home.name,
                env=settings.for_child(
                    MPLBACKEND="agg", OMP_NUM_THREADS="1", CROSSROADS_GRADING="1"
                )
                | fixed,
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C is for the grader alone
            )
        config = {
            "runtime": _RUNTIMES[kind],
            "preload": list(setting.preload),
            "warm": list(setting.warm),
            "figures": setting.figures,
        }
        with contextlib.suppress(OSError):  # `wait_ready` tells what is wrong
            frames.send(self._control, json.dumps(config).encode())

    def wait_ready(self) -> Self:
        self._control.settimeout(START_S)
        with contextlib.suppress(OSError):
            if self._control.recv(1):
                return self
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        text = self._errors.read()[-2000:].decode(errors="replace").strip()
        self.close()
        raise SandboxError(f"the {self.kind}'s process did not start: {text}")

    def fork(self, sock: socket.socket, limits: Limits) -> _Child:  # noqa: ARG002 - as Sandbox
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                fds = [sock.fileno(), theirs.fileno()]
                socket.send_fds(self._control, [b"f"], fds)
        except OSError as error:
            ours.close()
            raise SandboxError(f"the {self.kind}'s process is gone: {error}") from None
        finally:
            theirs.close()
        return _Child(ours)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what children left behind
        self._errors.close()
        with contextlib.suppress(OSError):
            self._home.cleanup()


# ---------------------------------------------------------------- the process that forks


def main(number: int) -> None:
    """Import, say so, and fork children until the control socket closes."""
    control = socket.socket(fileno=number)
    control.set_inheritable(False)
    config = json.loads(frames.receive(control))
    module = importlib.import_module(config["runtime"])
    module.prefork(config)
    control.sendall(b"r")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 2)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _reap(module, config, *fds)
        for fd in fds:
            os.close(fd)


def _reap(module: Any, config: Mapping[str, Any], sock: int, report: int) -> None:
    """Fork the child proper, end it when asked to, and report; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(report)
        _serve(module, config, socket.socket(fileno=sock))
    os.close(sock)
    told = socket.socket(fileno=report)
    for _ in _ticks(told):
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
    else:  # asked to end it
        os.kill(child, signal.SIGKILL)
        _, status, used = os.wait4(child, 0)
    ended = {"status": status, "cpu_s": used.ru_utime + used.ru_stime}
    ended |= {"rss_kb": used.ru_maxrss, "clean": True}
    with contextlib.suppress(OSError):
        frames.send(told, json.dumps(ended).encode())
    os._exit(0)


def _ticks(told: socket.socket) -> Iterator[None]:
    """Give moments to look at the child, until the other side wants it to end."""
    pause = 0.002
    while True:
        yield
        if select.select([told], [], [], pause)[0]:
            return
        pause = min(2 * pause, 0.05)


def _serve(module: Any, config: Mapping[str, Any], sock: socket.socket) -> None:
    """Run the runtime in a folder of its own; never returns."""
    try:
        home = Path(tempfile.mkdtemp(dir=Path.cwd()))
        os.chdir(home)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        module.serve(sock, config)
    except BaseException:  # noqa: BLE001 - a student's SystemExit, MemoryError, ...
        os._exit(71)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
