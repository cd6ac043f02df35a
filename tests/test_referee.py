"""The referee judges as one namespace does, and an answer that cheats gains nothing."""

import contextlib
import importlib
import io
import warnings
from pathlib import Path

import pytest
import referee_cases
from referee_tools import (
    cell,
    conduct,
    notebook,
    only_until,
    plain_says,
    referee_says,
    submitted,
    with_answers,
)
from students import Students

from autograder import link, referee, seeding, submission, verdicts
from autograder.verdicts import Status, SubmissionStatus
from course import bank, build, lesson
from course.lesson import Answer

EXAMPLE = Path(__file__).parent / "data" / "z1_example.py"


@pytest.fixture(autouse=True)
def _grading(monkeypatch):
    monkeypatch.setenv("CROSSROADS_GRADING", "1")  # conduct sets it: take it back


@pytest.fixture(scope="session")
def torch_students():
    found = Students(("numpy", "torch"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def students():
    found = Students(
        ("numpy", "pandas", "matplotlib.pyplot", "sklearn.linear_model", "course.llm")
    )
    yield found
    found.close()


@pytest.mark.parametrize(
    ("answer", "check"),
    [pytest.param(*it[1:], id=it[0]) for it in referee_cases.CASES],
)
def test_a_check_means_the_same_through_the_referee(students, answer, check):
    assert plain_says(answer, check) is None
    verdict = referee_says(students, answer, check)
    assert (verdict.status, verdict.message) == (Status.PASSED, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "check"),
    [pytest.param(*it[1:], id=it[0]) for it in referee_cases.TORCH],
)
def test_torch_means_the_same_through_the_referee(torch_students, answer, check):
    assert plain_says(answer, check) is None
    verdict = referee_says(torch_students, answer, check)
    assert (verdict.status, verdict.message) == (Status.PASSED, "")


# What cheats: (name, answer, check that the honest `f` passes).

HONEST = "def f(x): return [v + 1 for v in x]"
ADDS = "assert f([1, 2]) == [2, 3] and f([5]) == [6]"
RUNTIME = (
    "import gc\n"
    "rt = [o for o in gc.get_objects() if type(o).__name__ == '_Runtime'][0]\n"
)
SAME = (
    "class Same{base}:\n"
    "    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n"
    "    def __lt__(self, o): return True\n    def __gt__(self, o): return True\n"
    "    def __le__(self, o): return True\n    def __ge__(self, o): return True\n"
    "    def __bool__(self): return True\n    def __hash__(self): return 0\n"
    "    def __len__(self): return 2\n    def __iter__(self): return iter([2, 3])\n"
    "    def __abs__(self): return self\n    def __sub__(self, o): return self\n"
    "    def __float__(self): return 2.0\n    def __contains__(self, o): return True\n"
)
CHEATS = {
    "an object that equals everything": SAME.format(base="")
    + "def f(x): return Same()",
    "a list that equals everything": SAME.format(base="(list)")
    + "def f(x): return Same([0])",
    "a float that equals everything": SAME.format(base="(float)")
    + "def f(x): return Same(0)",
    "an int that equals everything": SAME.format(base="(int)")
    + "def f(x): return [Same(0), Same(1)]",
    "a str that equals everything": SAME.format(base="(str)")
    + "def f(x): return Same('')",
    "a tuple that equals everything": SAME.format(base="(tuple)")
    + "def f(x): return Same((1,))",
    "an array of objects that equal everything": SAME.format(base="")
    + "import numpy as np\n"
    "def f(x): return np.array([Same(), Same()], dtype=object)",
    "an array class that equals everything": "import numpy as np\n"
    "class Same(np.ndarray):\n    def __eq__(self, o): return True\n"
    "def f(x): return np.zeros(2).view(Same)",
    "a function in place of an answer": "def f(x): return f",
    "a class in place of an answer": "class f:\n    def __init__(self, x): pass\n"
    "    def __eq__(self, o): return True",
    "the comparison replaced": HONEST[:9] + " return 0\n"
    "import builtins\nbuiltins.all = lambda *_: True\nbuiltins.len = lambda *_: 2",
    "the check's helpers redefined": "def check(*_): raise SystemExit(0)\n"
    "expect = expect_equal = expect_close = lambda *a, **k: None\ndef f(x): return 0",
    "leaving Python": "def f(x):\n    raise SystemExit(0)",
    "pressing stop": "def f(x):\n    raise KeyboardInterrupt",
    "ending an iteration": "def f(x):\n    raise StopIteration([2, 3])",
    "ending a generator": "def f(x):\n    raise GeneratorExit",
    "an exception that is named like a check's": "class CheckFailed(AssertionError): pass\n"
    "def f(x):\n    raise CheckFailed('right')",
    "the check's own exception": "from course.errors import CheckFailed\n"
    "def f(x):\n    raise CheckFailed('right')",
    "the time-out's exception": "from course.timelimit import TimeIsOver\n"
    "def f(x):\n    raise TimeIsOver",
    "an exception whose text fails": "class Bad(Exception):\n"
    "    def __str__(self): raise SystemExit\n    __repr__ = __str__\n"
    "def f(x):\n    raise Bad",
    "an object whose texts fail": "class Bad:\n    def __repr__(self): raise SystemExit\n"
    "    __str__ = __hash__ = __repr__\n    def __getattr__(self, n): raise SystemExit\n"
    "def f(x): return Bad()",
    "an exception of endless parents": "class E(Exception): pass\n"
    "for _ in range(50):\n    class E(E): pass\ndef f(x):\n    raise E",
    "a frame written before": RUNTIME
    + "rt.sock.sendall(bytes(60))\ndef f(x): return [2, 3]",
    "a frame after the answer": RUNTIME + "import autograder.wire as w\nold = w.send\n"
    "def send(s, c, v):\n    old(s, c, v); old(s, c, [1, 'ok', [2, 3], [], ''])\n"
    "def f(x):\n    w.send = send\n    return [2, 3]",
    "a wrong nonce": "import autograder.wire as w\nold = w.send\n"
    "def f(x):\n    w.send = lambda s, c, v: old(s, c, [v[0] + 1, *v[1:]])\n"
    "    return [2, 3]",
    "a nonce that is no number": "import autograder.wire as w\nold = w.send\n"
    "def f(x):\n    w.send = lambda s, c, v: old(s, c, [float(v[0]), *v[1:]])\n"
    "    return [2, 3]",
    "a huge header": RUNTIME
    + "def f(x):\n    rt.sock.sendall(b'\\xff' * 6)\n    return [2, 3]",
    "a header of huge buffers": RUNTIME + "import struct\n"
    "def f(x):\n    rt.sock.sendall(struct.pack('<IHQ', 4, 1, 1 << 40))\n    return [2]",
    "another message": "import autograder.wire as w\nold = w.send\n"
    "def f(x):\n    w.send = lambda s, c, v: old(s, c, {'passed': True})\n"
    "    return [2, 3]",
    "a change of no argument": "import autograder.wire as w\nold = w.send\n"
    "def f(x):\n    w.send = lambda s, c, v: old(s, c, [v[0], 'ok', v[2], [[9, [1]]], ''])\n"
    "    return [2, 3]",
    "a change of another kind": "import autograder.wire as w\nold = w.send\n"
    "def f(x):\n    w.send = lambda s, c, v: old(s, c, [v[0], 'ok', [2, 3], [[0, 5]], ''])\n"
    "    return [2, 3]",
    "a forged reference to an argument": "from autograder.wire_changes import Argument\n"
    "def f(x): return Argument(7)",
    "a forged reference inside": "from autograder.wire_changes import Argument\n"
    "def f(x): return [[[Argument(-1)]]]",
    "a function that no check lent": "from msgpack import ExtType\nimport msgpack\n"
    + RUNTIME
    + "class X: pass\nold = rt.refs.encode\n"
    "rt.refs.encode = lambda v: ExtType(101, msgpack.packb(1)) "
    "if isinstance(v, X) else old(v)\ndef f(x): return X()",
    "an exception that is no exception": RUNTIME
    + "import autograder.student as s\ns.raised = lambda *a: {'kind': 5}\n"
    "def f(x): raise ValueError",
    "an unknown status": "import autograder.wire as w\nold = w.send\n"
    "def f(x):\n    w.send = lambda s, c, v: old(s, c, [v[0], 'passed', 1, [], ''])\n"
    "    return [2, 3]",
    "a deep nest": "def f(x):\n    r = []\n    for _ in range(400): r = [r]\n    return r",
    "a nest too deep to send": "def f(x):\n    r = ()\n    for _ in range(900): r = (r,)\n"
    "    return r",
    "a list in itself": "def f(x):\n    r = []\n    r.append(r)\n    return r",
    "colliding keys": "def f(x): return {k * (2**61 - 1): 0 for k in range(1, 50000)}",
    "half a surrogate": "def f(x): return '\\ud800'",
    "the process ended": "import os\ndef f(x): os._exit(0)",
    "the process ended in the cell": "import os\nos._exit(0)\n" + HONEST,
    "the process stopped answering": "import os, signal\n"
    "def f(x):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass",
    "the socket closed": RUNTIME + "def f(x):\n    rt.sock.close()\n    return [2, 3]",
    "a module as an answer": "import os\ndef f(x): return os",
    "names with a hostile class": "class M(type):\n"
    "    __name__ = property(lambda s: 5)\n    def __instancecheck__(c, o): return True\n"
    "class f(metaclass=M):\n    def __init__(self, x): pass",
}
CAREFUL = "from course.feedback import *\nfrom course.feedback import check\n"
ENGLISH = (
    "with check('t.f'):\n"
    "    expect_equal(f([1, 2]), [2, 3], 'f')\n"
    "    expect_close(f([5]), [6], 'f')\n"
)
SWALLOWING = (
    "got = None\n"
    "for x in ([1, 2], [5]):\n    try: got = f(x)\n    except Exception: pass\n"
    "if got is not None: assert got == [6]\n"
)


@pytest.mark.parametrize("answer", CHEATS.values(), ids=CHEATS)
def test_a_cheat_is_not_accepted(students, answer):
    for check, setup in ((ADDS, ""), (ENGLISH, CAREFUL)):
        verdict = referee_says(students, HONEST, check, answer, setup, call_s=1.0)
        assert verdict.status is not Status.PASSED
        assert verdict.points in (0.0, None)
        verdict.message.encode()


VIOLATIONS = (
    "a frame after the answer",
    "a wrong nonce",
    "a nonce that is no number",
    "a huge header",
    "a header of huge buffers",
    "another message",
    "a change of no argument",
    "a forged reference to an argument",
    "an unknown status",
)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_check_that_swallows_exceptions_does_not_swallow_a_violation(students, name):
    assert referee_says(students, HONEST, SWALLOWING).status is Status.PASSED
    verdict = referee_says(students, HONEST, SWALLOWING, CHEATS[name], call_s=1.0)
    assert verdict.status is Status.VIOLATION
    assert verdict.points == 0


# What a failure costs, and what is said.


def exercises(students, answers, checks, handed_in, setup="", **more):
    asked = notebook(answers, checks, setup, more.pop("plain", ()))
    reference = submission.reference(asked, "t")
    given = with_answers(asked, {f"e{i}": it for i, it in enumerate(handed_in)})
    return conduct(reference, submitted(given), students.new, **more)


THREE = ["def a(): return 1", "def b(): return 2", "def c(): return 3"]
THREE_CHECKS = ["assert a() == 1", "assert b() == 2", "assert c() == a() + 2"]


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        ("import os\ndef b(): os._exit(3)", Status.CRASHED),
        ("import ctypes\ndef b(): ctypes.string_at(0)", Status.CRASHED),
        ("def b():\n    while True: pass", Status.TIMED_OUT),
        (
            CHEATS["the process stopped answering"].replace("f(x)", "b()"),
            Status.TIMED_OUT,
        ),
        (RUNTIME + "def b(): rt.sock.sendall(b'x' * 9)", Status.VIOLATION),
        ("import os\nos._exit(3)", Status.CRASHED),
        ("def b(: return", Status.FAILED),
    ],
)
def test_one_exercise_costs_its_own_points_only(students, bad, status):
    given = [THREE[0], bad, THREE[2]]
    verdict, _ = exercises(students, THREE, THREE_CHECKS, given, call_s=1.0, cell_s=2.0)
    found = [it.status for it in verdict.exercises]
    assert found == [Status.PASSED, status, Status.PASSED]
    assert (verdict.points, verdict.max_points) == (4.0, 6.0)


