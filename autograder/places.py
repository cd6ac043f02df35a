"""Where a notebook of an assignment lies, and by what name it goes.

In our classrooms an assignment has one notebook of its own name: `a1_model`. In other
nbgrader courses it may have several: `ps1/problem1` is problem1.ipynb of ps1.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

FILES = "crossroads_files"  # the grade_id of the cell that `with_files` puts first


def parts(name: str) -> tuple[str, str]:
    """Return the assignment's folder, and its notebook without `.ipynb`.

    >>> parts("a1_model"), parts("ps1/problem1")
    (('a1_model', 'a1_model'), ('ps1', 'problem1'))
    """
    folder, _, notebook = name.partition("/")
    return folder, notebook or folder


def name_of(folder: str, notebook: str) -> str:
    """Return the name by which a notebook of an assignment goes.

    >>> name_of("a1_model", "a1_model"), name_of("ps1", "problem1")
    ('a1_model', 'ps1/problem1')
    """
    return folder if notebook == folder else f"{folder}/{notebook}"


def short(name: str) -> str:
    """Return what people call it in a table: `a1`, or `ps1/problem1`."""
    return name if "/" in name else name.split("_", maxsplit=1)[0]


def is_meant(name: str, asked: str) -> bool:
    """Return whether a person means this notebook: `a1`, its name, its assignment.

    >>> is_meant("a1_model", "a1"), is_meant("ps1/problem1", "ps1")
    (True, True)
    """
    return asked in (name, parts(name)[0], name.split("_", maxsplit=1)[0])


def notebook_in(step: Path, name: str) -> Path:
    """Return the notebook's path below a folder of nbgrader's steps.

    >>> notebook_in(Path("source"), "ps1/problem1").as_posix()
    'source/ps1/problem1.ipynb'
    """
    folder, notebook = parts(name)
    return step / folder / f"{notebook}.ipynb"


def beside(folder: Path) -> Iterator[Path]:
    """Give what an assignment hands out beside its notebooks: data, modules."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix != ".ipynb" and not path.name.startswith("."):
            yield path


def with_files(source: bytes, folder: Path, seen: str) -> bytes:
    """Return the notebook with a first cell that lays these files beside it.

    Args:
        source: the instructor's notebook.
        folder: what is handed out; nothing beside the notebook: it stays as it is.
        seen: where the folder lies for the student's process; read-only in a sandbox.
    """
    files = list(beside(folder))
    if not files:
        return source
    lines = [
        "import os, sys",
        f"for _name in {[it.name for it in files]!r}:",
        f"    os.symlink(os.path.join({seen!r}, _name), _name)",
        "sys.path.insert(0, os.getcwd())",
        *(
            f"# {it.name}: {stamp}"
            for it, stamp in zip(files, _stamps(files), strict=True)
        ),
    ]
    content = json.loads(source)
    flags = {"grade_id": FILES, "grade": False, "solution": False, "locked": True}
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": FILES.replace("_", "-"),
        "metadata": {"nbgrader": {**flags, "schema_version": 3, "task": False}},
        "source": "\n".join(lines),
        "outputs": [],
        "execution_count": None,
    }
    return json.dumps({**content, "cells": [cell, *content["cells"]]}).encode()


def _stamps(files: list[Path]) -> Iterator[str]:
    """Give a mark of each file's content: another one is graded anew."""
    for path in files:
        inner = sorted(it for it in path.rglob("*") if it.is_file())
        digest = hashlib.sha256()
        for it in inner or [path]:
            digest.update(it.name.encode() + b"\0")
            digest.update(it.read_bytes() if it.is_file() else b"")
        yield digest.hexdigest()[:16]
