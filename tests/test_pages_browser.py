"""In a real browser nothing that a student wrote runs, asks or moves anything."""

import pytest
import verdict_tools as tools
from browser_tools import CHROMIUM, QUIET
from payloads import PAYLOADS

from autograder import feedback_pages, reports
from autograder.outline import Outline
from autograder.verdicts import Status

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install it or set CHROMIUM"),
]
LOOK = """() => ({
    pwned: window.pwned === undefined ? null : window.pwned,
    ready: document.title,
    strange: [...document.querySelectorAll('*')].filter(node =>
        /^(script|iframe|object|embed|form|input|video|audio|link|base)$/i
            .test(node.tagName) ||
        [...node.attributes].some(it => /^on|^style$/i.test(it.name) ||
            (/^(href|src|srcset)$/i.test(it.name) && !/^(#|data:image)/.test(it.value)))
    ).map(node => node.outerHTML),
    wide: document.documentElement.scrollWidth - window.innerWidth,
})"""


def feedback(payload):
    """Return a feedback page with the payload wherever a student's text can come."""
    found = tools.failed(payload, traceback=payload)
    more = tools.exercise(Status.TIMED_OUT, payload, check=payload)
    cells = (tools.cell("z1_softmax", payload), tools.cell(payload, payload))
    made = tools.verdict(*found.exercises, more, notes=(payload,), cells=cells)
    return feedback_pages.page(payload, tools.OUTLINE, made)


def report(payload):
    """Return a class report with the payload wherever a student's text can come."""
    more = tools.exercise(Status.VIOLATION, payload, check=payload)
    made = tools.verdict(*tools.failed(payload).exercises, more, notes=(payload,))
    rows = [tools.row(payload, made), tools.row("b", tools.refused(payload))]
    return reports.page(payload, rows, [Outline(tools.NAME, payload)])


@pytest.fixture(scope="module")
def context():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_context(viewport={"width": 390, "height": 800})
        browser.close()


def seen(context, path):
    """Open a page, touch all that can be touched; return what it did and asked for."""
    page, events = context.new_page(), []
    page.on("dialog", lambda it: (events.append(it.message), it.dismiss()))
    page.on("request", lambda it: events.append(it.url))
    page.on("popup", lambda it: events.append(it.url))
    page.goto(path.as_uri())
    for node in page.locator("a, summary, pre").all():
        node.dispatch_event("mouseover")
        node.dispatch_event("click")
    found = page.evaluate(LOOK)
    page.close()
    own = (path.as_uri(), "data:image/svg")
    return found, [it for it in events if not it.startswith(own)]


@pytest.mark.parametrize("make", [feedback, report])
def test_no_payload_runs_asks_or_adds_anything(context, tmp_path, make):
    path = tmp_path / "page.html"
    for payload in PAYLOADS:
        path.write_text(make(payload), encoding="utf-8")
        found, events = seen(context, path)
        assert events == [], payload
        assert found["pwned"] is None, payload
        assert found["strange"] == [], payload
        assert found["wide"] <= 0, payload


def test_the_watch_sees_a_script_that_runs(context, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f"<body>{PAYLOADS[0]}{PAYLOADS[11]}</body>")
    found, events = seen(context, path)
    assert found["pwned"] == 1
    assert "1" in events
    assert any(it.startswith("http://127.0.0.1:9") for it in events)
    assert found["strange"]
