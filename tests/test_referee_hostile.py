"""What a student's process does to the conversation costs its own exercise, and no more."""

import json

import pytest
from referee_tools import cell, conduct, notebook, submitted, with_answers
from students import Students

from autograder import referee, student_errors, submission, wire_format
from autograder.verdicts import Status

RUNTIME = (
    "import gc\n"
    "rt = [o for o in gc.get_objects() if type(o).__name__ == '_Runtime'][0]\n"
)
LAST, LAST_CHECK = "def last(): return 3", "assert last() == 3"


@pytest.fixture(scope="module")
def students():
    found = Students(("numpy",))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _grading(monkeypatch):
    monkeypatch.setenv("CROSSROADS_GRADING", "1")  # conduct sets it: take it back


def calibrated(students, asked, changes, **limits):
    """Return the exercises of a submission, judged after the reference was."""
    reference = submission.reference(asked, "t")
    own, records = conduct(reference, submitted(asked), students.new)
    assert {it.status for it in own.exercises} == {Status.PASSED}
    returns = {k: tuple(it) for k, it in records[-1]["returns"].items()}
    given = submitted(with_answers(asked, changes))
    more = {"call_s": 1.0, "returns": returns} | limits
    return conduct(reference, given, students.new, **more)[0].exercises


def judged(students, answer, check, given, **limits):
    """Return (the exercise, the honest one after it), judged after the reference was."""
    asked = notebook([answer, LAST], [check, LAST_CHECK])
    return calibrated(students, asked, {"e0": given}, **limits)


def test_an_exhausted_iterator_of_the_check_does_not_end_its_loop(students):
    check = "replies = iter([5, 6])\nasks = map(lambda n: f(lambda: next(replies), n), [0, 1])\n"
    check += "assert all(got == want for got, want in zip(asks, [5, 7]))"
    cheat = "def f(ask, n):\n    while True: ask()"
    found, last = judged(students, "def f(ask, n): return ask() + n", check, cheat)
    assert (found.status, last.status) == (Status.FAILED, Status.PASSED)


def test_a_cell_cannot_ask_for_what_an_earlier_check_lent(students):
    check = "assert f(lambda n: n ** n) == 4"
    cheat = "def f(g): return g(2)"
    asked = notebook([cheat, LAST], [check, LAST_CHECK])
    reference = submission.reference(asked, "t")
    again = RUNTIME + "print(rt.ask('call', 1, [3], {}))\n" + LAST
    verdict, _ = conduct(
        reference, submitted(with_answers(asked, {"e1": again})), students.new
    )
    found = [it.status for it in verdict.exercises]
    assert found == [Status.PASSED, Status.VIOLATION]


@pytest.mark.parametrize(
    ("answer", "check", "cheat"),
    [
        pytest.param(
            "def f(g): return g(1)",
            "assert f(lambda n: n + n) == 2",
            "def f(g): return g('x' * (9 << 20))",
            id="an answer that grows",
        ),
        pytest.param(
            "def f(x): return [x]",
            "assert f(f(1)) == [[1]]",
            "def f(x):\n    r = ((),)\n    for _ in range(50):\n"
            "        for _ in range(300): r = [r]\n        r = (r,)\n    return r",
            id="a nest that can be read, but not sent",
        ),
    ],
)
def test_what_is_too_large_to_be_passed_on_is_no_way_to_stay_ungraded(
    students, answer, check, cheat
):
    found, last = judged(students, answer, check, cheat, call_s=5.0)
    assert (found.status, found.points) == (Status.FAILED, 0), found.message
    assert last.status is Status.PASSED


def test_an_answer_that_a_locked_cell_stumbles_over_costs_its_own_exercise(students):
    asked = notebook(["def f(): return '1'", LAST], ["assert size == 1", LAST_CHECK])
    asked["cells"].insert(1, cell("size = int(f())", "uses"))
    reference = submission.reference(asked, "t")
    own, _ = conduct(reference, submitted(asked), students.new)
    assert {it.status for it in own.exercises} == {Status.PASSED}
    given = with_answers(asked, {"e0": "def f(): return 'a'"})
    verdict, _ = conduct(reference, submitted(given), students.new)
    found = [it.status for it in verdict.exercises]
    assert found == [Status.FAILED, Status.PASSED]


def test_cells_after_a_check_have_their_own_time(students):
    slow = f"import time\ntime.sleep(1.5)\n{LAST}"
    answer, check = "def f(): return 1", "assert f() == 1"
    asked = notebook([answer, LAST], [check, LAST_CHECK])
    given = submitted(with_answers(asked, {"e1": slow}))
    reference = submission.reference(asked, "t")
    verdict, _ = conduct(reference, given, students.new, check_s=1.0)
    assert {it.status for it in verdict.exercises} == {Status.PASSED}


