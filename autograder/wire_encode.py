"""Plain data to bytes: the writing half of the wire format."""

import collections
import dataclasses
import datetime
import decimal
import fractions
import functools
import pathlib
import random
import struct
import sys
from collections.abc import Callable
from typing import Any

import msgpack
from msgpack import ExtType

from autograder import wire_format as wf
from autograder import wire_tables
from autograder.wire_format import DTYPE_TEXT, References


class Writer:
    """Writes one message; large arrays are left in `buffers`."""

    def __init__(self, refs: References) -> None:
        """Take what stands for objects that are not plain data."""
        self.refs = refs
        self.buffers: list[memoryview] = []
        self.arrays: dict[int, tuple[int, object]] = {}  # id -> place; kept alive

    def pack(self, value: object) -> bytes:
        """Return the bytes of a value."""
        return msgpack.packb(
            value,
            default=self.default,
            strict_types=True,
            unicode_errors="surrogatepass",
            buf_size=16384,
        )

    def default(self, value: Any) -> object:
        """Return what stands for a value that msgpack itself does not know."""
        write = _WRITERS.get(type(value))
        if write is not None:
            return write(self, value)
        found = self._library(value)
        return self._by_base(value) if found is None else found

    def _library(self, value: Any) -> ExtType | None:
        np = _loaded("numpy")
        if np is not None and isinstance(value, np.ndarray | np.generic | np.dtype):
            return self._numpy(np, value)
        torch, pd = _loaded("torch"), _loaded("pandas")
        if np is not None and isinstance(
            value, np.random.Generator | np.random.RandomState
        ):
            return _generator(self, value)
        if torch is not None and self.refs.knows("torch"):
            if isinstance(value, torch.Tensor):
                return _tensor(self, torch, value)
            if isinstance(value, torch.dtype):
                return ExtType(wf.DTYPE, self.pack(["torch", str(value)[6:]]))
        tables = pd is not None and self.refs.knows("pandas")
        if tables and isinstance(value, pd.DataFrame | pd.Series | pd.Index):
            return wire_tables.write(self.refs, self.pack, pd, value)
        return None

    def _numpy(self, np: Any, value: Any) -> ExtType:
        if isinstance(value, np.dtype):
            name = _text_of(value)
            if name is None:
                return self.refs.encode(value)
            return ExtType(wf.DTYPE, self.pack(["numpy", name]))
        text = _text_of(value.dtype)
        if text is None:
            return self._objects(value)
        if isinstance(value, np.generic):
            data = value.tobytes() if value.dtype.str == text else b""
            data = data or np.asarray(value, text).tobytes()
            return ExtType(wf.SCALAR, self.pack([text, [], data]))
        return self._array(np, value, text)

    def _objects(self, value: Any) -> ExtType:
        if value.dtype.kind == "O" and self.refs.knows("objects"):
            items = [list(value.shape), value.ravel().tolist()]
            return ExtType(wf.OBJECTS, self.pack(items))
        return self.refs.encode(value)

    def _array(self, np: Any, value: Any, text: str) -> ExtType:
        if id(value) in self.arrays:  # the same array again: it stays one array
            return ExtType(wf.ALIAS, self.pack(self.arrays[id(value)][0]))
        self.arrays[id(value)] = (len(self.arrays), value)
        plain = np.ascontiguousarray(np.asarray(value), text)
        place: int | bytes = len(self.buffers)
        if plain.nbytes <= wf.INLINE_BYTES:
            place = plain.tobytes()
        else:
            self.buffers.append(memoryview(plain.reshape(-1).view(np.uint8)))
        return ExtType(wf.ARRAY, self.pack([text, list(value.shape), place]))

    def _by_base(self, value: Any) -> object:
        kind = type(value)
        if dataclasses.is_dataclass(kind) and self.refs.is_record(kind):
            items = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            return ExtType(
                wf.RECORD, self.pack([kind.__module__, kind.__name__, items])
            )
        for base, plain in _VALUES:  # subclasses (an IntEnum, a float subclass): values
            if isinstance(value, base):
                return plain(value)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            fields = [str(it) for it in kind._fields]
            parts = [str(kind.__name__), fields, list(tuple.__iter__(value))]
            return ExtType(wf.NAMEDTUPLE, self.pack(parts))
        if isinstance(value, pathlib.PurePath):
            return ExtType(wf.OTHER, self.pack(["path", str(value)]))
        plain_list = self._library_sequence(kind, value)
        return self.refs.encode(value) if plain_list is None else plain_list

    def _library_sequence(self, kind: type, value: Any) -> object:
        """Return a library's own tuple or list (torch.Size, matplotlib's) as such."""
        if kind.__module__ in ("__main__", "builtins"):
            return None
        if isinstance(value, tuple):
            return ExtType(wf.TUPLE, self.pack(list(tuple.__iter__(value))))
        if isinstance(value, list):
            return list(list.__iter__(value))
        is_sequence = issubclass(kind, collections.abc.Sequence)
        return (
            list(value)
            if is_sequence and kind.__module__[:11] == "matplotlib."
            else None
        )


