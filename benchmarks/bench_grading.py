"""The grader's figures against `nbgrader autograde`'s, in one run, as a Markdown table.

    python benchmarks/bench_grading.py [--submissions 20] [--peers 10] [--size 200]
                                       [--lessons z1 z3 z4 m1 a4]

Three small lessons, in which the grader's own cost shows: numpy; figures (drawn into the
notebook by nbgrader, and once with `+drawn` by the grader, too, which it does not do for
a class); PyTorch and transformers. Then two of the course's lessons, whose checks
compute on both sides. For each: CPU and wall time per submission on both sides, memory
of a student's process that no other shares, start of the zygotes. Then a class of SIZE
submissions to M1, graded with one worker and with two, each twice. Takes about ten
minutes on an idle machine, which it should be: CPU ratios bear others' work, throughput
does not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bench_engine
import bench_kills

from autograder.probe import probe
from autograder.run import How, grade_classroom
from course import lesson as library
from course.classroom import make_classroom

EXAMPLES = Path(__file__).parents[1] / "tests" / "data"
BARS = {"z1": ("numpy", 30), "z3": ("figures", 15), "z4": ("torch", 50)}
REAL = {"m1": "its figures, scikit-learn", "a4": "some 300 calls of checks"}
CLASS, FEW = "m1", 10


def row(name: str, args: argparse.Namespace) -> str:
    """Return the table's line (of figures, two lines) of one lesson."""
    paths = [*library.lesson_paths(), *EXAMPLES.glob("z*.py")]
    path = next(it for it in paths if it.name.startswith(f"{name}_"))
    what, bar = BARS.get(name, (REAL.get(name, path.stem), 0))
    told = f" (bar 1/{bar})" if bar else ""
    kinds = {what: False} | ({f"{what}+drawn": True} if what == "figures" else {})
    other = bench_engine.peer(path, args.peers)
    lines = []
    for label, figures in kinds.items():
        mine = bench_engine.ours(path, args.submissions, args.mode, figures=figures)
        cpu = other["cpu_ms"] / float(str(mine["cpu_ms"]))
        wall = other["wall_ms"] / float(str(mine["wall_ms"]))
        lines.append(
            f"| {name} ({label}) | {mine['cpu_ms']} | {other['cpu_ms']} | "
            f"1/{cpu:.1f}{told} | {mine['wall_ms']} | {other['wall_ms']} | "
            f"1/{wall:.0f} | {mine['private_mb']} | {mine['start_s']} | "
            f"{mine['points']} |"
        )
    return "\n".join(lines)


def throughput(size: int) -> str:
    """Return what one worker and two make of a class, submissions per minute."""
    alone, whole = {1: 0.0, 2: 0.0}, {1: 0.0, 2: 0.0}
    for workers in (1, 2, 2, 1):  # a machine that gets faster or slower favours neither
        alone[workers] += seconds(FEW, workers) / 2
        whole[workers] += seconds(size, workers) / 2
    rates = {it: 60 * size / whole[it] for it in whole}
    steady = {it: 60 * (size - FEW) / (whole[it] - alone[it]) for it in whole}
    return (
        f"{size} submissions to {CLASS}, a minute with one worker and with two: "
        f"{steady[1]:.0f} and {steady[2]:.0f}, {steady[2] / steady[1]:.2f} times (bar "
        f"1.7), what a class of {FEW} takes being taken off; start included, "
        f"{rates[1]:.0f} and {rates[2]:.0f}, {rates[2] / rates[1]:.2f} times. Two loops "
        f"in plain Python on these cores: {plain():.2f} times one."
    )


def plain() -> float:
    """Return what two processes that only compute are to one: the cores' own limit."""
    command = [sys.executable, "-c", "for it in range(40_000_000): it * it"]
    took = []
    for count in (1, 2, 1, 2):
        start = time.perf_counter()
        for it in [subprocess.Popen(command) for _ in range(count)]:
            it.wait()
        took.append(time.perf_counter() - start)
    return 2 * (took[0] + took[2]) / (took[1] + took[3])


def seconds(size: int, workers: int) -> float:
    """Return the wall time of grading a class, start and gradebook included."""
    with tempfile.TemporaryDirectory() as name:
        room = make_classroom(Path(name) / "class", lessons=[CLASS], hidden_seed=5)
        bench_kills.hand_in(room, CLASS, size)
        start = time.perf_counter()
        report = grade_classroom(room.folder, How(workers), progress=False)
        took = time.perf_counter() - start
    if report.judged != size:
        raise SystemExit(f"{report.judged} of {size} judged")
    return took


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--peers", type=int, default=10)
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--lessons", nargs="*", default=[*BARS, *REAL])
    args = parser.parse_args()
    args.mode = probe().require()
    load = ", ".join(f"{it:.1f}" for it in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load}, mode {args.mode}\n")
    print("| lesson | CPU ms | nbgrader | ratio | wall ms | nbgrader | ratio ", end="")
    print("| private MB | start s | points |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in args.lessons:
        print(row(name, args), flush=True)
    if args.size:
        print()
        print(throughput(args.size))


if __name__ == "__main__":
    main()
