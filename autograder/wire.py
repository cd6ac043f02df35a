"""The plain-data wire format between referee (trusted) and student (hostile).

    frame = u32 body length | u16 number of buffers | u64 length of each | body | buffers

The body is msgpack; large arrays travel as raw buffers behind it. What `loads` returns
is exact builtins, numpy arrays and scalars, torch tensors and pandas tables rebuilt
from buffers, records (dataclasses that the reader itself knows), or what the owner's
`References` make of a handle. Never pickle; never object arrays from the student.
Whatever the bytes are, `loads` returns such a value or raises `WireError`.

`STUDENT_SIDE` names the files of this package that are bound into the student's
sandbox: they import the standard library and
msgpack, and use numpy, torch and pandas only where they are loaded already.
"""

import socket
import struct
from collections.abc import Sequence
from typing import Any

from autograder.wire_decode import Reader
from autograder.wire_encode import Writer
from autograder.wire_format import (
    MAX_BODY,
    MAX_BUFFER_BYTES,
    MAX_BUFFERS,
    References,
    TooLarge,
    WireError,
)

STUDENT_SIDE = (
    "__init__",
    "wire",
    "wire_format",
    "wire_encode",
    "wire_decode",
    "wire_changes",
    "wire_tables",
    "seeding",
    "student",
    "student_shell",
    "student_refs",
)


class Codec:
    """Encodes and decodes messages; references are left to `refs`."""

    def __init__(self, refs: References, *, allow_objects: bool = False) -> None:
        """Take the owner's references.

        Args:
            refs: what stands for objects that are not plain data.
            allow_objects: decode object arrays: only for bytes from the trusted side.
        """
        self.refs, self.allow_objects = refs, allow_objects

    def dumps(self, value: object) -> tuple[bytes, list[memoryview]]:
        """Return the body and the buffers of a message.

        Raises:
            WireError: the value cannot be sent.
        """
        writer = Writer(self.refs)
        try:
            body = writer.pack(value)
        except (ValueError, OverflowError, RecursionError) as error:
            raise TooLarge(f"the value cannot be sent: {error}") from None
        except TypeError as error:
            raise WireError(f"the value cannot be sent: {error}") from None
        if len(body) > MAX_BODY or len(writer.buffers) > MAX_BUFFERS:
            raise TooLarge(f"the value is too large to be sent: {len(body)} bytes")
        return body, writer.buffers

    def loads(self, body: bytes, buffers: Sequence[bytearray] = ()) -> Any:
        """Return the value of a message.

        Raises:
            WireError: the bytes are not a message.
        """
        try:
            return Reader(self.refs, buffers, allow_objects=self.allow_objects).unpack(
                body
            )
        except WireError:
            raise
        except Exception as error:  # noqa: BLE001 - hostile bytes: every error is theirs
            raise WireError(f"malformed ({type(error).__name__})") from None


def send(sock: socket.socket, codec: Codec, value: object) -> None:
    """Send one message.

    Raises:
        WireError: the value cannot be sent; nothing was.
        OSError: the other side is gone.
    """
    body, buffers = codec.dumps(value)
    sizes = [it.nbytes for it in buffers]
    if sum(sizes) > MAX_BUFFER_BYTES:
        raise TooLarge(f"the value is too large to be sent: {sum(sizes)} bytes")
    head = struct.pack(f"<IH{len(sizes)}Q", len(body), len(sizes), *sizes)
    sock.sendall(head + body)
    for buffer in buffers:
        sock.sendall(buffer)


def receive(sock: socket.socket, codec: Codec) -> Any:
    """Return the next message's value.

    Raises:
        EOFError: the other side is gone.
        OSError: the same, or the socket's time-out.
        WireError: the bytes are not a message, or are over a limit.
    """
    length, count = struct.unpack("<IH", _exactly(sock, 6))
    if length > MAX_BODY or count > MAX_BUFFERS:
        raise WireError(f"frame of {length} bytes and {count} buffers")
    sizes = struct.unpack(f"<{count}Q", _exactly(sock, 8 * count)) if count else ()
    if sum(sizes) > MAX_BUFFER_BYTES:
        raise WireError(f"buffers of {sum(sizes)} bytes")
    body = _exactly(sock, length)
    buffers = [bytearray(_exactly(sock, size)) for size in sizes]
    return codec.loads(bytes(body), buffers)


def _exactly(sock: socket.socket, length: int) -> bytes | bytearray:
    """Receive so many bytes; memory grows with what came, not with what was claimed."""
    if length == 0:
        return b""
    first = sock.recv(min(length, 1 << 16))
    if len(first) == length:
        return first
    data = bytearray(first)
    while first and len(data) < length:
        first = sock.recv(min(length - len(data), 1 << 20))
        data += first
    if len(data) < length:
        raise EOFError
    return data
