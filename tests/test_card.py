"""The exercise card: its words, its help, and the text that stands in for it."""

import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from course import card, feedback, progress, settings
from course.errors import CheckFailed, CrossroadsError

KEY = "m1.add_bias"


def failed(failures=1, message="it has <b>two</b> columns"):
    return card.ExerciseCard(KEY, passed=False, message=message, failures=failures)


def test_it_says_the_same_as_text_and_as_html_where_widgets_are_not_shown():
    data, _ = failed()._repr_mimebundle_()
    assert data["text/plain"].startswith(f"✗ {KEY}: it has <b>two</b> columns")
    assert "&lt;b&gt;two&lt;/b&gt;" in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_hint_is_the_next_rung_and_is_noted():
    made = failed()
    made._do({"do": "hint"})
    made._do({"do": "hint"})
    assert [it["title"] for it in made.hints] == ["Hint 1 of 3", "Hint 2 of 3"]
    assert progress.hints_taken(KEY) == 2


def test_the_next_card_still_shows_the_hints_that_were_taken():
    failed()._do({"do": "hint"})
    assert [it["title"] for it in failed().hints] == ["Hint 1 of 3"]
    assert card.ExerciseCard(KEY, passed=True, message="", failures=0).hints == []


def test_a_prediction_offers_no_hint():
    made = card.ExerciseCard("m1.guess", passed=False, message="hm", failures=0)
    assert made.hints_total == 0
    assert made.text == "✗ m1.guess: hm"
    with pytest.raises(CrossroadsError, match="any honest one is right"):
        made._do({"do": "hint"})


def test_the_puzzle_is_offered_after_the_second_failure_only():
    assert not failed(1).offers_parsons
    assert failed(2).offers_parsons
    assert not card.ExerciseCard(
        KEY, passed=True, message="", failures=0
    ).offers_parsons


def test_the_puzzle_is_judged_and_noted():
    made = failed(2)
    made._do({"do": "parsons"})
    letters = "".join(it["letter"] for it in made.lines)
    made._do({"do": "order", "order": letters * 2})
    assert "once" in made.order_message
    made._do({"do": "order", "order": letters[::-1]})
    assert made.order_message == "Right. Now write it without looking."
    noted = [it for it in progress.events() if it.event == "parsons"]
    assert [it.fields["passed"] for it in noted] == [True]


def test_the_question_of_the_end_notes_what_was_chosen_and_nothing_else():
    made = card.AgainCard("m1")
    for answer in (0, 6, 4):
        made._do({"answer": answer})
    assert [it.fields["answer"] for it in progress.events()] == [4]
    assert "4 of 5" in made.noted
    assert card.AgainCard("m1").answer == 4


def test_each_cards_script_is_one_module_that_fetches_nothing():
    for kind in (card.ExerciseCard, card.AgainCard):
        assert kind._esm.count("export default { render };") == 1
        assert "function ownKeys(" in kind._esm
        assert "import" not in kind._esm


def test_there_is_no_card_for_an_exercise_of_nobody():
    with pytest.raises(CrossroadsError, match="no exercise"):
        card.ExerciseCard("m1.nothing", passed=True, message="", failures=0)


def test_outside_of_a_notebook_the_check_speaks_as_text(capsys):
    with feedback.check(KEY):
        pass
    assert capsys.readouterr().out == f"✓ {KEY}: right.\n"
    with pytest.raises(CheckFailed, match="two columns") as told, feedback.check(KEY):
        feedback.fail("two columns")
    assert told.value._render_traceback_() == [str(told.value)]


@pytest.mark.parametrize(
    ("env", "cards"),
    [({}, True), ({"CROSSROADS_CARDS": "0"}, False), ({"NBGRADER_EXECUTION": "1"}, 0)],
)
def test_one_setting_turns_them_off_and_a_grader_sees_none(env, cards):
    assert settings.load(env).cards is bool(cards)


def test_in_a_kernel_a_failed_check_shows_its_card_and_stays_a_failure(tmp_path):
    source = (
        "from course.feedback import check, fail\n"
        f"with check({KEY!r}):\n    fail('one column is missing')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, allow_errors=True, timeout=300).execute(cwd=str(tmp_path))
    shown, error = notebook.cells[0].outputs
    assert "one column is missing" in shown.data["text/plain"]
    assert error.ename == "CheckFailed"
    assert "one column is missing" in error.evalue
    assert error.traceback == ["Not right yet: the card above says why."]


def test_checks_do_not_wait_for_widgets_where_there_are_none():
    code = "import sys, course.feedback; print('anywidget' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
