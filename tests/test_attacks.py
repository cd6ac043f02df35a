"""Hostile submissions gain nothing, learn nothing, reach nothing and stop nobody.

The suite is graded as one class, once in each mode; `tests/attacks/` holds one file for
each submission, and `attack_tools` says how it is read.
"""

import json
import os
import re
from dataclasses import dataclass

import attack_tools as tools
import psutil
import pytest
from attack_tools import NAME, SECRET, WALL_S
from browser_tools import CHROMIUM, QUIET
from nbgrader.api import Gradebook
from test_pages_browser import LOOK

from autograder import feedback_pages, outline
from autograder.probe import Mode, problem_of
from autograder.verdicts import Status

pytestmark = pytest.mark.slow
SUITE = {it.name: it for it in tools.suite()}
IN_FLAT = ("escape_", "read_", "exhaust_f", "exhaust_exit", "wire_raw")
STRANGE = ["<script>window.pwned=1<script>", "-rf", "a b", "x\u202e"]
PRINTED = ("PRINTED-IN-CHECK", "PRINTED_IN_CHECK")
DONE = ("ESCAPED", "tell-everybody")  # what an attack prints that succeeded
TOUCH_AND_LOOK = f"""() => {{
    for (const node of document.querySelectorAll("summary, pre, a")) {{
        node.dispatchEvent(new MouseEvent("mouseover", {{bubbles: true}}));
        node.click();
    }}
    return ({LOOK})();
}}"""


@dataclass
class Graded:
    """The class, graded: rows by student, and what became of the surroundings."""

    room: object
    report: object
    around: object
    left: set

    @property
    def verdicts(self):
        return {it.student: it.verdict for it in self.report.rows}


@pytest.fixture(scope="module", params=[Mode.NESTED, Mode.FLAT])
def graded(request, tmp_path_factory):
    """Grade the whole suite in one go; in flat mode those that the mode may matter to."""
    mode = request.param
    problem = problem_of(mode)
    if problem:
        pytest.skip(problem)
    room = tools.make_room(tmp_path_factory.mktemp("attacked"))
    path = f"{tools.ROOT}{os.pathsep}{tools.HERE}"
    with pytest.MonkeyPatch.context() as patch, tools.surroundings(room) as around:
        patch.setenv("PYTHONPATH", path)
        tools.hand_in_honest(room)
        for it in SUITE.values():
            if mode is Mode.NESTED or it.name.startswith(IN_FLAT):
                tools.hand_in(room, it, around.places)
        for name in STRANGE:
            (room.folder / "submitted" / name / NAME).mkdir(parents=True)
        around.before = around.fingerprints()
        processes = set(psutil.Process().children(recursive=True))
        report = tools.grade(room, mode)
        left = set(psutil.Process().children(recursive=True)) - processes
        yield Graded(room, report, around, left)


@pytest.fixture(scope="module")
def pages(graded):
    """Write the feedback page of every submission; return them by student."""
    shapes = {NAME: outline.of_lesson(tools.lesson())}
    paths = feedback_pages.write_pages(graded.room.folder, graded.report.rows, shapes)
    return {it.parts[-3]: it for it in paths}


def exercise(verdict, name):
    return next(it for it in verdict.exercises if it.grade_id == f"z2_{name}_check")


def chosen_text(verdict):
    """Return all text in a verdict that the student's code chose."""
    found = [json.dumps([it.outputs, it.error]) for it in verdict.cells]
    return "\n".join(
        found + [f"{it.traceback}\n{it.stdout}" for it in verdict.exercises]
    )


def test_there_are_enough_of_them():
    assert len(SUITE) >= 80
    statuses = {str(it) for it in Status} - {
        "passed",
        "partial",
        "manual",
        "not_graded",
    }
    for it in SUITE.values():
        assert it.form in ("cell", "notebook", "file"), it.name
        assert it.target in tools.MOST, it.name
        assert it.is_rejected or statuses.issuperset(it.expect), it.name
        assert it.tries.endswith("."), it.name
        assert it.harmless or it.danger, it.name


