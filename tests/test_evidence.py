"""From the log to numbers, and from numbers to a verdict that claims no more."""

import html
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from course import evidence, fit, progress, report
from course.errors import CrossroadsError
from course.evidence import Evidence, Work
from course.fit import Verdict
from course.progress import Event

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import simulate_learners

START = datetime(2026, 3, 1, 20, tzinfo=UTC)


def log(*lines):
    """Events from (minute, event, key, fields)."""
    return [
        Event((START + timedelta(minutes=minute)).isoformat(), event, key, fields)
        for minute, event, key, fields in lines
    ]


def rated(pairs, **more):
    works = {
        f"{letter}{day}": Work(f"{letter}{day}", again=rating, began=f"{day}{letter}")
        for day, pair in enumerate(pairs, start=1)
        for letter, rating in zip("am", pair, strict=True)
    }
    return Evidence(works, **more)


def test_minutes_leave_out_breaks_and_go_to_the_lesson_that_was_worked_on():
    found = evidence.collect(
        log(
            (0, "open", "a1", {}),
            (4, "attempt", "a1.x", {"passed": False}),
            (60, "attempt", "a1.x", {"passed": True}),
            (65, "hint", "m1.y", {"rung": 1}),
        )
    )
    assert found.works["a1"].minutes == 4
    assert found.works["m1"].minutes == 5
    assert (found.works["a1"].attempts, found.works["a1"].failures) == (2, 1)
    assert (found.works["a1"].right, found.works["m1"].hints) == (1, 1)


def test_the_last_answer_counts_and_a_day_needs_both_halves():
    found = evidence.collect(
        log(
            (0, "again", "a1", {"answer": 2}),
            (1, "again", "a1", {"answer": 5}),
            (2, "again", "m1", {"answer": 3}),
            (3, "again", "m2", {"answer": 4}),
        )
    )
    assert found.days() == [1]
    assert found.pairs("again") == [(5.0, 3.0)]


def test_the_prediction_before_the_first_outcome_counts():
    found = evidence.collect(
        log(
            (0, "prediction", "m1.p", {"answer": "a", "confidence": 0.8}),
            (1, "outcome", "m1.p", {"truth": "b"}),
            (2, "prediction", "m1.p", {"answer": "b", "confidence": 1.0}),
            (3, "outcome", "m1.p", {"truth": "b"}),
            (4, "outcome", "a1.p", {"truth": "b"}),
        )
    )
    assert [(it.confidence, it.came_true) for it in found.forecasts] == [(0.8, False)]
    assert evidence.brier(found.forecasts) == pytest.approx(0.64)
    assert evidence.brier([]) is None


def test_a_figure_that_was_drawn_too_early_is_corrected_by_the_last_one():
    found = evidence.collect(
        log(
            (0, "prediction", "m1.p", {"answer": "a", "confidence": 0.8}),
            (1, "outcome", "m1.p", {"truth": "zeros"}),  # nothing solved yet
            (2, "prediction", "m1.p", {"answer": "b", "confidence": 1.0}),
            (3, "outcome", "m1.p", {"truth": "a"}),
        )
    )
    assert [(it.confidence, it.came_true) for it in found.forecasts] == [(0.8, True)]


@pytest.mark.parametrize(
    "broken",
    [
        Event("yesterday", "again", "a1", {"answer": 5}),
        Event(START.isoformat(), "again", "a1", {"answer": 50}),
        Event(START.isoformat(), "again", "zzz", {"answer": 5}),
        Event(START.isoformat(), "attraction", "", {"ai": 99, "ml": 1}),
        Event(START.isoformat(), "again", "a1", {}),
    ],
)
def test_what_cannot_be_is_passed_over(broken):
    found = evidence.collect([broken])
    assert found.days() == []
    assert found.attraction is None
    assert all(it.again is None for it in found.works.values())


def test_the_interval_is_students():
    pairs = [(5, 3), (4, 4), (3, 1), (5, 4), (2, 3)]
    found = fit.paired_gap(pairs, level=0.95)
    gaps = np.array([a - m for a, m in pairs])
    low, high = stats.t.interval(0.95, 4, gaps.mean(), stats.sem(gaps))
    assert (found.mean, found.low, found.high) == pytest.approx((0.8, low, high))


