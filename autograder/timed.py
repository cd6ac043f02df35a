"""A socket with one deadline for all that is sent and received through it."""

import socket
import time


class Timed:
    """Sends and receives until the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        """Take the socket, and a time on `time.monotonic`'s clock."""
        self.sock, self.deadline = sock, deadline

    def _wait(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)

    def recv(self, size: int) -> bytes:
        """Return what came, at most so many bytes.

        Raises:
            TimeoutError: the time is over.
        """
        self._wait()
        return self.sock.recv(size)

    def sendall(self, data: bytes) -> None:
        """Send it.

        Raises:
            TimeoutError: the time is over.
        """
        self._wait()
        self.sock.sendall(data)
