"""Bytes to plain data: the reading half of the wire format; the bytes are hostile."""

import collections
import datetime
import decimal
import fractions
import functools
import importlib
import keyword
import math
import pathlib
import random
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgpack

from autograder import wire_format as wf
from autograder import wire_tables
from autograder.wire_format import References, WireError, check


class Reader:
    """Reads one message; every error it raises is the sender's doing."""

    def __init__(
        self, refs: References, buffers: Sequence[bytearray], *, allow_objects: bool
    ) -> None:
        """Take what stands for references, and the message's buffers."""
        self.refs, self.buffers, self.depth = refs, buffers, 0
        self.allow_objects = allow_objects
        self.arrays: list[Any] = []  # in the order in which they were written

    def unpack(self, data: bytes) -> Any:
        """Return the value that the bytes hold."""
        return msgpack.unpackb(
            data,
            ext_hook=self.extension,
            object_pairs_hook=_mapping,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            timestamp=1,  # msgpack's own extension type becomes a float
        )

    def extension(self, code: int, data: bytes) -> object:
        """Return what one of our extension types holds."""
        if self.depth >= wf.MAX_NESTING:
            raise WireError("nested too deep")
        self.depth += 1
        try:
            read = _RAW_READERS.get(code)
            if read is not None:
                return read(data)
            payload = self.unpack(data)
            reader = _READERS.get(code)
            if reader is not None:
                return reader(self, payload)
            return self.refs.decode(code, payload)
        finally:
            self.depth -= 1

    def library(self, name: str) -> Any:
        """Return a library that is loaded; the trusted side may have it loaded.

        Raises:
            WireError: it is not loaded: the sender could not know of it.
        """
        found = sys.modules.get(name)
        if found is None and self.allow_objects:
            found = importlib.import_module(name)
        if found is None:
            raise WireError(f"a value of {name}, which is not loaded")
        return found


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) > wf.MANY_KEYS:
        _spread([key for key, _ in pairs])
    return dict(pairs)


def _spread(keys: Sequence[Any]) -> None:
    """Refuse keys that were chosen to collide: a dict of them takes quadratic time."""
    if len(keys) > wf.MANY_KEYS and 4 * len({hash(key) for key in keys}) < len(keys):
        raise WireError("keys with equal hashes")


def _listed(kind: Callable[[Any], Any]) -> Callable[[Reader, Any], object]:
    def read(_: Reader, payload: Any) -> object:
        check(type(payload) is list, "not a list")
        if kind is not tuple:
            _spread(payload)
        return kind(payload)

    return read


def _integer(data: bytes) -> int:
    check(len(data) <= wf.MAX_INT_DIGITS, "an integer of too many digits")
    return int(bytes(data), 16)


def _range(_: Reader, payload: Any) -> range:
    check(all(type(it) is int for it in payload), "range")
    found = range(*payload)
    check(len(found) <= wf.MAX_RANGE, "a range of too many numbers")
    return found


def _slice(_: Reader, payload: Any) -> slice:
    check(all(it is None or type(it) is int for it in payload), "slice")
    start, stop, step = payload
    return slice(start, stop, step)


@functools.lru_cache(maxsize=256)
def _dtype(text: str) -> Any:
    import numpy as np

    check(bool(wf.DTYPE_TEXT.match(text)), "dtype")
    return np.dtype(text)


def _array(reader: Reader, payload: Any) -> Any:
    """Return an array over its own bytes; what the bytes may be, the dtype says."""
    import numpy as np

    text, shape, data = payload
    check(type(text) is str, "dtype")
    dtype = _dtype(text)
    check(type(shape) is list and len(shape) <= 32, "shape")
    ok = all(type(it) is int and 0 <= it <= wf.MAX_BUFFER_BYTES for it in shape)
    check(ok, "shape")
    if type(data) is int:
        check(0 <= data < len(reader.buffers), "buffer")
        raw = reader.buffers[data]
    else:
        check(type(data) is bytes, "bytes")
        raw = bytearray(data)
    size = math.prod(shape)
    check(size * dtype.itemsize == len(raw), "size")
    if not raw:  # who goes through it would never end
        check(math.prod(it or 1 for it in shape) <= wf.MAX_RANGE, "shape")
    if dtype.kind == "b":  # any byte but 0 and 1 would be a third truth value
        return np.ndarray(shape, np.uint8, raw) != 0
    if dtype.kind == "U" and raw:
        check(int(np.frombuffer(raw, "<u4").max()) <= sys.maxunicode, "text")
    return np.ndarray(shape, dtype, raw)


