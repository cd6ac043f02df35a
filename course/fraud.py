"""A simulator of card payments and their frauds, and the features that detect them.

A town of customers and terminals (shops' card readers). A customer pays a number of
times a day, at terminals near by, amounts round about a mean of their own. Three
attacks turn some of the payments into frauds:

| `attack` | what happens | what gives it away |
|---|---|---|
| 1 large | one payment with a stolen number, far above the usual | the amount |
| 2 terminal | all payments at a terminal, for weeks | its earlier frauds |
| 3 customer | some of a customer's payments, amounts times 5 | the customer's own past |

Payments can change from some day on (`Drift`), in two ways: *covariate* drift changes
what is paid and where, *concept* drift changes what a fraud looks like.

The design follows the simulator of the Fraud Detection Handbook; the code is our own,
works on whole arrays, and differs in this: amounts are gamma, not cut normal
distributed; a large amount is likely but not certain to be a fraud; the attacks were
under way before the first day; their rates go with the size of the town. It is a
model: no payment in it was ever made, and no number from it holds for a bank.

Source: Le Borgne, Siblini, Lebichot & Bontempi (2022), Reproducible Machine Learning
for Credit Card Fraud Detection - Practical Handbook, chapter 3, Université Libre de
Bruxelles, https://fraud-detection-handbook.github.io.
"""

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ATTACKS = ("none", "large", "terminal", "customer")
LARGE, TERMINAL, CUSTOMER = 1, 2, 3
LARGE_EUR = 220.0  # a large fraud takes at least this
SIDE, RADIUS = 100.0, 5.0  # of the town, and of where a customer pays; kilometres


@dataclass(frozen=True)
class Drift:
    """What is different from `day` on.

    Attributes:
        day: when it begins, days from the first.
        amount_factor: covariate: every amount is multiplied by this (prices rise).
        moved: covariate: share of the payments that go to new terminals, one for every ten old ones
            (people begin to buy online); attack 2 never takes these.
        terminal_days: concept: how long a terminal stays in the hands of fraudsters.
            As many are at any one time, so short stays mean more terminals; stays
            shorter than the delay of the labels leave no trace in time.
        customer_factor: concept: what stolen customers' amounts are multiplied by;
            below 1, fraudsters hide in small payments.
    """

    day: float
    amount_factor: float = 1.0
    moved: float = 0.0
    terminal_days: float = 28.0
    customer_factor: float = 5.0


def covariate_drift(day: float) -> Drift:
    """Return a drift of what is paid and where: prices up 30 %, a quarter online."""
    return Drift(day, amount_factor=1.3, moved=0.25)


def concept_drift(day: float) -> Drift:
    """Return a drift of what a fraud looks like: quick terminals, small amounts."""
    return Drift(day, terminal_days=4.0, customer_factor=0.5)


@dataclass(frozen=True)
class Town:
    """The size and the habits of what is simulated; the defaults are the lessons'.

    Attributes:
        customers: number of customers.
        terminals: number of terminals.
        days: length, days.
        pays_per_day: a customer's mean number of payments a day is uniform from 0 to
            twice this.
        mean_eur: a customer's mean amount is uniform in this range, euros; the
            standard deviation is 0.7 of it.
        large_share: share of payments that attack 1 makes.
        terminal_share: share of terminals in the hands of fraudsters at any one time.
        customer_share: the same of customers; a third of their payments are frauds.
        customer_days: for how long a stolen customer is used, days.
    """

    customers: int = 1000
    terminals: int = 2000
    days: int = 56
    pays_per_day: float = 1.65
    mean_eur: tuple[float, float] = (5.0, 100.0)
    large_share: float = 0.003
    terminal_share: float = 0.014
    customer_share: float = 0.03
    customer_days: float = 14.0


@dataclass(frozen=True)
class Payments:
    """Payments in the order of time; all arrays have shape (n_payments,).

    Attributes:
        day: time, days from the first midnight, float64.
        customer: number of the customer, int64.
        terminal: number of the terminal, int64.
        amount: euros, two decimals, float64.
        fraud: 1 for a fraud, else 0, int64. A bank learns it days later.
        attack: index into `ATTACKS`, int64; nobody tells it to the bank.
    """

    day: Floats
    customer: Ints
    terminal: Ints
    amount: Floats
    fraud: Ints
    attack: Ints = field(repr=False)

    def __len__(self) -> int:
        """Return the number of payments."""
        return len(self.day)

    def __getitem__(self, rows: ArrayLike | slice) -> "Payments":
        """Return some of the payments: a slice, a mask or row numbers."""
        at = rows if isinstance(rows, slice) else np.asarray(rows)
        return Payments(**{it.name: getattr(self, it.name)[at] for it in fields(self)})

    def frame(self) -> "pd.DataFrame":
        """Return a table with one column for each attribute."""
        import pandas as pd

        return pd.DataFrame({it.name: getattr(self, it.name) for it in fields(self)})


