"""M4's recommender on MovieLens: against Surprise, and against scikit-learn's Ridge."""

from typing import Any

import numpy as np
import pandas as pd
import surprise
from oracle_tools import Row, names_of, timed
from sklearn.linear_model import Ridge

from course.datasets import load_movielens

K, LAM, BIAS_LAM = 10, 15, 5


def rows() -> list[Row]:
    """Return the biases, one turn of ALS, and the test RMSE of the whole model."""
    m4 = names_of("m4")
    table = load_movielens()
    u = np.unique(table["userId"], return_inverse=True)[1]
    i = np.unique(table["movieId"], return_inverse=True)[1]
    r = table["rating"].to_numpy(float)
    shape = int(u.max()) + 1, int(i.max()) + 1
    test = np.random.default_rng(0).random(len(r)) < 0.2
    data = u[~test], i[~test], r[~test], shape
    asked = u[test], i[test], r[test]
    return [biases(m4, data, asked), turn(m4, data), factors(m4, data, asked)]


def biases(m4: dict[str, Any], data: tuple[Any, ...], asked: tuple[Any, ...]) -> Row:
    """Both minimise the same sum: the predictions must agree."""
    (mu, bu, bi), our_s = timed(lambda: m4["biases"](*data, BIAS_LAM))
    options = {"method": "als", "reg_u": BIAS_LAM, "reg_i": BIAS_LAM, "n_epochs": 20}
    algorithm = surprise.BaselineOnly(options, verbose=False)
    theirs, their_s = library(algorithm, data, asked)
    ours = mu + bu[asked[0]] + bi[asked[1]]
    return Row(
        "m4",
        "test RMSE of two averages, MovieLens; largest distance of a prediction",
        m4["rmse"](ours, asked[2]),
        "Surprise BaselineOnly",
        m4["rmse"](theirs, asked[2]),
        float(np.abs(ours - theirs).max()),
        1e-9,
        our_s,
        their_s,
    )


def turn(m4: dict[str, Any], data: tuple[Any, ...]) -> Row:
    """One turn for all users is one ridge regression for each of them."""
    u, i, r, shape = data
    Q = np.random.default_rng(0).normal(0, 0.1, (shape[1], K))
    res = r - r.mean()
    ours, our_s = timed(lambda: m4["als_all"](u, i, res, Q, LAM, shape[0]))

    def one_by_one() -> np.ndarray:
        out = np.zeros((shape[0], K))
        for user in range(shape[0]):
            at = np.flatnonzero(u == user)
            ridge = Ridge(alpha=LAM, fit_intercept=False)
            out[user] = ridge.fit(Q[i[at]], res[at]).coef_
        return out

    theirs, their_s = timed(one_by_one, 1)
    return Row(
        "m4",
        "one turn of ALS, 671 users; largest distance of a factor",
        float(np.linalg.norm(ours)),
        "Ridge, user by user",
        float(np.linalg.norm(theirs)),
        float(np.abs(ours - theirs).max()),
        1e-9,
        our_s,
        their_s,
    )


def factors(m4: dict[str, Any], data: tuple[Any, ...], asked: tuple[Any, ...]) -> Row:
    """ALS against SGD for nearly the same model: not above it by 0.005 stars."""
    model, our_s = timed(lambda: m4["fit"](*data, K, LAM), 1)
    ours = m4["rmse"](m4["predict"](model, *asked[:2]), asked[2])
    algorithm = surprise.SVD(n_factors=K, n_epochs=40, reg_all=0.08, random_state=0)
    stars, their_s = library(algorithm, data, asked)
    theirs = m4["rmse"](stars, asked[2])
    return Row(
        "m4",
        "test RMSE of biases and 10 factors; how far above the library's",
        ours,
        "Surprise SVD, tuned",
        theirs,
        max(ours - theirs, 0.0),
        0.005,
        our_s,
        their_s,
    )


def library(
    algorithm: Any, data: tuple[Any, ...], asked: tuple[Any, ...]
) -> tuple[np.ndarray, float]:
    """Return a Surprise algorithm's predictions, unclipped, and its fit's seconds."""
    frame = pd.DataFrame({"u": data[0], "i": data[1], "r": data[2]})
    reader = surprise.Reader(rating_scale=(0.5, 5))
    known = surprise.Dataset.load_from_df(frame, reader).build_full_trainset()
    _, seconds = timed(lambda: algorithm.fit(known), 1)
    pairs = zip(asked[0], asked[1], strict=True)
    stars = [algorithm.predict(a, b, clip=False).est for a, b in pairs]
    return np.array(stars), seconds
