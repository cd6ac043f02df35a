"""M2's logistic regression and average precision against scikit-learn."""

from typing import Any

import numpy as np
from oracle_tools import Row, names_of, timed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from course import datasets, fraud

LAM, STEPS = 1e-4, 10


def rows() -> list[Row]:
    """Return both data sets' coefficients and average precision."""
    m2 = names_of("m2")
    return [_fit(m2, *_simulated()), _fit(m2, *_real()), _metric(m2)]


def _simulated() -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a name, X, y and the rows for training and testing."""
    p = fraud.simulate(0)
    train = np.flatnonzero((p.day >= 14) & (p.day < 28))
    test = np.flatnonzero(p.day >= 42)
    return "simulator, 13 columns", fraud.features(p), p.fraud, train, test


def _real() -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    cards = datasets.load_creditcard().drop_duplicates()
    cards = cards.sort_values("Time", kind="stable")
    X = cards.drop(columns=["Time", "Class"]).to_numpy(float).copy()
    X[:, -1] = np.log1p(X[:, -1])
    cut, end = int(0.6 * len(X)), int(0.8 * len(X))
    y = cards["Class"].to_numpy()
    return "ULB cards", X, y, np.arange(cut), np.arange(end, len(X))


def _fit(
    m2: dict[str, Any],
    name: str,
    X: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> Row:
    Xs = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    Z, labels = np.column_stack([np.ones(len(X)), Xs]), y.astype(float)
    fit = (Z[train], labels[train], LAM, STEPS + 6)
    w, our_s = timed(lambda: m2["fit_newton"](*fit), 2)
    model = LogisticRegression(C=1 / (len(train) * LAM), tol=1e-9)
    model.set_params(solver="newton-cholesky")
    _, their_s = timed(lambda: model.fit(Xs[train], labels[train]), 2)
    theirs = np.append(model.intercept_, model.coef_)
    return Row(
        "m2",
        f"AP, {name}; largest distance of {len(w)} coefficients",
        float(m2["average_precision"](labels[test], Z[test] @ w)),
        "sklearn LogisticRegression(newton-cholesky)",
        average_precision_score(y[test], model.decision_function(Xs[test])),
        float(np.abs(w - theirs).max()),
        1e-6,
        our_s,
        their_s,
    )


def _metric(m2: dict[str, Any]) -> Row:
    rng = np.random.default_rng(0)
    y, s = rng.random(100_000) < 0.03, rng.integers(0, 5000, 100_000) / 5000
    ours, our_s = timed(lambda: m2["average_precision"](y, s))
    theirs, their_s = timed(lambda: average_precision_score(y, s))
    return Row(
        "m2",
        "AP of 100,000 scores with ties",
        float(ours),
        "sklearn average_precision_score",
        float(theirs),
        abs(float(ours) - float(theirs)),
        1e-12,
        our_s,
        their_s,
    )
