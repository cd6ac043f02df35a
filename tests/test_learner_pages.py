"""The learner's pages in a real browser: nothing for axe-core to complain of."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_tools import CHROMIUM, QUIET

from course import overview, progress, report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install it or set CHROMIUM"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_and_the_progress_page_are_accessible(tmp_path, scheme):
    from playwright.sync_api import sync_playwright

    progress.attraction(7, 4)
    progress.record_attempt("m1.add_bias", passed=True)
    for day in range(1, 7):
        progress.again(f"a{day}", 2 + day % 2)
        progress.again(f"m{day}", 4)
    made = [report.write(tmp_path), overview.write_page(tmp_path / "progress.html")]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        # axe is a script, which the pages' own policy forbids
        page = browser.new_context(color_scheme=scheme, bypass_csp=True).new_page()
        for path in made:
            page.goto(path.as_uri())
            assert page.locator("h1").count() == 1
            found = Axe().run(page).response["violations"]
            assert [(it["id"], it["help"]) for it in found] == [], path.name
        browser.close()
