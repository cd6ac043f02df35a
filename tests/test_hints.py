"""The ladder of hints ends in the solution; Parsons problems judge an order."""

import pytest

from course import hints, lesson, progress
from course.errors import CrossroadsError


@pytest.fixture
def example(monkeypatch, example_lesson):
    monkeypatch.setattr(
        lesson, "find_exercise", lambda key: example_lesson.by_id[key.split(".")[1]]
    )
    monkeypatch.setattr(lesson, "load", lambda lesson_id: example_lesson)


def test_each_hint_says_more_and_is_noted(example, capsys):
    for _ in range(4):
        hints.hint("z1.softmax")
    shown = capsys.readouterr().out
    assert (
        shown.index("Hint 1 of 3") < shown.index("Sketch") < shown.index("Hint 3 of 3")
    )
    assert "shifted / shifted.sum()" in shown
    assert progress.hints_taken("z1.softmax") == 4


def test_a_rung_can_be_asked_for(example, capsys):
    hints.hint("z1.softmax", rung=2)
    assert "Hint 2 of 3" in capsys.readouterr().out


def test_parsons_shows_the_solutions_lines_and_judges_an_order(example, capsys):
    hints.parsons("z1.softmax")
    assert "A  " in capsys.readouterr().out
    lines = hints.solution_lines("z1.softmax")
    shown = hints.shuffled("z1.softmax", lines)
    right = "".join("AB"[shown.index(line)] for line in lines)
    hints.parsons("z1.softmax", right[::-1])
    assert "Line 1 cannot be" in capsys.readouterr().out
    hints.parsons("z1.softmax", right)
    assert "Right." in capsys.readouterr().out
    hints.parsons("z1.softmax", "AX")
    assert "each of the letters AB once" in capsys.readouterr().out


def test_another_order_is_right_when_the_check_says_so():
    key = "a1.generate"
    lines = hints.solution_lines(key)
    assert hints._passes(key, lines)
    assert not hints._passes(key, lines[::-1])


def test_an_unknown_exercise_is_named():
    with pytest.raises(CrossroadsError, match="no lesson 'q7'"):
        hints.hint("q7.softmax")


def test_a_prediction_gives_nothing_away(capsys):
    hints.hint("m1.guess")
    hints.parsons("m1.guess")
    solution = lesson.find_exercise("m1.guess").solution.strip()
    shown = capsys.readouterr().out
    assert shown.count("any honest one is right") == 2
    assert solution not in shown
    assert progress.hints_taken("m1.guess") == 0
