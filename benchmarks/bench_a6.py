"""What LoRA gains on the shop's tickets: several starts, lengths, and a control.

    python benchmarks/bench_a6.py            # the lesson's cells, then five more fits
    python benchmarks/bench_a6.py --quick    # the lesson's cells only

Runs lesson A6 with its solutions, and prints what its cells print. Then it trains again
from other seeds, for other numbers of steps, and on shuffled labels: what a model gets
that cannot have learned the task. Needs the assets smollm2, minilm and squad, 1.3 GB of
memory and about six minutes on two cores; on busy ones set OMP_NUM_THREADS=1.
"""

import sys
import time
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np

from course import bank, lesson

RUNS = (
    # steps, seed, labels shuffled
    (15, 0, False),
    (30, 1, False),
    (30, 2, False),
    (60, 0, False),
    (30, 0, True),
)


def run_cells(stop: str = "") -> dict[str, Any]:
    """Run the lesson's cells but for its checks, up to the one that holds `stop`."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in lesson.load("a6").cells:
        if stop and stop in cell.source and cell.role == "demo":
            break
        if cell.is_code and cell.role != "check":
            bank.run(cell.source, names, f"<a6:{cell.line}>")
    return names


def fit_again(names: dict[str, Any], steps: int, seed: int, *, shuffled: bool) -> float:
    """Train from a fresh start; return the share of right test tickets."""
    import torch

    adapted = [
        it for it in names["model"].modules() if isinstance(it, names["Adapted"])
    ]
    for i, module in enumerate(adapted):
        n_out, n_in = module.B.shape[0], module.A.shape[1]
        start = names["fresh"](n_out, n_in, names["RANK"], seed * len(adapted) + i)
        for parameter, array in zip((module.A, module.B), start, strict=True):
            parameter.data = torch.tensor(array, dtype=torch.float32)
    true = names["train"]
    if shuffled:
        order = np.random.default_rng(99).permutation(len(true))
        pairs = zip(true, order, strict=True)
        names["train"] = [replace(it, intent=true[i].intent) for it, i in pairs]
    names["STEPS"] = steps  # the length of the learning rate's cosine
    names["fit"](names["learning"], steps, seed)
    names["train"] = true
    return float(np.mean(names["said"](names["test"])[0] == names["truth"]))


def main() -> None:
    """Print the lesson's numbers, and those of the further runs."""
    mpl.use("agg")
    import matplotlib.pyplot as plt

    plt.show = lambda: None
    started = time.process_time()
    run_cells()
    print(f"the whole lesson: {time.process_time() - started:.0f} CPU seconds")
    if "--quick" in sys.argv:
        return
    names = run_cells(stop="began, clock =")
    print("steps  seed  labels    right on the test tickets")
    for steps, seed, shuffled in RUNS:
        share = fit_again(names, steps, seed, shuffled=shuffled)
        kind = "shuffled" if shuffled else "true"
        print(f"{steps:5}  {seed:4}  {kind:8}  {share:.3f}", flush=True)


if __name__ == "__main__":
    main()
