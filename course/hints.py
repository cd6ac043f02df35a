"""The hint ladder (sketch, annotated skeleton, solution) and the Parsons problem."""

import random
from dataclasses import dataclass

from course import lesson as lessons
from course import progress
from course.errors import CrossroadsError
from course.lesson_text import BEGIN_SOLUTION, END_SOLUTION


@dataclass(frozen=True)
class Hint:
    """One rung: its number (1-based), how many there are, its text (Markdown)."""

    number: int
    total: int
    text: str

    @property
    def title(self) -> str:
        """What stands above it."""
        last = " (the solution: read it, close it, write it yourself)"
        end = last if self.number == self.total else ""
        return f"Hint {self.number} of {self.total}{end}"


def ladder(key: str) -> list[str]:
    """Return the exercise's hints in order; the last is the solution (Markdown).

    A prediction has none: every honest guess is right.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    exercise = lessons.find_exercise(key)
    if exercise.is_prediction:
        return []
    return [*exercise.hints, f"```python\n{exercise.solution.strip()}\n```"]


def take(key: str, rung: int | None = None) -> Hint:
    """Return the next hint for an exercise, or this rung; note it in the log.

    Raises:
        CrossroadsError: there is no such exercise, or it is a prediction.
    """
    rungs = ladder(key)
    if not rungs:
        raise CrossroadsError(_no_help(key))
    number = rung if rung is not None else progress.hints_taken(key) + 1
    number = min(max(number, 1), len(rungs))
    progress.record("hint", key, rung=number)
    return Hint(number, len(rungs), rungs[number - 1])


def taken(key: str) -> list[Hint]:
    """Return the rungs that were taken so far, in order.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    rungs = ladder(key)
    every = [Hint(i, len(rungs), text) for i, text in enumerate(rungs, 1)]
    return every[: progress.hints_taken(key)]


def hint(key: str, rung: int | None = None) -> None:
    """Show the next hint for an exercise, `a1.softmax`; note it in the log.

    Args:
        key: the exercise.
        rung: show this one (1-based) instead of the next.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    if not ladder(key):
        print(_no_help(key))
        return
    found = take(key, rung)
    _show(found)


def parsons(key: str, order: str | None = None) -> None:
    """Show the solution's lines in shuffled order, or judge an order of letters.

    Args:
        key: the exercise, `a1.softmax`.
        order: the letters in the order that you think right, `"CAB"`.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    if not ladder(key):
        print(_no_help(key))
        return
    if order is not None:
        print(judge_order(key, order)[1])
        return
    lines = puzzle(key)
    letters = "".join(letter for letter, _ in lines)
    print(f'Put these lines in order: parsons("{key}", "{letters}")')
    print("\n".join(f"  {letter}  {line}" for letter, line in lines))


def puzzle(key: str) -> list[tuple[str, str]]:
    """Return the solution's lines in shuffled order, each with its letter.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    lines = shuffled(key, solution_lines(key))
    return [(_letter(i), line) for i, line in enumerate(lines)]


def judge_order(key: str, order: str) -> tuple[bool, str]:
    """Return whether this order of letters solves the puzzle, and what to say.

    An order that passes the exercise's check is right, too. Noted in the log, unless
    it does not use each letter once.

    Raises:
        CrossroadsError: there is no such exercise.
    """
    shown = dict(puzzle(key))
    chosen = list(order.replace(",", "").replace(" ", "").upper())
    if sorted(chosen) != sorted(shown):
        return False, f"Use each of the letters {''.join(shown)} once, not {order!r}."
    lines, picked = solution_lines(key), [shown[letter] for letter in chosen]
    right = picked == lines or _passes(key, picked)
    progress.record("parsons", key, passed=right)
    if right:
        return True, "Right. Now write it without looking."
    at = next(i for i, (a, b) in enumerate(zip(picked, lines, strict=True)) if a != b)
    line = picked[at].strip()
    start = f"Right up to line {at}. " if at else ""
    return False, f"{start}Line {at + 1} cannot be `{line}` yet."


def _no_help(key: str) -> str:
    return (
        f"{key} asks for a guess: any honest one is right, so there is nothing to give "
        "away. Choose one of its options, and say how sure you are, from 0 to 1."
    )


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


def _show(found: Hint) -> None:
    """Show a hint as Markdown in a notebook, as plain text elsewhere."""
    plain = f"{found.title}\n\n{found.text}"
    try:
        from IPython import get_ipython
        from IPython.display import Markdown, display
    except ImportError:
        print(plain)
        return
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        print(plain)
    else:
        display(Markdown(f"**{found.title}**\n\n{found.text}"))
