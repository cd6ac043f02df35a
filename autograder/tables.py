"""Tables that the command line prints."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder import journal, messages, pages, places
from autograder.grading import Report
from autograder.journal import Row
from autograder.verdicts import ExerciseVerdict, Status, SubmissionStatus

MOST_ROWS = 40  # of a table in a terminal: more are summed up
SHARED = "[shared mode]"
TRUST = "--trust: judged without a sandbox; whoever handed in could have forged this"


def show(report: Report, kinds: Mapping[tuple[str, str], str] | None = None) -> None:
    """Print how the class stands: who got what, and why.

    Args:
        report: what a run came to.
        kinds: what each was made to be, by student and assignment.
    """
    console = Console()
    handed_in = [it for it in report.rows if it.key is not None]
    shown = handed_in
    if len(handed_in) > MOST_ROWS:
        shown = [it for it in handed_in if is_trouble(it)]
        console.print(_summary(report.rows))
    if shown:
        title = "Who got what, and why" if shown is handed_in else "To look at"
        console.print(_table(title, shown[:MOST_ROWS], kinds or {}))
    if len(shown) > MOST_ROWS:
        console.print(f"… and {len(shown) - MOST_ROWS} more: see the report")
    for line in lines(report):
        console.print(Text(line), soft_wrap=True)


def lines(report: Report) -> list[str]:
    """Return what is said below the table."""
    handed_in = [it for it in report.rows if it.key is not None]
    missing = len(report.rows) - len(handed_in)
    troubles = sum(is_trouble(it) for it in handed_in)
    rate = f", {report.per_minute:.0f} a minute" if report.judged else ""
    did = f"{report.judged} judged in {report.seconds:.1f} s{rate}"
    kept = f"{report.kept} as before; {missing} not handed in"
    said = [f"{did}; {kept}; {troubles} could not be graded"]
    verdicts = [it.verdict for it in handed_in if it.verdict is not None]
    shared = sum(it.shared for verdict in verdicts for it in verdict.exercises)
    if shared:
        said.append(
            f"{SHARED}: {shared} verdicts come from checks that ran inside the "
            "student's process (in the sandbox), whose code could forge them"
        )
    if any(verdict.is_trusted for verdict in verdicts):
        said.append(TRUST)
    said += [f"submitted/{it.name!r}: {it.reason}" for it in report.strange]
    if not handed_in:
        said.append(
            "nothing was handed in: a submission is "
            "submitted/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb"
        )
    return said


def is_trouble(row: Row) -> bool:
    """Return whether something that was handed in could not be wholly graded."""
    return row.key is not None and (
        row.verdict is None or row.verdict.status is not SubmissionStatus.GRADED
    )


def _summary(rows: Sequence[Row]) -> Table:
    table = Table(title="The class")
    table.add_column("assignment")
    for name in ("handed in", "graded", "to look at", "mean points", "of"):
        table.add_column(name, justify="right")
    for name in dict.fromkeys(it.assignment for it in rows):
        own = [it for it in rows if it.assignment == name and it.key is not None]
        whole = [it.verdict for it in own if it.verdict and not is_trouble(it)]
        points = [it.points for it in whole if it.points is not None]
        mean = sum(points) / len(points) if points else None
        most = whole[0].max_points if whole else None
        counts = str(len(own)), str(len(whole)), str(len(own) - len(whole))
        table.add_row(Text(name), *counts, pages.number(mean, 3), pages.number(most))
    return table


def _table(
    title: str, rows: Sequence[Row], kinds: Mapping[tuple[str, str], str]
) -> Table:
    table = Table(title=title, show_lines=True, expand=False)
    for name in ("student", "lesson", *(("made to be",) if kinds else ())):
        table.add_column(name, no_wrap=name == "student", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for it in rows:
        made = [Text(kinds.get((it.student, it.assignment), ""))] if kinds else []
        place = Text(it.student), Text(places.short(it.assignment))
        table.add_row(*place, *made, _points(it), _why(it))
    return table


def _points(row: Row) -> str:
    if row.verdict is None:
        return "–"
    most = f"{row.verdict.max_points:g}"
    return f"{pages.number(row.verdict.points)}/{most}"


def _why(row: Row) -> Text:
    if row.verdict is None:
        return Text.assemble((journal.NOT_YET.replace("_", " "), "bold"))
    said = []
    if row.verdict.status is not SubmissionStatus.GRADED:
        status = str(row.verdict.status).replace("_", " ")
        reason = pages.plain(row.verdict.reason, 2000)
        said.append(Text.assemble((status, "bold"), f": {reason}"))
    if row.verdict.points is not None:
        right = [_name(it) for it in row.verdict.exercises if it.status == "passed"]
        said += [Text(f"right: {', '.join(right)}")] if right else []
        others = [it for it in row.verdict.exercises if it.status != "passed"]
        said += [_line(it) for it in others]
    return Text("\n").join(said)


def _line(verdict: ExerciseVerdict) -> Text:
    points = f"{pages.number(verdict.points)}/{verdict.max_points:g}"
    status = str(verdict.status).replace("_", " ")
    shown = "" if verdict.status is Status.FAILED else f"{status}. "
    text = messages.first_sentence(messages.bare(pages.plain(verdict.message, 2000)))
    return Text.assemble((_name(verdict), "bold"), f" {points}: {shown}{text}")


def _name(verdict: ExerciseVerdict) -> str:
    name = verdict.grade_id.removesuffix("_check")
    lesson, _, rest = name.partition("_")
    is_ours = name != verdict.grade_id and rest and lesson[1:].isdigit()
    return (rest if is_ours else name) + (f" {SHARED}" if verdict.shared else "")
