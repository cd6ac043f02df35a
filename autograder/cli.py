"""`autograder`: grade, feedback, export, demo.

A command parses, calls and prints; heavy modules are imported inside of it.
"""

import json
import sys
from pathlib import Path

import click

from course import __version__
from course.errors import CrossroadsError

FOLDER = click.Path(path_type=Path, file_okay=False)


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
    """Grade the submissions of a classroom that `course classroom` made."""


@main.command()
@click.argument("classroom", type=FOLDER)
@click.option("--lesson", help="Only this lesson: a1, or its whole name.")
@click.option("--student", help="Only this student.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def grade(
    classroom: Path, lesson: str | None, student: str | None, as_json: bool
) -> None:
    """Grade what was handed in; exit with 1 if something could not be graded.

    Runs the students' code on this machine, with your rights.
    """
    from autograder import gradebook, tables
    from course.classroom import open_classroom

    room = open_classroom(classroom)
    name = tables.assignment(room, lesson)
    with tables.progress(quiet=as_json) as bar:
        bar.total(len(gradebook.submissions(room, assignment=name, student=student)))
        results = gradebook.grade(
            room, assignment=name, student=student, done=bar.advance
        )
    if as_json:
        click.echo(json.dumps(gradebook.as_json(results), indent=2, ensure_ascii=False))
    else:
        tables.show(results)
    sys.exit(any(it.status == gradebook.FAILED for it in results))


@main.command()
@click.argument("classroom", type=FOLDER)
def feedback(classroom: Path) -> None:
    """Write a feedback page for each graded submission."""
    from autograder import gradebook
    from course.classroom import open_classroom

    pages = gradebook.feedback(open_classroom(classroom))
    click.echo(f"{len(pages)} pages below {classroom / 'feedback'}")


@main.command()
@click.argument("classroom", type=FOLDER)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file  [default: grades.csv in the classroom]",
)
def export(classroom: Path, to: Path | None) -> None:
    """Write the grades as CSV; who was not graded has no score."""
    from autograder import gradebook
    from course.classroom import open_classroom

    room = open_classroom(classroom)
    path = to or room.folder / "grades.csv"
    click.echo(f"{gradebook.export(room, path)} lines in {path}")


@main.command()
@click.argument("folder", type=FOLDER, required=False)
@click.option("--size", default=16, show_default=True, help="Number of submissions.")
@click.option("--seed", default=0, show_default=True, help="Chooses the answers.")
@click.option(
    "--lesson", "lessons", multiple=True, help="Only this lesson; repeatable."
)
def demo(folder: Path | None, size: int, seed: int, lessons: tuple[str, ...]) -> None:
    """Make a class of submissions in FOLDER, grade it, and check the grades.

    Exits with 1 if a submission did not get what it was made to get.
    """
    from autograder.demo import run

    sys.exit(run(folder, size=size, seed=seed, lessons=lessons or None))


if __name__ == "__main__":
    main()
