"""Grades a classroom with this machine's cores, or with a cluster's: all put together."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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

from autograder import (
    grading,
    kinds,
    places,
    pool,
    probe,
    rooms,
    scheduler,
    trusted,
)
from autograder.gradebook_write import GradebookWriter
from autograder.grading import Report, Shown
from autograder.journal import Row
from autograder.judging import Assignment
from autograder.pool import Workers
from course.classroom import Classroom, open_api
from course.errors import ClassroomError


@dataclass(frozen=True)
class How:
    """How a class is to be judged.

    Attributes:
        workers: submissions at the same time; None: one for each core.
        scheduler_url: of a Dask cluster that judges instead of this machine.
        trust: without a sandbox, with the rights of whoever grades.
        shared: see `judging.Assignment`; of courses that are not of our lessons.
    """

    workers: int | None = None
    scheduler_url: str | None = None
    trust: bool = False
    shared: str = "needed"


def grade_classroom(
    classroom: Path,
    how: How | None = None,
    *,
    lesson: str | None = None,
    student: str | None = None,
    retry: bool = False,
    progress: bool = True,
) -> Report:
    """Grade what was handed in and is new or changed; return how the class stands.

    Verdicts go to the database that the classroom's nbgrader configuration names.

    Args:
        classroom: a folder that `course classroom` made, or another nbgrader course.
        how: where and how it is judged.
        lesson: only this one: `a1`, or its whole name.
        student: only this one's work.
        retry: judge again what was set aside or not wholly graded.
        progress: show a bar on stderr.

    Raises:
        ClassroomError: no classroom, no such lesson, another grading is running, ...
        SandboxError: untrusted code cannot be run here.
    """
    how = how or How()
    if how.workers is not None and how.workers < 1:
        raise ClassroomError(f"workers is {how.workers}; it must be 1 or more")
    if how.trust and how.scheduler_url:
        raise ClassroomError("--trust is for this machine alone: leave --scheduler out")
    room = rooms.open_room(classroom)
    sources = grading.sources(room, rooms.chosen(room, lesson))
    if student is not None and not (room.folder / "submitted" / student).is_dir():
        raise ClassroomError(
            f"{room.folder / 'submitted'} holds nothing of {student!r}; a submission is "
            "submitted/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb"
        )
    # On a cluster the workers probe: its machines need not be like this one.
    is_local = not (how.trust or how.scheduler_url)
    mode = probe.probe().require() if is_local else None
    assignments = _assignments(room, sources, mode, how)

    def start() -> contextlib.AbstractContextManager[Workers]:
        if how.scheduler_url is not None:
            return scheduler.connected(how.scheduler_url, assignments)
        return grading.local_pool(
            room,
            assignments,
            how.workers or grading.cores(),
            concurrent=how.trust or mode is probe.Mode.NESTED,
            factory=trusted.FACTORY if how.trust else pool.ENGINE,
        )

    with opened_gradebook(room) as writer, _bar(quiet=not progress) as shown:
        for name, source in sources.items():
            writer.prepare(name, source)
        return grading.grade_classroom(
            room,
            assignments,
            start,
            writer=writer,
            shown=shown,
            retry=retry,
            student=student,
        )


def _assignments(
    room: Classroom, sources: Mapping[str, bytes], mode: probe.Mode | None, how: How
) -> list[Assignment]:
    if not rooms.is_foreign(room):
        return kinds.assignments(sources, mode, trusted=how.trust)
    release = room.folder / "release"
    return kinds.assignments(
        sources, mode, handed_out=release, shared=how.shared, trusted=how.trust
    )


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
        shown = f"{row.student} {places.short(row.assignment)}: {status}"
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
