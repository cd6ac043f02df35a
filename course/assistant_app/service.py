"""The assistant over HTTP: `make_app(brain, log)`, a FastAPI application.

| request | answer |
|---|---|
| `POST /v1/chat` `{"message": "...", "confirm": false}` | 200 `{"answer", "call", "source", "confirm", "cached"}` |
| `POST /v1/chat/stream`, the same body | 200, server-sent events: `{"call", "source", "confirm"}`, `{"text": "..."}` for each piece, `[DONE]` |
| `POST /v1/complete` `{"message": "def add(a, b):"}` | 200 `{"answer": "..."}`: code that goes on |
| `GET /health` | 200 `{"status": "ok", "model": "..."}` |
| `GET /v1/stats` | 200 `{"p95_ms": {route: ms}, "statuses": {status: n}}` |
| `GET /` | the page |

400: no JSON. 411: no length. 413: a body of more than 10 kB. 422: not the object above. 429: too many
requests, with `Retry-After`. 503: the model gave no answer. 500: ours.
"""

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from course.assistant_app.brain import PARAMS, VERSION, Brain
from course.assistant_app.log import Log
from course.assistant_app.parts import Bucket, Parts
from course.errors import ModelUnavailable
from course.llm import user

ROUTES = ("/v1/chat", "/v1/chat/stream", "/v1/complete")
MOST_BYTES = 10_000
BODY = {  # for /openapi.json: `handle` reads the bytes itself
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "message": {"type": "string", "minLength": 1, "maxLength": 500},
                        "confirm": {"type": "boolean", "default": False},
                    },
                }
            }
        },
    }
}


@dataclass(frozen=True)
class Limits:
    """How much one client may ask, and how much is kept.

    Attributes:
        rate: new requests a second.
        burst: requests at once.
        cache: answers that are kept.
        clients: clients whose rate is remembered.
    """

    rate: float = 1.0
    burst: float = 20.0
    cache: int = 256
    clients: int = 10_000


class _Store(OrderedDict[str, Any]):
    """Keeps the newest `size` entries."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def keep(self, key: str, value: Any) -> None:
        self[key] = value
        self.move_to_end(key)
        while len(self) > self.size:
            self.popitem(last=False)


class Service:
    """What the routes share: the brain, the parts, the cache, the buckets, the log."""

    def __init__(self, brain: Brain, log: Log, parts: Parts, limits: Limits) -> None:
        self.brain, self.log, self.parts, self.limits = brain, log, parts, limits
        self._cache = _Store(limits.cache)
        self._buckets = _Store(limits.clients)
        self._lock = threading.Lock()

    def admit(self, client: str, now: float) -> tuple[bool, float]:
        """Return whether this client may ask now, and else the seconds to wait."""
        rate, cap = self.limits.rate, self.limits.burst
        with self._lock:
            state: Bucket = self._buckets.get(client, (cap, now))
            passes, state, wait = self.parts.bucket(state, now, rate, cap)
            self._buckets.keep(client, state)
        return passes, wait

    def answer(
        self, message: str, confirm: bool, seen: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the answer to a message, from the cache if it may come from there.

        Args:
            message: the customer's words.
            confirm: the customer said yes.
            seen: is told the stages, and whether the answer was `cached`.
        """
        model = self.brain.model
        key = self.parts.cache_key(VERSION, model, message, PARAMS)
        with self._lock:
            found = self._cache.get(key)
        if found is not None:
            seen["cached"] = True
            return {**found, "cached": True}
        try:
            reply = self.brain.reply(message, confirm)
        except ModelUnavailable as error:
            raise ConnectionError(str(error)) from error  # what `handle` knows
        seen["stages"] = reply.stages
        if reply.may_cache:
            with self._lock:
                self._cache.keep(key, reply.as_json())
        return {**reply.as_json(), "cached": False}

    def stream(
        self, message: str, confirm: bool, seen: dict[str, Any]
    ) -> Iterator[str]:
        """Yield the answer's events; one that breaks off says so in the last."""
        try:
            reply = self.brain.begin(message, confirm)
            seen["stages"] = reply.stages
            about = {k: v for k, v in reply.as_json().items() if k != "answer"}
            yield f"data: {json.dumps(about)}\n\n"
            words = self.brain.words(message, reply)
            yield from self.parts.sse(piece.encode() for piece in words)
        except Exception:  # noqa: BLE001 - the status is sent: only an event can tell
            seen["failed"] = True
            sorry = {"error": "something went wrong on our side"}
            yield f"data: {json.dumps(sorry)}\n\ndata: [DONE]\n\n"

    def complete(self, code: str) -> dict[str, Any]:
        """Return the code that goes on behind `code`: the same model, another product."""
        if self.brain.chat is None:
            raise ConnectionError("there is no model")
        ask = f"Continue this Python code. Write code only.\n\n{code}"
        return {"answer": self.brain.chat.chat([user(ask)], max_tokens=60).text}


