"""The simulated market: seeded, of the stated size, and without direction."""

import numpy as np
import pytest

from course import prices


@pytest.fixture(scope="module")
def market():
    return prices.simulate(60_000, seed=0)


def test_the_same_seed_gives_the_same_days_and_another_seed_others():
    a, b, c = (prices.simulate(50, seed=it) for it in (1, 1, 2))
    assert np.array_equal(a.returns, b.returns)
    assert not np.array_equal(a.returns, c.returns)
    assert a.returns.shape == a.variance.shape == (50,)


def test_mean_and_spread_are_those_asked_for(market):
    assert market.returns.mean() == pytest.approx(0.0003, abs=0.00015)
    assert market.returns.std() == pytest.approx(0.01, rel=0.08)


def test_a_surprise_divided_by_its_known_spread_has_variance_one(market):
    z = (market.returns - 0.0003) / np.sqrt(market.variance)
    assert z.var() == pytest.approx(1, abs=0.02)


def test_the_size_of_a_return_depends_on_yesterday_and_its_sign_does_not(market):
    r = market.returns - market.returns.mean()
    signs = np.sign(r)
    assert np.corrcoef(r[1:] ** 2, r[:-1] ** 2)[0, 1] > 0.1
    assert abs(np.corrcoef(signs[1:], signs[:-1])[0, 1]) < 0.012


@pytest.mark.parametrize(
    "wrong",
    [{"n_days": 0}, {"alpha": 0.5, "beta": 0.5}, {"alpha": -0.1}, {"freedom": 4}],
)
def test_what_makes_no_market_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        prices.simulate(**{"n_days": 5, "seed": 0} | wrong)
