"""The wire format's numbers, its one exception, and what it asks of its user."""

import re
from typing import Any, Protocol

from msgpack import ExtType

MAX_BODY = 16 << 20  # bytes
MAX_BUFFERS = 64
MAX_BUFFER_BYTES = 256 << 20  # of all buffers of one frame
MAX_NESTING = 60  # of tuples, sets, tables ...; lists and dicts: msgpack's own 511
MAX_INT_DIGITS = 1 << 18  # hexadecimal: a million bits
MAX_FRACTION_BITS = 100_000
MAX_RANGE = 10_000_000  # numbers, or items that take no memory
MAX_HANDLES = 100_000  # objects of the student's in one message
MANY_KEYS = 1000  # from so many on, keys with equal hashes are looked for
INLINE_BYTES = 4096  # arrays up to this size lie in the body

(
    TUPLE, INT, SET, FROZENSET, COMPLEX, RANGE, SLICE, ARRAY, SCALAR, TENSOR, TABLE,
    DTYPE, NAMEDTUPLE, RECORD, GENERATOR, COLLECTION, OTHER, OBJECTS,
    ALIAS,
) = range(1, 20)  # fmt: skip
HANDLE, CALLBACK, ARGUMENT, NAME = range(100, 104)  # the owner's References

DTYPE_TEXT = re.compile(
    r"^(?:[<|](?:b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6}|[mM]8(?:\[(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?))$"
)
TENSORS = {
    "float32": "<f4", "float64": "<f8", "float16": "<f2", "bfloat16": "<i2",
    "int8": "|i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "|u1",
    "bool": "|b1", "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
NULLABLE = {f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)}
NULLABLE |= {"Float32", "Float64", "boolean"}
PLAIN = (type(None), bool, int, float, str)


class WireError(Exception):
    """The value cannot be sent, or the bytes are not a message."""


class TooLarge(WireError):
    """The value is too large, or nested too deep, to be sent."""


def check(ok: bool, what: str) -> None:
    """Refuse a message unless it is as it should be.

    Raises:
        WireError: it is not; `what` names the part.
    """
    if not ok:
        raise WireError(what)


class References(Protocol):
    """What a side of the wire makes of objects that are not plain data."""

    def encode(self, value: object) -> ExtType:
        """Return the reference that stands for the object."""

    def decode(self, code: int, payload: Any) -> object:
        """Return the object that a reference (HANDLE, CALLBACK, ...) stands for."""

    def knows(self, library: str) -> bool:
        """Whether the other side can rebuild this library's values."""

    def is_record(self, kind: type) -> bool:
        """Whether the other side knows this dataclass."""

    def record_class(self, module: str, name: str) -> type | None:
        """Return the dataclass or namedtuple of this name, if this side knows it."""
