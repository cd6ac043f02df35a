"""M7's numbers: those worked by hand in its prose, its bars, and its oracles."""

import numpy as np
import pandas as pd
import pytest
from lesson_tools import prose
from scipy import stats
from sklearn.model_selection import TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier

from course import lesson, prices

LESSON = lesson.load("m7")
PROSE = prose("m7")


@pytest.fixture(scope="module")
def own(run_lesson):
    """The names of the lesson without its demonstrations."""
    return run_lesson("m7")


@pytest.fixture(scope="module")
def index(run_lesson):
    """The names of the lesson with its demonstrations on the real index."""
    return run_lesson("m7", demos=True)


def test_log_returns_add_up_and_simple_returns_do_not(own):
    r = own["log_returns"](np.array([100.0, 110.0, 99.0]))
    assert r.sum() == pytest.approx(np.log(0.99))
    assert f"{np.log(0.99):.5f}" in PROSE
    np.testing.assert_allclose(r, [0.09531, -0.10536], atol=1e-5)
    assert "`[0.09531, -0.10536]`" in PROSE


def test_the_table_of_windows_is_right(own):
    X, y = own["windows"](np.arange(1.0, 6.0), 2, 1)
    rows = [
        f"| {i} | {a:.0f}, {b:.0f} | {c:.0f} |"
        for i, ((a, b), c) in enumerate(zip(X, y, strict=True))
    ]
    assert len(rows) == 3
    assert all(row in PROSE for row in rows)


def test_walking_folds_are_those_of_the_table_and_of_scikit_learn(own):
    pairs = own["walk_forward"](9, 3, 2, 1)
    assert [(list(a), list(b)) for a, b in pairs] == [
        ([0, 1, 2], [4, 5]),
        ([2, 3, 4], [6, 7]),
        ([4, 5, 6], [8]),
    ]
    folds = TimeSeriesSplit(4, max_train_size=10, test_size=5, gap=3)
    theirs = list(folds.split(np.zeros(33)))
    for (a, b), (c, d) in zip(theirs, own["walk_forward"](33, 10, 5, 3), strict=True):
        assert np.array_equal(a, c)
        assert np.array_equal(b, d)


@pytest.mark.parametrize("h", [5, 20, 60])
def test_neighbouring_labels_agree_as_often_as_the_arcsine_says(own, h):
    r = prices.simulate(40_000, seed=1, drift=0.0, alpha=0.0, beta=0.0).returns
    _, y = own["windows"](r, 1, h)
    agree = np.mean((y[1:] > 0) == (y[:-1] > 0))
    assert agree == pytest.approx(0.5 + np.arcsin(1 - 1 / h) / np.pi, abs=0.02)
    assert "With $h = 60$ and $d = 1$ it is 0.94" in PROSE
    assert 0.5 + np.arcsin(59 / 60) / np.pi == pytest.approx(0.94, abs=0.005)


def test_overlap_widens_the_interval_by_the_root_of_h(own):
    d = np.convolve(np.random.default_rng(0).normal(size=4019), np.ones(20), "valid")
    _, lo, hi = own["edge_ci"](d, 0 * d, 200, 400, 0)
    _, lo_1, hi_1 = own["edge_ci"](d, 0 * d, 1, 400, 0)
    assert (hi - lo) / (hi_1 - lo_1) == pytest.approx(20**0.5, rel=0.25)


def test_the_interval_covers_a_true_edge_of_zero_as_often_as_it_should(own):
    rng, inside = np.random.default_rng(0), []
    for seed in range(60):
        e = rng.normal(size=519)
        d = np.convolve(e, np.ones(20), "valid")[:500]
        _, lo, hi = own["edge_ci"](d, 0 * d, 40, 100, seed)
        inside.append(lo < 0 < hi)
    assert 0.8 <= np.mean(inside) <= 1  # 12 blocks only: a little below 0.95


