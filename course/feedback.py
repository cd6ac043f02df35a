"""What checks are written with: judgements that explain.

A check is a `with check("a1.softmax"):` block that calls the learner's functions with
plain data and judges plain data. Each helper either returns or raises `CheckFailed`
with a sentence that names the shape, the value or the misconception.
"""

import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NoReturn, Self, TypeVar

import numpy as np

from course import progress, settings, timelimit
from course.errors import CheckFailed

Mistakes = Mapping[str, object]
T = TypeVar("T")


class _Unanswered(CheckFailed):
    """Nothing was answered where every answer is right: there is no hint to give."""


class check:  # noqa: N801 - read as a word of the language: `with check("a1.softmax"):`
    """Judges one exercise: what goes wrong inside becomes a message that helps.

    The learner's own exceptions become a `CheckFailed` that names the line. Warnings
    of the learner's code are not failures. The outcome goes into the learner's log.
    """

    def __init__(self, key: str) -> None:
        """Name the exercise as learners do: `a1.softmax`."""
        self.key = key

    def __enter__(self) -> Self:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._warnings.__exit__(None, None, None)
        if error is None:
            progress.record_attempt(self.key, passed=True)
            if not _card(self.key):
                print(f"✓ {self.key}: right.")
            return
        if not isinstance(error, Exception | SystemExit):
            return  # the learner pressed stop
        message = str(error) if isinstance(error, CheckFailed) else _explain(error)
        failures = progress.record_attempt(self.key, passed=False, message=message)
        if isinstance(error, _Unanswered):
            failures = 0
        told = CheckFailed(f"✗ {self.key}: {message}{_help(self.key, failures)}")
        told.is_on_card = _card(self.key, message, failures)
        raise told from None


def fail(message: str) -> NoReturn:
    """Reject the answer with this message.

    Raises:
        CheckFailed: always.
    """
    raise CheckFailed(message)


def expect(ok: object, message: str) -> None:
    """Reject the answer with this message unless `ok` is true.

    Raises:
        CheckFailed: `ok` is false.
    """
    if not ok:
        raise CheckFailed(message)


def expect_type(value: object, kind: type | tuple[type, ...], name: str) -> None:
    """Reject a value of another type; a forgotten `return` is named as such.

    Raises:
        CheckFailed: `value` is not an instance of `kind`.
    """
    if isinstance(value, kind):
        return
    kinds = kind if isinstance(kind, tuple) else (kind,)
    wanted = " or ".join(it.__name__ for it in kinds)
    raise CheckFailed(f"{name} is {_a_value(value)}; it must be of type {wanted}.")


def expect_shape(value: object, shape: Sequence[int], name: str) -> None:
    """Reject a value that is not an array of numbers of this shape.

    Raises:
        CheckFailed: not numbers, or another shape.
    """
    array = _numbers(value, name)
    if array.shape != tuple(shape):
        raise CheckFailed(
            f"{name} has shape {array.shape}; it must have shape {tuple(shape)}."
        )


def expect_close(
    got: object,
    want: object,
    name: str,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    mistakes: Mistakes | None = None,
) -> None:
    """Reject numbers that differ from those wanted, and say what they look like.

    Args:
        got: the learner's number or array.
        want: the right one, of the same shape.
        name: what to call it, for instance `softmax(z)`.
        rtol: largest difference in units of `want`.
        atol: largest difference as such, added to it.
        mistakes: message -> the value that a typical mistake gives. The first that
            equals `got` is told instead of the bare numbers.

    Raises:
        CheckFailed: another shape, not numbers, not finite, or not close.
    """
    array, wanted = _numbers(got, name), np.asarray(want)
    if array.shape == wanted.shape and _close(array, wanted, rtol, atol):
        return
    _name_mistake(array, mistakes or {}, rtol, atol)
    if array.shape != wanted.shape:
        raise CheckFailed(
            f"{name} has shape {array.shape}; it must have shape {wanted.shape}."
        )
    raise CheckFailed(_difference(array, wanted, name, rtol, atol))


def expect_equal(
    got: object, want: object, name: str, *, mistakes: Mistakes | None = None
) -> None:
    """Reject a value that is not equal; `mistakes` as in `expect_close`.

    Raises:
        CheckFailed: the values differ.
    """
    if _same(got, want):
        return
    for message, value in (mistakes or {}).items():
        if _same(got, value):
            raise CheckFailed(message)
    raise CheckFailed(f"{name} is {_a_value(got)}; it must be {_short(want)}.")


def expect_unchanged(now: object, before: object, name: str) -> None:
    """Reject an answer that changed its argument in place.

    Args:
        now: the argument after the call.
        before: a copy of it from before the call.
        name: the argument's name.

    Raises:
        CheckFailed: they differ.
    """
    if not _same(now, before):
        raise CheckFailed(
            f"your function changed its argument {name} in place. Work on a copy: the "
            "caller still needs its own."
        )


def expect_raises(
    kind: type[BaseException], call: Callable[[], object], message: str
) -> None:
    """Reject an answer that does not raise `kind` when called.

    Raises:
        CheckFailed: with `message` when nothing, or something else, is raised.
    """
    try:
        call()
    except kind:
        return
    except Exception as error:  # noqa: BLE001 - learners' code raises anything
        raise CheckFailed(
            f"{message} It raised {type(error).__name__} instead of {kind.__name__}."
        ) from None
    raise CheckFailed(message)


