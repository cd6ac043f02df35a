"""M2's numbers: those worked by hand, its bars, and scikit-learn as an oracle."""

import numpy as np
import pytest
from lesson_tools import prose
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from course import fraud, lesson

LESSON = lesson.load("m2")
PROSE = prose("m2")


@pytest.fixture(scope="module")
def three(run_lesson):
    """The names of the lesson without its demonstrations."""
    return run_lesson("m2")


@pytest.fixture(scope="module")
def town(run_lesson):
    """The names after the simulator's demonstrations."""
    return run_lesson("m2", demos=True, checks=True, until="load_creditcard")


@pytest.fixture(scope="module")
def real(run_lesson):
    """The names after all demonstrations, the real payments too."""
    return run_lesson("m2", demos=True, checks=True)


def test_the_three_payments_are_those_worked_by_hand(three):
    f, g, H = three["nll"](np.zeros(2), three["Z3"], three["y3"])
    assert f == pytest.approx(np.log(2))
    assert f"= {f:.3f}$" in PROSE
    np.testing.assert_allclose(g, [1 / 6, 0], atol=1e-12)
    np.testing.assert_allclose(H, [[0.25, 0.5], [0.5, 14 / 12]])
    w = three["fit_newton"](three["Z3"], three["y3"], 0.0, 1)
    np.testing.assert_allclose(w, [-14 / 3, 2])
    shown = ", ".join(f"{z:.2f}" for z in three["Z3"] @ w)
    assert shown in PROSE


def test_separable_payments_run_away_without_a_penalty_and_stay_with_one(three):
    Z, y = three["Z3"], three["y3"]
    sizes = [np.abs(three["fit_newton"](Z, y, 0.0, n)).max() for n in (2, 5, 10)]
    assert sizes[0] < sizes[1] < sizes[2]
    settled = [three["fit_newton"](Z, y, 0.01, n) for n in (20, 40)]
    np.testing.assert_allclose(*settled, rtol=1e-9)


def test_the_small_examples_are_what_the_functions_return(three):
    y, s = np.array([1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.4, 0.2])
    assert f"= {three['average_precision'](y, s):.3f}$" in PROSE
    few = (three["few_terms"], three["few_times"], three["few_labels"])
    assert three["terminal_risk"](*few, 7, 7).tolist() == [0, 0, 0, 0.5, 1]


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_scikit_learns_with_ties_too(three, seed):
    rng = np.random.default_rng(seed)
    y, s = rng.integers(0, 2, 500), rng.integers(0, 30, 500) / 30
    want = average_precision_score(y, s)
    assert three["average_precision"](y, s) == pytest.approx(want, rel=1e-12)


def test_terminal_risk_is_that_of_the_simulators_features(town):
    p = town["payments"]
    want = fraud.features(p)[:, fraud.FEATURES.index("terminal_risk_7d")]
    np.testing.assert_allclose(town["honest_risk"], want, atol=1e-12)


def test_newton_ends_where_scikit_learn_does(town):
    Z, y = town["Z_fit"], town["y_fit"]
    model = LogisticRegression(C=1 / (len(y) * 1e-4), tol=1e-12)
    model.set_params(solver="newton-cholesky").fit(Z[:, 1:], y)
    w = town["fit_newton"](Z, y, 1e-4, 10)
    np.testing.assert_allclose(w, np.append(model.intercept_, model.coef_), atol=1e-7)
    assert town["newton_sizes"][8] < 1e-12
    assert len(y) == pytest.approx(23_000, rel=0.02)
    assert f"{23**2} million" in PROSE


def test_the_bars_of_the_lesson_hold(town):
    ladder = list(town["ap"].values())
    assert ladder == sorted(ladder)
    assert ladder[0] >= 0.33  # the bar of the plan, without any label in a feature
    assert ladder[1] >= 0.50
    assert ladder[3] > ladder[1] + 0.2  # what a leak promises


def test_the_text_is_right_about_accuracy_and_cost(town):
    assert town["size"] == "less than 1"
    assert f"{town['nothing']:.1%}".replace("%", " %") in PROSE
    assert 0 < town["gain"] < 1
    assert town["cost_best"] < town["idle"] / 3  # "fell by two thirds"
    assert town["cost_half"] / town["cost_best"] == pytest.approx(2, abs=0.15)
    assert town["cost_rule"] / town["cost_best"] == pytest.approx(1, abs=0.05)
    assert f"{100 * 5 / 155:.1f} % on" in PROSE


def test_most_terminal_frauds_that_get_away_had_no_history(town):
    assert town["share_unseen"] == pytest.approx(0.8, abs=0.05)
    assert min(town["caught"]["large"], town["caught"]["customer"]) > 0.75


@pytest.mark.models
def test_on_the_real_payments_the_code_agrees_with_scikit_learn(real):
    assert real["gap_w"] < 1e-6
    assert real["ap_real"] == pytest.approx(real["ap_theirs"], abs=1e-6)
    assert real["ap_real"] >= 0.65
    assert real["hits"][99] >= 50
    assert f"{len(real['y_real'][real['last']]):,} payments of the last hours" in PROSE
    assert real["hits"][99] / real["y_real"][real["last"]].sum() > 0.5  # "most of"
