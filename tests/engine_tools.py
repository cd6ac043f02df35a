"""Plans for the engine's tests, and how they are run as an ordinary user."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from referee_tools import notebook, submitted

from autograder import launch, submission
from autograder.facts import Facts
from autograder.submission import Plan, Step

ROOT = Path(__file__).parents[1]
PRELOAD = ("numpy", "numpy.testing", "matplotlib.pyplot", "course.feedback")
ANSWERS = [
    "def one():\n    return 1",
    "def two():\n    return 2",
    "def three():\n    return 3",
]
CHECKS = ["assert one() == 1", "assert two() == 2", "assert three() == 3"]


def class_plan(*answers, checks=CHECKS, **limits):
    """Return the plan of a submission to an assignment of three exercises."""
    reference = submission.reference(notebook(ANSWERS, checks), "three")
    handed_in = submitted(notebook([*answers, *ANSWERS[len(answers) :]], checks))
    return submission.plan(reference, handed_in, limits=limits or None)


def cells_plan(*sources):
    """Return a plan that runs cells and judges nothing."""
    steps = tuple(Step("student", f"s{i}", it) for i, it in enumerate(sources))
    return Plan("cells", steps, Facts((), {}, (), {}))


def said(engine, *sources):
    """Return what the cells printed in a student's process; they must not fail."""
    verdict = engine.grade(cells_plan(*sources))
    assert [it.error for it in verdict.cells] == [""] * len(sources), verdict.reason
    return "".join(out["text"] for it in verdict.cells for out in it.outputs)


def tried(engine, *attempts):
    """Return, for each statement, the name of the error that it raised, or "done"."""
    source = (
        "import json, os, socket, subprocess, threading\n"
        f"for attempt in {list(attempts)!r}:\n"
        "    try:\n        exec(attempt); print('done')\n"
        "    except BaseException as error:\n        print(type(error).__name__)\n"
    )
    return said(engine, source).split()


def points(verdict):
    """Return the points, exercise by exercise."""
    return [it.points for it in verdict.exercises]


def gone(pids, seconds=5.0):
    """Return whether all these processes end in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(Path(f"/proc/{it}").exists() for it in pids):
            return True
        time.sleep(0.05)
    return False


AS_USER = """
import importlib.util, json, os, sys
order = json.loads(sys.argv[1])
spec = importlib.util.spec_from_file_location("kernel", order["kernel"])
kernel = importlib.util.module_from_spec(spec); spec.loader.exec_module(kernel)
kernel.unshare(kernel.CLONE_NEWNS)
kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
python = os.open(order["python"], os.O_PATH)
if order["closed"]:
    kernel.mount("tmpfs", order["closed"], "tmpfs", 0, "mode=755")
    os.makedirs(order["python"])
    source = "/proc/self/fd/" + str(python)
    kernel.mount(source, order["python"], flags=kernel.MS_BIND | kernel.MS_REC)
os.setgroups([]); os.setresgid(*[order["uid"]] * 3); os.setresuid(*[order["uid"]] * 3)
os.chdir(order["home"])
os.execve(order["command"][0], order["command"], order["env"])
"""


def as_user(source, home, uid=61999):
    """Run Python source as an ordinary user whose home is `home`; return the process.

    When this process is root, another user is made up; the interpreter is shown to it
    at its own place, as if root's home could be entered.
    """
    command = [sys.executable, "-c", source]
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT}/tests",
    }
    if os.geteuid() != 0:
        return subprocess.run(command, env=env, capture_output=True, text=True)
    python = Path(sys.base_prefix).resolve()
    closed = [str(it) for it in python.parents if it.stat().st_mode & 0o005 != 0o005]
    for folder in (home, *home.parents):
        if (
            folder.stat().st_uid == 0
            and folder.is_relative_to("/tmp")
            and folder != Path("/tmp")
        ):
            folder.chmod(0o755)
    os.chown(home, uid, uid)
    order = {
        "kernel": str(Path(launch.__file__).with_name("kernel.py")),
        "python": str(python),
        "closed": closed[-1] if closed else "",
        "uid": uid,
        "home": str(home),
        "command": command,
        "env": env,
    }
    launcher = [sys.executable, "-I", "-S", "-c", AS_USER, json.dumps(order)]
    return subprocess.run(launcher, capture_output=True, text=True, timeout=300)