def call_within(
    seconds: float, function: Callable[..., T], *args: object, message: str = ""
) -> T:
    """Return `function(*args)`, or reject an answer that does not end in time.

    Args:
        seconds: wall-clock limit; generous, since machines are slow at times.
        function: the learner's function. One that brings its own `__call_within__`
            (as a proxy in a grader does) keeps the limit itself.
        args: its arguments.
        message: the sentence that explains why it may never end.

    Raises:
        CheckFailed: the time is over.
    """
    try:
        return timelimit.call(seconds, function, *args)
    except timelimit.TimeIsOver:
        text = f"your function did not end within {seconds:g} seconds. {message}"
        raise CheckFailed(text.strip()) from None


def expect_prediction(
    key: str, answer: object, confidence: object, options: Sequence[object]
) -> None:
    """Accept any option with a confidence of 0 to 1, and note it in the log.

    Raises:
        CheckFailed: nothing was chosen, or the confidence is not from 0 to 1.
    """
    if answer is None or not any(_same(answer, option) for option in options):
        shown = ", ".join(repr(option) for option in options)
        raise _Unanswered(f"your guess is {_short(answer)}; it must be one of {shown}.")
    known = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not known or not 0 <= float(confidence) <= 1:  # type: ignore[arg-type]
        raise _Unanswered(
            f"your confidence is {_short(confidence)}; it must be a number from 0 "
            "(no idea) to 1 (certain): how likely is it that your guess is right?"
        )
    progress.record("prediction", key, answer=answer, confidence=confidence)


def _explain(error: BaseException) -> str:
    """Say which line of the learner's code raised which error.

    An error that comes from another process, as it does to a grader, brings the
    learner's line with it as `student_line`.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _is_learners(f.filename)]
    remote = getattr(error, "student_line", None)
    line = (own[-1].line if own else "") if remote is None else remote
    text = str(error) or "no message"
    if isinstance(error, NameError):
        text = text.rstrip(".") + ". Run the cells above, and your own, from the top."
        if remote is None and len(own) < 2:  # the check's own line: nothing ran yet
            return text
    where = f" in the line `{line}`" if line else ""
    return f"your code stopped{where} with {type(error).__name__}: {text}"


def _is_learners(filename: str) -> bool:
    """Whether a frame is of a notebook cell (IPython's, or ours in tests)."""
    return filename.startswith("<") or "ipykernel" in filename


def _card(key: str, message: str = "", failures: int = 0) -> bool:
    """Show the exercise card where there are cards; return whether one was shown."""
    if settings.is_grading() or not settings.load().cards:
        return False
    from course import card  # widgets take time to import: learners' notebooks only

    passed = not message
    return card.show_attempt(key, passed=passed, message=message, failures=failures)


def _help(key: str, failures: int) -> str:
    if failures <= 0:
        return ""
    text = f'\n  Stuck? Run hint("{key}") in a new cell.'
    if failures >= 2:
        text += f'\n  Or put the solution\'s lines in order: parsons("{key}")'
    return text


def _numbers(value: object, name: str) -> "np.ndarray":
    if value is None:
        raise CheckFailed(f"{name} is None. Is a `return` missing?")
    detach = getattr(value, "detach", None)
    try:
        array = np.asarray(detach() if callable(detach) else value)
    except ValueError as error:
        raise CheckFailed(f"{name} is not an array: {error}.") from None
    if array.dtype.kind not in "biufc":
        raise CheckFailed(f"{name} is {_a_value(value)}; it must hold numbers.")
    return array


def _close(got: "np.ndarray", want: "np.ndarray", rtol: float, atol: float) -> bool:
    if got.shape != want.shape:
        return False
    return bool(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True))


def _name_mistake(
    got: "np.ndarray", mistakes: Mistakes, rtol: float, atol: float
) -> None:
    for message, value in mistakes.items():
        wrong = value() if callable(value) else value
        if _close(got, np.asarray(wrong), max(rtol, 1e-6), max(atol, 1e-9)):
            raise CheckFailed(message)


def _difference(
    got: "np.ndarray", want: "np.ndarray", name: str, rtol: float, atol: float
) -> str:
    bad = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    lost = bad & ~np.isfinite(got)
    if lost.any():
        where, kind = _index(lost), "nan" if np.isnan(got[lost]).any() else "infinite"
        return f"{name}{where} is {kind}; it must be {_number(want[lost][0])}."
    where = _index(bad)
    text = f"{name}{where} is {_number(got[bad][0])}; it must be "
    text += f"{_number(want[bad][0])}."
    if got.size > 1:
        text += f" {int(bad.sum())} of {got.size} values differ."
    return text


def _index(mask: "np.ndarray") -> str:
    if mask.ndim == 0:
        return ""
    first = np.argwhere(mask)[0]
    return "[" + ", ".join(str(int(i)) for i in first) + "]"


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        x, y = np.asarray(a), np.asarray(b)
        return x.shape == y.shape and x.dtype.kind != "O" and bool(np.all(x == y))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if type(a) is not type(b) or len(a) != len(b):
            return False
        return all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) is not isinstance(b, bool):
        return False
    return bool(a == b)


def _a_value(value: object) -> str:
    if value is None:
        return "None (is a `return` missing?)"
    return f"{_short(value)} (of type {type(value).__name__})"


def _short(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
