"""One small interface to a chat model, the way to get one, and the fake for tests.

    model = connect()                     # what the environment names
    model.chat([user("Capital of France?")]).text

Three models have this interface: `course.llm_local.LocalModel` runs in this
process, `course.llm_api.ApiModel` asks an OpenAI-compatible server, and
`ScriptedModel` says what a test told it to say. Importing this module is cheap:
torch, transformers and openai are imported when a model is made.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from course import settings
from course.errors import ModelError, ModelRefused

if TYPE_CHECKING:
    from course.llm_local import LocalModel

Message = dict[str, str]
"""One turn of a conversation: `{"role": "user", "content": "Hello"}`."""

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Completion:
    """A model's answer and what it cost.

    `finish_reason` is "stop" (the model ended its turn or met a stop string) or
    "length" (`max_tokens` were written). Token counts are None where a server does
    not report them.
    """

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str = "stop"
    seconds: float = 0.0
    model: str = ""


@dataclass(frozen=True)
class Sampling:
    """How to choose the next token, and when to end; checked when it is made.

    Raises:
        ModelRefused: a value is out of its range.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ModelRefused(
                f"max_tokens is {self.max_tokens}; it must be at least 1: "
                "ask for one token or more"
            )
        if not 0 <= self.temperature < math.inf:
            raise ModelRefused(
                f"temperature is {self.temperature}; it must be finite and not "
                "negative: 0 always takes the likeliest token, 1 samples from the "
                "model's own distribution"
            )
        if not 0 < self.top_p <= 1:
            raise ModelRefused(
                f"top_p is {self.top_p}; it must be in (0, 1]: 1 keeps every token"
            )
        if "" in self.stop:
            raise ModelRefused(
                "stop holds the empty string, which every text contains: remove it"
            )


@runtime_checkable
class ChatModel(Protocol):
    """What a lesson may ask of any chat model."""

    @property
    def name(self) -> str:
        """The model's name, for tables and figures."""

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """Return the model's answer to `messages`."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Yield the answer's text piece by piece, as it is written."""


class BaseChatModel:
    """The public signatures, once: checks the request, then asks the subclass.

    A subclass sets `name` and defines `_complete` and `_stream`.
    """

    name: str

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """Return the model's answer to `messages`.

        Args:
            messages: the conversation so far, oldest first.
            max_tokens: the answer is cut after so many tokens.
            temperature: 0 takes the likeliest token every time; above it, samples.
            top_p: samples from the likeliest tokens that hold this probability.
            seed: makes sampling repeatable.
            stop: the answer ends before the first of these strings.

        Raises:
            ModelRefused: the request is malformed or too long: asking again fails.
            ModelUnavailable: the model's server gave no answer.
        """
        sampling = Sampling(max_tokens, temperature, top_p, seed, as_stops(stop))
        start = time.perf_counter()
        completion = self._complete(checked(messages), sampling)
        return replace(completion, seconds=time.perf_counter() - start, model=self.name)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """Yield the answer's text piece by piece: `chat(...).text`, in parts.

        Raises:
            ModelRefused: the request is malformed (at once) or refused.
            ModelUnavailable: the server gave no answer, or broke off.
        """
        sampling = Sampling(max_tokens, temperature, top_p, seed, as_stops(stop))
        return self._stream(checked(messages), sampling)

    def _complete(self, messages: list[Message], sampling: Sampling) -> Completion:
        raise NotImplementedError

    def _stream(self, messages: list[Message], sampling: Sampling) -> Iterator[str]:
        raise NotImplementedError


def user(content: str) -> Message:
    """Return a message of the user's.

    >>> user("Hello")
    {'role': 'user', 'content': 'Hello'}
    """
    return {"role": "user", "content": content}


def system(content: str) -> Message:
    """Return a system message: how the model is to behave."""
    return {"role": "system", "content": content}


def assistant(content: str) -> Message:
    """Return a message of the model's."""
    return {"role": "assistant", "content": content}


def as_stops(stop: Sequence[str]) -> tuple[str, ...]:
    """Return the stop strings as a tuple; a lone string is one of them."""
    return (stop,) if isinstance(stop, str) else tuple(stop)


def checked(messages: Sequence[Message]) -> list[Message]:
    """Return `messages` as a new list of role and content.

    Raises:
        ModelRefused: there are none, or one has no known role or no text.
    """
    if isinstance(messages, str) or not messages:
        raise ModelRefused(
            f"messages is {messages!r}; it must be a list of at least one message: "
            'write [{"role": "user", "content": "..."}]'
        )
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise ModelRefused(
                f"messages[{i}] is {message!r}; it must be a dict: "
                'write {"role": "user", "content": "..."}'
            )
        if message.get("role") not in ROLES:
            raise ModelRefused(
                f"messages[{i}]['role'] is {message.get('role')!r}; it must be one "
                f"of {', '.join(ROLES)}"
            )
        if not isinstance(message.get("content"), str):
            raise ModelRefused(
                f"messages[{i}]['content'] is {message.get('content')!r}; it must "
                "be a string: use str(...) or json.dumps(...)"
            )
    return [{"role": m["role"], "content": m["content"]} for m in messages]


