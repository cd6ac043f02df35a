"""A cluster grades as one machine does, also when a worker is killed."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from grading_tools import FACTORY, asked, by_student, grade, hand_in, room_in

from autograder import grading, scheduler
from autograder.journal import Journal, table
from course.errors import ClassroomError, SandboxError

distributed = pytest.importorskip(
    "distributed", reason="the extra `cluster` is missing"
)

HERE = Path(__file__).parent
PATH = f"{HERE}{os.pathsep}{HERE.parent}"


@contextlib.contextmanager
def two_workers():
    """Two worker processes on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PATH)
        with distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",
        ) as made:
            yield made


@pytest.fixture(scope="module")
def cluster():
    with two_workers() as made:
        yield made


@pytest.fixture(autouse=True)
def _workers_find_the_fake_grader(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", PATH)


@pytest.fixture
def room(tmp_path):
    return room_in(tmp_path / "room")


def over(cluster, room, **options):
    """Grade over the cluster with the fake grader."""
    assignments = asked(room, **options)
    return grading.grade_classroom(
        room,
        assignments,
        lambda: scheduler.connected(
            cluster.scheduler_address, assignments, factory=FACTORY
        ),
    )


def exported(room):
    with Journal(room.folder / grading.JOURNAL) as kept:
        return table(kept.rows())


def test_a_killed_worker_costs_nothing(cluster, room, tmp_path):
    alone = room_in(tmp_path / "alone")
    for n in range(12):
        for it in (room, alone):
            hand_in(
                it, f"s{n}", "right", f"{'right' if n % 2 else 'wrong'} sleep 0.1 {n}"
            )
    log = room.folder / "log"
    killed = []

    def kill(row):
        if not killed:
            killed.append(int(log.read_text().splitlines()[-1].split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    class Shown:
        total = staticmethod(lambda count: None)
        advance = staticmethod(kill)

    assignments = asked(room, log=str(log))
    report = grading.grade_classroom(
        room,
        assignments,
        lambda: scheduler.connected(
            cluster.scheduler_address, assignments, factory=FACTORY
        ),
        shown=Shown(),
    )
    grade(alone)
    assert killed
    assert report.judged == 12
    assert exported(room) == exported(alone)


def test_poison_is_set_aside_on_a_cluster_too(room):
    hand_in(room, "poison", "die")
    hand_in(room, "ann", "right", "right")
    with two_workers() as own:  # Dask may give up workers that die again and again
        rows = by_student(over(own, room))
    assert rows["ann"].verdict.points == 3.0
    assert "died 3 times" in rows["poison"].verdict.reason


def test_without_a_sandbox_on_the_workers_nothing_is_judged(cluster, room):
    hand_in(room, "ann")
    with pytest.raises(SandboxError, match="no sandbox here"):
        over(cluster, room, refuse=True)


def test_a_worker_of_another_version_is_refused(cluster, room, monkeypatch):
    hand_in(room, "ann")
    monkeypatch.setattr(scheduler, "_version", lambda: "another")
    monkeypatch.setattr(distributed.Client, "run", lambda *_: {"tcp://w": "one"})
    with pytest.raises(ClassroomError, match="install the same"):
        over(cluster, room)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(scheduler, "CONNECT_S", 1)
    with (
        pytest.raises(ClassroomError, match=r"127.0.0.1:1 .*start `dask scheduler`"),
        scheduler.connected("tcp://127.0.0.1:1", []),
    ):
        pass


def test_without_dask_the_message_says_what_to_install():
    code = """
import sys
sys.modules["distributed"] = None
from autograder import scheduler
scheduler.connected("tcp://127.0.0.1:1", []).__enter__()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ClassroomError" in done.stderr
    assert "[cluster]" in done.stderr
