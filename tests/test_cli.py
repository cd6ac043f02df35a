"""The command line: fast help, plain errors, and each command does its one thing."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from course import cli, progress, workspace

RUN = CliRunner()


def course(*arguments, **options):
    return RUN.invoke(cli.main, list(arguments), **options)


@pytest.mark.parametrize("module", ["course.cli", "autograder.cli"])
def test_help_imports_nothing_heavy(module):
    code = (
        f"import sys, {module}\n"
        f"try: {module}.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'transformers', 'nbgrader', 'jupytext', 'pandas'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr


def test_an_error_is_a_sentence_and_exit_code_1():
    done = course("hint", "a99.nothing")
    assert done.exit_code == 1
    assert "there is no lesson 'a99'" in done.output
    assert "Traceback" not in done.output


def test_wrong_usage_is_exit_code_2():
    assert course("hint").exit_code == 2


def test_build_then_check(tmp_path):
    assert course("build", "--out", str(tmp_path)).exit_code == 0
    assert course("build", "--check", "--out", str(tmp_path)).exit_code == 0
    next(tmp_path.rglob("*.ipynb")).write_text("{}")
    done = course("build", "--check", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "differs" in done.output


def test_hint_prints_the_next_rung():
    assert "Hint 1 of" in course("hint", "a1.next_probs").output
    assert "Hint 2 of" in course("hint", "a1.next_probs").output


def test_progress_shows_what_is_right():
    progress.record_attempt("a1.next_probs", passed=True)
    assert "✓ right" in course("progress").output
    rows = {
        row["exercise"]: row for row in json.loads(course("progress", "--json").output)
    }
    assert rows["a1.next_probs"]["state"] == "right"
    assert rows["m1.fit_ols"]["state"] == "to do"


def test_progress_is_forgotten_only_when_sure():
    progress.record("hint", "a1.next_probs", rung=1)
    assert course("progress", "--forget", input="n\n").exit_code == 1
    assert progress.log_path().exists()
    assert "deleted" in course("progress", "--forget", "--yes").output
    assert not progress.log_path().exists()


def test_start_opens_the_next_notebook_of_ones_own(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        workspace, "open_lab", lambda folder, path, browser: opened.append(path) or 0
    )
    assert course("start", "--folder", str(tmp_path)).exit_code == 0
    assert course("start", "m1", "--folder", str(tmp_path)).exit_code == 0
    assert [path.name.split("_")[0] for path in opened][1] == "m1"


def test_a_learners_notebook_is_never_overwritten(tmp_path):
    mine = workspace.prepare(tmp_path, "a1")
    mine.write_text("my work")
    assert workspace.prepare(tmp_path, "a1").read_text() == "my work"


def test_the_next_lesson_is_the_first_that_is_not_all_right():
    every = workspace.all_lessons()
    assert workspace.next_lesson().id == every[0].id
    pass_all(every[0])
    assert workspace.next_lesson().id == every[1].id


def pass_all(lesson):
    for exercise in lesson.exercises:
        progress.record_attempt(exercise.key, passed=True)


def test_who_skips_ahead_goes_on_from_there_and_comes_back_in_the_end():
    every = workspace.all_lessons()
    f1, f2 = every[-2:]
    assert [f1.id, f2.id] == ["f1", "f2"]
    pass_all(every[0])
    progress.record_attempt(f1.exercises[0].key, passed=True)
    assert workspace.next_lesson().id == "f1"
    pass_all(f1)
    assert workspace.next_lesson().id == "f2"
    pass_all(f2)
    assert workspace.next_lesson().id == every[1].id
    for lesson in every:
        pass_all(lesson)
    assert workspace.next_lesson().id == "f2"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = course("start", "--folder", str(tmp_path / "file" / "work"))
    assert done.exit_code == 1
    assert "--folder" in done.output


@pytest.mark.parametrize("number", [0, 1])
def test_lessons_come_day_by_day_and_the_track_that_goes_first_alternates(number):
    progress.record("learner", "", number=number)
    pairs = [it.id for it in workspace.all_lessons() if it.track != "shared"]
    days = [int(it[1:]) for it in pairs]
    assert days == sorted(days)
    first = [pairs[i][0] for i in range(0, len(pairs), 2) if days.count(days[i]) == 2]
    assert first[:1] == ["m" if number == 0 else "a"]
    assert workspace.first_letter(1, number) != workspace.first_letter(2, number)
    assert workspace.first_letter(1, 0) != workspace.first_letter(1, 1)


def test_a_learner_is_given_a_number_once_and_not_by_looking(tmp_path):
    course("progress")
    assert progress.learner_number() is None
    workspace.prepare(tmp_path / "work", "m1")
    number = progress.learner_number()
    workspace.prepare(tmp_path / "work", "a1")
    assert progress.learner_number() == number in (0, 1)
    assert [it.key for it in progress.events() if it.event == "open"] == ["m1", "a1"]


def test_progress_is_a_picture_and_a_page_too(tmp_path):
    progress.record_attempt("a1.next_probs", passed=True)
    assert "A1 █" in course("progress").output
    page = tmp_path / "progress.html"
    assert course("progress", "--html", str(page)).output.strip() == str(page)
    assert "Exercises right: " in page.read_text()
    assert "A1 · What does an API call return? (1 of 6 right)" in page.read_text()
    assert page.read_text().count("<details open>") == 1


def test_progress_shows_the_exercises_of_what_was_begun_and_what_comes_next():
    shown = course("progress").output
    assert "Nothing is begun yet." in shown
    assert "`course start` opens S0: Two jobs, one shop" in shown
    progress.record_attempt("a1.next_probs", passed=True)
    shown = course("progress").output
    assert "A1: 3 of 12 points" in shown
    assert "a1.generate" in shown
    assert "m1.add_bias" not in shown


@pytest.mark.parametrize("words", ["report --to", "progress --html"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, words):
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "page")
    done = course(*words.split(), place)
    assert done.exit_code == 1
    assert f"Error: {place} cannot be written (" in done.output


def test_report_writes_the_page_and_names_it(tmp_path):
    done = course("report", "--to", str(tmp_path / "mine"))
    assert done.output.strip() == str(tmp_path / "mine" / "fit.html")
    assert (tmp_path / "mine" / "fit.html").exists()
