"""The client of OpenAI-compatible servers, against a real one on the loopback."""

import json
import logging
import threading
import time
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from course.errors import ModelError, ModelRefused, ModelUnavailable
from course.llm import user
from course.llm_api import ApiModel

KEY = "sk-test-0123456789abcdef"
ASK = [user("Capital of France?")]


def completion(text="Paris", **more):
    choice = {"index": 0, "finish_reason": "stop"}
    choice["message"] = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    head = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
    return json.dumps(head | {"choices": [choice], "usage": usage} | more)


def event(text, finish=None):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return f"data: {json.dumps(head | {'choices': [choice]})}\n\n"


class Script(ThreadingHTTPServer):
    """Answers with the scripted (status, headers, body) in turn; keeps requests."""

    daemon_threads = True

    def __init__(self, replies):
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies, self.requests, self.times = list(replies), [], []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the tests


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["content-length"] or 0)
        self.server.requests.append(json.loads(self.rfile.read(length)))
        self.reply()

    def do_GET(self):
        self.server.requests.append(self.path)
        self.reply()

    def reply(self):
        self.server.times.append(time.monotonic())
        status, headers, body = self.server.replies.pop(0)
        if body is None:  # silence
            self.server.released.wait(20)
            return
        self.send_response(status)
        for name, value in ({"content-type": "application/json"} | headers).items():
            self.send_header(name, value)
        if "content-length" not in headers:
            self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


@contextmanager
def served(*replies, **options):
    """A model that talks to a server with these replies, and the pauses it made."""
    server, pauses = Script(replies), []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    options = {"api_key": KEY, "model": "m", "sleep": pauses.append} | options
    try:
        with ApiModel(server.url, **options) as model:
            yield model, server, pauses
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def error(status, message="no", **headers):
    return status, headers, json.dumps({"error": {"message": message}})


OK = (200, {}, completion())
SSE = {"content-type": "text/event-stream"}


def test_an_answer_comes_with_its_cost_and_the_request_says_what_was_asked():
    with served(OK) as (model, server, _):
        answer = model.chat(ASK, max_tokens=7, top_p=0.5, seed=3, stop=["x"])
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == (
        "Paris",
        5,
        1,
    )
    assert (answer.finish_reason, answer.model) == ("stop", "m")
    assert server.requests == [
        {
            "model": "m",
            "messages": ASK,
            "max_tokens": 7,
            "temperature": 0.0,
            "top_p": 0.5,
            "seed": 3,
            "stop": ["x"],
        }
    ]


def test_options_that_say_nothing_are_not_sent():
    with served(OK) as (model, server, _):
        model.chat(ASK)
    assert set(server.requests[0]) == {"model", "messages", "max_tokens", "temperature"}


def test_429_is_asked_again_after_the_pause_that_the_server_names():
    with served(error(429, **{"retry-after": "7"}), OK) as (model, server, pauses):
        assert model.chat(ASK).text == "Paris"
    assert (pauses, len(server.requests)) == ([7.0], 2)


def test_a_pause_may_be_a_date():
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    with served(error(503, **{"retry-after": then}), OK) as (model, _, pauses):
        model.chat(ASK)
    assert 25 < pauses[0] <= 30


def test_the_pause_is_really_made():
    limited = error(429, **{"retry-after": "0.3"})
    with served(limited, OK, sleep=time.sleep) as (model, server, _):
        model.chat(ASK)
    assert server.times[1] - server.times[0] >= 0.3


def test_without_a_named_pause_they_double():
    with served(error(500), error(502), error(503), OK) as (model, _, pauses):
        assert model.chat(ASK).text == "Paris"
    for pause, least in zip(pauses, [0.5, 1, 2], strict=True):
        assert least <= pause <= least + 0.25


def test_after_the_last_attempt_it_gives_up_without_a_pause():
    with (
        served(*[error(500, "melted")] * 3, attempts=3) as (model, server, pauses),
        pytest.raises(ModelUnavailable, match=r"answered 500 3 times: melted\."),
    ):
        model.chat(ASK)
    assert (len(server.requests), len(pauses)) == (3, 2)


def test_a_pause_beyond_a_minute_is_reported_and_not_made():
    with (
        served(error(429, **{"retry-after": "3600"})) as (model, server, pauses),
        pytest.raises(ModelUnavailable, match="asks to wait 3600 s"),
    ):
        model.chat(ASK)
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422])
def test_other_refusals_are_not_asked_again(status):
    refusal = error(status, "bad", **{"x-should-retry": "true"})
    with (
        served(refusal) as (model, server, pauses),
        pytest.raises(ModelRefused, match=f"answered {status}: bad"),
    ):
        model.chat(ASK)
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}),
        json.dumps({"detail": f"key {KEY} is unknown"}),
        f"<html>{KEY}</html>",
    ],
)
@pytest.mark.parametrize("status", [401, 500])
def test_the_key_is_in_no_message_log_or_traceback_even_if_the_server_repeats_it(
    status, body, caplog
):
    caplog.set_level(logging.DEBUG)
    with served((status, {}, body), attempts=1) as (model, _, _):
        with pytest.raises(ModelError) as caught:
            model.chat(ASK)
        printed = repr(model) + "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None  # nor in what a debugger shows
    assert "***" in printed
    assert KEY not in printed
    assert KEY not in caplog.text


