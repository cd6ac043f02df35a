"""A learner's first minutes, in a real browser: open, answer wrongly, take a hint."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from course import settings

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


def test_a_learner_is_told_the_mistake_gets_a_hint_and_then_the_tick(page):
    run(page, "import numpy as np")
    run(page, "def add_bias")
    assert "✗ m1.add_bias" in run(page, 'with check("m1.add_bias")')
    write(page, "def add_bias", "def add_bias(X):\n    return X")
    run(page, "def add_bias")
    told = run(page, 'with check("m1.add_bias")')
    assert 'hint("m1.add_bias")' in told
    assert "Traceback" not in told
    right = "def add_bias(X):\n    return np.column_stack([np.ones(len(X)), X])"
    write(page, "def add_bias", right)
    run(page, "def add_bias")
    assert "✓ m1.add_bias" in run(page, 'with check("m1.add_bias")')
