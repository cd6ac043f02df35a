"""The class report: one page for the instructor, with figures, nothing fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder import class_numbers, pages, report_figures
from autograder.class_numbers import ClassNumbers
from autograder.journal import Row
from autograder.outline import Outline
from course.drawing import Figure

MAX_LINES = 60  # of the table of what to look at
MAX_MISTAKES = 25


@dataclass(frozen=True)
class Part:
    """One assignment in the report."""

    of: ClassNumbers
    facts: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]

    @property
    def handed_in(self) -> int:
        """How many submissions there are, judged or not."""
        return sum(self.of.counts.values()) - self.of.counts.get("not_submitted", 0)


def page(course: str, rows: Iterable[Row], outlines: Sequence[Outline]) -> str:
    """Return the report on these assignments, HTML in one file.

    Args:
        course: the course's name.
        rows: who handed in what, with the verdicts.
        outlines: of the assignments to report on, in order.
    """
    kept = list(rows)
    parts = [_part(class_numbers.numbers(it, kept), kept) for it in outlines]
    values = {
        "course": course,
        "parts": parts,
        "max_lines": MAX_LINES,
        "max_mistakes": MAX_MISTAKES,
        "min_n": class_numbers.MIN_N,
    }
    return pages.render("report.html", values)


def write_report(
    to: Path, course: str, rows: Iterable[Row], outlines: Mapping[str, Outline]
) -> Path:
    """Write the report on all assignments that the rows name; return its path.

    Args:
        to: the file.
        course: the course's name.
        rows: who handed in what, with the verdicts.
        outlines: by the assignment's name; one that is missing is made of the rows.
    """
    kept = list(rows)
    names = dict.fromkeys([*outlines, *(it.assignment for it in kept)])
    found = {it.assignment for it in kept}
    wanted = [outlines.get(it) or Outline(it, it) for it in names if it in found]
    return pages.write(to, page(course, kept, wanted))


def _part(of: ClassNumbers, rows: Sequence[Row]) -> Part:
    drawn = (
        report_figures.scores(of) if of.scores else None,
        report_figures.difficulty(of) if any(it.n for it in of.exercises) else None,
        report_figures.discrimination(of),
        report_figures.times(of) if of.seconds else None,
    )
    facts = (*_facts(of), *_forgeable(of.name, rows))
    return Part(of, facts, tuple(it for it in drawn if it is not None))


def _forgeable(name: str, rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Give what must be known of verdicts that students' code could have forged."""
    own = [it.verdict for it in rows if it.assignment == name and it.verdict]
    shared = sum(it.shared for verdict in own for it in verdict.exercises)
    if shared:
        yield "verdicts in shared mode: forgeable", str(shared)
    trusted = sum(it.is_trusted for it in own)
    if trusted:
        yield "judged without a sandbox: forgeable", str(trusted)


def _facts(of: ClassNumbers) -> list[tuple[str, str]]:
    facts = [
        (status.replace("_", " "), str(count))
        for status, count in of.counts.items()
        if count or status == "graded"
    ]
    if of.scores:
        low, high = of.scores[0], of.scores[-1]
        facts += [
            ("median points", pages.number(of.median)),
            ("mean points", pages.number(of.mean, 3)),
            ("standard deviation", pages.number(of.sd, 3)),
            ("lowest and highest", f"{pages.number(low)}, {pages.number(high)}"),
        ]
    return facts
