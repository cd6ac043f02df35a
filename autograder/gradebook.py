"""Grades a classroom through nbgrader, one submission at a time.

    submitted/STUDENT/LESSON -> autograded/, gradebook.db, feedback/, grading.json

Each submission ends in one of two states: `graded`, with a verdict on every check, or
`failed`, with a reason that a person can act on. A submission that failed has no score:
no 0, no full marks, no half-made folder. What nbgrader exports as 0 is left empty here.

This runs submitted code with the rights of whoever grades. It does not contain it.
"""

import contextlib
import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import filelock
import nbformat
from nbgrader.api import Grade, Gradebook, MissingEntry, SubmittedAssignment

from autograder import reasons
from course.classroom import Classroom, open_api
from course.errors import ClassroomError
from course.preprocessors import has_verdict

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

NOTES = "grading.json"
GRADED, FAILED = "graded", "failed"
COLUMNS = (
    *("assignment", "student_id", "last_name", "first_name", "email", "timestamp"),
    *("raw_score", "late_submission_penalty", "score", "max_score", "status", "reason"),
)


@dataclass(frozen=True)
class Verdict:
    """What one check said; `message` is empty when it passed."""

    check: str
    points: float
    max_points: float
    message: str


@dataclass(frozen=True)
class Result:
    """What became of one submission."""

    student: str
    assignment: str
    status: str
    reason: str
    verdicts: tuple[Verdict, ...]
    max_score: float
    seconds: float

    @property
    def score(self) -> float | None:
        """The sum of the points; None when it was not graded."""
        if self.status != GRADED:
            return None
        return sum(verdict.points for verdict in self.verdicts)


def submissions(
    room: Classroom, *, assignment: str | None = None, student: str | None = None
) -> list[tuple[str, str]]:
    """Return (student, assignment) of what was handed in, sorted.

    Raises:
        ClassroomError: nothing of this assignment or student was handed in.
    """
    found = sorted(
        (path.parent.name, path.name)
        for path in (room.folder / "submitted").glob("*/*")
        if path.is_dir()
        and path.name in room.assignments
        and assignment in (None, path.name)
        and student in (None, path.parent.name)
    )
    if not found:
        asked = f"assignment {assignment or '(any)'}, student {student or '(any)'}"
        raise ClassroomError(
            f"{room.folder / 'submitted'} holds no submission of {asked}; a submission "
            "is submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb"
        )
    return found