def simulate(
    seed: int, town: Town | None = None, drifts: tuple[Drift, ...] = ()
) -> Payments:
    """Return a town's payments; the same arguments give the same payments.

    Args:
        seed: of everything that is drawn. People, places and habits depend on the
            seed and the town alone, not on the drifts.
        town: size and habits, by default 1,000 customers, 56 days, some 92,000
            payments, 2 to 3 % of them frauds.
        drifts: in the order of their days; each replaces the one before.

    Raises:
        ValueError: the drifts are not in order.

    >>> some = simulate(0, Town(customers=50, terminals=100, days=7))
    >>> len(some) == len(simulate(0, Town(customers=50, terminals=100, days=7)))
    True
    """
    town = town or Town()
    starts = [it.day for it in drifts]
    if starts != sorted(starts):
        raise ValueError(f"drifts must be in the order of their days, got {starts}")
    people, shopping, crime, change = np.random.default_rng(seed).spawn(4)
    payments = _honest(town, people, shopping)
    payments = _changed(payments, town, drifts, change)
    return _attacked(payments, town, drifts, crime)


def _honest(
    town: Town, people: np.random.Generator, shopping: np.random.Generator
) -> Payments:
    """Return the payments of a town without fraud, in the order of time."""
    near, counts = _neighbours(town, people)
    mean = people.uniform(*town.mean_eur, town.customers)
    rate = people.uniform(0, 2 * town.pays_per_day, town.customers)
    customer = np.repeat(
        np.arange(town.customers), shopping.poisson(rate * town.days)
    )  # (n_payments,)
    n = len(customer)
    hour = shopping.normal(0.5, 0.23, n) % 1  # a share of the day, noon most often
    day = shopping.integers(0, town.days, n) + hour
    first = np.cumsum(counts) - counts
    pick = (shopping.random(n) * counts[customer]).astype(np.int64)
    terminal = near[first[customer] + pick]
    amount = shopping.gamma(2, mean[customer] / 2)
    order = np.argsort(day, kind="stable")
    none = np.zeros(n, np.int64)
    return Payments(day, customer, terminal, amount.round(2), none, none)[order]


