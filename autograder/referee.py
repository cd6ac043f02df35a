"""Runs the checks outside of the student's process, and decides.

The referee conducts: in the notebook's order it lets the student's process run a cell,
or runs a check's own source here, with the student's names standing for what is in the
other process. A process that dies or hangs costs the exercise at hand; the next one
gets a fresh process, in which the earlier cells are run again.
"""

import contextlib
import importlib
import io
import linecache
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from autograder import compiled
from autograder.facts import names_in
from autograder.link import Link, course_records
from autograder.names import Names
from autograder.outcomes import (
    cell_answer,
    clean,
    not_graded,
    size_of,
    status_of,
    verdict_of,
)
from autograder.policy import Policy
from autograder.seeds import forwarded_seeds
from autograder.student_errors import (
    Abort,
    Hung,
    StudentError,
)
from autograder.submission import Plan, Step
from autograder.verdicts import MAX_TEXT, CellRun, ExerciseVerdict, Status
from autograder.watchdog import Watchdog, watchdog
from course import settings
from course.errors import CheckFailed

Emit = Callable[[dict[str, object]], None]
PATIENCE = 2  # wall time of a check for the CPU time that it may take
MAX_OUTPUTS = 4 << 20  # bytes, as JSON, of what all cells of a submission show
NewStudent = Callable[[], socket.socket]


def prefork(config: Mapping[str, object]) -> None:
    """Import what checks need; call once, in the referee's zygote, before forks.

    Args:
        config: plain data: `preload`, the list of modules to import.
    """
    settings.mark_grading()
    preload = config.get("preload", ())
    for name in (*preload, "course.feedback", "course.hints"):  # type: ignore[misc]
        importlib.import_module(str(name))
    course_records()
    watchdog()


def conduct(plan: Plan, new_student: NewStudent, emit: Emit) -> None:
    """Run the plan's cells in the student's process and its checks in this one.

    Call in a fresh process's main thread: the checks' globals, warnings, random
    generators and SIGPROF are this process's. Nothing is raised for what the student
    does; what is raised is the grader's own fault.

    Args:
        plan: the steps. `Plan.from_json(bytes)` rebuilds it in the referee's process.
        new_student: returns a connected blocking stream socket to a *fresh* student
            process (in which `student.serve` runs). Called once at the start and
            again after each death; the referee closes the old socket first, so the
            engine may kill the old process when asked for a new one. May raise
            `OSError("why")` when no more may be started: what is left is then not
            graded, for that reason.
        emit: gets plain JSON data, each as soon as it is known, and the last is
            `{"kind": "done"}`. Kinds (see `verdicts.assemble`, which adds them up):
            `{"kind": "cell", **CellRun}`, `{"kind": "exercise", **ExerciseVerdict}`,
            `{"kind": "restart", "reason": "..."}`,
            `{"kind": "done", "returns": {callee: [kinds]}, "calls": n}`.
    """
    settings.mark_grading()
    session = _Session(plan, new_student, emit)
    try:
        with forwarded_seeds(lambda: session.link):
            for step in plan.steps:
                session.take(step)
    finally:
        session.close()
    seen = {name: sorted(kinds) for name, kinds in session.policy.seen.items()}
    emit({"kind": "done", "returns": seen, "calls": session.calls})


