"""The courses that can be graded: our classrooms, and any other nbgrader course.

Another course has nbgrader's own folders: `source/ps1/problem1.ipynb` with solutions
and hidden tests, `release/` made by `nbgrader generate_assignment`, `submitted/`.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from autograder import grading, outline, places, submission
from autograder.journal import Journal, Row
from autograder.outline import Outline
from course import lesson as library
from course.classroom import NOTES, Classroom, open_api, open_classroom
from course.errors import ClassroomError, CrossroadsError


def open_room(folder: Path) -> Classroom:
    """Return the course that the folder holds.

    Raises:
        ClassroomError: it holds none.
    """
    folder = folder.expanduser().resolve()
    if (folder / NOTES).is_file():
        return open_classroom(folder)
    found = [
        places.name_of(path.parent.name, path.stem)
        for path in sorted((folder / "source").glob("[!.]*/*.ipynb"))
    ]
    if not found:
        raise ClassroomError(
            f"{folder} is not a classroom (it has no {NOTES}: `course classroom DIR` "
            "makes one), nor another nbgrader course (it has no source/NAME/*.ipynb)"
        )
    with open_api(folder) as api:
        course_id = str(api.coursedir.course_id)
    return Classroom(folder, course_id, 0, tuple(found))


def is_foreign(room: Classroom) -> bool:
    """Return whether it is another nbgrader course, not made of our lessons."""
    return not (room.folder / NOTES).is_file()


def chosen(room: Classroom, lesson: str | None) -> tuple[str, ...]:
    """Return the assignments that a person means by `a1`; None means all.

    Raises:
        ClassroomError: the classroom has no such lesson.
    """
    found = tuple(
        it for it in room.assignments if lesson is None or places.is_meant(it, lesson)
    )
    if found:
        return found
    known = ", ".join(room.assignments)
    raise ClassroomError(f"the classroom has no lesson {lesson!r}; it has {known}")


def outlines(room: Classroom, names: tuple[str, ...]) -> Mapping[str, Outline]:
    """Return what pages and reports must know of these assignments."""
    return {it: _outline(room, it) for it in names}


def rows(room: Classroom, names: tuple[str, ...]) -> list[Row]:
    """Return what was judged, of these assignments.

    Raises:
        ClassroomError: nothing was graded yet.
    """
    with kept(room) as journal:
        found = list(journal.rows(names))
    if not any(it.verdict for it in found):
        raise ClassroomError(
            f"nothing in {room.folder} was graded yet: `autograder grade` comes first"
        )
    return found


@contextlib.contextmanager
def kept(room: Classroom) -> Iterator[Journal]:
    """Open what was judged, to read it: a grading may be under way."""
    path = room.folder / grading.JOURNAL
    if not path.is_file():
        raise ClassroomError(
            f"nothing in {room.folder} was graded yet: `autograder grade` comes first"
        )
    journal = Journal(path, reading=True)
    try:
        yield journal
    finally:
        journal.close()


def _outline(room: Classroom, name: str) -> Outline:
    if not is_foreign(room):
        with contextlib.suppress(CrossroadsError):  # a lesson that is no longer there
            return outline.of_lesson(library.load(name))
    source = json.loads(grading.sources(room, [name])[name])
    return outline.of_reference(submission.reference(source, name))