def test_ewma_and_qlike_are_those_of_the_text_and_of_the_libraries(own):
    by_hand = own["ewma_var"](np.array([2.0, 0.0, 1.0]), 0.5, 1.0)
    np.testing.assert_allclose(by_hand, [1, 2.5, 1.25])
    r = prices.simulate(300, seed=2).returns
    v = own["ewma_var"](r, 0.94, 1e-4)
    smoothed = pd.Series(np.append(1e-4, r[:-1] ** 2)).ewm(alpha=0.06, adjust=False)
    np.testing.assert_allclose(v, smoothed.mean(), rtol=1e-10)
    density = -2 * stats.norm.logpdf(r, scale=np.sqrt(v)) - np.log(2 * np.pi)
    np.testing.assert_allclose(own["qlike"](r, v), density, rtol=1e-9)
    example = own["qlike"](np.array([0.0, 2.0]), np.array([1.0, 4.0]))
    assert f"`[0, {example[1]:.3f}]`" in PROSE


def test_half_the_variance_costs_more_than_twice_the_variance():
    assert f"{2 - np.log(2) - 1:.2f}" == "0.31"
    assert f"{0.5 + np.log(2) - 1:.2f}" == "0.19"
    assert "$2 - \\log 2 - 1 = 0.31$" in PROSE
    assert "$0.5 + \\log 2 - 1 = 0.19$" in PROSE


def test_the_true_variance_wins_qlike_and_ewma_comes_second(own):
    made = prices.simulate(6000, seed=3)
    v = own["ewma_var"](made.returns, 0.94, 1e-4)
    flat = np.full(len(v), made.returns.var())
    truth, ewma, constant = (
        own["qlike"](made.returns, it).mean() for it in (made.variance, v, flat)
    )
    assert truth < ewma < constant


def test_the_account_of_three_days_is_that_of_the_text(own):
    net = own["backtest"](
        np.array([1.0, 1.0, -1.0]), np.array([0.01, 0.02, -0.01]), 0.001
    )
    np.testing.assert_allclose(net, [-0.001, 0.02, -0.012])


def test_shuffling_reports_skill_where_none_can_be(own):
    r = prices.simulate(2500, seed=0).returns
    X, y = own["windows"](r, 60, 60)
    path, up = np.cumsum(X, axis=1), y > 0
    one = KNeighborsClassifier(1)
    order = np.random.default_rng(0).permutation(len(up))
    cut = len(up) // 5
    lie = one.fit(path[order[cut:]], up[order[cut:]]).score(
        path[order[:cut]], up[order[:cut]]
    )
    honest = [
        one.fit(path[a], up[a]).predict(path[b]) == up[b]
        for a, b in own["walk_forward"](len(up), 1250, 250, 60)
    ]
    assert lie > 0.85
    assert np.mean(np.concatenate(honest)) < 0.7


@pytest.mark.models
def test_the_bar_no_edge_and_volatility_that_can_be_forecast(index):
    for text, (_, lo, _) in index["edges"].items():
        assert lo < 0, text
    assert np.mean(index["loss_e"]) < -8.5
    assert np.mean(index["loss_c"]) == pytest.approx(-8.25, abs=0.01)
    assert index["gain"][1] > 0.15


@pytest.mark.models
def test_the_text_is_right_about_the_recipe(index):
    shuffled, purged, base = index["lie"]["S&P 500", 60]
    assert f"{shuffled:.2f}" == "0.88"
    assert "Pay-off 1: the 88 % that was a lie" in PROSE
    assert purged < base < shuffled
    made_up = index["lie"]["simulated", 60]
    assert made_up[0] == pytest.approx(0.9, abs=0.01)  # the prediction's truth
    assert made_up[2] == pytest.approx(0.65, abs=0.01)
    _, y = index["windows"](index["r_index"], 60, 60)
    assert np.mean(y > 0) == pytest.approx(2 / 3, abs=0.03)
    assert index["weekly"][0] > index["weekly"][60] + 0.1


@pytest.mark.models
def test_the_accounts_are_those_that_the_text_tells_of(index):
    cheat, gross, net, hold = index["ratios"].values()
    assert cheat > 2 > hold > 0 > gross > net
    assert index["first"][index["best"]] > 1
    assert index["second"][index["best"]] < 0.6
    assert index["outside"] > 0.046


@pytest.mark.models
def test_the_learners_functions_agree_with_the_libraries(index):
    assert index["same_folds"]
    assert index["delta_ewma"] < 1e-9
    assert index["delta_qlike"] < 1e-9
    assert index["width_ratio"] == pytest.approx(1, abs=0.1)
