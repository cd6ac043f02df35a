"""Arguments that a call changes in place: found on one side, merged on the other.

Both sides list the mutable objects in a call's arguments in the same order, `walk`.
After the call the student's side sends the new content of those that changed, with
references (`Argument`) where one of them holds another, and the referee's side merges
it into its own objects: they keep their identity, and aliases stay aliases.
"""

import collections
import operator
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any

from autograder.wire_format import References, WireError

SCALARS = frozenset((int, float, str, bool, type(None), bytes, complex))
_MAPPINGS = (
    dict,
    collections.OrderedDict,
    collections.Counter,
    collections.defaultdict,
)
_LISTS = (list, collections.deque)
_CONTAINERS: dict[type, str] = {
    **dict.fromkeys(_MAPPINGS, "mapping"),
    **dict.fromkeys(_LISTS, "list"),
    set: "set",
}
IsRecord = Callable[[type], bool]


class Argument:
    """Stands for the i-th mutable object of the request that is being answered."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        """Name it by its place in `walk`'s list."""
        self.index = index


class Watch:
    """The mutable objects in a call's arguments, watched on the side that is called."""

    def __init__(self, values: Iterable[object], refs: References, count: int) -> None:
        """Look at the arguments before the call.

        Args:
            values: the arguments.
            refs: tells which dataclasses travel by value.
            count: how many mutable objects the caller found; when this side finds
                another number, nothing is merged.
        """
        table = walk(values, refs.is_record) if count else []
        self.table = table if len(table) == count else []
        self.before = [snapshot(it) for it in self.table]
        self.place = {id(it): i for i, it in enumerate(self.table)}

    def linked(self, value: Any) -> object:
        """Return a result with the arguments that it is, or holds, as `Argument`s."""
        return linked(value, self.place) if self.place else value

    def changes(self) -> list[list[object]]:
        """Return [index, content] of each argument that the call changed."""
        return [
            [i, content(it, self.place)]
            for i, (it, old) in enumerate(zip(self.table, self.before, strict=True))
            if has_changed(it, old)
        ]


def walk(values: Iterable[object], is_record: IsRecord) -> list[Any]:
    """Return the mutable objects in `values`, in order; nested duplicates as well."""
    found: list[Any] = []
    for value in values:
        if type(value) not in SCALARS:
            _visit(value, found, is_record)
    return found


def _visit(value: Any, found: list[Any], is_record: IsRecord) -> None:
    kind = type(value)
    if kind in _CONTAINERS:
        found.append(value)
        children: Iterable[Any] = value.values() if kind in _MAPPINGS else value
    elif isinstance(value, tuple):
        children = value
    elif is_record(kind):
        found.append(value)
        children = list(_fields(value).values())
    else:
        if _is_buffer(value):
            found.append(value)
        return
    for child in children:
        if type(child) not in SCALARS:
            _visit(child, found, is_record)


def snapshot(value: Any) -> Any:
    """Return what `has_changed` compares with later."""
    return _SNAPSHOTS[_kind(value)](value)


def has_changed(value: Any, before: Any) -> bool:
    """Whether the object's own content differs from its snapshot."""
    return bool(_CHANGES[_kind(value)](value, before))


def _kind(value: Any) -> str:
    kind = type(value)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind]
    if _is_array(value):
        return "numpy"
    if isinstance(value, random.Random):
        return "random"
    library = kind.__module__.partition(".")[0]
    if library == "numpy" and hasattr(value, "shuffle"):
        return "generator"
    return library if _is_buffer(value) else "record"


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}


def _other_items(value: Any, before: list[tuple[Any, Any]]) -> bool:
    if len(value) != len(before):
        return True
    pairs = zip(value.items(), before, strict=True)
    return any(a is not c or b is not d for (a, b), (c, d) in pairs)


def _other_elements(value: Any, before: list[Any]) -> bool:
    return len(value) != len(before) or not all(map(operator.is_, value, before))


def _other_fields(value: Any, before: dict[str, Any]) -> bool:
    return any(it is not before[key] for key, it in _fields(value).items())


_SNAPSHOTS: dict[str, Callable[[Any], Any]] = {
    "mapping": lambda it: list(it.items()),
    "list": list,
    "set": set,
    "random": lambda it: it.getstate(),
    "generator": lambda it: repr(_numpy_state(it)),
    "torch": lambda it: it.detach().clone(),
    "numpy": lambda it: it.copy(),
    "pandas": lambda it: it.copy(),
    "record": _fields,
}
_CHANGES: dict[str, Callable[[Any, Any], object]] = {
    "mapping": _other_items,
    "list": _other_elements,
    "set": operator.ne,
    "random": lambda it, before: it.getstate() != before,
    "generator": lambda it, before: repr(_numpy_state(it)) != before,
    "torch": lambda it, old: not _same_bytes(_bits(it.detach()), _bits(old)),
    "numpy": lambda it, before: not _same_bytes(it, before),
    "pandas": lambda it, before: not it.equals(before),
    "record": _other_fields,
}


