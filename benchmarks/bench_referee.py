"""What a call across the wire costs: a check's call of a student's function.

    python benchmarks/bench_referee.py [--rounds 30]

The student's process is a plain forked child (no sandbox: it changes nothing of the
path of a call). Best and median of several rounds; the bare socket for comparison.
"""

import argparse
import contextlib
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from students import Students

from autograder.facts import Facts
from autograder.link import Link
from autograder.names import Names
from autograder.policy import Policy

LIMIT_US = 150
STUDENT = """
import numpy as np
def f(x): return x + 1.0
def call(g): return g(1)
def double(x): return x * 2
def inplace(x): x *= 2
def gen():
    n = 0
    while True: yield n
class Value:
    data = 1.0
    def __add__(self, other): return 2.0
v = Value()
"""


def timed(action: Callable[[], object], count: int, rounds: int) -> tuple[float, float]:
    """Return (best, median) microseconds of one call."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            action()
        found.append((time.perf_counter() - start) / count * 1e6)
    return min(found), statistics.median(found)


@contextlib.contextmanager
def echo() -> Iterator[Callable[[], object]]:
    """Yield a ping-pong over a bare socket with a forked child."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        while data := theirs.recv(64):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()

    def ping() -> None:
        ours.sendall(b"x" * 32)
        ours.recv(64)

    yield ping
    ours.close()
    os.wait()


def cases(names: Names) -> dict[str, tuple[Callable[[], object], int]]:
    """Return what is measured: name -> (one call, calls in a round)."""
    f, call, double, inplace = (names[it] for it in ("f", "call", "double", "inplace"))
    value, stream, small = names["v"], names["gen"](), np.arange(10.0)
    big, numbers = np.zeros(1_000_000), list(range(100_000))
    return {
        "a scalar call": (lambda: f(1.0), 200),
        "a call with a dict and a text": (lambda: double("a"), 200),
        "an attribute": (lambda: value.data, 200),
        "an operator": (lambda: value + 1, 200),
        "an item of a generator": (lambda: next(stream), 200),
        "a callback": (lambda: call(lambda n: n), 100),
        "10 floats there and back": (lambda: double(small), 100),
        "1,000,000 floats there and back": (lambda: double(big), 1),
        "1,000,000 floats changed in place": (lambda: inplace(big), 1),
        "a list of 100,000 integers": (lambda: double(numbers), 1),
    }


def main() -> None:
    """Measure, print a table, and fail when a scalar call is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    with echo() as ping:
        best, median = timed(ping, 2000, rounds)
    print(f"cores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':36}{'best':>10}{'median':>10}  µs")
    print(f"{'(a bare socket, there and back)':36}{best:10.0f}{median:10.0f}")
    students = Students(("numpy",))
    try:
        policy = Policy({"Value": frozenset({"__add__"})})
        names = Names(Facts(imports={}, operators={}))
        names.link = link = Link(students.new(), policy, names)
        link.run(STUDENT, "cell", 30)
        link.begin(float("inf"))
        link.call_s = 60.0
        results = {}
        for name, (action, count) in cases(names).items():
            results[name], median = timed(action, count, rounds)
            print(f"{name:36}{results[name]:10.0f}{median:10.0f}")
        link.sock.close()
    finally:
        students.close()
    ok = results["a scalar call"] < LIMIT_US
    print(f"a scalar call under {LIMIT_US} µs: {'yes' if ok else 'NO'}")
    sys.exit(not ok)


if __name__ == "__main__":
    main()
