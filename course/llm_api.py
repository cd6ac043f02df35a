"""A chat model behind an OpenAI-compatible server: hosted, or on this machine.

Retries are tenacity's and the client's own are off (`max_retries=0`): the client
also repeats 408, 409, time-outs and lost connections, and obeys an
`x-should-retry` header, none of which can be switched off one by one. Here 429
and 5xx are asked again, and nothing else: a request that timed out may have been
answered and paid for.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from course import settings
from course.errors import ModelError, ModelRefused, ModelUnavailable
from course.llm import BaseChatModel, Completion, Message, Sampling

T = TypeVar("T")

MAX_WAIT_S = 60.0  # a server that asks for a longer pause is reported, not awaited
OPENAI_HOST = "api.openai.com"


class ApiModel(BaseChatModel):
    """A model asked over HTTP. What is not given comes from the settings.

    The key is never printed: not by `repr`, nor in errors, even where the server's
    own message repeats it.

    Args:
        base_url: the server's address up to and including `/v1`.
        api_key: its key; a server on this machine needs none.
        model: the model's name there; default the first that the server lists.
        timeout_s: seconds before a request (or a silent stream) is given up.
        attempts: how often a request is made when the server answers 429 or 5xx.
        sleep: waits between attempts; tests pass their own.

    Raises:
        ModelError: there is no address, or it is not one of http or https.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        model: str | None = None,
        *,
        timeout_s: float | None = None,
        attempts: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        env = settings.load()
        self.base_url = _checked_url(base_url or env.base_url)
        if base_url is None or base_url == env.base_url:
            # The environment's key and model belong to the environment's server:
            # they are not sent anywhere else.
            api_key, model = api_key or env.api_key, model or env.model
        self.timeout_s = timeout_s or env.timeout_s
        self.attempts = attempts
        self._model, self._sleep = model, sleep
        self._secret = api_key or ""
        self._client = _client(self.base_url, api_key, self.timeout_s)

    def __repr__(self) -> str:
        key = "'***'" if self._secret else None
        return f"ApiModel({self.base_url!r}, api_key={key}, model={self._model!r})"

    @property
    def name(self) -> str:  # type: ignore[override]  # found out when first needed
        """The model's name; asks the server for its first one where none was set."""
        if self._model is None:
            served = self._ask(lambda: self._client.models.list().data)
            if not served:
                raise ModelRefused(
                    f"{self.base_url} lists no models: name one in CROSSROADS_MODEL"
                )
            self._model = str(served[0].id)
        return self._model

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _complete(self, messages: list[Message], sampling: Sampling) -> Completion:
        request = self._request(messages, sampling)

        def ask() -> Completion:
            reply = self._client.chat.completions.create(**request)
            choice = reply.choices[0]
            return Completion(
                text=choice.message.content or "",
                prompt_tokens=reply.usage.prompt_tokens if reply.usage else None,
                completion_tokens=(
                    reply.usage.completion_tokens if reply.usage else None
                ),
                finish_reason=choice.finish_reason or "stop",
            )

        return self._ask(ask)

    def _stream(self, messages: list[Message], sampling: Sampling) -> Iterator[str]:
        request = self._request(messages, sampling)
        chunks = self._ask(
            lambda: self._client.chat.completions.create(**request, stream=True)
        )
        n_characters, finished = 0, False
        try:
            while (chunk := self._once(lambda: next(chunks, None))) is not None:
                piece, ended = self._once(partial(_piece, chunk))
                finished = finished or ended
                n_characters += len(piece)
                if piece:
                    yield piece
        finally:
            chunks.close()
        if not finished:
            raise ModelUnavailable(
                f"{self.base_url} broke off after {n_characters} characters, before "
                "it said that the answer was complete: ask again"
            )

    def _request(self, messages: list[Message], sampling: Sampling) -> dict[str, Any]:
        # OpenAI's newer models accept only the new name, many other servers only
        # the old one.
        new = urlsplit(self.base_url).hostname == OPENAI_HOST
        request: dict[str, Any] = {
            "model": self.name,
            "messages": messages,
            "max_completion_tokens" if new else "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.top_p < 1:
            request["top_p"] = sampling.top_p
        if sampling.seed is not None:
            request["seed"] = sampling.seed
        if sampling.stop:
            request["stop"] = list(sampling.stop)
        return request

    def _ask(self, call: Callable[[], T]) -> T:
        """Return what `call` does, after as many attempts as its errors deserve."""
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_worth_retrying),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        return self._once(lambda: retrying(call))

    def _once(self, call: Callable[[], T]) -> T:
        """Return what `call` does; raise what it raises as an error of the course."""
        import openai

        try:
            return call()
        except (openai.OpenAIError, *_MALFORMED) as caught:
            error = caught
        # Outside of the handler: the new error must not carry the old one along,
        # whose body and headers may hold the key.
        raise self._explained(error)

    def _explained(self, error: Exception) -> ModelError:
        kind, text = _explain(error, self.base_url, self.timeout_s, self.attempts)
        return kind(text.replace(self._secret, "***") if self._secret else text)


