"""What a referee's process runs in its sandbox: one plan, reported to the engine.

The engine sends the plan; then each frame goes to the engine, as JSON: a record of
`referee.conduct`, `{"kind": "student"}` to ask for a fresh student's process, or
`{"kind": "error", "error": text}`. The answer to the second is one byte and a socket,
or a frame that says why there is none.
"""

import json
import socket
import traceback
from collections.abc import Mapping

from autograder import frames, referee
from autograder.submission import Plan

GRANTED, REFUSED = b"+", b"-"


def prefork(config: Mapping[str, object]) -> None:
    """Import what checks need; call once, in the zygote."""
    referee.prefork(config)


def serve(sock: socket.socket, config: Mapping[str, object]) -> None:  # noqa: ARG001 - the zygote's seam
    """Conduct the one plan that comes through `sock`.

    Args:
        sock: connected to the engine.
        config: what `prefork` got.
    """
    sock.settimeout(None)

    def emit(record: Mapping[str, object]) -> None:
        frames.send(sock, json.dumps(record).encode())

    try:
        plan = Plan.from_json(frames.receive(sock))
        referee.conduct(plan, lambda: _new_student(sock, emit), emit)
    except Exception as error:  # noqa: BLE001 - the grader's own fault: it is reported
        emit({"kind": "error", "error": _told(error)})


def _new_student(sock: socket.socket, emit: referee.Emit) -> socket.socket:
    emit({"kind": "student"})
    answer, fds, _, _ = socket.recv_fds(sock, 1, 1)
    if answer == GRANTED and fds:
        return socket.socket(fileno=fds[0])
    raise OSError(frames.receive(sock).decode() if answer == REFUSED else "no answer")


def _told(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.name}, line {last.lineno})"[:2000]
