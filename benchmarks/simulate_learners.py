"""How often does the last lesson say the right thing? Simulated learners, counted.

    python benchmarks/simulate_learners.py [--learners 2000] [--seed 0]

A learner likes each half of a day with 3 + day + preference/2 + order + noise, rounded
to 1 .. 5: the day's effect (sd 0.7) is shared by its halves, the half that comes second
is liked 0.3 less (it alternates), the noise has sd 0.8. `preference` is the true gap
between the jobs, in rating steps. The report is asked after every day from the second
on, as an impatient learner would: "ever" counts a wrong or right word at any look,
"day 8" the last one. Prints a Markdown table; exits 1 if more than 5 % of the learners
without a preference are ever told that they have one.
"""

import argparse
import sys

import numpy as np

from course import fit
from course.evidence import Evidence, Work

DAYS = 8
PREFERENCES = (0.0, 0.5, 1.0, 1.5, 2.0)


def ratings(rng: np.random.Generator, preference: float) -> np.ndarray:
    """Return one learner's ratings, shape (8, 2): columns AI and ML, 1 to 5."""
    day = rng.normal(0, 0.7, (DAYS, 1))
    order = np.zeros((DAYS, 2))
    start = rng.integers(2)
    order[np.arange(DAYS), (np.arange(DAYS) + start) % 2] = -0.3
    liking = 3 + day + preference * np.array([0.5, -0.5]) + order
    liking = liking + rng.normal(0, 0.8, (DAYS, 2))
    return np.clip(np.rint(liking), 1, 5).astype(int)


def verdicts(table: np.ndarray) -> list[fit.Verdict]:
    """Return what is said after day 2, 3, .. 8."""
    found = []
    for days in range(2, DAYS + 1):
        works = {
            f"{letter}{day + 1}": Work(f"{letter}{day + 1}", again=int(rating))
            for day, pair in enumerate(table[:days])
            for letter, rating in zip("am", pair, strict=True)
        }
        found.append(fit.judge(Evidence(works)).verdict)
    return found


def count(learners: int, preference: float, seed: int) -> dict[str, float]:
    """Return the shares of learners, 0 to 1, that were told each thing."""
    rng = np.random.default_rng([seed, round(100 * preference)])
    ever_ai = ever_ml = ai = ml = alike = 0
    for _ in range(learners):
        said = verdicts(ratings(rng, preference))
        ever_ai += fit.Verdict.AI in said
        ever_ml += fit.Verdict.ML in said
        ai += said[-1] is fit.Verdict.AI
        ml += said[-1] is fit.Verdict.ML
        alike += said[-1] is fit.Verdict.ALIKE
    counts = {"ever AI": ever_ai, "ever ML": ever_ml, "AI": ai, "ML": ml}
    counts |= {"alike": alike, "not enough": learners - ai - ml - alike}
    return {name: number / learners for name, number in counts.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(f"{chosen.learners} simulated learners for each line, seed {chosen.seed}\n")
    print(
        "| true gap, steps | day 8: AI | ML | alike | not enough | ever AI | ever ML |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    wrong = 0.0
    for preference in PREFERENCES:
        shares = count(chosen.learners, preference, chosen.seed)
        names = ("AI", "ML", "alike", "not enough", "ever AI", "ever ML")
        cells = " | ".join(f"{100 * shares[name]:.1f} %" for name in names)
        print(f"| {preference:g} | {cells} |")
        if preference == 0:
            wrong = shares["ever AI"] + shares["ever ML"]
    print(f"\nWithout a preference, ever told of one: {100 * wrong:.1f} %")
    sys.exit(wrong > 0.05)


if __name__ == "__main__":
    main()
