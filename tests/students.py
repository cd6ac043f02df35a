"""Student processes for tests: forked from one warm parent, without a sandbox."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

PARENT = """
import ctypes, os, resource, socket, signal, sys
from autograder import student
PR_SET_PDEATHSIG = 1
config = {"preload": %r}
student.prefork(config)
control = socket.socket(fileno=int(sys.argv[1]))
control.sendall(b"r")
last = None
while True:
    message, fds, _, _ = socket.recv_fds(control, 1, 1)
    if not message:
        break
    if last is not None:  # as the engine does: an endless loop would go on beside others
        os.kill(last, signal.SIGKILL)  # a number is its own until it is waited for
        os.waitpid(last, 0)
    child = os.fork()
    if child == 0:
        # No sandbox ends one that loops: its limit does, or the end of its parent.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        control.close()
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        student.serve(socket.socket(fileno=fds[0]), config)
        os._exit(0)
    last = child
    os.close(fds[0])
"""


class Students:
    """Starts fresh student processes, one at a time; `close` ends them all."""

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
        """Return a socket to a fresh student process; the one before it is killed."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self.control, [b"s"], [theirs.fileno()])
        theirs.close()
        return ours

    def close(self) -> None:
        """End the parent and all its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.control.close()