def grade(
    room: Classroom,
    *,
    assignment: str | None = None,
    student: str | None = None,
    done: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Grade submissions, one after the other, and return what became of each.

    Args:
        room: the classroom.
        assignment: grade only this one.
        student: grade only this one's.
        done: called after each submission.

    Raises:
        ClassroomError: nothing was handed in, or another grading is running.
    """
    work = submissions(room, assignment=assignment, student=student)
    results = []
    with _alone(room), open_api(room.folder) as api:
        for name, title in work:
            results.append(_grade_one(api, room, name, title))
            _note(room, results[-1])
            done(results[-1])
    return results


def feedback(room: Classroom) -> list[Path]:
    """Write a page for each graded submission with nbgrader; return the pages.

    A submission that could not be graded gets a page that says why.

    Raises:
        ClassroomError: nothing was graded yet, or nbgrader could not write a page.
    """
    noted = results_of(room)
    if not noted:
        raise ClassroomError(
            f"nothing in {room.folder} was graded yet: `autograder grade` comes first"
        )
    pages = []
    with _alone(room), open_api(room.folder) as api:
        for it in noted:
            folder = room.path("feedback", it.student, it.assignment)
            page = folder / f"{it.assignment}.html"
            if it.status != GRADED:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                page.write_text(
                    reasons.page(it.student, it.assignment, it.reason), encoding="utf-8"
                )
            else:
                done = api.generate_feedback(it.assignment, it.student)
                if not done["success"]:
                    log = _write_log(room, it.student, it.assignment, done)
                    raise ClassroomError(f"no feedback for {it.student}: see {log}")
            pages.append(page)
    return pages


def export(room: Classroom, to: Path) -> int:
    """Write the grades as CSV in nbgrader's columns; return the number of lines.

    Two columns more say `status` and `reason`; a submission that was not graded, or not
    handed in, has an empty score: nbgrader's own export says 0 for both.
    """
    noted = {(it.student, it.assignment): it for it in results_of(room)}
    with (
        Gradebook(_db_url(room), room.course_id) as gradebook,
        to.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        rows = list(_rows(gradebook, noted))
        writer.writerows(rows)
    return len(rows)


def results_of(room: Classroom) -> list[Result]:
    """Return what was noted of the submissions that are there, sorted."""
    path = room.folder / NOTES
    if not path.exists():
        return []
    lines = json.loads(path.read_text(encoding="utf-8"))
    return [
        Result(**{**it, "verdicts": tuple(Verdict(**v) for v in it["verdicts"])})
        for it in lines
        if room.path("submitted", it["student"], it["assignment"]).is_dir()
    ]


def forget(room: Classroom, gone: Callable[[str], bool]) -> None:
    """Remove the students for whose id `gone` is true, and their grades."""
    with Gradebook(_db_url(room), room.course_id) as gradebook:
        for name in [it.id for it in gradebook.students if gone(it.id)]:
            gradebook.remove_student(name)


def as_json(results: Iterable[Result]) -> list[dict[str, object]]:
    """Return the results as plain data."""
    return [asdict(it) | {"score": it.score} for it in results]


def _grade_one(
    api: "NbGraderAPI", room: Classroom, student: str, assignment: str
) -> Result:
    start = perf_counter()
    submitted = room.path("submitted", student, assignment) / f"{assignment}.ipynb"
    reason = reasons.unreadable(submitted)
    verdicts: tuple[Verdict, ...] = ()
    if not reason:
        done = api.autograde(assignment, student)
        if "KeyboardInterrupt" in done.get("error", ""):  # nbgrader swallows it
            _discard(room, student, assignment)
            raise KeyboardInterrupt
        if done["success"]:
            verdicts, reason = _read(room, student, assignment)
        else:
            log = _write_log(room, student, assignment, done)
            reason = f"{reasons.of_log(_text(done))} (more in logs/{log.name})"
    if reason:
        verdicts = ()
        _discard(room, student, assignment)
    with Gradebook(_db_url(room), room.course_id) as gradebook:
        max_score = float(gradebook.find_assignment(assignment).max_score)
    seconds = round(perf_counter() - start, 2)
    status = FAILED if reason else GRADED
    return Result(student, assignment, status, reason, verdicts, max_score, seconds)


def _read(
    room: Classroom, student: str, assignment: str
) -> tuple[tuple[Verdict, ...], str]:
    """Return the verdicts, and a reason if one is missing."""
    path = room.path("autograded", student, assignment) / f"{assignment}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    checks = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    verdicts = []
    with Gradebook(_db_url(room), room.course_id) as gradebook:
        found = gradebook.find_submission_notebook(assignment, assignment, student)
        for it in found.grades:
            cell = checks.get(it.name)
            if cell is None or not has_verdict(cell) or _ungraded(it):
                return (), f"the check {it.name} was not run: grade it by hand"
            points, most = float(it.score), float(it.max_score)
            verdicts.append(Verdict(it.name, points, most, reasons.message(cell)))
    order = list(checks)
    return tuple(sorted(verdicts, key=lambda it: order.index(it.check))), ""


def _ungraded(it: Grade) -> bool:
    return it.auto_score is None and it.manual_score is None


def _discard(room: Classroom, student: str, assignment: str) -> None:
    """Take back all that a failed submission left: folders and scores, not manual work."""
    for step in ("autograded", "feedback"):
        shutil.rmtree(room.path(step, student, assignment), ignore_errors=True)
    with Gradebook(_db_url(room), room.course_id) as gradebook:
        try:
            found = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return
        if not _has_manual_work(found):
            gradebook.remove_submission(assignment, student)
            return
        for notebook in found.notebooks:
            for it in notebook.grades:
                it.auto_score, it.needs_manual_grade = None, True
        gradebook.db.commit()


def _has_manual_work(found: SubmittedAssignment) -> bool:
    grades = [it for notebook in found.notebooks for it in notebook.grades]
    comments = [it for notebook in found.notebooks for it in notebook.comments]
    return any(
        it.manual_score is not None or it.extra_credit is not None for it in grades
    ) or any(it.manual_comment for it in comments)


def _rows(
    gradebook: Gradebook, noted: dict[tuple[str, str], Result]
) -> Iterator[dict[str, object]]:
    for assignment in gradebook.assignments:
        students = {it.id: it for it in gradebook.students}
        names = {*students, *(s for s, title in noted if title == assignment.name)}
        for name in sorted(names):
            result = noted.get((name, assignment.name))
            row: dict[str, object] = dict.fromkeys(COLUMNS, "")
            row |= {"assignment": assignment.name, "student_id": name}
            row |= {"max_score": assignment.max_score, "status": "not graded"}
            if name in students:
                columns = ("last_name", "first_name", "email")
                row |= {it: getattr(students[name], it) or "" for it in columns}
            if result is not None:
                row |= {"status": result.status, "reason": result.reason}
            row |= _scores(gradebook, assignment.name, name)
            yield row


def _scores(gradebook: Gradebook, assignment: str, student: str) -> dict[str, object]:
    """Return the score that the gradebook has now, so that grades by hand count."""
    try:
        found = gradebook.find_submission(assignment, student)
    except MissingEntry:
        return {}
    if found.needs_manual_grade:
        return {"status": "to be graded by hand"}
    penalty = found.late_submission_penalty or 0.0
    return {
        "timestamp": found.timestamp or "",
        "raw_score": found.score,
        "late_submission_penalty": penalty,
        "score": max(0.0, found.score - penalty),
        "status": GRADED,
    }


def _note(room: Classroom, result: Result) -> None:
    """Keep the result; the file is whole at any moment."""
    key = (result.student, result.assignment)
    others = [it for it in results_of(room) if (it.student, it.assignment) != key]
    kept: Sequence[Result] = sorted(
        [*others, result], key=lambda it: (it.student, it.assignment)
    )
    path = room.folder / NOTES
    part = path.with_suffix(".part")
    text = json.dumps([asdict(it) for it in kept], indent=2, ensure_ascii=False)
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)


@contextlib.contextmanager
def _alone(room: Classroom) -> Iterator[None]:
    """Keep other gradings of this classroom out while the block runs."""
    lock = filelock.FileLock(room.folder / ".grading.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ClassroomError(
            f"another grading of {room.folder} is running: wait until it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _write_log(
    room: Classroom, student: str, assignment: str, done: dict[str, str]
) -> Path:
    path = room.folder / "logs" / f"{student}-{assignment}.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_text(done), encoding="utf-8")
    return path


def _text(done: dict[str, str]) -> str:
    return f"{done.get('log', '')}\n{done.get('error', '')}"


def _db_url(room: Classroom) -> str:
    return f"sqlite:///{room.gradebook.as_posix()}"
