"""Wall-clock limits from one thread."""

import signal
import threading
import time

import pytest

from autograder.watchdog import Watchdog

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="no signals to a thread here"
)


@pytest.fixture
def rung():
    """Return the list to which each ring adds."""
    rings = []
    old = signal.signal(signal.SIGPROF, lambda *_: rings.append(time.monotonic()))
    yield rings
    signal.signal(signal.SIGPROF, old)


@pytest.fixture
def dog():
    """Return a watchdog that ends with the test."""
    found = Watchdog()
    yield found
    found.close()


def test_a_limit_rings_once_in_the_main_thread(dog, rung):
    dog.set(0.1)
    limit = time.monotonic() + 30
    while not rung and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(1.2)
    assert len(rung) == 1


def test_what_is_cleared_or_set_anew_does_not_ring(dog, rung):
    dog.set(0.3)
    dog.clear()
    dog.set(60)
    time.sleep(1.2)
    assert rung == []


def test_many_limits_take_one_thread(dog):
    before = threading.active_count()
    for _ in range(20):
        dog.set(60)
        dog.clear()
    assert threading.active_count() == before + 1
