"""The learner's report: one page made from the log alone, and the log beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from course import evidence as evidences
from course import fit, pages, plots, progress
from course.drawing import NARROW_IN, Figure, drawn
from course.evidence import TRACKS, Evidence, Work
from course.fit import Fit, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {"a": "AI engineer", "m": "ML engineer"}
WORDS = {
    Verdict.AI: "The evidence leans towards the AI engineer's job.",
    Verdict.ML: "The evidence leans towards the machine-learning engineer's job.",
    Verdict.ALIKE: "You like both jobs about equally.",
    Verdict.NOT_ENOUGH: "Not enough evidence yet.",
}


@dataclass(frozen=True)
class Row:
    """A line of the table of what does not decide: its name, then AI and ML."""

    name: str
    ai: str
    ml: str


def write(folder: Path) -> Path:
    """Write `fit.html` and the raw log, `progress.jsonl`; return the page's path.

    The page depends on the log alone: the same log gives the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    events = list(progress.events())
    last = events[-1].time if events else ""
    text = page(evidences.collect(events), last[:10])
    log = progress.log_path()
    if log.exists():
        pages.write(folder / "progress.jsonl", log.read_text(encoding="utf-8"))
    return pages.write(folder / "fit.html", text)


def page(evidence: Evidence, day: str = "") -> str:
    """Return the report as HTML.

    Args:
        evidence: of one learner.
        day: of the log's last event, ISO 8601.
    """
    result = fit.judge(evidence)
    values = {
        "result": result,
        "words": WORDS[result.verdict],
        "is_open": result.verdict is Verdict.NOT_ENOUGH,
        "day": day,
        "gap": _gap_words(result),
        "again": _again(evidence) if evidence.days() else None,
        "attraction": _attraction(evidence),
        "rows": list(_rows(evidence)),
        "order": _order_words(evidence),
        "forecasts": len(evidence.forecasts),
        "brier": evidences.brier(evidence.forecasts),
        "min_days": fit.MIN_DAYS,
        "level": round(100 * fit.LEVEL),
    }
    return pages.render("fit.html", values)


def _gap_words(result: Fit) -> str:
    it = result.again
    if it.mean is None:
        return "No day has both halves rated."
    days = f"On {it.n} day{'s' * (it.n != 1)}"
    side = "higher" if it.mean >= 0 else "lower"
    text = (
        f"{days} the AI half was rated {abs(it.mean):.2f} steps {side} than the ML half"
    )
    if it.low is None or it.high is None:
        return f"{text}."
    return (
        f"{text}, on average; the {100 * fit.LEVEL:.0f} % interval of AI minus ML reaches "
        f"from {it.low:+.2f} to {it.high:+.2f} steps of a scale from 1 to 5."
    )


def _again(evidence: Evidence) -> Figure:
    days, pairs = evidence.days(), evidence.pairs("again")

    def draw(axes: "Axes", ink: str) -> None:
        for place, (ai, ml) in enumerate(pairs):
            axes.plot([ai, ml], [place, place], color=ink, linewidth=1)
        places = range(len(pairs))
        axes.plot(
            [ai for ai, _ in pairs], places, "o", color=plots.BLUE, label="AI half"
        )
        axes.plot(
            [ml for _, ml in pairs], places, "s", color=plots.ORANGE, label="ML half"
        )
        axes.set_yticks(places, [f"day {day}" for day in days])
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.set_xlim(0.7, 5.3)
        axes.set_xticks(range(1, 6))
        axes.set_xlabel("again tomorrow? 1 never … 5 gladly")
        axes.set_ylabel("day")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)

    words = [
        f"day {day}: AI {ai:.0f}, ML {ml:.0f}"
        for day, (ai, ml) in zip(days, pairs, strict=True)
    ]
    alt = f"Your answers of 1 to 5: {'; '.join(words)}."
    title = "Would you do this again tomorrow?"
    return drawn(title, draw, alt, len(pairs) + 1, NARROW_IN)


def _attraction(evidence: Evidence) -> Sequence[str]:
    """Say what attracted, before and after."""
    lines = []
    for when, pair in (
        ("Before the first lesson", evidence.attraction),
        ("When asked last", evidence.attraction_now),
    ):
        if pair is not None:
            lines.append(f"{when}: AI {pair[0]:g} of 10, ML {pair[1]:g} of 10.")
    return lines


def _rows(evidence: Evidence) -> Sequence[Row]:
    works = {
        track: [work for name, work in evidence.works.items() if name[0] == track]
        for track in TRACKS
    }

    def row(name: str, of: str, digits: int = 0) -> Row:
        sums = [sum(float(getattr(it, of)) for it in works[track]) for track in TRACKS]
        return Row(name, *(f"{it:.{digits}f}" for it in sums))

    return [
        Row("lessons begun", *(str(len(works[track])) for track in TRACKS)),
        row("active minutes (breaks left out)", "minutes"),
        row("exercises right", "right"),
        row("runs of a check", "attempts"),
        row("hints taken", "hints"),
        row("lessons in which you went on of your own accord", "stretched"),
        Row("hints for each exercise that is right", *_ratios(works)),
    ]


def _ratios(works: dict[str, list[Work]]) -> list[str]:
    found = []
    for track in TRACKS:
        right = sum(it.right for it in works[track])
        hints = sum(it.hints for it in works[track])
        found.append(f"{hints / right:.2f}" if right else "–")
    return found


def _order_words(evidence: Evidence) -> str:
    """Say how the half that came first was liked, whichever it was."""
    firsts, seconds = [], []
    for day, pair in zip(evidence.days(), evidence.pairs("again"), strict=True):
        first = TRACKS.index(evidences.went_first(evidence, day))
        firsts.append(pair[first])
        seconds.append(pair[1 - first])
    if not firsts:
        return ""
    n = len(firsts)
    began = sum(evidences.went_first(evidence, day) == "a" for day in evidence.days())
    if n == 1:
        name = "AI" if began else "ML"
        return (
            f"The {name} half came first, and was rated {firsts[0]:.0f}; "
            f"what came second was rated {seconds[0]:.0f}."
        )
    return (
        f"The AI half came first on {began} of {n} days. Whatever came first was rated "
        f"{sum(firsts) / n:.2f} on average, what came second {sum(seconds) / n:.2f}."
    )
