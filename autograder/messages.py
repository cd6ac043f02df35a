"""What a student may read of a check's message.

A message from the visible part is shown as it is: its author can run that part. One
from the hidden part may hold inputs and expected values. Of it, only those sentences
are shown that stand, word for word and without a hole for a value, in the source of the
check or of `course.feedback`. So what is shown was written before any input was drawn.
"""

import ast
import builtins
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from autograder.outline import Item
from autograder.verdicts import ExerciseVerdict, Status
from course import bank, feedback
from course.lesson import Answer

HOLE = "\0"  # stands for an interpolated value; no source text holds it
MIN_WORDS = 3  # of a literal that is a sentence, and no name or datum
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_OPENING = re.compile(r"^✗ [\w.]+: ")
_HELP = re.compile(r"\n  (?:Stuck\? Run hint|Or put the solution's lines).*", re.DOTALL)
_LATE = re.compile(r"^your function did not end within [\d.e+-]+ seconds\.\s*")
_OTHER_KIND = re.compile(r" It raised \w+ instead of \w+\.$")
_STOPPED = re.compile(
    r"^your code stopped(?: in the line `.*?`)? with (\w+): ", re.DOTALL
)
_PERCENT = re.compile(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?[diouxXeEfFgGcrsa]")
_BRACES = re.compile(r"\{[^{}]*\}")
_VALUE = re.compile(r"(?<!\w)-?\d[\d.,]*(?:e[+-]?\d+)?|'[^']*'|\"[^\"]*\"|`[^`]*`")


class Detail(StrEnum):
    """How much of a check's words a student reads.

    `FULL`: messages and tracebacks of visible parts as they are. A student's code sees
    the hidden inputs of one exercise and may repeat them in the message of the next.
    `LITERAL`: the hidden parts' rule for all, and no tracebacks: for places where one
    may hand in again and again.
    """

    FULL = "full"
    LITERAL = "literal"


@dataclass(frozen=True)
class Shown:
    """What a student reads of a verdict.

    Attributes:
        text: what the check said, or the part of it that may be shown.
        is_hidden: a hidden test failed, so that something may be missing.
        is_cut: something was left out.
        mistake: the words of the lesson's wrong answer that it looks like.
        traceback: the student's own, or nothing.
    """

    text: str = ""
    is_hidden: bool = False
    is_cut: bool = False
    mistake: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Template:
    """A message as the source has it: literal parts, a hole between each two."""

    parts: tuple[str, ...]

    @property
    def weight(self) -> int:
        """How many characters are literal."""
        return sum(map(len, self.parts))

    def matches(self, message: str) -> bool:
        """Return whether the message can come from it; linear in its length."""
        first, last = self.parts[0], self.parts[-1]
        if len(self.parts) == 1:
            return message == first
        if not message.startswith(first):
            return False
        place = len(first)
        for part in self.parts[1:-1]:
            place = message.find(part, place)
            if place < 0:
                return False
            place += len(part)
        return message.endswith(last) and len(message) - len(last) >= place

    def sentences(self) -> list[str]:
        """Return the sentences that have no hole."""
        found = _SENTENCE_END.split(HOLE.join(self.parts))
        return [it for it in found if HOLE not in it and len(it.split()) > 1]


def shown(verdict: ExerciseVerdict, item: Item, detail: Detail = Detail.FULL) -> Shown:
    """Return what the student may read of the verdict."""
    if verdict.status not in (Status.FAILED, Status.PARTIAL, Status.TIMED_OUT):
        return Shown()
    message = bare(verdict.message)
    if detail is Detail.FULL and not verdict.hidden:
        mistake = _words(mistaken(message, item))
        return Shown(message, mistake=mistake, traceback=verdict.traceback)
    text = literal(message, item)
    mistake = _words(_without_values(mistaken(message, item), item))
    is_cut = text != message or bool(verdict.traceback)
    return Shown(text, verdict.hidden, is_cut, mistake)


def bare(message: str) -> str:
    """Return a check's message without its mark, its key and its offers of help.

    >>> bare("✗ a1.softmax: the sum is not 1.")
    'the sum is not 1.'
    """
    return _HELP.sub("", _OPENING.sub("", message.strip())).strip()


def first_sentence(text: str) -> str:
    """Return the first sentence of a check's message.

    >>> first_sentence("rows differ. Sum over axis 1.")
    'rows differ.'
    """
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`\"'])|\n", text.strip())[0]


def literal(message: str, item: Item) -> str:
    """Return the sentences of the message that hold no value; perhaps none."""
    opening = ""
    if late := _LATE.match(message):
        opening, message = "your function did not end in time.", message[late.end() :]
    elif stopped := _STOPPED.match(message):
        opening = f"your code stopped with {_known_error(stopped[1])}."
    message = _OTHER_KIND.sub("", message)
    found = [it for it in templates(item) if it.matches(message)]
    best = max(found, key=lambda it: it.weight, default=None)
    sentences = best.sentences() if best else []
    return " ".join([it for it in (opening, *sentences) if it])


def mistaken(message: str, item: Item) -> Answer | None:
    """Return the wrong answer of the lesson that the message looks like."""
    found = [it for it in item.wrongs if it.says and not bank.unsaid(it, message)]
    return max(found, key=lambda it: sum(map(len, it.says)), default=None)


def kind_of(message: str, item: Item) -> str:
    """Return what messages of the same misconception have in common.

    For instructors: it may name values of hidden parts that stand in the source.
    """
    message = bare(message)
    if stopped := _STOPPED.match(message):
        return f"the code stopped with {stopped[1]}"
    own = [it for it in _of_check(item) if it.matches(message)]
    best = max(own, key=lambda it: it.weight, default=None)
    if best is not None and best.weight > 20:
        text = HOLE.join(best.parts)
    else:
        text = _VALUE.sub(HOLE, message)
    first = _SENTENCE_END.split(text.strip())[0]
    shortened = first if len(first) <= 200 else f"{first[:199]}…"
    return shortened.replace(HOLE, "…") or "(no message)"


def templates(item: Item) -> Sequence[Template]:
    """Return the messages that the check can give, its helpers' included."""
    return (*_of_check(item), *_of_feedback())


def _of_check(item: Item) -> Sequence[Template]:
    return of_source(item.check)


@lru_cache(maxsize=512)
def of_source(source: str) -> tuple[Template, ...]:
    """Return the sentences, with holes for values, that stand in Python source."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):  # a foreign check with magics
        return ()
    names = _named(tree)
    found = dict.fromkeys(_templates(tree, names))
    return tuple(it for it in found if _is_sentence(it))


@lru_cache(maxsize=1)
def _of_feedback() -> tuple[Template, ...]:
    path = Path(feedback.__file__)
    return of_source(path.read_text(encoding="utf-8"))


def _is_sentence(template: Template) -> bool:
    words = [it for part in template.parts for it in re.findall(r"[^\W\d]+", part)]
    return len(words) >= MIN_WORDS


def _named(tree: ast.AST) -> Mapping[str, ast.expr]:
    """Return the names that are bound once, to a sentence without a value."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(node.value)
    return {
        name: values[0]
        for name, values in found.items()
        if len(values) == 1 and _is_words(values[0])
    }


def _is_words(node: ast.expr) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and len(text.split()) > MIN_WORDS


def _templates(tree: ast.AST, names: Mapping[str, ast.expr]) -> Iterator[Template]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        parts = _parts(node, names)
        if parts is not None and any(it.strip(HOLE) for it in parts):
            yield Template(tuple("".join(parts).split(HOLE)))
        if not isinstance(node, ast.JoinedStr | ast.Constant):
            yield from _templates(node, names)


def _parts(node: ast.AST, names: Mapping[str, ast.expr]) -> list[str] | None:
    """Return the text that an expression builds, with holes; None: it builds none."""
    if isinstance(node, ast.Constant):
        text = node.value
        return [text.replace(HOLE, "")] if isinstance(text, str) else None
    if isinstance(node, ast.JoinedStr):
        return [(_parts(it, names) or [HOLE])[0] for it in node.values]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left = node.left
        if isinstance(left, ast.Name):  # a sentence with a name of its own
            left = names.get(left.id, left)
        before, after = _parts(left, names), _parts(node.right, names)
        if before is None and after is None:
            return None
        return [*(before or [HOLE]), *(after or [HOLE])]
    return _formatted(node, names)


def _formatted(node: ast.AST, names: Mapping[str, ast.expr]) -> list[str] | None:
    """Return the text of `"…" % …` and `"….format(…)`, with holes."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        given, field = _parts(node.left, names), _PERCENT
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        is_format = node.func.attr == "format"
        given, field = _parts(node.func.value, names) if is_format else None, _BRACES
    else:
        return None
    return None if given is None else [field.sub(HOLE, "".join(given))]


def _without_values(answer: Answer | None, item: Item) -> Answer | None:
    """Return the answer if all its words stand in the source, not in a hole."""
    if answer is None:
        return None
    pieces = [_folded(part) for it in templates(item) for part in it.parts]
    ok = all(any(_folded(it) in piece for piece in pieces) for it in answer.says)
    return answer if ok else None


def _words(answer: Answer | None) -> str:
    return " … ".join(answer.says) if answer else ""


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _known_error(name: str) -> str:
    """Return the name of a builtin exception; a student's own may carry a value."""
    found = getattr(builtins, name, None)
    is_error = isinstance(found, type) and issubclass(found, BaseException)
    article = "an" if name[:1] in "AEIOU" else "a"
    return f"{article} {name}" if is_error else "an exception"