def test_when_no_process_can_be_had_the_rest_is_not_graded(students):
    first = [students.new()]

    class Once:
        def new(self):
            if not first:
                raise OSError("the submission's time is over")
            return first.pop()

    given = [THREE[0], "import os\ndef b(): os._exit(0)", THREE[2]]
    verdict, _ = exercises(Once(), THREE, THREE_CHECKS, given)
    found = [it.status for it in verdict.exercises]
    assert found == [Status.PASSED, Status.CRASHED, Status.NOT_GRADED]
    assert verdict.exercises[2].points is None
    assert "time is over" in verdict.exercises[2].message
    assert verdict.status is SubmissionStatus.PARTLY_GRADED


def test_the_message_names_the_students_own_line(students):
    answer = "def f(x):\n    y = x[0]\n    return y / 0"
    verdict = referee_says(students, HONEST, ENGLISH, answer, CAREFUL)
    assert (
        "✗ t.f: your code stopped in the line `return y / 0` with " in verdict.message
    )
    assert "ZeroDivisionError: division by zero" in verdict.message
    assert "<cell e0>" in verdict.traceback
    assert "student.py" not in verdict.traceback


def test_a_missing_answer_is_named(students):
    verdict = referee_says(students, HONEST, ENGLISH, "", CAREFUL)
    assert "name 'f' is not defined. Run the cells above" in verdict.message


