"""A scripted learner's whole path in a real browser: S0, one day, F1, F2, the report.

Every cell is run from top to bottom, each exercise is solved, one in each lesson after
two failures. The demonstrations of A1 and F1 load models and are left out.
"""

import subprocess
import sys
from dataclasses import replace

import pytest
from browser_tools import (
    NEEDS_BROWSER,
    PATIENCE_MS,
    SHOWN,
    WIDE,
    Notebook,
    chromium,
    look_over,
    started,
    violations,
)

from course import bank, hints, lesson, progress, workspace
from course.lesson_text import SKIP_TAG

pytestmark = [*NEEDS_BROWSER, pytest.mark.models]  # M1's demonstrations need its data
WITHOUT_DEMOS = {"a1", "f1"}
AGAIN = {"s0": "5 gladly", "a1": "2", "m1": "4", "f1": "3", "f2": "4"}


def photograph_card(book, at, path):
    """As it stands; in S0 also in both of JupyterLab's themes, for axe-core."""
    for theme in ("Dark", "Light") if book.lesson.id == "s0" else ():
        book.theme(theme)
        book.card(at).scroll_into_view_if_needed()
        book.page.screenshot(path=path.with_name(f"{path.name}-{theme}.png"))
        assert violations(book.page, ".crossroads-card") == [], path.name
    book.card(at).screenshot(path=path.with_name(f"{path.name}.png"))


def put_in_order(card, key):
    """Move the lines of the card's puzzle with its buttons until they are in order."""
    wanted = hints.solution_lines(key)
    shown = hints.puzzle(key)
    for place, line in enumerate(wanted):
        at = next(i for i in range(place, len(shown)) if shown[i][1] == line)
        letter = shown[at][0]
        for number in range(at, place, -1):
            card.get_by_role("button", name=f"Move line {letter} up").press("Enter")
            card.get_by_text(f"Line {letter} is now number {number}.").wait_for()
        shown.insert(place, shown.pop(at))
    card.get_by_role("button", name="Check this order").press("Enter")
    card.get_by_text("Right. Now write it without looking.").wait_for()


def named_wrong(book, exercise):
    """Return the exercise's first wrong answer that the visible check can name."""
    check = book.nodes[book.place(exercise.check_id)].source
    visible = replace(exercise, check=check)
    return next(
        wrong
        for wrong in exercise.wrongs
        if not bank.unsaid(
            wrong, bank.judge(book.lesson, visible, wrong.source).message
        )
    )


def stumble(book, exercise, shots):
    """Fail with the skeleton, then with a wrong answer; take all the help there is."""
    name = book.lesson.id
    book.answer(exercise, exercise.skeleton)
    book.check(exercise, f"✗ {exercise.key}: not yet right.")
    wrong = named_wrong(book, exercise)
    book.answer(exercise, wrong.source)
    card = book.check(exercise, f"✗ {exercise.key}: not yet right.")
    assert bank.unsaid(wrong, card.inner_text()) == []
    card.get_by_role("button", name="Show a hint").press("Enter")
    card.get_by_text("Hint 1 of").wait_for()
    card.get_by_role("button", name="Put its lines in order").press("Enter")
    card.get_by_text("Put the solution's lines in order:").wait_for()
    photograph_card(book, book.place(exercise.check_id), shots / f"{name}-red")
    put_in_order(card, exercise.key)


def solve(book, exercise, shots):
    """Answer an exercise; the lesson's first with help, a prediction wrongly at first."""
    asked = [it for it in book.lesson.exercises if not it.is_prediction]
    if exercise is asked[0]:
        stumble(book, exercise, shots)
    elif exercise.is_prediction:
        wrong = exercise.wrongs[0]
        book.answer(exercise, wrong.source)
        card = book.check(exercise, "not yet right.")
        assert bank.unsaid(wrong, card.inner_text()) == []
        assert card.get_by_role("button", name="hint").count() == 0
    book.answer(exercise, exercise.solution)


def rate(book, at, shots):
    """Answer "again tomorrow?" with a click."""
    book.run(at)
    card = book.card(at)
    card.get_by_role("radio", name=AGAIN[book.lesson.id], exact=True).check()
    card.get_by_text("Noted: ").wait_for()
    photograph_card(book, at, shots / f"{book.lesson.id}-again")


