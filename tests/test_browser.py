"""A learner's first minutes, in a real browser: open, answer wrongly, take a hint."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from axe_playwright_python.sync_playwright import Axe

from course import progress, settings

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install it or set CHROMIUM"),
]


@pytest.fixture
def lab(tmp_path):
    """Yield the address of a JupyterLab that `course start` opened on m1."""
    log = tmp_path / "lab.log"
    command = [sys.executable, "-m", "course.cli", "start", "m1", "--no-browser"]
    command += ["--folder", str(tmp_path / "work")]
    env = settings.for_child(
        JUPYTER_RUNTIME_DIR=str(tmp_path / "runtime"),
        JUPYTERLAB_WORKSPACES_DIR=str(tmp_path / "workspaces"),
    )
    with log.open("w") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=out, env=env, start_new_session=True
        )
    try:
        yield address_in(log, server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def address_in(log, server):
    for _ in range(600):
        found = re.search(r"http://127\.0\.0\.1\S+token=\w+", log.read_text())
        if found:
            return found.group()
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture
def page(lab):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(90_000)
        page.goto(lab)
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_selector("text=| Idle")  # the kernel is there
        yield page
        browser.close()


def cell(page, text):
    """The code cell whose source begins with this text."""
    return page.locator(".jp-CodeCell").filter(has_text=text).first


def run(page, text):
    """Run the cell and return what it prints, once the kernel is done."""
    found = cell(page, text)
    found.locator(".jp-InputPrompt").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "node => /\\[\\d+\\]/.test(node.querySelector('.jp-InputPrompt').innerText)",
        arg=found.element_handle(),
    )
    return found.locator(".jp-OutputArea").inner_text()


def write(page, text, source):
    """Replace the cell's source."""
    found = cell(page, text)
    found.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)


RIGHT = "def add_bias(X):\n    return np.column_stack([np.ones(len(X)), X])"
CHECK = 'with check("m1.add_bias")'


def violations(page, where):
    """What axe-core finds in this part of the page, in words."""
    found = Axe().run(page, context=where).response["violations"]
    return [
        f"{it['id']}: {it['help']}: {[node['html'][:150] for node in it['nodes']]}"
        for it in found
    ]


def theme(page, name):
    page.evaluate(
        "light => document.body.dataset.jpThemeLight = light",
        str(name == "light").lower(),
    )


def press(page, name):
    """Reach a button as the keyboard does, and press it."""
    button = page.get_by_role("button", name=name).first
    button.focus()
    page.keyboard.press("Enter")


def check_shows(page, *texts):
    """Run the check; its card shows these texts, and there is no traceback."""
    run(page, CHECK)
    for text in texts:
        cell(page, CHECK).locator(".crossroads-card").get_by_text(text).wait_for()
    assert "Traceback" not in cell(page, CHECK).inner_text()


def answer_wrongly_twice(page):
    run(page, "import numpy as np")
    run(page, "def add_bias")
    check_shows(page, "✗ m1.add_bias: not yet right.")
    write(page, "def add_bias", "def add_bias(X):\n    return X")
    run(page, "def add_bias")
    check_shows(page, "✗ m1.add_bias: not yet right.", "M1: 0 of")


def restart_and_reload(page, work):
    """Save, restart the kernel, load the page anew."""
    page.keyboard.press("Control+S")
    saved = next(work.rglob("m1_*.ipynb"))
    for _ in range(300):
        if "widget-state" in saved.read_text():
            break
        page.wait_for_timeout(100)
    page.get_by_title("Restart the kernel").first.click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.reload()
    page.wait_for_selector(".jp-Notebook .jp-Cell")


def test_the_card_names_the_mistake_helps_and_survives_a_restart(page, tmp_path):
    answer_wrongly_twice(page)
    press(page, "Show a hint")
    page.get_by_text("Hint 1 of 3").wait_for()
    press(page, "Put its lines in order")
    press(page, "Move line A down")
    page.get_by_text("Line A is now number 2.").wait_for()
    press(page, "Check this order")
    page.get_by_text("Right. Now write it without looking.").wait_for()
    for name in ("dark", "light"):
        theme(page, name)
        page.locator(".crossroads-card").screenshot(path=tmp_path / f"{name}.png")
        assert violations(page, ".crossroads-card") == [], name
    write(page, "def add_bias", RIGHT)
    run(page, "def add_bias")
    check_shows(page, "✓ m1.add_bias: right.")
    restart_and_reload(page, tmp_path / "work")
    page.locator(".crossroads-card.passed").wait_for()
    assert "✓ m1.add_bias: right." in page.locator(".crossroads-card").inner_text()
    done = {
        it.key: it.fields["passed"] for it in progress.events() if it.event == "attempt"
    }
    assert done == {"m1.add_bias": True}
    assert {it.event for it in progress.events()} >= {"hint", "parsons"}
