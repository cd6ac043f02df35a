"""A student's page says what to do next, and nothing of hidden tests."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import verdict_tools as tools
from hypothesis import given
from hypothesis import strategies as st
from payloads import PAYLOADS

from autograder import feedback_pages, messages, outline, pages
from autograder.messages import Detail
from autograder.outline import Item
from autograder.verdicts import Status, SubmissionStatus
from course import bank
from course import lesson as library
from course import pages as course_pages
from course.errors import ClassroomError

FORGOT = "✗ z1.softmax: you forgot to normalise: the sum is not 1"
SECRET = "8675309"
CHECK = """
with check("q.f"):
    def try_it(x, name):
        "A docstring that is no message at all."
        why = "one more sentence with its own name."
        expect(f(x) > 0, "the result must be positive. Take the square.")
        expect(f(x) > 1, f"{name} gives {f(x)}, not 1. Divide by the sum of all.")
        expect(f(x) > 2, "f is %s here. Count from zero." % x)
        expect(f(x) > 3, "f is {} here. Mind the sign, too.".format(x))
        expect(f(x) > 4, why + " And another part.")
    try_it(1, "f(1)")
    ### BEGIN HIDDEN TESTS
    try_it(8675309, "f(8675309)")
    expect(f(2) == 3, "f must give 3 here: add one to it")
    expect_equal(f("lamp 8675309 oak brass"), "x", "f")
    ### END HIDDEN TESTS
"""
ITEM = Item("q_f_check", "q.f", check=CHECK)


class Structure(HTMLParser):
    """Collects what a browser would see as tags."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def page_of(found, student="ada", detail=Detail.FULL):
    return feedback_pages.page(student, tools.OUTLINE, found, detail)


def hidden(message, item=ITEM):
    failed = tools.exercise(Status.FAILED, message, hidden=True, traceback="tb")
    return messages.shown(failed, item)


def test_a_visible_failure_shows_message_traceback_mistake_and_first_hint():
    text = page_of(tools.failed(FORGOT, traceback="File <z1_softmax>, line 3"))
    assert "you forgot to normalise: the sum is not 1" in text
    assert "File &lt;z1_softmax&gt;, line 3" in text
    assert "known mistake:</strong> “forgot to normalise”" in text
    assert "Sketch: shift, exponentiate, normalise." in text
    assert "1 of 3 points" in text


def test_no_page_shows_a_solution_a_second_hint_or_a_hidden_test():
    for status in tools.JUDGED:
        text = page_of(tools.verdict(tools.exercise(status, "m", hidden=True)))
        assert "shifted" not in text
        assert "HIDDEN" not in text
        assert "rng" not in text
        assert "1000" not in text


def test_a_passed_exercise_has_no_hint_and_says_that_hidden_tests_were_passed():
    text = page_of(tools.verdict(tools.exercise()))
    assert "Sketch" not in text
    assert "hidden part too; your answer passed it" in text


def test_a_pure_sentence_of_the_hidden_part_is_shown():
    found = hidden("✗ q.f: f must give 3 here: add one to it")
    assert found.text == "f must give 3 here: add one to it"
    assert found.is_hidden


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("f(8675309) gives -3, not 1. Divide by the sum of all.", "Divide by the sum"),
        ("f is 8675309 here. Count from zero.", "Count from zero."),
        ("f is 8675309 here. Mind the sign, too.", "Mind the sign, too."),
        ("one more sentence with its own name. And another part.", "And another part."),
        ("f is 8675309; it must be 3.", ""),
        (
            "your code stopped in the line `8675309` with KeyError: 8675309",
            "a KeyError.",
        ),
        ("your code stopped with E8675309: no message", "an exception."),
        (
            "your function did not end within 86 seconds. 8675309",
            "did not end in time.",
        ),
        ("f is None. Is a `return` missing?", "Is a `return` missing?"),
        ("A docstring that is no message at all.", ""),
        ("lamp 8675309 oak brass and more", ""),
    ],
)
def test_a_hidden_failure_shows_only_sentences_without_a_value(message, text):
    found = hidden(f"✗ q.f: {message}")
    assert text in found.text
    assert bool(text) == bool(found.text)
    assert SECRET not in found.text
    assert "86" not in found.text
    assert found.traceback == ""
    assert found.is_cut


