"""`nbgrader autograde` itself, on notebooks that are trusted: what parity compares with.

It runs each notebook in a kernel with the rights of whoever calls it.
"""

from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from autograder import places, reasons
from course.classroom import Classroom, open_api
from course.errors import ClassroomError
from course.preprocessors import has_verdict


def autograded(
    room: Classroom, assignment: str, students: list[str]
) -> Iterator[tuple[str, dict[str, float]]]:
    """Give (student, check -> points), as soon as each is known.

    Raises:
        ClassroomError: nbgrader could not grade one; its log is below `logs/`.
    """
    folder, _ = places.parts(assignment)
    with open_api(room.folder) as api:
        url = str(api.coursedir.db_url)
        for student in students:
            done = api.autograde(folder, student)
            if not done["success"]:
                log = _write_log(room, student, folder, done)
                text = reasons.of_log(log.read_text(encoding="utf-8"))
                raise ClassroomError(f"nbgrader cannot grade {student}: {text} ({log})")
            yield student, _points(room, url, student, assignment)


def _points(
    room: Classroom, url: str, student: str, assignment: str
) -> dict[str, float]:
    """Return the points of each check that was run."""
    folder, notebook = places.parts(assignment)
    path = places.notebook_in(room.folder / "autograded" / student, assignment)
    cells = nbformat.read(path, as_version=4).cells
    ran = {it.metadata.nbgrader.grade_id for it in cells if _is_judged(it)}
    with Gradebook(url, room.course_id) as gradebook:
        found = gradebook.find_submission_notebook(notebook, folder, student)
        return {
            it.name: float(it.auto_score)
            for it in found.grades
            if it.name in ran and it.auto_score is not None
        }


def _is_judged(cell: nbformat.NotebookNode) -> bool:
    flags = cell.metadata.get("nbgrader", {})
    return bool(flags.get("grade")) and has_verdict(cell)


def _write_log(
    room: Classroom, student: str, assignment: str, done: dict[str, str]
) -> Path:
    path = room.folder / "logs" / f"{student}-{assignment}.log"
    path.parent.mkdir(exist_ok=True)
    text = f"{done.get('log', '')}\n{done.get('error', '')}"
    path.write_text(text, encoding="utf-8")
    return path
