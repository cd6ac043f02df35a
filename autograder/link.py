"""The referee's end of the conversation with one student's process.

One request at a time, each with a number used once (a nonce). Bytes that nobody asked
for, a reply that is no message, or the end of the process end the conversation with an
`Abort`, which is remembered: a check that swallows it has not passed.
"""

import contextlib
import functools
import secrets
import select
import socket
import struct
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import msgpack
from msgpack import ExtType

import course
from autograder import wire, wire_changes
from autograder import wire_format as wf
from autograder.lending import Lender, library_name
from autograder.policy import Policy, callees, is_named, place_of
from autograder.proxies import Facts, Proxy, make
from autograder.student_errors import (
    Abort,
    Died,
    Exceptions,
    GraderLimit,
    Hung,
    NotPlain,
    StudentError,
    Violation,
    rebuild,
)
from autograder.timed import Timed

GRACE_S = 2.0  # after a call's limit: the student's alarm and its answer need time
_LIBRARIES = ("torch", "pandas")


class Link:
    """Requests to one student's process, its handles, and what checks lent to it."""

    def __init__(
        self, sock: socket.socket, policy: Policy, trusted: dict[str, Any]
    ) -> None:
        """Take the socket, what handles may do, and the instructor's own names."""
        self.policy, self.trusted = policy, trusted
        self.sock = sock
        self.codec = wire.Codec(self)
        self.exceptions = Exceptions(trusted)
        self.broken: Abort | None = None
        self.refused = ""  # why an object was not accepted, in this check
        self.is_late = False  # a call of this check ran out of time
        self.call_s = 10.0
        self.deadline = float("inf")  # of the whole check
        self.calls = 0
        self.seeds: list[list[Any]] = []
        self.records: set[type] = set()
        self._proxies: weakref.WeakValueDictionary[int, Proxy] = (
            weakref.WeakValueDictionary()
        )
        self._dropped: set[int] = set()
        self._lender = Lender()
        self._table: list[Any] = []
        self._depth = 0
        self._told: list[str] = []
        self._fresh = True
        self.strayed = ""  # the function that changed what the reference left alone
        self.keeps_arguments = False  # changes in place are not merged
        self._callees: tuple[str, ...] = ()  # the places of what is being called
        self._met: list[Proxy] = []  # in the message that is being read
        self._came: list[Proxy] = []  # with the last answer
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    # ------------------------------------------------------------ requests

    def begin(self, seconds: float, *, keeps_arguments: bool = False) -> None:
        """Begin a check that may take so long; what earlier ones lent is void.

        Args:
            seconds: wall time for the whole check.
            keeps_arguments: what the student's functions change in place stays as it
                was on this side.
        """
        self._lender = Lender()
        self.strayed, self.keeps_arguments = "", keeps_arguments
        self.refused, self.is_late = "", False
        self.deadline = time.monotonic() + seconds
        self._fresh = True
        self._settle()

    def call(
        self,
        target: Proxy,
        arguments: Sequence[object],
        named: Mapping[str, object],
        seconds: float | None = None,
    ) -> Any:
        """Return what the student's function returns; merge what it changed."""
        values = [*arguments, *named.values()]
        aliases: dict[int, int] = {}
        first: dict[int, int] = {}
        for i, value in enumerate(values):
            if type(value) in wire_changes.SCALARS or isinstance(value, Proxy):
                continue
            if first.setdefault(id(value), i) != i:
                aliases[i] = first[id(value)]
        once = [it for i, it in enumerate(values) if i not in aliases]
        table = wire_changes.walk(once, self.is_record)
        sent = [None if i in aliases else it for i, it in enumerate(values)]
        positional = sent[: len(arguments)]
        rest = dict(zip(named, sent[len(arguments) :], strict=True))
        question = (
            "call",
            target.crossroads_.reference,
            positional,
            rest,
            aliases,
            len(table),
        )
        outer, self._callees = self._callees, callees(target)
        try:
            found = self._ask(question, table, seconds)
            for place in self._callees:
                self.policy.note(place, found, self._came, self, is_strict=True)
        finally:
            self._callees = outer
        return found

    def request(self, operation: str, *arguments: object) -> Any:
        """Return the student's answer.

        Raises:
            StudentError: the student's code raised.
            Abort: the conversation is over.
        """
        found = self._ask((operation, *arguments), [], None)
        place = place_of(operation, arguments)
        if place and operation == "get" and is_named(found):
            for it in self._came:
                it.crossroads_.places.add(place)
        elif place:
            strict = operation == "get"
            self.policy.note(place, found, self._came, self, is_strict=strict)
        return found

    def run(self, source: str, cell_id: str, seconds: float) -> Any:
        """Run a cell in the student's process: [ok, traceback, outputs].

        A check that is over has no say in it: neither what it lent nor its deadline.
        """
        self._lender, self.deadline = Lender(), float("inf")
        return self._ask(("run", source, cell_id), [], seconds)

    def _ask(
        self, question: tuple[object, ...], table: list[Any], seconds: float | None
    ) -> Any:
        if self.broken is not None:
            raise self.broken
        if self._depth == 0 and question[0] not in ("begin", "seed", "drop"):
            self._settle()
        outer, self._table = self._table, table
        self._depth += 1
        try:
            status, value, limit = self._exchange(question, seconds)
        except (GraderLimit, NotPlain):
            raise
        except (wf.WireError, struct.error) as error:
            raise self._break(Violation(f"its answer is no message: {error}")) from None
        except TimeoutError:
            raise self._break(Hung("the code did not answer in time")) from None
        except (OSError, EOFError):
            raise self._break(Died(_DIED)) from None
        except (
            BaseException
        ):  # an alarm rang in the middle of it: its answer comes late
            self._break(Hung("the call was cut short"))
            raise
        finally:
            self._depth -= 1
            self._table = outer
        if status == "ok":
            return value
        if status == "late":
            raise self._too_late(value, limit)
        raise value

    def _exchange(
        self, question: tuple[object, ...], seconds: float | None
    ) -> tuple[str, Any, float]:
        """Return ("ok", value, limit), or ("raised" or "late", exception, limit)."""
        limit = min(seconds or self.call_s, self.deadline - time.monotonic())
        if limit <= 0:
            raise self._break(Hung("the check's time is over"))
        if self._depth == 1 and self._poll.poll(0):
            raise self._break(self._unasked())
        nonce = secrets.randbits(62)
        self.calls += 1
        timed = Timed(self.sock, time.monotonic() + limit + GRACE_S)
        try:
            wire.send(timed, self.codec, [nonce, limit, *question])  # type: ignore[arg-type]
        except wf.WireError as error:
            if self._is_theirs(error):
                self.refused = "your code gave more than can be passed on to it again."
                raise NotPlain(self.refused) from None
            raise GraderLimit(f"the check cannot ask this: {error}") from None
        while True:
            outer, self._met = self._met, []  # a key's hash is asked for in between
            reply = wire.receive(timed, self.codec)  # type: ignore[arg-type]
            came, self._met = self._met, outer
            if type(reply) is not list or len(reply) < 2:
                raise wf.WireError("neither a reply nor a question")
            if reply[0] != "callback":
                status, value = self._settled(reply, nonce)
                self._came = came
                return status, value, limit
            self._answer(timed, reply[1:], came)

    def _settled(self, reply: list[Any], nonce: int) -> tuple[str, Any]:
        if type(reply[0]) is not int or reply[0] != nonce or len(reply) != 5:
            raise wf.WireError("a reply to another question")
        _, status, value, changes, printed = reply
        if type(printed) is not str or type(changes) is not list:
            raise wf.WireError("a reply of another form")
        if changes and not self.policy.may_change(self._callees):
            self.strayed = self.strayed or self._callees[0]
        for change in changes if not self.keeps_arguments else ():
            wire_changes.merge_into(self._table, change)
        if printed:
            sys.stdout.write(printed)
        if status == "ok":
            return status, value
        if status not in ("raised", "late"):
            raise wf.WireError("a reply of another form")
        token = value.get("token") if type(value) is dict else None
        own = self._lender.raised.get(token) if type(token) is int else None
        if own is None or isinstance(own, StopIteration | StopAsyncIteration):
            return status, rebuild(value)  # it must not end a loop of the check's
        return status, own  # the check's own exception comes back

    def _too_late(self, error: StudentError, limit: float) -> StudentError:
        self.is_late = True
        kind = self.exceptions.of([["builtins", "TimeoutError", 0]])
        late = kind.__new__(kind)
        vars(late).update(vars(error))
        late.student_text = f"it did not end within {limit:g} seconds"
        late.is_late = True  # type: ignore[attr-defined]
        return late

    def _settle(self) -> None:
        """Send what has to be said before the next question."""
        libraries = [it for it in _LIBRARIES if it in sys.modules]
        if self._fresh or libraries != self._told:
            records = [*map(_record_name, self.records), *course_records()]
            fresh, self._fresh, self._told = self._fresh, False, libraries
            self.request("begin", libraries, records, fresh)
        if self.seeds:
            seeds, self.seeds = self.seeds, []
            self.request("seed", seeds)
        if len(self._dropped) > 256:
            dropped, self._dropped = self._dropped, set()
            self.request("drop", list(dropped))

    def _unasked(self) -> Abort:
        with contextlib.suppress(OSError):
            if not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return Died(_DIED)
        return Violation("its process sent what nobody asked for")

    def _break(self, abort: Abort) -> Abort:
        if self.broken is None:
            self.broken = abort
            self.sock.close()
        return self.broken

    def release(self, number: int) -> None:
        """Note that a handle is held no longer."""
        self._dropped.add(number)

    def _answer(self, timed: Timed, message: list[Any], came: list[Proxy]) -> None:
        """Run a function of the check's for the student's code."""
        place = f"what {self._lender.label(message)} is given"
        self.policy.note(place, None, came, self)
        table, self._table = self._table, []
        try:
            answer = self._lender.answer(message, self)
        finally:
            self._table = table
        try:
            wire.send(timed, self.codec, answer)  # type: ignore[arg-type]
        except wf.WireError as error:
            if self._is_theirs(error):
                kind, text = [["builtins", "ValueError"]], str(error)
                wire.send(timed, self.codec, ["raise", kind, [text], text, 0])  # type: ignore[arg-type]
                return
            text = f"the check cannot answer this: {error}"
            raise self._break(GraderLimit(text)) from None

    def _is_theirs(self, error: wf.WireError) -> bool:
        """Whether the student made it too large: the reference passed here."""
        return isinstance(error, wf.TooLarge) and self.policy.returns is not None

    # ------------------------------------------------------------ References

    def encode(self, value: Any) -> ExtType:
        """Return what stands for an object in a request."""
        if type(value) is wire_changes.Argument:
            return ExtType(wf.ARGUMENT, msgpack.packb(value.index))
        if isinstance(value, Proxy):
            return value.crossroads_.reference
        if isinstance(value, type) and issubclass(value, StudentError) and value.number:
            return ExtType(wf.HANDLE, msgpack.packb(value.number))
        name = library_name(value)
        if name is not None:
            return ExtType(wf.NAME, msgpack.packb(name))
        return ExtType(wf.CALLBACK, msgpack.packb(self._lender.lend(value)))

    def decode(self, code: int, payload: Any) -> object:
        """Return what a reference of the student's stands for."""
        if code == wf.HANDLE:
            return self._handle(*payload)
        if type(payload) is int and payload >= 0:
            if code == wf.CALLBACK and payload in self._lender.lent:
                return self._lender.lent[payload]
            if code == wf.ARGUMENT and payload < len(self._table):
                return self._table[payload]
        raise wf.WireError("an unknown reference")

    def _handle(self, number: Any, kind: Any, name: Any, bases: Any) -> object:
        ok = type(number) is int and type(kind) is str and kind in tuple("fckiox")
        if not ok or type(name) is not str or type(bases) is not list:
            raise wf.WireError("a handle of another form")
        if len(self._met) >= wf.MAX_HANDLES:
            raise wf.WireError("too many objects")
        self._dropped.discard(number)
        if kind == "x":
            if not all(map(_is_class_entry, bases)):
                raise wf.WireError("a handle of another form")
            return self.exceptions.of(bases)
        if not all(type(it) is str for it in bases):
            raise wf.WireError("a handle of another form")
        found = self._proxies.get(number)
        classes = tuple(bases)
        same = found is not None and found.crossroads_.kind == kind
        if not same or found.crossroads_.classes != classes:  # type: ignore[union-attr]
            allowed = self.policy.allowed(classes) if kind in "oki" else frozenset()
            reference = ExtType(wf.HANDLE, msgpack.packb(number))
            facts = Facts(self, number, kind, name, classes, allowed, reference)
            found = make(facts)
            self._proxies[number] = found
        self._met.append(found)  # type: ignore[arg-type]
        return found

    def knows(self, library: str) -> bool:
        """Whether the student's side takes this library's values: it is told them."""
        return library == "objects" or library in sys.modules

    def is_record(self, kind: type) -> bool:
        """Whether both sides know this dataclass."""
        if kind in self.records:
            return True
        module = getattr(kind, "__module__", "")
        return module.startswith("course.") and is_dataclass(kind)

    def record_class(self, module: str, name: str) -> type | None:
        """Return the instructor's dataclass or namedtuple of this name."""
        if module == "__main__":
            return next((it for it in self.records if it.__name__ == name), None)
        if not module.startswith("course."):
            return None
        found = getattr(sys.modules.get(module), name, None)
        return found if isinstance(found, type) and is_dataclass(found) else None


def course_records() -> list[str]:
    """Return `module:name` of all dataclasses of `course` modules that are loaded."""
    loaded = [it for it in _course_modules() if it in sys.modules]
    return [name for module in loaded for name in _dataclasses(module)]


@functools.cache
def _course_modules() -> tuple[str, ...]:
    """Return what there is: to go through all that is loaded writes to each name."""
    root = Path(course.__file__).parent
    places = (it.relative_to(root.parent) for it in root.rglob("*.py"))
    found = (".".join(it.with_suffix("").parts) for it in places)
    return tuple(it.removesuffix(".__init__") for it in found)


@functools.cache
def _dataclasses(module: str) -> tuple[str, ...]:
    values = list(vars(sys.modules[module]).values())
    kinds = (it for it in values if isinstance(it, type) and is_dataclass(it))
    return tuple(map(_record_name, kinds))


def _record_name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__name__}"


_DIED = (
    "your code ended its own process: os._exit, a crash in a library, or more memory "
    "than there is"
)


def _is_class_entry(entry: object) -> bool:
    if type(entry) is not list or len(entry) != 3:
        return False
    module, name, number = entry
    return type(module) is str and type(name) is str and type(number) is int
