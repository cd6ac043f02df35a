"""What checks hold in their hands instead of the student's objects.

A proxy answers a call and a public attribute by asking the student's process. It
answers an operator (`==`, `<`, `len`, `bool`, ...) only when the reference solution's
class of that name defines it: an object that equals everything gains nothing, for
nobody asks it. Exceptions arrive as classes made here, with the student's names.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from msgpack import ExtType

from autograder import signatures
from autograder.student_errors import Hung, NotPlain, StudentError, Violation
from course import timelimit


class Channel(Protocol):
    """What a proxy needs of the link to the student's process."""

    refused: str

    def request(self, operation: str, *arguments: object) -> Any:
        """Return the student's answer."""

    def call(
        self,
        target: "Proxy",
        arguments: Sequence[object],
        named: Mapping[str, object],
        seconds: float | None = None,
    ) -> Any:
        """Return what the student's function returns."""

    def release(self, number: int) -> None:
        """Note that a handle is held no longer."""


@dataclass(frozen=True)
class Facts:
    """What a proxy knows of its object; `classes` are the names of its bases."""

    channel: Channel
    number: int
    kind: str  # f function, c class, k callable, i iterator, o other
    name: str
    classes: tuple[str, ...]
    allowed: frozenset[str]
    reference: ExtType  # what stands for it on the wire
    places: set[str] = field(default_factory=set)  # where it came from, see `policy`


