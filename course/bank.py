"""Runs a lesson's checks against an answer, in this process: trusted code only.

The bank of right and wrong answers is judged with this in the project's tests, and the
demonstration class is made from it. Untrusted work belongs into the autograder.
"""

import contextlib
import io
import linecache
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from course.lesson import Answer, Cell, Exercise, Lesson


@dataclass(frozen=True)
class Outcome:
    """What a check said: `message` is empty when it passed."""

    passed: bool
    message: str


def judge(lesson: Lesson, exercise: Exercise, answer: str | None = None) -> Outcome:
    """Return what the exercise's check says of an answer.

    Runs the lesson's cells above (solutions in place, demos and checks left out), the
    answer in place of the exercise's cell, what stands between it and its check, then
    the whole check with its hidden part.

    Args:
        lesson: the lesson.
        exercise: one of its exercises.
        answer: source text; None means the solution.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    with _quiet():
        for cell in _until_check(lesson, exercise):
            source = cell.source
            if cell.exercise == exercise.id and answer is not None:
                source = answer
            try:
                run(source, namespace, f"<{lesson.id}:{cell.line}>")
            except Exception as error:
                if cell.exercise == exercise.id:
                    return Outcome(False, f"{type(error).__name__}: {error}")
                raise
        try:
            run(exercise.check, namespace, f"<{exercise.check_id}>")
        except Exception as error:  # noqa: BLE001 - the same
            return Outcome(False, str(error))
    return Outcome(True, "")


def run(source: str, namespace: dict[str, object], filename: str) -> None:
    """Execute source text in a namespace, so that tracebacks can show its lines."""
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    exec(compile(source, filename, "exec"), namespace)  # noqa: S102 - our own lessons


def answers(exercise: Exercise) -> Iterator[tuple[str, Answer]]:
    """Yield ("right" or "wrong", answer) for the exercise's bank."""
    yield from (("right", answer) for answer in exercise.rights)
    yield from (("wrong", answer) for answer in exercise.wrongs)


def unsaid(answer: Answer, message: str) -> list[str]:
    """Return the phrases of a wrong answer's `says` that the message lacks."""
    folded = " ".join(message.casefold().split())
    return [it for it in answer.says if " ".join(it.casefold().split()) not in folded]


def _until_check(lesson: Lesson, exercise: Exercise) -> Iterator[Cell]:
    for cell in lesson.cells:
        if cell.role == "check":
            if cell.exercise == exercise.id:
                return
        elif cell.is_code and cell.role != "demo":
            yield cell


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No windows, no prints, no warnings while answers are tried."""
    import matplotlib as mpl

    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        mpl.rc_context({"backend": "agg"}),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            import matplotlib.pyplot as plt

            plt.close("all")
