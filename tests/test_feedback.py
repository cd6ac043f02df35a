"""Checks explain: each helper passes what is right and names what is wrong."""

import io
import warnings

import numpy as np
import pytest

from course import feedback, progress
from course.errors import CheckFailed
from course.feedback import check


def message_of(call):
    with pytest.raises(CheckFailed) as caught:
        call()
    return str(caught.value)


def test_a_right_answer_passes_and_is_noted(capsys):
    with check("z1.softmax"):
        feedback.expect(True, "never")
    assert "✓ z1.softmax: right." in capsys.readouterr().out
    assert progress.states()["z1.softmax"].passed


def test_a_mistake_is_named_with_the_way_to_help():
    def wrong():
        with check("z1.softmax"):
            feedback.fail("the rows do not sum to 1.")

    assert message_of(wrong).startswith("✗ z1.softmax: the rows do not sum to 1.")
    assert 'hint("z1.softmax")' in message_of(wrong)
    assert 'parsons("z1.softmax")' in message_of(wrong)


def test_the_learners_own_exception_becomes_a_message_with_its_line():
    def crash():
        with check("z1.softmax"):
            exec(compile("1 / 0", "<cell>", "exec"), {})

    assert "stopped" in message_of(crash)
    assert "ZeroDivisionError" in message_of(crash)


def test_leaving_python_is_a_failure_too():
    def leave():
        with check("z1.softmax"):
            raise SystemExit(0)

    assert "SystemExit" in message_of(leave)


def test_pressing_stop_is_not_an_attempt():
    with pytest.raises(KeyboardInterrupt), check("z1.softmax"):
        raise KeyboardInterrupt
    assert progress.states() == {}


def test_a_warning_is_not_a_failure(capsys):
    with check("z1.softmax"):
        warnings.warn("overflow", RuntimeWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_nothing_is_noted_while_grading(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with check("z1.softmax"):
        pass
    assert progress.states() == {}


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (None, "return"),
        ("text", "must hold numbers"),
        ([[1, 2], [3]], "not an array"),
        (np.zeros(3), r"shape (3,); it must have shape (2,)"),
        (np.array([1.0, np.nan]), "[1] is nan; it must be 2"),
        (np.array([1.0, np.inf]), "[1] is infinite"),
        (np.array([1.0, 3.0]), "[1] is 3; it must be 2. 1 of 2 values differ"),
        (np.array([2.0, 4.0]), "you doubled"),
    ],
)
def test_expect_close_says_what_differs(got, words):
    def call():
        feedback.expect_close(
            got, [1.0, 2.0], "f(x)", mistakes={"you doubled": [2.0, 4.0]}
        )

    assert words in message_of(call)


def test_expect_close_accepts_lists_float32_and_small_differences():
    feedback.expect_close([1, 2], [1.0, 2.0], "f(x)")
    feedback.expect_close(np.float32([1, 2]), [1.0, 2.0 + 1e-7], "f(x)")
    feedback.expect_close(3, 3.0, "f(x)")


def test_expect_shape_and_type_name_both():
    text = message_of(lambda: feedback.expect_shape(np.zeros((2, 3)), (3, 2), "X"))
    assert text == "X has shape (2, 3); it must have shape (3, 2)."
    text = message_of(lambda: feedback.expect_type(None, list, "chunks(text)"))
    assert "is a `return` missing?" in text
    feedback.expect_type([], (list, tuple), "chunks(text)")


def test_expect_equal_tells_true_from_one():
    feedback.expect_equal([1, ("a", 2)], [1, ("a", 2)], "x")
    assert "it must be 1" in message_of(lambda: feedback.expect_equal(True, 1, "x"))
    assert "it must be [1]" in message_of(lambda: feedback.expect_equal((1,), [1], "x"))
    told = message_of(
        lambda: feedback.expect_equal(0, 1, "x", mistakes={"off by one": 0})
    )
    assert told == "off by one"


def test_an_object_that_equals_everything_is_not_equal_to_numbers_in_arrays():
    class Same:
        def __eq__(self, other):
            return True

        __hash__ = None

    text = message_of(lambda: feedback.expect_close(Same(), 1.0, "x"))
    assert "must hold numbers" in text


def test_expect_unchanged_finds_a_change_in_place():
    before = np.arange(3)
    feedback.expect_unchanged(before.copy(), before, "x")
    changed = before.copy()
    changed[0] = 9
    text = message_of(lambda: feedback.expect_unchanged(changed, before, "x"))
    assert "changed its argument x" in text


def test_expect_raises_wants_just_that_exception():
    feedback.expect_raises(ZeroDivisionError, lambda: 1 / 0, "divide by zero")
    assert message_of(lambda: feedback.expect_raises(ValueError, list, "a")) == "a"
    text = message_of(lambda: feedback.expect_raises(ValueError, lambda: 1 / 0, "a"))
    assert "ZeroDivisionError instead of ValueError" in text


def test_a_call_that_never_ends_is_stopped_with_a_reason():
    def forever():
        while True:
            pass

    text = message_of(
        lambda: feedback.call_within(0.2, forever, message="Does start grow?")
    )
    assert "did not end within 0.2 seconds. Does start grow?" in text
    assert feedback.call_within(5, lambda x: x + 1, 1) == 2


def test_a_proxy_keeps_its_own_time_limit():
    class Proxy:
        def __call_within__(self, seconds, *args):
            return (seconds, args)

    assert feedback.call_within(3, Proxy(), 1, 2) == (3, (1, 2))


@pytest.mark.parametrize("confidence", [None, True, -0.1, 70, "high"])
def test_a_prediction_needs_a_confidence_from_0_to_1(confidence):
    def call():
        feedback.expect_prediction("z1.guess", "a", confidence, ["a", "b"])

    assert "confidence" in message_of(call)


def test_a_prediction_is_one_of_the_options_and_is_noted():
    text = message_of(
        lambda: feedback.expect_prediction("z1.guess", "c", 0.5, ["a", "b"])
    )
    assert "one of 'a', 'b'" in text
    feedback.expect_prediction("z1.guess", "a", 0.5, ["a", "b"])
    assert [event.fields["answer"] for event in progress.events()] == ["a"]


def test_ipython_shows_the_message_without_a_traceback():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.colors = "nocolor"
    out = io.StringIO()
    shell._showtraceback = lambda kind, error, lines: out.write("\n".join(lines))
    shell.run_cell("from course.feedback import fail\nfail('the rows do not sum to 1')")
    assert out.getvalue().strip() == "the rows do not sum to 1"
