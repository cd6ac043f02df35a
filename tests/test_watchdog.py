"""Wall-clock limits: of the kernel's timers, and of a thread."""

import signal
import threading
import time

import pytest

from autograder.watchdog import ByThread, ByTimer, watchdog

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


@pytest.fixture(params=[ByTimer, ByThread])
def dog(request):
    """Return a watchdog that ends with the test."""
    if request.param is ByTimer and not isinstance(watchdog(), ByTimer):
        pytest.skip("this C library has no timers for Python to reach")
    found = request.param()
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


def test_many_limits_take_one_thread_at_most(dog):
    before = threading.active_count()
    for _ in range(20):
        dog.set(60)
        dog.clear()
    assert threading.active_count() <= before + 1


def test_what_was_never_set_can_be_cleared_and_closed(dog):
    dog.clear()
    dog.close()
    dog.close()
