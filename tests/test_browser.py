"""A learner's first minutes, in a real browser: open, answer wrongly, take a hint."""

import re

import pytest
from browser_tools import (
    NEEDS_BROWSER,
    PATIENCE_MS,
    WIDE,
    Notebook,
    chromium,
    started,
    violations,
)

from course import lesson, progress

pytestmark = NEEDS_BROWSER
RIGHT = "def add_bias(X):\n    return np.column_stack([np.ones(len(X)), X])"
FOCUS = "() => getComputedStyle(document.activeElement).outlineStyle"
KEYS = "() => document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"


@pytest.fixture(scope="module")
def m1(tmp_path_factory):
    """The notebook m1 in a JupyterLab, and the folder of all that it writes."""
    folder = tmp_path_factory.mktemp("m1")
    with pytest.MonkeyPatch.context() as patch, chromium() as browser:
        patch.setenv("CROSSROADS_HOME", str(folder / "home"))
        with started(folder, "m1") as address:
            page = browser.new_page(viewport=WIDE)
            page.set_default_timeout(PATIENCE_MS)
            book = Notebook(page, lesson.load("m1"))
            book.open(address)
            yield book, folder


@pytest.fixture
def book(m1, monkeypatch):
    notebook, folder = m1
    monkeypatch.setenv("CROSSROADS_HOME", str(folder / "home"))
    progress.forget()
    notebook.run(1)  # its set-up: another test may have restarted the kernel
    return notebook


def fail_twice(book, exercise):
    """Run the check of the skeleton twice; return its card."""
    book.answer(exercise, exercise.skeleton)
    book.check(exercise, f"✗ {exercise.key}: not yet right.")
    return book.check(exercise, f"✗ {exercise.key}: not yet right.")


def test_the_card_names_the_mistake_helps_and_survives_a_restart(book):
    exercise = book.lesson.by_id["add_bias"]
    fail_twice(book, exercise)
    book.answer(exercise, "def add_bias(X):\n    return X")
    book.check(exercise, "M1: 0 of")
    book.press("Show a hint")
    book.page.get_by_text("Hint 1 of 3").wait_for()
    book.press("Put its lines in order")
    book.press("Move line A down")
    book.page.get_by_text("Line A is now number 2.").wait_for()
    book.press("Check this order")
    book.page.get_by_text("Right. Now write it without looking.").wait_for()
    for name in ("Dark", "Light"):
        book.theme(name)
        assert violations(book.page, ".crossroads-card") == [], name
    book.answer(exercise, RIGHT)
    book.check(exercise, "✓ m1.add_bias: right.")
    book.restart()
    book.page.locator(".crossroads-card.passed").get_by_text("right.").wait_for()
    assert {it.event for it in progress.events()} >= {"hint", "parsons"}
    assert progress.states()["m1.add_bias"].passed


def test_keys_alone_reach_all_of_a_card_and_stay_in_it(book):
    exercise = book.lesson.by_id["add_bias"]
    card = fail_twice(book, exercise)
    keyboard, cells = book.page.keyboard, book.page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    while "hint" not in book.page.evaluate(KEYS):
        keyboard.press("Tab")
    for number in (1, 2, 3):
        keyboard.press("Space")
        card.get_by_text(f"Hint {number} of 3").wait_for()
    assert book.page.evaluate(KEYS).startswith("Hint 3 of 3")  # its button is gone
    while book.page.evaluate(KEYS) != "Put its lines in order":
        keyboard.press("Tab")
        assert book.page.evaluate(FOCUS) == "solid"
    keyboard.press("Enter")
    card.get_by_text("Check this order").wait_for()
    assert re.match("Move line [AB] (up|down)", book.page.evaluate(KEYS))
    for key in ("ArrowDown", "a", "d", "d"):  # these would move, add, delete a cell
        keyboard.press(key)
    assert cells.count() == before
    assert book.page.evaluate(KEYS).startswith("Move line")
    keyboard.press("Enter")
    said = card.get_by_role("status").filter(has_text="is now number")
    said.wait_for()  # and a screen reader says it


def test_arrow_keys_choose_on_the_last_card_and_one_answer_is_noted(book):
    last = len(book.nodes) - 1
    book.run(last)
    card = book.card(last)
    card.get_by_role("radio").first.focus()
    for key in ("Space", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowDown"):
        book.page.keyboard.press(key)
    card.get_by_role("status").filter(has_text="Noted: 3 of 5.").wait_for()
    assert [it.fields["answer"] for it in progress.events() if it.event == "again"] == [
        3
    ]
    assert violations(book.page, ".crossroads-card.again") == []


def test_a_card_without_a_kernel_says_so_and_hints_stay_with_the_next_one(book):
    exercise = book.lesson.by_id["add_bias"]
    fail_twice(book, exercise)
    book.press("Show a hint")
    book.page.get_by_text("Hint 1 of 3").wait_for()
    book.restart()
    card = book.card(book.place(exercise.check_id))
    card.get_by_role("button", name="Next hint").press("Enter")
    told = card.get_by_role("status").filter(has_text="run this cell again")
    told.wait_for()
    book.run(1)
    card = book.check(exercise, "✗ m1.add_bias: not yet right.")
    card.get_by_text("Hint 1 of 3").wait_for()
    card.get_by_role("button", name="Next hint").press("Enter")
    card.get_by_text("Hint 2 of 3").wait_for()
    assert "after a restart" not in card.inner_text()


def test_an_instructors_buttons_are_not_in_a_learners_way(book):
    shown = book.page.locator("body").inner_text()
    assert "Kernel" in shown
    assert "Nbgrader" not in shown
    assert "Validate" not in shown
