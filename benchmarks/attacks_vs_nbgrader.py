"""The attack suite against stock `nbgrader autograde`, beside what this grader says.

    python benchmarks/attacks_vs_nbgrader.py [--out docs/attacks.md] [--only NAME ...]

Each submission of `tests/attacks/` that harms nothing (see its header) is graded by
nbgrader in a container of bubblewrap's: no network but its own, the file system
read-only but for the classroom. The table says what came of it. The column of this
grader is what `tests/test_attacks.py` holds. Takes about a quarter of an hour. Linux.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import attack_tools as tools  # noqa: E402
from attack_tools import NAME, Attack  # noqa: E402

from course.classroom import Classroom  # noqa: E402

LIMIT_S = 60.0
CELL_S = 5
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


# ---------------------------------------------------------------- inside of the container


def autograde(room: Classroom, student: str) -> None:
    """Grade one submission as an instructor would, and make its feedback."""
    from course.classroom import open_api

    with open_api(room.folder) as api:
        api.config.ExecutePreprocessor.timeout = CELL_S
        found = api.autograde(NAME, student, create=True)
        if found["success"] and student.startswith("page_"):
            api.generate_feedback(NAME, student)
    (room.folder / "said.json").write_text(json.dumps(found))


def limited(room: Classroom, student: str) -> bool:
    """Run `autograde` in a process group of its own; return whether it ended in time."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        try:
            autograde(room, student)
        finally:
            os._exit(0)
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def end_all_but(kept: set[int]) -> None:
    """Kill what an attack or a kernel left; this is process 2 of its own namespace."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) not in kept:
            with contextlib.suppress(OSError):
                os.kill(int(path.name), signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def told(room: Classroom, attack: Attack, in_time: bool) -> list[str]:
    """Return what came of an attack, in a few words each."""
    from nbgrader.api import Gradebook, MissingEntry

    signs = []
    said = room.folder / "said.json"
    if not in_time:
        signs.append(f"the grader hung for {LIMIT_S:.0f} s and was stopped")
    elif not said.exists():
        signs.append("the grader's own process was killed")
    elif not json.loads(said.read_text())["success"]:
        signs.append("not graded")
    said.unlink(missing_ok=True)
    with Gradebook(f"sqlite:///{room.gradebook}", room.course_id) as book:
        try:
            book_of = book.find_submission(NAME, attack.name).notebooks[0]
            points = {it.name: it.score for it in book_of.grades}
        except (MissingEntry, IndexError):
            points = {}
    if points and not signs:
        signs += scored(attack, points)
    signs += printed(room, attack)
    page = room.path("feedback", attack.name, NAME) / f"{NAME}.html"
    if page.is_file() and ACTS.search(page.read_text()):
        signs.append("**acts in the feedback page**")
    return list(dict.fromkeys(signs))


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


def inside(folder: Path, names: list[str]) -> None:
    """Grade all attacks; write what came of each to `found.json` in the folder."""
    import nbgrader.apps
    import nbgrader.converters.autograde  # noqa: F401

    room = tools.make_room(folder)
    results: dict[str, str] = {}
    suite = [it for it in tools.suite() if it.harmless and it.name in names]
    with tools.surroundings(room) as around:
        tools.hand_in_honest(room)
        for attack in suite:
            tools.hand_in(room, attack, around.places)
            before, visits = around.fingerprints(), len(around.visits)
            in_time = limited(room, attack.name)
            signs = told(room, attack, in_time)
            if around.victim.poll() is not None:
                signs.append("**killed another process**")
                around.victim = subprocess.Popen(
                    [sys.executable, "-c", "import time; time.sleep(9999)"]
                )
            if len(around.visits) > visits:
                signs.append("**reached a server**")
            after = around.fingerprints()
            changed = [it for it in before if after.get(it) != before[it]]
            new = [it for it in after if it.endswith("stolen")]
            if changed or new:
                signs.append("**wrote into the classroom**")
            for it in new:
                (room.folder / it).unlink(missing_ok=True)
            results[attack.name] = "; ".join(signs) or "no gain"
            end_all_but({1, os.getpid(), os.getppid(), around.victim.pid})
            (folder / "found.json").write_text(json.dumps(results))
            print(f"{attack.name}: {results[attack.name]}", flush=True)


# ---------------------------------------------------------------- outside


def contained(folder: Path, names: list[str]) -> None:
    """Run `inside` where nothing else can be reached."""
    paths = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    home = folder / "home"
    home.mkdir()
    command = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    command += ["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    command += ["--tmpfs", "/tmp"]
    command += ["--bind", str(folder), str(folder), "--setenv", "HOME", str(home)]
    command += ["--setenv", "PYTHONPATH", paths, "--setenv", "OMP_NUM_THREADS", "1"]
    command += ["--setenv", "TMPDIR", str(home), "--chdir", str(folder)]
    command += [sys.executable, __file__, "--inside", str(folder), "--only", *names]
    subprocess.run(command, check=False)


def page(found: dict[str, str]) -> str:
    """Return the page of the suite: every attack, and what came of it, twice."""
    suite = tools.suite()
    tried = [it for it in suite if it.name in found]
    bold = [it for it in tried if "**" in found[it.name]]
    ungraded = [
        it for it in tried if re.search("not graded|hung|was killed", found[it.name])
    ]
    lines = [
        "# The attack suite",
        "",
        "Made by `benchmarks/attacks_vs_nbgrader.py`; do not edit. Each line is one file of",
        "`tests/attacks/`. What Crossroads says of the exercise that an attack aims at is",
        "held by `tests/test_attacks.py`; that exercise always gets 0 points, or the file",
        "is rejected. The last column was measured with nbgrader's own `autograde`, in a",
        "container; attacks that would harm the machine were not run with it.",
        "",
        f"{len(suite)} attacks on Crossroads: none gains a point, reads, writes or reaches",
        f"anything. {len(tried)} of them on nbgrader: {len(bold)} succeed (in bold),",
        f"{len(ungraded)} leave the submission without a grade.",
    ]
    for key, title in GROUPS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| attack | what it tries | Crossroads | nbgrader |",
        ]
        lines += ["|---|---|---|---|"]
        for it in suite:
            if it.name.split("_")[0] == key:
                ours = " or ".join(it.expect).replace("_", " ")
                missing = "not measured" if it.harmless else f"not run: {it.danger}"
                theirs = found.get(it.name, missing)
                tries = it.tries.replace("|", "\\|").replace("<", "&lt;")
                lines.append(f"| `{it.name}` | {tries} | {ours} | {theirs} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line; measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "attacks.md")
    parser.add_argument("--only", nargs="*", help="names of attacks")
    parser.add_argument("--keep", type=Path, help="JSON file that results add up in")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    names = args.only or [it.name for it in tools.suite() if it.harmless]
    if args.inside:
        inside(args.inside, names)
        return
    with tempfile.TemporaryDirectory() as name:
        contained(Path(name), names)
        found = json.loads((Path(name) / "found.json").read_text())
    if args.keep:
        old = json.loads(args.keep.read_text()) if args.keep.exists() else {}
        found = {
            it.name: (old | found)[it.name]
            for it in tools.suite()
            if it.name in old | found
        }
        args.keep.write_text(json.dumps(found))
    args.out.write_text(page(found))


if __name__ == "__main__":
    main()