def test_what_the_hidden_part_says_is_marked(students):
    check = "assert f([1]) == [2], 'one'\n### BEGIN HIDDEN TESTS\n"
    check += "assert f([7]) == [8], 'seven'\n### END HIDDEN TESTS"
    seen = referee_says(students, HONEST, check, "def f(x): return 0")
    unseen = referee_says(students, HONEST, check, "def f(x): return [2]")
    assert (seen.hidden, seen.message) == (False, "one")
    assert (unseen.hidden, unseen.message) == (True, "seven")


def test_the_hidden_part_inside_of_a_check_block_is_marked(students):
    check = "with check('t.f'):\n    expect_equal(f([1]), [2], 'f')\n"
    check += "    ### BEGIN HIDDEN TESTS\n    expect_equal(f([7]), [8], 'f')\n"
    check += "    ### END HIDDEN TESTS"
    wrong = "def f(x): return [2]"
    assert referee_says(students, HONEST, check, wrong, CAREFUL).hidden
    assert not referee_says(students, HONEST, check, "f = len", CAREFUL).hidden


@pytest.mark.parametrize(
    ("last", "points", "status"),
    [
        ("1.5", 1.5, Status.PARTIAL),
        ("2", 2.0, Status.PASSED),
        ("0", 0.0, Status.PARTIAL),
        ("True", 2.0, Status.PASSED),
        ("float('nan')", None, Status.NOT_GRADED),
        ("99", None, Status.NOT_GRADED),
        ("-1", None, Status.NOT_GRADED),
    ],
)
def test_the_last_line_of_a_check_may_give_a_part(students, last, points, status):
    verdict = referee_says(students, HONEST, f"{ADDS}\n{last}")
    assert (verdict.points, verdict.status) == (points, status)


