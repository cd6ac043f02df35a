"""M5's boosted trees against scikit-learn and LightGBM, on the same bins."""

import functools
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
from oracle_tools import Row, names_of, timed
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from course import datasets, fraud

ROUNDS, LR, DEPTH, LAM = 60, 0.2, 4, 1.0


def rows() -> list[Row]:
    """Return the average precision on two data sets, against two libraries."""
    m5 = names_of("m5")
    found = []
    for name, X, y, train, test in (_simulated(), _real()):
        cuts = [m5["tail_edges"](x, 64) for x in X[train].T]
        Xb, Xb_test = (m5["binned"](X[part], cuts) for part in (train, test))
        work = (Xb, y[train], ROUNDS, LR, DEPTH, LAM)
        model, our_s = timed(functools.partial(m5["boost"], *work), 1)
        ours = _scores(m5["walk"], model, Xb_test)
        for library, theirs in _libraries().items():
            _, their_s = timed(functools.partial(theirs.fit, *work[:2]), 1)
            scores = theirs.predict_proba(Xb_test)[:, 1]
            aps = [average_precision_score(y[test], s) for s in (ours, scores)]
            quantity = f"AP, {name}, {ROUNDS} trees"
            gap = abs(aps[0] - aps[1])
            bound = 0.05 if "ULB" in name else 0.02
            found.append(
                Row(
                    "m5",
                    quantity,
                    aps[0],
                    library,
                    aps[1],
                    gap,
                    bound,
                    our_s,
                    their_s,
                )
            )
    return found


def _scores(
    walk: Callable[..., np.ndarray], model: tuple[float, list[Any]], Xb: np.ndarray
) -> np.ndarray:
    start, trees = model
    parts = np.array([walk(tree, Xb) for tree in trees])
    scores: np.ndarray = start + LR * parts.sum(axis=0)
    return scores


def _libraries() -> dict[str, Any]:
    return {
        "sklearn HistGradientBoosting": HistGradientBoostingClassifier(
            max_iter=ROUNDS,
            learning_rate=LR,
            max_depth=DEPTH,
            max_leaf_nodes=None,
            min_samples_leaf=1,
            l2_regularization=LAM,
            early_stopping=False,
        ),
        "LightGBM": lightgbm.LGBMClassifier(
            n_estimators=ROUNDS,
            learning_rate=LR,
            max_depth=DEPTH,
            num_leaves=2**DEPTH,
            min_child_samples=1,
            reg_lambda=LAM,
            n_jobs=1,
            verbose=-1,
        ),
    }


Data = tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _simulated() -> Data:
    """Return a name, X, y and the rows for training and testing."""
    p = fraud.simulate(0)
    train = np.flatnonzero((p.day >= 14) & (p.day < 28))
    test = np.flatnonzero(p.day >= 42)
    return "simulator", fraud.features(p), p.fraud.astype(float), train, test


def _real() -> Data:
    """Return the same of the ULB cards; of the honest training rows, every fifth."""
    cards = datasets.load_creditcard().drop_duplicates()
    cards = cards.sort_values("Time", kind="stable")
    y = cards["Class"].to_numpy(float)
    X = cards.drop(columns=["Time", "Class"]).to_numpy(float)
    cut, end = int(0.6 * len(y)), int(0.8 * len(y))
    kept = (np.arange(cut) % 5 == 0) | (y[:cut] == 1)
    return "ULB cards", X, y, np.flatnonzero(kept), np.arange(end, len(y))
