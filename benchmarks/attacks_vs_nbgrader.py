"""The attack suite against stock `nbgrader autograde`, beside what this grader says.

    python benchmarks/attacks_vs_nbgrader.py [--minutes M] [--only NAME ...] [--again]

Each submission of `tests/attacks/` that harms nothing (see its header) is graded by
nbgrader in a container of its own (bubblewrap): a fresh copy of the classroom, no network
but its own, the file system read-only but for that copy. Whatever an attack ends or hangs
is over with its container, and is named in the table. What came of each is appended to
the file `--keep` as soon as it is known: a run that was stopped, by `--minutes` or by
force, goes on where it was when it is called again; an attack whose file or whose aim
changed is measured anew. The page is written from that file alone.
The column of this grader is what `tests/test_attacks.py` holds. Takes about an hour. Linux.
"""

import argparse
import contextlib
import ctypes
import dataclasses
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import attack_tools as tools  # noqa: E402
from attack_tools import NAME, Attack  # noqa: E402

from course.classroom import Classroom, open_classroom  # noqa: E402

KEEP = Path(tempfile.gettempdir(), "attacks-vs-nbgrader", "found.jsonl")
LIMIT_S = (
    100.0  # an honest one takes a tenth; time spent waiting for a core not counted
)
CELL_S = 5  # nbgrader's limit of a cell
MAX_SLOWDOWN = 30  # by others on the machine: beyond, an attack is measured again
CONTAINER_S = 3600  # whatever happens in there: it is ended
PR_SET_DUMPABLE = 4
ACTS = re.compile(
    r"<script>window\.pwned|<img src=x onerror|onload=.window\.pwned"
    r"|href=.javascript:window\.pwned|<meta http-equiv=refresh|<style>body\{display"
)
GROUPS = {
    "score": "Score raising",
    "read": "Reading what is hidden",
    "escape": "Leaving the sandbox",
    "exhaust": "Exhaustion",
    "wire": "The conversation with the grader",
    "page": "The feedback page",
    "cells": "Edited notebooks",
    "file": "Files",
}
UNGRADED = re.compile("not graded|hung|was killed|ended its container|cannot be read")


@dataclass(frozen=True)
class Found:
    """What came of one attack, as it is kept.

    `key` tells apart what was measured: the attack, its aim and nbgrader's version.
    `wall_s` is what nbgrader took, `waited_s` the part in which its processes were ready
    to run and had no core, `cpu_s` the processor time that it took.
    """

    name: str
    key: str
    signs: tuple[str, ...]
    wall_s: float = 0.0
    waited_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def is_fair(self) -> bool:
        """Whether nbgrader had cores enough: its own limits are in wall time."""
        return self.wall_s < MAX_SLOWDOWN * max(self.wall_s - self.waited_s, 0.1)


# ---------------------------------------------------------------- inside of the container


def autograde(room: Classroom, student: str) -> None:
    """Grade one submission as an instructor would, and make its feedback."""
    from course.classroom import open_api

    with open_api(room.folder) as api:
        api.config.ExecutePreprocessor.timeout = CELL_S
        api.config.ExecutePreprocessor.startup_timeout = 10 * int(LIMIT_S)
        found = api.autograde(NAME, student, create=True)
        if found["success"] and student.startswith("page_"):
            api.generate_feedback(NAME, student)
    (room.folder / "said.json").write_text(json.dumps(found))


