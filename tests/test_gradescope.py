"""The same grader in a Gradescope container: results.json, or a failure that is seen."""

import json
import subprocess
import zipfile

import pytest
import verdict_tools as tools
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from autograder import gradescope
from autograder.judging import Assignment
from autograder.verdicts import Status, SubmissionStatus
from course import build
from course.errors import CrossroadsError

SECRET = "8675309"
SOURCE = build.to_text(build.source_notebook(tools.LESSON)).encode()
ASSIGNMENT = Assignment(tools.NAME, SOURCE)
# After https://gradescope-autograders.readthedocs.io/en/latest/specs/
FORMATS = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
SEEN = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
TEST = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "max_score": {"type": "number"},
        "status": {"enum": ["passed", "failed"]},
        "name": {"type": "string"},
        "name_format": FORMATS,
        "number": {"type": "string"},
        "output": {"type": "string"},
        "output_format": FORMATS,
        "tags": {"type": "array", "items": {"type": "string"}},
        "visibility": SEEN,
        "extra_data": {"type": "object"},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["score", "tests"],
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number", "minimum": 0},
        "output": {"type": "string"},
        "output_format": FORMATS,
        "test_output_format": FORMATS,
        "test_name_format": FORMATS,
        "visibility": SEEN,
        "stdout_visibility": SEEN,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "items": TEST},
    },
}


def results(found, **more):
    """Return the results as Gradescope reads them, once they keep to its format."""
    made = json.loads(json.dumps(gradescope.results(found, tools.OUTLINE, **more)))
    Draft202012Validator(SCHEMA).validate(made)
    return made


def judge_of(*found):
    """Return a judge that gives these verdicts, and what it was given."""
    given, verdicts = [], iter(found)

    def judge(data):
        given.append(data)
        return next(verdicts)

    return judge, given


def run(folder, to, judge):
    return gradescope.run(folder, to, ASSIGNMENT, judge, outline=tools.OUTLINE)


@pytest.mark.parametrize("status", tools.JUDGED)
def test_every_status_keeps_to_the_format_and_its_points(status):
    made = results(tools.verdict(tools.exercise(status, "m"), seconds=1.25))
    (test,) = made["tests"]
    assert made["score"] == test["score"] == (2.0 if status is Status.PASSED else 0.0)
    assert test["status"] == ("passed" if status is Status.PASSED else "failed")
    assert made["execution_time"] == 1.25
    assert made["stdout_visibility"] == "hidden"


def test_an_exercise_without_a_verdict_has_no_score_and_that_is_told():
    found = tools.verdict(
        tools.exercise(check=tools.GUESS),
        tools.exercise(Status.NOT_GRADED, SECRET),
        status=SubmissionStatus.PARTLY_GRADED,
    )
    made = results(found)
    assert "score" not in made["tests"][1]
    assert made["extra_data"]["not_graded"] == [tools.SOFTMAX]
    assert "1 of 2 exercises could not be graded" in made["output"]


def test_a_failure_of_the_grader_gives_no_results(tmp_path):
    (tmp_path / f"{tools.NAME}.ipynb").write_bytes(SOURCE)
    to = tmp_path / "results.json"
    to.write_text("of an earlier run")
    judge, _ = judge_of(tools.verdict(status=SubmissionStatus.ERROR, reason="boom"))
    with pytest.raises(CrossroadsError, match="boom"):
        run(tmp_path, to, judge)
    assert not to.exists()


@pytest.mark.parametrize("is_hidden", [True, False])
def test_no_value_that_a_student_could_smuggle_out_is_told(is_hidden):
    message = f"✗ z1.softmax: softmax is {SECRET}."
    more = {"traceback": SECRET, "stdout": SECRET, "hidden": is_hidden}
    made = results(tools.failed(message, **more))
    assert SECRET not in json.dumps(made)


def test_a_literal_sentence_and_the_known_mistake_are_told():
    said = "✗ z1.softmax: exp(1000) overflows: subtract the maximum first"
    output = results(tools.failed(said, hidden=True))["tests"][1]["output"]
    assert "exp(1000) overflows: subtract the maximum first" in output
    assert "known mistake: overflows" in output


