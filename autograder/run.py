"""Grades a classroom with this machine's cores, or with a cluster's: all put together."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from autograder import grading, kinds, probe, scheduler
from autograder.gradebook_write import GradebookWriter
from autograder.grading import Report, Shown
from autograder.journal import Row
from autograder.pool import Workers
from course.classroom import Classroom, open_api, open_classroom
from course.errors import ClassroomError


def grade_classroom(
    classroom: Path,
    *,
    lesson: str | None = None,
    workers: int | None = None,
    scheduler_url: str | None = None,
    retry: bool = False,
    progress: bool = True,
) -> Report:
    """Grade what was handed in and is new or changed; return how the class stands.

    Verdicts go to the database that the classroom's nbgrader configuration names.

    Args:
        classroom: a folder that `course classroom` made.
        lesson: only this one: `a1`, or its whole name.
        workers: submissions at the same time; None: one for each core.
        scheduler_url: of a Dask cluster that judges instead of this machine.
        retry: judge again what was set aside or not wholly graded.
        progress: show a bar on stderr.

    Raises:
        ClassroomError: no classroom, no such lesson, another grading is running, ...
        SandboxError: untrusted code cannot be run here.
    """
    if workers is not None and workers < 1:
        raise ClassroomError(f"workers is {workers}; it must be 1 or more")
    room = open_classroom(classroom)
    sources = grading.sources(room, chosen(room, lesson))
    # On a cluster the mode is that of the scheduler's machine's like: workers probe.
    mode = None if scheduler_url else probe.probe().require()
    assignments = kinds.assignments(sources, mode)

    def start() -> contextlib.AbstractContextManager[Workers]:
        if scheduler_url is not None:
            return scheduler.connected(scheduler_url, assignments)
        count = workers or grading.cores()
        nested = mode is probe.Mode.NESTED
        return grading.local_pool(room, assignments, count, concurrent=nested)

    with opened_gradebook(room) as writer, _bar(quiet=not progress) as shown:
        for name, source in sources.items():
            writer.prepare(name, source)
        return grading.grade_classroom(
            room, assignments, start, writer=writer, shown=shown, retry=retry
        )


def chosen(room: Classroom, lesson: str | None) -> tuple[str, ...]:
    """Return the assignments that a person means by `a1`; None means all.

    Raises:
        ClassroomError: the classroom has no such lesson.
    """
    if lesson is None:
        return room.assignments
    for name in room.assignments:
        if lesson in (name, name.split("_")[0]):
            return (name,)
    known = ", ".join(room.assignments)
    raise ClassroomError(f"the classroom has no lesson {lesson!r}; it has {known}")


@contextlib.contextmanager
def opened_gradebook(room: Classroom) -> Iterator[GradebookWriter]:
    """Open the database that the classroom's nbgrader configuration names."""
    with open_api(room.folder) as api:
        url, config = str(api.coursedir.db_url), api.config
    with GradebookWriter(url, room.course_id, config) as writer:
        yield writer


class _Rate(ProgressColumn):
    """Submissions per minute."""

    def render(self, task: Task) -> Text:
        """Return the rate, once there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{60 * speed:.0f}/min")


class _Bar:
    """Shows how far it is."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._update: Callable[..., None] = progress.update
        self._task = task

    def total(self, count: int) -> None:
        """Say how many there are."""
        self._update(self._task, total=count)

    def advance(self, row: Row) -> None:
        """Say that one is done."""
        status = row.verdict.status if row.verdict else ""
        shown = f"{row.student} {row.assignment.split('_')[0]}: {status}"
        self._update(self._task, advance=1, description=shown)


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[Shown]:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet, transient=True) as shown:
        yield _Bar(shown, shown.add_task("", total=None))
