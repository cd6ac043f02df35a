"""A real OpenAI-compatible server on this machine, as a process of its own.

    info = start()                  # waits until it answers; a second call is free
    ApiModel(info.base_url, model=info.model).chat([...])
    stop()

One server at a time: a state file in the cache folder lets any process find it,
ask after it and stop it. It listens on the loopback address only.
"""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock
import psutil

from course import serve_engines, settings
from course.errors import ServerError
from course.serve_engines import ENGINES, HOST, PYTHON

START_LIMIT_S = 120.0
STOP_LIMIT_S = 5.0
EXEC_LIMIT_S = 1.0
CLOCK_SLACK_S = 2.0  # a process's start time moves a little when the clock is set


@dataclass(frozen=True)
class ServerInfo:
    """A running server: its address (with `/v1`), process, model and engine."""

    base_url: str
    pid: int
    model: str
    engine: str

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return urlsplit(self.base_url).port or 0


@dataclass(frozen=True)
class _State:
    """What the state file holds: the server, and when its process was created."""

    info: ServerInfo
    created: float


def start(
    model: str | None = None,
    port: int = 0,
    engine: str | None = None,
    limit_s: float = START_LIMIT_S,
    threads: int | None = None,
) -> ServerInfo:
    """Return the running server; start it first if there is none.

    Args:
        model: an asset of `course fetch`, or the path of a model's file or folder;
            default `CROSSROADS_CHAT_MODEL`.
        port: where to listen; 0 takes a free one.
        engine: one of `ENGINES`; default the first.
        limit_s: seconds until it must answer.
        threads: how many compute; default one per core, but one when grading. On
            cores that others keep busy, one is many times faster than two.

    Raises:
        ServerError: another one is running, the port is taken, or the server ended
            or did not answer in time.
        AssetMissing: the model is not in the cache.
    """
    if engine not in (None, *ENGINES):
        raise ServerError(f"engine is {engine!r}; it must be one of {ENGINES}")
    if threads is not None and threads < 1:
        raise ServerError(f"threads is {threads}; it must be at least 1")
    with _locked(limit_s):
        running = _read()
        if running is None:
            env = settings.load()
            n_threads = threads or (1 if env.grading else _n_cores())
            engine = engine or ENGINES[0]
            name, command = serve_engines.command(
                model or env.chat_model, _free_port(port), engine, n_threads, _home()
            )
            running = _launch(name, engine, command, n_threads)
        else:
            _check_same(running.info, model, port, engine)
        try:
            _await_answer(running, limit_s)
        except BaseException:
            _end(running)
            raise
        return running.info


def status() -> ServerInfo | None:
    """Return the server that is running (or is being started), or None."""
    state = _read()
    return state.info if state else None


def stop() -> ServerInfo | None:
    """Stop the server, whoever started it; return what was stopped, if any.

    Raises:
        ServerError: its process does not end.
    """
    with _locked(START_LIMIT_S):
        state = _read()
        if state is not None:
            _end(state)
        _state_file().unlink(missing_ok=True)
    return state.info if state else None


def run_until_interrupted(info: ServerInfo) -> None:
    """Return when the server is stopped; Ctrl-C and a closed terminal stop it.

    Raises:
        ServerError: it ended by itself.
    """
    try:
        with _signals_interrupt():
            psutil.Process(info.pid).wait()
    except KeyboardInterrupt:
        stop()
        return
    except psutil.NoSuchProcess:
        pass
    if _state_file().exists():  # nobody called stop()
        _state_file().unlink(missing_ok=True)
        raise ServerError(f"the server ended by itself; its log ends:\n{_log_tail()}")


def _n_cores() -> int:
    return psutil.cpu_count(logical=False) or 1


