"""Makes an nbgrader course of the lessons, in a folder of its own.

One lesson is one assignment, called by the lesson's name:

    classroom.json                  what this module notes: course, hidden seed, lessons
    nbgrader_config.py              written anew each time; `own_config.py` is yours
    source/<lesson>/<lesson>.ipynb  with solutions and hidden tests
    release/<lesson>/…              what students get, made by nbgrader itself
    submitted/<student>/<lesson>/…  what students hand in
    gradebook.db  exchange/  README.md

Running it again brings the sources up to date and touches neither the submissions nor
the grades.
"""

import contextlib
import json
import os
import re
import secrets
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from course import build, settings
from course import lesson as library
from course.classroom_text import config_text, readme_text
from course.errors import ClassroomError
from course.lesson import Lesson
from course.roster import Student, read_students

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

REPOSITORY = Path(__file__).resolve().parent.parent
NOTES = "classroom.json"
DEFAULT_COURSE_ID = "crossroads"
LARGEST_SEED = 2**31
_COURSE_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


@dataclass(frozen=True)
class Classroom:
    """An nbgrader course in a folder."""

    folder: Path
    course_id: str
    hidden_seed: int
    assignments: tuple[str, ...]
    changed: tuple[str, ...] = field(default=(), compare=False)

    def path(self, step: str, student: str, assignment: str) -> Path:
        """Return nbgrader's folder of a step (`source`, `submitted`, `feedback`)."""
        return self.folder / step / student / assignment

    @property
    def gradebook(self) -> Path:
        """The gradebook's file."""
        return self.folder / "gradebook.db"

    def summary(self) -> str:
        """Return what an instructor reads when the classroom was made."""
        news = ", ".join(self.changed) or "nothing: all is up to date"
        return (
            f"{self.folder}: course {self.course_id}, {len(self.assignments)} "
            f"assignments, hidden seed {self.hidden_seed}\nnew: {news}\n"
            f"next: read {self.folder / 'README.md'}"
        )


def make_classroom(
    folder: Path,
    *,
    lessons: Sequence[str] | None = None,
    hidden_seed: int | None = None,
    course_id: str | None = None,
    students: Path | None = None,
) -> Classroom:
    """Make the classroom, or bring an existing one up to date, and return it.

    Args:
        folder: a new or empty folder outside of the repository, or a classroom.
        lessons: ids or names of lessons; None means all. None is ever removed.
        hidden_seed: what the hidden tests draw their inputs from; None means that of
            the classroom, or a random number for a new one.
        course_id: nbgrader's name of the course; None means that of the classroom, or
            `crossroads` for a new one.
        students: CSV file with the columns id, first_name, last_name, email.

    Returns:
        The classroom; its `changed` names the assignments whose source is new.

    Raises:
        ClassroomError: the place, the seed, the points or the students do not fit.
        LessonError: a lesson's text breaks the format.
    """
    folder = folder.expanduser().resolve()
    old = _existing(folder)
    roster = read_students(students) if students is not None else []
    wanted = _wanted(lessons)
    seed = _seed(hidden_seed, old)
    course_id = course_id or (old.course_id if old else DEFAULT_COURSE_ID)
    if not _COURSE_ID.match(course_id):
        raise ClassroomError(
            f"course id {course_id!r} must be letters, digits, dots, - and _, since "
            "it names a folder: choose another"
        )
    names = tuple(it.name for it in wanted)
    if old is not None:
        _refuse_new_points(old, wanted)
        names = (*old.assignments, *(it for it in names if it not in old.assignments))
    room = Classroom(folder, course_id, seed, names)
    _write_notes(room)
    _write(folder / "nbgrader_config.py", config_text(course_id, wanted))
    _write(folder / "README.md", readme_text(room.folder.name, names))
    (folder / "exchange").mkdir(exist_ok=True)
    for it in wanted:
        _write_source(room, it)
    stale = [name for name in names if not _released(room, name)]
    with open_api(folder) as api:
        for name in stale:
            _generate(api, room, name)
        _enrol(api, roster)
    return Classroom(folder, course_id, seed, names, tuple(stale))


