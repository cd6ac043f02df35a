"""A process that judges: `python -P -m autograder.worker FD FACTORY THREADS`.

It gets tasks through a socket and answers with verdicts, as messages of plain data. It
holds one grader at a time; when an assignment of another kind comes, it waits for what
is under way, ends that grader and starts the other. When the supervisor is gone, it
ends at once, and what it started ends with it.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Mapping
from concurrent import futures
from typing import Any

import msgpack

from autograder import frames
from autograder.judging import Assignment, Judge, started
from course.errors import CrossroadsError

Message = dict[str, Any]


def send(sock: socket.socket, message: Mapping[str, object]) -> None:
    """Send one message: strings, numbers and bytes."""
    frames.send(sock, msgpack.packb(dict(message)))


def receive(sock: socket.socket) -> Message:
    """Return the next message.

    Raises:
        EOFError: the other side is gone.
    """
    message: Message = msgpack.unpackb(frames.receive(sock))
    return message


class Worker:
    """One worker: the messages, the threads, the grader that runs."""

    def __init__(self, sock: socket.socket, factory: str, threads: int) -> None:
        """Take the socket to the supervisor."""
        self.sock, self.factory = sock, factory
        self.inbox: queue.Queue[Message] = queue.Queue()
        self.assignments: dict[str, Assignment] = {}
        self.threads = futures.ThreadPoolExecutor(threads)
        self.lock = threading.Lock()
        self.open = contextlib.ExitStack()
        self.kind: str | None = None
        self.judge: Judge | None = None
        self.running: set[futures.Future[None]] = set()

    def run(self) -> None:
        """Do as told until told to end."""
        threading.Thread(target=self.listen, daemon=True).start()
        with self.open:
            for message in iter(self.inbox.get, {"do": "end"}):
                try:
                    self.take(message)
                except CrossroadsError as error:  # no sandbox: it is no use to go on
                    self.answer({"refused": str(error)})
                    return
                except Exception as error:  # noqa: BLE001 - nor without a grader
                    self.answer({"refused": f"the grader does not start: {error!r}"})
                    return
            self.threads.shutdown()

    def listen(self) -> None:
        """Put what comes into the inbox; without a supervisor, end the process."""
        try:
            while True:
                self.inbox.put(receive(self.sock))
        except (EOFError, OSError):
            os._exit(1)

    def take(self, message: Message) -> None:
        """Begin with what a message asks for."""
        if message["do"] == "know":
            known = [Assignment.from_json(it) for it in json.loads(message["body"])]
            self.assignments = {it.name: it for it in known}
            return
        assignment = self.assignments[message["assignment"]]
        judge = self.judge_of(assignment.kind)
        judge.prepare(assignment.name)
        self.running = {it for it in self.running if not it.done()}
        self.running.add(self.threads.submit(self.work, judge, message))

    def judge_of(self, kind: str) -> Judge:
        """Return what judges this kind; the main thread starts it, see `sandbox`."""
        if self.judge is None or self.kind != kind:
            futures.wait(self.running)
            self.open.close()
            same = [it for it in self.assignments.values() if it.kind == kind]
            self.judge = self.open.enter_context(started(self.factory, same))
            self.kind = kind
        return self.judge

    def work(self, judge: Judge, message: Message) -> None:
        """Judge one task, in one of the threads."""
        self.answer({"begun": message["id"]})
        verdict = judge.judge(message["assignment"], message["body"])
        body = json.dumps(verdict.to_json()).encode()
        self.answer({"id": message["id"], "verdict": body})

    def answer(self, message: Mapping[str, object]) -> None:
        """Send to the supervisor; threads take turns."""
        with self.lock, contextlib.suppress(OSError):
            send(self.sock, message)


def main(arguments: list[str]) -> None:
    """Work for the supervisor at the other end of the socket."""
    number, factory, threads = arguments
    with socket.socket(fileno=int(number)) as sock:
        Worker(sock, factory, int(threads)).run()


if __name__ == "__main__":
    main(sys.argv[1:])
