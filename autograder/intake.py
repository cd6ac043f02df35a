"""What students handed in, found without trusting a name or following a link.

    submitted/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb

Folders are opened one inside of the other and never followed through a link, so that
no name leads out of `submitted/`, not even one that changes while we look.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder import notebooks, places
from autograder.notebooks import Rejected

_STUDENT = re.compile(r"[\w@+][\w.@+-]{0,127}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_TIMESTAMP = 200  # bytes of timestamp.txt


@dataclass(frozen=True)
class Found:
    """One submission's place; `problem` says why there is nothing to read in it."""

    student: str
    assignment: str
    problem: str = ""


@dataclass(frozen=True)
class Strange:
    """A name below `submitted/` that is no student's: not looked into."""

    name: str
    reason: str


def find(folder: Path, assignments: Iterable[str]) -> tuple[list[Found], list[Strange]]:
    """Return what lies below `submitted/`, sorted, and what is out of order there.

    Args:
        folder: the classroom.
        assignments: those to look for.
    """
    found: list[Found] = []
    strange: list[Strange] = []
    if not (folder / "submitted").is_dir():
        return found, strange
    with _opened("submitted", folder) as top:
        for student in sorted(_names(top)):
            reason = _refused(student, top)
            if reason is None:
                found += _of_student(top, student, assignments)
            elif reason:
                strange.append(Strange(student, reason))
    return found, strange


def read(folder: Path, student: str, assignment: str) -> tuple[bytes, str]:
    """Return a submission's bytes, and what its `timestamp.txt` says.

    Raises:
        Rejected: there is no notebook, or none that is read; the message says why.
    """
    inner, notebook = places.parts(assignment)
    name = f"{notebook}.ipynb"
    try:
        with (
            _opened("submitted", folder) as top,
            _opened(student, top) as middle,
            _opened(inner, middle) as place,
        ):
            names = _names(place)
            if name not in names:
                raise Rejected(_missing(name, names))
            data = notebooks.contents(Path(name), dir_fd=place)
            return data, _timestamp(place) if "timestamp.txt" in names else ""
    except OSError as error:
        reason = error.strerror
        raise Rejected(f"the folder cannot be opened ({reason}): a link?") from None


def _of_student(top: int, student: str, assignments: Iterable[str]) -> Iterator[Found]:
    try:
        with _opened(student, top) as middle:
            names = set(_names(middle))
            for assignment in sorted(assignments):
                inner, _ = places.parts(assignment)
                if inner not in names:
                    continue
                problem = _refused_folder(inner, middle)
                if problem or _holds_something(inner, middle):
                    yield Found(student, assignment, problem)
    except OSError as error:
        shown = error.strerror
        for assignment in sorted(assignments):
            yield Found(student, assignment, f"the folder cannot be opened: {shown}")


def _refused(student: str, top: int) -> str | None:
    """Return why a name is no student's; empty: of no interest; None: it is one."""
    if student.startswith("."):
        return ""
    if not _STUDENT.fullmatch(student):
        return (
            "a student's id has letters, digits, `.`, `_`, `@`, `+` and `-`: rename it"
        )
    status = os.stat(student, dir_fd=top, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return "it is a symbolic link: put the folder itself there"
    return None if stat.S_ISDIR(status.st_mode) else ""


def _refused_folder(name: str, parent: int) -> str:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return "the folder is a symbolic link: hand in the folder itself"
    return "" if stat.S_ISDIR(status.st_mode) else "it is a file, not a folder"


def _holds_something(name: str, parent: int) -> bool:
    with _opened(name, parent) as place:
        return bool(_names(place))


def _missing(name: str, names: list[str]) -> str:
    others = sorted(it for it in names if it.endswith(".ipynb"))
    if others:
        shown = ascii(others[0][:80])
        return f"there is no {name}, but {shown}: rename it if it is the one"
    return f"there is no {name}: ask for it"


def _timestamp(place: int) -> str:
    """Return when nbgrader collected it; the file may be anything, and is only read."""
    with contextlib.suppress(Rejected):
        data = notebooks.contents(Path("timestamp.txt"), dir_fd=place)
        if len(data) <= MAX_TIMESTAMP:
            return data.decode("utf-8", "replace").strip()
    return ""


def _names(place: int) -> list[str]:
    return os.listdir(place)


@contextlib.contextmanager
def _opened(name: str, parent: int | Path) -> Iterator[int]:
    """Open a folder, but no link to one, inside of another."""
    if isinstance(parent, Path):  # the instructor's own: it may be a link
        number = os.open(parent / name, _FOLDER & ~os.O_NOFOLLOW)
    else:
        number = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield number
    finally:
        os.close(number)
