"""The hint ladder (sketch, annotated skeleton, solution) and the Parsons problem."""

import random

from course import lesson as lessons
from course import progress
from course.lesson_text import BEGIN_SOLUTION, END_SOLUTION


def ladder(key: str) -> list[str]:
    """Return the exercise's hints in order; the last is the solution (Markdown).

    Raises:
        CrossroadsError: there is no such exercise.
    """
    exercise = lessons.find_exercise(key)
    return [*exercise.hints, f"```python\n{exercise.solution.strip()}\n```"]


def hint(key: str, rung: int | None = None) -> None:
    """Show the next hint for an exercise, `a1.softmax`; note it in the log.

    Args:
        key: the exercise.
        rung: show this one (1-based) instead of the next.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    rungs = ladder(key)
    number = rung if rung is not None else progress.hints_taken(key) + 1
    number = min(max(number, 1), len(rungs))
    progress.record("hint", key, rung=number)
    last = " (the solution: read it, close it, write it yourself)"
    title = f"Hint {number} of {len(rungs)}{last if number == len(rungs) else ''}"
    _show(f"**{title}**\n\n{rungs[number - 1]}")


def parsons(key: str, order: str | None = None) -> None:
    """Show the solution's lines in shuffled order, or judge an order of letters.

    Args:
        key: the exercise, `a1.softmax`.
        order: the letters in the order that you think right, `"CAB"`.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    lines = solution_lines(key)
    shown = shuffled(key, lines)
    letters = [_letter(i) for i in range(len(shown))]
    if order is None:
        print(f'Put these lines in order: parsons("{key}", "{"".join(letters)}")')
        print("\n".join(f"  {a}  {b}" for a, b in zip(letters, shown, strict=True)))
        return
    chosen = list(order.replace(",", "").replace(" ", "").upper())
    if sorted(chosen) != sorted(letters):
        print(f"Use each of the letters {''.join(letters)} once, not {order!r}.")
        return
    picked = [shown[letters.index(letter)] for letter in chosen]
    right = picked == lines or _passes(key, picked)
    progress.record("parsons", key, passed=right)
    if right:
        print("Right. Now write it without looking.")
        return
    at = next(i for i, (a, b) in enumerate(zip(picked, lines, strict=True)) if a != b)
    print(f"Right up to line {at}. Line {at + 1} cannot be `{picked[at].strip()}` yet.")


def _passes(key: str, picked: list[str]) -> bool:
    """Whether another order of the lines is right too: the check decides."""
    from course import bank

    exercise = lessons.find_exercise(key)
    lesson = lessons.load(exercise.lesson_id)
    return bank.judge(lesson, exercise, with_lines(exercise.source, picked)).passed


def with_lines(source: str, lines: list[str]) -> str:
    """Return the exercise with these lines in place of its solution's, in order."""
    kept: list[str] = []
    inside = False
    for line in source.split("\n"):
        if BEGIN_SOLUTION in line and lines:
            kept, lines = kept + lines, []
        if BEGIN_SOLUTION in line or END_SOLUTION in line:
            inside = BEGIN_SOLUTION in line
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def solution_lines(key: str) -> list[str]:
    """Return the solution's own lines in order, without blank lines and comments."""
    exercise = lessons.find_exercise(key)
    lines, inside = [], False
    for line in exercise.source.split("\n"):
        if BEGIN_SOLUTION in line or END_SOLUTION in line:
            inside = BEGIN_SOLUTION in line
        elif inside and line.strip() and not line.strip().startswith("#"):
            lines.append(line)
    return lines


def shuffled(key: str, lines: list[str]) -> list[str]:
    """Return the lines in an order that depends on the exercise alone."""
    mixed = list(lines)
    random.Random(key).shuffle(mixed)  # noqa: S311 - a puzzle, not a secret
    return mixed


def _letter(index: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[index]


def _show(text: str) -> None:
    """Show Markdown in a notebook, plain text elsewhere."""
    try:
        from IPython import get_ipython
        from IPython.display import Markdown, display
    except ImportError:
        print(text)
        return
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        print(text)
    else:
        display(Markdown(text))
