"""`make demo`: a class made, graded, shown, and held against what it was made to be."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from autograder import export, feedback_pages, gradebook, reports, rooms, run, tables
from autograder.grading import Report
from autograder.verdicts import SubmissionVerdict
from course import settings
from course.classroom import Classroom, make_classroom
from course.demo_class import STUDENT, Made, make_submissions

HIDDEN_SEED = 2026  # a class's own: the lessons' is 7


def run_demo(
    folder: Path | None, *, size: int, seed: int, lessons: Sequence[str] | None
) -> int:
    """Make, grade and show a class; return 0 if all got what they were made to get.

    Args:
        folder: the classroom's; None means one in the user's data folder, made anew.
        size: the number of submissions.
        seed: chooses the answers.
        lessons: ids of the lessons; None means all.
    """
    console = Console()
    place = folder or settings.load().home_dir / "demo"
    if folder is None:  # the demonstration's own: the lessons may have changed since
        shutil.rmtree(place, ignore_errors=True)
    console.print(f"Making a classroom in {place} …", soft_wrap=True)
    room = make_classroom(
        place, lessons=lessons, hidden_seed=HIDDEN_SEED, course_id="crossroads-demo"
    )
    made = make_submissions(room, size=size, seed=seed)
    names = {it.student for it in made}
    gradebook.forget(room, lambda it: it.startswith(STUDENT) and it not in names)
    report = run.grade_classroom(room.folder)
    tables.show(report, {(it.student, it.lesson): it.kind for it in made})
    for line in _written(room, report):
        console.print(line, soft_wrap=True)
    wrong = list(differences(made, report))
    for line in wrong:
        console.print(f"[bold red]✗[/bold red] {line}", soft_wrap=True)
    if not wrong:
        console.print(f"✓ All {len(made)} got what they were made to get.")
    return 1 if wrong else 0


def differences(made: Sequence[Made], report: Report) -> Iterator[str]:
    """Yield a sentence for each thing that a submission did not get as it should."""
    rows = {(it.student, it.assignment): it for it in report.rows if it.key is not None}
    for it in made:
        row = rows.pop((it.student, it.lesson), None)
        where = f"{it.student} ({it.kind}, {it.lesson})"
        if row is None or row.verdict is None:
            yield f"{where} was not graded at all"
        elif it.points is None:
            verdict = row.verdict
            if verdict.points is not None or it.reason not in verdict.reason:
                yield f"{where} got {verdict.points}: {verdict.reason!r}; must fail"
        else:
            yield from (f"{where}: {text}" for text in _differences(it, row.verdict))
    yield from (f"{student} ({lesson}) is not of the class" for student, lesson in rows)


def _differences(made: Made, verdict: SubmissionVerdict) -> Iterator[str]:
    got = {it.grade_id: it for it in verdict.exercises}
    for check, points in (made.points or {}).items():
        if check not in got or got[check].points is None:
            why = got[check].message if check in got else verdict.reason
            yield f"{check} has no verdict: {why}"
            continue
        if got[check].points != points:
            text = got[check].message
            yield f"{check} got {got[check].points:g}, not {points:g}: {text}"
        said = " ".join(got[check].message.casefold().split())
        for phrase in made.says.get(check, ()):
            if " ".join(phrase.casefold().split()) not in said:
                yield f"{check} does not say {phrase!r}: {got[check].message!r}"


def _written(room: Classroom, report: Report) -> Iterator[str]:
    """Write what an instructor asks for next; give a line for each."""
    outlines = rooms.outlines(room, room.assignments)
    pages = feedback_pages.write_pages(room.folder, report.rows, outlines)
    place = room.folder / "report.html"
    reports.write_report(place, room.course_id, report.rows, outlines)
    folder = room.folder / "export"
    gradebook.export(room, report.rows, folder / "grades.csv")
    export.write(folder, report.rows)
    yield f"Gradebook: {room.gradebook}"
    yield f"Grades: {folder / 'grades.csv'}, and two more tables beside it"
    yield f"Feedback: {len(pages)} pages below {room.folder / 'feedback'}"
    yield f"Report: {place}"
