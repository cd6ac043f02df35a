"""The preloaded process inside a sandbox that forks one child per request.

Bound into both sandboxes and started by bubblewrap as process 1: imports the standard
library, `kernel`, and the runtime that its configuration names. It knows no secret.

On the control socket (whose number is the first argument): first the configuration,
then one request per child, with two sockets: the runtime's, and one for reports:

    {"limits": {...}} + [runtime's socket, report socket]
    <- {"forked": pid} + [pidfd]           or {"failed": "why"}, and nothing more
    <- {"started": ""}                     from the child, or {"started": "what failed"}
    <- {"status": wait status, "cpu_s": ..., "rss_kb": ..., "clean": ...}

In nested mode the zygote has a user namespace and a PID namespace of its own, so that it
may fork each child right into another (as process 1): one copy of a large process's page
tables for each child. The child makes the rest of its namespaces itself.
"""

import array
import base64
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autograder import huge_pages, kernel

HOME = "/sandbox"
PRIVATE = ("/tmp", HOME, "/dev/shm")  # noqa: S108 - the sandbox's own
MAX_MESSAGE = 1 << 20
ADDRESS_SLACK = 256 << 20  # address space that is mapped and never used
_SOCKET, _REPORT = 3, 4  # a child's descriptors; the second until it has begun
_SETUP_FAILED = 70
_ENDING_S = 1.0  # for threads that end: loading weights has a pool of them
Serve = Callable[[socket.socket, Mapping[str, object]], None]


def main(number: int) -> None:
    """Preload, say so, and fork children until the control socket closes."""
    kernel.set_dumpable(0)  # no child may look into this process
    control = socket.socket(fileno=number)
    control.set_inheritable(False)
    config = json.loads(control.recv(MAX_MESSAGE))
    _prepare(config)
    if config["nested"]:
        _enter_namespaces()
    start = time.monotonic()
    serve = _runtime(config)
    gc.collect()
    gc.freeze()  # the collector does not touch, and so copy, what is shared
    with contextlib.suppress(OSError):
        huge_pages.collapse()
    threads = _threads()
    if threads > 1:
        _go_on_in_a_fork()  # who has threads may not make a PID namespace
    ready = {"ready": time.monotonic() - start, "threads": threads}
    control.send(json.dumps(ready).encode())
    _Children(control, config, serve).run()


def _prepare(config: dict[str, Any]) -> None:
    """Do once what each child would have to do."""
    filters = config["filters"]
    config["filters"] = {it: base64.b64decode(filters[it]) for it in filters}
    kernel.prepared(config["filters"]["child"])
    kernel.last_capability()


def _threads() -> int:
    """Return how many there are; one that was joined may take a moment to be gone."""
    limit = time.monotonic() + _ENDING_S
    while True:
        count = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names alone
        if count == 1 or time.monotonic() > limit:
            return count
        time.sleep(0.001)


def _enter_namespaces() -> None:
    """Go on in a user namespace and a PID namespace, in which this process may make more."""
    kernel.set_dumpable(1)  # else /proc/self belongs to root, uid_map included
    _become_owner(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID)
    _go_on_in_a_fork()  # the first one in there: process 1
    kernel.keep_capabilities(kernel.CAP_SYS_ADMIN)
    kernel.set_dumpable(0)


def _become_owner(flags: int) -> None:
    """Unshare with a user namespace that maps this user and group, and no other."""
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(flags)
    kernel.write("/proc/self/setgroups", "deny")
    kernel.write("/proc/self/uid_map", f"{uid} {uid} 1")
    kernel.write("/proc/self/gid_map", f"{gid} {gid} 1")


def _go_on_in_a_fork() -> None:
    """Return in a child; this process only waits for it, and ends as it does."""
    child = os.fork()
    if child:
        kernel.keep_capabilities()
        kernel.set_dumpable(0)
        os.closerange(0, 1 << 20)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    kernel.die_with_parent(signal.SIGKILL)


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


# ---------------------------------------------------------------- the children


class _Children:
    """Forks children, and tells how each ended.

    Holds numbers of descriptors and no objects: a child has copies of both, and an
    object that is collected there would close what the child opened at that number.
    """

    def __init__(
        self, control: socket.socket, config: Mapping[str, Any], serve: Serve
    ) -> None:
        self.control, self.config, self.serve = control, config, serve
        self.nested = bool(config["nested"])
        self.mapped = _mapped()  # each child begins with as much
        self.home = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.poll = select.poll()
        self.running: dict[int, tuple[int, int]] = {}  # pidfd -> (pid, report socket)

    def run(self) -> None:
        """Serve until the control socket closes; never returns."""
        self.poll.register(self.control, select.POLLIN)
        while True:
            for number, _ in self.poll.poll():
                if number in self.running:
                    self.ended(number)
                else:
                    self.asked()

    def asked(self) -> None:
        """Fork a child as one request wants it."""
        message, fds = _received(self.control)
        if not message:
            os._exit(0)  # process 1: the kernel ends all others
        request = json.loads(message)
        sock, report = fds
        try:
            child = self.forked()
        except OSError as error:
            os.close(sock)
            _last_word(report, {"failed": f"{type(error).__name__}: {error}"})
            return
        if child == 0:
            self.control.close()
            limits = request["limits"] | self.mapped
            _run(self.config, limits, sock, report, self.serve)
        os.close(sock)
        pidfd = os.pidfd_open(child)
        _tell(report, {"forked": child}, [pidfd])
        self.running[pidfd] = child, report
        self.poll.register(pidfd, select.POLLIN)  # readable when it has ended

    def forked(self) -> int:
        """Fork, in nested mode into a PID namespace of the child's own."""
        if not self.nested:
            return os.fork()
        kernel.unshare(kernel.CLONE_NEWPID)  # for the next child
        child = -1
        try:
            child = os.fork()
        finally:
            if child:
                kernel.setns(self.home, kernel.CLONE_NEWPID)
        return child

    def ended(self, pidfd: int) -> None:
        """Tell how a child ended."""
        child, report = self.running.pop(pidfd)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        _, status, used = os.wait4(child, 0)
        clean = self.nested or _wiped()
        cpu_s = used.ru_utime + used.ru_stime
        found = {"status": status, "cpu_s": cpu_s, "rss_kb": used.ru_maxrss}
        _last_word(report, found | {"clean": clean})


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    room = socket.CMSG_SPACE(4 * array.array("i").itemsize)
    message, ancillary, _, _ = control.recvmsg(MAX_MESSAGE, room)
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return message, list(fds)


