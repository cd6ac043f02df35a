"""What runs in the student's process: its cells, and the answers to the referee.

Everything here lies in hostile hands: the referee believes nothing of it. The hidden
tests, what they expect and the points never come here. A request and its reply:

    [nonce, seconds, operation, arguments...]  ->  [nonce, "ok", value, changes, printed]
                                               or  [nonce, "raised", what, changes, ...]

While a request is open, `["callback", ...]` asks the referee to run a function of the
check's own; the answer is `["answer", value]` or `["raise", what]`.
"""

import contextlib
import inspect
import io
import operator
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from autograder import seeding, wire, wire_changes
from autograder.student_refs import StudentReferences, raised
from autograder.student_shell import Output, make_shell, outputs_of
from autograder.wire_format import WireError

OUTPUT_CHARS = 200_000
WARMING_RUNS = 10  # Python 3.11 settles how code runs after eight times
WARMING = '''
# What cells are made of: what reads and runs them is then ready in every child.
import functools
from dataclasses import dataclass


@dataclass
class Warm:
    """A class."""

    text: str = "a"

    def method(self, rows, *, factor=2.0):
        """Return
        numbers."""
        for index, it in enumerate(rows):
            if not it % 2 and index != 7:
                yield f"{it:.2f} {self.text}", {"a": [it * factor, -1]}


print(list(Warm().method([1, 2, 3])))
functools.partial(print, end="")("b")
1 + 1
'''


