"""The learner's pages in a real browser: nothing for axe-core to complain of."""

import pytest
from browser_tools import NEEDS_BROWSER, chromium, look_over

from course import overview, progress, report

pytestmark = NEEDS_BROWSER


def nothing():
    """A new learner's log."""


def one_day():
    progress.attraction(7, 4)
    progress.record_attempt("m1.add_bias", passed=True)
    progress.record_attempt("a1.next_probs", passed=False)
    progress.again("a1", 2)
    progress.again("m1", 4)


def six_days():
    one_day()
    for day in range(2, 7):
        progress.again(f"a{day}", 2 + day % 2)
        progress.again(f"m{day}", 4)
    progress.attraction(3, 8)


@pytest.fixture(scope="module")
def page():
    with chromium() as browser:
        # axe is a script, which the pages' own policy forbids
        yield browser.new_context(bypass_csp=True).new_page()


@pytest.mark.parametrize("log", [nothing, one_day, six_days])
def test_the_report_and_the_progress_page_are_accessible(page, tmp_path, log):
    log()
    for path in (report.write(tmp_path), overview.write_page(tmp_path / "done.html")):
        look_over(page, path, tmp_path)
        assert page.locator("h1").count() == 1


def test_the_progress_page_opens_what_was_begun_and_the_keyboard_opens_the_rest(
    page, tmp_path
):
    one_day()
    page.goto(overview.write_page(tmp_path / "done.html").as_uri())
    assert page.locator("details[open] summary").all_inner_texts() == [
        "M1 · Where does a coefficient come from? (1 of 7 right)",
        "A1 · What does an API call return? (0 of 6 right)",
    ]
    page.locator("summary").first.focus()
    assert (
        page.locator("summary").first.evaluate(
            "node => getComputedStyle(node).outlineStyle"
        )
        == "solid"
    )
    page.keyboard.press("Enter")
    page.get_by_role("region", name="Exercises of S0").wait_for()
