"""M1's numbers: those worked by hand in its prose, and those of its Ames fits."""

import math

import numpy as np
import pytest
from lesson_tools import prose
from scipy import stats

from course import lesson

LESSON = lesson.load("m1")
PROSE = prose("m1")


@pytest.fixture(scope="module")
def three(run_lesson):
    """The names of the lesson without its demonstrations."""
    return run_lesson("m1")


@pytest.fixture(scope="module")
def ames(run_lesson):
    """The names of the lesson with its demonstrations, from the learner's code."""
    return run_lesson("m1", demos=True, checks=True)


def test_the_line_through_three_houses_is_the_one_worked_by_hand(three):
    w = three["fit_ols"](three["Z3"], three["y3"])
    np.testing.assert_allclose(w, [4.9, 0.15], atol=1e-12)
    assert "$0.3 / 2 = 0.15$" not in PROSE  # the formula and its value stand apart
    assert "= 0.3 / 2 = 0.15$" in PROSE
    residuals = three["Z3"] @ w - three["y3"]
    np.testing.assert_allclose(residuals, [0.05, -0.1, 0.05], atol=1e-12)
    np.testing.assert_allclose(three["Z3"].T @ residuals, 0, atol=1e-12)


def test_the_gradient_and_the_first_step_are_those_of_the_text(three):
    gradient = three["mse_grad"](np.zeros(2), three["Z3"], three["y3"])
    np.testing.assert_allclose(gradient, [-10.4, -21.0])
    assert "`[-10.4, -21.0]`" in PROSE
    w, losses = three["descend"](three["Z3"], three["y3"], 0.1, 1)
    np.testing.assert_allclose(w, [1.04, 2.1])
    assert f"losses are {losses[0]:.2f} before and {losses[1]:.2f} after it" in PROSE


def test_the_limit_of_the_learning_rate_is_that_of_the_text(three):
    top = np.linalg.eigvalsh(three["Z3"].T @ three["Z3"])[-1]
    shown = rf"\frac23 \cdot {top:.2f} = {2 / 3 * top:.2f}$, and the limit is "
    assert shown + f"{2 / (2 / 3 * top):.3f}." in PROSE


def test_ridge_and_standard_errors_are_those_of_the_text(three):
    Z, y = three["Z3"], three["y3"]
    np.testing.assert_allclose(three["fit_ridge"](Z, y, 2.0), [5.05, 0.075])
    errors = three["std_err"](Z, y, np.array([4.9, 0.15]))
    assert f"`[{errors[0]:.3f}, {errors[1]:.4f}]`" in PROSE


def test_a_hundredth_of_log10_is_about_2_point_3_per_cent():
    assert f"{(10**0.01 - 1) * 100:.1f} %" in PROSE


def test_the_formula_agrees_with_the_simulated_scatter(three):
    ratio = three["formula_on_average"]() / three["fits"].std(axis=0)
    np.testing.assert_allclose(ratio, 1, atol=0.05)


def test_one_hundred_rows_give_nearly_1_point_96():
    assert stats.t.ppf(0.975, 100) == pytest.approx(1.96, abs=0.03)


@pytest.mark.models
def test_the_learners_functions_agree_with_scikit_learn(ames):
    assert ames["delta_ols"] < 1e-9
    assert ames["delta_ridge"] < 1e-9
    assert ames["delta_walk"] < 1e-6


@pytest.mark.models
def test_the_bar_holds_for_our_split_and_for_the_worst_of_thirty(ames):
    assert ames["best_r2"] >= 0.78
    assert ames["spread"]["up to 4,000 sq ft"][0] >= 0.78


@pytest.mark.models
def test_the_text_is_right_about_the_thirty_splits(ames):
    kept, everything = ames["spread"].values()
    assert f"looks like {kept[0]:.2f} or like {everything[0]:.2f}." in PROSE
    assert f"is the median, {np.median(kept):.2f}, with" in PROSE
    assert ames["best_r2"] == kept[-1]  # "It is the best of the thirty"


@pytest.mark.models
def test_the_text_is_right_about_the_houses(ames):
    houses, everything = ames["houses"], ames["all_houses"]
    assert (len(everything), len(houses)) == (2930, 2925)
    large = everything[everything["Gr_Liv_Area"] > 4000]
    assert (large["Sale_Condition"] == "Partial").sum() == 3
    second = everything[everything["Kitchen_AbvGr"] > 1]
    for_two = second["Bldg_Type"].isin(["Duplex", "TwoFmCon"])
    assert f"{for_two.sum()} of the {len(second)} houses with a second" in PROSE
    six = everything.head(6)
    np.testing.assert_allclose(six["Gr_Liv_Area"] / 1000, ames["feet"])
    np.testing.assert_allclose(np.log10(six["Sale_Price"]), ames["y6"], atol=5e-4)


@pytest.mark.models
def test_penalising_the_bias_ruins_the_predictions_as_the_text_says(ames):
    n, mean = len(ames["y_train"]), ames["y_train"].mean()
    factor = n / (n + 100)
    assert n == 2340
    assert f"the factor is {factor:.3f}." in PROSE
    assert rf"${mean:.2f} \cdot {factor:.3f} = {mean * factor:.2f}$" in PROSE
    assert f"loses {1 - 10 ** (mean * (factor - 1)):.0%}".replace("%", " %") in PROSE
    assert ames["truth"] == "c"
    assert ames["free_r2"] == pytest.approx(ames["best_r2"], abs=0.01)
    assert ames["bound_r2"] == pytest.approx(-0.63, abs=0.02)


@pytest.mark.models
def test_the_run_above_the_limit_looks_well_for_five_steps(ames):
    lr = 1.03 * ames["lr_limit"]
    _, losses = ames["descend"](ames["Z_train"], ames["y_train"], lr, 100)
    assert np.argmin(losses) == 5
    assert losses[0] / min(losses) == pytest.approx(500, rel=0.05)
    assert math.sqrt(losses[-1] / losses[-2]) == pytest.approx(1.06, abs=0.001)


@pytest.mark.models
def test_standardising_lowers_the_condition_number_to_five(ames):
    assert np.linalg.cond(ames["Z_train"]) == pytest.approx(5, abs=0.5)
    assert np.linalg.cond(ames["raw"].astype(float)) > 1e6


@pytest.mark.models
def test_the_coefficient_of_bedrooms_turns_its_sign_beside_the_others(ames):
    beside = ames["w_best"][ames["bedrooms"]]
    assert ames["alone"] > 0.02
    assert beside + ames["half"][ames["bedrooms"]] < 0
