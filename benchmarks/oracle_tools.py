"""What the oracles of the ML track share: a row of the table, a lesson, a clock."""

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

from course import bank, lesson


@dataclass(frozen=True)
class Row:
    """One quantity, ours and the library's, on the same split and the same work.

    Attributes:
        lesson: `m1`.
        quantity: what was measured, on what: `test R², Ames`.
        ours: the value that the lesson's own code gives.
        library: the oracle with what it was asked: `Ridge(alpha=100)`.
        theirs: the value that the library gives.
        distance: how far apart the two are; not always `|ours - theirs|`: of vectors,
            it is the largest difference, say.
        bound: the largest distance that is allowed.
        our_s: seconds of our code.
        their_s: seconds of the library, in the same run.
    """

    lesson: str
    quantity: str
    ours: float
    library: str
    theirs: float
    distance: float
    bound: float
    our_s: float
    their_s: float

    @property
    def holds(self) -> bool:
        """Whether the distance is within its bound; nan is not."""
        return self.distance <= self.bound


def timed(work: Callable[[], Any], repeat: int = 3) -> tuple[Any, float]:
    """Return what `work()` returns, and the seconds of its fastest run."""
    best, value = float("inf"), None
    for _ in range(repeat):
        started = time.perf_counter()
        value = work()
        best = min(best, time.perf_counter() - started)
    return value, best


def names_of(lesson_id: str, *, demos: bool = False) -> dict[str, Any]:
    """Return a solved lesson's names: its cells are run, but not its checks."""
    names: dict[str, Any] = {"__name__": "__main__"}
    roles = {"setup", "code", "exercise"} | ({"demo"} if demos else set())
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        mpl.rc_context({"backend": "agg"}),
    ):
        warnings.simplefilter("ignore")
        for cell in lesson.load(lesson_id).cells:
            if cell.role in roles:
                bank.run(cell.source, names, f"<{lesson_id}:{cell.line}>")
    return names