class _Session:
    """One submission: the student's process, the names, and what has run."""

    def __init__(self, plan: Plan, new_student: NewStudent, emit: Emit) -> None:
        self.plan, self.new_student, self.emit = plan, new_student, emit
        operators = {k: frozenset(v) for k, v in plan.facts.operators.items()}
        known = None
        if plan.returns is not None:
            known = {name: frozenset(kinds) for name, kinds in plan.returns.items()}
        self.policy = Policy(operators, known)
        self.names = Names(plan.facts)
        if known is not None:  # a reference that fails here shows which must stay open
            self.names.closed.update(plan.facts.owned)
        self.link: Link | None = None
        self.records: set[type] = set()
        self.ran: list[Step] = []  # cells to run again in a fresh process
        self.calls = 0
        self.lost: dict[str, Abort] = {}  # cells since the last check, and their end
        self.ended = ""  # why no fresh process can be had
        self.room = MAX_OUTPUTS  # for what cells show, from now on
        self.watchdog = watchdog()
        self.fault = ""  # why checks cannot be run: the instructor's cells fail here

    def take(self, step: Step) -> None:
        if step.kind == "manual":
            if step.source:
                self.run_cell(step)
            return
        if step.kind == "check":
            verdict = self.with_lost(self.judge(step))
            self.emit({"kind": "exercise", **verdict.to_json()})
            return
        self.run_cell(step)
        if step.kind == "setup":
            self.set_up(step)
        self.names.forget(step.defines)

    def close(self) -> None:
        self.watchdog.close()
        self.hang_up()

    def hang_up(self) -> None:
        if self.link is not None:
            self.calls += self.link.calls
            self.link.sock.close()
            self.link = self.names.link = None

    # ------------------------------------------------------------ processes

    def revive(self) -> Link | None:
        """Return the link to a student's process that answers; None: there is none."""
        while self.link is None or self.link.broken is not None:
            if self.ended:
                return None
            if self.link is not None:
                reason = str(self.link.broken)
                self.hang_up()
                self.emit({"kind": "restart", "reason": reason})
            try:
                sock = self.new_student()
            except OSError as error:
                self.ended = str(error) or "no student's process could be started"
                return None
            self.link = self.names.link = Link(sock, self.policy, self.names)
            self.link.call_s = self.plan.call_s
            self.link.records = self.records
            self.names.forget()
            self.replay(self.link)
        return self.link

    def replay(self, link: Link) -> None:
        """Run the earlier cells again; one that ends the process is left out then."""
        for step in list(self.ran):
            try:
                link.run(step.source, step.id, self.plan.cell_s)
            except StudentError:
                continue
            except Abort:
                self.ran.remove(step)
                return

    def run_cell(self, step: Step) -> None:
        start = time.monotonic()
        link = self.revive()
        if link is None:
            self.cell_ended(step, False, self.ended, (), start)
            return
        try:
            answer = link.run(step.source, step.id, self.plan.cell_s)
        except StudentError as error:  # late: its names are there, as far as it came
            self.ran.append(step)
            if getattr(error, "is_late", False):
                self.lost[step.id] = Hung(str(error))
            self.cell_ended(step, False, str(error), (), start)
            return
        except Abort as abort:
            self.lost[step.id] = abort
            self.cell_ended(step, False, str(abort), (), start)
            return
        self.ran.append(step)
        self.cell_ended(step, *cell_answer(answer, self.room), start)

    def cell_ended(
        self, step: Step, ok: bool, error: str, outputs: tuple[Any, ...], start: float
    ) -> None:
        seconds = time.monotonic() - start
        run = CellRun(step.id, ok, clean(error), outputs, seconds)
        self.room -= size_of([error, outputs])
        if self.room < 0:
            run = CellRun(step.id, ok, error and "(not kept)", (), seconds)
        self.emit({"kind": "cell", **run.to_json()})

    def set_up(self, step: Step) -> None:
        """Run the instructor's cell here as well: checks use this side's names."""
        before = set(dict.keys(self.names))
        calls = self.link.calls if self.link is not None else 0
        if self.link is not None:
            self.link.deadline = time.monotonic() + self.plan.cell_s
        try:
            with _quiet(), _limited(self.plan.cell_s, self.watchdog):
                _execute(step, self.names)
        except (StudentError, NameError, Abort):
            self.failed(step)  # it needs what the student did not give
            return
        except Exception as error:  # noqa: BLE001 - the instructor's cell
            if self.link is not None and self.link.calls > calls:
                self.failed(step)  # it was given something else than by the reference
                return
            self.fault = f"cell {step.id!r} fails in the grader: {error!r}"
        for name in set(dict.keys(self.names)) - before:
            value = dict.__getitem__(self.names, name)
            is_own = isinstance(value, type) and value.__module__ == "__main__"
            if is_own and (hasattr(value, "__dataclass_fields__") or _is_named(value)):
                self.records.add(value)

    def failed(self, step: Step) -> None:
        """Note that a locked cell fails here; as the reference's, its names are there."""
        place = f"the cell {step.id}"
        if self.policy.returns is None:
            self.policy.seen.setdefault(place, set()).add("(fails)")
        elif place in self.policy.returns:
            self.names.closed -= names_in(step.source)
        else:
            self.names.close(step.source)

    # ------------------------------------------------------------ checks

    def judge(self, step: Step) -> ExerciseVerdict:
        start = time.monotonic()
        link = None if self.fault else self.revive()
        if link is None:
            return not_graded(step, self.fault or self.ended)
        calls, printed = link.calls, _Printed()
        with contextlib.redirect_stdout(printed):
            outcome, value = self.attempt(step, link)
            if outcome is None and link.strayed and not step.shared:
                # What the check worked out after the call may be worked out from
                # what the answer wrote: it must pass with its own arguments, too.
                name = link.strayed
                outcome, value = self.attempt(step, link, keeps_arguments=True)
                if isinstance(outcome, Exception):
                    outcome = CheckFailed(
                        f"{name} changes its argument in place, and is right only with "
                        "what it wrote there. Work on a copy: the caller still needs "
                        "its own."
                    )
        verdict = verdict_of(step, link, outcome, value)
        stdout, lost = printed.taken()
        return replace(
            verdict,
            stdout=clean(stdout),
            stdout_dropped=lost,
            seconds=time.monotonic() - start,
            calls=link.calls - calls,
            shared=step.shared,
        )

    def attempt(
        self, step: Step, link: Link, *, keeps_arguments: bool = False
    ) -> tuple[BaseException | None, object]:
        """Run a check once; return (what it raised, what its last line gave)."""
        try:
            with _limited(self.plan.check_s, self.watchdog) as rung:
                link.begin(self.plan.check_s, keeps_arguments=keeps_arguments)
                if step.shared:
                    return None, self.judge_inside(step, link)
                value = _execute(step, self.names)
            return (rung[0] if rung else None), value  # a library may swallow it
        except Exception as error:  # noqa: BLE001 - whatever the check raises
            return error, None
        except (Abort, SystemExit) as error:
            return error, None

    def with_lost(self, verdict: ExerciseVerdict) -> ExerciseVerdict:
        """Return a failure that says which cell above ended the process, if any."""
        lost, self.lost = self.lost, {}
        if verdict.status is not Status.FAILED or not lost:
            return verdict
        name, abort = next(iter(lost.items()))
        message = f"cell {name!r} did not end: {abort}. {verdict.message}"
        return replace(verdict, status=status_of(abort), message=message)

    def judge_inside(self, step: Step, link: Link) -> object:
        """Run a check in the student's process: its word is all there is."""
        ok, error, outputs = cell_answer(
            link.run(step.source, step.id, self.plan.check_s), MAX_OUTPUTS
        )
        if not ok:
            failed = StudentError()
            failed.student_text = error.strip().splitlines()[-1][:2000] if error else ""
            failed.student_traceback = error
            raise failed
        return _shown_number(outputs)