def content(value: Any, place: dict[int, int]) -> object:
    """Return the object's content to be sent, with its peers as `Argument`s."""
    kind = type(value)
    if kind in _MAPPINGS:
        return {key: _linked(item, place) for key, item in value.items()}
    if kind in _LISTS:
        return [_linked(item, place) for item in value]
    if not _is_buffer(value) and kind is not set:
        return {key: _linked(it, place) for key, it in _fields(value).items()}
    return value


def linked(value: Any, place: dict[int, int]) -> object:
    """Return a result with the arguments that it is, or holds, as `Argument`s."""
    found = _linked(value, place)
    if found is not value:
        return found
    if type(value) is tuple:
        return tuple(_linked(it, place) for it in value)
    if type(value) is list:
        return [_linked(it, place) for it in value]
    if type(value) is dict:
        return {key: _linked(it, place) for key, it in value.items()}
    return value


def merge_into(table: list[Any], change: object) -> None:
    """Merge one [index, content] of the other side's.

    Raises:
        WireError: it has another form, or another kind than the argument.
        ValueError: the argument is an array that must not be written to.
    """
    ok = type(change) is list and len(change) == 2 and type(change[0]) is int
    if not ok or not 0 <= change[0] < len(table):  # type: ignore[index]
        raise WireError("a change of no argument")
    merge(table[change[0]], change[1])  # type: ignore[index]


def merge(value: Any, new: Any) -> None:
    """Give the caller's object the content that the student's copy has now.

    Raises:
        WireError: the content is not of the object's kind: a forged reply.
        ValueError: the object is an array that must not be written to.
    """
    kind = type(value)
    if kind in _MAPPINGS:
        _expect(type(new) is dict)
        value.clear()
        value.update(new)
    elif kind in _LISTS:
        _expect(type(new) is list)
        value.clear()
        value.extend(new)
    elif kind is set:
        _expect(type(new) is set)
        value.clear()
        value.update(new)
    elif _is_buffer(value):
        _merge_buffer(value, new)
    else:
        _expect(type(new) is dict and set(new) == set(_fields(value)))
        for key, item in new.items():
            object.__setattr__(value, key, item)


def _merge_buffer(value: Any, new: Any) -> None:
    _expect(type(new) is type(value) or hasattr(value, "dtype"))
    if isinstance(value, random.Random):
        value.setstate(new.getstate())
        return
    if hasattr(value, "bit_generator"):
        value.bit_generator.state = new.bit_generator.state
        return
    if hasattr(value, "set_state"):
        value.set_state(new.get_state())
        return
    if type(value).__module__.startswith("pandas"):
        value._update_inplace(new)  # noqa: SLF001 - pandas has no public way
        return
    same = getattr(new, "shape", None) == value.shape and new.dtype == value.dtype
    _expect(same)
    if type(value).__module__ == "numpy":
        value[...] = new
    else:
        import torch

        with torch.no_grad():
            value.copy_(new)


def _expect(ok: bool) -> None:
    if not ok:
        raise WireError("a change of another kind than the argument")


def _linked(value: Any, place: dict[int, int]) -> Any:
    index = place.get(id(value))
    return value if index is None else Argument(index)


def _is_buffer(value: Any) -> bool:
    """Whether it is an array, a tensor, a table or a generator of random numbers."""
    if _is_array(value) or isinstance(value, random.Random):
        return True
    np, torch, pd = (sys.modules.get(it) for it in ("numpy", "torch", "pandas"))
    if np is not None and isinstance(
        value, np.random.Generator | np.random.RandomState
    ):
        return True
    if torch is not None and isinstance(value, torch.Tensor):
        return True
    return pd is not None and isinstance(value, pd.DataFrame | pd.Series)


def _is_array(value: Any) -> bool:
    """Whether it is a plain array of numbers or text: what most arguments are."""
    np = sys.modules.get("numpy")
    return np is not None and type(value) is np.ndarray and value.dtype.kind != "O"


def _numpy_state(generator: Any) -> Any:
    if hasattr(generator, "bit_generator"):
        return generator.bit_generator.state
    kind, keys, *rest = generator.get_state()
    return kind, keys.tobytes(), rest


def _bits(tensor: Any) -> Any:
    import torch

    plain = tensor.contiguous()
    return (plain.view(torch.int16) if plain.dtype is torch.bfloat16 else plain).numpy()


def _same_bytes(a: Any, b: Any) -> bool:
    """Equal bytes: a nan equals itself here, and no operator is asked."""
    import numpy as np

    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not (a.flags.c_contiguous and b.flags.c_contiguous):
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    if a.nbytes > 1 << 12:
        return bool(np.array_equal(a.reshape(-1).view("u1"), b.reshape(-1).view("u1")))
    return bool(a.tobytes() == b.tobytes())
