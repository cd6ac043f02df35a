"""What pages and reports must know of an assignment: its exercises, by check.

Trusted, from the lesson or the instructor's notebook. Nothing of it is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from autograder.submission import Reference
from course.lesson import Answer, Exercise, Lesson
from course.lesson_text import BEGIN_HIDDEN


@dataclass(frozen=True)
class Item:
    """One exercise.

    Attributes:
        check_id: nbgrader's id of the check cell, as in a verdict.
        key: what people call it: `a1.softmax`.
        answer_id: nbgrader's id of the cell with the answer; empty when not known.
        check: the check's source, with its hidden part: never shown.
        wrongs: the lesson's wrong answers, with what the check says of each.
        hint: the first rung of the hint ladder, Markdown; empty without one.
        is_prediction: any honest guess is right.
    """

    check_id: str
    key: str
    answer_id: str = ""
    check: str = field(default="", repr=False)
    wrongs: tuple[Answer, ...] = field(default=(), repr=False)
    hint: str = field(default="", repr=False)
    is_prediction: bool = False

    @property
    def has_hidden(self) -> bool:
        """Whether the check has a hidden part."""
        return BEGIN_HIDDEN in self.check


@dataclass(frozen=True)
class Outline:
    """An assignment's name and title, and its exercises in order."""

    name: str
    title: str
    items: tuple[Item, ...] = ()

    @cached_property
    def by_check(self) -> Mapping[str, Item]:
        """The exercises by the id of their check."""
        return {it.check_id: it for it in self.items}

    def item(self, check_id: str) -> Item:
        """Return the exercise of a check; a plain one if it is not known."""
        return self.by_check.get(check_id) or Item(check_id, check_id)


def of_lesson(lesson: Lesson) -> Outline:
    """Return the outline of a lesson of the course."""
    items = tuple(_item(it) for it in lesson.exercises)
    return Outline(lesson.name, lesson.title, items)


def of_reference(reference: Reference) -> Outline:
    """Return the outline of any nbgrader assignment, which has no hints."""
    items = tuple(
        Item(it.id, it.id, check=it.source if it.kind == "check" else "")
        for it in reference.steps
        if it.kind in ("check", "manual")
    )
    return Outline(reference.name, reference.name, items)


def _item(exercise: Exercise) -> Item:
    return Item(
        exercise.check_id,
        exercise.key,
        exercise.grade_id,
        exercise.check,
        exercise.wrongs,
        exercise.hints[0] if exercise.hints else "",
        exercise.is_prediction,
    )
