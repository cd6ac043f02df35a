"""What a check lends to the student's code: functions, iterators, objects of its own.

The student's process gets a number and a list of public names, never the thing itself;
each use comes back as a question and is answered here. Nothing outlives its check.
"""

import functools
import sys
import types
from typing import Any

from autograder import wire_changes
from autograder import wire_format as wf
from autograder.student_errors import Abort
from course import timelimit

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
)
_EXPOSED = ("__main__", "course", "sklearn", "scipy", "collections", "torch", "re")
_LENT_OPERATORS = frozenset(
    [
        "__len__",
        "__getitem__",
        "__iter__",
        "__contains__",
        "__call__",
        "__add__",
        "__radd__",
        "__sub__",
        "__rsub__",
        "__mul__",
        "__rmul__",
        "__truediv__",
        "__rtruediv__",
        "__pow__",
        "__neg__",
        "__abs__",
        "__matmul__",
        "__rmatmul__",
        "__eq__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__bool__",
        "__float__",
        "__int__",
        "__index__",
        "__str__",
        "__repr__",
        "__enter__",
        "__exit__",
        "__next__",
    ]
)


class Lender:
    """What one check has lent, and the exceptions that it raised there."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lent: dict[int, Any] = {}
        self.raised: dict[int, Exception] = {}
        self._numbers: dict[int, int] = {}

    def lend(self, value: Any) -> list[object]:
        """Return [number, kind, name, public names] of a thing that is lent.

        Raises:
            WireError: it cannot be lent.
        """
        kind, label, names = _lendable(value)
        number = self._numbers.setdefault(id(value), len(self._numbers) + 1)
        self.lent[number] = value
        return [number, kind, label, names]

    def label(self, message: list[Any]) -> str:
        """Return the name of what a question is asked of."""
        number = message[1] if len(message) > 1 else None
        if type(number) is not int or number not in self.lent:
            return "nothing"
        return _lendable(self.lent[number])[1]

    def answer(self, message: list[Any], refs: wf.References) -> list[Any]:
        """Return the answer to a question of the student's code.

        Raises:
            WireError: it is no question.
        """
        try:
            value, changes = self._perform(refs, *message)
        except (Abort, timelimit.TimeIsOver, wf.WireError):
            raise
        except Exception as error:  # noqa: BLE001 - what the check's function raises
            token = len(self.raised) + 1
            self.raised[token] = error
            mro = [[it.__module__, it.__name__] for it in type(error).__mro__[:12]]
            if isinstance(error, AssertionError):  # its words may say what is wanted
                return ["raise", mro, [], "", token]
            plain = [it for it in error.args if type(it) in wf.PLAIN]
            return ["raise", mro, plain, str(error)[:2000], token]
        return ["answer", value, changes]

    def _perform(
        self, refs: wf.References, kind: Any, number: Any, *rest: Any
    ) -> tuple[object, list[Any]]:
        if type(number) is not int or number not in self.lent:
            raise wf.WireError("a function that no check lent")
        target = self.lent[number]
        if kind == "call":
            arguments, named, mutable = rest
            if type(arguments) is not list or type(named) is not dict:
                raise wf.WireError("a call of another form")
            watch = wire_changes.Watch([*arguments, *named.values()], refs, mutable)
            found = watch.linked(target(*arguments, **named))
            return found, watch.changes()
        if kind == "next":
            return [it for it in [next(target, self)] if it is not self], []
        name = rest[0] if rest else None
        if name not in _lent_names(target):
            raise AttributeError(f"no attribute {name!r}")
        if kind == "attr" and not name.startswith("_"):
            return getattr(target, name), []
        if kind == "method" and name in _LENT_OPERATORS:
            return getattr(target, name)(*rest[1]), []
        raise wf.WireError("a question of another form")


def library_name(value: Any) -> list[str] | None:
    """Return [module, name] of a library's function or class: the other side has it."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if isinstance(value, type(sys)) or not (type(name) is str and name):
        return None
    if type(value).__name__ == "ufunc":
        module = "numpy"
    if type(module) is not str or module in ("__main__", "course.feedback"):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return [module, name] if found is value else None


def _lendable(value: Any) -> tuple[str, str, list[str]]:
    """Return how an object of the check's is lent: (kind, name, public names).

    Raises:
        WireError: it cannot be lent.
    """
    if isinstance(value, _FUNCTIONS):
        return "f", str(getattr(value, "__name__", "function"))[:80], []
    if hasattr(type(value), "__next__"):
        return "i", "iterator", []
    kind = type(value)
    if isinstance(value, type):
        return "f", value.__name__, []
    if kind.__module__.partition(".")[0] in _EXPOSED:
        return "o", kind.__name__, sorted(_lent_names(value))
    if callable(value):
        return "f", kind.__name__, []
    raise wf.WireError(f"a check cannot pass an object of type {kind.__name__}")


def _lent_names(value: Any) -> set[str]:
    if isinstance(value, _FUNCTIONS) or hasattr(type(value), "__next__"):
        return set()
    public = {it for it in dir(value) if not it.startswith("_")}
    defined = {it for base in type(value).__mro__[:-1] for it in vars(base)}
    return public | (defined & _LENT_OPERATORS)