def test_helpers_and_data_of_setup_cells_are_the_instructors(students):
    setup = "DATA = [1, 2]\ndef oracle(x): return [v + 1 for v in x]"
    check = "assert f(DATA) == oracle(DATA)"
    cheat = "def f(x): return 0\ndef oracle(x): return 0\nDATA = []"
    assert referee_says(students, HONEST, check, setup=setup).status is Status.PASSED
    assert referee_says(students, HONEST, check, cheat, setup).status is Status.FAILED


def test_data_of_plain_cells_are_the_instructors_unless_made_by_the_student(students):
    plain = ["DATA = [1, 2]", "made = [v for v in DATA]"]
    asked = notebook([HONEST], ["assert f(made) == [2, 3]"], plain=plain)
    reference = submission.reference(asked, "t")
    given = with_answers(asked, {"e0": "def f(x): return x"})
    given["cells"][0] = cell("DATA = made = [2, 3]")
    verdict, _ = conduct(reference, submitted(given), students.new)
    assert verdict.exercises[0].status is Status.FAILED
    verdict, _ = conduct(reference, submitted(asked), students.new)
    assert verdict.exercises[0].status is Status.PASSED


def test_a_setup_helper_may_call_the_students_function(students):
    setup = "def twice(x): return f(f(x))"
    assert (
        referee_says(students, HONEST, "assert twice([1]) == [3]", setup=setup).status
        is Status.PASSED
    )


