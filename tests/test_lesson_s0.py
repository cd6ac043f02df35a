"""The numbers that S0's prose says, from its own solutions."""

import re

import numpy as np
import pytest

from course import bank, lesson
from course.shop import shop_rows
from course.shop_query import ask

S0 = lesson.load("s0")
PROSE = " ".join(cell.source for cell in S0.cells if cell.role == "markdown")


@pytest.fixture(scope="module")
def solved():
    names = {"__name__": "__main__"}
    for exercise in S0.exercises:
        if not exercise.is_prediction and exercise.id != "guess":
            exec("import numpy as np", names)
            bank.run(exercise.solution, names, f"<s0:{exercise.id}>")
    return names


def test_the_interval_holds_the_truth_as_often_as_it_says(solved):
    rng = np.random.default_rng(0)
    held = 0
    for draw in range(200):
        lo, hi = solved["bootstrap_ci"](rng.random(200) < 0.85, 500, draw)
        held += lo <= 0.85 <= hi
    assert 180 <= held <= 198  # the bar: 90 to 99 %


def test_ten_times_the_data_is_a_third_of_the_width(solved):
    width = {}
    for n in (200, 2000):
        lo, hi = solved["bootstrap_ci"](np.arange(n) < round(0.85 * n), 2000, n)
        width[n] = 100 * (hi - lo)
    assert width[200] == pytest.approx(10, abs=1)
    assert width[2000] == pytest.approx(3, abs=0.3)
    assert "about ten points wide" in PROSE
    assert "about three points wide" in PROSE


def test_the_query_gives_what_the_loops_give(solved):
    cell = next(it for it in S0.cells if "def late_rates_slowly" in it.source)
    names = {"TODAY": "2026-03-02", "shop_rows": shop_rows}
    bank.run(cell.source, names, "<s0:slow>")
    for seed in (1, 2):
        shop = shop_rows(seed)
        rows = ask(shop, solved["late_rate"]())
        assert [it[0] for it in rows] == [
            it[0] for it in names["late_rates_slowly"](shop)
        ]
        slow = [it[1] for it in names["late_rates_slowly"](shop)]
        assert [it[1] for it in rows] == pytest.approx(slow)


def test_pay_is_dated_and_named_as_noisy():
    text = re.sub(r"\s+#?\s*", " ", PROSE)
    assert "as of 2025: about £105,000" in text
    assert "Read the job description, not the title" in text