class Clock:
    """Wall time since the start, without the time in which others had the cores."""

    def __init__(self) -> None:
        """Start now."""
        self.wall_s = self.waited_s = 0.0
        self._start = self._last = time.monotonic()
        self._delays: dict[str, int] = {}  # ns, by thread

    def look(self) -> float:
        """Return the seconds that count."""
        before = sum(self._delays.values())
        for path in Path("/proc").glob("[0-9]*/task/[0-9]*/schedstat"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._delays[path.parts[4]] = int(path.read_text().split()[1])
        now = time.monotonic()
        delay_s = max((sum(self._delays.values()) - before) / 1e9, 0.0)
        self.waited_s += min(delay_s, now - self._last)
        self.wall_s, self._last = now - self._start, now
        return self.wall_s - self.waited_s


def dumpable(whether: bool) -> None:
    """Say whether a process of the same user may attach to this one as a debugger."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, int(whether), 0, 0, 0)


def limited(work: Callable[[], None], clock: Clock) -> bool:
    """Do it in a process group of its own; return whether it ended in time."""
    pid = os.fork()
    if pid == 0:
        dumpable(True)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        try:
            work()
        finally:
            os._exit(0)
    while clock.look() < LIMIT_S:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def told(room: Classroom, attack: Attack, in_time: bool) -> list[str]:
    """Return what the gradebook and nbgrader's files say came of it, in few words."""
    signs = []
    said = room.folder / "said.json"
    if not in_time:
        signs.append(f"the grader hung for {LIMIT_S:.0f} s and was stopped")
    elif not said.exists():
        signs.append("the grader's own process was killed")
    elif not json.loads(said.read_text())["success"]:
        signs.append("not graded")
    points, problem = points_of(room, attack)
    if problem:
        signs.append(problem)
    elif points and not signs:
        signs += scored(attack, points)
    signs += printed(room, attack)
    page = room.path("feedback", attack.name, NAME) / f"{NAME}.html"
    if page.is_file() and ACTS.search(page.read_text()):
        signs.append("**acts in the feedback page**")
    return signs


def points_of(room: Classroom, attack: Attack) -> tuple[dict[str, float], str]:
    """Return (points by check, what is wrong with the gradebook)."""
    from nbgrader.api import Gradebook, MissingEntry
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with Gradebook(f"sqlite:///{room.gradebook}", room.course_id) as book:
            notebook = book.find_submission(NAME, attack.name).notebooks[0]
            return {it.name: it.score for it in notebook.grades}, ""
    except (MissingEntry, IndexError):
        return {}, ""
    except SQLAlchemyError:
        return {}, "the gradebook cannot be read"


def printed(room: Classroom, attack: Attack) -> list[str]:
    """Return what an attack says that it could do, in the graded notebook's outputs."""
    signs = []
    path = room.path("autograded", attack.name, NAME) / f"{NAME}.ipynb"
    text = path.read_text() if path.is_file() else ""
    for cell in json.loads(text)["cells"] if text else []:
        for output in cell.get("outputs", ()):
            words = "".join(output.get("text", ""))
            if re.search(r"found .*tell-nobody", words):
                signs.append("**hidden test read**")
            if "ESCAPED" in words:
                signs.append("**left the process**")
    return signs


def scored(attack: Attack, points: dict[str, float]) -> list[str]:
    """Return what is odd about the points."""
    signs = []
    got = points.get(f"z2_{attack.target}_check")
    if got:
        most = tools.MOST[attack.target]
        signs.append(f"**gains {got:g} of {most:g} points**")
    others = sum(v for k, v in points.items() if k != f"z2_{attack.target}_check")
    lost = sum(tools.MOST.values()) - tools.MOST[attack.target] - others
    if lost > 0 and attack.keeps:
        signs.append(f"{lost:g} points of other exercises lost")
    return signs


def inside(folder: Path, name: str) -> None:
    """Grade one attack; print what came of it. This is process 1 of its namespace."""
    import nbgrader.apps
    import nbgrader.converters.autograde  # noqa: F401

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)  # without handlers none ends process 1
    dumpable(False)
    room = open_classroom(folder / "room")
    attack = next(it for it in tools.suite() if it.name == name)
    clock = Clock()
    with tools.surroundings(room) as around:
        tools.hand_in(room, attack, around.places)
        before = around.fingerprints()
        in_time = limited(lambda: autograde(room, name), clock)
        signs = told(room, attack, in_time)
        if around.victim.poll() is not None:
            signs.append("**killed another process**")
        if around.visits:
            signs.append("**reached a server**")
        (room.folder / "said.json").unlink(missing_ok=True)
        after = around.fingerprints()
        if any(after.get(it) != before[it] for it in before) or any(
            it.endswith("stolen") for it in after
        ):
            signs.append("**wrote into the classroom**")
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    known = tuple(dict.fromkeys(signs))
    cpu_s = usage.ru_utime + usage.ru_stime
    found = Found(name, key_of(attack), known, clock.wall_s, clock.waited_s, cpu_s)
    print(json.dumps(dataclasses.asdict(found)), flush=True)


# ---------------------------------------------------------------- outside


def key_of(attack: Attack) -> str:
    """Return a mark of what is measured: another attack, aim or nbgrader, another mark."""
    parts = [attack.form, attack.target, attack.body, tools.TARGET.read_text()]
    text = "\0".join([*parts, version("nbgrader")])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kept(path: Path) -> dict[str, Found]:
    """Return what is known of today's attacks; a half-written line is none."""
    found = {}
    keys = {it.name: key_of(it) for it in tools.suite()}
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError, TypeError):
            data = json.loads(line)
            one = Found(**data | {"signs": tuple(data["signs"])})
            if keys.get(one.name) == one.key and one.is_fair:
                found[one.name] = one
    return found


def template_in(place: Path) -> Path:
    """Return the classroom that each attack gets a copy of; made when it is missing."""
    mark = hashlib.sha256(tools.TARGET.read_bytes()).hexdigest()[:16]
    template = place / f"classroom-{mark}"
    if not template.is_dir():
        with tempfile.TemporaryDirectory(dir=place) as name:
            room = tools.make_room(Path(name))
            tools.hand_in_honest(room)
            room.folder.rename(template)
    return template


