"""An untrusted notebook file, read as data, within limits."""

import errno
import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.errors import CrossroadsError
from course.lesson_text import SKIP_TAG

MAX_FILE = 20 << 20  # bytes
MAX_CELL = 1 << 20  # characters
MAX_CELLS = 2000
MAX_VALUES = 1_500_000  # commas and brackets in the file: what JSON takes in memory


class Rejected(CrossroadsError):
    """The file cannot be graded; the message says why and what to do."""


@dataclass(frozen=True)
class NotebookCell:
    """One cell of a submission; `grade_id` and `is_check` are its own claims."""

    is_code: bool
    source: str
    grade_id: str | None = None
    is_check: bool = False
    is_demo: bool = False
    id: str = ""


@dataclass(frozen=True)
class Notebook:
    """A submission's cells as data; `sha256` is of the file's bytes."""

    sha256: str
    cells: tuple[NotebookCell, ...] = field(repr=False)
    notes: tuple[str, ...] = ()


def read(source: Path | bytes) -> Notebook:
    """Return the notebook that an untrusted file holds.

    Raises:
        Rejected: a link, a FIFO, huge, empty, not JSON, not a notebook, ...; the
            message says what and what to do.
    """
    data = source if isinstance(source, bytes) else contents(source)
    if len(data) > MAX_FILE:
        raise Rejected(f"the file has more than {MAX_FILE >> 20} MB: clear its outputs")
    if not data.strip():
        raise Rejected("the file is empty: save the notebook and hand it in again")
    content = _parsed(data)
    notes: list[str] = []
    cells = _cells(content, notes)
    if len(cells) > MAX_CELLS:
        raise Rejected(f"the notebook has {len(cells)} cells, more than {MAX_CELLS}")
    found = tuple(_cell(it, number) for number, it in enumerate(cells, 1))
    return Notebook(hashlib.sha256(data).hexdigest(), found, tuple(notes))


def contents(path: Path, *, dir_fd: int | None = None) -> bytes:
    """Return a file's bytes, without following links or waiting.

    Args:
        path: the file.
        dir_fd: the open folder that `path` is in; None: the working folder.

    Raises:
        Rejected: a link, a FIFO, a file of two names, more than `MAX_FILE` bytes, ...
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        number = os.open(path, flags, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Rejected("it is a symbolic link: hand in the file itself") from None
        raise Rejected(f"it cannot be opened: {error.strerror}") from None
    try:
        _regular(os.fstat(number))
        with os.fdopen(os.dup(number), "rb") as file:
            return file.read(MAX_FILE + 1)
    finally:
        os.close(number)


def _regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Rejected("it is not a regular file (a FIFO, a folder, a device)")
    if status.st_nlink > 1:
        raise Rejected("it is a hard link to another file: hand in a copy")
    if status.st_size > MAX_FILE:
        size, limit = status.st_size >> 20, MAX_FILE >> 20
        raise Rejected(
            f"the file has {size} MB, more than {limit} MB: clear its outputs"
        )


def _parsed(data: bytes) -> dict[str, Any]:
    values = sum(data.count(it) for it in (b",", b"[", b"{"))
    if values > MAX_VALUES:
        raise Rejected(f"the file holds {values} values, more than {MAX_VALUES}")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Rejected("the file is not text in UTF-8: save it from Jupyter") from None
    except RecursionError:
        raise Rejected("its JSON is nested too deep: it is no notebook") from None
    except ValueError as error:
        text = str(error).splitlines()[0][:200]
        raise Rejected(f"the file is not JSON ({text}): save it from Jupyter") from None
    if not isinstance(content, dict):
        raise Rejected("the file is JSON, but no notebook")
    return content


def _cells(content: dict[str, Any], notes: list[str]) -> list[Any]:
    version = content.get("nbformat")
    cells = content.get("cells")
    if version == 3 and type(version) is int:
        notes.append("an old notebook (nbformat 3): read as it is")
        sheets = content.get("worksheets")
        found = [it.get("cells") for it in _dicts(sheets)]
        cells = [it for one in found if isinstance(one, list) for it in one]
    elif version != 4 or type(version) is not int:
        shown = repr(version)[:40]
        raise Rejected(f"nbformat is {shown}; it must be 4: save it from Jupyter")
    if not isinstance(cells, list):
        raise Rejected("the notebook has no list of cells")
    meta = content.get("metadata")
    if not isinstance(meta, dict):
        notes.append("the notebook has no metadata: not needed")
        meta = {}
    kernel = meta.get("kernelspec")
    name = kernel.get("name") if isinstance(kernel, dict) else None
    language = kernel.get("language") if isinstance(kernel, dict) else None
    if isinstance(kernel, dict) and "python" not in (language, str(name)[:6]):
        notes.append(f"the notebook names the kernel {str(name)[:40]!r}: not used")
    return cells


def _cell(cell: object, number: int) -> NotebookCell:
    if not isinstance(cell, dict):
        raise Rejected(f"cell {number} is not a cell")
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list) and all(isinstance(it, str) for it in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Rejected(f"the source of cell {number} is not text")
    if len(source) > MAX_CELL:
        raise Rejected(f"cell {number} has {len(source)} characters, over {MAX_CELL}")
    source = source.encode("utf-8", "replace").decode()  # lone surrogates
    meta = cell.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    nbgrader = meta.get("nbgrader")
    nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
    grade_id, tags, own = nbgrader.get("grade_id"), meta.get("tags"), cell.get("id")
    return NotebookCell(
        is_code=cell.get("cell_type") == "code",
        source=source,
        grade_id=grade_id[:200] if isinstance(grade_id, str) else None,
        is_check=nbgrader.get("grade") is True and nbgrader.get("solution") is not True,
        is_demo=isinstance(tags, list) and SKIP_TAG in tags,
        id=own[:64] if isinstance(own, str) else "",
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return (
        [it for it in value if isinstance(it, dict)] if isinstance(value, list) else []
    )
