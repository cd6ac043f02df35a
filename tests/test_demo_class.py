"""The demonstration's class is made to be worth known points, and gets them."""

import dataclasses
import json
import shutil

import pytest
from class_tools import NAME, only_the_example

from autograder import demo, gradebook
from autograder.gradebook import Result, Verdict
from course import lesson
from course.classroom import open_classroom
from course.demo_class import Made, dependencies, make_submissions
from course.errors import ClassroomError

CHAIN = """# ---
# jupyter:
#   crossroads:
#     id: c1
#     track: shared
#     title: A chain
# ---
"""
PART = """
# %% exercise="{name}" points=1 minutes=1 difficulty=1
def {name}(x):
    ### BEGIN SOLUTION
    return {body}
    ### END SOLUTION
    return None

# %% check="{name}"
with check("c1.{name}"):
    got = {name}(1)
    ### BEGIN HIDDEN TESTS
    expect_equal(got, 1, "{name}")
    ### END HIDDEN TESTS

# %% [markdown] hint="{name}"
# a

# %% [markdown] hint="{name}"
# b

# %% right="{name}"
def {name}(x):
    return {body}

# %% wrong="{name}" says="None"
def {name}(x):
    return None
"""


@pytest.fixture(autouse=True)
def _library(tmp_path):
    with only_the_example(tmp_path / "lessons"):
        yield


@pytest.fixture
def room(example_room, tmp_path):
    return open_classroom(shutil.copytree(example_room.folder, tmp_path / "room"))


def chain(tmp_path, *parts, between=""):
    text = CHAIN + "".join(PART.format(name=n, body=b) for n, b in parts[:1])
    text += between + "".join(PART.format(name=n, body=b) for n, b in parts[1:])
    return lesson.parse(text, tmp_path / "c1_chain.py")


def test_an_exercise_depends_on_those_whose_names_it_reads(tmp_path):
    found = chain(tmp_path, ("one", "x"), ("two", "one(x)"), ("three", "x"))
    assert dependencies(found) == {"one": set(), "two": {"one"}, "three": set()}


def test_a_value_between_exercises_carries_the_dependency(tmp_path):
    between = "\n# %%\nvalue = one(2)\n"
    found = chain(tmp_path, ("one", "x"), ("two", "value"), between=between)
    assert dependencies(found)["two"] == {"one"}


def test_a_rebound_or_local_name_carries_nothing(tmp_path):
    between = "\n# %%\nvalue = one(2)\n\n# %%\nvalue = 3\n"
    body = "value + sum(got for got in [x])"
    found = chain(tmp_path, ("one", "x"), ("two", body), between=between)
    assert dependencies(found)["two"] == set()


def test_the_same_seed_makes_the_same_class(room):
    first = make_submissions(room, seed=3)
    files = {it: it.read_bytes() for it in room.folder.glob("submitted/*/*/*")}
    assert make_submissions(room, seed=3) == first
    again = {it: it.read_bytes() for it in room.folder.glob("submitted/*/*/*")}
    assert again == files


def test_what_each_was_made_to_be_is_noted(room):
    made = make_submissions(room, size=20)
    notes = json.loads((room.folder / "demo.json").read_text())
    assert [it["kind"] for it in notes] == [it.kind for it in made]
    assert len({it.student for it in made}) == 20
    assert {"right", "rewritten", "skeleton", "dead kernel"} <= {it.kind for it in made}


def test_a_small_class_is_refused(room):
    with pytest.raises(ClassroomError, match="ask for 16 or more"):
        make_submissions(room, size=3)


def test_real_work_is_not_overwritten(room):
    work = room.path("submitted", "somebody", NAME)
    work.mkdir(parents=True)
    with pytest.raises(ClassroomError, match=r"holds work.*somebody"):
        make_submissions(room)
    assert list(work.parent.parent.iterdir()) == [work.parent]


MADE = Made("s", "z1", "misconceived", {"c": 0.0}, {"c": ("normalise",)})
GOT = Result("s", "z1", "graded", "", (Verdict("c", 0.0, 2.0, "Normalise!"),), 2.0, 1.0)
BROKEN = Made("s", "z1", "empty", None, reason="is empty")
FAILED = Result("s", "z1", "failed", "z1.ipynb is empty", (), 2.0, 1.0)


@pytest.mark.parametrize(("made", "got"), [(MADE, GOT), (BROKEN, FAILED)])
def test_what_was_made_to_be_is_no_difference(made, got):
    assert list(demo.differences([made], [got])) == []


@pytest.mark.parametrize(
    ("made", "got", "words"),
    [
        (MADE, FAILED, "failed"),
        (BROKEN, GOT, "must fail"),
        (BROKEN, dataclasses.replace(FAILED, reason="?"), "must fail"),
        (
            MADE,
            dataclasses.replace(GOT, verdicts=(Verdict("c", 2.0, 2.0, ""),)),
            "got 2, not 0",
        ),
        (
            MADE,
            dataclasses.replace(GOT, verdicts=(Verdict("c", 0.0, 2.0, "no"),)),
            "does not say 'normalise'",
        ),
        (MADE, dataclasses.replace(GOT, verdicts=()), "no verdict"),
        (MADE, dataclasses.replace(GOT, student="t"), "not graded at all"),
    ],
)
def test_each_difference_is_named(made, got, words):
    assert any(words in line for line in demo.differences([made], [got]))


@pytest.mark.slow
def test_the_demonstration_runs_and_agrees_with_itself(tmp_path, capsys):
    """The whole path: classroom, class, grading, feedback, export, comparison."""
    assert demo.run(tmp_path / "demo", size=16, seed=1, lessons=None) == 0
    shown = capsys.readouterr().out
    assert "All 16 got what they were made to get" in shown
    assert "forgot to normalise" in " ".join(shown.replace("│", " ").split())
    assert (tmp_path / "demo" / "grades.csv").exists()
    assert len(list((tmp_path / "demo" / "feedback").glob("*/*/*.html"))) == 16
    again = make_submissions(open_classroom(tmp_path / "demo"), size=17)
    assert len(gradebook.results_of(open_classroom(tmp_path / "demo"))) == 16
    assert len(again) == 17
    assert gradebook.NOTES in {it.name for it in (tmp_path / "demo").iterdir()}