def test_the_submission_s_notebook_is_graded_and_the_results_written(tmp_path):
    (tmp_path / f"{tools.NAME}.ipynb").write_bytes(b"theirs")
    (tmp_path / "other.ipynb").write_bytes(b"another")
    judge, given = judge_of(tools.verdict(tools.exercise()))
    run(tmp_path, tmp_path / "out" / "results.json", judge)
    assert given == [b"theirs"]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["score"] == 2.0


def test_one_notebook_of_another_name_will_do(tmp_path):
    (tmp_path / "Untitled.ipynb").write_bytes(b"theirs")
    assert gradescope.find(tmp_path, tools.NAME) == b"theirs"


@pytest.mark.parametrize("names", [[], ["a.ipynb", "b.ipynb"], ["homework.py"]])
def test_without_one_notebook_the_reason_is_told(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("x")
    judge, given = judge_of()
    made = run(tmp_path, tmp_path / "results.json", judge)
    assert given == []
    assert "hand in z1_example.ipynb" in made["output"]
    assert all("score" not in it for it in made["tests"])


def test_a_link_is_not_followed(tmp_path):
    folder = tmp_path / "submission"
    folder.mkdir()
    (tmp_path / "source.ipynb").write_bytes(SOURCE)
    (folder / f"{tools.NAME}.ipynb").symlink_to(tmp_path / "source.ipynb")
    judge, given = judge_of()
    made = run(folder, tmp_path / "results.json", judge)
    assert given == []
    assert "symbolic link" in made["output"]


def test_the_zip_holds_what_gradescope_asks_for_and_is_the_same_each_time(tmp_path):
    wheel = tmp_path / "crossroads_course-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    paths = [
        gradescope.package(SOURCE, tools.NAME, wheel, tmp_path / name)
        for name in ("a.zip", "b.zip")
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        archive.extractall(tmp_path / "out")
        modes = {it.filename: it.external_attr >> 16 for it in archive.infolist()}
    assert modes["run_autograder"] == modes["setup.sh"] == 0o755
    assert modes[f"{tools.NAME}.ipynb"] == 0o600
    for name in ("setup.sh", "run_autograder"):
        text = (tmp_path / "out" / name).read_text()
        assert "@" not in text.replace('"$@"', "")
        done = subprocess.run(["bash", "-n", tmp_path / "out" / name])
        assert done.returncode == 0


@pytest.mark.parametrize("name", ["a b", "$(x)", 'a"b', "../a", ""])
def test_the_zip_s_script_holds_no_name_that_a_shell_would_run(tmp_path, name):
    with pytest.raises(CrossroadsError, match="name"):
        gradescope.package(SOURCE, name, tmp_path / "a.whl", tmp_path / "a.zip")


def test_the_command_fails_and_writes_nothing_when_there_is_no_source(tmp_path):
    to = tmp_path / "results.json"
    to.write_text("of an earlier run")
    options = ["--submission", str(tmp_path), "--results", str(to)]
    options += ["--source", str(tmp_path / "none"), "--lesson", "a1"]
    done = CliRunner().invoke(gradescope.main, options)
    assert done.exit_code == 1
    assert "no score was written" in done.output
    assert not to.exists()


@pytest.mark.slow
def test_the_command_grades_in_the_sandbox(tmp_path):
    from autograder.probe import Mode, probe

    if probe().mode not in (Mode.NESTED, Mode.FLAT):
        pytest.skip("untrusted code cannot be run here")
    place = tmp_path / "submission"
    place.mkdir()
    (tmp_path / f"{tools.NAME}.ipynb").write_bytes(SOURCE)
    learner = build.learner_notebook(tools.LESSON)
    (place / f"{tools.NAME}.ipynb").write_text(build.to_text(learner))
    to = tmp_path / "results.json"
    options = ["--submission", str(place), "--results", str(to)]
    options += ["--source", str(tmp_path), "--lesson", tools.NAME]
    done = CliRunner().invoke(gradescope.main, options)
    assert done.exit_code == 0, done.output
    made = json.loads(to.read_text())
    assert made["score"] == 0.0
    assert [it["status"] for it in made["tests"]] == ["failed", "failed"]