@pytest.mark.parametrize("name", SUITE)
def test_an_attack_gains_nothing_and_gets_its_own_status(graded, name):
    attack, verdict = SUITE[name], graded.verdicts.get(name)
    if verdict is None:
        pytest.skip("not in this mode")
    if attack.is_rejected:
        assert (verdict.status, verdict.points) == ("rejected", None)
        assert verdict.reason
        return
    found = exercise(verdict, attack.target)
    assert (found.points, found.max_points) == (0.0, tools.MOST[attack.target])
    # a busy machine may end any of them before it has done its worst
    assert str(found.status) in (*attack.expect, "timed_out"), found.message
    assert verdict.max_points == sum(tools.MOST.values())
    if attack.keeps:
        others = {it.grade_id: it.points for it in verdict.exercises if it is not found}
        assert sum(others.values()) == sum(tools.MOST.values()) - found.max_points, (
            others
        )


def test_the_class_beside_them_is_graded_as_ever(graded):
    right = [n for n in graded.verdicts if n.startswith("honest_right")]
    assert len(right) == tools.HONEST - 1
    assert {graded.verdicts[it].points for it in right} == {6.0}
    assert graded.verdicts["honest_nothing"].points == 0.0
    assert {it.name for it in graded.report.strange} == set(STRANGE)


def test_none_outlives_its_limits(graded):
    slow = {it.student: it.verdict.seconds for it in graded.report.rows}
    assert max(slow.values()) < WALL_S + 10, slow
    assert graded.left == set()


def test_nothing_outside_was_reached(graded):
    assert graded.around.visits == []
    assert graded.around.victim.poll() is None
    assert graded.around.fingerprints() == graded.around.before
    assert not (tools.ROOT / "stolen").exists()


def test_nothing_was_read(graded):
    for name, verdict in graded.verdicts.items():
        text = chosen_text(verdict)
        assert not SECRET.search(text), name
        assert not [it for it in DONE if it in text], name
        assert "left-by-another" not in text, name


def test_the_gradebook_holds_the_same_points(graded):
    with Gradebook(f"sqlite:///{graded.room.gradebook}", graded.room.course_id) as book:
        scores = {it.student_id: it.score for it in book.assignment_submissions(NAME)}
    graded_ones = {n: it for n, it in graded.verdicts.items() if it.status == "graded"}
    assert {n: scores[n] for n in graded_ones} == {
        n: it.points for n, it in graded_ones.items()
    }


def test_the_pages_tell_nothing_hidden(graded, pages):
    assert set(pages) == set(graded.verdicts)
    for name, path in pages.items():
        text = path.read_text()
        assert not SECRET.search(text), name
        assert not [it for it in PRINTED if it in text], name
        assert len(text) < 200_000, name


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install it or set CHROMIUM")
def test_nothing_runs_in_the_pages(graded, pages):
    if len(pages) < len(SUITE):
        pytest.skip("the same pages as in the other mode, but fewer")
    from playwright.sync_api import sync_playwright

    events = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.on("dialog", lambda it: (events.append(it.message), it.dismiss()))
        page.on("request", lambda it: events.append(it.url))
        page.on("popup", lambda it: events.append(it.url))
        for name, path in pages.items():
            page.goto(path.as_uri())
            found = page.evaluate(TOUCH_AND_LOOK)
            assert [it for it in events if it != path.as_uri()] == [], name
            assert found["pwned"] is None, name
            assert found["strange"] == [], name
            events.clear()
        browser.close()


def test_the_page_of_the_suite_lists_exactly_its_files():
    text = (tools.ROOT / "docs" / "attacks.md").read_text()
    listed = re.findall(
        r"^\| `(\w+)` \| (.*?) \| ([\w ]+) \| (.+) \|$", text, re.MULTILINE
    )
    assert sorted(it[0] for it in listed) == sorted(SUITE)
    for name, _, ours, theirs in listed:
        assert ours == " or ".join(SUITE[name].expect).replace("_", " "), name
        assert theirs.startswith("not run: ") is not SUITE[name].harmless, name
    assert f"{len(SUITE)} attacks on Crossroads" in text
