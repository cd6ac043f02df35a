"""`course`: start, check, hint, progress, report, fetch, doctor, serve, build, classroom.

A command parses, calls and prints; heavy modules are imported inside of it.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from course import __version__
from course.errors import CrossroadsError


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
@click.version_option(__version__, prog_name="course")
def main() -> None:
    """Taste two jobs before choosing: AI engineer and machine-learning engineer."""


@main.command()
@click.argument("lesson", required=False)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("work"),
    show_default=True,
    help="Your own copies of the notebooks; never overwritten.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, open nothing.")
def start(lesson: str | None, folder: Path, no_browser: bool) -> None:
    """Open JupyterLab on LESSON (a1, m3, ...), or on the next one to do."""
    from course import workspace

    path = workspace.prepare(folder, lesson)
    sys.exit(workspace.open_lab(folder, path, browser=not no_browser))


@main.command()
@click.argument("names", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Show what is there, and stop.")
@click.option("--from", "source", help="A local folder, or `hub`: not the packages.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def fetch(
    names: tuple[str, ...], only_list: bool, source: str | None, quiet: bool
) -> None:
    """Get and verify models and data (default: all that the lessons need)."""
    from course import assets

    if only_list:
        click.echo(assets.status_table())
        return
    assets.fetch(list(names) or None, progress=not quiet, source=source)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Look for what could stop the course on this machine; exit 1 if something does."""
    from course import doctor as doctors

    findings = doctors.diagnose()
    if as_json:
        click.echo(json.dumps([asdict(it) for it in findings], default=str))
    else:
        click.echo(doctors.table(findings))
    sys.exit(0 if all(it.ok for it in findings) else 1)


@main.command()
@click.argument("notebook", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(notebook: Path, as_json: bool) -> None:
    """Run all checks of your NOTEBOOK, hidden ones too; exit 1 if one complains.

    For your own work: it runs with your rights.
    """
    from course import checking

    results = checking.check_notebook(notebook)
    if as_json:
        click.echo(json.dumps([asdict(it) for it in results], ensure_ascii=False))
    else:
        click.echo(checking.table(results))
    sys.exit(not all(it.passed for it in results))


@main.command()
@click.argument("exercise")
@click.option("--rung", type=int, help="This hint (1-based), not the next.")
def hint(exercise: str, rung: int | None) -> None:
    """Show the next hint for EXERCISE, for instance a1.next_probs."""
    from course import hints

    hints.hint(exercise, rung)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it as a page to this file.",
)
@click.option("--forget", is_flag=True, help="Delete the log of what you did.")
@click.option("--yes", is_flag=True, help="With --forget: do not ask.")
def progress(as_json: bool, html: Path | None, forget: bool, yes: bool) -> None:
    """Show what you have done: exercises right, attempts, hints; both tracks."""
    from course import overview
    from course import progress as log

    if forget:
        if not yes:
            click.confirm(f"Delete {log.log_path()}?", abort=True)
        click.echo("The log is deleted." if log.forget() else "There is no log.")
    elif html:
        click.echo(_written(overview.write_page, html))
    elif as_json:
        click.echo(json.dumps(overview.rows()))
    else:
        click.echo(overview.table())


@main.command()
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("report"),
    show_default=True,
    help="A folder for the page and a copy of your log.",
)
def report(to: Path) -> None:
    """Write the page "Which path fits me?", made from your own log alone."""
    from course import report as reports

    click.echo(_written(reports.write, to))


@main.command()
@click.option("--model", help="An asset of `course fetch`, or a model's path.")
@click.option("--port", type=int, default=0, help="Default: a free one.")
@click.option("--engine", help="llamacpp (default) or transformers.")
@click.option("--background", is_flag=True, help="Leave it running and return.")
@click.option("--status", "ask", is_flag=True, help="Show the one that is running.")
@click.option("--stop", is_flag=True, help="Stop the one that is running.")
def serve(
    model: str | None,
    port: int,
    engine: str | None,
    background: bool,
    ask: bool,
    stop: bool,
) -> None:
    """Run an OpenAI-compatible model server on this machine, until Ctrl-C."""
    from course import serve as server

    found = server.stop() if stop else server.status()
    if stop or ask:
        text = "stopped: " if stop else ""
        click.echo(text + server.describe(found) if found else "no server is running")
        return
    info = server.start(model, port, engine)
    click.echo(server.describe(info))
    if found is None and not background:
        server.run_until_interrupted(info)


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if any differs.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("notebooks"),
    show_default=True,
)
def build(check: bool, out: Path) -> None:
    """Build the learners' notebooks from the lessons."""
    from course import build as builder

    paths = builder.check_all(out) if check else builder.build_all(out)
    for path in paths:
        click.echo(f"{'differs' if check else 'wrote'}: {path}")
    if check and paths:
        click.echo("Run `course build` and commit what it writes.", err=True)
        sys.exit(1)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--lesson", "lessons", multiple=True, help="Only this one; repeatable.")
@click.option("--seed", type=int, help="Of the hidden tests; default: drawn once.")
@click.option(
    "--students",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV with the columns id, first_name, last_name, email.",
)
def classroom(
    folder: Path, lessons: tuple[str, ...], seed: int | None, students: Path | None
) -> None:
    """Make an nbgrader course in FOLDER, outside of this repository."""
    from course import classroom as classrooms

    made = classrooms.make_classroom(
        folder, lessons=list(lessons) or None, hidden_seed=seed, students=students
    )
    click.echo(made.summary())


def _written(write: Callable[[Path], Path], place: Path) -> Path:
    """Return what was written there; a place that cannot be written is named."""
    try:
        return write(place)
    except OSError as error:
        raise CrossroadsError(
            f"{place} cannot be written ({error.strerror}); name another place"
        ) from None


if __name__ == "__main__":
    main()
