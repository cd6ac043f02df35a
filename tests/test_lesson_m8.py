"""M8's numbers: what its prose works by hand, its bars, and its oracles."""

import numpy as np
import pandas as pd
import pytest
from lesson_tools import prose
from scipy import stats
from scipy.special import rel_entr
from sklearn.linear_model import LogisticRegression

from course import fraud, lesson

LESSON = lesson.load("m8")
PROSE = prose("m8")


@pytest.fixture(scope="module")
def own(run_lesson):
    """The names of the lesson without its demonstrations."""
    return run_lesson("m8")


@pytest.fixture(scope="module")
def shipped(run_lesson):
    """The names of the lesson with its demonstrations, from the learner's code."""
    return run_lesson("m8", demos=True)


@pytest.fixture(scope="module")
def fitted():
    """A logistic regression on a small town, and what it was trained on."""
    size = {"customers": 150, "terminals": 300, "days": 42}
    town = fraud.simulate(1, fraud.Town(**size))
    X = fraud.features(town)[town.day > 21]
    y = town.fraud[town.day > 21]
    mu, sd = X.mean(axis=0), X.std(axis=0)
    model = LogisticRegression(max_iter=300).fit((X - mu) / sd, y)
    return model, mu, sd, X


def test_a_packed_model_serves_what_scikit_learn_scores_offline(own, fitted):
    model, mu, sd, X = fitted
    columns = list(fraud.FEATURES)
    packed = own["pack"](
        {
            "version": "v1",
            "columns": columns,
            "mu": mu,
            "sd": sd,
            "w": np.append(model.intercept_, model.coef_),
            "threshold": 0.5,
        }
    )
    shuffled = [columns[i] for i in np.random.default_rng(0).permutation(13)]
    rows = [
        {name: row[columns.index(name)] for name in shuffled}
        for row in X[:300].tolist()
    ]
    served = own["predict_rows"](own["unpack"](packed), rows)
    offline = model.predict_proba((X[:300] - mu) / sd)[:, 1]
    assert np.max(np.abs(served - offline)) < 1e-9  # the bar


def test_the_query_counts_what_the_simulators_features_count(own):
    size = {"customers": 60, "terminals": 40, "days": 60}
    p = fraud.simulate(2, fraud.Town(**size))
    rows = list(
        zip(
            range(len(p)),
            p.terminal.tolist(),
            p.day.tolist(),
            p.fraud.tolist(),
            strict=True,
        )
    )
    got = np.array(own["terminal_risk"](rows))
    one = np.ones(len(p))
    want = fraud.window_sums(p.terminal, p.day, [one, p.fraud], 21.0, 7.0)
    assert np.array_equal(got[:, 0], np.arange(len(p)))
    np.testing.assert_allclose(got[:, 1:].T, want)
    assert got[:, 2].sum() > 0


def test_the_psi_of_the_text_and_of_the_divergence_in_both_directions(own):
    by_hand = own["psi"](np.arange(8.0), np.array([1.0, 4.0, 5.0, 6.0]), 2)
    assert by_hand == pytest.approx(-0.2 * np.log(0.6) + 0.2 * np.log(1.4))
    assert f"= {by_hand:.3f}$" in PROSE
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=1004), rng.normal(0.3, 1, size=700)
    bins = pd.cut(
        np.append(a, b), [-np.inf, *np.quantile(a, np.arange(1, 8) / 8), np.inf]
    )
    p = (np.bincount(bins.codes[:1004], minlength=8) + 0.5) / (1004 + 4)
    q = (np.bincount(bins.codes[1004:], minlength=8) + 0.5) / (700 + 4)
    want = np.sum(rel_entr(p, q) + rel_entr(q, p))
    assert own["psi"](a, b, 8) == pytest.approx(want, rel=1e-12)


def test_a_tiny_difference_is_significant_with_many_payments():
    z = 0.03 / np.sqrt(2 / 100_000)  # of the difference of two means
    assert 2 * stats.norm.sf(z) < 1e-9
    assert "three per cent of a standard deviation" in PROSE


def test_the_alarm_does_not_cry_wolf(own):
    rng, false = np.random.default_rng(0), []
    for _ in range(60):
        ref = rng.gamma(2, 25, 8000)
        weeks = [rng.gamma(2, 25 * m, 2000) for m in rng.normal(1, 0.005, 28)]
        false.append(len(own["alarm"](ref, weeks, 8, 3.0)))
    assert np.mean(false) <= 1  # the bar: weeks with a false alarm in 20 watched
    assert np.mean(np.array(false) > 0) < 0.15


@pytest.mark.parametrize("seed", [1, 2])
def test_higher_prices_ring_in_the_second_week(shipped, seed):
    change = shipped["CHANGE"]
    drift = (fraud.covariate_drift(7.0 * change),)
    found = shipped["watched"](seed, drift, size=200)
    assert found["rings"][0] == change + 1


def test_the_prediction_is_right_and_so_is_what_follows(shipped):
    worlds, change = shipped["worlds"], shipped["CHANGE"]
    assert worlds["nothing"]["rings"] == []
    assert worlds["fraudsters"]["rings"] == []
    assert worlds["prices"]["rings"] == list(range(change + 1, shipped["LAST"]))
    after = shipped["after"]
    assert worlds["fraudsters"]["ap"][after].max() < 0.15
    assert worlds["prices"]["ap"][after].mean() > 0.5
    assert worlds["prices"]["psi"][after].max() < 0.1  # below the folklore's warning
    assert shipped["slow_rings"]["fraudsters"][0] == change + 1
    assert shipped["slow_rings"]["nothing"] == []


def test_what_is_served_is_what_was_tested(shipped):
    assert shipped["skew"] < 1e-9  # the bar
    assert shipped["refused"].status_code == 422
    assert "night" in shipped["refused"].json()["detail"]


def test_one_candidate_is_promoted_and_rolled_back(shipped):
    assert shipped["verdicts"] == {"v2": ["alerts"], "v3": ["ap"], "v4": []}
    assert str(shipped["alias"].version) == "1"
    assert shipped["best"].info.run_name == "v4"


def test_the_number_of_the_opening_is_right(shipped):
    assert f'"the notebook says {shipped["ap_before"]:.2f}"' in PROSE


def test_the_script_is_as_long_as_the_text_says(shipped):
    lines = (shipped["data"] / "deploy.sh").read_text().count("\n")
    assert lines == pytest.approx(70, abs=5)
    assert "`course/data/deploy.sh`, 70 lines" in PROSE
