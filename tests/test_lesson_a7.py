"""What lesson A7 says of numbers, and its functions against other libraries."""

import numpy as np
import pytest
from lesson_tools import prose
from sklearn.metrics import cohen_kappa_score

from course import bank, lesson

A7 = lesson.load("a7")
PROSE = prose("a7")


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("a7")


def test_kappa_is_scikit_learns(solved):
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = rng.integers(0, 3, (2, 30)).tolist()
        assert solved["kappa"](a, b) == pytest.approx(cohen_kappa_score(a, b))


def test_the_worked_example_of_kappa_is_right(solved):
    a = ["good"] * 38 + ["bad"] * 2
    b = ["good"] * 36 + ["bad"] * 2 + ["good"] * 2
    assert round(0.95**2 + 0.05**2, 3) == 0.905
    assert round(solved["kappa"](a, b), 2) == -0.05
    assert r"\kappa = (0.9 - 0.905)/(1 - 0.905) = -0.05" in PROSE


def test_the_bar_of_the_gate_is_reached_and_its_four_mistakes_are_named(solved):
    attack, blocked = solved["attack"], solved["by_gate"]
    assert blocked[attack].sum() == 58
    assert blocked[~attack].sum() == 2
    assert blocked[attack].mean() >= 0.95
    assert blocked[~attack].mean() <= 0.05
    assert "**it blocks 58 of 60 and refuses 2 of 60**" in PROSE
    wrong = solved["styles"][attack & ~blocked]
    assert wrong.tolist() == ["pasted"] * 2


def test_a_write_that_passes_the_gate_is_always_confirmed(solved):
    for c in solved["conversations"]:
        proposed = solved["gullible"](c, c.customer, c.page)
        if proposed["tool"] in solved["WRITE"]:
            assert solved["gated"](c) != "allow"


def test_three_words_stop_half_and_nine_more_stop_one_and_refuse_eight(solved):
    attack, listed = solved["attack"], solved["by_list"]
    assert listed[[3, 12]][:, attack].sum(axis=1).tolist() == [30, 31]
    assert listed[[3, 12]][:, ~attack].sum(axis=1).tolist() == [2, 10]
    assert "stop **one** more, and refuse eight more customers" in PROSE


def test_the_forty_answers_are_as_the_lesson_says(solved):
    kinds = solved["kinds"]
    assert [kinds.count(k) for k in ("right", "number", "other page")] == [21, 9, 10]
    assert "21 are the right sentence, 9 the right sentence with other" in PROSE


def test_the_judges_are_as_good_as_the_lesson_says(solved):
    good, kappa = solved["good"], solved["kappa"]
    found = {name: kappa(v, good) for name, v in solved["judges"].items()}
    assert abs(found["has 8 words"]) < 0.1
    assert found["states the fact"] == 1
    passed = [
        kind
        for kind, v in zip(solved["kinds"], solved["judges"]["grounded"], strict=True)
        if v and kind != "right"
    ]
    assert passed == ["other page"] * 3


def test_the_release_gate_rings_as_the_lesson_says(solved):
    rings, drops = solved["rings"], solved["drops"]
    lost = "15 points lost in 'no'"
    assert rings["as good"] / 400 < 0.05
    assert rings[lost] / 400 > 0.75
    assert 0.4 < drops["as good"] / 400 < 0.55


@pytest.mark.models
@pytest.mark.slow
def test_the_live_judge_names_one_place_whatever_stands_there(solved):
    names = dict(solved)
    cell = next(c for c in A7.cells if "def live_judge" in c.source)
    source = cell.source.replace("[:10]", "[:4]")
    bank.run(source, names, "<live>")
    assert names["places"] == ["1"] * 8
