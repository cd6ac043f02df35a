"""What can go wrong between a check and the student's code, as exceptions.

An exception of the student's arrives as an instance of a class made here, with the
student's name for it, under the builtin or the instructor's class that it claims. It
never is a `CheckFailed`, a `StopIteration` or a time-out: what a student raises must
not end a check as if the check had ended itself.
"""

import builtins
import sys
from collections.abc import Sequence
from typing import Any

from autograder import wire_format as wf
from course import timelimit
from course.errors import CheckFailed

MAX_CLASSES = 1000


class Abort(BaseException):
    """The conversation is over: no `except Exception` of a check swallows this."""


class Violation(Abort):
    """The student's process sent what nobody asked for, or what is no message."""


class Died(Abort):
    """The student's process ended."""


class Hung(Abort):
    """The student's process did not answer in time, not even to its alarm."""


class GraderLimit(Abort):
    """The check needs what this grader cannot do: not the student's fault."""


class NotPlain(CheckFailed):
    """An object was given where the reference gives plain data."""


class StudentError(Exception):
    """Base of every exception that came from the student's code."""

    number = 0
    student_text = student_traceback = student_line = ""

    def __str__(self) -> str:
        return self.student_text


class Exceptions:
    """Makes exception classes of the student's names, under trusted bases."""

    def __init__(self, trusted: dict[str, Any]) -> None:
        """Take the instructor's own names, in which exceptions may be defined."""
        self.trusted = trusted
        self._made: dict[object, type[StudentError]] = {}

    def of(self, mro: Sequence[Sequence[Any]]) -> type[StudentError]:
        """Return the class for [[module, name, number], ...], most derived first."""
        if not mro:
            return StudentError
        module, name, number = mro[0]
        trusted = self._known(module, name)
        key: object = number if trusted is None else trusted
        if key not in self._made:
            if len(self._made) >= MAX_CLASSES:
                self._made.clear()  # the student's code makes new ones without an end
            bases = (self.of(mro[1:]),) if trusted is None else (StudentError, trusted)
            name = name if name.isidentifier() else "Error"
            try:
                made = type(name, bases, {"number": number})
            except TypeError:  # bases whose memory layouts do not go together
                made = type(name, (StudentError,), {"number": number})
            self._made[key] = made
        return self._made[key]

    def _known(self, module: str, name: str) -> type[Exception] | None:
        """Return the trusted class of that name, if it may be claimed."""
        if module == "builtins":
            found: object = getattr(builtins, name, None)
        elif module == "__main__":
            found = dict.get(self.trusted, name)
            if found is getattr(builtins, name, None):  # a class that has its name
                return None
        elif module.partition(".")[0] in ("autograder", "sys") or module in _OURS:
            return None
        else:  # what is there: `getattr` would let a module import more
            found = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        if not (isinstance(found, type) and issubclass(found, Exception)):
            return None
        if issubclass(found, (*_NEVER, StudentError)) or found is Exception:
            return None
        return found


_OURS = ("course.feedback", "course.timelimit")
_NEVER = (CheckFailed, StopIteration, StopAsyncIteration, timelimit.TimeIsOver)


def rebuild(what: Any) -> StudentError:
    """Return the exception that a reply describes.

    Raises:
        WireError: the description has another form.
    """
    kind = what["kind"] if type(what) is dict and "kind" in what else None
    texts = [what.get(it) for it in ("text", "traceback", "line")] if kind else []
    if not (isinstance(kind, type) and issubclass(kind, StudentError)):
        raise wf.WireError("an exception of another form")
    fields, arguments = what.get("fields"), what.get("args")
    ok = all(type(it) is str for it in texts) and type(arguments) is list
    if not ok or type(fields) is not dict:
        raise wf.WireError("an exception of another form")
    if not all(type(it) in wf.PLAIN for it in (*arguments, *fields.values())):
        raise wf.WireError("an exception that holds more than plain data")
    error = _blank(kind)
    error.args = tuple(arguments)
    plain = {k: v for k, v in fields.items() if type(k) is str and k.isidentifier()}
    vars(error).update({k: v for k, v in plain.items() if k not in _RESERVED})
    text, trace, line = (str(it) for it in texts)
    error.student_text, error.student_traceback, error.student_line = text, trace, line
    return error


_RESERVED = {"number", "is_late", "student_text", "student_traceback", "student_line"}


def _blank(kind: type[StudentError]) -> StudentError:
    """Return an exception of this class without calling its __init__.

    `kind.__new__` may be a built-in's own that does not fit the class (MemoryError), or
    need arguments (ExceptionGroup).
    """
    for new in (kind.__new__, BaseException.__new__):
        try:
            found: StudentError = new(kind)
        except TypeError:
            continue
        return found
    return StudentError()
