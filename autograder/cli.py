"""`autograder`: grade, feedback, report, export, parity, demo.

A command parses, calls and prints; heavy modules are imported inside of it.
"""

import json
import sys
from pathlib import Path

import click

from course import __version__
from course.errors import CrossroadsError

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
LESSON = click.option("--lesson", help="Only this lesson: a1, or its whole name.")


class Group(click.Group):
    """Prints what Crossroads raises on purpose as a message, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; exit with 1 on a `CrossroadsError`."""
        try:
            return super().invoke(ctx)
        except CrossroadsError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autograder")
def main() -> None:
    """Grade the submissions of a classroom, or of any other nbgrader course.

    A classroom is a folder that `course classroom` made. Students' code runs in a
    sandbox; without one, nothing is graded but with --trust.
    """


@main.command()
@click.argument("classroom", type=FOLDER)
@LESSON
@click.option("--student", help="Only this student.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Submissions at the same time  [default: one for each core]",
)
@click.option("--scheduler", metavar="URL", help="A Dask cluster: tcp://HOST:8786.")
@click.option("--retry", is_flag=True, help="Judge again what was not wholly graded.")
@click.option(
    "--shared",
    type=click.Choice(["needed", "never", "all"]),
    default="needed",
    show_default=True,
    help="Courses that are not of these lessons: which checks run inside the student's "
    "process, where its code could forge them.",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Without a sandbox, with your rights: for your own notebooks only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def grade(
    classroom: Path, *, as_json: bool, scheduler: str | None, **more: object
) -> None:
    """Grade what was handed in and is new or changed.

    Exits with 1 if something could not be graded. Stop it at any moment and start it
    again: what was judged is kept.
    """
    from autograder import tables
    from autograder.run import How, grade_classroom

    how = How(
        workers=more.pop("workers"),  # type: ignore[arg-type]
        scheduler_url=scheduler,
        trust=bool(more.pop("trust")),
        shared=str(more.pop("shared")).replace("never", ""),
    )
    if how.trust:
        click.echo(f"Warning: {tables.TRUST}", err=True)
    report = grade_classroom(classroom, how, progress=not as_json, **more)  # type: ignore[arg-type]
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        tables.show(report)
    sys.exit(any(map(tables.is_trouble, report.rows)) or bool(report.strange))


@main.command()
@click.argument("classroom", type=FOLDER)
@LESSON
@click.option(
    "--detail",
    type=click.Choice(["full", "literal"]),
    default="full",
    show_default=True,
    help="literal: only sentences without values, and no tracebacks: where students "
    "may hand in again and again.",
)
def feedback(classroom: Path, lesson: str | None, detail: str) -> None:
    """Write a page for each submission that was judged, for its author."""
    from autograder import feedback_pages, rooms
    from autograder.messages import Detail

    room = rooms.open_room(classroom)
    names = rooms.chosen(room, lesson)
    rows, outlines = rooms.rows(room, names), rooms.outlines(room, names)
    pages = feedback_pages.write_pages(room.folder, rows, outlines, Detail(detail))
    click.echo(f"{len(pages)} pages below {room.folder / 'feedback'}")


@main.command()
@click.argument("classroom", type=FOLDER)
@LESSON
@click.option("--to", type=FILE, help="[default: report.html in the classroom]")
def report(classroom: Path, lesson: str | None, to: Path | None) -> None:
    """Write the class report: scores, exercises, mistakes, what to look at."""
    from autograder import reports, rooms

    room = rooms.open_room(classroom)
    names = rooms.chosen(room, lesson)
    title = room.course_id or room.folder.name
    rows, outlines = rooms.rows(room, names), rooms.outlines(room, names)
    path = to or room.folder / "report.html"
    click.echo(str(reports.write_report(path, title, rows, outlines)))


@main.command()
@click.argument("classroom", type=FOLDER)
@LESSON
@click.option("--to", type=FOLDER, help="[default: export/ in the classroom]")
@click.option("--format", "kind", type=click.Choice(["csv", "json"]), default="csv")
def export(classroom: Path, lesson: str | None, to: Path | None, kind: str) -> None:
    """Write tables: who was not graded has no score, never a 0.

    \b
    csv   grades.csv       final grades, with those by hand and late penalties
          submissions.csv  what the grader says of each submission
          exercises.csv    and of each exercise
    json  verdicts.json    all that the grader knows
    """  # noqa: D301 - click wants the character, not two
    from autograder import export as tables
    from autograder import gradebook, pages, rooms

    room = rooms.open_room(classroom)
    rows = rooms.rows(room, rooms.chosen(room, lesson))
    folder = to or room.folder / "export"
    if kind == "json":
        text = json.dumps(tables.as_json(rows), indent=2, ensure_ascii=False)
        written = [pages.write(folder / "verdicts.json", text + "\n")]
    else:
        written = [folder / "grades.csv", *tables.write(folder, rows)]
        gradebook.export(room, rows, written[0])
    for path in written:
        click.echo(str(path))


@main.command()
@click.argument("target", required=False)
@LESSON
@click.option("--quick", is_flag=True, help="Leave nbgrader's own autograde out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def parity(
    target: str | None, lesson: str | None, *, quick: bool, as_json: bool
) -> None:
    """Hold the grader against the lessons' own answers, and against nbgrader.

    TARGET is a classroom or the id of a lesson; without it, all lessons. The
    solutions must get full marks in the sandbox, and every honest submission
    (solutions, right and wrong answers, skeletons) the points that `nbgrader
    autograde` gives. Exits with 1 on a difference.
    """
    from autograder import parity as comparing

    found = comparing.compare(target, lesson=lesson, quick=quick, quiet=as_json)
    if as_json:
        click.echo(json.dumps([it.to_json() for it in found], indent=2))
    else:
        comparing.show(found, quick=quick)
    sys.exit(any(it.differences for it in found))


@main.command()
@click.argument("folder", type=FOLDER, required=False)
@click.option("--size", default=20, show_default=True, help="Number of submissions.")
@click.option("--seed", default=0, show_default=True, help="Chooses the answers.")
@click.option(
    "--lesson", "lessons", multiple=True, help="Only this lesson; repeatable."
)
def demo(folder: Path | None, size: int, seed: int, lessons: tuple[str, ...]) -> None:
    """Make a class of submissions in FOLDER, grade it, and check the grades.

    Exits with 1 if a submission did not get what it was made to get.
    """
    from autograder.demo import run_demo

    sys.exit(run_demo(folder, size=size, seed=seed, lessons=lessons or None))


if __name__ == "__main__":
    main()
