"""The ML track's code against the libraries of the field: a table, in one run.

    python benchmarks/oracles.py [m1 m3 ...]

For each lesson, `oracle_<id>.py` beside this file has `rows()`: the same quantity from
the lesson's own functions and from a library, on the same split, with the seconds that
both took for the same work. The ratios count; the seconds are this machine's. Exit
code 1 if a distance is above its bound. Needs the data sets that the lessons name;
with OMP_NUM_THREADS=1 libraries get one core, as the lessons' code has.
"""

import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("NBGRADER_EXECUTION", "1")  # nothing goes into a learner's log

from oracle_tools import Row

HEAD = (
    "lesson",
    "quantity",
    "ours",
    "library",
    "library's",
    "distance",
    "bound",
    "our s",
    "library's s",
    "ratio",
)


def found() -> list[str]:
    """Return the ids of the lessons that have an oracle here."""
    files = Path(__file__).parent.glob("oracle_m*.py")
    return sorted(path.stem.removeprefix("oracle_") for path in files)


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [HEAD, ("---",) * len(HEAD)]
    lines += [
        (
            row.lesson.upper(),
            row.quantity,
            f"{row.ours:.4g}",
            row.library,
            f"{row.theirs:.4g}",
            f"{row.distance:.1e}" + ("" if row.holds else " **above**"),
            f"{row.bound:.0e}",
            f"{row.our_s:.3g}",
            f"{row.their_s:.3g}",
            f"{row.our_s / max(row.their_s, 1e-9):.2g}",
        )
        for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(lessons: list[str]) -> int:
    """Print the table of these lessons, or of all; return the exit code."""
    rows: list[Row] = []
    for name in lessons or found():
        rows += importlib.import_module(f"oracle_{name}").rows()
    print(table(rows))
    return 0 if rows and all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
