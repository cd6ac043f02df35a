"""The preloaded process inside a sandbox that forks one child per request.

Bound into both sandboxes and started by bubblewrap as process 1: imports the standard
library, `kernel`, and the runtime that its configuration names. It knows no secret.

On the control socket (whose number is the first argument): first the configuration,
then one request per child, with two sockets: the runtime's, and one for reports:

    {"limits": {...}} + [runtime's socket, report socket]
    <- {"started": ""} + [pidfd]           or {"started": "what failed"}
    <- {"status": wait status, "cpu_s": ..., "rss_kb": ..., "clean": ...}

A child is two processes: a reaper, which makes the namespaces and reports, and the
process that runs the runtime (process 1 of its own namespace in nested mode).
"""

import array
import base64
import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autograder import kernel

HOME = "/sandbox"
PRIVATE = ("/tmp", HOME, "/dev/shm")  # noqa: S108 - the sandbox's own
MAX_MESSAGE = 1 << 20
ADDRESS_SLACK = 256 << 20  # address space that is mapped and never used
_KEPT = 3  # the only descriptor of a child but for 0, 1, 2
_SETUP_FAILED = 70
Serve = Callable[[socket.socket, Mapping[str, object]], None]


def main(number: int) -> None:
    """Preload, say so, and fork children until the control socket closes."""
    kernel.set_dumpable(0)  # no child may look into this process
    control = socket.socket(fileno=number)
    control.set_inheritable(False)
    config = json.loads(control.recv(MAX_MESSAGE))
    start = time.monotonic()
    serve = _runtime(config)
    gc.collect()
    gc.freeze()  # the collector does not touch, and so copy, what is shared
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names alone
    ready = {"ready": time.monotonic() - start, "threads": threads}
    control.send(json.dumps(ready).encode())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # reapers go without a wait
    while True:
        message, fds = _received(control)
        if not message:
            os._exit(0)  # process 1: the kernel ends all others
        request = json.loads(message)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            _become_child(config, request, fds, serve)
        for fd in fds:
            os.close(fd)


def _runtime(config: Mapping[str, Any]) -> Serve:
    """Preload and warm the runtime; return what a child runs."""
    if not config["runtime"]:
        return _say_hello
    module = importlib.import_module(config["runtime"])
    module.prefork(config)
    for name in config["names"]:
        _touch(name)
    serve: Serve = module.serve
    return serve


def _touch(name: str) -> None:
    """Get what a cell will import by name: some packages load when they are asked."""
    module, _, attribute = name.rpartition(".")
    with contextlib.suppress(Exception):  # the cell itself will say what is wrong
        getattr(importlib.import_module(module), attribute)


def _say_hello(sock: socket.socket, _: Mapping[str, object]) -> None:
    """Answer a probe: a child could be made."""
    sock.sendall(b"here")


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    room = socket.CMSG_SPACE(4 * array.array("i").itemsize)
    message, ancillary, _, _ = control.recvmsg(MAX_MESSAGE, room)
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return message, list(fds)


# ---------------------------------------------------------------- the reaper


def _become_child(
    config: Mapping[str, Any], request: Mapping[str, Any], fds: list[int], serve: Serve
) -> None:
    """Fork the child proper, report on it, and exit; never returns."""
    sock, report = (socket.socket(fileno=it) for it in fds)
    try:
        _isolate(nested=config["nested"])
        told, tell = os.pipe()
        child = os.fork()
    except BaseException as error:  # noqa: BLE001 - whatever failed is reported
        _send(report, {"started": f"{type(error).__name__}: {error}"})
        os._exit(_SETUP_FAILED)
    if child == 0:
        report.close()
        os.close(told)
        _run(config, request["limits"], sock, tell, serve)
    os.close(tell)
    sock.close()
    _report(report, child, told, nested=config["nested"])
    os._exit(0)


def _isolate(*, nested: bool) -> None:
    kernel.set_dumpable(1)  # else /proc/self belongs to root, uid_map included
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # first to go
    if nested:
        uid, gid = os.getuid(), os.getgid()
        kernel.unshare(
            kernel.CLONE_NEWUSER
            | kernel.CLONE_NEWPID
            | kernel.CLONE_NEWNS
            | kernel.CLONE_NEWIPC
        )
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    else:
        kernel.set_dumpable(0)


def _report(report: socket.socket, child: int, told: int, *, nested: bool) -> None:
    """Tell when the child has started, with its pidfd, and how it ended."""
    kernel.set_dumpable(0)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pidfd = os.pidfd_open(child)
    problem = b""
    while data := os.read(told, 4096):
        problem += data
    problem = problem or b"it ended before it began"
    text = "" if problem == b"ok" else problem.decode(errors="replace")
    _send(report, {"started": text}, [pidfd])
    os.close(pidfd)
    _, status, used = os.wait4(child, 0)
    own = resource.getrusage(resource.RUSAGE_SELF)
    clean = nested or _wiped()
    cpu_s = used.ru_utime + used.ru_stime + own.ru_utime + own.ru_stime
    ended = {"status": status, "cpu_s": cpu_s, "rss_kb": used.ru_maxrss, "clean": clean}
    _send(report, ended)


