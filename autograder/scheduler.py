"""The same work on several machines: a Dask `distributed` cluster.

    dask scheduler                                  on one machine
    dask worker tcp://HOST:8786 --nthreads 1        on each, once per core
    autograder grade CLASSROOM --scheduler tcp://HOST:8786

Each worker process holds one grader at a time, put there by a plugin. What crosses the
network is bytes (notebooks) and JSON (verdicts) alone. Dask itself trusts its network:
whoever reaches the scheduler's port can run code on all workers, so use it inside of a
network that you trust, or with its TLS. Python and the libraries must be the same
everywhere; this is checked.
"""

import contextlib
import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from autograder import judging
from autograder.judging import Assignment, Judge, started
from autograder.pool import ENGINE, Outcome, Task
from autograder.verdicts import SubmissionVerdict
from course.errors import ClassroomError, CrossroadsError, SandboxError

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

PLUGIN = "crossroads-grader"
AHEAD = 2  # tasks per thread that are on their way: no worker waits for the next
CONNECT_S = 20
WORKERS_S = 60  # a worker that died is started again, on a busy machine
IDLE_S = 30.0  # without an outcome: are there workers at all?
GONE = "the scheduler is gone: start it and grade again; what was judged is kept"


class Seat:
    """What a worker process of the cluster holds: its assignments and one grader."""

    def __init__(self, factory: str, known: bytes) -> None:
        """Take what `Cluster` packed."""
        self.factory = factory
        found = [Assignment.from_json(it) for it in json.loads(known)]
        self.assignments = {it.name: it for it in found}
        self.kind: str | None = None
        self.judge: Judge | None = None
        self.open = contextlib.ExitStack()
        self.lock = threading.Lock()

    def work(self, name: str, data: bytes) -> bytes:
        """Return the verdict on a notebook's bytes, as JSON; one at a time."""
        with self.lock:
            return self._work(name, data)

    def _work(self, name: str, data: bytes) -> bytes:
        kind = self.assignments[name].kind
        if self.judge is None or kind != self.kind:
            self.close()
            same = [it for it in self.assignments.values() if it.kind == kind]
            self.judge = self.open.enter_context(started(self.factory, same))
            self.kind = kind
        self.judge.prepare(name)
        verdict = self.judge.judge(name, data)
        return json.dumps(verdict.to_json()).encode()

    def close(self) -> None:
        """End the grader."""
        self.judge = None
        self.open.close()


class Cluster:
    """A cluster as `pool.Workers`; use `connected`."""

    def __init__(self, client: "Client") -> None:
        """Take a client whose workers have the plugin."""
        self._client = client
        self._under_way: dict[int, Future] = {}
        self._idle_since = time.monotonic()
        self._done: queue.SimpleQueue[tuple[int, Future]] = queue.SimpleQueue()

    @property
    def free(self) -> int:
        """How many tasks more it takes now."""
        return AHEAD * max(1, sum(self._client.nthreads().values())) - self.busy

    @property
    def busy(self) -> int:
        """How many tasks it is judging."""
        return len(self._under_way)

    def send(self, task: Task) -> None:
        """Give a task to the cluster."""
        key = f"grade-{task.number}-{id(self)}"
        future = self._client.submit(
            _work, task.assignment, task.data, key=key, pure=False, retries=0
        )
        self._under_way[task.number] = future
        future.add_done_callback(lambda it: self._done.put((task.number, it)))

    def wait(self, seconds: float) -> list[Outcome]:
        """Return the outcomes that came, at the latest after so many seconds.

        Raises:
            SandboxError: untrusted code cannot be run on a worker, and why.
            ClassroomError: the scheduler is gone, or a worker fails.
        """
        outcomes = []
        with contextlib.suppress(queue.Empty):
            outcomes.append(self._outcome(*self._done.get(timeout=seconds)))
            while True:
                outcomes.append(self._outcome(*self._done.get_nowait()))
        if outcomes:
            self._idle_since = time.monotonic()
        elif self._client.status != "running":
            raise ClassroomError(GONE)
        elif time.monotonic() - self._idle_since > IDLE_S:
            self._idle_since = time.monotonic()
            if not self._client.nthreads():
                raise ClassroomError(
                    "the cluster has no workers left: start some and grade again; "
                    "what was judged is kept"
                )
        return outcomes

    def _outcome(self, number: int, future: "Future") -> Outcome:
        from distributed import KilledWorker

        del self._under_way[number]
        if future.status == "finished":
            verdict = SubmissionVerdict.from_json(json.loads(future.result()))
            return Outcome(number, verdict)
        if future.status != "error":  # cancelled or lost
            raise ClassroomError(GONE)
        error = future.exception()
        if isinstance(error, KilledWorker):  # it was on several that died
            return Outcome(number, None)
        if isinstance(error, SandboxError):
            raise error
        raise ClassroomError(f"a worker of the cluster failed: {error!r}")