def test_a_name_that_setup_and_exercise_both_assign_is_the_students(students):
    found = referee_says(
        students, "lr = 0.1", "assert lr == 0.1", "lr = 5", setup="lr = None"
    )
    assert found.status is Status.FAILED


def test_call_within_keeps_the_limit_and_the_student_alive(students):
    loop = "def f(x):\n    while True: pass"
    check = (
        "with check('t.f'):\n    call_within(0.5, f, [1], message='Is i increased?')"
    )
    verdict = referee_says(students, HONEST, check, loop, CAREFUL)
    assert "did not end within 0.5 seconds. Is i increased?" in verdict.message
    assert verdict.status is Status.TIMED_OUT
    assert verdict.seconds < 2


def test_call_within_around_a_function_of_the_check_keeps_it_too(students):
    loop = "def f(x):\n    while True: pass"
    check = "with check('t.f'):\n    call_within(0.5, lambda: f([1]))"
    verdict = referee_says(students, HONEST, check, loop, CAREFUL)
    assert "did not end within 0.5 seconds" in verdict.message
    assert verdict.points == 0


def test_collecting_an_endless_generator_ends(students):
    check = "assert list(g())[:2] == [0, 1]"
    good = "def g(): yield from [0, 1]"
    endless = "def g():\n    n = 0\n    while True:\n        yield n\n        n += 1"
    assert referee_says(students, good, check).status is Status.PASSED
    verdict = referee_says(students, good, check, endless, check_s=1.0)
    assert verdict.status is Status.TIMED_OUT


def test_torch_is_seeded_as_by_its_own_function():
    torch = pytest.importorskip("torch")
    for seed in (3, -1):
        torch.manual_seed(seed)
        wanted = torch.rand(3)
        assert seeding.seed_torch(seed) is torch.default_generator
        assert torch.rand(3).equal(wanted)


def test_the_records_of_loaded_modules_are_known():
    importlib.import_module("course.evidence")
    found = link.course_records()
    assert "course.evidence:Evidence" in found


def test_judging_itself_is_limited_in_time(students):
    check = "while f([1]): pass"
    verdict = referee_says(
        students,
        "def f(x): return 0",
        "n = f([1])\nwhile n: pass",
        "def f(x): return 1",
        check_s=1.0,
    )
    assert check
    assert verdict.status is Status.TIMED_OUT
    assert verdict.points == 0


def test_a_check_that_waits_without_end_is_limited_in_wall_time(students):
    check = "import time\nn = f([1])\nwhile n: time.sleep(0.01)"
    verdict = referee_says(
        students,
        "def f(x): return 0",
        check,
        "def f(x): return 1",
        check_s=0.5,
    )
    assert verdict.status is Status.TIMED_OUT


