"""The same grader as a Gradescope autograder: `results.json`, entry point, zip.

    /autograder/submission/…            what was handed in; untrusted
    /autograder/source/<name>.ipynb     the instructor's notebook; from the zip
    /autograder/results/results.json    what this writes

Students may hand in again and again there, and their code sees hidden inputs, so that
outputs follow the rule of `messages.Detail.LITERAL`: only sentences without values.
Gradescope has no "not graded": when the grader itself fails, nothing is written and the
exit code is 1, so that Gradescope shows the failure instead of a score.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autograder import notebooks
from autograder.messages import Detail, shown
from autograder.outline import Outline
from autograder.verdicts import (
    ExerciseVerdict,
    Status,
    SubmissionStatus,
    SubmissionVerdict,
)
from course.errors import CrossroadsError

if TYPE_CHECKING:
    from autograder.judging import Assignment

Judge = Callable[[bytes], SubmissionVerdict]
SUBMISSION = Path("/autograder/submission")
RESULTS = Path("/autograder/results/results.json")
SOURCE = Path("/autograder/source")
VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
_TEMPLATES = Path(__file__).parent / "templates"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip's bytes depend on its files alone
_SAID = {
    Status.PASSED: "Right.",
    Status.PARTIAL: "Partly right.",
    Status.FAILED: "Not right yet.",
    Status.TIMED_OUT: "Your code did not end in time. It cost this exercise only.",
    Status.CRASHED: "The process that ran your code ended: os._exit, a crash, or too "
    "much memory. It cost this exercise only.",
    Status.VIOLATION: "Your code sent the grader what it had not asked for.",
    Status.NOT_GRADED: "Not graded: there is no verdict. Your instructor can see why.",
    Status.MANUAL: "A person grades this.",
}
_HIDDEN = (
    "A test in the hidden part of the check failed: it tries other inputs, shapes and "
    "edge cases than the part that you can run."
)
_VISIBLE = "Run the check in your own notebook to see all that it says."


def results(
    verdict: SubmissionVerdict, outline: Outline, visibility: str = "visible"
) -> dict[str, object]:
    """Return the content of `results.json`.

    Args:
        verdict: what the grader said.
        outline: the assignment's.
        visibility: when students see it; one of `VISIBILITIES`.

    Raises:
        CrossroadsError: the grader failed, so that there is no score to give.
    """
    if visibility not in VISIBILITIES:
        raise CrossroadsError(
            f"{visibility!r} is no visibility of Gradescope's: {', '.join(VISIBILITIES)}"
        )
    if verdict.status is SubmissionStatus.ERROR:
        raise CrossroadsError(
            f"nothing was judged, so there is no score: {verdict.reason}"
        )
    tests = [
        _test(number, it, outline) for number, it in enumerate(verdict.exercises, 1)
    ]
    return {
        "score": verdict.points or 0.0,
        "execution_time": round(verdict.seconds, 3),
        "output": _headline(verdict),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": {
            "status": str(verdict.status),
            "not_graded": [
                it.grade_id for it in verdict.exercises if not it.status.is_judged
            ],
        },
        "tests": tests,
    }


def find(folder: Path, name: str) -> bytes:
    """Return the bytes of the notebook that was handed in.

    Args:
        folder: untrusted; links in it are not followed.
        name: the assignment's; another name will do if there is one notebook alone.

    Raises:
        Rejected: there is none, or several, or it is no ordinary file.
    """
    names = sorted(it.name for it in folder.iterdir() if it.suffix == ".ipynb")
    wanted = f"{name}.ipynb"
    if wanted not in names and len(names) != 1:
        found = f"there are {len(names)} notebooks" if names else "there is no notebook"
        raise notebooks.Rejected(f"{found}: hand in {wanted}")
    return notebooks.contents(folder / (wanted if wanted in names else names[0]))


def run(
    folder: Path,
    to: Path,
    assignment: "Assignment",
    judge: Judge,
    *,
    outline: Outline,
    visibility: str = "visible",
) -> dict[str, object]:
    """Grade what lies in the folder and write `results.json`; return its content.

    Args:
        folder: what was handed in.
        to: the file to write; an old one is removed first.
        assignment: what is asked for.
        judge: gives the verdict on a notebook's bytes.
        outline: the assignment's exercises.
        visibility: when students see it.

    Raises:
        CrossroadsError: the grader failed; nothing was written.
    """
    from autograder import judging, pages
    from autograder.verdicts import rejected

    to.unlink(missing_ok=True)
    try:
        data = find(folder, assignment.name)
    except notebooks.Rejected as error:
        verdict = rejected(judging.due_of(assignment), str(error))
    else:
        verdict = judge(data)
    found = results(verdict, outline, visibility)
    pages.write(to, json.dumps(found, indent=2, allow_nan=False) + "\n")
    return found


def package(source: bytes, name: str, wheel: Path, to: Path) -> Path:
    """Write the zip that an instructor uploads to Gradescope; return its path.

    Args:
        source: the instructor's notebook, with solutions and hidden tests.
        name: the assignment's.
        wheel: this project, as `pip wheel --no-deps .` makes it.
        to: the zip.

    Raises:
        CrossroadsError: a name that a shell would not take as it is, or no wheel.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise CrossroadsError(
            f"the assignment's name {name!r} must be letters and digits"
        )
    if wheel.suffix != ".whl" or not wheel.is_file():
        raise CrossroadsError(
            f"{wheel} is no wheel: make one with `pip wheel --no-deps .`"
        )
    setup = (_TEMPLATES / "gradescope_setup.sh").read_text(encoding="utf-8")
    start = (_TEMPLATES / "gradescope_run.sh").read_text(encoding="utf-8")
    files = {
        "setup.sh": (setup.replace("@WHEEL@", wheel.name).encode(), 0o755),
        "run_autograder": (start.replace("@NAME@", name).encode(), 0o755),
        f"{name}.ipynb": (source, 0o600),
        wheel.name: (wheel.read_bytes(), 0o644),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (data, mode) in files.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    part = to.with_name(f"{to.name}.part")
    part.write_bytes(out.getvalue())
    part.replace(to)
    return to


@click.command(name="gradescope")
@click.option("--submission", type=click.Path(path_type=Path), default=SUBMISSION)
@click.option("--results", "to", type=click.Path(path_type=Path), default=RESULTS)
@click.option("--source", type=click.Path(path_type=Path), default=SOURCE)
@click.option("--lesson", required=True, help="The assignment: SOURCE/LESSON.ipynb.")
@click.option("--visibility", type=click.Choice(VISIBILITIES), default="visible")
def main(
    submission: Path, to: Path, source: Path, lesson: str, visibility: str
) -> None:
    """Grade one submission as a Gradescope container does; write results.json."""
    try:
        found = _graded(submission, to, source / f"{lesson}.ipynb", visibility)
    except (CrossroadsError, OSError) as error:
        click.echo(f"Error: not graded, and no score was written: {error}", err=True)
        sys.exit(1)
    click.echo(f"{to}: {found['score']}")


def _graded(
    submission: Path, to: Path, source: Path, visibility: str
) -> dict[str, object]:
    """Grade with the sandbox of this machine."""
    from autograder import judging, kinds, outline
    from autograder import submission as reader
    from autograder.probe import probe
    from course import lesson as library

    to.unlink(missing_ok=True)
    mode = probe().require()
    (assignment,) = kinds.assignments({source.stem: source.read_bytes()}, mode)
    try:
        shape = outline.of_lesson(library.load(source.stem))
    except CrossroadsError:  # a foreign assignment
        reference = reader.reference(json.loads(assignment.source), source.stem)
        shape = outline.of_reference(reference)
    with judging.started("autograder.kinds:start", [assignment]) as judges:
        judges.prepare(assignment.name)
        return run(
            submission,
            to,
            assignment,
            lambda data: judges.judge(assignment.name, data),
            outline=shape,
            visibility=visibility,
        )


def _test(number: int, verdict: ExerciseVerdict, outline: Outline) -> dict[str, object]:
    item = outline.item(verdict.grade_id)
    found: dict[str, object] = {
        "name": item.key,
        "number": str(number),
        "max_score": verdict.max_points,
        "output": _output(verdict, outline),
        "tags": [str(verdict.status)],
        "visibility": "visible",
    }
    if verdict.points is not None:
        is_full = verdict.points >= verdict.max_points
        found |= {"score": verdict.points, "status": "passed" if is_full else "failed"}
    return found


def _output(verdict: ExerciseVerdict, outline: Outline) -> str:
    from autograder.pages import plain

    item = outline.item(verdict.grade_id)
    said = shown(verdict, item, Detail.LITERAL)
    lines = [_SAID[verdict.status]]
    if said.is_hidden:
        lines.append(_HIDDEN)
    elif said.is_cut:
        lines.append(_VISIBLE)
    if said.text:
        lines.append(f"The check says: {said.text}")
    if said.mistake:
        lines.append(f"It looks like a known mistake: {said.mistake}.")
    if verdict.status is Status.FAILED and item.hint and not item.is_prediction:
        lines.append(f'For a hint, run hint("{item.key}") in your notebook.')
    return plain("\n".join(lines))


def _headline(verdict: SubmissionVerdict) -> str:
    from autograder.pages import plain

    if verdict.status is SubmissionStatus.REJECTED:
        return plain(
            f"Your file could not be graded: {verdict.reason}. Mend it and hand it in "
            "again. Gradescope shows 0 points, since it has no word for “not graded”."
        )
    missing = sum(it.status is Status.NOT_GRADED for it in verdict.exercises)
    if missing:
        return (
            f"{missing} of {len(verdict.exercises)} exercises could not be graded: they "
            "have no verdict, and the score is not final. Tell your instructor."
        )
    return "Every exercise has a verdict."


if __name__ == "__main__":
    main()
