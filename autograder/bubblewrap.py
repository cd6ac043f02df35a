"""The command that starts a sandbox: what it sees, what it may write, who it is.

    /usr, /lib, ...            the system, read-only
    the interpreter's folders  at their own paths, read-only; nothing else of a home
    /opt/grader/autograder     the student's sandbox: only the student side's files
    /opt/grader/course         the student's sandbox: without course/lessons
    /opt/assets/NAME           models and data that were asked for, read-only
    /tmp, /sandbox, /dev/shm   small, in memory; in nested mode each child has its own

No network, no other process, no variable of the caller's environment.
"""

import json
import os
import pwd
import shutil
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import course
from autograder import launch, wire
from autograder.zygote import HOME, PRIVATE
from course.errors import SandboxError

INSTALL = (
    "bubblewrap is not installed: `apt install bubblewrap` (Debian, Ubuntu), "
    "`dnf install bubblewrap` (Fedora)"
)
HERE = Path(__file__).parent
COURSE = Path(course.__file__ or "").parent
GRADER, ASSETS = "/opt/grader", "/opt/assets"
INSIDE = ("zygote", "kernel", "huge_pages")  # of this package, in both sandboxes
_FIRST_UID = 61184  # unused by accounts: systemd's dynamic users begin here
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "fonts",
    "localtime",
    "alternatives",
)
_TMPFS_BYTES = 64 << 20
_VARIABLES = {
    "HOME": HOME,
    "USER": "student",
    "LOGNAME": "student",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONPATH": GRADER,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp/mpl",  # noqa: S108 - the sandbox's own
    "OMP_NUM_THREADS": "1",  # a second thread would hang OpenMP after a fork
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "KMP_INIT_AT_FORK": "FALSE",
    "MALLOC_ARENA_MAX": "2",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # no thread before a fork
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "CROSSROADS_GRADING": "1",
    "CROSSROADS_CACHE": ASSETS,
    "CROSSROADS_HOME": f"{HOME}/crossroads",
}


class Kind(StrEnum):
    """Which of the two sandboxes."""

    STUDENT = "student"
    REFEREE = "referee"


@dataclass(frozen=True)
class View:
    """What a sandbox sees beside the system: binds are {place inside: source}."""

    binds: Mapping[str, Path]
    masks: tuple[str, ...]


def view(kind: Kind, assets: Iterable[Path]) -> View:
    """Return what this kind of sandbox sees.

    Raises:
        SandboxError: the interpreter lies where each child has its own empty folder.
    """
    prefixes = _prefixes()
    binds: dict[str, Path] = {str(it): it for it in prefixes}
    masks = [
        str(package.resolve())
        for package in (HERE, COURSE)
        if any(map(package.resolve().is_relative_to, [*prefixes, Path("/usr")]))
    ]
    if kind is Kind.STUDENT:
        for name in (*wire.STUDENT_SIDE, *INSIDE):
            binds[f"{GRADER}/autograder/{name}.py"] = HERE / f"{name}.py"
        masks.append(f"{GRADER}/course/lessons")
    else:
        binds[f"{GRADER}/autograder"] = HERE
    binds[f"{GRADER}/course"] = COURSE
    binds |= {f"{ASSETS}/{it.name}": it for it in assets}
    return View(binds, tuple(masks))


def command(
    seen: View, *, control: int, filter_fd: int, with_parent: bool, kind: Kind
) -> list[str]:
    """Return the program and arguments that start the zygote in its sandbox.

    Args:
        seen: what it sees.
        control: number of the control socket; inherited.
        filter_fd: number of a file with the sandbox's seccomp program; inherited.
        with_parent: end it with the thread that starts it: for the main thread.
        kind: which sandbox.

    Raises:
        SandboxError: bubblewrap is missing.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError(INSTALL)
    is_root = os.geteuid() == 0
    staged = {it: f"{launch.STAGE}/{n}" for n, it in enumerate(seen.binds.values())}
    shown = {it: staged[it] if is_root else str(it) for it in staged}
    binds = {place: shown[source] for place, source in seen.binds.items()}
    arguments = [bwrap, *_arguments(binds, seen.masks, kind)]
    arguments += ["--die-with-parent"] if with_parent else []
    arguments += ["--seccomp", str(filter_fd), "--remount-ro", "/", "--"]
    arguments += [sys.executable, "-m", "autograder.zygote", str(control)]
    if not is_root:
        return arguments
    order = {
        "uid": _unused_uid(),
        "binds": {str(source): place for source, place in staged.items()},
        "command": arguments,
    }
    launcher = str(HERE / "launch.py")
    return [sys.executable, "-I", "-S", launcher, json.dumps(order)]


def _arguments(
    binds: Mapping[str, str], masks: Iterable[str], kind: Kind
) -> Iterator[str]:
    yield from ("--unshare-all", "--uid", "1000", "--gid", "1000")
    yield from ("--hostname", "sandbox", "--as-pid-1", "--new-session", "--clearenv")
    yield from ("--cap-drop", "ALL", "--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        place = Path("/", name)
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), f"/{name}")
        elif place.is_dir():
            yield from ("--ro-bind", f"/{name}", f"/{name}")
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev", "--chdir", "/")
    for folder in PRIVATE:
        yield from ("--size", str(_TMPFS_BYTES), "--tmpfs", folder)
    for inside in sorted(binds):  # a folder before what lies in it
        yield from ("--ro-bind", binds[inside], inside)
    for inside in masks:
        yield from ("--size", "4096", "--tmpfs", inside, "--remount-ro", inside)
    for name, value in variables(kind).items():
        yield from ("--setenv", name, value)
    yield from ("--remount-ro", "/dev")


def variables(kind: Kind) -> dict[str, str]:
    """Return all environment variables of a sandbox.

    The referee's hashes stay secret: no colliding keys can be made for it.
    """
    fixed = {"PYTHONHASHSEED": "0"} if kind is Kind.STUDENT else {}
    return _VARIABLES | fixed


def _prefixes() -> list[Path]:
    """Return the folders of this interpreter outside of /usr, shortest first.

    Raises:
        SandboxError: one lies in a place that is private to each child.
    """
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve()}
    hop = Path(sys.executable)
    while hop.is_symlink():  # each link on the way must be there inside
        hop = hop.parent / hop.readlink()
        found.add(Path(os.path.normpath(hop)).parent.parent)
    if site.ENABLE_USER_SITE:
        found |= {it for it in [Path(site.getusersitepackages())] if it.is_dir()}
    system = [Path("/usr"), *(Path("/", it) for it in _SYSTEM)]
    kept = [
        it
        for it in found
        if it != Path("/") and not any(map(it.is_relative_to, system))
    ]
    for prefix in kept:
        if any(prefix.is_relative_to(it) for it in PRIVATE):
            raise SandboxError(
                f"Python lies in {prefix}: in the sandbox that folder is empty. Make "
                "the virtual environment elsewhere, in the home folder, say"
            )
    return sorted(kept)


def _unused_uid() -> int:
    known = {it.pw_uid for it in pwd.getpwall()}
    return next(it for it in range(_FIRST_UID, 65534) if it not in known)
