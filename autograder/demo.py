"""`make demo`: a class made, graded, shown, and held against what it was made to be."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from autograder import gradebook, tables
from autograder.gradebook import Result
from course import settings
from course.classroom import make_classroom
from course.demo_class import STUDENT, Made, make_submissions

HIDDEN_SEED = 2026  # a class's own: the lessons' is 7


def run(
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
    with tables.progress() as bar:
        bar.total(len(made))
        results = gradebook.grade(room, done=bar.advance)
    tables.show(results, {(it.student, it.lesson): it.kind for it in made})
    pages = gradebook.feedback(room)
    gradebook.export(room, room.folder / "grades.csv")
    console.print(
        f"Gradebook: {room.gradebook}\nGrades: {room.folder / 'grades.csv'}\n"
        f"Feedback: {len(pages)} pages below {room.folder / 'feedback'}",
        soft_wrap=True,
    )
    wrong = list(differences(made, results))
    for line in wrong:
        console.print(f"[bold red]✗[/bold red] {line}", soft_wrap=True)
    if not wrong:
        console.print(f"✓ All {len(made)} got what they were made to get.")
    return 1 if wrong else 0


def differences(made: Sequence[Made], results: Sequence[Result]) -> Iterator[str]:
    """Yield a sentence for each thing that a submission did not get as it should."""
    by_name = {(it.student, it.assignment): it for it in results}
    for it in made:
        result = by_name.pop((it.student, it.lesson), None)
        where = f"{it.student} ({it.kind}, {it.lesson})"
        if result is None:
            yield f"{where} was not graded at all"
        elif it.points is None:
            if result.score is not None or it.reason not in result.reason:
                yield f"{where} got {result.score}: {result.reason!r}; must fail"
        elif result.score is None:
            yield f"{where} failed: {result.reason}"
        else:
            yield from (f"{where}: {text}" for text in _differences(it, result))
    yield from (
        f"{student} ({lesson}) is not of the class" for student, lesson in by_name
    )


def _differences(made: Made, result: Result) -> Iterator[str]:
    got = {verdict.check: verdict for verdict in result.verdicts}
    for check, points in (made.points or {}).items():
        if check not in got:
            yield f"{check} has no verdict"
            continue
        if got[check].points != points:
            text = got[check].message
            yield f"{check} got {got[check].points:g}, not {points:g}: {text}"
        said = " ".join(got[check].message.casefold().split())
        for phrase in made.says.get(check, ()):
            if " ".join(phrase.casefold().split()) not in said:
                yield f"{check} does not say {phrase!r}: {got[check].message!r}"
