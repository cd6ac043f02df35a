"""What nbgrader's formgrader shows of a submission: the notebook below `autograded/`.

The order and the text of the student's own cells are theirs; checks, locked cells,
points and flags are the instructor's. It is shown in the instructor's browser, beside
their Jupyter, and formgrader takes nothing out: so outputs are kept as plain text
alone, and markup in the student's Markdown shows as text.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from autograder import notebooks, pages, places
from autograder.journal import Row
from autograder.notebooks import NotebookCell, Rejected
from autograder.verdicts import ExerciseVerdict, SubmissionVerdict

MAX_OUTPUT = 20_000  # characters of one output
Cell = dict[str, Any]
_LINK = re.compile(r"\]([(:\[])")


def keep(folder: Path, row: Row, source: bytes, data: bytes, timestamp: str) -> Path:
    """Write the notebook that formgrader shows; return its path.

    Args:
        folder: the classroom.
        row: with a verdict.
        source: the instructor's notebook.
        data: what was handed in; empty: nothing that can be read.
        timestamp: when it was handed in; nbgrader compares it with the gradebook's.
    """
    inner, name = places.parts(row.assignment)
    place = folder / "autograded" / row.student / inner
    if row.verdict is None:
        raise ValueError(f"{row.student} has no verdict on {row.assignment}")
    text = json.dumps(notebook(source, data, row.verdict)) + "\n"
    path = pages.write(place / f"{name}.ipynb", text)
    if timestamp:
        pages.write(place / "timestamp.txt", timestamp)
    return path


def notebook(source: bytes, data: bytes, verdict: SubmissionVerdict) -> Cell:
    """Return the submission as a notebook (nbformat 4.5) with what the grader found."""
    asked = _asked(source)
    try:
        given: tuple[NotebookCell, ...] = notebooks.read(data).cells if data else ()
    except Rejected:
        given = ()
    cells = list(_merged(asked, given))
    runs = {it.id: it for it in verdict.cells}
    checks = {it.grade_id: it for it in verdict.exercises}
    made = [_told(verdict)] if verdict.reason or verdict.notes else []
    for number, (step, cell) in enumerate(cells, 1):
        run = runs.get(step)
        if cell["cell_type"] == "code":
            cell["outputs"] = [*_outputs(run.outputs if run else ())]
            cell["outputs"] += _of_check(checks.get(step))
            cell["execution_count"] = None
        made.append({**cell, "id": f"cell-{number}"})
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": spec},
        "cells": made,
    }


@functools.lru_cache(8)
def _asked(source: bytes) -> Mapping[str, Cell]:
    """Return the instructor's cells that nbgrader knows, in order, by their id."""
    found: dict[str, Cell] = {}
    for it in json.loads(source)["cells"]:
        flags = it.get("metadata", {}).get("nbgrader")
        name = flags.get("grade_id") if isinstance(flags, dict) else None
        if isinstance(name, str) and name != places.FILES:
            text = it.get("source", "")
            found[name] = {
                "cell_type": it["cell_type"],
                "metadata": {"nbgrader": {**flags, "cell_type": it["cell_type"]}},
                "source": text if isinstance(text, str) else "".join(text),
            }
    return MappingProxyType(found)


def _merged(
    asked: Mapping[str, Cell], given: Iterable[NotebookCell]
) -> Iterator[tuple[str, Cell]]:
    """Give (the step's id, cell): the student's in their order, what lacks after."""
    left = dict(asked)
    for number, it in enumerate(given, 1):
        cell = left.pop(it.grade_id or "", None)
        if cell is not None:
            yield str(it.grade_id), _answered(cell, it.source)
            continue
        kind = "code" if it.is_code else "markdown"
        text = it.source if it.is_code else _harmless(it.source)
        plain = {"cell_type": kind, "metadata": {}, "source": text}
        yield f"extra-{number}", plain
    for name, cell in left.items():
        yield name, _answered(cell, "")


def _answered(cell: Cell, text: str) -> Cell:
    """Return the instructor's cell, with the student's text if it is theirs to write."""
    flags = cell["metadata"]["nbgrader"]
    if not (flags.get("solution") or flags.get("task")):
        return dict(cell)
    shown = text if cell["cell_type"] == "code" else _harmless(text)
    return {**cell, "source": shown}


def _harmless(text: str) -> str:
    """Return Markdown in which markup and links show as text."""
    return _LINK.sub(r"] \1", text.replace("<", "&lt;"))


def _outputs(outputs: Iterable[Mapping[str, Any]]) -> Iterator[Cell]:
    for it in outputs:
        kind, data = it.get("output_type"), it.get("data")
        if kind == "error":
            yield _error(str(it.get("ename")), it.get("evalue"), it.get("traceback"))
            continue
        text = it.get("text") if kind == "stream" else None
        if isinstance(data, Mapping):
            text = data.get("text/plain")
        if isinstance(text, str) and text:
            yield _stream(text)


def _of_check(verdict: ExerciseVerdict | None) -> list[Cell]:
    """Return what a check said, as the outputs of its cell."""
    if verdict is None:
        return []
    found = [_stream(verdict.stdout)] if verdict.stdout else []
    where = " (shared mode)" if verdict.shared else ""
    if verdict.message or verdict.traceback:
        found.append(
            _error(f"{verdict.status}{where}", verdict.message, [verdict.traceback])
        )
    else:
        found.append(_stream(f"{verdict.status}{where}\n"))
    return found


def _told(verdict: SubmissionVerdict) -> Cell:
    lines = [f"The grader: {verdict.status}. {verdict.reason}", *verdict.notes]
    text = "\n\n".join(_harmless(pages.plain(it)) for it in lines)
    return {"cell_type": "markdown", "id": "the-grader", "metadata": {}, "source": text}


def _stream(text: str) -> Cell:
    shown = pages.plain(text, MAX_OUTPUT)
    return {"output_type": "stream", "name": "stdout", "text": shown}


def _error(name: str, value: object, traceback: object) -> Cell:
    lines = traceback if isinstance(traceback, list | tuple) else []
    shown = [pages.plain(it, MAX_OUTPUT) for it in lines if it]
    text = pages.plain(value or "", MAX_OUTPUT)
    return {
        "output_type": "error",
        "ename": pages.plain(name, 200),
        "evalue": text,
        "traceback": shown or [text],
    }