def connect(kind: Literal["local", "api"] | None = None) -> ChatModel:
    """Return a chat model: by default the one that the environment names.

    Args:
        kind: "api" asks the server at `CROSSROADS_BASE_URL`, "local" runs in this
            process, None takes "api" where that variable is set and else "local".

    Raises:
        ModelError: `kind` is unknown, or "api" is asked for without an address.
        AssetMissing: the local model is not in the cache.
    """
    if kind not in (None, "local", "api"):
        raise ModelError(
            f"kind is {kind!r}; it must be 'local', 'api' or None (the environment "
            "decides)"
        )
    if kind == "api" or (kind is None and settings.load().base_url):
        from course.llm_api import ApiModel

        return ApiModel()
    return load_local()


def load_local(name: str | None = None) -> "LocalModel":
    """Return the chat model that runs in this process; loaded once per process.

    Args:
        name: an asset of `course fetch`; default `CROSSROADS_CHAT_MODEL`.

    Raises:
        AssetMissing: it is not in the cache.
    """
    from course import llm_local

    return llm_local.load_local(name)


Reply = str | Completion | Exception | Callable[[list[Message]], str | Completion]
"""What a `ScriptedModel` is told to do next."""


class ScriptedModel(BaseChatModel):
    """A model that gives the replies it was given, in order, and remembers.

    >>> model = ScriptedModel(["Paris", lambda messages: messages[-1]["content"]])
    >>> model.chat([user("Capital of France?")]).text
    'Paris'
    >>> "".join(model.stream([user("say this back")]))
    'say this back'
    >>> [messages[-1]["content"] for messages in model.history]
    ['Capital of France?', 'say this back']

    Args:
        replies: strings, `Completion`s, exceptions to raise, or functions of the
            messages that return one of the first two.
        name: what the model calls itself.

    `history` holds the messages of each call and `sampling` its options. Token
    counts are words: a fake has no tokenizer.
    """

    def __init__(self, replies: Iterable[Reply], name: str = "scripted") -> None:
        self.name = name
        self.history: list[list[Message]] = []
        self.sampling: list[Sampling] = []
        self._replies = list(replies)

    def _complete(self, messages: list[Message], sampling: Sampling) -> Completion:
        call = len(self.history)
        self.history.append(messages)
        self.sampling.append(sampling)
        if call >= len(self._replies):
            raise ModelError(
                f"the model was asked {call + 1} times, but its script holds "
                f"{len(self._replies)} replies: ask less often, or script more. The "
                f"last message was {messages[-1]['content']!r}"
            )
        reply = self._replies[call]
        if callable(reply):
            reply = reply(messages)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Completion):
            return reply
        words = sum(len(m["content"].split()) for m in messages)
        return Completion(reply, words, len(reply.split()))

    def _stream(self, messages: list[Message], sampling: Sampling) -> Iterator[str]:
        yield from re.findall(r"\s*\S+|\s+$", self._complete(messages, sampling).text)


class ScriptedStep:
    """A scripted `step(ids) -> logits`: row t is the t-th call's answer.

    >>> step = ScriptedStep([[0.0, 2.0], [1.0, 0.0]])
    >>> step([7]), step([7, 1])
    (array([0., 2.]), array([1., 0.]))
    >>> step.history
    [[7], [7, 1]]

    Args:
        table: logits of each call in turn, shape (n_calls, n_vocabulary).
    """

    def __init__(self, table: Sequence[Sequence[float]] | NDArray[np.floating]) -> None:
        self.history: list[list[int]] = []
        self._table = np.array(table, dtype=np.float64)
        if self._table.ndim != 2:
            raise ModelError(
                f"table has shape {self._table.shape}; it must be "
                "(n_calls, n_vocabulary): one row of logits per call"
            )

    def __call__(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """Return the next row, shape (n_vocabulary,); a copy, safe to change.

        Raises:
            ModelError: every row has been used.
        """
        call = len(self.history)
        self.history.append([int(i) for i in ids])
        if call >= len(self._table):
            raise ModelError(
                f"step was called {call + 1} times, but its script holds "
                f"{len(self._table)} rows: stop generating earlier (has the stop "
                "token been seen, or max_new reached?)"
            )
        return self._table[call].copy()