def work_through(book, shots):
    """Do what the lesson asks for, cell by cell."""
    solution_of = {it.grade_id: it for it in book.lesson.exercises}
    check_of = {it.check_id: it for it in book.lesson.exercises}
    for at, node in enumerate(book.nodes):
        name = node.metadata.get("nbgrader", {}).get("grade_id")
        is_demo = SKIP_TAG in node.metadata.get("tags", [])
        if node.cell_type != "code" or (is_demo and book.lesson.id in WITHOUT_DEMOS):
            continue
        if name in solution_of:
            solve(book, solution_of[name], shots)
        elif name in check_of:
            book.check(check_of[name], f"✓ {check_of[name].key}: right.")
        elif node.source.startswith("again("):
            rate(book, at, shots)
        else:
            if node.source.startswith("attraction("):
                book.write(at, "attraction(ai=7, ml=4)")
            assert "Traceback" not in book.run(at), node.source


def all_green(book):
    """Every exercise's card says so."""
    for exercise in book.lesson.exercises:
        card = book.card(book.place(exercise.check_id))
        card.get_by_text(f"✓ {exercise.key}: right.").wait_for()


def do_lesson(browser, folder, wanted, *named):
    """Type `course start`, do the lesson that opens, which is the one wanted."""
    with started(folder, *named) as address:
        assert f"/{wanted}_" in address
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(PATIENCE_MS)
        book = Notebook(page, lesson.load(wanted))
        book.open(address)
        work_through(book, folder)
        if wanted == "s0":
            book.restart()
        all_green(book)
        if wanted == "f2":
            look_at_the_report(book, folder)
        page.close()
    assert all(progress.states()[it.key].passed for it in book.lesson.exercises)


def look_at_the_report(book, shots):
    """The page stands in the notebook, and says what one day's evidence supports."""
    frame = book.page.frame_locator(f"{SHOWN} iframe")
    frame.get_by_role("heading", name="Which path fits me?").wait_for()
    text = frame.locator("body").inner_text()
    assert "Not enough evidence yet." in text
    assert "1 day has both halves rated; it takes 5" in text
    assert "day 2 (A2 and M2) and day 3 (A3 and M3)" in text
    assert "the AI half was rated 2.00 steps lower than the ML half" in text
    assert "AI 7 of 10, ML 4 of 10" in text
    book.page.locator(f"{SHOWN} iframe").scroll_into_view_if_needed()
    book.page.screenshot(path=shots / "report-in-notebook.png")


def look_at_the_pages(browser, folder):
    """The report and the progress page, each by itself."""
    command = [sys.executable, "-m", "course.cli", "progress", "--html"]
    subprocess.run([*command, str(folder / "progress.html")], check=True)
    report = folder / "work" / "shared" / "report" / "fit.html"
    # axe is a script, which the pages' own policy forbids
    page = browser.new_context(bypass_csp=True).new_page()
    for path in (report, folder / "progress.html"):
        look_over(page, path, folder)
    done = sum(len(lesson.load(it).exercises) for it in AGAIN)
    assert f"{done} of " in page.locator(".score").inner_text()


def test_a_learner_goes_from_the_first_start_to_the_report(tmp_path):
    with chromium() as browser:
        do_lesson(browser, tmp_path, "s0")
        halves = ["m1", "a1"] if progress.learner_number() == 0 else ["a1", "m1"]
        do_lesson(browser, tmp_path, halves[0])
        do_lesson(browser, tmp_path, halves[1])
        do_lesson(browser, tmp_path, "f1", "f1")  # skips seven days
        do_lesson(browser, tmp_path, "f2")
        look_at_the_pages(browser, tmp_path)
    assert workspace.next_lesson().id in ("a2", "m2")
    events = list(progress.events())
    assert [it.key for it in events if it.event == "open"] == [
        "s0",
        *halves,
        "f1",
        "f2",
    ]
    rated = {it.key: it.fields["answer"] for it in events if it.event == "again"}
    assert rated == {"s0": 5, "a1": 2, "m1": 4, "f1": 3, "f2": 4}
    kinds = {it.event for it in events}
    assert kinds >= {
        "learner",
        "attraction",
        "hint",
        "parsons",
        "prediction",
        "outcome",
    }