def _neighbours(town: Town, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return all customers' terminals one after the other, and how many each has."""
    from scipy.spatial import KDTree

    homes = rng.uniform(0, SIDE, (town.customers, 2))
    shops = KDTree(rng.uniform(0, SIDE, (town.terminals, 2)))
    nearest = shops.query(homes)[1]
    near = shops.query_ball_point(homes, RADIUS, return_sorted=True)
    lists = [found or [alone] for found, alone in zip(near, nearest, strict=True)]
    counts = np.array([len(it) for it in lists], dtype=np.int64)
    return np.concatenate(lists).astype(np.int64), counts


def _changed(
    payments: Payments, town: Town, drifts: tuple[Drift, ...], rng: np.random.Generator
) -> Payments:
    """Return the payments with the covariate drifts in them."""
    amount, terminal = payments.amount.copy(), payments.terminal.copy()
    luck = rng.random(len(payments))
    online = rng.integers(0, max(town.terminals // 10, 1), len(payments))
    for drift, rows in _periods(payments, drifts):
        amount[rows] *= drift.amount_factor
        moves = rows & (luck < drift.moved)
        terminal[moves] = town.terminals + online[moves]
    return replace(payments, amount=amount.round(2), terminal=terminal)


def _periods(
    payments: Payments, drifts: tuple[Drift, ...]
) -> list[tuple[Drift, NDArray[np.bool_]]]:
    """Return each time between changes, the first without any, and its payments."""
    all_drifts = (Drift(-np.inf), *drifts)
    ends = [it.day for it in drifts] + [np.inf]
    return [
        (drift, (payments.day >= drift.day) & (payments.day < end))
        for drift, end in zip(all_drifts, ends, strict=True)
    ]


def _attacked(
    payments: Payments, town: Town, drifts: tuple[Drift, ...], rng: np.random.Generator
) -> Payments:
    """Return the payments with the three attacks in them; on one payment, the first wins."""
    n, day = len(payments), payments.day
    amount, attack = payments.amount.copy(), np.zeros(n, np.int64)
    third, extra = rng.random(n) < 1 / 3, rng.exponential(0.5, n)
    large = rng.random(n) < town.large_share
    stays = (town.customers, town.customer_share, town.customer_days)
    stolen = _held(payments.customer, day, town, stays, rng)
    taken: dict[float, NDArray[np.bool_]] = {}  # the same stays go on over a change
    for drift, rows in _periods(payments, drifts):
        if drift.terminal_days not in taken:
            stays = (town.terminals, town.terminal_share, drift.terminal_days)
            held = _held(payments.terminal, day, town, stays, rng)
            taken[drift.terminal_days] = held
        attack[rows & taken[drift.terminal_days]] = TERMINAL
        used = rows & stolen & third
        attack[used] = CUSTOMER
        amount[used] *= drift.customer_factor
    attack[large] = LARGE
    amount[large] = LARGE_EUR * (1 + extra[large])
    fraud = (attack > 0).astype(np.int64)
    return replace(payments, amount=amount.round(2), fraud=fraud, attack=attack)


def _held(
    who: Ints,
    day: Floats,
    town: Town,
    stays: tuple[int, float, float],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Return which payments are by (or at) somebody in the fraudsters' hands.

    The stays begin evenly in time, the first before day 0, so that the same share is
    held on every day.

    Args:
        who: number of the customer or the terminal of each payment.
        day: time of each payment.
        town: its days.
        stays: how many there are to be taken, the share that is, and for how long.
        rng: draws who is taken.
    """
    size, share, length = stays
    begins = np.arange(-length, town.days, length / max(share * size, 1e-9))
    held = rng.integers(0, size, len(begins))
    order = np.lexsort((begins, held))
    key = held[order] * _SPAN + begins[order]
    last = np.searchsorted(key, who * _SPAN + day, side="right") - 1
    since = who * _SPAN + day - key[np.maximum(last, 0)]
    found: NDArray[np.bool_] = (last >= 0) & (since < length)
    return found


_SPAN = 1e5  # days; more than any simulation lasts, so numbers of two ids never mix

FEATURES = (
    "amount",
    "night",
    "weekend",
    "customer_count_1d",
    "customer_count_7d",
    "customer_count_30d",
    "customer_mean_1d",
    "customer_mean_7d",
    "customer_mean_30d",
    "terminal_count_7d",
    "terminal_count_30d",
    "terminal_risk_7d",
    "terminal_risk_30d",
)


def features(payments: Payments, delay: float = 7.0) -> Floats:
    """Return what is known of each payment when it is made, shape (n_payments, 13).

    The columns are named by `FEATURES`: the amount in euros, whether it is night
    (before six) and whether weekend; how many payments the customer made in the last
    1, 7 and 30 days, this one included, and their mean amount; how many of the
    terminal's payments have a label that is known by now, in windows that end `delay`
    days ago, and the share of frauds among them (0 if there are none).

    Args:
        payments: in the order of time.
        delay: days until the bank knows whether a payment was a fraud.
    """
    p, one = payments, np.ones(len(payments))
    columns = [p.amount, p.day % 1 < 0.25, p.day % 7 >= 5]
    past = [window_sums(p.customer, p.day, [one, p.amount], w, 0) for w in (1, 7, 30)]
    columns += [count for count, _ in past]
    columns += [total / count for count, total in past]
    known = [window_sums(p.terminal, p.day, [one, p.fraud], w, delay) for w in (7, 30)]
    columns += [count for count, _ in known]
    columns += [frauds / np.maximum(count, 1) for count, frauds in known]
    return np.column_stack([np.asarray(it, dtype=np.float64) for it in columns])


def window_sums(
    ids: Ints, day: Floats, values: list[ArrayLike], window: float, delay: float
) -> list[Floats]:
    """Return, for each payment, sums over earlier payments of the same id.

    Those with `day - delay - window < their day <= day - delay` count; with a delay of
    0, the payment itself does.

    Args:
        ids: of customers or terminals, whole numbers >= 0.
        day: time of each payment, days, in order.
        values: what to sum, each of shape (n,).
        window: length of the window, days.
        delay: how long before the payment it ends, days.
    """
    order = np.lexsort((day, ids))
    key = ids * _SPAN + day
    line = key[order]
    low = np.searchsorted(line, key - delay - window, side="right")
    high = np.searchsorted(line, key - delay, side="right")
    first = np.searchsorted(line, ids * _SPAN, side="left")
    low, high = np.maximum(low, first), np.maximum(high, first)
    sums = []
    for value in values:
        summed = np.concatenate([[0.0], np.cumsum(np.asarray(value)[order])])
        sums.append(summed[high] - summed[low])
    return sums
