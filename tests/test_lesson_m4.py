"""Lesson M4: its bars, the numbers in its prose, and three libraries as oracles."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import ndcg_score


@pytest.fixture(scope="module")
def m4(run_lesson):
    """The names of the lesson with solutions in place, demonstrations left out."""
    return run_lesson("m4")


@pytest.fixture(scope="module")
def shown(run_lesson):
    """The same, with the demonstrations on MovieLens."""
    return run_lesson("m4", demos=True, checks=True)


def test_the_examples_of_the_prose_are_what_the_functions_return(m4):
    u, i, r = np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([5.0, 3.0, 4.0])
    mu, bu, bi = m4["biases"](u, i, r, (2, 2), 1)
    assert mu == 4
    assert np.allclose(21 * bu, [1, -4])
    assert np.allclose(21 * bi, [8, -11])
    m, P, Q = m4["svd_k"](np.array([[5.0, 2.0], [3.0, 0.0]]), 1)
    assert m.tolist() == [4, 1]
    assert np.allclose(np.abs(P.ravel()), 1.414, atol=1e-3)
    assert np.allclose(np.abs(Q.ravel()), 0.707, atol=1e-3)
    row = np.array([1, np.nan, 2])
    assert np.allclose(m4["als_user"](row, np.array([[1.0], [5.0], [1.0]]), 1.0), 1)
    mask = m4["time_split"](np.array([30, 10, 20, 5]), np.array([0, 0, 0, 1]), 0.5)
    assert mask.tolist() == [True, False, False, False]
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    seen, held = np.arange(5) == 0, np.isin(np.arange(5), [2, 4])
    assert m4["ndcg"](scores, seen, held, 3) == pytest.approx(0.387, abs=5e-4)


def test_als_user_is_scikit_learns_ridge(m4):
    rng = np.random.default_rng(1)
    Q, row = rng.normal(size=(40, 6)), rng.normal(size=40)
    row[rng.random(40) < 0.6] = np.nan
    ok = ~np.isnan(row)
    ridge = Ridge(alpha=3.0, fit_intercept=False).fit(Q[ok], row[ok])
    assert np.allclose(m4["als_user"](row, Q, 3.0), ridge.coef_, atol=1e-12)


def test_ndcg_is_scikit_learns_where_nothing_was_seen(m4):
    rng = np.random.default_rng(2)
    for _ in range(20):
        scores, held = rng.normal(size=30), rng.random(30) < 0.2
        held[3] = True
        mine = m4["ndcg"](scores, np.zeros(30, bool), held, 10)
        assert mine == pytest.approx(ndcg_score([held], [scores], k=10))


def test_als_on_a_full_table_moves_the_singular_values_by_lambda(m4):
    X = np.random.default_rng(3).normal(size=(20, 12))
    u, i = (at.ravel() for at in np.indices(X.shape))
    s = np.linalg.svd(X, compute_uv=False)
    lam = (s[1] + s[2]) / 2
    Q = np.random.default_rng(0).normal(size=(12, 4))
    for _ in range(400):
        P = m4["als_all"](u, i, X.ravel(), Q, lam, 20)
        Q = m4["als_all"](i, u, X.ravel(), P, lam, 12)
    got = np.linalg.svd(P @ Q.T, compute_uv=False)[:4]
    assert np.allclose(got, np.maximum(s[:4] - lam, 0), atol=1e-3)


def test_no_turn_of_als_raises_the_objective(m4):
    shop = m4["shop"]
    mu, bu, bi = m4["biases"](*m4["shop_data"], 5)
    res = shop.stars - mu - bu[shop.user] - bi[shop.item]
    Q = np.random.default_rng(0).normal(0, 0.1, (400, 4))
    losses = []
    for _ in range(5):
        P = m4["als_all"](shop.user, shop.item, res, Q, 3.0, 400)
        for turn in range(2):
            if turn:
                Q = m4["als_all"](shop.item, shop.user, res, P, 3.0, 400)
            left = res - np.sum(P[shop.user] * Q[shop.item], axis=1)
            losses.append(left @ left + 3.0 * (np.sum(P**2) + np.sum(Q**2)))
    assert np.all(np.diff(losses) < 0)


def test_the_simulated_shop_shows_a_u_and_the_factors_win(m4):
    errors = m4["by_val"]
    assert m4["shop_lam"] == 5
    assert errors[0] > errors[3] < errors[-1]
    assert m4["shop_rmse"] < m4["shop_bias"] - 0.01
    assert m4["floor"] < m4["shop_rmse"]
    assert 1 / 7 < m4["share"] < 1 / 5, "five cells in six are empty"
    per_person = len(m4["shop_rows"][0]) / 400
    assert 35 < per_person < 50, "some forty stars"


@pytest.mark.slow
@pytest.mark.models
def test_the_bars_on_movielens(shown):
    errors, flat = shown["curves"]["random"]
    assert min(errors.values()) <= 0.885
    assert flat == pytest.approx(0.8905, abs=5e-4)
    assert errors[3] / flat == pytest.approx(1.1, abs=0.02), "a tenth worse"
    assert flat - min(errors.values()) == pytest.approx(0.01, abs=0.003)
    assert shown["honest_rmse"] <= 0.910
    assert shown["story"] == "higher by 5 % or more"


@pytest.mark.slow
@pytest.mark.models
def test_the_three_splits_tell_the_stories_of_the_prose(shown):
    gains = {n: f - min(e.values()) for n, (e, f) in shown["curves"].items()}
    assert gains["random"] > gains["by time"] > 0.005 > gains["one date"]
    assert abs(gains["one date"]) < 0.002
    assert shown["curves"]["one date"][1] > 1
    assert shown["new"].mean() > 0.7


@pytest.mark.slow
@pytest.mark.models
def test_the_biases_are_surprises_and_the_factors_ahead_of_its_default(shown):
    assert shown["apart"].max() < 1e-9
    test, rmse = shown["chance"], shown["rmse"]
    errors = {n: rmse(s, shown["given"][test]) for n, (s, _) in shown["found"].items()}
    mine = errors["your ALS, k=10, λ=15"]
    assert mine < errors["Surprise SVD, k=10"]
    assert mine < errors["Surprise SVD, tuned"]


@pytest.mark.slow
@pytest.mark.models
def test_popularity_makes_the_better_list(shown):
    score = {n: np.nanmean(v) for n, v in shown["lists"].items()}
    assert score["random"] < 0.005
    assert score["two averages"] < score["factors (your ALS)"] < score["popularity"]
