"""A learner in a real browser: what `course start` opens, its cells and its cards."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe

from course import build, settings

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
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install it or set CHROMIUM"),
]
WIDE, NARROW = {"width": 1200, "height": 1000}, {"width": 390, "height": 800}
PATIENCE_MS = 120_000  # a busy machine is slow, not broken
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"

# Says on the prompt itself when the cell's next run has ended: its number may be the
# same as before, and a quick cell is done before anybody looks.
WATCH = """node => {
    delete node.dataset.ran;
    const watch = new MutationObserver(() => {
        if (!/\\[\\d+\\]/.test(node.textContent)) return;
        node.dataset.ran = "yes";
        watch.disconnect();
    });
    watch.observe(node, {childList: true, characterData: true, subtree: true});
}"""


@contextmanager
def chromium():
    """Yield a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def started(folder, *lesson):
    """Yield the address that `course start` opens; all its files are in the folder."""
    log = folder / "lab.log"
    command = [sys.executable, "-m", "course.cli", "start", *lesson, "--no-browser"]
    command += ["--folder", str(folder / "work")]
    env = settings.for_child(
        JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
        JUPYTER_CONFIG_DIR=str(folder / "config"),
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
    for _ in range(1200):
        found = re.search(r"http://127\.0\.0\.1\S+token=\w+", log.read_text())
        if found:
            return found.group()
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def violations(page, where=None):
    """What axe-core finds in this part of the page, in words."""
    found = Axe().run(page, context=where).response["violations"]
    return [
        f"{it['id']}: {it['help']}: {[node['html'][:150] for node in it['nodes']]}"
        for it in found
    ]


def look_over(page, path, shots):
    """A page wide and narrow, light and dark: nothing for axe-core, nothing cut off."""
    page.goto(path.as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)
            name = f"{path.stem}-{size['width']}-{scheme}.png"
            page.screenshot(path=shots / name, full_page=True)
            assert page.evaluate("document.body.scrollWidth") <= size["width"], name
            assert violations(page) == [], name


class Notebook:
    """The notebook that JupyterLab shows, worked on cell by cell."""

    def __init__(self, page, lesson):
        self.page, self.lesson = page, lesson
        self.nodes = build.learner_notebook(lesson).cells

    def open(self, address):
        """Load the page, and wait until the kernel is there."""
        self.page.goto(address)
        self.ready()

    def ready(self):
        self.page.wait_for_selector(f"{SHOWN} .jp-Cell")
        self.page.wait_for_selector("text=| Idle")

    def place(self, grade_id):
        """The number of the cell that nbgrader knows by this name."""
        return next(
            i for i, node in enumerate(self.nodes) if grade_id_of(node) == grade_id
        )

    def cell(self, at):
        return self.page.locator(f'{SHOWN} .jp-Cell[data-windowed-list-index="{at}"]')

    def run(self, at):
        """Run the cell; return what it shows once the kernel is done with it."""
        prompt = self.cell(at).locator(".jp-InputPrompt")
        prompt.click()
        prompt.evaluate(WATCH)
        self.page.keyboard.press("Control+Enter")
        self.cell(at).locator(".jp-InputPrompt[data-ran]").wait_for()
        shown = self.cell(at).locator(".jp-OutputArea-output").all_inner_texts()
        return "\n".join(shown)

    def write(self, at, source):
        """Replace the cell's source."""
        self.cell(at).locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)

    def answer(self, exercise, source):
        """Write an answer and run it."""
        at = self.place(exercise.grade_id)
        self.write(at, source)
        self.run(at)

    def card(self, at):
        return self.cell(at).locator(".crossroads-card")

    def check(self, exercise, *texts):
        """Run the check; return its card, which shows these texts without traceback."""
        at = self.place(exercise.check_id)
        assert "Traceback" not in self.run(at)
        for text in texts:
            self.card(at).get_by_text(text).wait_for()
        return self.card(at)

    def press(self, name):
        """Reach a card's button as the keyboard does, and press it."""
        button = self.page.get_by_role("button", name=name).first
        button.focus()
        self.page.keyboard.press("Enter")

    def theme(self, name):
        """Choose JupyterLab's theme, "Light" or "Dark", in its menu."""
        entries = self.page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel")
        for text in ("Settings", "Theme", f"JupyterLab {name}"):
            entries.get_by_text(text, exact=True).click()
        light = "true" if name == "Light" else "false"
        wanted = f'body[data-jp-theme-light="{light}"]'
        self.page.wait_for_selector(wanted, state="attached")

    def restart(self):
        """Save, restart the kernel, load the page anew."""
        saved = self.page.expect_response(
            lambda it: it.request.method == "PUT" and "/api/contents/" in it.url
        )
        with saved:
            self.page.keyboard.press("Control+S")
        self.page.get_by_title("Restart the kernel").first.click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")
        self.page.reload()
        self.ready()


def grade_id_of(node):
    return node.metadata.get("nbgrader", {}).get("grade_id")
