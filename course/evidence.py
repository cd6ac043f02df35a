"""What a learner's log says about each lesson: plain numbers, no judgement.

Everything is made from the log's events alone, so the same log gives the same numbers.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from course.progress import Event

PAUSE_MIN = 10.0  # a longer silence is a break, not work
TRACKS = ("a", "m")  # the letters of the two tracks' lessons


@dataclass(frozen=True)
class Work:
    """What was done in one lesson.

    Attributes:
        lesson: its id, `a1`.
        minutes: between events that lie less than `PAUSE_MIN` apart.
        attempts: runs of a check.
        failures: those that did not pass.
        hints: rungs that were asked for.
        right: exercises that passed at least once.
        again: the last answer to "again tomorrow?", 1 to 5; None: not answered.
        began: time of the first event, ISO 8601.
        stretched: whether the learner went on where nothing asked for it.
    """

    lesson: str
    minutes: float = 0.0
    attempts: int = 0
    failures: int = 0
    hints: int = 0
    right: int = 0
    again: int | None = None
    began: str = ""
    stretched: bool = False


@dataclass(frozen=True)
class Forecast:
    """A prediction and what the figure showed."""

    key: str
    confidence: float
    came_true: bool


@dataclass(frozen=True)
class Evidence:
    """All that the report is made of.

    Attributes:
        works: by lesson id.
        attraction: (ai, ml) from 0 to 10 as said before the first lesson; or None.
        attraction_now: the same, said last; None if it was said only once.
        forecasts: the last prediction of each exercise whose outcome is known.
    """

    works: Mapping[str, Work] = field(default_factory=dict)
    attraction: tuple[float, float] | None = None
    attraction_now: tuple[float, float] | None = None
    forecasts: tuple[Forecast, ...] = ()

    def days(self) -> list[int]:
        """Return the days of which both halves were rated, in order."""
        rated = {name for name, work in self.works.items() if work.again is not None}
        days = {int(name[1:]) for name in rated if name[0] in TRACKS}
        return sorted(day for day in days if {f"a{day}", f"m{day}"} <= rated)

    def pairs(self, of: str) -> list[tuple[float, float]]:
        """Return (AI, ML) of each of these days: `again`, `minutes`, `hints`, ..."""
        return [
            (
                float(getattr(self.works[f"a{day}"], of)),
                float(getattr(self.works[f"m{day}"], of)),
            )
            for day in self.days()
        ]


def collect(events: Iterable[Event]) -> Evidence:
    """Return what the log says; an event with impossible values is passed over."""
    every = [event for event in events if _when(event) is not None]
    every.sort(key=lambda it: str(_when(it)))
    lessons = {_lesson(it) for it in every if _lesson(it)}
    minutes = _minutes(every)
    works = {
        name: _work(name, [it for it in every if _lesson(it) == name], minutes)
        for name in sorted(lessons)
    }
    said = [found for it in every if (found := _attraction(it)) is not None]
    return Evidence(
        works,
        said[0] if said else None,
        said[-1] if len(said) > 1 else None,
        tuple(_forecasts(every)),
    )


def brier(forecasts: Iterable[Forecast]) -> float | None:
    """Return the mean squared difference of confidence and what came true.

    0 is perfect; 0.25 is what saying "one half" each time gets. None: no forecast.

    Source: G. W. Brier, Verification of forecasts expressed in terms of probability,
    Monthly Weather Review 78 (1950).
    """
    errors = [(it.confidence - it.came_true) ** 2 for it in forecasts]
    return sum(errors) / len(errors) if errors else None


def went_first(evidence: Evidence, day: int) -> str:
    """Return the letter of the half that was begun first on this day."""
    a, m = evidence.works[f"a{day}"], evidence.works[f"m{day}"]
    return "a" if a.began <= m.began else "m"


def _work(name: str, own: list[Event], minutes: Mapping[str, float]) -> Work:
    attempts = [it for it in own if it.event == "attempt"]
    passed = {it.key for it in attempts if it.fields.get("passed") is True}
    ratings = [
        int(str(it.fields["answer"]))
        for it in own
        if it.event == "again" and it.fields.get("answer") in (1, 2, 3, 4, 5)
    ]
    return Work(
        lesson=name,
        minutes=round(minutes.get(name, 0.0), 2),
        attempts=len(attempts),
        failures=sum(it.fields.get("passed") is not True for it in attempts),
        hints=sum(it.event == "hint" for it in own),
        right=len(passed),
        again=ratings[-1] if ratings else None,
        began=own[0].time,
        stretched=any(it.event == "stretch" for it in own),
    )


def _minutes(every: list[Event]) -> dict[str, float]:
    """Give each silence that is no break to the lesson whose event ends it."""
    found: dict[str, float] = {}
    for before, after in itertools.pairwise(every):
        start, end = _when(before), _when(after)
        if start is None or end is None:
            continue
        gap = (end - start).total_seconds() / 60
        if gap <= PAUSE_MIN and _lesson(after):
            found[_lesson(after)] = found.get(_lesson(after), 0.0) + gap
    return found


def _forecasts(every: list[Event]) -> Iterable[Forecast]:
    """Join each exercise's prediction with what its figure showed.

    Of the predictions the last before the first outcome counts: afterwards one knows.
    Of the outcomes the last counts: a figure that was drawn before its exercises were
    solved shows nothing yet.
    """
    guesses: dict[str, Event] = {}
    settled: set[str] = set()
    found: dict[str, Forecast] = {}
    for event in every:
        if event.event == "prediction" and event.key not in settled:
            guesses[event.key] = event
        elif event.event == "outcome" and event.key in guesses:
            guess = guesses[event.key].fields
            sure = guess.get("confidence")
            if isinstance(sure, int | float) and 0 <= sure <= 1:
                settled.add(event.key)
                right = guess.get("answer") == event.fields.get("truth")
                found[event.key] = Forecast(event.key, float(sure), right)
    return found.values()


def _attraction(event: Event) -> tuple[float, float] | None:
    if event.event != "attraction":
        return None
    pair = event.fields.get("ai"), event.fields.get("ml")
    if not all(isinstance(it, int | float) and 0 <= it <= 10 for it in pair):
        return None
    return float(str(pair[0])), float(str(pair[1]))


def _lesson(event: Event) -> str:
    name = event.key.split(".")[0]
    return name if name[:1] in {*TRACKS, "s", "f"} and name[1:].isdigit() else ""


def _when(event: Event) -> datetime | None:
    try:
        when = datetime.fromisoformat(event.time)
    except (TypeError, ValueError):
        return None
    return when if when.tzinfo else None
