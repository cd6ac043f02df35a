"""The class report's numbers are right, and its page holds them."""

import re

import numpy as np
import pytest
import verdict_tools as tools
from payloads import PAYLOADS
from scipy import stats
from test_feedback_pages import Structure

from autograder import class_numbers, reports
from autograder.journal import Row
from autograder.outline import Outline
from autograder.verdicts import Status, SubmissionStatus

FORGOT = "✗ z1.softmax: you forgot to normalise: the sum is not 1"


def answered(guess, softmax, **more):
    """Return a submission in which these two were right or wrong."""
    pair = ((tools.GUESS, guess), (tools.SOFTMAX, softmax))
    found = [
        tools.exercise(Status.PASSED, check=check)
        if right
        else tools.exercise(Status.FAILED, FORGOT, check=check)
        for check, right in pair
    ]
    return tools.verdict(*found, **more)


def class_of(*pairs):
    return [tools.row(f"s{n:02}", answered(*it)) for n, it in enumerate(pairs)]


def numbers(rows):
    return class_numbers.numbers(tools.OUTLINE, rows)


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 11), (250, 500), (1, 1)])
def test_the_interval_is_wilson_s(right, n):
    want = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert class_numbers.wilson(right, n) == pytest.approx((want.low, want.high))


def test_the_discrimination_is_the_correlation_with_the_rest():
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 2, size=(30, 2)).tolist()
    guess, softmax = numbers(class_of(*pairs)).exercises
    want = np.corrcoef(np.array(pairs).T)[0, 1]
    assert guess.discrimination == pytest.approx(want)
    assert softmax.discrimination == pytest.approx(want)
    assert guess.n_rest == 30


def test_there_is_no_discrimination_of_few_or_of_equal_answers():
    few = numbers(class_of((0, 1), (1, 0), (1, 1), (0, 0)))
    equal = numbers(class_of(*[(1, n % 2) for n in range(9)]))
    assert [it.discrimination for it in few.exercises] == [None, None]
    assert [it.discrimination for it in equal.exercises] == [None, None]


def test_a_missing_verdict_is_neither_a_zero_nor_part_of_the_scores():
    ungraded = tools.verdict(
        tools.exercise(check=tools.GUESS),
        tools.exercise(Status.NOT_GRADED, "no verdict"),
        status=SubmissionStatus.PARTLY_GRADED,
    )
    rows = [*class_of((1, 1), (0, 1)), tools.row("t", ungraded)]
    rows += [tools.row("u", tools.refused("not JSON")), tools.row("v", None, key=None)]
    found = numbers(rows)
    assert found.scores == (2.0, 3.0)
    assert [it.n for it in found.exercises] == [3, 2]
    assert found.counts["graded"] == 2
    assert found.counts["rejected"] == 1
    assert found.counts["not_submitted"] == 1


def test_messages_of_one_mistake_are_one_line():
    said = [
        f"✗ z1.softmax: softmax([0, 1])[0] is {n}.5; it must be 0.27." for n in range(3)
    ]
    rows = [tools.row(f"s{n}", tools.failed(it)) for n, it in enumerate(said)]
    rows.append(tools.row("t", tools.failed(FORGOT)))
    first, second = numbers(rows).mistakes
    assert first.students == ("s0", "s1", "s2")
    assert first.share == 0.75
    assert second.known == "forgot to normalise"


def test_what_to_look_at_is_listed_with_its_reason():
    odd = answered(1, 1, restarts=2, notes=("the check 'x' was edited",))
    broken = tools.verdict(tools.exercise(Status.VIOLATION, "unasked bytes"))
    rows = [tools.row("a", odd), tools.row("b", broken)]
    rows.append(tools.row("c", tools.refused("not JSON")))
    found = {(it.student, it.why) for it in numbers(rows).troubles}
    assert ("b", "unasked bytes") in found
    assert ("c", "not JSON") in found
    assert ("a", "the check 'x' was edited") in found
    assert len([it for it in found if it[0] == "a"]) == 2


def test_the_page_has_figures_with_words_and_the_same_bytes_each_time():
    rows = class_of(*[(n % 2, n % 3 > 0) for n in range(12)])
    rows = [
        tools.row(it.student, answered(1, 1, seconds=0.5)) for it in rows[:2]
    ] + rows[2:]
    text = reports.page("course", rows, [tools.OUTLINE])
    assert text == reports.page("course", rows, [tools.OUTLINE])
    images = [it for tag, it in Structure(text).tags if tag == "img"]
    assert len(images) == 4
    assert all(it["alt"] and it["src"].startswith("data:image/svg") for it in images)
    assert "z1.softmax 9 of 12" in text


def test_a_class_without_a_verdict_has_a_page_too():
    text = reports.page("course", [tools.row("a", None, key=None)], [tools.OUTLINE])
    assert "Nothing was graded yet" in text


def test_a_foreign_assignment_s_names_may_be_anything(tmp_path):
    name = "$x_{1}$ <script>"
    found = tools.verdict(tools.exercise(Status.FAILED, "m", check=name))
    rows = [Row(name, f"s{n}", "k", found) for n in range(6)]
    path = reports.write_report(tmp_path / "report.html", "c", rows, {})
    assert "<script>" not in path.read_text()
    assert "$x_{1}$ &lt;script&gt;" in path.read_text()


@pytest.mark.parametrize("payload", PAYLOADS[::4])
def test_nothing_of_the_students_becomes_a_tag(payload):
    def structure(text):
        made = tools.verdict(*tools.failed(text).exercises, notes=(text,))
        rows = [tools.row(text, made), tools.row("b", tools.refused(text))]
        page = reports.page("course", rows, [Outline(tools.NAME, text)])
        page = re.sub(r"data:image[^\"]*", "", page)
        return [tag for tag, _ in Structure(page).tags]

    assert structure(payload) == structure("harmless words")
