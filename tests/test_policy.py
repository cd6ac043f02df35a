"""An object of the student's answers an operator only where the reference gave its like.

Each cheat is graded as a submission is: the reference is judged first, and what came of
it is what the student's objects are held to.
"""

import pytest
from referee_tools import conduct, notebook, submitted
from students import Students

from autograder import submission
from autograder.verdicts import Status

MONEY = (
    "class Money:\n"
    "    def __init__(self, cents): self.cents = cents\n"
    "    def __eq__(self, other): return self.cents == other.cents\n"
    "    def __hash__(self): return hash(self.cents)\n"
    "    def __len__(self): return 1\n"
    "    def __iter__(self): return iter([self.cents])\n"
    "def pay(n): return Money(n)"
)
MONEY_CHECK = "assert pay(2) == pay(2) and not pay(2) == pay(3) and pay(2).cents == 2"
LIAR = (
    "class Money:\n"
    "    __eq__ = lambda self, other: True\n"
    "    __ne__ = lambda self, other: False\n"
    "    __hash__ = lambda self: 0\n"
    "    __len__ = lambda self: 2\n"
    "    __iter__ = lambda self: iter([2, 3])\n"
)
# name: (the reference's answer, its check, a cheat)
LIES = {
    "a function that goes by another name": (
        "def f(x): return x + 1",
        "assert f(1) == 2",
        "def f(x): return Money()\nf.__name__ = 'g'",
    ),
    "an object that can be called": (
        "def f(x): return x + 1",
        "assert f(1) == 2",
        "class F:\n    __call__ = lambda self, x: Money()\nf = F()",
    ),
    "a function that is also another": (
        "def f(x): return x + 1",
        "assert f(1) == 2",
        "pay = f = lambda x: Money()",
    ),
    "a function that is an attribute": (
        "class Model:\n    def predict(self, x): return x + 1",
        "assert Model().predict(1) == 2",
        (
            "class Model:\n    predict = lambda self, x: Money()\n"
            "Model.predict.__name__ = 'pay'"
        ),
    ),
    "a function that a function gave": (
        "def adder(n): return lambda x: x + n",
        "assert adder(1)(1) == 2",
        "def adder(n):\n    def pay(x): return Money()\n    return pay",
    ),
    "items of a list": (
        "def f(x): return [x, x + 1]",
        "assert f(1) == [1, 2]",
        "def f(x): return [Money(), Money()]",
    ),
    "values of a dictionary": (
        "def f(x): return {'a': x}",
        "assert f(1)['a'] == 1",
        "def f(x): return {'a': Money()}",
    ),
    "a value beside a key that is asked for its hash": (
        "def f(x): return {'a': x}",
        "assert f(1)['a'] == 1",
        "def f(x): return {'a': Money(), Money(): 0}",
    ),
    "items of an iterator": (
        "def f(x): yield x",
        "assert list(f(1)) == [1]",
        "def f(x): yield Money()",
    ),
    "an iterator itself": (
        "def f(x): return x + 1",
        "assert f(1) == 2",
        "class Money(Money):\n    __next__ = lambda self: 2\ndef f(x): return Money()",
    ),
    "an attribute": (
        "class Model:\n    def fit(self, x): self.best = x",
        "m = Model()\nm.fit(3)\nassert m.best == 3",
        "class Model:\n    best = Money()\n    def fit(self, x): pass",
    ),
    "an argument filled in place": (
        "def f(xs): xs.sort()",
        "xs = [2, 1]\nf(xs)\nassert xs == [1, 2]",
        "def f(xs): xs[:] = [Money(), Money()]",
    ),
    "what a function of the check's is given": (
        "def f(g):\n    g(1)\n    g(2)",
        "seen = []\nf(lambda x: seen.append(x))\nassert seen == [1, 2]",
        "def f(g):\n    g(Money())\n    g(Money())",
    ),
    "a field of an exception": (
        "def f(x):\n    error = ValueError('no')\n    error.code = 7\n    raise error",
        "try: f(1)\nexcept ValueError as error: assert error.code == 7\nelse: assert 0",
        (
            "import autograder.student as s\nold = s.raised\n"
            "s.raised = lambda *a: old(*a) | {'fields': {'code': Money()}}\n"
            "def f(x): raise ValueError('no')"
        ),
    ),
    "an argument of an exception": (
        "def f(x): raise ValueError(7)",
        "try: f(1)\nexcept ValueError as error: assert error.args == (7,)\nelse: assert 0",
        (
            "import autograder.student as s\nold = s.raised\n"
            "s.raised = lambda *a: old(*a) | {'args': [Money()]}\n"
            "def f(x): raise ValueError('no')"
        ),
    ),
    "an attribute that only the cheat has": (
        "class Model:\n    def __init__(self): self.best = 3",
        "m = Model()\nassert (m.last if hasattr(m, 'last') else m.best) == 3",
        "class Model:\n    def __init__(self): self.last = Money()",
    ),
}


