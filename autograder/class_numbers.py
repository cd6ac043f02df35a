"""What a class's verdicts say, in numbers: scores, exercises, mistakes, times.

Sums are of wholly graded submissions alone: a missing verdict is not a zero.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autograder import messages
from autograder.journal import NOT_SUBMITTED, NOT_YET, Row
from autograder.outline import Item, Outline
from autograder.verdicts import (
    NO_SANDBOX,
    ExerciseVerdict,
    Status,
    SubmissionStatus,
    SubmissionVerdict,
)

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
MIN_N = 5  # for a correlation: with fewer it says nothing
TOLERANCE = 1e-9  # of points


@dataclass(frozen=True)
class Mistake:
    """Messages of one kind to one exercise.

    `words`: what they have in common. `known`: the lesson's wrong answer that they
    look like. `students`: who got such a message, sorted. `share`: of those judged.
    """

    exercise: str
    words: str
    known: str
    students: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class ExerciseNumbers:
    """One exercise in a class.

    Attributes:
        name: its key.
        n: how many verdicts there are.
        right: how many got all points.
        low, high: Wilson's 95 % interval of the share that got all points.
        mean: of the points, as a share of the most.
        discrimination: correlation of its points with the points for the rest;
            None when there are too few submissions or all points are equal.
        n_rest: how many submissions that correlation is from.
        seconds: median wall time of the check.
    """

    name: str
    n: int
    right: int
    low: float
    high: float
    mean: float | None
    discrimination: float | None
    n_rest: int
    seconds: float | None

    @property
    def share(self) -> float | None:
        """The share that got all points."""
        return self.right / self.n if self.n else None


@dataclass(frozen=True)
class Trouble:
    """A submission that a person should look at."""

    student: str
    what: str
    why: str


@dataclass(frozen=True)
class ClassNumbers:
    """One assignment in a class.

    Attributes:
        max_points: the most points.
        scores: points of the wholly graded submissions, sorted.
        counts: what became of the submissions -> how many.
        exercises: in the assignment's order.
        mistakes: the commonest first.
        seconds: wall time of each submission that ran, sorted.
        slowest: (student, seconds), the slowest first.
        troubles: what to look at.
    """

    name: str
    title: str
    max_points: float
    scores: tuple[float, ...]
    counts: dict[str, int]
    exercises: tuple[ExerciseNumbers, ...]
    mistakes: tuple[Mistake, ...]
    seconds: tuple[float, ...]
    slowest: tuple[tuple[str, float], ...]
    troubles: tuple[Trouble, ...]

    @property
    def n(self) -> int:
        """How many submissions have a verdict on something."""
        return max((it.n for it in self.exercises), default=0)

    @property
    def median(self) -> float | None:
        """Of the scores."""
        return statistics.median(self.scores) if self.scores else None

    @property
    def mean(self) -> float | None:
        """Of the scores."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def sd(self) -> float | None:
        """Standard deviation of the scores, n - 1 in the denominator."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else None


def numbers(outline: Outline, rows: Iterable[Row]) -> ClassNumbers:
    """Return the numbers of one assignment; rows of others are left out."""
    own = sorted(
        (it for it in rows if it.assignment == outline.name), key=lambda it: it.student
    )
    judged = [(it.student, it.verdict) for it in own if it.verdict is not None]
    whole = [it for _, it in judged if it.status is SubmissionStatus.GRADED]
    ran = [(student, it.seconds) for student, it in judged if it.seconds]
    seconds = sorted(ran, key=lambda it: -it[1])
    return ClassNumbers(
        outline.name,
        outline.title,
        max((it.max_points for _, it in judged), default=0.0),
        tuple(sorted(it.points for it in whole if it.points is not None)),
        _counts(own),
        tuple(_exercise(it, [v for _, v in judged]) for it in _items(outline, judged)),
        tuple(_mistakes(outline, judged)),
        tuple(sorted(it for _, it in seconds)),
        tuple(seconds[:5]),
        tuple(it for student, verdict in judged for it in _troubles(student, verdict)),
    )


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Args:
        right: successes.
        n: trials.

    Source:
        Wilson (1927), J. Amer. Statist. Assoc. 22, 209-212.

    >>> [round(it, 4) for it in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = right / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Return Pearson's correlation; None with fewer than `MIN_N`, or if one is constant."""
    if len(x) < MIN_N or max(x) - min(x) < TOLERANCE or max(y) - min(y) < TOLERANCE:
        return None
    return statistics.correlation(x, y)