def make_app(
    brain: Brain, log: Log, parts: Parts | None = None, limits: Limits | None = None
) -> FastAPI:
    """Return the service as an ASGI application."""
    app = FastAPI(title="Lampa's assistant", version=VERSION)
    service = Service(brain, log, parts or Parts(), limits or Limits())
    app.state.service = service
    _add_guard(app, service)
    _add_chat(app, service)
    _add_rest(app, service)
    return app


def _add_guard(app: FastAPI, service: Service) -> None:
    """Before each question: how large, how often. After it: one row in the log."""

    @app.middleware("http")
    async def guard(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        route = request.url.path
        if route not in ROUTES:
            return await go_on(request)
        start, seen = time.perf_counter(), request.state
        seen.told = {}
        response = await _admitted(request, service, go_on)
        ms = (time.perf_counter() - start) * 1e3
        told = seen.told
        if not told.get("streams"):
            service.log.add(
                route,
                response.status_code,
                ms,
                cached=bool(told.get("cached")),
                stages=told.get("stages"),
            )
        return response


async def _admitted(
    request: Request,
    service: Service,
    go_on: Callable[[Request], Awaitable[Response]],
) -> Response:
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        return JSONResponse({"error": "say how long the body is"}, 411)
    if int(length) > MOST_BYTES:
        return JSONResponse({"error": "the body is too large"}, 413)
    client = request.client.host if request.client else "unknown"
    passes, wait = service.admit(client, time.monotonic())
    if not passes:
        headers = {"Retry-After": str(math.ceil(wait))}
        return JSONResponse({"error": "too many requests"}, 429, headers)
    return await go_on(request)


def _add_chat(app: FastAPI, service: Service) -> None:
    @app.post("/v1/chat", openapi_extra=BODY)
    async def chat(request: Request) -> Response:
        """Answer a customer."""
        body, told = await request.body(), request.state.told
        status, said = await run_in_threadpool(
            service.parts.handle, body, lambda m, yes: service.answer(m, yes, told)
        )
        return JSONResponse(said, status)

    @app.post("/v1/chat/stream", openapi_extra=BODY)
    async def stream(request: Request) -> Response:
        """Answer a customer word by word."""
        body, told = await request.body(), request.state.told
        status, asked = service.parts.handle(body, lambda m, yes: {"m": m, "yes": yes})
        if status != 200:
            return JSONResponse(asked, status)
        told["streams"] = True
        events = service.stream(asked["m"], asked["yes"], told)
        logged = _logged(events, service.log, told)
        return StreamingResponse(logged, media_type="text/event-stream")


def _logged(events: Iterator[str], log: Log, told: dict[str, Any]) -> Iterator[str]:
    """The same events; when they are over, one row in the log."""
    start, status = time.perf_counter(), 500
    try:
        yield from events
        status = 500 if told.get("failed") else 200
    finally:
        ms = (time.perf_counter() - start) * 1e3
        log.add("/v1/chat/stream", status, ms, stages=told.get("stages"))


def _add_rest(app: FastAPI, service: Service) -> None:
    @app.post("/v1/complete", openapi_extra=BODY)
    async def complete(request: Request) -> Response:
        """Go on with a piece of code."""
        body = await request.body()
        status, said = await run_in_threadpool(
            service.parts.handle, body, lambda code, _: service.complete(code)
        )
        return JSONResponse(said, status)

    @app.get("/health")
    def health() -> dict[str, str]:
        """Say that the service is there."""
        return {"status": "ok", "model": service.brain.model}

    @app.get("/v1/stats")
    def stats() -> dict[str, Any]:
        """Say how fast and how well it answers."""
        path = service.log.path
        p95 = {route: service.parts.p95(path, route) for route in ROUTES}
        return {"p95_ms": p95, "statuses": service.log.counts()}

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        """Show the page."""
        folder = resources.files("course.assistant_app")
        return (folder / "page.html").read_text(encoding="utf-8")
