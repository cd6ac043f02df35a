"""Which path fits me? What the evidence supports, and what it does not.

Interest decides, not score: the answers to "would you do this again tomorrow?", paired
by day, so that a hard day or a good mood counts for both halves. Nothing else is allowed
to recommend; other interest can only object.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from course.evidence import Evidence

MIN_DAYS = 5
LEVEL = 0.98  # 98 %: one may look after every day, and five looks need a wider interval
ALIKE = 1.0  # rating steps: a gap that is surely smaller is no reason to choose
SD_FLOOR = 0.5  # rating steps: whole numbers hide variation that is there
OBJECTION = 2.0  # of 10: attraction this far the other way objects


class Verdict(StrEnum):
    """What may be said."""

    AI = "ai"
    ML = "ml"
    ALIKE = "alike"
    NOT_ENOUGH = "not enough evidence"


@dataclass(frozen=True)
class Gap:
    """AI minus ML, averaged over days, with its interval; None where unknown."""

    mean: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def decides(self) -> bool:
        """Whether the interval leaves out 0."""
        return (
            self.low is not None and self.high is not None and self.low * self.high > 0
        )


@dataclass(frozen=True)
class Fit:
    """The result: a verdict, its reasons, and what to do next."""

    verdict: Verdict
    again: Gap
    because: tuple[str, ...]
    days_to_try: tuple[int, ...]


def paired_gap(
    pairs: Sequence[tuple[float, float]],
    *,
    level: float = LEVEL,
    sd_floor: float = 0.0,
) -> Gap:
    """Return the mean difference of pairs and its t interval.

    Args:
        pairs: (AI, ML), one for each day.
        level: of the interval, for instance 0.95.
        sd_floor: the standard deviation of the differences is taken to be at least this.

    Source: Student, The probable error of a mean, Biometrika 6 (1908).
    """
    from scipy import stats

    n = len(pairs)
    if n == 0:
        return Gap(None, None, None, 0)
    gaps = [a - m for a, m in pairs]
    mean = math.fsum(gaps) / n
    if n == 1:
        return Gap(mean, None, None, 1)
    variance = math.fsum((it - mean) ** 2 for it in gaps) / (n - 1)
    sd = max(math.sqrt(variance), sd_floor)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n)
    return Gap(mean, mean - half, mean + half, n)


def judge(evidence: Evidence, days_there: Sequence[int] = range(1, 9)) -> Fit:
    """Return what the evidence supports.

    Args:
        evidence: of one learner.
        days_there: the days whose lessons exist.
    """
    again = paired_gap(evidence.pairs("again"), sd_floor=SD_FLOOR)
    left = tuple(day for day in days_there if day not in evidence.days())
    to_try = left[:2] or _undecided(evidence)
    verdict, because = _verdict(evidence, again)
    return Fit(
        verdict, again, because, () if verdict is not Verdict.NOT_ENOUGH else to_try
    )


def _verdict(evidence: Evidence, again: Gap) -> tuple[Verdict, tuple[str, ...]]:
    if again.n < MIN_DAYS:
        days = {0: "no day has", 1: "1 day has"}.get(again.n, f"{again.n} days have")
        few = f"{days} both halves rated; it takes {MIN_DAYS}"
        return Verdict.NOT_ENOUGH, (few,)
    mean, low, high = again.mean or 0.0, again.low or 0.0, again.high or 0.0
    if again.decides:
        leaning = Verdict.AI if mean > 0 else Verdict.ML
        objection = _objection(evidence, leaning)
        if objection:
            return Verdict.NOT_ENOUGH, (objection,)
        name = "AI" if mean > 0 else "ML"
        return leaning, (f"the {name} halves were rated higher, and not by chance",)
    if low > -ALIKE and high < ALIKE:
        return Verdict.ALIKE, (f"the gap is surely smaller than {ALIKE:g} of 5 steps",)
    return Verdict.NOT_ENOUGH, ("the interval of the gap holds 0",)


def _objection(evidence: Evidence, leaning: Verdict) -> str:
    """Return why the learner's own last word does not go with the ratings, or ''."""
    now = evidence.attraction_now
    if now is None:
        return ""
    gap = now[0] - now[1]
    if (gap if leaning is Verdict.ML else -gap) < OBJECTION:
        return ""
    return (
        "your ratings and what you say attracts you now point to different jobs: "
        "that is worth a thought, and no machine's to settle"
    )


def _undecided(evidence: Evidence) -> tuple[int, ...]:
    """Return the two days that were rated most alike: worth a second look."""
    pairs = dict(zip(evidence.days(), evidence.pairs("again"), strict=True))
    order = sorted(pairs, key=lambda day: (abs(pairs[day][0] - pairs[day][1]), day))
    return tuple(sorted(order[:2]))
