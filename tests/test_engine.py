"""One submission in the sandboxes: what fails costs its own exercise, and no more."""

import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import psutil
import pytest
from engine_tools import ROOT, cells_plan, class_plan, gone, points, said

from autograder import kinds, submission
from autograder.bubblewrap import Kind
from autograder.engine import Caps, Engine
from autograder.limits import Limits
from autograder.probe import Mode
from autograder.sandbox import Setting
from autograder.verdicts import Status, SubmissionStatus
from course import assets, build
from course.errors import SandboxError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is Linux")

BOMBS = {
    "a loop": ("while True: pass", Status.TIMED_OUT),
    "a sleep that no alarm ends": (
        (
            "import signal, time\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
            "    time.sleep(99)"
        ),
        Status.TIMED_OUT,
    ),
    "an exit": ("import os; os._exit(0)", Status.CRASHED),
    "a crash": ("import ctypes; ctypes.string_at(0)", Status.CRASHED),
    "memory": ("x = [0] * (1 << 28)", Status.FAILED),
    "processes": ("import os\n    while True: os.fork()", Status.FAILED),
    "threads": (
        (
            "import threading, time\n"
            "    while True: threading.Thread(target=time.sleep, args=(9,)).start()"
        ),
        Status.FAILED,
    ),
    "output": ("print('x' * (1 << 30))", Status.FAILED),
    "much output": (
        "for _ in range(1 << 10): print('x' * (1 << 20))\n    return 0",
        Status.FAILED,
    ),
    "disk": (
        "f = open('/tmp/x', 'wb')\n    while True: f.write(bytes(1 << 20))",
        Status.FAILED,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_its_own_exercise(engine, name):
    body, status = BOMBS[name]
    call_s = 2.0 if status is Status.TIMED_OUT else 6.0  # another limit ends it before
    two = f"def two():\n    {body}"
    plan = class_plan("def one():\n    return 1", two, call_s=call_s)
    verdict = engine.grade(plan)
    assert points(verdict) == [2.0, 0.0, 2.0], verdict
    assert verdict.exercises[1].status is status, verdict.exercises[1]
    assert verdict.exercises[1].seconds < 8  # a call has its limit, and a little
    assert verdict.status is SubmissionStatus.GRADED


@pytest.mark.parametrize("body", ["while True: pass", "import os; os._exit(0)"])
def test_a_bomb_in_a_cell_costs_its_own_exercise(engine, body):
    verdict = engine.grade(class_plan("def one():\n    return 1", body, cell_s=1.0))
    assert points(verdict) == [2.0, 0.0, 2.0], verdict


def test_the_zygotes_survive_every_bomb(engine):
    before = [engine.sandbox(it).pid for it in Kind]
    engine.grade(class_plan("import os; os._exit(0)", "os.kill(1, 9)"))
    assert [engine.sandbox(it).pid for it in Kind] == before
    assert points(engine.grade(class_plan())) == [2.0] * 3


def test_the_solution_is_full_and_the_skeleton_zero(engine, example_lesson):
    notebook = build.source_notebook(example_lesson, 5)
    reference = submission.reference(notebook, "z1")
    assert engine.grade(submission.of_reference(reference)).points == 3.0
    learner = nbformat.writes(build.learner_notebook(example_lesson)).encode()
    verdict = engine.grade(submission.plan(reference, submission.read(learner)))
    assert (verdict.points, verdict.max_points) == (0.0, 3.0)
    assert verdict.status is SubmissionStatus.GRADED


def test_what_it_took_is_known(engine):
    verdict, usage = engine.measured(class_plan())
    assert verdict.cpu_s == usage.cpu_s
    assert 0 < usage.student_cpu_s < usage.cpu_s < 10
    assert 1000 < usage.peak_kb < 1 << 20
    assert usage.students == 1


def test_the_reference_says_what_its_functions_return(engine):
    verdict, returns = engine.calibrate(class_plan())
    assert verdict.points == 6.0
    assert set(returns) == {"one", "two", "three"}
    assert all(isinstance(it, tuple) and it for it in returns.values())


def test_each_death_is_a_restart(engine):
    verdict, usage = engine.measured(
        class_plan("def one():\n    import os; os._exit(0)")
    )
    assert verdict.restarts == 1
    assert usage.students == 2


def test_a_referee_that_dies_leaves_the_rest_ungraded(engine):
    checks = ["assert one() == 1", "import os; os._exit(3)", "assert three() == 3"]
    verdict = engine.grade(class_plan(checks=checks))
    assert points(verdict) == [2.0, None, None]
    assert verdict.status is SubmissionStatus.PARTLY_GRADED
    assert "exit code 3" in verdict.reason
    assert verdict.max_points == 6.0


def test_a_submission_has_a_time_limit(mode):
    caps = Caps(wall_s=3.0)
    with Engine(Setting(), mode=mode, caps=caps) as own:
        slow = "import time; time.sleep(60)"
        verdict = own.grade(class_plan("def one():\n    return 1", slow))
        assert points(verdict) == [2.0, None, None]
        assert "more than 3 seconds" in verdict.reason
        assert verdict.seconds < 10


def test_a_submission_has_so_many_processes(engine):
    caps = engine.caps
    engine.caps = Caps(students=2)
    try:
        verdict = engine.grade(class_plan(*["import os; os._exit(0)"] * 2))
    finally:
        engine.caps = caps
    assert points(verdict)[2] is None
    assert "ended 2 times" in verdict.exercises[2].message


def test_a_killed_zygote_is_started_again(mode):
    with Engine(Setting(), mode=mode) as own:
        for kind in Kind:
            os.kill(own.sandbox(kind).pid, signal.SIGKILL)
        time.sleep(0.2)
        assert points(own.grade(class_plan())) == [2.0] * 3


def test_a_zygote_killed_at_work_costs_the_student_nothing(mode):
    with Engine(Setting(), mode=mode) as own:
        pid = own.sandbox(Kind.STUDENT).pid
        timer = threading.Timer(1.5, os.kill, (pid, signal.SIGKILL))
        timer.start()
        verdict = own.grade(class_plan("import time; time.sleep(4)", cell_s=20.0))
        timer.join()
        assert points(verdict) == [None] * 3, verdict
        assert "grade again" in verdict.reason
        assert points(own.grade(class_plan())) == [2.0] * 3


def test_a_verdict_comes_even_when_no_sandbox_can_be_had(mode, monkeypatch, tmp_path):
    with Engine(Setting(), mode=mode) as own:
        monkeypatch.setenv("PATH", str(tmp_path))
        own.discard(Kind.STUDENT)
        verdict = own.grade(class_plan())
    assert verdict.status is SubmissionStatus.ERROR
    assert points(verdict) == [None] * 3
    assert "bubblewrap is not installed" in verdict.reason


def test_no_process_is_left(mode):
    before = set(psutil.Process().children(recursive=True))
    with Engine(Setting(), mode=mode, caps=Caps(wall_s=2.0)) as own:
        own.grade(cells_plan("while True: pass"))
        mine = set(psutil.Process().children(recursive=True)) - before
        assert len(mine) >= 4  # two of bubblewrap, two zygotes
    assert gone([it.pid for it in mine])


KILLED = """
import sys
from engine_tools import cells_plan
from autograder.engine import Engine
from autograder.probe import Mode
from autograder.sandbox import Setting
with Engine(Setting(), mode=Mode(sys.argv[1])) as engine:
    print("ready", flush=True)
    engine.grade(cells_plan("while True: pass"))
"""


def test_a_killed_supervisor_leaves_no_process(mode):
    command = [sys.executable, "-c", KILLED, mode]
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/tests"}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        tree = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(tree) >= 6
    assert gone([it.pid for it in tree])


def test_two_threads_share_an_engine(engine):
    found = {}

    def work(number):
        source = (
            f"open('/tmp/mine', 'x').write('{number}')\nimport time; time.sleep(0.3)"
        )
        look = "import os; print(os.listdir('/tmp'), open('/tmp/mine').read())"
        found[number] = said(engine, source, look)

    threads = [threading.Thread(target=work, args=(it,)) for it in range(4)]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert found == {it: f"['mine'] {it}\n" for it in range(4)}


def test_a_mode_that_is_none_of_ours_is_refused():
    with pytest.raises(SandboxError, match="container"):
        Engine(Setting(), mode=Mode.CONTAINER)


def test_folders_of_assets_are_seen_and_cannot_be_written(mode, tmp_path):
    folder = tmp_path / "squad"
    folder.mkdir()
    (folder / "data.txt").write_text("read me")
    with Engine(Setting(assets=(folder,)), mode=mode) as own:
        source = """
import os
place = os.path.join(os.environ["CROSSROADS_CACHE"], "squad")
print(open(f"{place}/data.txt").read())
try: open(f"{place}/x", "w")
except OSError as error: print(error.strerror)
"""
        assert said(own, source) == "read me\nRead-only file system\n"


def test_what_the_zygote_warmed_is_loaded_and_no_name_of_the_students(mode):
    """A notebook that forgot an import fails here as it does anywhere else."""
    setting = Setting(warm=("import colorsys\nleft = [colorsys]",))
    with Engine(setting, mode=mode) as own:
        source = """
import sys
names = "colorsys left sys _ Warm functools dataclass".split()
print([it for it in names if it in globals()])
print("colorsys" in sys.modules)
"""
        assert said(own, source) == "['sys']\nTrue\n"


def test_a_cell_may_wait_at_its_top(engine):
    source = "import asyncio\nawait asyncio.sleep(0)\nprint('waited')"
    assert said(engine, source) == "waited\n"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("found = %who_ls\nprint(type(found).__name__)", "list\n"),
        ("if True:\n    %precision 2\nprint('%d' % 7, 7 != 8)", "7 True\n"),
        ("def f(it): print(it)\n/f 3", "3\n"),
        ("values = [1\n, 2\n]\nprint(7 / 2, len(values))", "3.5 2\n"),
        ('text = """\n; no call\n"""\nprint(text)', "\n; no call\n\n"),
    ],
)
def test_cells_mean_what_they_do_in_a_notebook(engine, cell, shown):
    assert said(engine, cell) == shown


