"""The learner's log: local, readable, robust, deletable."""

import json

import pytest

from course import progress
from course.errors import CrossroadsError


def test_an_event_is_one_line_of_json():
    progress.record("hint", "a1.softmax", rung=1)
    line = json.loads(progress.log_path().read_text())
    assert (line["event"], line["key"], line["rung"]) == ("hint", "a1.softmax", 1)
    assert line["time"].endswith("+00:00")


def test_failures_are_counted_since_the_last_success():
    fail = {"passed": False}
    assert progress.record_attempt("a1.x", **fail) == 1
    assert progress.record_attempt("a1.x", **fail) == 2
    assert progress.record_attempt("a1.x", passed=True) == 0
    assert progress.record_attempt("a1.x", **fail) == 1
    assert progress.states()["a1.x"] == progress.ExerciseState(4, True, 0)


def test_a_torn_line_is_passed_over():
    progress.record("hint", "a1.x", rung=1)
    with progress.log_path().open("a") as log:
        log.write('{"time": "2026-01-01T0')
    assert progress.hints_taken("a1.x") == 1


def test_an_event_after_a_torn_line_is_not_lost():
    progress.record("hint", "a1.x", rung=1)
    with progress.log_path().open("a") as log:
        log.write('{"time": "2026-01-01T0')
    progress.record("hint", "a1.x", rung=2)
    assert progress.hints_taken("a1.x") == 2


def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CROSSROADS_HOME", str(tmp_path / "file"))
    progress.record("hint", "a1.x", rung=1)
    assert "could not be noted" in capsys.readouterr().err


def test_the_outcome_is_told_beside_the_prediction(capsys):
    progress.record("prediction", "a1.guess", answer="b", confidence=0.7)
    progress.outcome("a1.guess", "c")
    assert "You said 'b', 70% sure; the figure says 'c'" in capsys.readouterr().out


def test_again_takes_1_to_5(capsys):
    progress.again("a1", 0)
    assert list(progress.events()) == []
    progress.again("a1", 4)
    assert next(progress.events()).fields == {"answer": 4}
    with pytest.raises(CrossroadsError, match="1 \\(never\\) to 5"):
        progress.again("a1", 6)


def test_the_log_can_be_deleted():
    progress.record("hint", "a1.x", rung=1)
    assert progress.forget()
    assert not progress.forget()
