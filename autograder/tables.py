"""Tables and progress bars of the command line."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from autograder.gradebook import Result, Verdict
from autograder.reasons import first_sentence
from course.classroom import Classroom
from course.errors import ClassroomError


@dataclass
class Bar:
    """A progress bar over submissions."""

    progress: Progress
    task: TaskID

    def total(self, count: int) -> None:
        """Say how many there are."""
        self.progress.update(self.task, total=count)

    def advance(self, result: Result) -> None:
        """Note that one is done."""
        shown = f"{result.student} {result.assignment}: {result.status}"
        self.progress.update(self.task, advance=1, description=shown)


@contextlib.contextmanager
def progress(*, quiet: bool = False) -> Iterator[Bar]:
    """Give a progress bar on stderr."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet, transient=True) as shown:
        yield Bar(shown, shown.add_task("", total=None))


def assignment(room: Classroom, lesson: str | None) -> str | None:
    """Return the assignment that a person means by `a1`; None means all.

    Raises:
        ClassroomError: the classroom has no such assignment.
    """
    if lesson is None:
        return None
    for name in room.assignments:
        if lesson in (name, name.split("_")[0]):
            return name
    known = ", ".join(room.assignments)
    raise ClassroomError(f"the classroom has no lesson {lesson!r}; it has {known}")


def show(
    results: Sequence[Result], kinds: dict[tuple[str, str], str] | None = None
) -> None:
    """Print who got what and why.

    Args:
        results: the submissions.
        kinds: what each was made to be, by student and assignment.
    """
    table = Table(title="Who got what, and why", show_lines=True, expand=False)
    for name in ("student", "lesson", *(("made to be",) if kinds else ())):
        table.add_column(name, no_wrap=name == "student", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold", ratio=1)
    for it in results:
        made = [kinds[it.student, it.assignment]] if kinds else []
        lesson = it.assignment.split("_")[0]
        table.add_row(it.student, lesson, *made, _points(it), _why(it))
    Console().print(table)


def exercise(check: str) -> str:
    """Return the exercise's key, `a1.softmax`, of a check's id."""
    lesson, _, rest = check.removesuffix("_check").partition("_")
    return f"{lesson}.{rest}"


def _points(it: Result) -> str:
    score = "–" if it.score is None else f"{it.score:g}"
    return f"{score}/{it.max_score:g}"


def _why(it: Result) -> str:
    if it.score is None:
        return f"[bold]not graded[/bold]: {_plain(it.reason)}"
    lines = [_line(verdict) for verdict in it.verdicts if verdict.message]
    right = [exercise(v.check).partition(".")[2] for v in it.verdicts if not v.message]
    if right:
        lines.insert(0, f"right: {', '.join(right)}")
    return "\n".join(lines)


def _line(verdict: Verdict) -> str:
    name = exercise(verdict.check).partition(".")[2]
    points = f"{verdict.points:g}/{verdict.max_points:g}"
    return f"[bold]{name}[/bold] {points}: {_plain(first_sentence(verdict.message))}"


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