def test_silence_ends_at_the_time_limit_and_is_not_asked_again():
    with (
        served((200, {}, None), timeout_s=0.3) as (model, server, pauses),
        pytest.raises(ModelUnavailable, match=r"silent for 0\.3 s"),
    ):
        model.chat(ASK)
    assert (len(server.requests), pauses) == (1, [])


def test_no_server_is_said_so_and_not_asked_again():
    pauses = []
    with (
        ApiModel("http://127.0.0.1:9/v1", model="m", sleep=pauses.append) as model,
        pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:9/v1 cannot be reached"),
    ):
        model.chat(ASK)
    assert pauses == []


@pytest.mark.parametrize(
    "body", ['{"choices": [', "[]", '{"choices": []}', '{"choices": null}', "hello"]
)
@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_an_answer_that_is_no_completion_is_an_error_of_the_course(body, kind):
    with (
        served((200, {"content-type": kind}, body)) as (model, server, _),
        pytest.raises(ModelUnavailable, match="not a chat completion"),
    ):
        model.chat(ASK)
    assert len(server.requests) == 1


def test_a_stream_comes_in_pieces():
    body = event("Pa") + event("ris") + event("", "stop") + "data: [DONE]\n\n"
    with served((200, SSE, body)) as (model, server, _):
        assert list(model.stream(ASK)) == ["Pa", "ris"]
    assert server.requests[0]["stream"] is True


def test_a_chunk_without_choices_is_passed_over():
    usage = 'data: {"id": "1", "choices": [], "usage": null}\n\n'
    body = event("Paris", "stop") + usage + "data: [DONE]\n\n"
    with served((200, SSE, body)) as (model, _, _):
        assert list(model.stream(ASK)) == ["Paris"]


def test_opening_a_stream_is_tried_again_after_a_500():
    good = (200, SSE, event("Paris", "stop") + "data: [DONE]\n\n")
    with served(error(500), good) as (model, _, pauses):
        assert list(model.stream(ASK)) == ["Paris"]
    assert len(pauses) == 1


def test_a_stream_that_ends_early_is_an_error_after_its_pieces():
    with served((200, SSE, event("Pa"))) as (model, server, _):
        pieces = model.stream(ASK)
        assert next(pieces) == "Pa"
        with pytest.raises(ModelUnavailable, match="broke off after 2 characters"):
            next(pieces)
    assert len(server.requests) == 1  # what was said is not said twice


def test_a_stream_whose_connection_breaks_is_an_error():
    broken = (200, SSE | {"content-length": "9999"}, event("Pa"))
    with served(broken, timeout_s=2) as (model, _, _):
        pieces = model.stream(ASK)
        assert next(pieces) == "Pa"
        with pytest.raises(ModelUnavailable):
            next(pieces)


def test_errors_and_rubbish_inside_a_stream_are_errors_of_the_course():
    said = f'data: {{"error": {{"message": "overloaded {KEY}"}}}}\n\n'
    with (
        served((200, SSE, event("Pa") + said)) as (model, _, _),
        pytest.raises(ModelUnavailable, match=r"overloaded \*\*\*"),
    ):
        list(model.stream(ASK))
    with (
        served((200, SSE, "data: {oh no\n\n")) as (model, _, _),
        pytest.raises(ModelUnavailable, match="not a chat completion"),
    ):
        list(model.stream(ASK))


def test_a_stream_that_nobody_reads_to_its_end_closes_its_connection():
    body = event("Pa") + event("ris", "stop") + "data: [DONE]\n\n"
    with served((200, SSE, body), OK) as (model, _, _):
        pieces = model.stream(ASK)
        next(pieces)
        pieces.close()
        assert model.chat(ASK).text == "Paris"


def test_the_first_model_that_the_server_lists_is_asked_once():
    listed = (200, {}, json.dumps({"object": "list", "data": [{"id": "theirs"}]}))
    with served(listed, OK, OK, model=None) as (model, server, _):
        assert model.chat(ASK).model == "theirs"
        model.chat(ASK)
    assert server.requests[0] == "/v1/models"
    assert [r["model"] for r in server.requests[1:]] == ["theirs", "theirs"]


def test_a_server_without_models_asks_for_a_name():
    listed = (200, {}, json.dumps({"object": "list", "data": []}))
    with (
        served(listed, model=None) as (model, _, _),
        pytest.raises(ModelRefused, match="CROSSROADS_MODEL"),
    ):
        model.chat(ASK)


def test_the_environments_key_goes_to_the_environments_server_only(monkeypatch):
    monkeypatch.setenv("CROSSROADS_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("CROSSROADS_API_KEY", KEY)
    with ApiModel() as theirs, ApiModel("http://127.0.0.1:8/v1", model="m") as other:
        assert theirs._client.api_key == KEY
        assert other._client.api_key != KEY


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (None, "CROSSROADS_BASE_URL"),
        ("127.0.0.1:80/v1", "must start with http://"),
        (f"http://me:{KEY}@host/v1", "CROSSROADS_API_KEY"),
        (f"http://host/v1?key={KEY}", "CROSSROADS_API_KEY"),
    ],
)
def test_an_address_that_cannot_be_used_is_explained_without_its_secrets(url, says):
    with pytest.raises(ModelError, match=says) as caught:
        ApiModel(url)
    assert KEY not in str(caught.value)