def _shown_number(outputs: Iterable[Any]) -> float | None:
    """Return the points that a check's last line shows, as nbgrader reads them."""
    for it in outputs:
        data = it.get("data") if it.get("output_type") == "execute_result" else None
        with contextlib.suppress(ValueError, TypeError):
            if isinstance(data, dict):
                return float(str(data.get("text/plain")))
    return None


def _execute(step: Step, names: Names) -> object:
    """Execute the instructor's text; return the value of its last expression."""
    filename = compiled.filename_of(step.id)
    lines = step.source.splitlines(keepends=True)
    linecache.cache[filename] = (len(step.source), None, lines, filename)
    if step.code:
        code, last = compiled.unpacked(step.code)
    else:
        code, last = compiled.compiled(step.source, step.id)
    with warnings.catch_warnings():
        exec(code, names)  # noqa: S102 - the instructor's
        return None if last is None else eval(last, names)  # noqa: S307 - the same


def _is_named(value: type) -> bool:
    return issubclass(value, tuple) and hasattr(value, "_fields")


class _Printed(io.TextIOBase):
    """Keeps what a check prints, up to a limit."""

    def __init__(self) -> None:
        self._kept, self._lost = io.StringIO(), 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = MAX_TEXT - self._kept.tell()
        self._kept.write(text[: max(room, 0)])
        self._lost += max(len(text) - max(room, 0), 0)
        return len(text)

    def taken(self) -> tuple[str, int]:
        return self._kept.getvalue(), self._lost


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _limited(seconds: float, dog: Watchdog) -> Iterator[list[Hung]]:
    """Limit the CPU time that this process itself takes for a check, and the wall time.

    The link's deadlines limit waiting; this limits what a check does with an endless
    generator's items, or with an answer of a million entries. On a busy machine CPU
    seconds take long: `PATIENCE` times as much wall time is enough, or one exercise
    would take the time of all. It rings again each second: a library that calls Python
    (SQLite) may have swallowed what was raised. What was is in the list that is given.
    """
    rung: list[Hung] = []
    is_over = False
    if threading.current_thread() is not threading.main_thread():
        yield rung
        return

    def ring(*_: object) -> None:
        if not is_over:
            rung.append(Hung("judging the answer took too long"))
            raise rung[-1]

    signal.signal(
        signal.SIGPROF, ring
    )  # it stays: a late ring must not end the process
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    dog.set(PATIENCE * seconds)
    try:
        yield rung
    finally:
        is_over = True
        dog.clear()
        signal.setitimer(signal.ITIMER_PROF, 0)
