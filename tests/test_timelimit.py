"""A call that takes too long ends, and leaves no alarm behind."""

import signal
import threading
import time

import pytest

from course import timelimit


@pytest.mark.parametrize("limit", [timelimit._by_alarm, timelimit._by_interrupt])
def test_a_loop_is_stopped(limit):
    with pytest.raises(timelimit.TimeIsOver), limit(0.1):
        while True:
            time.sleep(0.01)


def test_a_loop_is_stopped_where_interrupts_are_ignored():
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(timelimit.TimeIsOver), timelimit._by_interrupt(0.1):
            while True:
                time.sleep(0.01)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)


def test_a_quick_call_leaves_no_alarm():
    assert timelimit.call(5, lambda: 3) == 3
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_another_thread_runs_without_a_limit():
    found = []
    thread = threading.Thread(
        target=lambda: found.append(timelimit.call(0.01, lambda: 3))
    )
    thread.start()
    thread.join()
    assert found == [3]
