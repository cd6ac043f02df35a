"""How often M8's alarm cries wolf, and how soon it rings, over many simulated towns.

    python benchmarks/bench_m8_alarm.py [towns]

Each town is simulated twice: without a change and with higher prices from week 17 on.
The bar: at most one false alarm in 20 watched weeks, a drift caught in two weeks.
About 2.5 CPU seconds a town.
"""

import sys

import numpy as np
from oracle_tools import names_of

from course import fraud

TRAIN, CALM, CHANGE, WATCHED = 5, 9, 17, 20
AMOUNT = fraud.FEATURES.index("amount")


def amounts(
    seed: int, drifts: tuple[fraud.Drift, ...]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the amounts of the training weeks, and of each week after them."""
    days = 7 * (CHANGE + WATCHED)
    town = fraud.Town(customers=500, terminals=1000, days=days)
    payments = fraud.simulate(seed, town, drifts)
    week = (payments.day // 7).astype(int)
    ref = payments.amount[(week >= TRAIN) & (week < CALM)]
    return ref, [payments.amount[week == k] for k in range(CALM, CHANGE + WATCHED)]


def main(towns: int) -> None:
    """Print false alarms in 20 weeks, and the weeks until a drift is caught."""
    m8 = names_of("m8")
    calm, false, caught, folklore = CHANGE - CALM, [], [], 0
    for seed in range(towns):
        false.append(len(m8["alarm"](*amounts(seed, ()), calm, 3.0)))
        ref, weeks = amounts(seed, (fraud.covariate_drift(7.0 * CHANGE),))
        rings = m8["alarm"](ref, weeks, calm, 3.0)
        caught.append(rings[0] - calm + 1 if rings else np.inf)
        folklore += max(m8["psi"](ref, it, 10) for it in weeks[calm:]) > 0.1
    print(f"{towns} towns, {WATCHED} watched weeks each")
    print(f"false alarms per town: mean {np.mean(false):.2f}, most {max(false)}")
    print(f"towns without any: {np.mean(np.array(false) == 0):.0%}")
    print(f"weeks until caught: median {np.median(caught)}, worst {max(caught)}")
    print(f"caught by the rule of thumb 0.1: {folklore} of {towns}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
