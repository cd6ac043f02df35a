"""The assistant as a service: 200 requests, every refusal, streams, the log, its files."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

import course.assistant_app
from course import bank, lesson
from course.assistant_app.brain import Brain, route
from course.assistant_app.log import Log
from course.assistant_app.parts import MOST, Parts, lint_ci
from course.assistant_app.service import Limits, make_app
from course.errors import ModelUnavailable
from course.llm import ScriptedModel
from course.requests import load_requests
from course.shop import make_shop, open_shop

DEPLOY = Path(course.assistant_app.__file__).parent / "deploy"
REQUESTS = load_requests()
OPEN = Limits(rate=1e6, burst=1e6)
POLISH = {"message": "How do I polish brass?"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop") / "shop.db")


@pytest.fixture
def service(shop, tmp_path):
    """A function that makes a client of the service, and the log."""
    logs = []

    def make(chat=None, limits=OPEN, parts=None):
        log = Log(tmp_path / f"log{len(logs)}.db")
        logs.append(log)
        app = make_app(Brain(shop, chat), log, parts, limits)
        return TestClient(app, raise_server_exceptions=False)

    yield make
    for log in logs:
        log.close()


def events(reply):
    lines = [line for line in reply.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def learners_parts():
    """The six functions as lesson A8's solutions have them."""
    names = {"__name__": "__main__"}
    found = lesson.load("a8")
    for cell in found.cells:
        if cell.is_code and cell.role not in ("demo", "check"):
            bank.run(cell.source, names, f"<a8:{cell.line}>")
    made = ("handle", "cache_key", "bucket", "sse", "p95")
    return Parts(**{name: names[name] for name in made})


@pytest.mark.parametrize("whose", ["the course's", "the lesson's"])
def test_two_hundred_requests_get_no_5xx(service, whose):
    client = service(parts=None if whose == "the course's" else learners_parts())
    wanted = {200: 0, 400: 0, 422: 0}
    for i in range(200):
        path = "/v1/chat/stream" if i % 2 else "/v1/chat"
        if i % 5 < 3:
            body = json.dumps({"message": REQUESTS[i % 56].text}).encode()
            want = 200
        else:
            body, want = (b"{", 400) if i % 5 == 3 else (b'{"text": 1}', 422)
        assert client.post(path, content=body).status_code == want
        wanted[want] += 1
    stats = client.get("/v1/stats").json()
    assert stats["statuses"] == {str(k): n for k, n in wanted.items()}
    assert stats["p95_ms"]["/v1/chat"] > 0


def test_what_a_client_is_told(service):
    said = service().post("/v1/chat", json={"message": "Where is order 1402?"}).json()
    assert said == {
        "answer": "Order 1402 is delivered. Last parcel: 2026-01-13.",
        "call": {"name": "order_status", "arguments": {"order_id": 1402}},
        "source": None,
        "confirm": False,
        "cached": False,
    }


def test_a_stream_says_the_same_as_the_answer(service):
    client = service()
    whole = client.post("/v1/chat", json=POLISH).json()
    head, *rest = events(client.post("/v1/chat/stream", json=POLISH))
    assert head == {"call": whole["call"], "source": "h14", "confirm": False}
    assert "".join(it["text"] for it in rest) == whole["answer"]
    assert len(rest) > 10


def test_handbook_answers_are_kept_and_orders_are_not(service):
    client = service()
    for _ in range(2):
        brass = client.post("/v1/chat", json=POLISH).json()
        order = client.post("/v1/chat", json={"message": "Where is order 1402?"}).json()
    assert brass["cached"]
    assert not order["cached"]


def test_nothing_is_cancelled_before_the_customer_says_yes(shop, service):
    con = open_shop(shop, read_only=True)
    (order,) = con.execute(
        "SELECT id FROM orders WHERE cancelled_on IS NULL "
        "AND id NOT IN (SELECT order_id FROM shipments)"
    ).fetchone()
    client, message = service(), f"Please cancel order {order}."
    state = "SELECT cancelled_on FROM orders WHERE id = ?"
    for path in ("/v1/chat", "/v1/chat/stream"):
        assert client.post(path, json={"message": message}).status_code == 200
        assert con.execute(state, (order,)).fetchone() == (None,)
    first = client.post("/v1/chat", json={"message": message}).json()
    assert first["confirm"]
    done = client.post("/v1/chat", json={"message": message, "confirm": True}).json()
    assert not done["confirm"]
    assert con.execute(state, (order,)).fetchone() != (None,)
    con.close()


def test_what_the_shop_refuses_is_an_answer_and_no_failure(service):
    reply = service().post("/v1/chat", json={"message": "Where is order 7777?"})
    assert reply.status_code == 200
    assert "there is no order 7777" in reply.json()["answer"]


def test_one_impatient_client_is_told_to_wait(service):
    client = service(limits=Limits(rate=0.25, burst=3))
    replies = [client.post("/v1/chat", json=POLISH) for _ in range(5)]
    assert [it.status_code for it in replies] == [200, 200, 200, 429, 429]
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 4
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("failure", "status"),
    [(TimeoutError("slow"), 503), (ValueError("secret.py"), 500)],
)
def test_a_model_that_fails_is_reported_and_nothing_leaks(service, failure, status):
    reply = service(chat=ScriptedModel([failure])).post("/v1/chat", json=POLISH)
    assert reply.status_code == status
    assert reply.json().keys() == {"error"}
    assert "secret" not in reply.text


def test_a_model_that_is_not_there_is_a_503(service):
    chat = ScriptedModel([ModelUnavailable("no answer")])
    assert service(chat=chat).post("/v1/chat", json=POLISH).status_code == 503


