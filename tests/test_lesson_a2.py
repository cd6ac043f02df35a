"""What lesson A2 says of numbers, and its functions against other libraries."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from lesson_tools import prose
from scipy.stats import binomtest

from course import lesson, logprobs

A2 = lesson.load("a2")
PROSE = prose("a2")


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("a2")


def test_the_prompt_of_the_tables_is_the_learners(solved):
    shots = logprobs.draw_shots(solved["tickets"], 1, 0)
    mine = solved["build_prompt"](logprobs.SYSTEM, shots, "Where is it?")
    assert mine == logprobs.messages(shots, "Where is it?")


def test_mcnemars_p_is_scipys(solved):
    rng = np.random.default_rng(3)
    for _ in range(20):
        a, b = rng.random((2, 50)) < 0.5
        won, lost = int((b & ~a).sum()), int((a & ~b).sum())
        delta, p = solved["mcnemar"](a, b)
        assert delta == pytest.approx(b.mean() - a.mean())
        assert p == pytest.approx(binomtest(won, won + lost).pvalue)


def test_the_interval_is_wilsons(solved):
    for right, n in ((0, 80), (19, 80), (45, 80), (80, 80)):
        low, high = solved["interval"](np.arange(n) < right)
        theirs = binomtest(right, n).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_the_worked_example_of_calibration_is_right(solved):
    S, null = np.log([[0.6, 0.3]]), np.log([0.8, 0.1])
    assert solved["calibrate"](S, null).round(9).tolist() == [[0.2, 0.8]]


def test_the_written_answers_are_as_the_lesson_says(solved):
    assert solved["free"]["0"].sum() == 0
    assert solved["free"]["8a"].sum() == 19
    assert "of 80 messages only 19 land on the right desk" in PROSE


def test_the_ladder_is_as_the_lesson_says(solved):
    dev = {key: round(float(v.mean()), 2) for key, v in solved["dev"].items()}
    raw = [dev[f"8{draw}", "raw"] for draw in "abc"]
    assert raw == [0.36, 0.16, 0.25]
    assert dev["8b", "raw"] < dev["0", "raw"]
    assert {dev[f"8{draw}", "calibrated"] for draw in "abc"} == {0.56}
    mean_of = solved["mean_of"]
    found = [round(mean_of(n, "calibrated"), 2) for n in (8, 16, 32)]
    assert found == [0.56, 0.54, 0.41]
    assert "0.56 with 8 shots, 0.54 with 16, 0.41 with 32" in PROSE
    found = [round(mean_of(n, "raw"), 2) for n in (8, 16, 32)]
    assert found == [0.26, 0.39, 0.44]
    assert "(0.26, 0.39, 0.44)" in PROSE


def test_more_examples_make_the_calibrated_scores_worse_on_test_too(solved):
    verdicts, rows = solved["verdicts"], solved["test_rows"]
    few = [verdicts(f"8{draw}", "calibrated", rows).mean() for draw in "abc"]
    assert verdicts("32a", "calibrated", rows).mean() < min(few) - 0.1


def test_the_claims_have_the_p_values_that_the_lesson_says(solved):
    mcnemar, dev = solved["mcnemar"], solved["dev"]
    for draw in ("8a", "16a"):
        delta, p = mcnemar(dev[draw, "raw"], dev[draw, "calibrated"])
        assert delta > 0.15
        assert p < 0.05
    delta, p = mcnemar(dev["8a", "raw"], dev["8b", "raw"])
    assert delta == pytest.approx(-0.2)
    assert p < 0.006
    delta, p = mcnemar(dev["8a", "calibrated"], dev["32a", "calibrated"])
    assert round(p, 2) == 0.03
    assert round(1 - 0.95**8, 2) == 0.34


def test_the_chosen_prompt_reaches_the_bar_on_test(solved):
    assert solved["winner"] == "8a calibrated"
    assert solved["on_test"] >= 0.45
    assert round(solved["on_test"], 2) == 0.46
    ties = [v for v in solved["dev"].values() if v.mean() == 45 / 80]
    assert len(ties) == 4
    assert solved["p"] < 1e-5
    assert 4 <= solved["new"].mean() / solved["old"].mean() < 5


def test_six_equal_prompts_gain_seven_points_by_luck(solved):
    assert round(solved["luck"], 2) == 0.07
    assert solved["again_score"] == pytest.approx(0.5, abs=0.01)


def test_polite_messages_are_sorted_and_upset_ones_are_not(solved):
    right = solved["picked"] == solved["wanted"]
    share = {
        voice: right[[t.voice == voice for t in solved["dev_tickets"]]].mean()
        for voice in solved["VOICES"]
    }
    assert share["polite"] > 0.85
    assert max(share["upset"], share["indirect"]) < 0.4
    wanted, picked = solved["wanted"], solved["picked"]
    product, broken = map(solved["INTENTS"].index, ("product", "broken"))
    assert (picked[wanted == product] == broken).sum() == 5


def test_the_table_of_the_two_models_is_what_the_benchmark_printed():
    file = Path(__file__).parents[1] / "benchmarks" / "bench_models.jsonl"
    small, large = map(json.loads, file.read_text().splitlines())
    assert (small["model"], large["model"]) == ("smollm2", "qwen-0.5b")
    rows = {
        "facts of the world": "facts",
        "the written answer is a label": "form",
        "the written answer is right": "written",
        "scored, raw": "raw",
        "scored, calibrated": "calibrated",
        "code questions": "page, code",
        "paraphrases (A4)": "page, paraphrase",
    }
    for words, key in rows.items():
        numbers = re.search(rf"{re.escape(words)}[^|]*\|([^|]*)\|([^|]*)\|", PROSE)
        told = [float(it) for it in numbers.groups()]
        assert told == pytest.approx([small[key], large[key]], abs=0.0051)
    told = re.search(r"CPU seconds[^|]*\| (\d+) \| (\d+) \|", PROSE)
    assert [int(it) for it in told.groups()] == [
        round(small["cpu_s"]),
        round(large["cpu_s"]),
    ]