def test_equal_gaps_do_not_make_one_certain():
    found = fit.paired_gap([(4, 3)] * 5, sd_floor=fit.SD_FLOOR)
    assert found.high - found.low > 0.5
    assert fit.paired_gap([(4, 3)]).low is None
    assert fit.paired_gap([]).n == 0


@pytest.mark.parametrize(
    ("pairs", "verdict", "days"),
    [
        ([], Verdict.NOT_ENOUGH, (1, 2)),
        ([(5, 1)] * 4, Verdict.NOT_ENOUGH, (5, 6)),
        ([(5, 2)] * 8, Verdict.AI, ()),
        ([(2, 4)] * 8, Verdict.ML, ()),
        ([(3, 3)] * 8, Verdict.ALIKE, ()),
        ([(5, 1), (1, 5)] * 4, Verdict.NOT_ENOUGH, (1, 2)),
        ([(5, 1), (1, 5), (3, 3), (4, 4)] * 2, Verdict.NOT_ENOUGH, (3, 4)),
    ],
)
def test_the_verdict_claims_no_more_than_the_days_show(pairs, verdict, days):
    found = fit.judge(rated(pairs))
    assert (found.verdict, found.days_to_try) == (verdict, days)
    assert found.because


def test_an_interval_that_holds_0_never_recommends():
    rng = np.random.default_rng(0)
    for _ in range(300):
        found = fit.judge(rated(rng.integers(1, 6, (8, 2)).tolist()))
        if found.again.low <= 0 <= found.again.high:
            assert found.verdict in (Verdict.NOT_ENOUGH, Verdict.ALIKE)


def test_attraction_may_object_and_never_recommends():
    pairs = [(5, 2)] * 8
    now = {"attraction": (5.0, 5.0), "attraction_now": (3.0, 8.0)}
    assert fit.judge(rated(pairs, **now)).verdict is Verdict.NOT_ENOUGH
    now["attraction_now"] = (4.5, 5.5)
    assert fit.judge(rated(pairs, **now)).verdict is Verdict.AI
    now["attraction_now"] = (10.0, 0.0)
    assert fit.judge(rated([(3, 3)] * 8, **now)).verdict is Verdict.ALIKE


def test_a_good_score_recommends_nothing():
    works = dict(rated([(3, 3)] * 8).works)
    for day in range(1, 9):
        works[f"m{day}"] = Work(f"m{day}", again=3, right=9, attempts=9, minutes=5)
        works[f"a{day}"] = Work(f"a{day}", again=3, hints=30, attempts=90, minutes=500)
    assert fit.judge(Evidence(works)).verdict is Verdict.ALIKE


def test_simulated_learners_are_told_the_truth_or_nothing():
    """1,000 of them; the rates in docs/FIT.md are of 2,000 for each line."""
    none = simulate_learners.count(500, 0.0, seed=1)
    assert none["ever AI"] + none["ever ML"] <= 0.07
    assert none["not enough"] >= 0.8
    strong = simulate_learners.count(500, 2.0, seed=1)
    assert strong["AI"] >= 0.85
    assert strong["ever ML"] == 0


def test_the_page_is_the_logs_alone_and_the_log_lies_beside_it(tmp_path):
    progress.attraction(7, 4)
    for day in range(1, 7):
        progress.again(f"a{day}", 5)
        progress.again(f"m{day}", 2)
    first = report.write(tmp_path / "one").read_bytes()
    assert report.write(tmp_path / "two").read_bytes() == first
    text = html.unescape(first.decode())
    assert report.WORDS[Verdict.AI] in text
    assert "rated 3.00 steps higher" in text
    assert "day 6: AI 5, ML 2" in text
    copy = tmp_path / "one" / "progress.jsonl"
    assert copy.read_bytes() == progress.log_path().read_bytes()


def test_with_an_empty_log_the_page_says_so(tmp_path):
    text = report.write(tmp_path).read_text()
    assert "Not enough evidence yet." in text
    assert "A1 and M1" in " ".join(text.split())


@pytest.mark.parametrize(("ai", "ml"), [(11, 3), (3, -1), ("7", 3)])
def test_attraction_is_from_0_to_10(ai, ml):
    with pytest.raises(CrossroadsError, match="from 0"):
        progress.attraction(ai, ml)
    assert list(progress.events()) == []