@pytest.fixture(scope="module")
def students():
    found = Students(("numpy",))
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _grading(monkeypatch):
    monkeypatch.setenv("CROSSROADS_GRADING", "1")  # conduct sets it: take it back


def judged(students, answers, checks, given):
    """Return the exercises of a submission, judged after the reference was."""
    asked = notebook(answers, checks)
    reference = submission.reference(asked, "t")
    own, records = conduct(reference, submitted(asked), students.new)
    assert {it.status for it in own.exercises} == {Status.PASSED}
    returns = {k: tuple(it) for k, it in records[-1]["returns"].items()}
    handed_in = submitted(notebook(given, checks))
    verdict, _ = conduct(
        reference, handed_in, students.new, returns=returns, call_s=1.0
    )
    return verdict.exercises


@pytest.mark.parametrize(("answer", "check", "cheat"), LIES.values(), ids=LIES)
def test_an_object_that_lies_is_believed_in_no_place(students, answer, check, cheat):
    answers, checks = [MONEY, answer], [MONEY_CHECK, check]
    _, honest = judged(students, answers, checks, [MONEY, answer])
    assert honest.status is Status.PASSED
    _, found = judged(students, answers, checks, [LIAR, LIAR + cheat])
    assert found.status in (Status.FAILED, Status.VIOLATION), found.message
    assert found.points == 0


HONEST = {
    "operators of the exercise's own class": (
        MONEY,
        MONEY_CHECK,
        MONEY.replace("cents ==", "cents - 0 =="),
    ),
    "objects in a list, compared": (
        MONEY + "\ndef f(x): return [Money(x), Money(2)]",
        "assert f(1) == [pay(1), pay(2)] and len(f(1)[0]) == 1",
        MONEY + "\ndef f(x):\n    found = [Money(x)]\n    return found + [Money(2)]",
    ),
    "a method that returns its own object": (
        "class Model:\n    def fit(self, x):\n        self.x = x\n        return self",
        "m = Model()\nassert m.fit(1) is m and m.x == 1",
        (
            "class Model:\n    x = None\n    def fit(self, y):\n        self.x = y\n"
            "        return self"
        ),
    ),
    "objects that nobody compares, where the reference gave none": (
        "def f(x): return {'a': x}",
        "assert f(1)['a'] == 1",
        "class Note: pass\ndef f(x): return {'a': x, 'note': Note()}",
    ),
    "a function that a decorator gave back": (
        "def same(g): return lambda x: g(x)\n@same\ndef f(x): return x + 1",
        "assert f(1) == 2 and same(f)(2) == 3",
        "def same(g): return g\n@same\ndef f(x): return x + 1",
    ),
    "a list as the reference's tuple of objects": (
        MONEY + "\ndef f(): return tuple(Money(n) for n in (1, 2))",
        "assert [it.cents for it in f()] == [1, 2]",
        MONEY + "\ndef f(): return [Money(1), Money(2)]",
    ),
}


@pytest.mark.parametrize(("answer", "check", "other"), HONEST.values(), ids=HONEST)
def test_an_honest_answer_of_another_form_is_right(students, answer, check, other):
    (found,) = judged(students, [answer], [check], [other])
    assert (found.status, found.message) == (Status.PASSED, "")


def test_an_endless_chain_of_functions_has_places_of_an_end(students):
    chain = "def f(): return f"
    check = "g = f\nfor _ in range(300): g = g()\nassert g is f"
    (found,) = judged(students, [chain], [check], [chain])
    assert found.status is Status.PASSED, found.message