def prefork(config: Mapping[str, object]) -> None:
    """Import and warm what every child needs; call once, in the zygote, before forks.

    Starts no thread. The caller sets CROSSROADS_GRADING: nothing is to be logged.

    Args:
        config: plain data:
            `preload`: list of modules to import ("numpy", "torch", "matplotlib", ...);
            `warm`: list of source texts to run once in the shell (optional);
            `figures`: true to draw figures into the cells' outputs (default: no).
    """
    preload = [str(it) for it in config.get("preload", ())]  # type: ignore[attr-defined]
    for name in preload:
        __import__(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # no OpenMP pool before a fork
    shell = make_shell(figures=bool(config.get("figures")))
    known = set(shell.user_ns)
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(WARMING_RUNS):
            shell.run_cell(WARMING, store_history=False)
    for source in config.get("warm", ()):  # type: ignore[attr-defined]
        shell.run_cell(source, store_history=False)
    shell.sink.clear()
    for name in set(shell.user_ns) - known | {"_"}:  # a student's cells start without
        shell.user_ns.pop(name, None)


def serve(sock: socket.socket, config: Mapping[str, object]) -> None:
    """Answer the referee on `sock` until it closes; call in the forked child.

    Must run in the main thread (it uses SIGALRM for the deadline of each call).
    Replaces sys.stdout and sys.stderr by capped buffers; needs no other descriptor.
    Returns when the referee closes its end; the caller then `os._exit(0)`s.

    Args:
        sock: a connected stream socket (AF_UNIX) to the referee, blocking.
        config: what `prefork` got, and optionally `output_chars` (cap on printed
            characters per request, default 200,000).
    """
    shell = make_shell(figures=bool(config.get("figures")))
    limit = config.get("output_chars", OUTPUT_CHARS)
    runtime = _Runtime(sock, shell, int(limit))  # type: ignore[call-overload]
    with contextlib.suppress(EOFError, OSError, WireError):
        runtime.loop()


class OutOfTime(BaseException):
    """The deadline of a request; not an Exception, so that few `except`s catch it."""


class _Runtime:
    """One student's names, and the conversation about them."""

    def __init__(self, sock: socket.socket, shell: Any, output_chars: int) -> None:
        self.sock, self.shell = sock, shell
        self.names: dict[str, Any] = shell.user_ns
        self.names["__name__"] = "__main__"
        self.refs = StudentReferences(self.names, self.ask)
        self.codec = wire.Codec(self.refs, allow_objects=True)
        self.out, self.err = Output("stdout", output_chars), Output("stderr", 20_000)
        sys.stdout, sys.stderr = self.out, self.err
        self.has_alarm = threading.current_thread() is threading.main_thread()
        if self.has_alarm:
            signal.signal(signal.SIGALRM, self._ring)
        self.is_open = False  # student code is running: the alarm may interrupt it
        self.is_asking = False  # but it asks the referee: the alarm is for afterwards
        self.has_rung = False

    def loop(self) -> None:
        while True:
            self.answer(wire.receive(self.sock, self.codec))

    def answer(self, request: list[Any]) -> None:
        nonce, seconds, operation, *arguments = request
        changes: list[Any] = []
        try:
            with self._limited(seconds):
                value = getattr(self, f"do_{operation}")(changes, *arguments)
            reply = [nonce, "ok", value]
        except OutOfTime:
            reply = [nonce, "late", raised(OutOfTime(), sys.exc_info()[2])]
        except BaseException as error:  # noqa: BLE001 - whatever a student raises
            reply = [nonce, "raised", raised(error, error.__traceback__)]
        reply += [changes, self.out.take() + self.err.take()]
        try:
            wire.send(self.sock, self.codec, reply)
        except WireError as error:
            what = raised(ValueError(str(error)), None)
            wire.send(self.sock, self.codec, [nonce, "raised", what, [], ""])

    def ask(self, kind: str, number: int, *rest: Any) -> Any:
        """Let the referee run a function of the check's while its request is open."""
        table: list[Any] = []
        if kind == "call":
            table = wire_changes.walk(
                [*rest[0], *rest[1].values()], self.refs.is_record
            )
            rest = (*rest, len(table))
        outer, self.refs.table = self.refs.table, table
        with self._uninterrupted():
            try:
                wire.send(self.sock, self.codec, ["callback", kind, number, *rest])
                return self.answered(table)
            finally:
                self.refs.table = outer

    def answered(self, table: list[Any]) -> Any:
        while True:
            reply = wire.receive(self.sock, self.codec)
            if reply[0] == "answer":
                for change in reply[2]:
                    wire_changes.merge_into(table, change)
                return reply[1]
            if reply[0] == "raise":
                raise self.refs.exception(*reply[1:])
            before = self.is_open, self.is_asking
            self.is_open = self.is_asking = False
            self.answer(reply)
            self.is_open, self.is_asking = before

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        if not self.has_alarm:
            yield
            return
        left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        self.is_open = True
        try:
            yield
        finally:
            self.is_open = False
            signal.setitimer(signal.ITIMER_REAL, left, 0.5 if left else 0)

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """Hold an alarm back until a question and its answer are through."""
        outer, self.is_asking = self.is_asking, True
        try:
            yield
        finally:
            self.is_asking = outer
            if self.has_rung and not outer:
                self.has_rung = False
                raise OutOfTime

    def _ring(self, *_: object) -> None:
        if self.is_open and self.is_asking:
            self.has_rung = True
        elif self.is_open:
            raise OutOfTime

    # ------------------------------------------------------------ operations

    def do_begin(
        self, _: list[Any], libraries: list[str], records: list[str], fresh: bool
    ) -> None:
        """A check begins: what the referee can rebuild, and forget old callbacks."""
        self.refs.begin(libraries, records, fresh=fresh)

    def do_run(self, _: list[Any], source: str, cell_id: str) -> list[Any]:
        self.shell.sink.clear()
        self.shell.cell_id = cell_id
        result = self.shell.run_cell(source, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        text: object = ""
        if error is not None:
            text = raised(error, error.__traceback__)["traceback"]
        outputs = outputs_of(self.out.take(), self.err.take(), self.shell.sink)
        if isinstance(error, OutOfTime):
            raise error
        return [bool(result.success), text, outputs]

    def do_get(self, _: list[Any], name: str) -> Any:
        if name not in self.names:
            raise NameError(f"name {name!r} is not defined")
        return self.names[name]

    def do_call(
        self,
        changes: list[Any],
        function: Callable[..., Any],
        arguments: list[Any],
        named: dict[str, Any],
        aliases: dict[int, int],
        mutable: int,
    ) -> Any:
        values = [*arguments, *named.values()]
        for index, first in aliases.items():
            values[index] = values[first]
        arguments, rest = values[: len(arguments)], values[len(arguments) :]
        named = dict(zip(named, rest, strict=True))
        once = [it for i, it in enumerate(values) if i not in aliases]
        watch = wire_changes.Watch(once, self.refs, mutable)
        try:
            return watch.linked(function(*arguments, **named))
        finally:
            changes += watch.changes()

    def do_attr(self, _: list[Any], target: Any, name: str) -> Any:
        return getattr(target, name)

    def do_setattr(self, _: list[Any], target: Any, name: str, value: Any) -> None:
        setattr(target, name, value)

    def do_op(self, _: list[Any], name: str, operands: list[Any]) -> Any:
        return OPERATIONS[name](*operands)

    def do_iter(self, _: list[Any], target: Any) -> Any:
        return iter(target)

    def do_next(self, _: list[Any], target: Any) -> list[Any]:
        try:
            return [next(target)]
        except StopIteration:
            return []

    def do_isinstance(self, _: list[Any], value: Any, kind: Any) -> bool:
        return bool(isinstance(value, kind))

    def do_signature(self, _: list[Any], function: Any) -> str:
        return str(inspect.signature(function))

    def do_seed(self, _: list[Any], seeds: list[list[Any]]) -> None:
        """Seed as the check did: the same numbers as in one process."""
        for library, seed in seeds:
            seeding.seed_library(library, seed)

    def do_drop(self, _: list[Any], numbers: list[int]) -> None:
        self.refs.drop(numbers)


_BINARY = (
    "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift eq ne lt le "
    "gt ge getitem setitem delitem contains iadd isub imul itruediv imatmul ifloordiv "
    "ior iand neg pos abs invert index"
)
OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in _BINARY.split()},
    **{it.__name__: it for it in (len, bool, float, int, complex, repr, str, hash)},
    "round": round,
    "divmod": divmod,
    "reversed": reversed,
    "enter": lambda it: it.__enter__(),
    "exit": lambda it: it.__exit__(None, None, None),
    "format": format,
}
