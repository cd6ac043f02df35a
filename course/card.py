"""The exercise card: what a check said, the next hint, the lines to put in order.

A widget in JupyterLab, Notebook and VS Code; where widgets are not shown, the same as
HTML or as text. What is done on it goes into the learner's log.
"""

import functools
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from course import hints, lesson, markup, progress
from course.errors import CrossroadsError

STATIC = Path(__file__).parent / "static"
PARSONS_AFTER = 2  # failed attempts in a row


def _script(name: str) -> str:
    """Return a card's script after what all cards share: one module, nothing fetched."""
    parts = (STATIC / "common.js", STATIC / name)
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


_shown: dict[str, anywidget.AnyWidget] = {}


class ExerciseCard(anywidget.AnyWidget):
    """Shows how an exercise stands, and offers help."""

    _esm = _script("exercise_card.js")
    _css = STATIC / "card.css"

    key = traitlets.Unicode().tag(sync=True)
    passed = traitlets.Bool().tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    points = traitlets.Unicode().tag(sync=True)
    lesson_line = traitlets.Unicode().tag(sync=True)
    hints_total = traitlets.Int().tag(sync=True)
    hints = traitlets.List().tag(sync=True)  # {"title", "html"}, in the order taken
    offers_parsons = traitlets.Bool().tag(sync=True)
    lines = traitlets.List().tag(sync=True)  # {"letter", "text"}, shuffled
    order_message = traitlets.Unicode().tag(sync=True)

    def __init__(self, key: str, *, passed: bool, message: str, failures: int) -> None:
        """Describe an attempt at the exercise `a1.softmax`.

        Args:
            key: the exercise.
            passed: whether the check found nothing.
            message: what the check said; empty when it passed.
            failures: failed attempts in a row, this one included.

        Raises:
            CrossroadsError: there is no such exercise.
        """
        most = lesson.find_exercise(key).points
        super().__init__(
            key=key,
            passed=passed,
            message=message,
            points=f"{most if passed else 0:g} of {most:g} point{'s' * (most != 1)}",
            lesson_line=_lesson_line(key),
            hints_total=len(hints.ladder(key)),
            hints=[] if passed else [_shown_hint(it) for it in hints.taken(key)],
            offers_parsons=not passed and failures >= PARSONS_AFTER,
        )
        self.on_msg(_handler(self._do))

    @property
    def text(self) -> str:
        """The card as plain text: the same words as in a terminal."""
        if self.passed:
            return f"✓ {self.key}: right."
        stuck = f'\n  Stuck? Run hint("{self.key}").' if self.hints_total else ""
        return f"✗ {self.key}: {self.message}{stuck}"

    def _do(self, asked: Mapping[str, Any]) -> None:
        """Answer a button."""
        if asked.get("do") == "hint":
            self.hints = [*self.hints, _shown_hint(hints.take(self.key))]
        elif asked.get("do") == "parsons":
            self.lines = [
                {"letter": letter, "text": line}
                for letter, line in hints.puzzle(self.key)
            ]
        elif asked.get("do") == "order":
            self.order_message = ""  # the same words twice are said twice
            order = str(asked.get("order"))
            self.order_message = hints.judge_order(self.key, order)[1]

    def _repr_mimebundle_(self, **options: Any) -> Any:
        mark, word = ("✓", "right") if self.passed else ("✗", "not yet right")
        head = f"<strong>{mark} {escape(self.key)}: {word}</strong> ({self.points})"
        body = f"<pre>{escape(self.message)}</pre>" if self.message else ""
        return _with_fallbacks(
            super()._repr_mimebundle_(**options),
            self.text,
            f'<div role="status">{head}{body}</div>',
        )


class AgainCard(anywidget.AnyWidget):
    """Asks whether one would do a lesson's work again tomorrow."""

    _esm = _script("again_card.js")
    _css = STATIC / "card.css"

    lesson_id = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Int(0).tag(sync=True)  # 0: not yet; 1 never .. 5 gladly
    noted = traitlets.Unicode().tag(sync=True)

    def __init__(self, lesson_id: str) -> None:
        """Ask about this lesson; an answer of an earlier day is shown."""
        super().__init__(lesson_id=lesson_id, answer=_last_answer(lesson_id))
        self.on_msg(_handler(self._do))

    def _do(self, asked: Mapping[str, Any]) -> None:
        """Note the answer that was chosen."""
        chosen = int(asked.get("answer", 0))
        if chosen in range(1, 6):
            self.answer, self.noted = chosen, ""  # the same words twice are said twice
            progress.record("again", self.lesson_id, answer=chosen)
            self.noted = f"Noted: {chosen} of 5. It stays on this machine."

    def _repr_mimebundle_(self, **options: Any) -> Any:
        text = "Set the number to 1 (never) … 5 (gladly), and run the cell again."
        return _with_fallbacks(
            super()._repr_mimebundle_(**options), text, f"<p>{text}</p>"
        )


def show_attempt(key: str, *, passed: bool, message: str, failures: int) -> bool:
    """Show the card of an attempt; return False where there are no cards."""
    if not _in_notebook():
        return False
    try:
        made = ExerciseCard(key, passed=passed, message=message, failures=failures)
    except CrossroadsError:  # an exercise of somebody else's notebook
        return False
    _display(key, made)
    return True


def show_again(lesson_id: str) -> bool:
    """Show the question of the lesson's end; return False where there are no cards."""
    if not _in_notebook():
        return False
    _display(f"again {lesson_id}", AgainCard(lesson_id))
    return True


def _display(name: str, made: anywidget.AnyWidget) -> None:
    """Show a card, and let go of the one that it replaces."""
    from IPython.display import display

    old = _shown.pop(name, None)
    if old is not None:
        old.close()
    _shown[name] = made
    display(made)


def _in_notebook() -> bool:
    """Whether a front end that can show cards is listening."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


def _handler(do: Callable[[Mapping[str, Any]], None]) -> Callable[..., None]:
    """Make what ipywidgets calls with (widget, content, buffers)."""

    @functools.wraps(do)
    def handle(_widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        do(content)

    return handle


def _with_fallbacks(bundle: Any, text: str, html: str) -> Any:
    """Return a widget's MIME bundle with what else can be shown of it."""
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
    return {**data, "text/plain": text, "text/html": html}, metadata


def _shown_hint(found: hints.Hint) -> dict[str, str]:
    return {"title": found.title, "html": markup.to_html(found.text)}


def _lesson_line(key: str) -> str:
    found = lesson.load(key.split(".", maxsplit=1)[0])
    states = progress.states()
    keys = [it.key for it in found.exercises]
    right = sum(1 for it in keys if it in states and states[it].passed)
    return f"{found.id.upper()}: {right} of {len(keys)} exercises right"


def _last_answer(lesson_id: str) -> int:
    found = 0
    for event in progress.events():
        if event.event == "again" and event.key == lesson_id:
            found = int(str(event.fields.get("answer", 0)))
    return found
