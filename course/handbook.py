"""The handbook of the fictional lamp shop *Lampa*, questions on it, and their scoring.

60 short pages of invented facts and 80 questions: 40 that say the page's fact in other
words, 25 that name a code (an error, an article, a form), and 15 that no page answers.
Page, fact and question were written for this course; shop, products and rules do not
exist. The wording was revised after first measurements, so that customers sound like
customers: a test set that its author has looked at, as most small ones are. Licence:
CC0 1.0. `tests/test_handbook.py` holds what the lessons rely on.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

KINDS = ("paraphrase", "code", "unanswerable")
_PARTS = re.compile(r"[a-z0-9€%]+(?:[.,:'][a-z0-9]+)*")


@dataclass(frozen=True)
class Page:
    """One page: `text` has 60 to 75 words."""

    id: str
    title: str
    text: str

    @property
    def full(self) -> str:
        """Title and text: what is indexed, and what a model is given."""
        return f"{self.title}. {self.text}"


@dataclass(frozen=True)
class Question:
    """A customer's question.

    Attributes:
        id: `q01` to `q80`.
        kind: one of `KINDS`.
        text: the question.
        page: the id of the page that holds the answer; None if no page does.
        answers: ways to write the answer, the page's own first; empty if there is none.
        absent: strings that no page holds, which is why there is no answer.
        about_shop: false for the questions that have nothing to do with a lamp shop.
    """

    id: str
    kind: str
    text: str
    page: str | None
    answers: tuple[str, ...]
    absent: tuple[str, ...]
    about_shop: bool


@dataclass(frozen=True)
class Handbook:
    """All pages and all questions, in their order."""

    pages: tuple[Page, ...]
    questions: tuple[Question, ...]
    licence: str

    @cached_property
    def index(self) -> dict[str, int]:
        """Each page's place in `pages` by its id."""
        return {page.id: i for i, page in enumerate(self.pages)}

    def of_kind(self, *kinds: str) -> list[Question]:
        """Return the questions of these kinds.

        Raises:
            ValueError: a kind that does not exist.
        """
        for kind in kinds:
            if kind not in KINDS:
                known = ", ".join(KINDS)
                raise ValueError(f"{kind!r} is not a kind of question: use {known}")
        return [it for it in self.questions if it.kind in kinds]


def load_handbook() -> Handbook:
    """Return the handbook; it ships with the course."""
    file = resources.files("course") / "data" / "handbook.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    questions = (
        Question(
            id=item["id"],
            kind=item["kind"],
            text=item["question"],
            page=item["page"],
            answers=tuple(item["answers"]),
            absent=tuple(item["absent"]),
            about_shop=item["about_shop"],
        )
        for item in data["questions"]
    )
    pages = tuple(Page(**item) for item in data["pages"])
    return Handbook(pages, tuple(questions), data["licence"])


def states(text: str, answers: Iterable[str]) -> bool:
    """Return whether the text states one of the answers, as whole words.

    Case, hyphens and punctuation at the end of words do not count. A rule for a set of
    short facts: it does not notice "not within 38 days".

    >>> states("You have 38 days.", ["38 days"]), states("138 days", ["38 days"])
    (True, False)
    >>> states("It is a 46-cm tall lamp", ["46 cm"])
    True
    """
    plain = f" {_plain(text)} "
    return any(f" {_plain(answer)} " in plain for answer in answers)


def _plain(text: str) -> str:
    return " ".join(_PARTS.findall(text.casefold()))
