"""A small web service around a model: what `POST /predict` and `GET /health` answer.

The predicting function is passed in, so that the code that was tested offline is the
code that serves: two implementations of one model are how training-serving skew is born.
It has no authentication and no TLS, and `running` listens on this machine only; before
anything else may reach it, it belongs behind a gateway that has both.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from course.errors import CrossroadsError

if TYPE_CHECKING:
    from fastapi import FastAPI

MAX_ROWS = 1000
START_S = 60.0
Predict = Callable[[list[dict[str, Any]]], Sequence[float]]


def create_app(predict: Predict, version: str) -> "FastAPI":
    """Return the service.

    `POST /predict` takes `{"rows": [{column: number, ...}, ...]}`, at most 1,000 of
    them, and answers `{"version": ..., "p": [...]}`. A row that `predict` refuses with
    `ValueError` gives status 422 and its message; other errors give 500 without one,
    since a traceback tells strangers how the service is built.

    Args:
        predict: from a list of rows to a probability for each; raises `ValueError`
            for rows that it cannot judge.
        version: of the artefact; every answer names it.
    """
    from fastapi import Body, FastAPI, HTTPException

    app = FastAPI(title="Fraud scores", version=version)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "version": version}

    @app.post("/predict")
    def score(
        rows: list[dict[str, Any]] = Body(embed=True, max_length=MAX_ROWS),  # noqa: B008
    ) -> dict[str, Any]:
        try:
            p = [float(it) for it in predict(rows)]
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"version": version, "p": p}

    return app


@contextlib.contextmanager
def running(app: "FastAPI") -> Iterator[str]:
    """Serve the app on a free port of this machine; yield its address.

    Raises:
        CrossroadsError: it does not listen within a minute.
    """
    import uvicorn

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{_port(server, thread)}"
    finally:
        server.should_exit = True
        thread.join(START_S)


def _port(server: Any, thread: threading.Thread) -> int:
    """Wait until the server listens; return its port."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and thread.is_alive():
        if server.started:
            port: int = server.servers[0].sockets[0].getsockname()[1]
            return port
        time.sleep(0.02)
    raise CrossroadsError(
        f"the service does not listen after {START_S:.0f} seconds; look at its log above"
    )