# What reading a reply raises when it is no JSON, or no chat completion.
_MALFORMED = (ValueError, AttributeError, TypeError, LookupError)


def _checked_url(url: str | None) -> str:
    if not url:
        raise ModelError(
            "no server is named: set CROSSROADS_BASE_URL to its address (such as "
            "http://127.0.0.1:8080/v1), or run `course serve`"
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelError(
            f"base_url is {parts.hostname or parts.path!r}; it must start with http:// "
            "or https:// and name a server"
        )
    if parts.username or parts.password or parts.query:
        raise ModelError(
            f"the address of {parts.hostname} holds a user, a password or a query; "
            "addresses are printed: put the secret into CROSSROADS_API_KEY"
        )
    return url.rstrip("/")


def _client(base_url: str, api_key: str | None, timeout_s: float) -> Any:
    import openai

    # A proxy cannot reach this machine's own address.
    here = urlsplit(base_url).hostname in {"127.0.0.1", "::1", "localhost"}
    return openai.OpenAI(
        base_url=base_url,
        api_key=api_key or "none",  # the client insists on one
        timeout=timeout_s,
        max_retries=0,
        http_client=openai.DefaultHttpxClient(trust_env=not here),
    )


def _piece(chunk: Any) -> tuple[str, bool]:
    """Return a chunk's text, and whether it says that the answer is complete."""
    if not chunk.choices:  # the last chunk of some servers holds the usage alone
        return "", False
    choice = chunk.choices[0]
    return choice.delta.content or "", choice.finish_reason is not None


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _worth_retrying(error: BaseException) -> bool:
    status = _status(error)
    transient = status is not None and (status == 429 or status >= 500)
    return transient and (_retry_after(error) or 0) <= MAX_WAIT_S


def _retry_after(error: BaseException) -> float | None:
    """Return the seconds that the server asks to wait: a number, or a date."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after") if response is not None else None
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        pause = parsedate_to_datetime(value) - datetime.now(UTC)
    except (ValueError, TypeError):  # not a date, or one without a time zone
        return None
    return max(0.0, pause.total_seconds())


def _wait(state: Any) -> float:
    """Return the seconds before the next attempt: the server's, or 0.5, 1, 2 ..."""
    import tenacity

    asked = _retry_after(state.outcome.exception())
    if asked is not None:
        return asked
    growing = tenacity.wait_exponential(multiplier=0.5, max=8)
    # A little chance: clients that were refused together come back apart.
    return growing(state) + tenacity.wait_random(0, 0.25)(state)


def _explain(
    error: Exception, url: str, timeout_s: float, attempts: int
) -> tuple[type[ModelError], str]:
    """Return the course's error for the client's: its kind and its words."""
    import openai

    status, said = _status(error), _said(error)
    if status is not None and (status == 429 or status >= 500):
        pause = _retry_after(error) or 0
        tried = (
            f"and asks to wait {pause:.0f} s, more than {MAX_WAIT_S:.0f} s"
            if pause > MAX_WAIT_S
            else f"{attempts} times"
        )
        return ModelUnavailable, (
            f"{url} answered {status} {tried}: {said} Try again later, or use the "
            "model in this process: unset CROSSROADS_BASE_URL"
        )
    if status is not None and status >= 400:
        return ModelRefused, f"{url} answered {status}: {said} {_remedy(status)}"
    if isinstance(error, openai.APITimeoutError):
        return ModelUnavailable, (
            f"{url} was silent for {timeout_s:g} s, the limit: allow more in "
            "CROSSROADS_TIMEOUT_S, or ask for fewer tokens"
        )
    if isinstance(error, openai.APIConnectionError):
        return ModelUnavailable, (
            f"{url} cannot be reached or broke the connection: is the server running "
            "(`course serve --status`), the address right, the network up?"
        )
    if type(error) is openai.APIError:  # an error reported inside a stream
        return ModelUnavailable, f"{url} reported an error: {said} Ask again"
    return ModelUnavailable, (
        f"{url} answered with something that is not a chat completion "
        f"({type(error).__name__}): does the address name an OpenAI-compatible "
        "server, and end in /v1?"
    )


def _said(error: Exception) -> str:
    """Return the server's own words, cut short, as a sentence."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    words = " ".join(str(body or "no reason given").split())[:300]
    return words if words.endswith((".", "!", "?")) else words + "."


def _remedy(status: int) -> str:
    if status in {401, 403}:
        return "Check CROSSROADS_API_KEY: is it this server's, and may it do this?"
    if status == 404:
        return "Check CROSSROADS_MODEL, and that CROSSROADS_BASE_URL ends in /v1"
    return "Change the request: asking again gives the same answer"
