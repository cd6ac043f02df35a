"""Kills the grader at random moments until it has been killed KILLS times; compares.

    python benchmarks/bench_kills.py [--submissions 100] [--kills 50] [--workers 2]
                                     [--lesson m1]

A class of one lesson is graded twice: in one go, and with `kill -9` of the whole
supervisor at random moments, each time started again. Says whether the exported tables
are the same bytes, whether a submission was lost or judged twice, and whether a process
was left. Needs bubblewrap. Most of the time goes into the start after each kill: A1
loads less than M1 (no scikit-learn), and so takes less of it.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil

from autograder import grading
from autograder.journal import Journal, table
from course import lesson as library
from course.classroom import Classroom, make_classroom

RUN = (
    "import sys, pathlib; from autograder.run import How, grade_classroom; "
    "grade_classroom(pathlib.Path(sys.argv[1]), How(int(sys.argv[2])), progress=False)"
)


def hand_in(room: Classroom, name: str, count: int) -> None:
    """Fill the class with solutions and wrong answers, no two files the same."""
    lesson = library.load(name)
    release = room.path("release", "", lesson.name) / f"{lesson.name}.ipynb"
    text = release.read_text()
    for n in range(count):
        notebook = nbformat.reads(text, as_version=4)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            for exercise in lesson.exercises:
                if exercise.grade_id == grade_id:
                    wrongs = exercise.wrongs
                    is_wrong = bool(wrongs) and n % 3 == 0
                    answer = wrongs[n % len(wrongs)].source if is_wrong else None
                    cell.source = f"{answer or exercise.solution}\n# {n}"
        path = room.path("submitted", f"s{n:03d}", lesson.name) / release.name
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook))


def start(room: Classroom, workers: int) -> "subprocess.Popen[bytes]":
    """Start a grader of its own."""
    command = [sys.executable, "-c", RUN, str(room.folder), str(workers)]
    return subprocess.Popen(command, start_new_session=True)


def count(room: Classroom, query: str) -> int:
    """Return a number from the journal; 0 while there is none."""
    path = room.folder / grading.JOURNAL
    if not path.exists():
        return 0
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return int(db.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


def judged(room: Classroom) -> int:
    """Return how many verdicts there are."""
    return count(room, "SELECT COUNT(*) FROM verdict")


def kill_once(
    room: Classroom, workers: int, rng: random.Random, span_s: float
) -> list[psutil.Process] | None:
    """Start, kill at a random moment; return what it had started; None: it ended."""
    process = start(room, workers)
    before, deadline = judged(room), time.monotonic() + 120
    wanted = before if rng.random() < 0.3 else before + 1  # also before the first
    while judged(room) < wanted and is_running(process):
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    time.sleep(rng.uniform(0, span_s))
    family: list[psutil.Process] = []
    if is_running(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)  # a zombie at most: it was not waited for
    killed = process.wait() == -signal.SIGKILL
    return family if killed else None


def is_running(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether it runs, without taking note of its end."""
    status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return status is None


def exported(room: Classroom) -> str:
    """Return the table of all verdicts."""
    with Journal(room.folder / grading.JOURNAL) as kept:
        return table(kept.rows())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=100)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--lesson", default="m1")
    parser.add_argument("--workers", type=int, default=grading.cores())
    parser.add_argument("--span", type=float, default=0.5, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        room = make_classroom(
            Path(name) / "class", lessons=[args.lesson], hidden_seed=5
        )
        hand_in(room, args.lesson, args.submissions)
        calm = Path(shutil.copytree(room.folder, Path(name) / "calm"))
        config = room.assignments
        other = Classroom(calm, room.course_id, room.hidden_seed, config)
        begin = time.monotonic()
        if start(other, args.workers).wait() != 0:
            sys.exit("the calm run failed")
        print(f"calm run: {time.monotonic() - begin:.1f} s")
        rng, kills, seen = random.Random(args.seed), 0, []
        while kills < args.kills:
            family = kill_once(room, args.workers, rng, args.span)
            if family is None:
                break
            seen += family
            kills += 1
            print(f"kill {kills}: {judged(room)} judged", flush=True)
        left = judged(room)
        done = start(room, args.workers).wait()
        _, alive = psutil.wait_procs(seen, timeout=10)
        twice = count(
            room,
            "SELECT COUNT(*) FROM (SELECT key FROM attempt WHERE outcome = 'judged' "
            "GROUP BY key HAVING COUNT(*) > 1)",
        )
        print(f"kills: {kills}; judged before the last run: {left}; exit {done}")
        print(f"verdicts: {judged(room)} of {args.submissions}; judged twice: {twice}")
        print(f"attempts cut short: {count(room, CUT)}")
        print(f"same bytes: {exported(room) == exported(other)}")
        print(f"processes seen: {len(seen)}, left: {len(alive)}")


CUT = "SELECT COUNT(*) FROM attempt WHERE outcome = 'ended'"

if __name__ == "__main__":
    main()