def open_classroom(folder: Path) -> Classroom:
    """Return the classroom that the folder holds.

    Raises:
        ClassroomError: it holds none, or its notes cannot be read.
    """
    folder = folder.expanduser().resolve()
    path = folder / NOTES
    if not path.is_file():
        raise ClassroomError(
            f"{folder} is not a classroom: it has no {NOTES}. Make one with "
            "`course classroom DIR`"
        )
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
        return Classroom(
            folder,
            str(notes["course_id"]),
            int(notes["hidden_seed"]),
            tuple(str(name) for name in notes["assignments"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ClassroomError(
            f"{path} cannot be read ({error!r}): restore it from a backup, or make "
            "the classroom anew in another folder"
        ) from None


@contextlib.contextmanager
def open_api(folder: Path) -> Iterator["NbGraderAPI"]:
    """Give nbgrader's API on the classroom, with the classroom's own configuration.

    Neither the configuration of the user's Jupyter nor the warnings of nbgrader's own
    code have a say here. nbgrader looks for `alembic` on the path: it lies beside Python.
    Kernels get one thread, since several of them fight over few cores, and no key.
    """
    path = [str(Path(sys.executable).parent), settings.for_child().get("PATH", "")]
    env = settings.for_child(PATH=os.pathsep.join(path), OMP_NUM_THREADS="1")
    with settings.in_environment(env), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from nbgrader.apps import NbGraderAPI
        from sqlalchemy.exc import SAWarning
        from traitlets.config import Config, PyFileConfigLoader

        warnings.simplefilter("ignore", SAWarning)
        loader = PyFileConfigLoader("nbgrader_config.py", path=str(folder))
        has_config = (folder / "nbgrader_config.py").is_file()
        config = loader.load_config() if has_config else Config()
        if (
            "root" not in config.CourseDirectory
        ):  # another course's: here, not where we are
            config.CourseDirectory.root = str(folder)
        yield NbGraderAPI(config=config)


def _existing(folder: Path) -> Classroom | None:
    if folder.is_relative_to(REPOSITORY):
        raise ClassroomError(
            f"{folder} is inside of the course's own folder {REPOSITORY}. A classroom "
            "holds solutions and students' work, which must not be published with the "
            "course: name a folder outside of it"
        )
    if folder.exists() and not folder.is_dir():
        raise ClassroomError(f"{folder} is a file; name a new or empty folder")
    if (folder / NOTES).is_file():
        return open_classroom(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ClassroomError(
            f"{folder} is not empty and not a classroom (it has no {NOTES}): name a "
            "new or empty folder, so that no file of yours is overwritten"
        )
    return None


def _wanted(names: Sequence[str] | None) -> list[Lesson]:
    if names is None:
        found = [library.read(path) for path in library.lesson_paths()]
    else:
        found = [library.load(name) for name in names]
    if not found:
        raise ClassroomError("there are no lessons to make a classroom of: name one")
    return list({it.name: it for it in found}.values())


def _seed(given: int | None, old: Classroom | None) -> int:
    if given is not None and not 0 <= given < LARGEST_SEED:
        raise ClassroomError(
            f"the hidden seed is {given}; it must be from 0 to {LARGEST_SEED - 1}"
        )
    if old is None:
        return secrets.randbelow(LARGEST_SEED) if given is None else given
    if given not in (None, old.hidden_seed):
        raise ClassroomError(
            f"{old.folder} has the hidden seed {old.hidden_seed}, not {given}, and one "
            "class is judged by one seed: leave the seed out, or make a new classroom"
        )
    return old.hidden_seed


def _refuse_new_points(room: Classroom, wanted: list[Lesson]) -> None:
    """Refuse a lesson whose exercises or points changed after it was graded."""
    if not room.gradebook.exists():
        return
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{room.gradebook.as_posix()}") as gradebook:
        for it in wanted:
            found = [a for a in gradebook.assignments if a.name == it.name]
            if not found or not found[0].num_submissions:
                continue
            cells = [cell for nb in found[0].notebooks for cell in nb.grade_cells]
            old = {cell.name: float(cell.max_score) for cell in cells}
            new = {ex.check_id: ex.points for ex in it.exercises}
            if old != new:
                raise ClassroomError(_points_changed(it, old, new))


def _points_changed(it: Lesson, old: dict[str, float], new: dict[str, float]) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    shown = ", ".join(
        f"{name}: {old.get(name, 0):g} -> {new.get(name, 0):g}" for name in names
    )
    return (
        f"lesson {it.id} has grades already, and its points changed ({shown}): those "
        "grades would mean something else. Make a new classroom for the new lesson, "
        "or take the old text of the lesson"
    )


def _write_notes(room: Classroom) -> None:
    notes = {
        "course_id": room.course_id,
        "hidden_seed": room.hidden_seed,
        "assignments": list(room.assignments),
    }
    _write(room.folder / NOTES, json.dumps(notes, indent=2) + "\n")


def _write_source(room: Classroom, it: Lesson) -> None:
    text = build.to_text(build.source_notebook(it, room.hidden_seed))
    if _write(room.path("source", "", it.name) / f"{it.name}.ipynb", text):
        _release(room, it.name).unlink(missing_ok=True)  # so that it is made anew


def _write(path: Path, text: str) -> bool:
    """Write the file unless it is so already; return whether it was written."""
    content = text.encode()
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True


def _release(room: Classroom, name: str) -> Path:
    return room.path("release", "", name) / f"{name}.ipynb"


def _released(room: Classroom, name: str) -> bool:
    return _release(room, name).exists() and room.gradebook.exists()


def _generate(api: "NbGraderAPI", room: Classroom, name: str) -> None:
    result = api.generate_assignment(name)
    if not result["success"]:
        _release(room, name).unlink(missing_ok=True)
        raise ClassroomError(
            f"nbgrader could not make the students' version of {name}:\n"
            f"{result.get('log', '')}{result.get('error', '')}"
        )


def _enrol(api: "NbGraderAPI", roster: list[Student]) -> None:
    if not roster:
        return
    with api.gradebook as gradebook:
        for student in roster:
            gradebook.update_or_create_student(
                student.id,
                first_name=student.first_name,
                last_name=student.last_name,
                email=student.email,
            )
