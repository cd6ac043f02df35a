"""The town of payments is what its documentation says, and so are its features."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from course import fraud


@pytest.fixture(scope="module")
def town():
    return fraud.simulate(0)


def week(payments, first, last):
    return payments[(payments.day >= 7 * first) & (payments.day < 7 * last)]


def test_the_town_has_the_size_and_the_fraud_that_it_promises(town):
    assert 85_000 < len(town) < 95_000
    for seed in (1, 2, 3):
        assert 0.02 < fraud.simulate(seed).fraud.mean() < 0.03
    shares = np.bincount(town.attack, minlength=4)[1:] / town.fraud.sum()
    assert (shares > 0.1).all()
    assert np.array_equal(town.fraud, town.attack > 0)


def test_payments_come_in_the_order_of_time_with_amounts_in_cents(town):
    assert (np.diff(town.day) >= 0).all()
    assert (town.day[0] >= 0) & (town.day[-1] < 56)
    assert np.array_equal(town.amount, town.amount.round(2))
    assert town.amount.min() >= 0


def test_the_same_seed_gives_the_same_payments_and_another_others(town):
    again, other = fraud.simulate(0), fraud.simulate(4)
    assert town.frame().equals(again.frame())
    assert len(other) != len(town)


def test_fraud_is_as_common_in_the_first_week_as_in_the_last(town):
    rates = [week(town, w, w + 1).fraud.mean() for w in range(8)]
    assert min(rates) > 0.6 * np.mean(rates)
    assert max(rates) < 1.4 * np.mean(rates)


def test_large_frauds_are_large_and_stolen_customers_spend_five_times_as_much(town):
    large = town.amount[town.attack == fraud.LARGE]
    assert large.min() >= fraud.LARGE_EUR
    usual, seen = town.amount[town.fraud == 0], town.attack == fraud.CUSTOMER
    assert 4 < town.amount[seen].mean() / usual.mean() < 6
    at = town.attack == fraud.TERMINAL
    assert 0.8 < town.amount[at].mean() / usual.mean() < 1.2


def test_a_terminal_is_taken_for_28_days_and_all_its_payments_are_frauds():
    quiet = {"large_share": 0.0, "customer_share": 0.0, "terminal_share": 0.05}
    size = {"customers": 300, "terminals": 200, "days": 120, "pays_per_day": 3.0}
    p = fraud.simulate(5, fraud.Town(**size, **quiet))
    stays = []
    for terminal in range(200):
        mine = p[p.terminal == terminal]
        bad = np.flatnonzero(mine.fraud)
        if len(bad) and mine.day[bad[0]] > 5 and mine.day[bad[-1]] < 115:
            stays.append(np.ptp(mine.day[bad]))
            if stays[-1] <= 28:  # taken once: one run without an honest payment
                assert len(bad) == bad[-1] - bad[0] + 1
    assert 22 < np.median(stays) <= 28


def test_drifts_leave_the_days_before_them_as_they_were():
    small = fraud.Town(customers=200, terminals=400, days=28)
    for drift in (fraud.covariate_drift(14), fraud.concept_drift(14)):
        old, new = fraud.simulate(1, small), fraud.simulate(1, small, (drift,))
        before = old.day < 14
        assert old[before].frame().equals(new[before].frame())
        assert not old[~before].frame().equals(new[~before].frame())


def test_covariate_drift_changes_what_is_paid_and_where(town):
    drifted = fraud.simulate(0, drifts=(fraud.covariate_drift(42),))
    late = week(drifted, 6, 8)
    same = late.fraud == week(town, 6, 8).fraud
    honest = same & (late.fraud == 0)
    ratio = late.amount[honest] / np.maximum(week(town, 6, 8).amount[honest], 0.01)
    assert np.median(ratio) == pytest.approx(1.3, abs=0.01)
    assert np.mean(late.terminal >= 2000) == pytest.approx(0.25, abs=0.02)


def ap_after(drifts):
    """AP in the last two weeks of a line learned on weeks 2 to 5."""
    p = fraud.simulate(0, drifts=drifts)
    X, late = fraud.features(p), p.day >= 42
    train = (p.day >= 14) & (p.day < 35)
    X = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    line = LogisticRegression(max_iter=500).fit(X[train], p.fraud[train])
    scores = line.predict_proba(X[late])[:, 1]
    return average_precision_score(p.fraud[late], scores), p.fraud[late].mean()


def test_concept_drift_hurts_a_model_far_more_than_covariate_drift():
    calm, rate = ap_after(())
    covariate, _ = ap_after((fraud.covariate_drift(42),))
    concept, other_rate = ap_after((fraud.concept_drift(42),))
    assert concept < 0.6 * calm
    assert covariate > 0.8 * calm
    assert other_rate == pytest.approx(rate, rel=0.15)


def test_drifts_out_of_order_are_refused():
    two = (fraud.concept_drift(20), fraud.covariate_drift(10))
    with pytest.raises(ValueError, match="in the order of their days"):
        fraud.simulate(0, drifts=two)


def slow_feature(p, n, kind, window, delay):
    """A window's number and mean by a loop over all payments."""
    own = getattr(p, kind) == getattr(p, kind)[n]
    until = p.day[n] - delay
    rows = own & (p.day > until - window) & (p.day <= until)
    value = (p.amount if kind == "customer" else p.fraud)[rows]
    return rows.sum(), value.mean() if rows.any() else 0.0


def test_features_are_those_of_slow_loops():
    p = fraud.simulate(3, fraud.Town(customers=60, terminals=30, days=40))
    X = fraud.features(p, delay=5)
    assert X.shape == (len(p), len(fraud.FEATURES))
    column = dict(zip(fraud.FEATURES, X.T, strict=True))
    for n in np.random.default_rng(0).integers(0, len(p), 60):
        for w in (1, 7, 30):
            count, mean = slow_feature(p, n, "customer", w, 0)
            assert column[f"customer_count_{w}d"][n] == count
            assert column[f"customer_mean_{w}d"][n] == pytest.approx(mean)
        for w in (7, 30):
            count, risk = slow_feature(p, n, "terminal", w, 5)
            assert column[f"terminal_count_{w}d"][n] == count
            assert column[f"terminal_risk_{w}d"][n] == pytest.approx(risk)


def test_no_feature_knows_a_label_of_the_last_days(town):
    flipped = fraud.Payments(
        town.day,
        town.customer,
        town.terminal,
        town.amount,
        np.where(town.day > 49, 1 - town.fraud, town.fraud),
        town.attack,
    )
    assert np.array_equal(fraud.features(town), fraud.features(flipped))


def test_a_slice_a_mask_and_numbers_pick_the_same_payments(town):
    first = town[:3]
    assert len(first) == 3
    assert first.frame().equals(town[np.arange(3)].frame())
    assert first.frame().equals(town[np.arange(len(town)) < 3].frame())
