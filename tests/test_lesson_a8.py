"""What lesson A8 says of numbers, and its demonstrations with the real model."""

from pathlib import Path

import pytest
from lesson_tools import prose

import course.assistant_app
from course import bank, lesson
from course.assistant_app import parts
from course.assistant_app.service import ROUTES

A8 = lesson.load("a8")
APP = Path(course.assistant_app.__file__).parent
PROSE = prose("a8")


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("a8")


def test_the_worked_example_of_the_bucket_is_right(solved):
    assert solved["bucket"]((0.25, 10), 11, 0.5, 3) == (False, (0.75, 11), 0.5)
    assert solved["bucket"]((0.25, 10), 100, 0.5, 3) == (True, (2, 100), 0.0)
    assert 0.25 + 90 * 0.5 == 45.25


@pytest.mark.parametrize(("n", "place"), [(20, 19), (21, 20)])
def test_the_worked_example_of_the_percentile_is_right(solved, n, place):
    rows = [("/v1/chat", 200, float(i)) for i in range(1, n + 1)]
    assert solved["p95_of"](rows, "/v1/chat") == place
    assert "Of 20 requests it is the 19th, of 21 the 20th" in PROSE


def test_the_characters_have_as_many_bytes_as_the_lesson_says():
    assert (len("é".encode()), len("灯".encode())) == (2, 3)


def test_the_services_own_parts_do_the_same_as_the_lessons(solved):
    pieces = ["Πού ".encode()[:3], "Πού ".encode()[3:], b"a\nb"]
    assert list(parts.sse(pieces)) == list(solved["sse"](pieces))
    for state, now in (((0.25, 10), 11), ((0.25, 10), 100), ((2, 10), 9)):
        mine = solved["bucket"](state, now, 0.5, 3)
        assert parts.bucket(state, now, 0.5, 3) == mine
    for body in (b"", b"[]", b'{"message": " "}', b'{"message": "Hi"}'):
        answers = [
            it(body, lambda m, yes: {"a": m}) for it in (parts.handle, solved["handle"])
        ]
        assert answers[0][0] == answers[1][0]


def test_the_whole_service_is_as_short_as_the_lesson_says():
    lines = sum(path.read_text().count("\n") for path in APP.glob("*.py"))
    assert 500 <= lines <= 800
    assert "some 700 lines" in PROSE


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(900)
def test_the_demonstrations_run_and_the_model_takes_the_time(solved):
    import matplotlib as mpl

    mpl.use("agg")
    names = dict(solved)
    for cell in A8.cells:
        if cell.role == "demo":
            bank.run(cell.source, names, f"<a8:{cell.line}>")
    assert {status for _, status in names["seen"]} == {200, 400, 422}
    assert set(names["stats"]["p95_ms"]) == set(ROUTES)
    model = names["totals"]["first token"] + names["totals"]["other tokens"]
    assert model / names["whole"] > 0.8
    assert names["rows"][2][1] < names["rows"][0][1] / 5
