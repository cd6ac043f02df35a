"""The learner's own folder of notebooks, and JupyterLab opened on the next one."""

import os
import subprocess
import sys
from pathlib import Path

from course import build, progress
from course import lesson as lessons
from course.errors import CrossroadsError
from course.lesson import Lesson

_JUPYTER = Path(__file__).parent / "jupyter"  # holds overrides.json


def prepare(folder: Path, lesson_id: str | None = None) -> Path:
    """Return the notebook to open; copy those that are missing into `folder`.

    A notebook that is there already is the learner's work and is left as it is.

    Args:
        folder: made when it does not exist.
        lesson_id: the lesson to open; None means the next one to do.

    Raises:
        CrossroadsError: no such lesson, or the folder cannot be written.
    """
    progress.enrol()
    wanted = lessons.load(lesson_id) if lesson_id else next_lesson()
    progress.record("open", wanted.id)
    try:
        for lesson in all_lessons():
            path = build.notebook_path(lesson, folder)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                text = build.to_text(build.learner_notebook(lesson))
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CrossroadsError(
            f"the folder {folder} cannot be written ({error.strerror}); "
            "name another one with --folder"
        ) from None
    return build.notebook_path(wanted, folder)


def all_lessons() -> list[Lesson]:
    """Return all lessons in the order in which this learner meets them.

    A pair is one day: the shared start, then both halves of day 1, of day 2, ... Which
    half goes first alternates from day to day, and half of all learners begin with the
    other track: so liking a track is not the same as liking what comes first.
    """
    found = [lessons.load(path.stem) for path in lessons.lesson_paths()]
    number = progress.learner_number() or 0
    return sorted(found, key=lambda lesson: _place(lesson, number))


def next_lesson() -> Lesson:
    """Return the next lesson to do: one with an exercise that was not passed yet.

    Looked for from the lesson that was worked on last: who skips ahead goes on from
    there, and what was left out comes after the end.

    Raises:
        CrossroadsError: there are no lessons.
    """
    every = all_lessons()
    if not every:
        raise CrossroadsError("no lessons are installed; install the course again")
    last = _worked_on_last()
    here = next((i for i, lesson in enumerate(every) if lesson.id == last), 0)
    states = progress.states()
    for lesson in every[here:] + every[:here]:
        keys = [exercise.key for exercise in lesson.exercises]
        if not all(key in states and states[key].passed for key in keys):
            return lesson
    return every[-1]


def open_lab(folder: Path, notebook: Path, *, browser: bool) -> int:
    """Run JupyterLab on the notebook until it is stopped; return its exit code."""
    inside = notebook.relative_to(folder)
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}"]
    command += [f"--LabApp.app_settings_dir={_JUPYTER}"]
    # A workspace for each lesson: JupyterLab opens again what stood open in it, each
    # notebook with a kernel, and that should not be all lessons of the weeks before.
    place = f"/lab/workspaces/crossroads-{notebook.stem.split('_')[0]}/tree"
    command += [f"--LabApp.default_url={place}/{inside.as_posix()}"]
    command += [] if browser else ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container everybody is root
    try:
        return subprocess.call(command)  # noqa: S603 - our own arguments
    except KeyboardInterrupt:
        return 0


def first_letter(day: int, number: int) -> str:
    """Return which half of a day goes first for the learner: "a" or "m"."""
    return "am"[(day + number) % 2]


def _worked_on_last() -> str:
    """Return the id of the lesson whose check ran last; empty before the first."""
    attempts = [it.key for it in progress.events() if it.event == "attempt"]
    return attempts[-1].split(".")[0] if attempts else ""


def _place(lesson: Lesson, number: int) -> tuple[int, int, bool]:
    """S0 first, then the days with their two halves, F1 and F2 last."""
    letter, day = lesson.id[0], int(lesson.id[1:] or 0)
    part = {"s": 0, "f": 2}.get(letter, 1)
    return part, day, letter != first_letter(day, number)