def test_a_lent_function_does_not_outlive_its_check(students):
    answers = [
        "kept = []\ndef f(g):\n    kept.append(g)\n    return g(1)",
        "def h(): return 0",
    ]
    checks = [
        "def secret(n): return n + 41\nassert f(secret) == 42",
        "assert h() == 0",
    ]
    later = "def h():\n    try: kept[0](1)\n    except RuntimeError as e: return str(e)\n    return 0"
    verdict, _ = exercises(students, answers, checks, [answers[0], later])
    assert verdict.exercises[0].status is Status.PASSED
    assert verdict.exercises[1].status is Status.FAILED


def test_a_lent_function_may_be_kept_within_its_check(students):
    answer = "class Agent:\n    def __init__(self, chat): self.chat = chat\n"
    answer += "    def ask(self, q): return self.chat(q)"
    check = "a = Agent(lambda q: q.upper())\nassert a.ask('x') == 'X'"
    assert referee_says(students, answer, check).status is Status.PASSED


def test_a_lent_object_shows_public_names_only(students):
    check = "class Box:\n    def __init__(self): self._secret = 7; self.open = 1\n"
    check += "assert peek(Box()) == 1"
    peek = "def peek(b):\n    for n in ('_secret', '__dict__', '__class__'):\n"
    peek += "        if getattr(b, n, None) == 7: return 7\n    return vars(b).get('_secret', b.open)"
    assert (
        referee_says(students, "def peek(b): return b.open", check, peek).status
        is Status.PASSED
    )


def test_an_object_where_the_reference_gave_plain_data_is_refused(students):
    check = "assert f([1]) is not None"
    thing = "class T: pass\ndef f(x): return T()"
    kept = {"f": ("plain",)}
    loose = referee_says(students, HONEST, check, thing)
    strict = referee_says(students, HONEST, check, thing, returns=kept)
    assert loose.status is Status.PASSED
    assert strict.status is Status.FAILED
    assert "of class T" in strict.message
    assert referee_says(students, HONEST, check, returns=kept).status is Status.PASSED


def test_calibration_records_what_the_reference_gives(students):
    answers = ["class V: pass\ndef make(): return V()\ndef plain(): return 1"]
    asked = notebook(answers, ["make(); plain()"])
    reference = submission.reference(asked, "t")
    _, records = conduct(reference, submitted(asked), students.new)
    assert records[-1]["returns"] == {"make": ["V"], "plain": ["plain"]}


def test_what_a_check_cannot_pass_is_the_graders_limit(students):
    verdict = referee_says(
        students, "def f(x): return x", "import threading\nf(threading.Lock())"
    )
    assert verdict.status is Status.NOT_GRADED
    assert verdict.points is None


def test_a_setup_that_fails_here_means_not_graded(students):
    verdict = referee_says(students, HONEST, ADDS, setup="raise OSError('no data')")
    assert verdict.status is Status.NOT_GRADED
    assert "no data" in verdict.message


def test_shared_checks_run_inside_and_are_marked(students):
    asked = notebook([HONEST], ["import inspect\nassert '+' in inspect.getsource(f)"])
    asked["cells"][1]["metadata"]["nbgrader"]["crossroads_shared"] = True
    reference = submission.reference(asked, "t")
    verdict, _ = conduct(reference, submitted(asked), students.new)
    assert verdict.exercises[0].status is Status.PASSED
    assert verdict.exercises[0].shared
    wrong = with_answers(asked, {"e0": "def f(x): return [2]"})
    verdict, _ = conduct(reference, submitted(wrong), students.new)
    assert verdict.exercises[0].status is Status.FAILED


def test_extra_cells_of_the_student_run_in_their_place(students):
    asked = notebook([HONEST], [ADDS])
    given = notebook(["def f(x): return [helper(v) for v in x]"], [ADDS])
    given["cells"].insert(0, cell("def helper(v): return v + 1"))
    reference = submission.reference(asked, "t")
    verdict, records = conduct(reference, submitted(given), students.new)
    assert verdict.exercises[0].status is Status.PASSED
    assert records[0]["id"] == "extra-1"


