"""Made-up daily returns whose truth is known: the volatility moves, the direction cannot.

    r_t = mu + sigma_t z_t,   sigma_t^2 = omega + alpha (r_{t-1} - mu)^2 + beta sigma_{t-1}^2

is the GARCH(1, 1) model. `z_t` is independent of all that came before, so no rule on
earth tells tomorrow's direction better than the base rate. The variance of tomorrow is
known exactly, today. That makes it a fair judge: who finds an edge in these returns
has made a mistake. It has no crashes, no overnight gaps, no dependence of the drift on
the variance, and no asymmetry between falls and rises.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BURN_IN = 500


@dataclass(frozen=True)
class Market:
    """Simulated trading days.

    Attributes:
        returns: shape (n_days,), log returns per day.
        variance: shape (n_days,), the true variance of each day's return, as it was
            known the evening before.
    """

    returns: NDArray[np.float64]
    variance: NDArray[np.float64]


def simulate(
    n_days: int,
    seed: int,
    *,
    drift: float = 0.0003,
    daily_sd: float = 0.01,
    alpha: float = 0.08,
    beta: float = 0.91,
    freedom: float = 8.0,
) -> Market:
    """Return a seeded GARCH(1, 1) market; the same arguments give the same days.

    Args:
        n_days: how many trading days, at least 1; 252 are about a year.
        seed: of numpy's default generator.
        drift: mean log return per day; 0.0003 is about 8 % a year.
        daily_sd: root of the mean variance; 0.01 is 1 % per day.
        alpha: weight of yesterday's squared surprise.
        beta: weight of yesterday's variance; alpha + beta < 1.
        freedom: degrees of freedom of Student's t that the surprises follow, scaled to
            variance 1; more than 4, or the fourth moment is infinite.

    Raises:
        ValueError: an argument is out of its range.

    Source: Bollerslev (1986), Generalized autoregressive conditional
    heteroskedasticity, Journal of Econometrics 31, 307-327.
    """
    if n_days < 1:
        raise ValueError(f"n_days must be at least 1, got {n_days}")
    if min(alpha, beta) < 0 or alpha + beta >= 1:
        raise ValueError(
            "alpha and beta must not be negative and must add up to less than 1, got "
            f"{alpha} and {beta}"
        )
    if freedom <= 4:
        raise ValueError(f"freedom must be more than 4, got {freedom}")
    rng = np.random.default_rng(seed)
    z = rng.standard_t(freedom, n_days + BURN_IN) * np.sqrt((freedom - 2) / freedom)
    variance = np.empty(len(z))
    variance[0] = daily_sd**2
    omega = (1 - alpha - beta) * daily_sd**2
    for t in range(1, len(z)):
        variance[t] = omega + variance[t - 1] * (alpha * z[t - 1] ** 2 + beta)
    returns = drift + np.sqrt(variance) * z
    return Market(returns[BURN_IN:], variance[BURN_IN:])