def _new_array(reader: Reader, payload: Any) -> Any:
    reader.arrays.append(_array(reader, payload))
    return reader.arrays[-1]


def _alias(reader: Reader, payload: Any) -> Any:
    check(type(payload) is int and 0 <= payload < len(reader.arrays), "alias")
    return reader.arrays[payload]


def _scalar(reader: Reader, payload: Any) -> Any:
    text, shape, data = payload
    check(shape == [] and type(data) is bytes and type(text) is str, "scalar")
    if text in ("<f8", "<f4", "<i8"):  # the usual ones, without a detour
        import numpy as np

        check(len(data) == _dtype(text).itemsize, "scalar")
        return np.frombuffer(data, _dtype(text))[0]
    return _array(reader, payload)[()]


def _tensor(reader: Reader, payload: Any) -> Any:
    torch, numpy = reader.library("torch"), reader.library("numpy")
    name, flag, raw = payload
    check(isinstance(raw, numpy.ndarray) and name in wf.TENSORS, "tensor")
    check(raw.dtype == wf.TENSORS[name] and flag in (0, 1, 2), "tensor")
    tensor = torch.from_numpy(raw)
    if name == "bfloat16":
        tensor = tensor.view(torch.bfloat16)
    if flag and not (tensor.is_floating_point() or tensor.is_complex()):
        raise WireError("tensor")
    if flag == 2:
        return torch.nn.Parameter(tensor)
    return tensor.requires_grad_() if flag else tensor


def _dtype_object(reader: Reader, payload: Any) -> Any:
    library, text = payload
    check(type(text) is str, "dtype")
    if library == "numpy":
        return _dtype(text)
    check(text in wf.TENSORS, "dtype")
    return getattr(reader.library("torch"), text)


def _objects(reader: Reader, payload: Any) -> Any:
    import numpy as np

    check(reader.allow_objects, "an array of objects")
    shape, items = payload
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


@functools.lru_cache(maxsize=256)
def _named(name: str, fields: tuple[str, ...]) -> type:
    return collections.namedtuple(name, fields)  # noqa: PYI024


def _namedtuple(reader: Reader, payload: Any) -> Any:
    name, fields, values = payload
    check(type(fields) is list and type(values) is list and len(fields) < 256, "fields")
    for word in (name, *fields):
        ok = type(word) is str and len(word) < 100 and word.isidentifier()
        check(ok and not keyword.iskeyword(word), "a field's name")
    check(not any(it.startswith("_") for it in fields), "a field's name")
    known = reader.refs.record_class("__main__", name)
    if known is not None and list(getattr(known, "_fields", ())) == fields:
        return tuple.__new__(known, values)
    check(len(values) == len(fields), "fields")
    return _named(name, tuple(fields))(*values)


def _record(reader: Reader, payload: Any) -> object:
    """Rebuild a dataclass that this side knows, without running its `__init__`."""
    import dataclasses

    module, name, items = payload
    check(type(module) is str and type(name) is str and type(items) is dict, "record")
    kind = reader.refs.record_class(module, name)
    check(kind is not None and dataclasses.is_dataclass(kind), "an unknown record")
    names = {it.name for it in dataclasses.fields(kind)}  # type: ignore[arg-type]
    check(set(items) == names, "a record's fields")
    found: object = object.__new__(kind)  # type: ignore[arg-type]
    for key, value in items.items():
        object.__setattr__(found, key, value)
    return found


