"""The class report's figures: SVG for light and dark pages, each with its words."""

from typing import TYPE_CHECKING

from autograder import pages
from autograder.class_numbers import ClassNumbers, ExerciseNumbers
from course import plots
from course.drawing import Figure, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_LABEL = 30  # characters of an exercise's name beside an axis


def scores(of: ClassNumbers) -> Figure:
    """Return the histogram of the wholly graded submissions' points."""

    def draw(axes: "Axes", ink: str) -> None:
        bins = min(max(int(of.max_points), 5), 20)
        span = (0.0, of.max_points or 1.0)
        axes.hist(of.scores, bins=bins, range=span, color=plots.BLUE, edgecolor=ink)
        if of.median is not None:
            axes.axvline(of.median, color=plots.RED, linestyle="--")
            axes.annotate(
                f" median {of.median:g}",
                (of.median, 1.0),
                xycoords=("data", "axes fraction"),
                va="bottom",
                color=ink,
            )
        axes.set_xlabel(f"points, of {of.max_points:g}")
        axes.set_ylabel("submissions")
        _whole_numbers(axes)

    alt = (
        f"Points of {len(of.scores)} wholly graded submissions: from "
        f"{min(of.scores, default=0):g} to {max(of.scores, default=0):g} of "
        f"{of.max_points:g}, median {of.median or 0:g}, mean {of.mean or 0:.3g}."
    )
    return drawn("Scores", draw, alt)


def difficulty(of: ClassNumbers) -> Figure:
    """Return the share of right answers to each exercise, with Wilson's interval."""
    shown = [it for it in of.exercises if it.n]

    def draw(axes: "Axes", ink: str) -> None:
        for place, it in enumerate(shown):
            share = it.share or 0.0
            axes.plot([it.low, it.high], [place, place], color=plots.SKY, linewidth=5)
            axes.plot([share], [place], "o", color=plots.BLUE, markeredgecolor=ink)
        axes.set_yticks(range(len(shown)), [_label(it) for it in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("share with all points, and its 95 % interval (Wilson)")
        axes.set_ylabel("exercise")

    words = [f"{it.name} {it.right} of {it.n}" for it in shown]
    alt = f"Who got all points: {', '.join(words)}."
    return drawn("How hard each exercise was", draw, alt, len(shown))


def discrimination(of: ClassNumbers) -> Figure | None:
    """Return how well each exercise goes with the rest; None if nothing is known."""
    known = [it for it in of.exercises if it.discrimination is not None]
    if not known:
        return None

    def draw(axes: "Axes", ink: str) -> None:
        places = range(len(known))
        values = [it.discrimination or 0.0 for it in known]
        colours = [plots.GREEN if it >= 0.2 else plots.ORANGE for it in values]
        axes.barh(places, values, color=colours, edgecolor=ink)
        axes.axvline(0, color=ink, linewidth=1)
        axes.set_yticks(
            places, [f"{_short(it.name)} (n = {it.n_rest})" for it in known]
        )
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.set_xlim(min(-0.25, *values, 0), 1)
        axes.set_xlabel("correlation of its points with the points for the rest")
        axes.set_ylabel("exercise")

    words = [f"{it.name} {it.discrimination:.2f}" for it in known]
    alt = f"Item-rest correlation: {', '.join(words)}."
    return drawn("What each exercise says about the rest", draw, alt, len(known))


def times(of: ClassNumbers) -> Figure:
    """Return how long the submissions took to grade."""

    def draw(axes: "Axes", ink: str) -> None:
        axes.hist(of.seconds, bins="auto", color=plots.PURPLE, edgecolor=ink)
        axes.set_xlabel("wall time of a submission, seconds")
        axes.set_ylabel("submissions")
        axes.set_xlim(left=0)
        _whole_numbers(axes)

    middle = of.seconds[len(of.seconds) // 2] if of.seconds else 0.0
    alt = (
        f"Wall time of {len(of.seconds)} submissions: half took less than {middle:.3g} s, the "
        f"slowest {max(of.seconds, default=0):.3g} s."
    )
    return drawn("Time to grade", draw, alt)


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _label(it: ExerciseNumbers) -> str:
    return f"{_short(it.name)} ({it.right}/{it.n})"


def _short(name: str) -> str:
    line = " ".join(pages.plain(name).split())
    return line if len(line) <= MAX_LABEL else f"{line[: MAX_LABEL - 1]}…"
