"""What a model costs each submission: loaded by each, or once before they are forked.

    python benchmarks/bench_weights.py [--repeat 5]

Each child embeds one sentence with all-MiniLM-L6-v2 (90 MB) in the sandbox. Printed are
the medians of its CPU time, of the time that loading takes inside of it, and of the
memory that it shares with no other process. `course fetch minilm` first.
"""

import argparse
import os
import statistics

from bench_engine import private_mb

from autograder import kinds
from autograder.bubblewrap import Kind
from autograder.engine import Engine
from autograder.facts import Facts
from autograder.sandbox import Setting
from autograder.submission import Plan, Step
from course import assets

CELL = """
import time
start = time.perf_counter()
from course.embed import load_embedder
embedder = load_embedder()
loaded = time.perf_counter() - start
embedder.encode(["Does the lamp fit a socket in Ireland?"])
print(loaded)
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    plan = Plan("weights", (Step("student", "s0", CELL),), Facts((), {}, (), {}))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("| weights | loading ms | CPU ms | private MB | zygote threads |")
    print("|---|---|---|---|---|")
    texts = {"in each child": (), "before the fork": (kinds.WEIGHTS["load_embedder"],)}
    for label, warm in texts.items():
        setting = Setting(
            preload=("torch", "transformers", "course.embed"),
            names=("transformers.AutoModel", "transformers.AutoTokenizer"),
            assets=(assets.path("minilm"),),
            warm=warm,
        )
        with Engine(setting) as engine:
            runs = [engine.measured(plan) for _ in range(repeat)]
            memory = [private_mb(engine, plan) for _ in range(repeat)]
            threads = {engine.sandbox(it).ready["threads"] for it in Kind}
        said = [float(str(it.cells[0].outputs[0]["text"])) for it, _ in runs]
        cpu = statistics.median(it.student_cpu_s for _, it in runs)
        print(
            f"| {label} | {1000 * statistics.median(said):.1f} | {1000 * cpu:.0f} | "
            f"{statistics.median(memory):.1f} | {max(threads)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