@given(st.text(min_size=1), st.text(min_size=1))
def test_nothing_that_is_put_into_a_hole_comes_out(name, got):
    sure = f"{name} gives {got}, not 1. Divide by the sum of all."
    known = {"", "Divide by the sum of all.", "the result must be positive."}
    shown = hidden(f"✗ q.f: {sure}").text
    assert shown in known or all(it in CHECK for it in shown.split(". "))


def test_every_hidden_message_of_the_lessons_stands_in_the_source():
    for path in library.lesson_paths():
        shape = outline.of_lesson(library.read(path))
        for item in shape.items:
            for template in messages.of_source(item.check):
                message = "VALUE".join(template.parts)
                assert "VALUE" not in hidden(message, item).text


def test_the_example_s_wrong_answers_are_told_apart_on_their_pages():
    exercise = tools.LESSON.by_id["softmax"]
    for answer in exercise.wrongs:
        said = bank.judge(tools.LESSON, exercise, answer.source).message
        assert f"“{answer.says[0]}”" in page_of(tools.failed(said, hidden=True))


def test_a_phrase_that_stands_in_a_hole_is_no_known_mistake_of_a_hidden_test():
    item = Item("c", "q.f", check=CHECK, wrongs=(bank.Answer("", 1, ("lamp 7",)),))
    assert (
        hidden("f gives lamp 7, not 1. Divide by the sum of all.", item).mistake == ""
    )


def test_literal_detail_shows_no_traceback_and_no_value_of_visible_tests():
    found = tools.failed(f"✗ z1.softmax: softmax is {SECRET}.", traceback=SECRET)
    assert SECRET in page_of(found)
    assert SECRET not in page_of(found, detail=Detail.LITERAL)


def test_nothing_printed_during_a_check_is_shown():
    found = tools.verdict(tools.exercise(Status.FAILED, "m", stdout=SECRET))
    assert SECRET not in page_of(found)


@pytest.mark.parametrize(
    "status", [Status.CRASHED, Status.VIOLATION, Status.NOT_GRADED]
)
def test_what_the_grader_says_of_a_process_is_replaced_by_what_to_do(status):
    text = page_of(tools.verdict(tools.exercise(status, SECRET, traceback=SECRET)))
    assert SECRET not in text
    assert feedback_pages._EXPLANATIONS[status].split(".")[0] in text


def test_a_rejected_file_has_no_score_and_the_reason_is_told():
    text = page_of(tools.refused("the file is empty: save it"))
    assert "Not graded" in text
    assert "the file is empty: save it" in text
    assert "0 of 3" not in text


def test_a_failure_of_the_grader_tells_nothing_of_its_inside():
    found = tools.verdict(
        tools.exercise(Status.NOT_GRADED, SECRET),
        status=SubmissionStatus.ERROR,
        reason=f"the referee failed: {SECRET}",
    )
    assert SECRET not in page_of(found)


def test_a_time_limit_of_the_whole_submission_is_told():
    found = tools.verdict(
        tools.exercise(),
        tools.exercise(Status.NOT_GRADED, check=tools.GUESS),
        status=SubmissionStatus.PARTLY_GRADED,
        reason="the submission took more than 300 seconds",
    )
    assert "took more than 300 seconds" in page_of(found)
    assert "so far" in page_of(found)


def test_a_cell_that_stopped_is_shown_with_its_exercise():
    stopped = tools.cell("z1_softmax", "NameError: qqq")
    found = tools.verdict(tools.exercise(Status.FAILED, "m"), cells=(stopped,))
    assert "NameError: qqq" in page_of(found)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_of_the_student_s_becomes_a_tag(payload):
    def structure(text):
        found = tools.failed(text, traceback=text)
        more = {"notes": (text,), "cells": (tools.cell("extra-1", text),)}
        made = tools.verdict(*found.exercises, **more)
        return [tag for tag, _ in Structure(page_of(made, student=text)).tags]

    assert structure(payload) == structure("harmless words")