def test_what_cells_show_is_kept_up_to_a_limit_of_the_submission(students):
    shows = "from IPython.display import display, HTML\n"
    shows += "display(HTML('\\x01' * (1 << 20)))\nprint('seen')"
    asked = notebook([LAST], [LAST_CHECK])
    given = {
        **asked,
        "cells": [*(cell(shows, None) for _ in range(8)), *asked["cells"]],
    }
    reference = submission.reference(asked, "t")
    verdict, records = conduct(reference, submitted(given), students.new)
    assert verdict.exercises[0].status is Status.PASSED
    size = sum(len(json.dumps(it)) for it in records if it["kind"] == "cell")
    assert size < referee.MAX_OUTPUTS + 10_000
    outputs = [out for it in verdict.cells for out in it.outputs]
    assert "seen\n" in [it.get("text") for it in outputs]
    assert any("were dropped" in it.get("text", "") for it in outputs)


def test_what_a_function_of_the_check_asserts_is_told_to_the_instructor_alone(students):
    check = "def ask(n):\n    assert n == 77, f'asked {n}, not 77'\n    return n\n"
    check += "assert f(ask) == 77"
    spy = "def f(ask):\n    try: ask(0)\n    except BaseException as error:\n"
    spy += "        print('LEARNT', repr(error))\n        raise"
    found, _ = judged(students, "def f(ask): return ask(77)", check, spy)
    assert found.message == "asked 0, not 77"
    assert "LEARNT AssertionError()" in found.stdout


def test_a_check_that_swallows_the_end_of_its_time_has_not_passed(students):
    check = "n = f()\ntry:\n    while n: pass\nexcept BaseException: pass"
    ones = judged(
        students, "def f(): return 0", check, "def f(): return 1", check_s=1.0
    )
    assert [it.status for it in ones] == [Status.TIMED_OUT, Status.PASSED]


def test_more_objects_than_anybody_needs_are_refused(students, monkeypatch):
    monkeypatch.setattr(wire_format, "MAX_HANDLES", 100)
    cheat = "def f(): return [object() for _ in range(150)]"
    ones = judged(students, "def f(): return 0", "assert f() == 0", cheat)
    assert [it.status for it in ones] == [Status.VIOLATION, Status.PASSED]


def test_classes_of_exceptions_without_number_are_not_kept():
    known = student_errors.Exceptions({})
    for number in range(3 * student_errors.MAX_CLASSES):
        found = known.of([["__main__", "E", number], ["builtins", "ValueError", -1]])
        assert issubclass(found, ValueError)
    assert len(known._made) <= student_errors.MAX_CLASSES


FORGES = (
    "def f(x):\n    globals()['oracle'] = globals()['exp2'] = lambda x: 0\n    return 0"
)


@pytest.mark.parametrize(
    ("oracle", "locked"),
    [("oracle", "def oracle(x): return x + 1"), ("exp2", "from math import *")],
)
def test_what_a_locked_cell_defines_is_never_the_students(students, oracle, locked):
    answer = "def ready(): return 1\ndef f(x): return x + 1"
    asked = notebook([answer], [f"assert f(1) == {oracle}(1)"])
    asked["cells"].insert(1, cell(f"ready()\n{locked}", "locked"))
    fails = "import inspect\ndef ready():\n"
    fails += "    assert 'do_call' not in [it.function for it in inspect.stack()]\n"
    (found,) = calibrated(students, asked, {"e0": fails + FORGES})
    assert (found.status, found.points) == (Status.FAILED, 0)
    assert f"{oracle!r} is not defined" in found.message


def test_what_an_earlier_check_defines_is_never_the_students(students):
    answers = ["def g(): return 1", "def f(x): return x + 1"]
    first = "assert g() == 1\ndef oracle(x): return x + 1"
    asked = notebook(answers, [first, "assert f(1) == oracle(1)"])
    found = calibrated(students, asked, {"e0": "def g(): return 0", "e1": FORGES})
    assert [it.points for it in found] == [0, 0]


def test_a_locked_cell_that_only_the_students_process_can_run_stays_theirs(students):
    locked = "import threading\nkept = f(threading.Lock())\nsize = 3"
    asked = notebook(["def f(x): return 1"], ["assert size == 3 and f(0) == 1"])
    asked["cells"].insert(1, cell(locked, "locked"))
    (found,) = calibrated(students, asked, {"e0": "def f(x): return 1 # mine"})
    assert found.status is Status.PASSED, found.message


def test_a_check_has_no_more_wall_time_than_patience(students, monkeypatch):
    monkeypatch.setattr(referee, "PATIENCE", 0.1)
    check = "while f(): pass"
    slow = "import time\ndef f():\n    time.sleep(0.5)\n    return 1"
    ones = judged(students, "def f(): return 0", check, slow, check_s=20.0)
    assert [it.status for it in ones] == [Status.TIMED_OUT, Status.PASSED]
    assert ones[0].seconds < 15
