"""The text of a lesson: its cells with their keys, and the marked regions in them.

`course.lesson` gives them meaning. Nothing here runs the lesson's code.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course.errors import LessonError

if TYPE_CHECKING:  # nbformat takes seconds to import, and graders start often
    from nbformat import NotebookNode

TRACKS = ("shared", "ai_track", "ml_track")
BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
CODE_STUB = "# YOUR CODE HERE"
SKIP_TAG = "skip-execution"  # nbclient, and so nbgrader, skips cells with this tag
MAX_COLUMNS = 80

ROLES = ("exercise", "check", "hint", "right", "wrong")
_KEYS = {
    "exercise": {"exercise", "points", "minutes", "difficulty", "prediction"},
    "check": {"check"},
    "hint": {"hint"},
    "right": {"right"},
    "wrong": {"wrong", "says"},
}
_TITLES = ("setup", "demo")
_JUPYTEXT_KEYS = {"lines_to_next_cell", "cell_marker"}
_MARKER = re.compile(r"^# ?%%")


def solved(source: str) -> str:
    """Return the solution as a learner would write it.

    Without the markers, and without the skeleton's placeholder: what follows a region
    inside a function, up to the end of the block in which the region stands.
    """
    kept: list[str] = []
    dropping: int | None = None  # the indentation of the region that ended
    for line in source.split("\n"):
        indent = len(line) - len(line.lstrip())
        if BEGIN_SOLUTION in line:
            dropping = None
        elif END_SOLUTION in line:
            dropping = indent or None
        elif dropping is None or (line.strip() and indent < dropping):
            dropping = None
            kept.append(line)
    return "\n".join(kept)


def cut_region(source: str, begin: str, end: str, stub: str | None) -> str:
    """Return the source with each region between the markers replaced by `stub`.

    The same as nbgrader's ClearSolutions and ClearHiddenTests do.
    """
    kept, inside = [], False
    for line in source.split("\n"):
        if begin in line:
            inside = True
            if stub is not None:
                kept.append(line[: len(line) - len(line.lstrip())] + stub)
        elif end in line:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


@dataclass(frozen=True)
class RawCell:
    """A cell with its keys; `name` is the exercise that it belongs to."""

    is_code: bool
    source: str
    line: int
    role: str
    name: str
    keys: dict[str, object]


def raw_cells(notebook: "NotebookNode", text: str, path: Path) -> Iterator[RawCell]:
    """Yield the cells in order, with the line on which each begins.

    Raises:
        LessonError: text outside of a cell, or keys that are not of the format.
    """
    lines = [n for n, ln in enumerate(text.split("\n"), 1) if _MARKER.match(ln)]
    if len(lines) != len(notebook.cells):
        line = lines[0] if lines else 1
        rule = "text stands outside of a cell"
        raise LessonError(path, line, rule, "Begin every cell with a `# %%` line")
    for line, cell in zip(lines, notebook.cells, strict=True):
        yield _raw_cell(cell, line, path)


def _raw_cell(cell: "NotebookNode", line: int, path: Path) -> RawCell:
    keys = {k: v for k, v in cell.metadata.items() if k not in _JUPYTEXT_KEYS}
    if "incorrectly_encoded_metadata" in keys:
        rule = f"the keys cannot be read: {keys['incorrectly_encoded_metadata']}"
        remedy = 'Write key="text" or key=2; [markdown] comes before the keys'
        raise LessonError(path, line, rule, remedy)
    title = keys.pop("title", None)
    if title is not None and title not in _TITLES:
        rule = f"{title!r} is not a kind of cell"
        raise LessonError(path, line, rule, "Write `setup` or `demo`, or nothing")
    roles = [role for role in ROLES if role in keys]
    is_code = cell.cell_type == "code"
    if not roles:
        if keys:
            raise _unknown_key(path, line, next(iter(keys)), set(ROLES))
        role = title or ("code" if is_code else "markdown")
        return RawCell(is_code, cell.source, line, role, "", {})
    role = roles[0]
    unknown = [key for key in keys if key not in _KEYS[role]]
    if unknown:
        raise _unknown_key(path, line, unknown[0], _KEYS[role])
    name = str(keys[role])
    if is_code is (role == "hint"):
        kind = "a markdown cell" if role == "hint" else "a code cell"
        raise LessonError(path, line, f"{role} {name!r} must be {kind}", "Change it")
    return RawCell(is_code, cell.source, line, role, name, keys)


def _unknown_key(path: Path, line: int, key: str, known: set[str]) -> LessonError:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    guess = f"Did you mean {close[0]!r}?" if close else f"Known: {sorted(known)}"
    return LessonError(path, line, f"{key!r} is not a key of such a cell", guess)


def read_header(notebook: "NotebookNode", path: Path) -> dict[str, Any]:
    """Return the lesson's header: id, track, title and what else it says.

    Raises:
        LessonError: a part is missing or wrong.
    """
    header = dict(notebook.metadata.get("crossroads", {}))
    for key in ("id", "track", "title"):
        if not isinstance(header.get(key), str):
            rule = f"the header has no {key!r}"
            remedy = "Put it under `jupyter: crossroads:` between the two `# ---` lines"
            raise LessonError(path, 1, rule, remedy)
    if header["track"] not in TRACKS:
        rule = f"track {header['track']!r} is not one of {TRACKS}"
        raise LessonError(path, 1, rule, "Name one of them")
    if path.stem.split("_")[0] != header["id"]:
        rule = f"the file's name does not begin with the lesson's id {header['id']!r}"
        raise LessonError(path, 1, rule, f"Call it {header['id']}_….py")
    return header
