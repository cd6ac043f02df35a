"""Student processes for tests: forked from one warm parent, without a sandbox."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

PARENT = """
import os, socket, signal, sys
from autograder import student
config = {"preload": %r}
student.prefork(config)
control = socket.socket(fileno=int(sys.argv[1]))
control.sendall(b"r")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    message, fds, _, _ = socket.recv_fds(control, 1, 1)
    if not message:
        break
    if os.fork() == 0:
        control.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        student.serve(socket.socket(fileno=fds[0]), config)
        os._exit(0)
    os.close(fds[0])
"""


class Students:
    """Starts fresh student processes; `close` ends them all."""

    def __init__(self, preload: tuple[str, ...] = ("numpy", "course.feedback")) -> None:
        self.control, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-c",
            PARENT % (list(preload),),
            str(theirs.fileno()),
        ]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            cwd=Path(__file__).parent.parent,
            env=os.environ
            | {"CROSSROADS_GRADING": "1", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        theirs.close()
        assert self.control.recv(1) == b"r"

    def new(self) -> socket.socket:
        """Return a socket to a fresh student process."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self.control, [b"s"], [theirs.fileno()])
        theirs.close()
        return ours

    def close(self) -> None:
        """End the parent and all its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.control.close()
