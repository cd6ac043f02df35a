"""F2's functions against the course's own, and the numbers that its prose says."""

import sys
from pathlib import Path

import numpy as np
import pytest
from lesson_tools import prose

from course import bank, evidence, fit, lesson

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
F2 = lesson.load("f2")
PROSE = prose("f2")
EXAMPLE = [(4, 3), (3, 3), (5, 3), (4, 4), (3, 2), (4, 2), (4, 4), (5, 3)]


@pytest.fixture(scope="module")
def solved():
    names = {"__name__": "__main__", "np": np}
    for exercise in F2.exercises:
        bank.run(exercise.solution, names, f"<f2:{exercise.id}>")
    return names


def test_the_gap_is_the_courses_with_its_own_level(solved):
    found = solved["paired_gap"](*np.array(EXAMPLE, float).T)
    own = fit.paired_gap(EXAMPLE, level=0.95)
    assert found == pytest.approx((own.mean, own.low, own.high))


def test_the_score_is_the_courses(solved):
    forecasts = [evidence.Forecast("x", p, y) for p, y in ((0.7, True), (0.9, False))]
    pairs = np.array([(it.confidence, it.came_true) for it in forecasts], float).T
    assert solved["brier"](*pairs) == pytest.approx(evidence.brier(forecasts))


def test_ratios_of_two_are_ratios_of_wins(solved):
    strength = solved["bradley_terry"](np.array([[0.0, 6.0], [2.0, 0.0]]))
    assert strength == pytest.approx([0.75, 0.25])


def test_the_factor_that_the_prose_says_is_students():
    from scipy import stats

    assert round(stats.t.ppf(0.975, 7), 2) == 2.36
    assert "$t$ is 2.36" in PROSE


def test_the_page_of_the_rates_says_the_same_as_the_lesson():
    page = " ".join((Path(__file__).parents[1] / "docs" / "FIT.md").read_text().split())
    assert "10 % of the learners" in page
    assert "10 of 100 simulated learners" in PROSE
