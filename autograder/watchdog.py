"""Wall-clock limits in a process whose SIGALRM belongs to the code that it runs."""

import ctypes
import functools
import signal
import threading
import time
from typing import Protocol

_LOOKS_S = 0.5  # how often the thread looks
_CLOCK_MONOTONIC, _SIGEV_THREAD_ID = 1, 4


class Watchdog(Protocol):
    """Sends SIGPROF to the main thread when a limit has passed, once."""

    def set(self, seconds: float) -> None:
        """Ring in so many seconds; call it in the main thread."""

    def clear(self) -> None:
        """Ring no more; a ring may be on its way."""

    def close(self) -> None:
        """Be of no more use."""


def watchdog() -> Watchdog:
    """Return one: of the kernel's timers where Python reaches them, or a thread."""
    return ByThread() if _libc() is None else ByTimer()


class ByTimer:
    """A POSIX timer (Linux with glibc 2.34): nothing else is started."""

    def __init__(self) -> None:
        """Make the timer with the first limit."""
        self._timer: ctypes.c_void_p | None = None

    def set(self, seconds: float) -> None:
        """Ring in so many seconds; call it in the main thread.

        Raises:
            OSError: the kernel has no timer left.
        """
        if self._timer is None:
            self._timer = _made()
        self._set(max(seconds, 1e-6))

    def clear(self) -> None:
        """Ring no more; a ring may be on its way."""
        if self._timer is not None:
            self._set(0.0)

    def close(self) -> None:
        """Take the timer back."""
        timer, self._timer = self._timer, None
        if timer is not None:
            _called("timer_delete", timer)

    def _set(self, seconds: float) -> None:
        whole = int(seconds)
        spec = _Spec(0, 0, whole, int((seconds - whole) * 1e9))
        _called("timer_settime", self._timer, 0, ctypes.byref(spec), None)


class ByThread:
    """A thread that sleeps and looks: a limit may ring half a second late.

    To start one for each check, or to wake it, costs more than most checks.
    """

    def __init__(self) -> None:
        """Watch nothing yet; the thread starts with the first limit."""
        self._limit = float("inf")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def set(self, seconds: float) -> None:
        """Ring in so many seconds; call it in the main thread."""
        self._limit = time.monotonic() + seconds
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def clear(self) -> None:
        """Ring no more; a ring may be on its way."""
        self._limit = float("inf")

    def close(self) -> None:
        """End the thread."""
        self._over.set()

    def _watch(self) -> None:
        main = threading.main_thread().ident
        while not self._over.wait(_LOOKS_S):
            if time.monotonic() > self._limit and main is not None:
                self.clear()
                signal.pthread_kill(main, signal.SIGPROF)


# ---------------------------------------------------------------- the kernel's timers


class _Event(ctypes.Structure):
    """`struct sigevent`, with the thread that gets the signal."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("rest", ctypes.c_char * 44),
    )


class _Spec(ctypes.Structure):
    """`struct itimerspec`: the interval and the time until the first ring."""

    _fields_ = tuple(
        (name, ctypes.c_long)
        for name in ("interval_s", "interval_ns", "value_s", "value_ns")
    )


@functools.cache
def _libc() -> ctypes.CDLL | None:
    try:
        found = ctypes.CDLL(None, use_errno=True)
        found.timer_create, found.timer_settime, found.timer_delete  # noqa: B018
    except (OSError, AttributeError, TypeError):  # TypeError: Windows
        return None
    return found


def _made() -> ctypes.c_void_p:
    thread = threading.get_native_id()  # a forked process's main thread has its own
    event = _Event(None, signal.SIGPROF, _SIGEV_THREAD_ID, thread)
    timer = ctypes.c_void_p()
    _called("timer_create", _CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer))
    return timer


def _called(name: str, *arguments: object) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")