def test_a_figure_is_drawn_again_after_the_fork(mode):
    """The zygote's fonts are open files: matplotlib must forget them in the child."""
    setting = Setting(preload=("matplotlib.pyplot",), warm=(kinds.FIGURE,))
    with Engine(setting, mode=mode) as own:
        source = f"{kinds.FIGURE}\nprint('drawn')"
        assert said(own, source) == "drawn\n"


def test_what_a_package_loads_when_it_is_asked_is_loaded_before_the_fork(mode):
    """Such as transformers' classes; here the classes of `concurrent.futures`."""
    names = ("concurrent.futures.ProcessPoolExecutor", "concurrent.futures.no_such")
    with Engine(Setting(names=names), mode=mode) as own:
        source = "import sys; print('concurrent.futures.process' in sys.modules)"
        assert said(own, source) == "True\n"


@pytest.mark.slow
def test_torch_works_after_the_fork(mode):
    caps = Caps(student=Limits(memory_mb=1536))
    setting = Setting(preload=("torch", "transformers"))
    with Engine(setting, mode=mode, caps=caps) as own:
        source = """
import torch
a = torch.randn(300, 300, requires_grad=True)
(a @ a.T).sum().backward()
print(a.grad.shape, torch.linalg.svd(a.detach())[1].shape, torch.get_num_threads())
"""
        line = "torch.Size([300, 300]) torch.Size([300]) 1\n"
        assert said(own, source) == line
        assert said(own, source) == line


@pytest.mark.slow
@pytest.mark.models
def test_weights_of_the_zygote_are_the_students(mode):
    """A model that was loaded before the fork is not loaded again after it."""
    setting = Setting(
        preload=("torch", "transformers", "course.embed"),
        assets=(assets.path("minilm"),),
        warm=(kinds.WEIGHTS["load_embedder"],),
    )
    with Engine(setting, mode=mode) as own:
        assert own.sandbox(Kind.STUDENT).ready["threads"] == 1
        source = """
from course import embed
before = embed._load.cache_info().currsize
print(before, embed.load_embedder().encode(["a lamp", "a lamp"]).shape)
"""
        assert said(own, source) == "1 (2, 384)\n"