def test_the_policy_names_the_style_s_own_hash_and_allows_no_script():
    text = page_of(tools.failed("m"))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    policy = dict(Structure(text).tags[3][1])["content"]
    assert policy == pages.policy(style)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_text_that_hides_or_turns_round_is_named():
    assert pages.plain("a\u202eb\ufeff\x08") == "a⟨U+202E⟩b⟨U+FEFF⟩⟨U+0008⟩"
    assert len(pages.plain("x" * 10**6)) < 7000
    assert len(pages.plain("e" + "\u0301" * 1000)) < 10


def test_our_hints_become_html_with_formulas_but_raw_html_does_not():
    made = pages.markdown("**Sum** $\\frac{2}{N}$ <script>x</script>")
    assert "<strong>Sum</strong>" in made
    assert "<mfrac>" in made
    assert "<script>" not in made


def test_every_lesson_s_first_hint_can_be_shown():
    for path in library.lesson_paths():
        for item in outline.of_lesson(library.read(path)).items:
            made = pages.markdown(item.hint)
            assert "$" not in re.sub(r"<code.*?</code>", "", made, flags=re.DOTALL)


def luminance(colour):
    values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values
    ]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_text_colour_has_a_contrast_of_4_5_on_its_ground():
    css = (course_pages.TEMPLATES / "style.css").read_text()
    for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        colour = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
        grounds = {it: ["paper", "well"] for it in ("ink", "soft", "accent")}
        grounds |= {it: ["paper", f"{it}-well"] for it in ("good", "bad", "open")}
        grounds["ink"] = [*grounds["ink"], "open-well"]
        for text, places in grounds.items():
            for place in places:
                pair = sorted(luminance(colour[it]) for it in (text, place))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (text, place)


def test_pages_lie_where_nbgrader_looks_for_them(tmp_path):
    submitted = tmp_path / "submitted" / "ada" / tools.NAME
    submitted.mkdir(parents=True)
    (submitted / "timestamp.txt").write_text("2030-01-01 10:00:00 UTC")
    (submitted / "submission_secret.txt").write_text("s3cret")
    rows = [tools.row("ada", tools.failed("m")), tools.row("bob", None, key=None)]
    shapes = {tools.NAME: tools.OUTLINE}
    (path,) = feedback_pages.write_pages(tmp_path, rows, shapes)
    place = tmp_path / "feedback" / "ada" / tools.NAME
    assert path == place / f"{tools.NAME}.html"
    assert (place / "timestamp.txt").read_text() == "2030-01-01 10:00:00 UTC"
    assert (place / "submission_secret.txt").read_text() == "s3cret"


def test_a_submission_s_files_are_not_followed_out_of_it(tmp_path):
    submitted = tmp_path / "submitted" / "ada" / tools.NAME
    submitted.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_text("the instructor's")
    (submitted / "timestamp.txt").symlink_to(outside)
    (submitted / "submission_secret.txt").symlink_to(outside)
    path = feedback_pages.write_page(tmp_path, "ada", tools.NAME, "text")
    kept = {it.name: it.read_text() for it in path.parent.iterdir()}
    assert "the instructor's" not in kept.values()
    assert len(kept["submission_secret.txt"]) == 64


@pytest.mark.parametrize("name", ["..", "a/b", "", "a\\b", "."])
def test_no_name_leads_out_of_the_feedback_folder(tmp_path, name):
    with pytest.raises(ClassroomError, match="rename"):
        feedback_pages.write_page(tmp_path, name, tools.NAME, "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*timestamp.txt")  # nbgrader leaves it open
def test_nbgrader_releases_the_pages(example_room, tmp_path):
    from course.classroom import open_api

    folder = Path(shutil.copytree(example_room.folder, tmp_path / "room"))
    feedback_pages.write_pages(folder, [tools.row("ada", tools.failed("m"))], {})
    with open_api(folder) as api:
        done = api.release_feedback(tools.NAME)
    assert done["success"], done
    assert len(list((folder / "exchange").rglob("feedback/*.html"))) == 1
