"""Runs all checks of a learner's own notebook, the hidden parts included.

For one's own work: the notebook runs with one's own rights, in a kernel of its own.
Somebody else's work belongs into the autograder.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course import build, settings
from course import lesson as lessons
from course.errors import CrossroadsError
from course.lesson import Lesson
from course.lesson_text import SKIP_TAG

CELL_LIMIT_S = 300  # of one cell; a whole lesson is made to need a fifth of it


@dataclass(frozen=True)
class Result:
    """What the check of one exercise said: `message` is empty when it passed."""

    key: str
    passed: bool
    message: str
    points: float
    max_points: float


def check_notebook(path: Path, limit_s: float = CELL_LIMIT_S) -> list[Result]:
    """Return what every check of the lesson says of this notebook.

    Cells run from top to bottom in a new kernel, demonstrations left out. Locked cells
    are the lesson's own, whatever the notebook holds; a check that is missing runs
    after the last cell. Nothing is written, neither to the file nor to the log.

    Args:
        path: a notebook that `course start` made.
        limit_s: wall seconds for one cell.

    Raises:
        CrossroadsError: no such file, no notebook, or of no lesson of the course.
    """
    notebook = _read(path)
    lesson = _lesson_of(path, notebook)
    restored = _restored(lesson, notebook)
    _run(restored, path.parent, limit_s)
    outcomes = {_grade_id(it): _outcome(it) for it in restored.cells if _grade_id(it)}
    return [
        Result(it.key, not said, said, it.points if not said else 0, it.points)
        for it in lesson.exercises
        for said in [outcomes[it.check_id]]
    ]


def table(results: list[Result]) -> str:
    """Return the results as text for a terminal, messages in full."""
    lines = []
    for it in results:
        said = f"✓ {it.key}: right." if it.passed else it.message
        lines.append(f"{said}  ({it.points:g} of {it.max_points:g})")
    got, most = sum(it.points for it in results), sum(it.max_points for it in results)
    lines.append(f"{got:g} of {most:g} points")
    first = next((it.key for it in results if not it.passed), "")
    return "\n".join(lines + ([f"A hint: course hint {first}"] if first else []))


def _read(path: Path) -> NotebookNode:
    if not path.is_file():
        raise CrossroadsError(f"there is no file {path}; name a notebook (.ipynb)")
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CrossroadsError(
            f"{path} is not a notebook that can be read ({error}); open it in "
            "JupyterLab and save it, or start anew from `course start`"
        ) from None


def _lesson_of(path: Path, notebook: NotebookNode) -> Lesson:
    """Return the lesson that the notebook says it is of, else that of its name."""
    said = notebook.metadata.get("crossroads", {}).get("lesson")
    return lessons.load(str(said or path.stem.split("_")[0]))


def _restored(lesson: Lesson, notebook: NotebookNode) -> NotebookNode:
    """Return the learner's cells with the lesson's own locked cells in their places."""
    whole = build.source_notebook(lesson)
    locked = {
        _grade_id(cell): cell
        for cell in whole.cells
        if cell.metadata.get("nbgrader", {}).get("locked")
    }
    cells = list(_merged(notebook, locked))
    there = {_grade_id(cell) for cell in cells}
    missing = [cell for name, cell in locked.items() if name not in there]
    setups = [cell for cell in missing if not cell.metadata["nbgrader"]["grade"]]
    checks = [cell for cell in missing if cell.metadata["nbgrader"]["grade"]]
    whole.cells = [*setups, *cells, *checks]
    return whole


def _merged(
    notebook: NotebookNode, locked: dict[str, NotebookNode]
) -> Iterator[NotebookNode]:
    seen = set()
    for cell in notebook.cells:
        name = _grade_id(cell)
        if name in locked:
            if name not in seen:
                yield locked[name]
            seen.add(name)
        elif cell.cell_type == "code" and SKIP_TAG not in _tags(cell):
            yield nbformat.v4.new_code_cell(cell.source)


def _run(notebook: NotebookNode, folder: Path, limit_s: float) -> None:
    """Execute in a kernel that logs nothing, in a folder that is thrown away."""
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    with tempfile.TemporaryDirectory() as scratch:
        client = NotebookClient(
            notebook,
            timeout=limit_s,
            allow_errors=True,
            interrupt_on_timeout=True,
            extra_arguments=["--log-level=ERROR"],  # its warnings are not the learner's
        )
        env = settings.for_child(CROSSROADS_GRADING="1", MPLBACKEND="agg")
        # A process that ends leaves the rest without a verdict: see _outcome.
        with contextlib.suppress(DeadKernelError):
            client.execute(cwd=str(folder), env=env | {"IPYTHONDIR": scratch})


def _outcome(cell: NotebookNode) -> str:
    """Return what went wrong in a cell; a check that did not run is not right."""
    if cell.cell_type != "code":
        return ""
    for output in cell.get("outputs", ()):
        if output.output_type == "error":
            if output.ename == "KeyboardInterrupt":
                return f"{_grade_id(cell)}: it did not end in time."
            return str(output.evalue)
    if cell.get("execution_count") is None:
        return f"{_grade_id(cell)}: the check did not run: the process ended before it."
    return ""


def _grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", ()))
