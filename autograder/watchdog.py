"""Wall-clock limits in a process whose SIGALRM belongs to the code that it runs."""

import signal
import threading
import time

_LOOKS_S = 0.5  # how often the thread looks


class Watchdog:
    """Sends SIGPROF to the main thread when a limit has passed; from one thread.

    That thread only sleeps and looks: to start one for each check, or to wake it, costs
    more than most checks. A limit may ring half a second late.
    """

    def __init__(self) -> None:
        """Watch nothing yet; the thread starts with the first limit."""
        self._limit = float("inf")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def set(self, seconds: float) -> None:
        """Ring in so many seconds, once; call it in the main thread."""
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
