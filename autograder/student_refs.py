"""Objects that are not plain data, as the student's process sees and sends them."""

import builtins
import importlib
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
from msgpack import ExtType

from autograder import wire_format as wf
from autograder.wire_changes import Argument

MAX_TEXT = 6000
MAX_BASES = 12
TOKEN = "__crossroads_token__"  # noqa: S105 - marks an exception of the check's own
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
Ask = Callable[..., Any]


class StudentReferences:
    """The handles that the referee holds, and the functions that it lent."""

    def __init__(self, names: dict[str, Any], ask: Ask) -> None:
        """Take the student's names, and the way to call the referee back."""
        self.names, self.ask = names, ask
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.libraries: set[str] = set()
        self.records: set[tuple[str, str]] = set()
        self.table: list[Any] = []  # what a lent function was called with
        self.check = 0  # which check lent a function: it must not outlive it
        self.lent: dict[int, tuple[object, int]] = {}  # id -> function, its number
        self._last = 0

    def begin(self, libraries: list[str], records: list[str], *, fresh: bool) -> None:
        """Note what the referee can rebuild; at a fresh check all lent before is void."""
        self.libraries = set(libraries)
        pairs = (it.partition(":") for it in records)
        self.records = {(module, name) for module, _, name in pairs}
        if fresh:
            self.check += 1
            self.lent.clear()

    def drop(self, numbers: list[int]) -> None:
        """Forget handles that the referee holds no longer."""
        for number in numbers:
            self.numbers.pop(id(self.objects.pop(number, None)), None)

    def number(self, value: object) -> int:
        """Return the handle's number of an object: the same while it is held."""
        found = self.numbers.get(id(value))
        if found is None:
            self._last += 1
            found = self._last
            self.objects[found] = value
            self.numbers[id(value)] = found
        return found

    def knows(self, library: str) -> bool:
        """Whether the referee can rebuild this library's values."""
        return library in self.libraries

    def is_record(self, kind: type) -> bool:
        """Whether the referee knows this dataclass."""
        return (kind.__module__, kind.__name__) in self.records

    def record_class(self, module: str, name: str) -> type | None:
        """Return the dataclass or namedtuple of this name."""
        if module == "__main__":
            found = self.names.get(name)
        else:
            found = getattr(importlib.import_module(module), name, None)
        return found if isinstance(found, type) else None

    def encode(self, value: Any) -> ExtType:
        """Return the handle of an object."""
        if type(value) is Argument:
            return ExtType(wf.ARGUMENT, _pack(value.index))
        if id(value) in self.lent:
            return ExtType(wf.CALLBACK, _pack(self.lent[id(value)][1]))
        kind = _kind(value)
        shape = value if kind in "cx" else type(value)
        bases = [
            [_text(it.__module__), _text(it.__name__), self.number(it)]
            if kind == "x"
            else _text(it.__name__)
            for it in shape.__mro__[:MAX_BASES]
            if it is not object
        ]
        name = _text(getattr(value, "__name__", "")) if kind in "cxf" else ""
        return ExtType(wf.HANDLE, _pack([self.number(value), kind, name, bases]))

    def decode(self, code: int, payload: Any) -> object:
        """Return the object of a handle, a function of the check's, a library's."""
        if code == wf.HANDLE:
            return self.objects[payload]
        if code == wf.NAME:
            found: Any = importlib.import_module(payload[0])
            for part in payload[1].split("."):
                found = getattr(found, part)
            return found
        if code == wf.CALLBACK:
            return _lent(self, *payload)
        if code == wf.ARGUMENT:
            return self.table[payload]
        raise wf.WireError("an unknown reference")

    def exception(
        self, mro: list[list[str]], arguments: list[Any], text: str, token: int
    ) -> BaseException:
        """Return the exception that a function of the check's raised."""
        kind = next(filter(None, (self._exception_class(*it) for it in mro)), None)
        if kind is None:
            kind, arguments = RuntimeError, [text]
        try:
            error = kind.__new__(kind, *arguments)
            error.args = tuple(arguments)
        except TypeError:
            error = RuntimeError(text)
        setattr(error, TOKEN, token)
        return error

    def _exception_class(self, module: str, name: str) -> type[BaseException] | None:
        found: Any = None
        if module == "__main__":
            found = self.names.get(name)
        elif module == "builtins":
            found = getattr(builtins, name, None)
        else:
            found = getattr(sys.modules.get(module), name, None)
        is_one = isinstance(found, type) and issubclass(found, BaseException)
        return found if is_one else None


