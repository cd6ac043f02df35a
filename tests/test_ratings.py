"""The simulated ratings: what they are made from is known, and they obey it."""

import numpy as np
import pytest

from course.ratings import simulate


@pytest.fixture(scope="module")
def shop():
    """The lesson's own shop."""
    return simulate(seed=0)


def test_the_same_seed_gives_the_same_shop_and_another_seed_another(shop):
    again, other = simulate(seed=0), simulate(seed=1)
    assert np.array_equal(again.stars, shop.stars)
    assert np.array_equal(again.time, shop.time)
    assert again.stars.shape != other.stars.shape or np.any(again.stars != other.stars)


def test_stars_are_half_steps_and_nobody_rates_a_thing_twice(shop):
    assert set(np.unique(2 * shop.stars)) <= set(range(1, 11))
    pairs = np.stack([shop.user, shop.item])
    assert np.unique(pairs, axis=1).shape == pairs.shape
    assert shop.shape == (400, 400)
    counts = np.bincount(shop.user, minlength=400)
    assert counts.min() >= 10
    assert counts.max() <= 200


def test_a_rating_is_the_opinion_plus_the_noise(shop):
    inner = (shop.stars > 1) & (shop.stars < 4.5)  # the ends are clipped
    left = (shop.stars - shop.opinion[shop.user, shop.item])[inner]
    assert left.std() < shop.noise
    everything = shop.stars - shop.opinion[shop.user, shop.item]
    assert everything.std() == pytest.approx(shop.noise, rel=0.1)
    exact = simulate(50, 60, noise=0.0, seed=2)
    wanted = np.clip(np.round(2 * exact.opinion[exact.user, exact.item]) / 2, 0.5, 5)
    assert np.array_equal(exact.stars, wanted)


def test_people_rate_what_they_like_and_a_few_things_get_most(shop):
    opinions = shop.opinion
    assert opinions[shop.user, shop.item].mean() > opinions.mean() + 0.05
    counts = np.sort(np.bincount(shop.item, minlength=400))[::-1]
    assert counts[:40].sum() > 0.2 * counts.sum()


def test_taste_has_the_dimensions_that_were_asked_for():
    two = simulate(80, 70, 2, seed=3)
    taste = two.opinion - two.user_bias[:, None] - two.item_bias - two.mean
    values = np.linalg.svd(taste, compute_uv=False)
    assert values[1] > 1
    assert values[2] < 1e-9


@pytest.mark.parametrize(
    "wrong", [{"n_users": 0}, {"n_items": 10}, {"k": 0}, {"per_user": 5}]
)
def test_a_shop_too_small_to_rate_is_refused(wrong):
    with pytest.raises(ValueError, match="needs a user, 20 items"):
        simulate(**wrong)