def _generator(_: Reader, payload: Any) -> object:
    kind = payload[0]
    check(type(payload) is list and kind in _GENERATORS, "generator")
    return _GENERATORS[kind](*payload[1:])


def _python_random(version: Any, words: Any, gauss: Any) -> random.Random:
    check(gauss is None or type(gauss) is float, "generator")
    found = random.Random()  # noqa: S311 - the check's own generator, not a secret
    found.setstate((version, tuple(words), gauss))
    return found


def _pcg64(state: Any, inc: Any, has_uint32: Any, uinteger: Any) -> object:
    import numpy as np

    check(all(type(it) is int for it in (state, inc, has_uint32, uinteger)), "state")
    ok = 0 <= state < 1 << 128 and 0 <= inc < 1 << 128 and has_uint32 in (0, 1)
    check(ok and 0 <= uinteger < 1 << 32, "generator's state")
    bits = np.random.PCG64(0)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": inc},
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bits)


def _mt19937(keys: Any, pos: Any, has_gauss: Any, cached: Any) -> object:
    import numpy as np

    ok = isinstance(keys, np.ndarray) and keys.shape == (624,) and keys.dtype == "<u4"
    check(ok and type(pos) is int and 0 <= pos <= 624, "generator's state")
    check(has_gauss in (0, 1) and type(cached) is float, "generator's state")
    found = np.random.RandomState(0)
    found.set_state(("MT19937", keys, pos, has_gauss, cached))
    return found


_GENERATORS: dict[str, Callable[..., object]] = {
    "random": _python_random,
    "PCG64": _pcg64,
    "MT19937": _mt19937,
}


def _collection(_: Reader, payload: Any) -> object:
    tag, items = payload
    if tag == "deque":
        check(type(items) is list, "deque")
        return collections.deque(items)
    check(type(items) is dict and tag in ("Counter", "OrderedDict"), "collection")
    return getattr(collections, tag)(items)


def _decimal(text: str) -> decimal.Decimal:
    check(type(text) is str and len(text) < 10_000, "decimal")
    found = decimal.Decimal(text)
    check(not found.is_finite() or abs(found.adjusted()) < 10_000, "decimal")
    return found


def _fraction(*parts: int) -> fractions.Fraction:
    ok = all(
        type(it) is int and it.bit_length() <= wf.MAX_FRACTION_BITS for it in parts
    )
    check(ok, "fraction")  # to bring it to lowest terms takes quadratic time
    return fractions.Fraction(*parts)


_OTHERS: dict[str, Callable[[Any], object]] = {
    "ellipsis": lambda _: ...,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda it: datetime.timedelta(*it),
    "decimal": _decimal,
    "fraction": lambda it: _fraction(*it),
    "path": pathlib.Path,
}


def _other(_: Reader, payload: Any) -> object:
    tag, value = payload
    check(tag in _OTHERS, "unknown value")
    return _OTHERS[tag](value)


def _complex(data: bytes) -> complex:
    return complex(*struct.unpack("<dd", data))


_RAW_READERS: dict[int, Callable[[bytes], object]] = {
    wf.INT: _integer,
    wf.COMPLEX: _complex,
}
_READERS: dict[int, Callable[[Reader, Any], object]] = {
    wf.TUPLE: _listed(tuple),
    wf.SET: _listed(set),
    wf.FROZENSET: _listed(frozenset),
    wf.RANGE: _range,
    wf.SLICE: _slice,
    wf.ARRAY: _new_array,
    wf.ALIAS: _alias,
    wf.SCALAR: _scalar,
    wf.TENSOR: _tensor,
    wf.DTYPE: _dtype_object,
    wf.OBJECTS: _objects,
    wf.NAMEDTUPLE: _namedtuple,
    wf.RECORD: _record,
    wf.GENERATOR: _generator,
    wf.COLLECTION: _collection,
    wf.OTHER: _other,
    wf.TABLE: wire_tables.read,
}