def test_a_stream_that_breaks_off_says_so_and_is_logged_as_a_failure(service):
    client = service(chat=ScriptedModel([ValueError("secret.py")]))
    *_, last = events(client.post("/v1/chat/stream", json=POLISH))
    assert last == {"error": "something went wrong on our side"}
    assert client.get("/v1/stats").json()["statuses"] == {"500": 1}


def test_a_number_that_is_not_in_the_facts_is_corrected(service):
    chat = ScriptedModel(["It has a guarantee of 99 years."])
    text = service(chat=chat).post("/v1/chat", json=POLISH).json()["answer"]
    assert "99 years" in text
    assert "Please rely on this: Care of brass" in text


def test_an_answer_with_the_facts_numbers_stays_as_it_is(service):
    chat = ScriptedModel(["It arrived on 2026-01-13."])
    ask = {"message": "Where is order 1402?"}
    assert service(chat=chat).post("/v1/chat", json=ask).json()["answer"] == (
        "It arrived on 2026-01-13."
    )


def test_a_price_without_its_zeros_is_no_other_number(service):
    chat = ScriptedModel(["The Heron wall lamp costs 198 euro."])
    ask = {"message": "What does the LMP-1404 cost?"}
    text = service(chat=chat).post("/v1/chat", json=ask).json()["answer"]
    assert text == "The Heron wall lamp costs 198 euro."


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({}, b"x" * 10_001, 413), ({"transfer-encoding": "chunked"}, iter([b"{}"]), 411)],
)
def test_bodies_that_are_too_large_or_of_no_length_are_refused(
    service, headers, body, status
):
    reply = service().post("/v1/chat", content=body, headers=headers)
    assert reply.status_code == status


def test_the_same_door_leads_to_a_code_completion(service):
    chat = ScriptedModel(["    return a + b"])
    reply = service(chat=chat).post("/v1/complete", json={"message": "def add(a, b):"})
    assert reply.json() == {"answer": "    return a + b"}
    assert "def add" in chat.history[0][-1]["content"]
    assert service().post("/v1/complete", json=POLISH).status_code == 503


def test_words_decide_the_tool():
    test = [it for it in REQUESTS if it.part == "test"]
    assert sum(route(it.text) == it.tool for it in test) == 39


def test_the_contract_is_published(service):
    paths = service().get("/openapi.json").json()["paths"]
    assert {"/v1/chat", "/v1/chat/stream", "/v1/complete", "/health"} <= paths.keys()
    body = paths["/v1/chat"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["required"] == ["message"]
    assert body["schema"]["properties"]["message"]["maxLength"] == MOST


@pytest.fixture(scope="module")
def address(shop, tmp_path_factory):
    """The service as a process of its own, as a shop would run it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "log.db"
    command = [sys.executable, "-m", "course.assistant_app", str(shop), "--no-model"]
    process = subprocess.Popen([*command, "--port", str(port), "--log", str(log)])
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(url + "/health", trust_env=False)
            break
        except httpx.TransportError:
            assert process.poll() is None
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(timeout=20)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_back_end_in_any_language_can_call_it(address):
    def curl(*options):
        command = ["curl", "-sS", "--noproxy", "*", *options]
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout

    said = json.loads(
        curl("-d", '{"message": "Where is order 1402?"}', f"{address}/v1/chat")
    )
    assert said["answer"].startswith("Order 1402 is delivered")
    stream = curl("-N", "-d", json.dumps(POLISH), f"{address}/v1/chat/stream")
    assert stream.endswith("data: [DONE]\n\n")
    status = curl(
        "-o", "-", "-w", " %{http_code}", "-d", "rubbish", f"{address}/v1/chat"
    )
    assert status == '{"error":"the body is not JSON"} 400'


@pytest.mark.browser
@pytest.mark.slow
def test_one_can_talk_to_it_in_a_browser(address, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page()
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        for text in ("Where is order 1402?", "Please cancel order 1594."):
            page.get_by_label("Your message").fill(text)
            page.get_by_role("button", name="Send").click()
            page.wait_for_selector("#send:enabled")
        assert "Order 1402 is delivered." in page.locator("#talk").inner_text()
        page.get_by_role("button", name="No").click()
        assert "nothing is changed" in page.locator("#talk").inner_text()
        browser.close()
    assert wrong == []


def test_its_workflow_is_a_workflow_and_its_reviewers_are_content():
    bin_dir = Path(sys.executable).parent
    schema = ["--builtin-schema", "vendor.github-workflows"]
    for program, options in (
        ("check-jsonschema", [*schema, str(DEPLOY / "ci.yml")]),
        ("zizmor", ["--offline", "--quiet", str(DEPLOY / "ci.yml")]),
        ("hadolint", [str(DEPLOY / "Dockerfile")]),
    ):
        found = shutil.which(program, path=bin_dir)
        if found is None and sys.platform == "win32":
            continue  # hadolint has no wheel for Windows
        assert found, program
        done = subprocess.run([found, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_real_reviewers_refuse_what_the_lessons_does(tmp_path):
    text = (DEPLOY / "ci.yml").read_text()
    bad = text.replace("11bd71901bbe5b1630ceea73d27597364c9af683", "v4")
    (tmp_path / "ci.yml").write_text(bad)
    assert any("not pinned" in it for it in lint_ci(bad, "FROM a:1\nUSER b\n"))
    zizmor = shutil.which("zizmor", path=Path(sys.executable).parent)
    command = [zizmor, "--offline", "--quiet", str(tmp_path / "ci.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "unpinned-uses" in done.stdout


def test_its_own_linter_finds_nothing_in_its_own_files():
    workflow = (DEPLOY / "ci.yml").read_text()
    assert lint_ci(workflow, (DEPLOY / "Dockerfile").read_text()) == []
