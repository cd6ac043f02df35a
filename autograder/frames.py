"""Length-prefixed messages between the engine and a referee's process."""

import socket
import struct
import time

MAX_FRAME = 64 << 20
_HEAD = struct.Struct("<I")


class BadFrame(Exception):
    """More bytes than a message may have."""


def send(sock: socket.socket, data: bytes) -> None:
    """Send one message.

    Raises:
        BadFrame: it is too long.
        OSError: the other side is gone.
    """
    if len(data) > MAX_FRAME:
        raise BadFrame(f"a message of {len(data)} bytes, more than {MAX_FRAME}")
    sock.sendall(_HEAD.pack(len(data)) + data)


def receive(sock: socket.socket, deadline: float | None = None) -> bytes:
    """Return the next message.

    Args:
        sock: a stream socket.
        deadline: on `time.monotonic`'s clock; None: wait for ever.

    Raises:
        BadFrame: it is too long.
        EOFError: the other side is gone.
        TimeoutError: it did not come whole in time.
        OSError: the socket is broken.
    """
    (length,) = _HEAD.unpack(_exactly(sock, _HEAD.size, deadline))
    if length > MAX_FRAME:
        raise BadFrame(f"a message of {length} bytes, more than {MAX_FRAME}")
    return bytes(_exactly(sock, length, deadline))


def _exactly(sock: socket.socket, length: int, deadline: float | None) -> bytearray:
    data = bytearray()
    while len(data) < length:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
        part = sock.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return data