def _tell(report: int, message: Mapping[str, object], fds: Sequence[int] = ()) -> None:
    sock = socket.socket(fileno=report)
    with contextlib.suppress(OSError):  # nobody waits for it any longer
        socket.send_fds(sock, [json.dumps(message).encode()], fds)
    sock.detach()


def _last_word(report: int, message: Mapping[str, object]) -> None:
    _tell(report, message)
    os.close(report)


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


# ---------------------------------------------------------------- the child


def _run(
    config: Mapping[str, Any],
    limits: Mapping[str, int],
    sock: int,
    report: int,
    serve: Serve,
) -> None:
    """Confine this process, say so, and run the runtime; never returns."""
    try:
        _keep_only(sock, report)
        _confine(config, limits)
    except BaseException as error:  # noqa: BLE001 - whatever failed is reported
        _tell(_REPORT, {"started": f"{type(error).__name__}: {error}"[:2000]})
        os._exit(_SETUP_FAILED)
    _last_word(_REPORT, {"started": ""})
    try:
        serve(socket.socket(fileno=_SOCKET), config)
    except BaseException:  # noqa: BLE001 - a student's SystemExit, MemoryError, ...
        os._exit(_SETUP_FAILED + 1)
    os._exit(0)


def _keep_only(sock: int, report: int) -> None:
    """Move the two sockets, and close every other descriptor; no input, no output."""
    high = max(sock, report, _REPORT) + 1
    os.dup2(sock, high)
    os.dup2(report, high + 1)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.dup2(high, _SOCKET, inheritable=False)
    os.dup2(high + 1, _REPORT, inheritable=False)
    os.closerange(_REPORT + 1, 1 << 20)


def _confine(config: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    nested = config["nested"]
    kernel.die_with_parent(signal.SIGKILL)  # a convenience: pidfds are the guarantee
    kernel.set_dumpable(1)  # else /proc/self belongs to root, uid_map included
    with contextlib.suppress(OSError):
        kernel.write("/proc/self/oom_score_adj", "1000")  # first to go
    if nested:
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC)
        _mount_private(limits)
        _become_owner(kernel.CLONE_NEWUSER)  # it counts its own processes
    else:
        kernel.set_dumpable(0)
    os.setsid()
    os.chdir(HOME)
    _limit(limits)
    if nested:
        kernel.drop_capabilities()
    kernel.forbid_new_privileges()
    if not nested:
        flat = config["filters"]["flat"]
        mine = struct.pack("<I", os.getpid())
        kernel.load_filter(flat.replace(struct.pack("<I", config["self"]), mine))
    kernel.load_filter(config["filters"]["child"])


def _mount_private(limits: Mapping[str, int]) -> None:
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    safe = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", "proc", safe | kernel.MS_NOEXEC)
    size = f"size={limits['tmp_mb']}m,nr_inodes={limits['tmp_files']},mode=700"
    for folder in PRIVATE:
        kernel.mount("tmpfs", folder, "tmpfs", safe, size)


def _mapped() -> dict[str, int]:
    """Return what this process maps, in bytes: VmSize, and of it VmData."""
    status = Path("/proc/self/status").read_text()
    lines = (it.split(":", 1) for it in status.splitlines())
    sizes = {key: value.split() for key, value in lines if key in ("VmSize", "VmData")}
    return {key: int(value[0]) << 10 for key, value in sizes.items()}


def _limit(limits: Mapping[str, int]) -> None:
    """Set the limits; those on memory begin at what the forked image maps already."""
    memory = limits["memory_mb"] << 20
    hard = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_FSIZE: limits["file_mb"] << 20,
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_DATA: limits["VmData"] + memory,
        resource.RLIMIT_AS: limits["VmSize"] + memory + ADDRESS_SLACK,
        resource.RLIMIT_CPU: limits["cpu_s"],
    }
    for kind, value in hard.items():
        _, most = resource.getrlimit(kind)
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (least, least))


if __name__ == "__main__":
    main(int(sys.argv[1]))
