"""The journal keeps the first verdict, exposes poison, and exports the same bytes."""

import csv
import io
import sqlite3

import pytest

from autograder import journal
from autograder.journal import Journal, Record, Row, key_of, table
from autograder.verdicts import (
    Due,
    ExerciseVerdict,
    Status,
    SubmissionStatus,
    SubmissionVerdict,
    failed,
    rejected,
)
from course.errors import ClassroomError

DUE = (Due("e0_check", 2.0),)


def verdict(message="", points=2.0, seconds=0.5):
    status = Status.FAILED if message else Status.PASSED
    exercise = ExerciseVerdict(
        "e0_check", status, points, 2.0, message, seconds=seconds
    )
    return SubmissionVerdict(SubmissionStatus.GRADED, exercises=(exercise,))


@pytest.fixture
def kept(tmp_path):
    with Journal(tmp_path / "grading.db") as it:
        yield it


def test_the_key_depends_on_every_part():
    parts = [b"notebook", b"reference", b"grader"]
    keys = {key_of(*parts)}
    for n in range(3):
        keys.add(key_of(*parts[:n], b"other", *parts[n + 1 :]))
    assert len(keys) == 4


def test_the_first_verdict_stays(kept):
    kept.record("k", verdict())
    kept.record("k", verdict("another", 0.0))
    assert kept.verdict("k") == verdict()
    assert kept.is_settled("k")


def test_a_verdict_of_a_grader_that_failed_makes_room(kept):
    kept.record("k", failed(DUE, "no sandbox"))
    assert not kept.is_settled("k")
    kept.record("k", verdict())
    assert kept.verdict("k") == verdict()


def test_every_commit_is_on_the_disk(tmp_path):
    with Journal(tmp_path / "j.db") as kept:
        assert kept._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert kept._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_attempt_that_a_kill_cut_short_counts_when_it_is_opened_again(tmp_path):
    for _ in range(2):
        with Journal(tmp_path / "j.db") as kept:
            kept.begin("k", "a", "s", alone=False)
    with Journal(tmp_path / "j.db") as kept:
        assert kept.past("k") == Record(ends=2)
        assert kept.past("k").is_suspect


def test_an_attempt_that_was_stopped_on_purpose_does_not_count(tmp_path, kept):
    kept.end(kept.begin("k", "a", "s", alone=False), "stopped")
    attempt = kept.begin("k", "a", "s", alone=False)
    kept.record("k", verdict(), attempt=attempt)
    assert kept.past("k") == Record()


@pytest.mark.parametrize(
    ("record", "is_aside"),
    [
        (Record(deaths=2), False),
        (Record(deaths=3), True),
        (Record(ends=50, alone=9), False),
        (Record(ends=10, alone=10), True),
    ],
)
def test_poison_is_set_aside(record, is_aside):
    assert bool(record.reason) is is_aside
    assert not is_aside or "set aside" in record.reason


def test_to_forget_forgives(kept):
    for _ in range(3):
        kept.end(kept.begin("k", "a", "s", alone=True), "died")
    kept.record("k", failed(DUE, kept.past("k").reason), final=True)
    assert kept.is_settled("k")
    kept.forget("k")
    assert not kept.is_settled("k")
    assert kept.past("k") == Record()


def test_the_table_says_what_each_got_in_one_order(kept):
    kept.record("k1", verdict("<f at 0x7f00aa11bb22> is wrong", 0.0))
    kept.record("k2", rejected(DUE, "empty"))
    places = [
        ("a", "zoe", "k1"),
        ("a", "bob", "k2"),
        ("a", "eve", None),
        ("b", "x", "k9"),
    ]
    kept.take_stock(["a", "b"], places)
    text = table(kept.rows())
    found = list(csv.DictReader(io.StringIO(text)))
    shown = [(it["student"], it["submission"], it["points"]) for it in found]
    assert shown == [
        ("bob", "rejected", ""),
        ("eve", "not_submitted", ""),
        ("zoe", "graded", "0"),
        ("x", "not_graded_yet", ""),
    ]
    assert found[2]["message"] == "<f at 0x…> is wrong"


def test_the_table_holds_no_times_and_no_formulas():
    rows = [Row("a", "s", "k", verdict("=cmd()|x", 0.0, seconds=n)) for n in (1, 2)]
    assert table(rows[:1]) == table(rows[1:])
    assert "'=cmd()|x" in table(rows)


def test_stock_is_taken_of_the_assignments_that_were_looked_at(kept):
    kept.take_stock(["a", "b"], [("a", "s", "k"), ("b", "s", "k")])
    kept.take_stock(["a"], [])
    assert [row.assignment for row in kept.rows()] == ["b"]


def test_a_gradebook_lacks_what_changed_or_is_gone(kept):
    kept.record("k", verdict())
    kept.take_stock(["a"], [("a", "s", "k")])
    (row,) = kept.unwritten("db", ["a"], set())
    kept.wrote("db", row)
    held = {("a", "s")}
    assert list(kept.unwritten("db", ["a"], held)) == []
    assert list(kept.unwritten("db", ["a"], set())) == [row]
    assert list(kept.unwritten("other", ["a"], held)) == [row]
    kept.record("k2", verdict("no", 0.0))
    kept.take_stock(["a"], [("a", "s", "k2")])
    assert [it.key for it in kept.unwritten("db", ["a"], held)] == ["k2"]


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "j.db").write_text("not a database at all, but text " * 99)
    with pytest.raises(ClassroomError, match="cannot be used"):
        Journal(tmp_path / "j.db")
    db = sqlite3.connect(tmp_path / "other.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ClassroomError, match="version 99"):
        Journal(tmp_path / "other.db")


def test_lone_surrogates_are_kept_as_question_marks(kept):
    kept.record("k", verdict("\ud800", 0.0))
    assert kept.verdict("k").exercises[0].message == "?"


def test_the_columns_are_the_tables(kept):
    assert table([]).strip().split(",") == list(journal.COLUMNS)
