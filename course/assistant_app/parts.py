"""Six plain functions under the service; in lesson A8 a learner writes their own.

The service takes them as `Parts`, so that each can be replaced by another that keeps the
same contract.
"""

import codecs
import contextlib
import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Answer = Callable[[str, bool], dict[str, Any]]
Bucket = tuple[float, float]
"""Tokens that are left, and when they were counted (seconds)."""

MOST = 500  # characters of a message


def handle(body: bytes, answer: Answer) -> tuple[int, dict[str, Any]]:
    """Return (status, body) of a request: `{"message": ..., "confirm": false}`.

    400: not JSON. 422: not such an object. 503: the model gave no answer (a
    `TimeoutError` or `ConnectionError`). 500: anything else that broke; what it was is
    nobody's business outside.
    """
    try:
        asked = json.loads(body)
    except ValueError:
        return 400, {"error": "the body is not JSON"}
    wrong = _not_as_agreed(asked)
    if wrong:
        return 422, {"error": wrong}
    message, confirm = asked["message"], asked.get("confirm", False)
    try:
        return 200, answer(message, confirm)
    except (TimeoutError, ConnectionError):
        return 503, {"error": "the assistant is busy: try again in a moment"}
    except Exception:  # noqa: BLE001 - whatever it is, the customer is told nothing of it
        return 500, {"error": "something went wrong on our side"}


def _not_as_agreed(asked: object) -> str:
    """Return what is wrong with a request's object; empty if nothing is."""
    if not isinstance(asked, dict):
        return "the body must be an object"
    message = asked.get("message")
    if not isinstance(message, str) or not message.strip() or len(message) > MOST:
        return f"message must be a text of 1 to {MOST} characters"
    if not isinstance(asked.get("confirm", False), bool):
        return "confirm must be true or false"
    return ""


def cache_key(
    version: str, model: str, prompt: str, params: Mapping[str, object]
) -> str:
    """Return a key that is equal when, and only when, everything asked is equal."""
    asked = json.dumps([version, model, prompt, params], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def bucket(
    state: Bucket, now: float, rate: float, cap: float
) -> tuple[bool, Bucket, float]:
    """Return whether a request may pass, the new state, and seconds to wait.

    Args:
        state: tokens left, and the time at which they were counted.
        now: seconds, of the same clock.
        rate: new tokens a second.
        cap: the most tokens.
    """
    tokens, last = state
    now = max(now, last)  # a clock that is set back takes no tokens away
    tokens = min(cap, tokens + (now - last) * rate)
    if tokens >= 1:
        return True, (tokens - 1, now), 0.0
    return False, (tokens, now), (1 - tokens) / rate


def sse(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield one server-sent event for each piece of text, and `[DONE]` at the end.

    A piece may end in the middle of a character: its first bytes wait for the next.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for piece in pieces:
        text = decoder.decode(piece)
        if text:
            yield f"data: {json.dumps({'text': text})}\n\n"
    rest = decoder.decode(b"", final=True)
    if rest:
        yield f"data: {json.dumps({'text': rest})}\n\n"
    yield "data: [DONE]\n\n"


def p95(path: str | Path, route: str) -> float | None:
    """Return the 95th percentile of the route's milliseconds, by nearest rank."""
    with contextlib.closing(sqlite3.connect(path)) as con:
        (n,) = con.execute(
            "SELECT COUNT(*) FROM requests WHERE route = ?", (route,)
        ).fetchone()
        row = con.execute(
            "SELECT ms FROM requests WHERE route = ? ORDER BY ms LIMIT 1 OFFSET ?",
            (route, max(0, math.ceil(0.95 * n) - 1)),
        ).fetchone()
    return None if row is None else float(row[0])


def lint_ci(workflow: str, dockerfile: str) -> list[str]:
    """Return what a reviewer would refuse in a workflow and a Dockerfile."""
    found = yaml.safe_load(workflow)
    jobs = found.get("jobs", {})
    wrong = []
    if "permissions" not in found:
        wrong.append("permissions: not restricted")
    for name, job in jobs.items():
        for step in job.get("steps", []):
            action = step.get("uses", "")
            if action and not re.fullmatch(r".+@[0-9a-f]{40}", action):
                wrong.append(f"{name}: {action} is not pinned")
    needs = jobs.get("deploy", {}).get("needs", [])
    if "deploy" in jobs and "test" not in (
        [needs] if isinstance(needs, str) else needs
    ):
        wrong.append("deploy: does not wait for test")
    lines = [line.split() for line in dockerfile.splitlines() if line.strip()]
    images = [line[1] for line in lines if line[0].upper() == "FROM"]
    wrong += [
        f"FROM: {image} is not pinned"
        for image in images
        if ":" not in image or image.endswith(":latest")
    ]
    users = [line[1] for line in lines if line[0].upper() == "USER"]
    if not users or users[-1] in ("root", "0"):
        wrong.append("USER: runs as root")
    return wrong


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    handle: Callable[[bytes, Answer], tuple[int, dict[str, Any]]] = handle
    cache_key: Callable[[str, str, str, Mapping[str, object]], str] = cache_key
    bucket: Callable[[Bucket, float, float, float], tuple[bool, Bucket, float]] = bucket
    sse: Callable[[Iterable[bytes]], Iterator[str]] = sse
    p95: Callable[[str | Path, str], float | None] = p95
