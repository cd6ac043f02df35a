"""What objects of the student's may do in a check's hands: what the reference's did.

An operator (`==`, `len`, ...) of an object is answered by the student's process, so that
an object may say that it equals everything. So each object is held to its *place*: the
way by which the check came by it, which the check chooses and not the student. It keeps
its operators only where the reference gave an object of such a class (found out when the
reference was judged); elsewhere it is refused, or can be compared with nothing.

| place | how the check came by it |
|---|---|
| `the name f` | it looked up a name |
| `f` | a call of that name's function gave it |
| `the attribute x`, `x()` | of any object; a call of what that gave |
| `operator add`, `an item` | an operator gave it, an iterator |
| `what f is given` | the student's code called a function of the check's with it |
| `f[]` | it came inside of what came there, or of an argument that was changed |
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.proxies import Channel, Proxy, disarm
from autograder.student_errors import NotPlain

CHANGES = "(changes an argument)"  # among what a callee gave; no class has that name
MAX_PLACE = 200  # characters: a function that returns itself has no end of places
_NAME, _ATTRIBUTE = "the name ", "the attribute "
_READ = frozenset({"__iter__", "__len__", "__getitem__", "__contains__"})
LIBRARY: Mapping[str, frozenset[str]] = {  # containers that only hold things
    **dict.fromkeys(("ModuleList", "ModuleDict", "Sequential", "Bunch"), _READ),
    "Match": frozenset({"__getitem__"}),
    "_GeneratorContextManager": frozenset({"__enter__", "__exit__"}),
    **dict.fromkeys(("dict_keys", "dict_values", "dict_items"), _READ),
}


@dataclass
class Policy:
    """What handles may do: by default what the reference's classes define.

    Attributes:
        operators: class name -> the special methods that the reference gives it.
        returns: place -> "plain" and the class names that came there when the reference
            was judged ("calibration"), and `CHANGES`; None while that is found out.
        seen: the same, of this run.
    """

    operators: Mapping[str, frozenset[str]]
    returns: Mapping[str, frozenset[str]] | None = None
    seen: dict[str, set[str]] = field(default_factory=dict)

    def allowed(self, classes: Sequence[str]) -> frozenset[str]:
        """Return the special methods that an object of these classes may answer."""
        found: frozenset[str] = frozenset()
        for name in classes:
            found |= self.operators.get(name, frozenset()) | LIBRARY.get(
                name, frozenset()
            )
        return found

    def may_change(self, callees: Iterable[str]) -> bool:
        """Whether the reference's function changed an argument in place, too."""
        if self.returns is None:
            for it in callees:
                self.seen.setdefault(it, set()).add(CHANGES)
            return True
        return all(CHANGES in self.returns.get(it, ()) for it in callees)

    def note(
        self,
        place: str,
        value: object,
        came: Iterable[Proxy],
        channel: Channel,
        *,
        is_strict: bool = False,
    ) -> None:
        """Hold what came to a place to what the reference gave there.

        Args:
            place: see the table above.
            value: what came.
            came: the proxies in it and in what it changed, itself included.
            channel: is told why an object is refused.
            is_strict: refuse an object where the reference gave plain data alone; else
                it only loses its operators.

        Raises:
            NotPlain: an object was refused.
        """
        if self.returns is None:
            self.seen.setdefault(place, set()).add(_names_of(value)[0])
        for it in came:
            inner = place if it is value else f"{place}[]"
            it.crossroads_.places.add(inner)
            names = _names_of(it)
            if self.returns is None:
                self.seen.setdefault(inner, set()).add(names[0])
            elif names[0] == "plain" or self.returns.get(inner, set()) & {*names}:
                continue
            elif is_strict and it is value and self._is_plain(place):
                raise _refused(place, names, channel)
            elif it.crossroads_.allowed:
                disarm(it)

    def _is_plain(self, place: str) -> bool:
        known = (self.returns or {}).get(place, frozenset())
        return known - {CHANGES} == {"plain"}


def callees(function: Proxy) -> tuple[str, ...]:
    """Return the places of what a function gives, the shortest first.

    The same function may have come to several places: what it gives must fit to all.
    """
    places = sorted(function.crossroads_.places, key=lambda it: (len(it), it))
    return tuple(map(_called, places)) or ("a function",)


def _called(place: str) -> str:
    for known in (_NAME, _ATTRIBUTE):
        if place.startswith(known):
            return place.removeprefix(known) + ("()" if known == _ATTRIBUTE else "")
    return place if len(place) > MAX_PLACE else f"{place}()"


def place_of(operation: str, arguments: Sequence[object]) -> str:
    """Return the place of an answer to a request; empty: it brings no object."""
    if operation == "get":
        return f"{_NAME}{arguments[0]}"
    if operation == "attr":
        return f"{_ATTRIBUTE}{arguments[1]}"
    if operation == "op":
        return f"operator {arguments[0]}"
    return {"iter": "an iterator", "next": "an item"}.get(operation, "")


def is_named(value: object) -> bool:
    """Whether it is a function or a class of the student's: not to be refused itself."""
    return isinstance(value, type) or (
        isinstance(value, Proxy) and value.crossroads_.kind in "fc"
    )


def _refused(place: str, names: Sequence[str], channel: Channel) -> NotPlain:
    own = next((it for it in names if it != "callable"), "object")
    channel.refused = (
        f"{place} gave an object of class {own}; it must give plain data: numbers, "
        "text, lists, arrays."
    )
    return NotPlain(channel.refused)


def _names_of(value: object) -> tuple[str, ...]:
    """Return what a result is called in a calibration, the likeliest first."""
    if not isinstance(value, Proxy):
        return ("plain",)
    facts = value.crossroads_
    if facts.kind == "i" and not facts.allowed:
        return ("plain",)
    if facts.kind in "oi":
        return facts.classes or ("object",)
    return ("callable", *facts.classes)
