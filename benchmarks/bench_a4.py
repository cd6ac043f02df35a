"""Every number of lesson A4 again: runs its cells with the solutions, and prints.

    python benchmarks/bench_a4.py

Needs the assets smollm2, minilm and squad. Takes three to six minutes on two cores; on
busy ones set OMP_NUM_THREADS=1.
"""

import time

import matplotlib as mpl

from course import bank, lesson


def main() -> None:
    """Run the lesson's cells but for its checks; print what they print."""
    mpl.use("agg")
    import matplotlib.pyplot as plt

    plt.show = lambda: None
    found = lesson.load("a4")
    names: dict[str, object] = {"__name__": "__main__"}
    started = time.process_time()
    for cell in found.cells:
        if cell.is_code and cell.role != "check":
            bank.run(cell.source, names, f"<a4:{cell.line}>")
    print(f"{time.process_time() - started:.0f} CPU seconds")


if __name__ == "__main__":
    main()