@functools.lru_cache(maxsize=256)
def _text_of(dtype: Any) -> str | None:
    """Return the little-endian dtype's text; None for what does not travel."""
    text = "" if dtype.kind == "O" else dtype.newbyteorder("<").str
    return text if DTYPE_TEXT.match(text) else None


def _loaded(library: str) -> Any:
    return sys.modules.get(library)


def _listed(code: int) -> Callable[[Writer, Any], ExtType]:
    return lambda writer, value: ExtType(code, writer.pack(list(value)))


def _tagged(
    code: int, tag: str, parts: Callable[[Any], object]
) -> Callable[[Writer, Any], ExtType]:
    return lambda writer, value: ExtType(code, writer.pack([tag, parts(value)]))


def _bounds(value: Any) -> list[Any]:
    return [value.start, value.stop, value.step]


def _as_list(_: Writer, value: Any) -> list[Any]:
    return list(value)


def _as_dict(_: Writer, value: Any) -> dict[Any, Any]:
    return dict(value)


def _random(writer: Writer, value: random.Random) -> ExtType:
    version, words, gauss = value.getstate()
    return ExtType(wf.GENERATOR, writer.pack(["random", version, list(words), gauss]))


def _generator(writer: Writer, value: Any) -> ExtType:
    """The state of a numpy generator: the other side's copy goes on where it stood."""
    if hasattr(value, "bit_generator"):
        state = value.bit_generator.state
        if state["bit_generator"] != "PCG64":
            return writer.refs.encode(value)
        parts = [
            "PCG64",
            state["state"]["state"],
            state["state"]["inc"],
            state["has_uint32"],
            state["uinteger"],
        ]
    else:
        parts = list(value.get_state())
        if parts[0] != "MT19937":
            return writer.refs.encode(value)
    return ExtType(wf.GENERATOR, writer.pack(parts))


def _tensor(writer: Writer, torch: Any, value: Any) -> ExtType:
    name = str(value.dtype)[6:]
    plain = value.layout == torch.strided and value.device.type == "cpu"
    if name not in wf.TENSORS or not plain:
        return writer.refs.encode(value)
    data = value.detach().resolve_conj().resolve_neg().contiguous()
    raw = (data.view(torch.int16) if name == "bfloat16" else data).numpy()
    flag = 2 if isinstance(value, torch.nn.Parameter) else int(value.requires_grad)
    return ExtType(wf.TENSOR, writer.pack([name, flag, raw]))


_WRITERS: dict[type, Callable[[Writer, Any], object]] = {
    tuple: _listed(wf.TUPLE),
    set: _listed(wf.SET),
    frozenset: _listed(wf.FROZENSET),
    int: lambda _, value: ExtType(wf.INT, hex(value).encode()),
    complex: lambda _, value: ExtType(
        wf.COMPLEX, struct.pack("<dd", value.real, value.imag)
    ),
    range: lambda writer, value: ExtType(wf.RANGE, writer.pack(_bounds(value))),
    slice: lambda writer, value: ExtType(wf.SLICE, writer.pack(_bounds(value))),
    memoryview: lambda _, value: bytes(value),
    type({}.keys()): _as_list,
    type({}.values()): _as_list,
    type({}.items()): _as_list,
    collections.Counter: _tagged(wf.COLLECTION, "Counter", dict),
    collections.OrderedDict: _tagged(wf.COLLECTION, "OrderedDict", dict),
    collections.deque: _tagged(wf.COLLECTION, "deque", list),
    collections.defaultdict: _as_dict,
    type(type.__dict__): _as_dict,
    type(...): _tagged(wf.OTHER, "ellipsis", lambda _: None),
    datetime.datetime: _tagged(wf.OTHER, "datetime", lambda it: it.isoformat()),
    datetime.date: _tagged(wf.OTHER, "date", lambda it: it.isoformat()),
    datetime.time: _tagged(wf.OTHER, "time", lambda it: it.isoformat()),
    datetime.timedelta: _tagged(
        wf.OTHER, "timedelta", lambda it: [it.days, it.seconds, it.microseconds]
    ),
    decimal.Decimal: _tagged(wf.OTHER, "decimal", str),
    fractions.Fraction: _tagged(
        wf.OTHER, "fraction", lambda it: [it.numerator, it.denominator]
    ),
    random.Random: _random,
}
_VALUES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (bytes, bytes.__bytes__),
)
