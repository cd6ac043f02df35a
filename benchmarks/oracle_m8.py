"""M8 against the libraries, on a simulated town: scores, drift, features by SQL."""

from typing import Any

import numpy as np
from oracle_tools import Row, names_of, timed
from scipy.special import rel_entr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from course import fraud


def rows() -> list[Row]:
    """Return M8's rows: scikit-learn, scipy and the simulator are the oracles."""
    m8 = names_of("m8")
    town = fraud.simulate(0, fraud.Town(customers=300, terminals=600, days=56))
    X = fraud.features(town)
    return [_scores(m8, town, X), _psi(m8, town), _risk(m8, town)]


def _scores(m8: dict[str, Any], town: fraud.Payments, X: np.ndarray) -> Row:
    """Return the row of scores that went through the artefact."""
    old, test = (town.day > 28) & (town.day < 49), town.day >= 49
    mu, sd = X[old].mean(axis=0), X[old].std(axis=0)
    fitted = LogisticRegression(max_iter=500).fit((X[old] - mu) / sd, town.fraud[old])
    model = {
        "version": "v1",
        "columns": list(fraud.FEATURES),
        "mu": mu,
        "sd": sd,
        "w": np.append(fitted.intercept_, fitted.coef_),
        "threshold": 0.5,
    }
    live = m8["unpack"](m8["pack"](model))
    asked = [dict(zip(fraud.FEATURES, row, strict=True)) for row in X[test].tolist()]
    ours, our_s = timed(lambda: m8["predict_rows"](live, asked))
    theirs, their_s = timed(lambda: fitted.predict_proba((X[test] - mu) / sd)[:, 1])
    y = town.fraud[test]
    return Row(
        "m8",
        "average precision, packed and served from dicts; distance of the scores",
        float(average_precision_score(y, ours)),
        "sklearn predict_proba on arrays",
        float(average_precision_score(y, theirs)),
        float(np.max(np.abs(ours - theirs))),
        1e-9,
        our_s,
        their_s,
    )


def _psi(m8: dict[str, Any], town: fraud.Payments) -> Row:
    """Return the row of the drift between two halves."""
    ref, cur = town.amount[town.day < 28], town.amount[town.day >= 28]
    ours, our_s = timed(lambda: m8["psi"](ref, cur, 10))
    cuts = np.quantile(ref, np.arange(1, 10) / 10)
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])

    def divergences() -> float:
        p, q = ((np.histogram(x, ends)[0] + 0.5) / (len(x) + 5) for x in (ref, cur))
        return float(np.sum(rel_entr(p, q) + rel_entr(q, p)))

    theirs, their_s = timed(divergences)
    quantity, library = "PSI of the amounts, 10 bins", "scipy rel_entr, both ways"
    apart = abs(ours - theirs)
    return Row("m8", quantity, ours, library, theirs, apart, 1e-12, our_s, their_s)


def _risk(m8: dict[str, Any], town: fraud.Payments) -> Row:
    """Return the row of the terminals' known frauds."""
    columns = (town.terminal, town.day, town.fraud)
    table = list(zip(range(len(town)), *(it.tolist() for it in columns), strict=True))
    ours, our_s = timed(lambda: np.array(m8["terminal_risk"](table))[:, 2])
    values: list[Any] = [town.fraud]
    theirs, their_s = timed(
        lambda: fraud.window_sums(town.terminal, town.day, values, 21.0, 7.0)[0]
    )
    return Row(
        "m8",
        "frauds known at the terminals, sum; largest distance of a payment",
        float(ours.sum()),
        "numpy, fraud.window_sums",
        float(theirs.sum()),
        float(np.max(np.abs(ours - theirs))),
        0.0,
        our_s,
        their_s,
    )