def contained(folder: Path, template: Path, attack: Attack) -> Found:
    """Grade one attack in a container of its own; return what came of it."""
    home = folder / "home"
    for name in ("room", "home"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.copytree(template, folder / "room")
    home.mkdir()
    paths = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    command = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    command += ["--unshare-all", "--die-with-parent", "--as-pid-1"]
    command += ["--cap-drop", "ALL", "--tmpfs", "/tmp"]
    for name in ("room", "home"):
        command += ["--bind", str(folder / name), str(folder / name)]
    command += ["--setenv", "HOME", str(home), "--setenv", "TMPDIR", str(home)]
    command += ["--setenv", "PYTHONPATH", paths, "--setenv", "OMP_NUM_THREADS", "1"]
    command += ["--chdir", str(folder), sys.executable, __file__]
    command += ["--inside", str(folder), "--only", attack.name]
    start = time.monotonic()
    with contextlib.suppress(subprocess.TimeoutExpired, ValueError, IndexError):
        done = subprocess.run(
            command, check=False, timeout=CONTAINER_S, stdout=subprocess.PIPE, text=True
        )
        data = json.loads(done.stdout.splitlines()[-1])
        return Found(**data | {"signs": tuple(data["signs"])})
    wall_s = time.monotonic() - start
    return Found(attack.name, key_of(attack), ("ended its container",), wall_s)


def measured(suite: list[Attack], path: Path, end: float) -> None:
    """Grade these; append what came of each to the file. Stops at the end's time."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder, template = Path(name), template_in(path.parent)
        for attack in suite:
            if time.monotonic() > end:
                return
            found = contained(folder, template, attack)
            with path.open("a") as file:
                file.write(json.dumps(dataclasses.asdict(found)) + "\n")
            print(f"{attack.name}: {'; '.join(found.signs) or 'no gain'}", flush=True)


def page(found: dict[str, Found]) -> str:
    """Return the page of the suite: every attack, and what came of it, twice."""
    suite = tools.suite()
    told = {k: "; ".join(it.signs) or "no gain" for k, it in found.items()}
    bold = [it for it in told.values() if "**" in it]
    ungraded = [it for it in told.values() if UNGRADED.search(it)]
    lines = [
        "# The attack suite",
        "",
        "Made by `benchmarks/attacks_vs_nbgrader.py`; do not edit. Each line is one file of",
        "`tests/attacks/`. What Crossroads says of the exercise that an attack aims at is",
        "held by `tests/test_attacks.py`; that exercise always gets 0 points, or the file",
        f"is rejected. The last column is what nbgrader {version('nbgrader')}'s own",
        "`autograde` made of it, each alone in a container with a fresh copy of the class,",
        f"a limit of {CELL_S} s for a cell, and stopped when it had not ended after",
        f"{LIMIT_S:.0f} s, in which waiting for a core is not counted. Attacks that would",
        "harm the machine were not run with it.",
        "",
        f"{len(suite)} attacks on Crossroads: none gains a point, reads, writes or reaches",
        f"anything. {len(told)} of them on nbgrader: {len(bold)} succeed (in bold),",
        f"{len(ungraded)} leave the submission without a grade.",
    ]
    left = sum(it.harmless for it in suite) - len(told)
    lines += [f"{left} more are still to be run with it."] if left else []
    for key, title in GROUPS.items():
        lines += ["", f"## {title}", ""]
        lines += [
            "| attack | what it tries | Crossroads | nbgrader |",
            "|---|---|---|---|",
        ]
        for it in suite:
            if it.name.split("_")[0] == key:
                ours = " or ".join(it.expect).replace("_", " ")
                missing = "not measured yet" if it.harmless else f"not run: {it.danger}"
                theirs = told.get(it.name, missing)
                tries = it.tries.replace("|", "\\|").replace("<", "&lt;")
                lines.append(f"| `{it.name}` | {tries} | {ours} | {theirs} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line; measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "attacks.md")
    parser.add_argument("--only", nargs="*", help="names of attacks")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after these")
    parser.add_argument("--again", action="store_true", help="also what is known")
    parser.add_argument("--keep", type=Path, default=KEEP, help="results, one a line")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args.inside, args.only[0])
        return
    end = time.monotonic() + 60 * args.minutes
    args.keep.parent.mkdir(parents=True, exist_ok=True)
    suite = {it.name: it for it in tools.suite() if it.harmless}
    names = args.only or list(suite)
    known = {} if args.again else kept(args.keep)
    todo = [suite[it] for it in names if it not in known]
    if todo:
        measured(todo, args.keep, end)
    found = {name: it for name, it in kept(args.keep).items() if name in suite}
    missing = [it for it in suite if it not in found]
    if missing:
        print(f"{len(missing)} are not measured yet: call it again")
    args.out.write_text(page(found))


if __name__ == "__main__":
    main()
