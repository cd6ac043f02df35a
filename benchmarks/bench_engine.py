"""What the engine takes for one submission, against `nbgrader autograde`.

    python benchmarks/bench_engine.py LESSON.py [--submissions N] [--peers N]

The lesson's own solution is handed in N times to each, in one run on this machine: the
ratios count, the milliseconds are this machine's at this hour. CPU time of ours is that
of all the submission's processes and the engine's and the zygotes' own for it.
nbgrader's is that of one `autograde` command for all of its submissions. Also: the
start-up of both zygotes, the memory of a student's process that no other shares, and
what a second thread of the same engine adds.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil

from autograder import kinds, submission, wire
from autograder.bubblewrap import Kind
from autograder.engine import Engine
from autograder.limits import STUDENT
from autograder.probe import Mode, probe
from autograder.submission import Plan
from course import build, lesson


def private_mb(engine: Engine, plan: Plan) -> float:
    """Return the megabytes that a student's process shares with no other."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = engine.sandbox(Kind.STUDENT).fork(theirs, STUDENT).started()
        theirs.close()
        codec = wire.Codec(None)  # type: ignore[arg-type]
        for number, step in enumerate(plan.steps):
            if step.kind in ("setup", "student"):
                wire.send(ours, codec, [number, 60.0, "run", step.source, step.id])
                wire.receive(ours, codec)
        rollup = Path(f"/proc/{child.pid}/smaps_rollup").read_text()
        child.kill()
        child.wait()
    lines = (it.split() for it in rollup.splitlines())
    return sum(int(it[1]) for it in lines if it[0] == "Private_Dirty:") / 1024


def rate(engine: Engine, plan: Plan, count: int, workers: int) -> float:
    """Return submissions per second with so many threads."""
    todo = iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if next(todo, None) is None:
                    return
            engine.grade(plan)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    start = time.perf_counter()
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    return count / (time.perf_counter() - start)


def shared_cpu_s(engine: Engine) -> float:
    """Return the CPU seconds so far of this process and of both zygotes."""
    total = time.process_time()
    for kind in Kind:
        outer = psutil.Process(engine.sandbox(kind).pid)
        for it in (outer, *outer.children(recursive=True)):  # down to the zygote
            used = it.cpu_times()
            total += used.user + used.system
    return total


def ours(
    path: Path, count: int, mode: Mode, *, figures: bool = False
) -> dict[str, object]:
    """Return the engine's figures for a lesson.

    Args:
        path: the lesson.
        count: submissions.
        mode: of the sandbox.
        figures: draw figures into the cells' outputs, as nbgrader does.
    """
    found = lesson.read(path)
    notebook = build.source_notebook(found, 5)
    (assignment,) = kinds.assignments(
        {path.stem: build.to_text(notebook).encode()}, mode
    )
    plan = submission.of_reference(submission.reference(notebook, path.stem))
    setting = replace(kinds.setting(assignment.options), figures=figures)
    start = time.perf_counter()
    with Engine(setting, mode=mode) as engine:
        started = time.perf_counter() - start
        boxes = {str(it): engine.sandbox(it).ready for it in Kind}
        verdict = engine.grade(plan)  # the first one reads files from the disk
        before = shared_cpu_s(engine)
        runs = [engine.measured(plan) for _ in range(count)]
        own_ms = 1000 * (shared_cpu_s(engine) - before) / count
        one, two = (rate(engine, plan, 2 * count, it) for it in (1, 2))
        memory = private_mb(engine, plan)
    cpu = sorted(usage.cpu_s for _, usage in runs)
    student = sorted(usage.student_cpu_s for _, usage in runs)
    wall = sorted(verdict.seconds for verdict, _ in runs)
    return {
        "points": [verdict.points, verdict.max_points],
        "start_s": round(started, 2),
        "zygotes": boxes,
        "wall_ms": round(1000 * wall[count // 2], 1),
        "cpu_ms": round(1000 * cpu[count // 2] + own_ms, 1),
        "own_cpu_ms": round(own_ms, 1),
        "student_cpu_ms": round(1000 * student[count // 2], 1),
        "private_mb": round(memory, 1),
        "per_minute": [round(60 * one), round(60 * two)],
        "second_worker": round(two / one, 2),
    }


def peer(path: Path, count: int) -> dict[str, float]:
    """Return what `nbgrader autograde` takes per submission of the same lesson."""
    name = path.stem
    text = build.to_text(build.source_notebook(lesson.read(path), 5))
    nbgrader = [sys.executable, "-m", "nbgrader"]
    with tempfile.TemporaryDirectory() as folder:
        places = [f"source/{name}"]
        places += [f"submitted/s{it}/{name}" for it in range(count)]
        for place in places:
            Path(folder, place).mkdir(parents=True)
            Path(folder, place, f"{name}.ipynb").write_text(text)
        _run([*nbgrader, "generate_assignment", name, f"--course-dir={folder}"])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        _run([*nbgrader, "autograde", name, f"--course-dir={folder}"])
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_ms": round(1000 * wall / count, 1),
        "cpu_ms": round(1000 * cpu / count, 1),
    }


def _run(command: list[str]) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"OMP_NUM_THREADS": "1", "CROSSROADS_GRADING": "1", "PATH": path}
    done = subprocess.run(
        command, check=False, env=os.environ | more, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{command} failed:\n{done.stderr[-3000:]}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lesson", type=Path)
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--peers", type=int, default=5)
    parser.add_argument("--mode", type=Mode, default=None)
    args = parser.parse_args()
    mode = args.mode or probe().require()
    mine = ours(args.lesson, args.submissions, mode)
    found: dict[str, object] = {
        "lesson": args.lesson.stem,
        "mode": mode,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "engine": mine,
    }
    if args.peers:
        other = peer(args.lesson, args.peers)
        found["nbgrader"] = other
        for key in ("wall_ms", "cpu_ms"):
            found[f"{key}_ratio"] = round(other[key] / float(str(mine[key])), 1)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