def _send(report: socket.socket, message: Mapping[str, object], fds: Any = ()) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any longer
        socket.send_fds(report, [json.dumps(message).encode()], list(fds))


def _wiped() -> bool:
    """Empty the folders that flat mode's children share; return whether they are."""
    try:
        for folder in PRIVATE:
            _wipe(folder)
    except OSError:
        return False
    return True


def _wipe(folder: str) -> None:
    """Remove all in the folder: however deep, whatever its permissions say.

    Moves what a folder holds up into `folder` before it removes it: paths stay short.
    """
    number = 0
    while names := os.listdir(folder):  # noqa: PTH208 - names alone
        for name in names:
            path = f"{folder}/{name}"
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)  # noqa: PTH108 - as fast as can be
                continue
            os.chmod(path, 0o700)  # noqa: PTH101
            for inner in os.listdir(path):  # noqa: PTH208
                number += 1
                moved = f"{path}/{inner}"
                if stat.S_ISDIR(os.lstat(moved).st_mode):
                    os.chmod(moved, 0o700)  # noqa: PTH101 - to move it takes that
                os.rename(moved, f"{folder}/.wipe{number}-{os.getpid()}")  # noqa: PTH104
            os.rmdir(path)  # noqa: PTH106


# ---------------------------------------------------------------- the child proper


def _run(
    config: Mapping[str, Any],
    limits: Mapping[str, int],
    sock: socket.socket,
    tell: int,
    serve: Serve,
) -> None:
    """Confine this process, say so, and run the runtime; never returns."""
    try:
        sock, tell = _confine(config, limits, sock, tell)
        os.write(tell, b"ok")
        os.close(tell)
    except BaseException as error:  # noqa: BLE001 - whatever failed is reported
        os.write(tell, f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(_SETUP_FAILED)
    try:
        serve(sock, config)
    except BaseException:  # noqa: BLE001 - a student's SystemExit, MemoryError, ...
        os._exit(_SETUP_FAILED + 1)
    os._exit(0)


def _confine(
    config: Mapping[str, Any], limits: Mapping[str, int], sock: socket.socket, tell: int
) -> tuple[socket.socket, int]:
    """Return the socket and the pipe, at other numbers, in a process that is confined."""
    nested = config["nested"]
    kernel.die_with_parent(signal.SIGKILL)  # a convenience: pidfds are the guarantee
    if nested:
        _mount_private(limits)
    else:
        kernel.set_dumpable(0)
    os.setsid()
    os.chdir(HOME)
    sock, tell = _keep_only(sock, tell)
    _limit(limits)
    if nested:
        kernel.drop_capabilities()
    kernel.forbid_new_privileges()
    if not nested:
        flat = base64.b64decode(config["filters"]["flat"])
        mine = struct.pack("<I", os.getpid())
        kernel.load_filter(flat.replace(struct.pack("<I", config["self"]), mine))
    kernel.load_filter(base64.b64decode(config["filters"]["child"]))
    return sock, tell


def _mount_private(limits: Mapping[str, int]) -> None:
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    safe = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", "proc", safe | kernel.MS_NOEXEC)
    size = f"size={limits['tmp_mb']}m,nr_inodes={limits['tmp_files']},mode=700"
    for folder in PRIVATE:
        kernel.mount("tmpfs", folder, "tmpfs", safe, size)


def _keep_only(sock: socket.socket, tell: int) -> tuple[socket.socket, int]:
    """Close every descriptor but the socket's and the pipe's; no input, no output."""
    pair = os.dup(sock.detach()), os.dup(tell)
    high = max(*pair, _KEPT + 2) + 1
    moved = [high, high + 1]
    for old, new in zip(pair, moved, strict=True):
        os.dup2(old, new)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    for number, old in enumerate(moved, _KEPT):
        os.dup2(old, number, inheritable=False)
    os.closerange(_KEPT + 2, 1 << 20)
    return socket.socket(fileno=_KEPT), _KEPT + 1


def _limit(limits: Mapping[str, int]) -> None:
    """Set the limits; those on memory begin at what the forked image maps already."""
    status = Path("/proc/self/status").read_text()
    lines = (it.split(":", 1) for it in status.splitlines())
    sizes = {key: value.split() for key, value in lines if key in ("VmSize", "VmData")}
    mapped = {key: int(value[0]) << 10 for key, value in sizes.items()}
    memory = limits["memory_mb"] << 20
    hard = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_FSIZE: limits["file_mb"] << 20,
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_DATA: mapped["VmData"] + memory,
        resource.RLIMIT_AS: mapped["VmSize"] + memory + ADDRESS_SLACK,
        resource.RLIMIT_CPU: limits["cpu_s"],
    }
    for kind, value in hard.items():
        _, most = resource.getrlimit(kind)
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (least, least))


if __name__ == "__main__":
    main(int(sys.argv[1]))
