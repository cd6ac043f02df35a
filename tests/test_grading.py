"""A class is graded once, whatever it handed in and however often it is interrupted."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from grading_tools import NAME, asked, by_student, grade, hand_in, notebook, room_in

from autograder import grading, intake, judging
from autograder.journal import NOT_SUBMITTED, Journal, table
from autograder.judging import Assignment
from course.errors import ClassroomError, CrossroadsError, SandboxError

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _workers_find_the_fake_grader(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{HERE}{os.pathsep}{HERE.parent}")


@pytest.fixture
def room(tmp_path):
    return room_in(tmp_path)


def points(report):
    return {
        row.student: row.verdict and row.verdict.points
        for row in report.rows
        if row.key is not None
    }


def exported(room):
    with Journal(room.folder / grading.JOURNAL) as kept:
        return table(kept.rows())


def test_everybody_gets_what_is_right(room):
    hand_in(room, "ann", "right", "right")
    hand_in(room, "bob", "wrong", "right")
    report = grade(room, processes=2)
    assert points(report) == {"ann": 3.0, "bob": 2.0}
    assert (report.judged, report.kept) == (2, 0)


def test_a_second_run_starts_no_worker(room):
    hand_in(room, "ann")
    grade(room)
    broken = asked(room, refuse=True)
    report = grade(room, assignments=broken)
    assert (report.judged, report.kept) == (0, 1)


def test_only_what_changed_is_judged_again(room):
    hand_in(room, "ann")
    hand_in(room, "bob")
    grade(room)
    hand_in(room, "ann", "right", "right")
    report = grade(room)
    assert (report.judged, report.kept) == (1, 1)
    assert points(report) == {"ann": 3.0, "bob": 1.0}


def test_a_changed_lesson_is_judged_again(room):
    hand_in(room, "ann")
    grade(room)
    (old,) = asked(room)
    new = Assignment(NAME, old.source + b" ", old.kind)
    assert grade(room, assignments=[new]).judged == 1


def test_a_changed_grader_judges_again(room, monkeypatch):
    hand_in(room, "ann")
    grade(room)
    monkeypatch.setattr(judging, "grader_version", lambda: b"another")
    assert grade(room).judged == 1


def test_the_same_bytes_are_judged_once(room):
    log = room.folder / "log"
    for student in ("ann", "bob", "eve"):
        hand_in(room, student, "right", "right")
    report = grade(room, assignments=asked(room, log=str(log)))
    assert points(report) == dict.fromkeys(("ann", "bob", "eve"), 3.0)
    assert len(log.read_text().splitlines()) == 2  # the reference, and one of three


def test_who_handed_in_nothing_is_not_submitted(room):
    hand_in(room, "ann")
    (room.folder / "submitted" / "bob" / NAME).mkdir(parents=True)
    report = grade(room, writer=FakeWriter({"ann", "bob", "eve"}))
    rows = by_student(report)
    assert {it for it in rows if rows[it].key is None} == {"bob", "eve"}
    assert f"{NAME},eve,{NOT_SUBMITTED}" in exported(room)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"{"), "not JSON"),
        (lambda path: path.write_bytes(b"[" * 10**6), "nested|values"),
        (lambda path: path.rename(path.with_name("Untitled.ipynb")), "Untitled"),
        (lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "link"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "regular"),
        (lambda path: (path.unlink(), path.mkdir()), "regular"),
    ],
)
def test_what_cannot_be_read_is_rejected_by_name(room, make, reason):
    make(hand_in(room, "ann"))
    (row,) = grade(room).rows
    assert row.verdict.status == "rejected"
    assert row.verdict.points is None
    assert row.verdict.max_points == 3.0
    assert any(it in row.verdict.reason for it in reason.split("|"))


def test_no_link_leads_out_of_submitted(room, tmp_path):
    outside = room_in(tmp_path / "outside")
    hand_in(outside, "sol", "right", "right")
    solution = outside.folder / "submitted" / "sol"
    top = room.folder / "submitted"
    (top / "ann").mkdir(parents=True)
    (top / "ann" / NAME).symlink_to(solution / NAME)
    (top / "bob").symlink_to(solution)
    report = grade(room)
    (row,) = report.rows
    assert (row.student, row.verdict.status) == ("ann", "rejected")
    assert "symbolic link" in row.verdict.reason
    assert [it.name for it in report.strange] == ["bob"]


@pytest.mark.parametrize("name", ["a b", "-rf", "a\nb", "=cmd", "x" * 200, "é\u202e"])
def test_a_name_that_is_no_students_is_named_and_not_looked_into(room, name):
    (room.folder / "submitted" / name / NAME).mkdir(parents=True)
    report = grade(room)
    assert report.rows == ()
    assert [it.name for it in report.strange] == [name]


def test_a_folder_that_becomes_a_link_is_not_followed(room):
    path = hand_in(room, "ann")
    path.parent.rename(room.folder / "elsewhere")
    path.parent.symlink_to(room.folder / "elsewhere")
    with pytest.raises(intake.Rejected, match="cannot be opened"):
        intake.read(room.folder, "ann", NAME)


def test_who_kills_the_judging_process_is_set_aside_and_stops_nobody(room):
    hand_in(room, "poison", "die", "right")
    for n in range(5):
        hand_in(room, f"s{n}", "right", f"right {n}")
    report = grade(room, processes=2, threads=2)
    rows = by_student(report)
    assert rows["poison"].verdict.status == "error"
    assert "died 3 times" in rows["poison"].verdict.reason
    assert rows["poison"].verdict.points is None
    assert {rows[f"s{n}"].verdict.points for n in range(5)} == {3.0}
    assert grade(room).judged == 0
    assert grade(room, retry=True).judged == 1


def test_a_bug_of_the_grader_costs_one_submission_and_is_tried_again(room):
    hand_in(room, "ann", "raise")
    hand_in(room, "bob", "right", "right")
    report = grade(room)
    assert points(report) == {"ann": None, "bob": 3.0}
    assert "a bug" in by_student(report)["ann"].verdict.reason
    assert grade(room).judged == 1


def test_what_has_no_verdict_is_not_graded_and_can_be_tried_again(room):
    hand_in(room, "ann", "right", "lose")
    (row,) = grade(room).rows
    assert row.verdict.status == "partly_graded"
    assert [it.points for it in row.verdict.exercises] == [1.0, None]
    assert grade(room).judged == 0
    assert grade(room, retry=True).judged == 1


def test_nobody_is_judged_by_a_reference_that_fails(room):
    hand_in(room, "ann", "right", "right")
    asks = [Assignment(NAME, notebook("right", "wrong"), "plain")]
    (row,) = grade(room, assignments=asks).rows
    assert row.verdict.status == "error"
    assert "do not get full marks" in row.verdict.reason


def test_without_a_sandbox_nothing_is_judged(room):
    hand_in(room, "ann")
    with pytest.raises(SandboxError, match="no sandbox here"):
        grade(room, assignments=asked(room, refuse=True))
    assert points(grade(room)) == {"ann": 1.0}


def test_workers_that_die_at_once_are_not_started_for_ever(room):
    hand_in(room, "ann")
    with pytest.raises(ClassroomError, match="die at once"):
        grade(room, assignments=asked(room, crash=True))
    assert points(grade(room)) == {"ann": 1.0}  # nobody is to blame


def test_a_grader_that_cannot_start_blames_nobody(room):
    hand_in(room, "ann")
    asks = [Assignment(NAME, b"{}", "plain")]
    with pytest.raises(CrossroadsError, match="cells"):
        grade(room, assignments=asks)
    assert points(grade(room)) == {"ann": 1.0}


def test_another_grading_of_the_classroom_is_refused(room):
    lock = grading.filelock.FileLock(room.folder / ".grading.lock")
    with lock, pytest.raises(ClassroomError, match="another grading"):
        grade(room)


class FakeWriter:
    """A gradebook in memory."""

    name = "memory"

    def __init__(self, known=()):
        self.known, self.held = set(known), Counter()

    def present(self):
        return set(self.held)

    def students(self):
        return self.known

    def write(self, row, timestamp):
        self.held[row.assignment, row.student] += 1
        return timestamp


def test_the_gradebook_gets_each_verdict_once(room):
    writer = FakeWriter()
    for student in ("ann", "bob"):
        hand_in(room, student)
    hand_in(room, "eve").write_bytes(b"")
    for _ in range(2):
        grade(room, writer=writer)
    assert set(writer.held.values()) == {1}
    assert len(writer.held) == 3


def test_a_gradebook_that_lost_a_submission_gets_it_again(room):
    hand_in(room, "ann")
    grade(room, writer=FakeWriter())
    writer = FakeWriter()
    grade(room, writer=writer)
    assert writer.held == {(NAME, "ann"): 1}


def started(room):
    return subprocess.Popen(
        [sys.executable, str(HERE / "grading_tools.py"), str(room.folder)],
        cwd=HERE.parent,
        start_new_session=True,
    )


def family(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_or_done_twice(room, tmp_path):
    calm = room_in(tmp_path / "calm")
    for n in range(12):
        answers = "right" if n % 3 else "wrong", f"right sleep 0.05 {n}"
        for it in (room, calm):
            hand_in(it, f"s{n}", *answers)
    grade(calm, processes=2)
    rng, orphans, kills = random.Random(3), [], 0
    while kills < 3:
        process = started(room)
        wait_for_a_verdict(room)
        time.sleep(rng.uniform(0, 0.3))
        orphans += family(process)
        if process.poll() is None:
            kills += 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        if kills < 3:
            assert "not_graded_yet" in exported(room)
    assert started(room).wait() == 0
    assert exported(room) == exported(calm)
    _, alive = psutil.wait_procs(orphans, timeout=5)
    assert orphans
    assert not alive


def wait_for_a_verdict(room):
    """Wait until one submission more has been judged."""
    path = room.folder / "log"
    count = len(path.read_text()) if path.exists() else 0
    for _ in range(600):
        if path.exists() and len(path.read_text()) > count:
            return
        time.sleep(0.02)