def raised(
    error: BaseException, trace: types.TracebackType | None
) -> dict[str, object]:
    """Return what the referee is told of an exception."""
    try:
        text = str(error)[:2000]
    except BaseException:  # noqa: BLE001 - a student's __str__
        text = "(its text could not be made)"
    own = trace
    while own is not None and not own.tb_frame.f_code.co_filename.startswith("<cell "):
        own = own.tb_next
    line, story = "", ""
    try:
        frames = traceback.extract_tb(own)
        mine = [it for it in frames if it.filename.startswith("<cell ")]
        line = (mine[-1].line or "")[:500] if mine else ""
        lines = traceback.format_exception(type(error), error, own, limit=-12)
        story = "".join(lines)[-MAX_TEXT:]
    except BaseException:  # noqa: BLE001 - hostile __str__, __cause__, source ...
        story = f"{type(error).__name__}"
    scalars = [it for it in vars(error).items() if type(it[1]) in wf.PLAIN][:20]
    return {
        "kind": type(error),
        "args": [it for it in error.args[:8] if type(it) in wf.PLAIN],
        "text": text,
        "fields": {key: it for key, it in scalars if not key.startswith("_")},
        "traceback": story,
        "line": line,
        "token": getattr(error, TOKEN, None),
    }


def _kind(value: object) -> str:
    if isinstance(value, type):
        return "x" if issubclass(value, BaseException) else "c"
    if isinstance(value, _FUNCTIONS):
        return "f"
    if hasattr(type(value), "__next__"):
        return "i"
    return "k" if callable(value) else "o"


def _text(value: object) -> str:
    return str(value)[:80]


def _pack(value: object) -> bytes:
    return msgpack.packb(value, unicode_errors="surrogatepass")


# ---------------------------------------------------------------- lent by a check


def _lent(
    refs: StudentReferences, number: int, kind: str, name: str, names: list[str]
) -> object:
    """Return what stands for a function, an iterator or an object of the check's."""
    check = refs.check

    def ask(*message: Any) -> Any:
        if refs.check != check:
            raise RuntimeError(f"{name} belonged to a check that is over")
        return refs.ask(*message)

    if kind == "i":
        return _iterate(ask, number)
    found: object
    if kind == "f":
        found = _function(ask, number, name)
    else:
        found = _remote_class(name, tuple(names))(number, ask)
    refs.lent[id(found)] = (found, number)
    return found


def _function(ask: Ask, number: int, name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        return ask("call", number, list(args), kwargs)

    function.__name__ = function.__qualname__ = name
    return function


def _iterate(ask: Ask, number: int) -> Iterator[Any]:
    while True:
        found = ask("next", number)
        if not found:
            return
        yield found[0]


def _remote_class(name: str, names: tuple[str, ...]) -> type:
    """Return a class whose instances stand for an object of the check's.

    `names` are the public attributes and the operators that it may use of it.
    """

    def init(self: Any, number: int, ask: Ask) -> None:
        vars(self).update(_number=number, _ask=ask)

    def attribute_of(self: Any, attribute: str) -> Any:
        if attribute.startswith("_") or attribute not in names:
            raise AttributeError(f"{name!r} object has no attribute {attribute!r}")
        return self._ask("attr", self._number, attribute)

    def operation(dunder: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any) -> Any:
            return self._ask("method", self._number, dunder, list(args))

        return method

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", self._number, list(args), kwargs)

    body: dict[str, Any] = {it: operation(it) for it in names if it.startswith("__")}
    body |= {
        "__init__": init,
        "__getattr__": attribute_of,
    }
    if "__call__" in names:
        body["__call__"] = call
    if "__eq__" in body:
        body["__hash__"] = object.__hash__
    return type(name if name.isidentifier() else "Function", (), body)