def _launch(name: str, engine: str, command: list[str], n_threads: int) -> _State:
    """Start the server's process and write it down; it may not answer yet."""
    run = subprocess.run(  # noqa: S603 - our own command line
        [*PYTHON, "course.serve_child", "launch", str(_log_file()), *command],
        env=settings.for_child(  # torch takes its threads from the environment
            HF_HUB_OFFLINE="1", PYTHONUNBUFFERED="1", OMP_NUM_THREADS=str(n_threads)
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise ServerError(f"the server could not be launched:\n{run.stderr.strip()}")
    url = f"http://{HOST}:{command[-1]}/v1"
    info = ServerInfo(url, int(run.stdout), name, engine)
    try:
        created = psutil.Process(info.pid).create_time()
    except psutil.NoSuchProcess:
        created = 0.0  # it has ended already: the wait for an answer reports it
    state = _State(info, created)
    # Before it answers, so that a start that is killed leaves no unknown process.
    _state_file().write_text(json.dumps(asdict(state)), encoding="utf-8")
    return state


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        if sys.platform != "win32":  # there, it would let two servers share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ServerError(
                f"port {port} cannot be used ({error}); it must be free and in "
                "0..65535: choose another, or 0 for any"
            ) from None
        return int(probe.getsockname()[1])


def _await_answer(state: _State, limit_s: float) -> None:
    """Return once the server says that it is healthy."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if _process(state) is None:
            raise ServerError(
                f"the {state.info.engine} server ended before it answered; its log "
                f"ends:\n{_log_tail()}"
            )
        if _healthy(state.info.port):
            return
        time.sleep(0.1)
    raise ServerError(
        f"the {state.info.engine} server did not answer within {limit_s:g} s: is the "
        f"machine busy? Its log ends:\n{_log_tail()}"
    )


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _check_same(
    info: ServerInfo, model: str | None, port: int, engine: str | None
) -> None:
    asked = {"model": model, "port": port or None, "engine": engine}
    for what, value in asked.items():
        has = getattr(info, what)
        known = {has, Path(str(has)).name}  # an engine may go by the model's path
        if value is not None and not {value, Path(str(value)).stem} & known:
            raise ServerError(
                f"{what} {value} is asked for, but a server with {what} {has} is "
                f"running at {info.base_url}, and there is one at a time: run "
                "`course serve --stop` first"
            )


def _read() -> _State | None:
    """Return the state file's server if its process lives; else remove the file."""
    path = _state_file()
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        state = _State(ServerInfo(**data["info"]), float(data["created"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        state = None  # half written, or by another version
    if state is None or _process(state) is None:
        path.unlink(missing_ok=True)
        return None
    return state


def _process(state: _State) -> psutil.Process | None:
    """Return the server's process, or None if it ended or its pid is another's now."""
    try:
        process = psutil.Process(state.info.pid)
        ours = (
            abs(process.create_time() - state.created) < CLOCK_SLACK_S
            and process.status() != psutil.STATUS_ZOMBIE
            and str(state.info.port) in _command_line(process)
        )
    except psutil.Error:
        return None
    return process if ours else None


def _command_line(process: psutil.Process) -> list[str]:
    """Return it; for a moment at its start, a process has none."""
    end = time.monotonic() + EXEC_LIMIT_S
    while not (found := process.cmdline()) and time.monotonic() < end:
        time.sleep(0.005)
    return found


def _end(state: _State) -> None:
    """End the server's process and its children, politely first."""
    process = _process(state)
    if process is not None:
        family = [*process.children(recursive=True), process]
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    end(member)
            _, family = psutil.wait_procs(family, timeout=STOP_LIMIT_S)
            family = [m for m in family if not _zombie(m)]
        if family:
            raise ServerError(
                f"the server's process {state.info.pid} does not end: end it with the "
                "system's own means"
            )
    _state_file().unlink(missing_ok=True)


def _zombie(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Make a polite kill and a closed terminal work like Ctrl-C in this block."""
    names = [n for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
    old: dict[str, Any] = {}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        for name in names:
            old[name] = signal.signal(getattr(signal, name), interrupt)
        yield
    finally:
        for name, handler in old.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def _locked(limit_s: float) -> Iterator[None]:
    lock = filelock.FileLock(_home() / "lock", timeout=limit_s + 2 * STOP_LIMIT_S)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ServerError(
            "another process is still starting or stopping the server: wait for it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _home() -> Path:
    folder = settings.load().cache_dir / "serve"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _state_file() -> Path:
    return _home() / "state.json"


def _log_file() -> Path:
    return _home() / "server.log"


def _log_tail(lines: int = 15) -> str:
    try:
        text = _log_file().read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(empty)"


def describe(info: ServerInfo) -> str:
    """Return what a person needs to know of the server, and may paste elsewhere."""
    return (
        f"{info.model} answers at {info.base_url} ({info.engine}, process {info.pid})\n"
        "To use it elsewhere:\n"
        f"  export CROSSROADS_BASE_URL={info.base_url}\n"
        f"  export CROSSROADS_MODEL={info.model}"
    )