def _items(
    outline: Outline, judged: Sequence[tuple[str, SubmissionVerdict]]
) -> list[Item]:
    found = dict.fromkeys(it.grade_id for _, v in judged for it in v.exercises)
    order = [it.check_id for it in outline.items if it.check_id in found]
    return [outline.item(it) for it in dict.fromkeys([*order, *found])]


def _exercise(item: Item, judged: Sequence[SubmissionVerdict]) -> ExerciseNumbers:
    own = [it for verdict in judged for it in _of(verdict, item) if _counts_here(it)]
    right = sum(_is_full(it) for it in own)
    low, high = wilson(right, len(own))
    shares = [(it.points or 0.0) / it.max_points for it in own if it.max_points]
    pairs = [it for verdict in judged for it in _with_rest(verdict, item)]
    points, rest = [it[0] for it in pairs], [it[1] for it in pairs]
    return ExerciseNumbers(
        item.key,
        len(own),
        right,
        low,
        high,
        statistics.fmean(shares) if shares else None,
        correlation(points, rest),
        len(pairs),
        statistics.median([it.seconds for it in own]) if own else None,
    )


def _of(verdict: SubmissionVerdict, item: Item) -> list[ExerciseVerdict]:
    return [it for it in verdict.exercises if it.grade_id == item.check_id]


def _counts_here(verdict: ExerciseVerdict) -> bool:
    return verdict.points is not None


def _is_full(verdict: ExerciseVerdict) -> bool:
    return (verdict.points or 0.0) >= verdict.max_points - TOLERANCE


def _with_rest(verdict: SubmissionVerdict, item: Item) -> list[tuple[float, float]]:
    """Return (points here, points for the rest) of a wholly graded submission."""
    total = verdict.points
    if verdict.status is not SubmissionStatus.GRADED or total is None:
        return []
    return [
        (it.points, total - it.points)
        for it in _of(verdict, item)
        if it.points is not None
    ]


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    found: dict[str, int] = {str(it): 0 for it in SubmissionStatus}
    for row in rows:
        if row.verdict is not None:
            status = str(row.verdict.status)
        else:
            status = NOT_SUBMITTED if row.key is None else NOT_YET
        found[status] = found.get(status, 0) + 1
    return found


def _mistakes(
    outline: Outline, judged: Sequence[tuple[str, SubmissionVerdict]]
) -> list[Mistake]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    sizes: dict[str, int] = {}
    for student, verdict in judged:
        for it in verdict.exercises:
            item = outline.item(it.grade_id)
            sizes[item.key] = sizes.get(item.key, 0) + it.status.is_judged
            if it.status.is_judged and it.status is not Status.PASSED:
                group = (item.key, _words(it, item), _known(it, item))
                groups.setdefault(group, []).append(student)
    found = [
        Mistake(*group, tuple(students), len(students) / sizes[group[0]])
        for group, students in groups.items()
    ]
    return sorted(found, key=lambda it: (-len(it.students), it.exercise, it.words))


def _words(verdict: ExerciseVerdict, item: Item) -> str:
    if verdict.status in (Status.FAILED, Status.PARTIAL) and verdict.message:
        return messages.kind_of(verdict.message, item)
    return verdict.status.reason


def _known(verdict: ExerciseVerdict, item: Item) -> str:
    answer = messages.mistaken(messages.bare(verdict.message), item)
    return " … ".join(answer.says) if answer else ""


def _troubles(student: str, verdict: SubmissionVerdict) -> list[Trouble]:
    found = []
    if verdict.status is not SubmissionStatus.GRADED:
        what = str(verdict.status).replace("_", " ")
        found.append(Trouble(student, what, verdict.reason))
    for it in verdict.exercises:
        is_open = it.status is Status.NOT_GRADED and it.message != verdict.reason
        is_whole = verdict.status in (
            SubmissionStatus.GRADED,
            SubmissionStatus.PARTLY_GRADED,
        )
        if it.status is Status.VIOLATION or (is_open and is_whole):
            what = f"{it.grade_id}: {str(it.status).replace('_', ' ')}"
            found.append(Trouble(student, what, it.message or it.status.reason))
    if verdict.restarts:
        why = "the student's process ended, was started again, and the cells replayed"
        found.append(Trouble(student, f"restarts: {verdict.restarts}", why))
    odd = (it for it in verdict.notes if it != NO_SANDBOX)  # the facts say that
    found += [Trouble(student, "odd notebook", it) for it in odd]
    return found
