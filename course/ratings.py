"""Simulates star ratings whose causes are known, for the recommender's lesson.

A user's true opinion of an item is a sum of four parts,

    opinion[u, i] = mean + user_bias[u] + item_bias[i] + user_taste[u] @ item_trait[i],

and a rating is that opinion plus noise, rounded to half stars from 0.5 to 5. The
ratings that exist are not a fair sample, as in life: a few items and a few users have
most of them (sizes fall off like a power), and people tend to pick what they like.
Each user rates in a few sittings; late sittings visit items that came out later.

What it leaves out: opinions do not change with time, nobody copies anybody, and nobody
lies. A method that wins here has still to win on data that people made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAY = 86_400


@dataclass(frozen=True)
class Ratings:
    """Ratings, one per place in the four arrays, and what they were made from.

    Attributes:
        user: 0 .. U - 1, shape (N,).
        item: 0 .. I - 1, shape (N,).
        stars: 0.5, 1, ..., 5, shape (N,).
        time: seconds from the shop's first day, shape (N,).
        shape: (U, I).
        mean: the opinions' common level, stars.
        user_bias: shape (U,), stars.
        item_bias: shape (I,), stars.
        user_taste: shape (U, k).
        item_trait: shape (I, k).
        noise: standard deviation of a rating around the opinion, stars.
    """

    user: Ints
    item: Ints
    stars: Floats
    time: Ints
    shape: tuple[int, int]
    mean: float
    user_bias: Floats
    item_bias: Floats
    user_taste: Floats
    item_trait: Floats
    noise: float

    @property
    def opinion(self) -> Floats:
        """The true opinion of every user on every item, shape (U, I)."""
        biases = self.mean + self.user_bias[:, None] + self.item_bias
        return np.asarray(biases + self.user_taste @ self.item_trait.T)


def simulate(
    n_users: int = 400,
    n_items: int = 400,
    k: int = 3,
    *,
    per_user: float = 120,
    noise: float = 0.75,
    seed: int = 0,
) -> Ratings:
    """Return simulated ratings; the same arguments give the same ratings.

    Args:
        n_users: number of users U.
        n_items: number of items I.
        k: how many dimensions taste has.
        per_user: about how many ratings a user gives: 10 at least, half the items at
            most, so the mean is lower.
        noise: standard deviation of a rating around the opinion, stars.
        seed: of everything that is drawn.

    Raises:
        ValueError: a size is too small to rate anything.
    """
    if min(n_users, k) < 1 or n_items < 20 or per_user < 10:
        raise ValueError(
            f"needs a user, 20 items, a dimension and 10 ratings per user, got "
            f"{n_users=}, {n_items=}, {k=}, {per_user=}"
        )
    rng = np.random.default_rng(seed)
    user_bias = rng.normal(0, 0.35, n_users)
    item_bias = rng.normal(0, 0.35, n_items)
    taste = rng.normal(0, 1, (n_users, k))
    matters = np.linspace(1.3, 0.7, k) / np.sqrt(k)  # the first dimension most
    trait = 0.5 * rng.normal(0, matters, (n_items, k))
    opinion = 3.5 + user_bias[:, None] + item_bias + taste @ trait.T
    released = np.sort(rng.integers(0, 3 * 365, n_items))
    counts = _counts(rng, n_users, per_user, n_items // 2)
    rows = [
        _picks(rng, opinion[user], counts[user], released) for user in range(n_users)
    ]
    user = np.repeat(np.arange(n_users), counts)
    item = np.concatenate([items for items, _ in rows])
    heard = opinion[user, item] + rng.normal(0, noise, len(item))
    order = rng.permutation(len(item))  # a shop's table is in no order
    return Ratings(
        user=user[order],
        item=item[order],
        stars=np.clip(np.round(2 * heard) / 2, 0.5, 5)[order],
        time=np.concatenate([times for _, times in rows])[order],
        shape=(n_users, n_items),
        mean=3.5,
        user_bias=user_bias,
        item_bias=item_bias,
        user_taste=taste,
        item_trait=trait,
        noise=noise,
    )


def _counts(rng: np.random.Generator, n: int, mean: float, most: int) -> Ints:
    """How many items each user rates: many rate few, few rate many."""
    sizes = rng.pareto(1.5, n) + 0.5
    return np.clip(mean * sizes / sizes.mean(), 10, most).astype(np.int64)


def _picks(
    rng: np.random.Generator, opinion: Floats, count: int, released: Ints
) -> tuple[Ints, Ints]:
    """Which items a user rates, and when: the well-known and the liked more often."""
    n_items = len(opinion)
    fame = 1 / (1 + np.arange(n_items) * 7 % n_items)  # a power law, dates mixed
    weight = fame**0.7 * np.exp(0.4 * opinion)
    items = rng.choice(n_items, count, replace=False, p=weight / weight.sum())
    start = rng.integers(0, 2 * 365) * DAY
    sitting = start + rng.integers(0, 365, 3) * DAY
    times = sitting[rng.integers(0, 3, count)] + rng.integers(0, 7200, count)
    late = np.argsort(released[items])  # later sittings visit later items
    return items[late], np.sort(times)
