"""Honest submissions to a lesson, few of them, with every answer of its bank in one.

A wrong answer stands where all that it builds on is right, so that its own check says
what it is worth; wrong answers that have nothing to do with each other share a notebook.
"""

from collections.abc import Iterator

from course.demo_class import dependencies
from course.lesson import Exercise, Lesson

Answers = dict[str, str]  # exercise -> the text of its cell


def submissions(lesson: Lesson) -> Iterator[tuple[str, Answers]]:
    """Give (name, answers): the solutions, the skeleton, right and wrong answers."""
    yield "solutions", {it.id: it.solution for it in lesson.exercises}
    yield "skeleton", {it.id: it.skeleton for it in lesson.exercises}
    most = max((len(it.rights) for it in lesson.exercises), default=0)
    for turn in range(most):
        chosen = {it.id: _right(it, turn) for it in lesson.exercises}
        yield f"right-{turn + 1}", chosen
    for number, chosen in enumerate(_wrong(lesson), 1):
        yield f"wrong-{number}", chosen


def _right(exercise: Exercise, turn: int) -> str:
    own = [it.source for it in exercise.rights]
    return own[turn] if turn < len(own) else exercise.solution


def _wrong(lesson: Lesson) -> Iterator[Answers]:
    depends = dependencies(lesson)
    left = {it.id: [w.source for w in it.wrongs] for it in lesson.exercises}
    while any(left.values()):
        chosen: Answers = {}
        failed: set[str] = set()
        for it in lesson.exercises:
            chosen[it.id] = it.solution
            if left[it.id] and not depends[it.id] & failed:
                chosen[it.id] = left[it.id].pop(0)
                failed.add(it.id)
        yield chosen