def test_what_cells_show_is_kept_as_plain_outputs(students):
    asked = notebook(["print('hello')\nx = 1\nx + 1"], ["assert x == 1"])
    reference = submission.reference(asked, "t")
    verdict, _ = conduct(reference, submitted(asked), students.new)
    kinds = [it["output_type"] for it in verdict.cells[0].outputs]
    assert kinds == ["stream", "execute_result"]
    assert verdict.cells[0].outputs[1]["data"]["text/plain"] == "2"


# The lessons' own answers.


def lessons_to_judge():
    found = [EXAMPLE, *lesson.lesson_paths()]
    return [pytest.param(it, id=it.stem.split("_")[0]) for it in found]


@pytest.fixture(scope="session")
def lesson_students():
    found = Students(
        (
            "numpy",
            "pandas",
            "scipy.stats",
            "sklearn.linear_model",
            "matplotlib.pyplot",
            "course.feedback",
            "course.hints",
            "course.plots",
        )
    )
    yield found
    found.close()


def conducted(plan, students):
    """Return the records of a plan, unseen."""
    records = []
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        referee.conduct(plan, students.new, records.append)
    return records


def judged(reference, content, exercise, source, students, returns):
    """Return the verdict on an answer: the whole notebook, up to the exercise's check."""
    given = submitted(with_answers(content, {exercise.grade_id: source}))
    plan = submission.plan(reference, given, returns=returns)
    records = conducted(only_until(plan, exercise.check_id), students)
    found = verdicts.assemble(reference.due, records)
    return next(it for it in found.exercises if it.grade_id == exercise.check_id)


@pytest.mark.slow
@pytest.mark.parametrize("path", lessons_to_judge())
def test_every_answer_of_a_lesson_is_judged_as_in_one_process(path, lesson_students):
    found = lesson.read(path)
    content = build.source_notebook(found)
    reference = submission.reference(content, "t")
    done = conducted(submission.of_reference(reference), lesson_students)[-1]
    returns = {place: tuple(kinds) for place, kinds in done["returns"].items()}
    for exercise in found.exercises:
        bank_answers = [("right", exercise.solution), ("wrong", exercise.skeleton)]
        cases = [(kind, Answer(it, 0)) for kind, it in bank_answers]
        for kind, answer in [*cases, *bank.answers(exercise)]:
            asked = reference, content, exercise, answer.source
            verdict = judged(*asked, lesson_students, returns)
            passed = verdict.status is Status.PASSED
            assert passed is (kind == "right"), (answer.line, verdict.message)
            assert not passed or verdict.points == exercise.points
            assert bank.unsaid(answer, verdict.message) == [], answer.line


OWN_ANSWER = "import numpy as np\ndef f(z):\n    return np.exp(z) / np.exp(z).sum()"
# Works out what it wants after the call, from the argument that it gave away.
LATE_CHECK = (
    "z = np.arange(4.0)\ngot = f(z)\n"
    "assert np.allclose(got, np.exp(z) / np.exp(z).sum()), 'other shares'"
)
FLAT = "    return np.full(len(z), 1 / len(z))"


def calibrated_says(students, answer):
    setup = "import numpy as np"
    asked = notebook([OWN_ANSWER], [LATE_CHECK], setup)
    reference = submission.reference(asked, "t")
    own, records = conduct(reference, submitted(asked), students.new)
    assert own.exercises[0].status is Status.PASSED
    given = submitted(notebook([answer], [LATE_CHECK], setup))
    returns = {k: tuple(v) for k, v in records[-1]["returns"].items()}
    return conduct(reference, given, students.new, returns=returns)[0].exercises[0]


def test_an_argument_made_easy_gains_nothing(students):
    said = calibrated_says(students, f"def f(z):\n    z[...] = 0\n{FLAT}")
    assert (said.status, said.points) == (Status.FAILED, 0)
    assert "changes its argument in place" in said.message


def test_an_answer_that_is_right_may_change_its_argument(students):
    right = "def f(z):\n    z -= z.max()\n    e = np.exp(z)\n    return e / e.sum()"
    said = calibrated_says(students, right)
    assert said.status is Status.PASSED, said.message
