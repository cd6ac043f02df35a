"""Lesson to notebook: text in, notebook out; the same bytes on every machine.

`source_notebook` is what an instructor's nbgrader gets (solutions and hidden tests
inside), `learner_notebook` what a learner opens: both are ordinary nbgrader
assignments, with cell metadata of its schema version 3.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import lesson as lessons
from course.lesson import Cell, Exercise, Lesson
from course.lesson_text import (
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    CODE_STUB,
    END_HIDDEN,
    END_SOLUTION,
    SKIP_TAG,
    TRACKS,
    cut_region,
)

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
GO_ON_TAG = "raises-exception"  # "Run All" goes on after a check that complains
_SEED = re.compile(r"^(\s*HIDDEN_SEED = )\d+", re.MULTILINE)


def source_notebook(lesson: Lesson, hidden_seed: int | None = None) -> NotebookNode:
    """Return the instructor's notebook, with solutions and hidden tests.

    Args:
        lesson: the lesson.
        hidden_seed: the class's own seed of the hidden tests' inputs; None keeps the
            lesson's.
    """
    return _notebook(lesson, lambda cell: _seeded(cell, hidden_seed))


def learner_notebook(lesson: Lesson) -> NotebookNode:
    """Return the learner's notebook: skeletons, no solution, no hidden test."""
    return _notebook(lesson, _cleared)


def to_text(notebook: NotebookNode) -> str:
    """Return the notebook's file content, which depends on the notebook alone."""
    return nbformat.writes(notebook, version=4) + "\n"


def build_all(out: Path) -> list[Path]:
    """Write every lesson's learner notebook below `out`; return those that changed.

    Notebooks without a lesson are removed: what a learner opens has a source.
    """
    wanted = _wanted(out)
    changed = []
    for path, text in wanted.items():
        if not path.exists() or path.read_bytes() != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            changed.append(path)
    for path in _strays(out, wanted):
        path.unlink()
        changed.append(path)
    return changed


def check_all(out: Path) -> list[Path]:
    """Return the notebooks below `out` whose bytes are not what the lessons give."""
    wanted = _wanted(out)
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_bytes() != text.encode()
    ]
    return stale + _strays(out, wanted)


def notebook_path(lesson: Lesson, out: Path) -> Path:
    """Return where the lesson's notebook lies below `out`."""
    return out / lesson.track / f"{lesson.name}.ipynb"


def _wanted(out: Path) -> dict[Path, str]:
    found = (lessons.read(path) for path in lessons.lesson_paths())
    return {notebook_path(it, out): to_text(learner_notebook(it)) for it in found}


def _strays(out: Path, wanted: dict[Path, str]) -> list[Path]:
    found = (path for track in TRACKS for path in (out / track).glob("*.ipynb"))
    return sorted(path for path in found if path not in wanted)


def _seeded(cell: Cell, hidden_seed: int | None) -> str:
    if cell.role != "check" or hidden_seed is None:
        return cell.source
    return _SEED.sub(rf"\g<1>{hidden_seed}", cell.source)


def _cleared(cell: Cell) -> str:
    if cell.role == "exercise":
        begin, end = BEGIN_SOLUTION, END_SOLUTION
        return cut_region(cell.source, begin, end, CODE_STUB)
    begin, end = BEGIN_HIDDEN, END_HIDDEN
    return cut_region(cell.source, begin, end, None).rstrip()


def _notebook(lesson: Lesson, text_of: Callable[[Cell], str]) -> NotebookNode:
    cells: list[NotebookNode] = []
    counts: Counter[str] = Counter()
    for cell in lesson.cells:
        if cell.role == "exercise":
            facts = _facts(lesson.by_id[str(cell.exercise)])
            cells.append(new_markdown_cell(facts))
        cells.append(_cell(lesson, cell, text_of(cell), counts))
    _give_ids(cells)
    notebook = new_notebook(cells=cells)
    notebook.metadata = NotebookNode(
        kernelspec=dict(KERNEL),
        language_info={"name": "python"},
        crossroads={"lesson": lesson.id, "track": lesson.track, "title": lesson.title},
    )
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def _cell(lesson: Lesson, cell: Cell, text: str, counts: Counter[str]) -> NotebookNode:
    if cell.role == "markdown":
        return new_markdown_cell(text.replace("{{exercises}}", _table(lesson)))
    node = new_code_cell(text)
    if cell.role == "demo":
        node.metadata["tags"] = [SKIP_TAG]
    elif cell.role == "setup":
        counts["setup"] += 1
        grade_id = f"{lesson.id}_setup_{counts['setup']}"
        node.metadata["nbgrader"] = _nbgrader(grade_id, locked=True)
    elif cell.role == "exercise":
        exercise = lesson.by_id[str(cell.exercise)]
        node.metadata["nbgrader"] = _nbgrader(exercise.grade_id, solution=True)
    elif cell.role == "check":
        exercise = lesson.by_id[str(cell.exercise)]
        meta = _nbgrader(exercise.check_id, grade=True, locked=True)
        points = exercise.points
        meta["points"] = int(points) if points == int(points) else points
        node.metadata["nbgrader"] = meta
        node.metadata["tags"] = [GO_ON_TAG]
    return node


def _nbgrader(
    grade_id: str, *, grade: bool = False, solution: bool = False, locked: bool = False
) -> dict[str, object]:
    return {
        "schema_version": 3,
        "grade_id": grade_id,
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "task": False,
        "cell_type": "code",
    }


def _facts(exercise: Exercise) -> str:
    filled = "●" * exercise.difficulty + "○" * (5 - exercise.difficulty)
    facts = (
        f"**`{exercise.key}`** · difficulty {filled} ({exercise.difficulty} of 5) · "
        f"about {_count(exercise.minutes, 'minute')} · {_count(exercise.points, 'point')}"
    )
    if exercise.is_prediction:
        return facts + "  \nAny honest guess gets the points: say how sure you are."
    return facts + f'  \nStuck? Run `hint("{exercise.key}")` in a new cell.'


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}" + ("" if number == 1 else "s")


def _table(lesson: Lesson) -> str:
    rows = [
        f"| `{it.id}` | {'●' * it.difficulty}{'○' * (5 - it.difficulty)} "
        f"| {it.minutes:g} | {it.points:g} |"
        for it in lesson.exercises
    ]
    head = ["| exercise | difficulty | minutes | points |", "|---|---|---|---|"]
    total = f"| **together** | | **{lesson.minutes:g}** | **{lesson.points:g}** |"
    return "\n".join([*head, *rows, total])


def _give_ids(cells: list[NotebookNode]) -> None:
    """Set each cell's id: its `grade_id`, else a hash of its content."""
    seen: Counter[str] = Counter()
    for cell in cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        digest = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()
        name = grade_id or digest[:12]
        seen[name] += 1
        cell["id"] = name if seen[name] == 1 else f"{name}-{seen[name]}"
