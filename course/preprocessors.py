"""What a classroom adds to nbgrader, so that its own `autograde` fails closed.

A classroom's `nbgrader_config.py` names these classes; each is one step over a notebook.
They mend what nbgrader does to submissions that were tampered with, by a learner or by
an editor that loses metadata:

| a submission with | nbgrader alone | here |
|---|---|---|
| the tag `skip-execution` on a check | not run: full marks | the tag is removed |
| a check cell whose `grade` flag is off | it is not graded | the flag is restored |
| a deleted check or setup cell | 0 points | it is put back |
| a duplicated or foreign cell | it is not graded | it counts as plain code |
| text on stderr in a right answer's check | 0 points | it does not matter |
| a check without a verdict | full marks | no score: to be graded by hand |
| feedback | shows the hidden tests | does not |

The learner's code still runs beside the checks, with the rights of whoever grades. Only
a sandbox mends that.
"""

import math
from typing import ClassVar

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader import utils
from nbgrader.api import Gradebook, Notebook, SourceCell
from nbgrader.preprocessors import NbGraderPreprocessor

from course.lesson_text import BEGIN_HIDDEN, END_HIDDEN, cut_region

Resources = dict[str, dict[str, str]]
Step = tuple[NotebookNode, Resources]
RESTORED = "# The submission lacked this cell; grading put it back.\n"


class RestoreCells(NbGraderPreprocessor):
    """Makes every cell that nbgrader knows by its id what the assignment says it is."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> Step:
        """Return the notebook with checks, flags and points of the assignment."""
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            source = gradebook.find_notebook(names["notebook"], names["assignment"])
            kinds = _Kinds(source)
            known = {cell.name: cell for cell in source.source_cells}
            found = _find(nb, known)
            for name, cell in found.items():
                self._restore(cell, known[name], kinds)
            for cell in nb.cells:
                if not any(cell is it for it in found.values()):
                    cell.metadata.pop("nbgrader", None)
            self._add_missing(nb, known, kinds)
        return nb, resources

    def _restore(self, cell: NotebookNode, source: SourceCell, kinds: "_Kinds") -> None:
        if cell.cell_type != source.cell_type:
            _change_type(cell, source.cell_type)
        if source.locked:
            cell.source = source.source
        cell.metadata.pop("tags", None)
        cell.metadata["nbgrader"] = kinds.metadata(source)

    def _add_missing(
        self, nb: NotebookNode, known: dict[str, SourceCell], kinds: "_Kinds"
    ) -> None:
        at = -1
        for name, source in known.items():
            found = [n for n, cell in enumerate(nb.cells) if _grade_id(cell) == name]
            if found:
                at = found[0]
            elif name not in kinds.solutions or name in kinds.points:
                self.log.warning("cell %s was missing; it is put back", name)
                is_code = source.cell_type == "code"
                new = new_code_cell if is_code else new_markdown_cell
                at += 1
                nb.cells.insert(at, new(source.source))
                nb.cells[at].metadata["nbgrader"] = kinds.metadata(source)
                if is_code and not source.locked:
                    nb.cells[at].source = RESTORED + source.source


class ForgiveWarnings(NbGraderPreprocessor):
    """Drops what checks wrote to stderr: nbgrader takes it for a failed test."""

    def preprocess_cell(self, cell: NotebookNode, resources: Resources, _: int) -> Step:
        """Return the cell without stderr, if it is a check."""
        if utils.is_grade(cell) and cell.cell_type == "code":
            cell.outputs = [it for it in cell.outputs if it.get("name") != "stderr"]
        return cell, resources


class WithholdScores(NbGraderPreprocessor):
    """Takes back the score of each check that has no verdict."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> Step:
        """Return the notebook; such checks wait for a grade by hand."""
        names = resources["nbgrader"]
        missing = [_grade_id(cell) for cell in nb.cells if not has_verdict(cell)]
        if not missing:
            return nb, resources
        with Gradebook(names["db_url"]) as gradebook:
            for name in missing:
                self.log.warning("check %s has no verdict, and so no score", name)
                grade = gradebook.find_grade(
                    name, names["notebook"], names["assignment"], names["student"]
                )
                grade.auto_score, grade.needs_manual_grade = None, True
            gradebook.db.commit()
        return nb, resources


class HideHiddenTests(NbGraderPreprocessor):
    """Takes the hidden tests out of the feedback that learners read."""

    def preprocess_cell(self, cell: NotebookNode, resources: Resources, _: int) -> Step:
        """Return the cell without the hidden part and without lines quoted from it."""
        if utils.is_grade(cell) and utils.is_locked(cell) and cell.cell_type == "code":
            cell.source = cut_region(cell.source, BEGIN_HIDDEN, END_HIDDEN, None)
            for output in cell.outputs:
                if output.output_type == "error" and output.ename != "CheckFailed":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


def has_verdict(cell: NotebookNode) -> bool:
    """Return whether an executed cell is no check, or one that said something.

    A check that was never run says nothing, and neither does a partial grade of `nan`.
    """
    if not utils.is_grade(cell) or utils.is_solution(cell) or cell.cell_type != "code":
        return True
    if cell.get("execution_count") is None:
        return False
    results = [it for it in cell.outputs if it.output_type == "execute_result"]
    return not any(_is_nan(it.get("data", {}).get("text/plain", "")) for it in results)


class _Kinds:
    """What the assignment says of its cells."""

    _FLAGS: ClassVar[dict[str, object]] = {"schema_version": 3}

    def __init__(self, notebook: Notebook) -> None:
        self.solutions = {cell.name for cell in notebook.solution_cells}
        self.tasks = {cell.name for cell in notebook.task_cells}
        graded = [*notebook.grade_cells, *notebook.task_cells]
        self.points = {cell.name: float(cell.max_score) for cell in graded}

    def metadata(self, source: SourceCell) -> NotebookNode:
        flags = {
            "grade_id": source.name,
            "grade": source.name in self.points and source.name not in self.tasks,
            "solution": source.name in self.solutions,
            "task": source.name in self.tasks,
            "locked": bool(source.locked),
            "cell_type": source.cell_type,
            "checksum": source.checksum,
        }
        if source.name in self.points:
            flags["points"] = self.points[source.name]
        return NotebookNode(self._FLAGS | flags)


def _find(nb: NotebookNode, known: dict[str, SourceCell]) -> dict[str, NotebookNode]:
    """Return the cells by their id; of two with one id the last, as nbgrader does."""
    named = ((_grade_id(cell), cell) for cell in nb.cells)
    return {name: cell for name, cell in named if name is not None and name in known}


def _grade_id(cell: NotebookNode) -> str | None:
    metadata = cell.metadata.get("nbgrader")
    name = metadata.get("grade_id") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None


def _change_type(cell: NotebookNode, cell_type: str) -> None:
    cell.cell_type = cell_type
    if cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _is_nan(text: object) -> bool:
    try:
        return math.isnan(float("".join(text) if isinstance(text, list) else str(text)))
    except ValueError:
        return False
