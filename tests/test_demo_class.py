"""The demonstration's class is made to be worth known points, and gets them."""

import json
import shutil

import pytest
import verdict_tools as tools
from class_tools import NAME, only_the_example

from autograder import demo
from autograder.grading import Report
from autograder.journal import Row
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
    made = make_submissions(room, size=24)
    notes = json.loads((room.folder / "demo.json").read_text())
    assert [it["kind"] for it in notes] == [it.kind for it in made]
    assert len({it.student for it in made}) == 24
    assert {"right", "rewritten", "skeleton", "dead kernel"} <= {it.kind for it in made}


def test_a_small_class_is_refused(room):
    with pytest.raises(ClassroomError, match="ask for 20 or more"):
        make_submissions(room, size=3)


def test_real_work_is_not_overwritten(room):
    work = room.path("submitted", "somebody", NAME)
    work.mkdir(parents=True)
    with pytest.raises(ClassroomError, match=r"holds work.*somebody"):
        make_submissions(room)
    assert list(work.parent.parent.iterdir()) == [work.parent]


MADE = Made("s", NAME, "misconceived", {tools.SOFTMAX: 0.0}, {tools.SOFTMAX: ("Sum",)})
GOT = tools.failed("The sum is not 1")
BROKEN = Made("s", NAME, "empty", None, reason="is empty")
REFUSED = tools.refused("the file is empty")


def said(made, verdict, student="s"):
    report = Report((Row(NAME, student, "k", verdict),), 1, 0)
    return list(demo.differences([made], report))


@pytest.mark.parametrize(("made", "got"), [(MADE, GOT), (BROKEN, REFUSED)])
def test_what_was_made_to_be_is_no_difference(made, got):
    assert said(made, got) == []


@pytest.mark.parametrize(
    ("made", "got", "words"),
    [
        (MADE, REFUSED, "no verdict: the file is empty"),
        (MADE, None, "not graded at all"),
        (BROKEN, GOT, "must fail"),
        (BROKEN, tools.refused("?"), "must fail"),
        (MADE, tools.verdict(tools.exercise()), "got 2, not 0"),
        (MADE, tools.failed("no"), "does not say 'Sum'"),
        (MADE, tools.verdict(), "no verdict"),
    ],
)
def test_each_difference_is_named(made, got, words):
    assert any(words in line for line in said(made, got))


def test_who_is_not_of_the_class_is_named():
    assert "t (z1_example) is not of the class" in said(MADE, GOT, "t")


@pytest.mark.slow
@pytest.mark.usefixtures("_can_hold_untrusted_work")
def test_the_demonstration_runs_and_agrees_with_itself(tmp_path, capsys):
    """The whole path: classroom, class, grading, feedback, report, export, comparison."""
    place = tmp_path / "demo"
    assert demo.run_demo(place, size=20, seed=1, lessons=None) == 0
    shown = capsys.readouterr().out
    assert "All 20 got what they were made to get" in shown
    assert "forgot to normalise" in " ".join(shown.replace("│", " ").split())
    assert (place / "export" / "grades.csv").exists()
    assert (place / "report.html").exists()
    assert len(list((place / "feedback").glob("*/*/*.html"))) == 20
    assert not list((place / "source").glob("*/*.part"))
