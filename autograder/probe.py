"""What this machine can do to hold untrusted code: found out by doing it.

nested     bubblewrap, and each submission in namespaces of its own
flat       bubblewrap, on a host that forbids to nest namespaces: one submission at a
           time in a sandbox that is emptied after each
container  no bubblewrap (macOS, Windows), but Docker or Podman answers: the grader
           runs as a whole in the grading image, see `container_command`
none       untrusted work is refused
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from autograder.limits import STUDENT
from course.errors import SandboxError

IMAGE = "crossroads-grader"
CACHE = "crossroads-cache:/cache"  # the volume in which the image keeps models and data
_OWN_USER = 1000, 1000  # the image's
_UNFILTERED = (
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined"),
)
IN_CONTAINER = ("/.dockerenv", "/run/.containerenv")  # Docker's mark, and Podman's


class Mode(StrEnum):
    """How untrusted code is held."""

    NESTED = "nested"
    FLAT = "flat"
    CONTAINER = "container"
    NONE = "none"


@dataclass(frozen=True)
class Found:
    """The best mode, and why it is not a better one.

    `remedy`: what to do when untrusted code cannot be run by this process.
    """

    mode: Mode
    reasons: tuple[str, ...] = ()
    remedy: str = ""

    def require(self) -> Mode:
        """Return the mode.

        Raises:
            SandboxError: untrusted code cannot be run by this process.
        """
        if self.mode in (Mode.NESTED, Mode.FLAT):
            return self.mode
        why = "; ".join(self.reasons)
        raise SandboxError(
            f"untrusted notebooks are not run here: {why}. {self.remedy}"
        )


def probe() -> Found:
    """Return what this machine can do; takes about half a second."""
    return choose(problem_of, container_engine)


def choose(
    problem: Callable[[Mode], str], engine: Callable[[], tuple[str, str]]
) -> Found:
    """Return the first mode that works.

    Args:
        problem: says what is wrong with a mode; empty: it works.
        engine: returns a container engine's name, or "" and why there is none.
    """
    reasons: list[str] = []
    for mode in (Mode.NESTED, Mode.FLAT):
        said = problem(mode)
        if not said:
            return Found(mode, tuple(reasons))
        reasons.append(f"{mode}: {said}")
    name, said = engine()
    trust = "`--trust` runs notebooks with your rights: for your own ones only."
    if name:
        shown = " ".join(container_command(name, "CLASSROOM"))
        remedy = f"Grade in a container: `{shown}`. {trust}"
        return Found(Mode.CONTAINER, tuple(reasons), remedy)
    reasons.append(f"container: {said}")
    remedy = "Install bubblewrap (Linux), Docker or Podman"
    if is_container():
        remedy = (
            "This is a container: it needs bubblewrap in it, and to be started with the "
            f"options of container/grade.sh, `{' '.join(_UNFILTERED)}`"
        )
    return Found(Mode.NONE, tuple(reasons), f"{remedy}. {trust}")


def is_container() -> bool:
    """Whether Docker or Podman started this process."""
    return any(Path(it).exists() for it in IN_CONTAINER)


def problem_of(mode: Mode) -> str:
    """Return what is wrong with a mode of bubblewrap; empty: it works."""
    from autograder.bubblewrap import Kind
    from autograder.sandbox import Setting, running

    ours, theirs = socket.socketpair()
    try:
        setting = Setting(runtime="")
        with running(Kind.STUDENT, setting, nested=mode is Mode.NESTED) as box:
            child = box.fork(theirs, STUDENT)
            theirs.close()
            child.started()
            ours.settimeout(10)
            said = ours.recv(16)
            child.kill()
            child.wait()
    except (SandboxError, OSError) as error:
        return str(error)
    finally:
        ours.close()
        theirs.close()
    return "" if said == b"here" else "the child did not answer"


def container_engine() -> tuple[str, str]:
    """Return the name of a container engine that answers; or "" and why not."""
    reasons = []
    for name in ("podman", "docker"):
        program = shutil.which(name)
        if program is None:
            reasons.append(f"{name} is not installed")
            continue
        try:
            ran = subprocess.run(  # noqa: S603 - a fixed command
                [program, "info"],
                check=False,
                capture_output=True,
                text=True,
                timeout=20,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reasons.append(f"{name} does not answer ({type(error).__name__})")
            continue
        if ran.returncode == 0:
            return name, ""
        lines = ran.stderr.strip().splitlines() or ["no reason given"]
        reasons.append(f"{name} does not answer ({lines[-1][:200]})")
    return "", ", ".join(reasons)


def container_command(engine: str, classroom: str) -> list[str]:
    """Return the command that grades a classroom in the grading image.

    In the container bubblewrap makes the sandboxes, so the engine's own filters, which
    forbid namespaces, are off; the container has no network, no capability, and the
    rights of whoever grades: the verdicts are their files. Root is told the image's own
    user: without capabilities root cannot make sandboxes.
    """
    user, group = (os.getuid(), os.getgid()) if hasattr(os, "getuid") else _OWN_USER
    own = ["--userns=keep-id"] if engine == "podman" and user else []
    if not user:
        user, group = _OWN_USER
    return [
        *(engine, "run", "--rm", "--init", "--network", "none", "--cap-drop", "ALL"),
        *(*own, "--user", f"{user}:{group}"),
        *_UNFILTERED,
        *("--memory", "6g", "--memory-swap", "6g", "--pids-limit", "512"),
        *("--volume", f"{classroom}:/classroom", "--volume", CACHE),
        *(IMAGE, "autograder", "grade", "/classroom"),
    ]