class Proxy:
    """Stands for an object in the student's process."""

    __slots__ = ("__weakref__", "crossroads_")
    crossroads_: Facts

    def __init__(self, facts: Facts) -> None:
        object.__setattr__(self, "crossroads_", facts)

    def __del__(self) -> None:
        facts = getattr(self, "crossroads_", None)
        if facts is not None:
            facts.channel.release(facts.number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            return _special(self, name)
        return self.crossroads_.channel.request("attr", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        self.crossroads_.channel.request("setattr", self, name, value)

    def __repr__(self) -> str:
        try:
            return str(self.crossroads_.channel.request("op", "repr", [self]))[:2000]
        except Exception:  # noqa: BLE001 - hostile __repr__: messages need a text
            return f"<{type(self).__name__} object>"

    def __str__(self) -> str:
        return str(self.crossroads_.channel.request("op", "str", [self]))

    def __hash__(self) -> int:
        if "__hash__" in self.crossroads_.allowed:
            found = self.crossroads_.channel.request("op", "hash", [self])
            return found if type(found) is int else 0
        return hash((_SALT, self.crossroads_.number))

    def __eq__(self, other: object) -> Any:
        if other is self:
            return True
        if "__eq__" in self.crossroads_.allowed:
            return self.crossroads_.channel.request("op", "eq", [self, other])
        if other is None or isinstance(other, Proxy):
            return False  # two objects without `==` of their own: identity
        raise _refuse(self, "==")

    def __ne__(self, other: object) -> Any:
        if "__ne__" in self.crossroads_.allowed:
            return self.crossroads_.channel.request("op", "ne", [self, other])
        equal = self.__eq__(other)
        return not equal if type(equal) is bool else equal

    def __bool__(self) -> bool:
        facts = self.crossroads_
        if facts.kind != "o" and not {"__bool__", "__len__"} & facts.allowed:
            return True
        if not {"__bool__", "__len__"} & facts.allowed:
            raise _refuse(self, "bool")
        return facts.channel.request("op", "bool", [self]) is True

    def __reduce_ex__(self, _: object) -> Any:
        raise _refuse(self, "copy")


_SALT = object()  # unequal to whatever the student's process sends


def _refuse(proxy: Proxy, what: str) -> NotPlain:
    facts = proxy.crossroads_
    facts.channel.refused = (
        f"your code gave an object of class {first(facts.classes)} where plain data "
        f"is needed: this exercise does not ask for {what} of it."
    )
    return NotPlain(facts.channel.refused)


def first(classes: Sequence[str]) -> str:
    """Return the name of an object's class."""
    return classes[0] if classes else "object"


def _special(proxy: Proxy, name: str) -> Any:
    facts = proxy.crossroads_
    if name in ("__name__", "__qualname__") and facts.kind in "fc":
        return facts.name
    if name == "__signature__" and facts.kind in "fck":
        return signatures.parse(facts.channel.request("signature", proxy))
    if name == "__call_within__" and facts.kind in "fck":
        return functools.partial(_call_within, proxy)
    raise AttributeError(f"{type(proxy).__name__!r} object has no attribute {name!r}")


def _call_within(proxy: Proxy, seconds: float, *arguments: object) -> Any:
    channel = proxy.crossroads_.channel
    try:
        return channel.call(proxy, arguments, {}, seconds)
    except Hung:
        raise timelimit.TimeIsOver from None
    except StudentError as error:
        if getattr(error, "is_late", False):
            raise timelimit.TimeIsOver from None
        raise


def make(facts: Facts) -> Proxy:
    """Return a proxy of the right class for a handle."""
    name = facts.name if facts.kind in "fc" else first(facts.classes)
    return _proxy_class(name, facts.kind, facts.allowed)(facts)


def disarm(proxy: Proxy) -> None:
    """Take its operators: it came where the reference gave no such object."""
    facts = replace(proxy.crossroads_, allowed=frozenset())
    name = facts.name if facts.kind in "fc" else first(facts.classes)
    object.__setattr__(proxy, "crossroads_", facts)
    bare = _proxy_class(name, facts.kind, facts.allowed)
    object.__setattr__(proxy, "__class__", bare)


@functools.lru_cache(maxsize=512)
def _proxy_class(name: str, kind: str, allowed: frozenset[str]) -> type[Proxy]:
    """Return a proxy class that has these special methods, and no others.

    So the language itself says "object of type 'Value' has no len()".
    """
    body: dict[str, Any] = {"__slots__": (), "__module__": "__main__"}
    for dunder in allowed:
        if dunder in _OPERATIONS:
            body[dunder] = _operator(dunder)
    if kind in "fck":
        body["__call__"] = _call
        body["__doc__"] = property(_doc)
    if kind == "c":
        body["__instancecheck__"] = _instancecheck
        name = "type"
    if kind == "f":
        name = "function"
    if kind == "i":
        body |= {"__iter__": lambda self: self, "__next__": _next}
    return type(name if name.isidentifier() else "object", (Proxy,), body)


def _call(self: Proxy, *arguments: Any, **named: Any) -> Any:
    return self.crossroads_.channel.call(self, arguments, named)


def _doc(self: Proxy) -> str | None:
    text = self.crossroads_.channel.request("attr", self, "__doc__")
    return text if isinstance(text, str) else None


def _instancecheck(self: Proxy, value: object) -> bool:
    plain = not isinstance(value, Proxy | tuple)
    return (
        not plain
        and self.crossroads_.channel.request("isinstance", value, self) is True
    )


def _next(self: Proxy) -> Any:
    found = self.crossroads_.channel.request("next", self)
    if type(found) is not list or len(found) > 1:
        raise Violation("a generator's item of another form")
    if not found:
        raise StopIteration
    return found[0]


def _operator(dunder: str) -> Callable[..., Any]:
    operation, is_reflected = _OPERATIONS[dunder]
    exact = {"__contains__": bool, "__bool__": bool, "__len__": int}.get(dunder)

    def method(self: Proxy, *others: Any) -> Any:
        operands = [*others, self] if is_reflected else [self, *others]
        if dunder == "__exit__":
            operands = [self]
        found = self.crossroads_.channel.request("op", operation, operands)
        if exact is not None and type(found) is not exact:
            raise _refuse(self, dunder)
        return found

    if dunder == "__iter__":
        return lambda self: self.crossroads_.channel.request("iter", self)
    return method


def _operations() -> dict[str, tuple[str, bool]]:
    found: dict[str, tuple[str, bool]] = {}
    for name in [
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "matmul",
        "lshift",
        "rshift",
        "divmod",
    ]:
        found[f"__{name}__"] = (name, False)
        found[f"__r{name}__"] = (name, True)
    for name in ("and", "or", "xor"):
        operation = name if name == "xor" else f"{name}_"
        found[f"__{name}__"] = (operation, False)
        found[f"__r{name}__"] = (operation, True)
    for name in [
        "iadd",
        "isub",
        "imul",
        "itruediv",
        "imatmul",
        "ifloordiv",
        "ior",
        "iand",
    ]:
        found[f"__{name}__"] = (name, False)
    names = (
        "neg pos abs invert lt le gt ge getitem setitem delitem contains len float int "
        "index complex round reversed enter exit iter format"
    )
    for name in names.split():
        found[f"__{name}__"] = (name, False)
    return found


_OPERATIONS = _operations()