@contextlib.contextmanager
def connected(
    address: str, assignments: Sequence[Assignment], *, factory: str = ENGINE
) -> Iterator[Cluster]:
    """Connect to a scheduler and put a grader's seat on each worker.

    Args:
        address: `tcp://HOST:8786`.
        assignments: all that tasks may name.
        factory: see `judging.started`.

    Raises:
        ClassroomError: no Dask, no scheduler, no worker, or workers that differ.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ClassroomError(
            "`--scheduler` needs Dask: pip install 'crossroads-course[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClassroomError(
            f"no Dask scheduler answers at {address} ({error}): start `dask scheduler` "
            "there, and give its address, tcp://HOST:8786"
        ) from None
    with client:
        known = json.dumps([it.to_json() for it in assignments]).encode()
        client.register_plugin(_plugin(factory, known), name=PLUGIN)
        _require_same(client, address)
        before = _allow_failures(client, 0)
        try:
            yield Cluster(client)
        finally:
            with contextlib.suppress(Exception):  # workers, or all, may be gone
                _allow_failures(client, before)
                client.unregister_worker_plugin(PLUGIN)


def _allow_failures(client: "Client", count: int) -> int:
    """Say how many workers may die of a task before we hear of it; return what was.

    Dask's own number is three; we decide ourselves what to do with a suspect, and
    workers that die a dozen times in a row are at last not started again.
    """

    def change(count: int, dask_scheduler: Any = None) -> int:
        before = int(dask_scheduler.allowed_failures)
        dask_scheduler.allowed_failures = count
        return before

    return int(client.run_on_scheduler(change, count))


def _require_same(client: "Client", address: str) -> None:
    """Hold that there are workers, and that all judge as this machine does."""
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=WORKERS_S)
    versions = client.run(_version)
    if not versions:
        raise ClassroomError(
            f"the scheduler {address} has no workers: start "
            f"`dask worker {address} --nthreads 1` on each machine"
        )
    own = _version()
    strange = sorted(name for name, it in versions.items() if it != own)
    if strange:
        raise ClassroomError(
            f"worker {strange[0]} has another version of Python, of the libraries or of "
            "this grader: install the same on all machines"
        )


def _version() -> str:
    return judging.grader_version().hex()


def _plugin(factory: str, known: bytes) -> Any:
    """Return what puts a seat on a worker; Dask is imported only where it is used."""
    from distributed import WorkerPlugin

    class Plugin(WorkerPlugin):
        name = PLUGIN

        def setup(self, worker: "Worker") -> None:
            from autograder.scheduler import Seat

            worker.crossroads = Seat(factory, known)

        def teardown(self, worker: "Worker") -> None:
            worker.crossroads.close()

    return Plugin()


def _work(name: str, data: bytes) -> bytes:
    from distributed import get_worker

    seat: Seat = get_worker().crossroads
    try:
        return seat.work(name, data)
    except CrossroadsError:
        raise
    except Exception as error:  # noqa: BLE001 - told to whoever grades
        raise SandboxError(f"the grader does not start: {error!r}") from None
