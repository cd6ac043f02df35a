"""M7 against the libraries, on the real index: folds, smoothing, loss, interval."""

from typing import Any

import numpy as np
import pandas as pd
from oracle_tools import Row, names_of, timed
from scipy import stats
from sklearn.model_selection import TimeSeriesSplit

from course.datasets import load_sp500

LAM, START = 0.94, 1e-4


def rows() -> list[Row]:
    """Return M7's rows: scikit-learn, pandas and scipy are the oracles."""
    m7 = names_of("m7")
    table = load_sp500()
    closes = table.loc[table.index >= "1990", "Close"].to_numpy(float)
    r = m7["log_returns"](closes)
    return [_folds(m7), _variance(m7, r), _loss(m7, r), _interval(m7, r)]


def _folds(m7: dict[str, Any]) -> Row:
    """Return the row of the walking folds."""
    n = 1250 + 60 + 20 * 250
    split = TimeSeriesSplit(20, max_train_size=1250, test_size=250, gap=60)
    mine, our_s = timed(lambda: m7["walk_forward"](n, 1250, 250, 60))
    theirs, their_s = timed(lambda: list(split.split(np.zeros(n))))
    differ = sum(
        not (np.array_equal(a, c) and np.array_equal(b, d))
        for (a, b), (c, d) in zip(mine, theirs, strict=True)
    )
    library = "sklearn TimeSeriesSplit(gap=60)"
    quantity = "walking folds; how many differ"
    sizes = float(len(mine)), library, float(len(theirs))
    return Row("m7", quantity, *sizes, float(differ), 0.0, our_s, their_s)


def _variance(m7: dict[str, Any], r: np.ndarray) -> Row:
    """Return the row of the smoothed variance."""
    squares = pd.Series(np.append(START, r[:-1] ** 2))
    v, our_s = timed(lambda: m7["ewma_var"](r, LAM, START))
    w, their_s = timed(lambda: squares.ewm(alpha=1 - LAM, adjust=False).mean())
    apart = float(np.max(np.abs(v / w.to_numpy() - 1)))
    quantity = "largest variance, S&P 500; largest relative distance"
    values = float(v.max()), "pandas ewm(adjust=False)", float(w.max())
    return Row("m7", quantity, *values, apart, 1e-9, our_s, their_s)


def _loss(m7: dict[str, Any], r: np.ndarray) -> Row:
    """Return the row of QLIKE on the last 30 % of the days."""
    v = m7["ewma_var"](r, LAM, float(np.mean(r[:250] ** 2)))
    test = slice(int(0.7 * len(r)), None)
    mine, our_s = timed(lambda: float(np.mean(m7["qlike"](r[test], v[test]))))

    def density() -> float:
        log_f = stats.norm.logpdf(r[test], scale=np.sqrt(v[test]))
        return float(np.mean(-2 * log_f) - np.log(2 * np.pi))

    theirs, their_s = timed(density)
    quantity = "QLIKE of the last 30 % of the days"
    apart = abs(mine - theirs)
    return Row(
        "m7", quantity, mine, "scipy norm.logpdf", theirs, apart, 1e-9, our_s, their_s
    )


def _interval(m7: dict[str, Any], r: np.ndarray) -> Row:
    """Return the row of the interval with blocks of one day; both are random."""
    d = (r > 0).astype(float)
    zero = np.zeros(len(d))
    ours, our_s = timed(lambda: m7["edge_ci"](d, zero, 1, 1000, 0), 1)

    def bootstrap() -> Any:
        rng = np.random.default_rng(1)
        return stats.bootstrap(
            (d,), np.mean, n_resamples=1000, method="percentile", rng=rng
        ).confidence_interval

    theirs, their_s = timed(bootstrap, 1)
    mine, width = ours[2] - ours[1], theirs.high - theirs.low
    quantity = "width of the interval, blocks of 1 day, 1,000 resamples; relative"
    apart = abs(mine / width - 1)
    library = "scipy bootstrap(percentile)"
    return Row("m7", quantity, mine, library, width, apart, 0.15, our_s, their_s)
