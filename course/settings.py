"""The only place that reads environment variables.

| variable | meaning | default |
|---|---|---|
| `CROSSROADS_CACHE` | folder of models and data | the user's cache folder |
| `CROSSROADS_HOME` | folder of the learner's log | the user's data folder |
| `CROSSROADS_CHAT_MODEL` | the chat asset that runs in this process | `smollm2` |
| `CROSSROADS_BASE_URL` | an OpenAI-compatible server | none: in this process |
| `CROSSROADS_API_KEY` | that server's key, never printed | none |
| `CROSSROADS_MODEL` | that server's model name | the first it serves |
| `CROSSROADS_TIMEOUT_S` | seconds before a request is given up | 60 |
| `CROSSROADS_CARDS` | `0`: checks answer in plain text, without cards | cards in notebooks |
| `PIP_INDEX_URL` | the package index to fetch from | pip's, or the public one |
| `SSL_CERT_FILE` | certificates to trust (`REQUESTS_CA_BUNDLE` goes first) | built in |
| `NBGRADER_EXECUTION` | set by nbgrader while it runs a notebook | none |
| `CROSSROADS_GRADING` | set by the autograder while it does: nothing is logged | none |
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from course.errors import CrossroadsError

APP = "crossroads"


@dataclass(frozen=True)
class Settings:
    """What the environment says; `repr` masks the key."""

    cache_dir: Path
    home_dir: Path
    chat_model: str = "smollm2"
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    timeout_s: float = 60.0
    grading: bool = False
    cards: bool = True
    index_url: str | None = field(default=None, repr=False)  # may hold a password
    ca_file: str | None = None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that `environ` (default: this process's) describes.

    Raises:
        CrossroadsError: `CROSSROADS_TIMEOUT_S` is not a positive number.
    """
    env = os.environ if environ is None else environ
    grading = is_grading(env)
    return Settings(
        cache_dir=_folder(env.get("CROSSROADS_CACHE"), platformdirs.user_cache_path),
        home_dir=_folder(env.get("CROSSROADS_HOME"), platformdirs.user_data_path),
        chat_model=env.get("CROSSROADS_CHAT_MODEL") or "smollm2",
        base_url=env.get("CROSSROADS_BASE_URL") or None,
        api_key=env.get("CROSSROADS_API_KEY") or None,
        model=env.get("CROSSROADS_MODEL") or None,
        timeout_s=_seconds(env.get("CROSSROADS_TIMEOUT_S")),
        grading=grading,
        cards=env.get("CROSSROADS_CARDS") != "0" and not grading,
        index_url=env.get("PIP_INDEX_URL") or None,
        ca_file=env.get("SSL_CERT_FILE") or None,
    )


def is_grading(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this process grades: nothing is logged, and no card shown."""
    env = os.environ if environ is None else environ
    return bool(env.get("NBGRADER_EXECUTION") or env.get("CROSSROADS_GRADING"))


def for_child(**more: str) -> dict[str, str]:
    """Return this process's environment without the key, and with `more`."""
    env = {k: v for k, v in os.environ.items() if k != "CROSSROADS_API_KEY"}
    return env | more


def mark_grading() -> None:
    """Say for the rest of this process that it grades: nothing is logged."""
    os.environ["CROSSROADS_GRADING"] = "1"


def no_telemetry() -> None:
    """Tell libraries, for the rest of this process, not to report how they are used."""
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@contextlib.contextmanager
def in_environment(env: Mapping[str, str]) -> Iterator[None]:
    """Make `env` this process's environment while the block runs.

    For libraries that start processes themselves and take no environment for them.
    """
    old = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(old)


def _folder(given: str | None, default: Callable[[str], Path]) -> Path:
    return Path(given).expanduser() if given else default(APP)


def _seconds(given: str | None) -> float:
    try:
        seconds = float(given or 60)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds < float("inf"):
        raise CrossroadsError(
            f"CROSSROADS_TIMEOUT_S is {given!r}; it must be a positive number of "
            "seconds: set it to 60, say, or unset it"
        )
    return seconds
