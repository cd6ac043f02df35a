"""A lesson is read as its text says, and each broken rule is named with its line."""

from pathlib import Path

import pytest

from course import lesson
from course.errors import CrossroadsError, LessonError
from course.lesson_text import CODE_STUB

EXAMPLE = Path(__file__).parent / "data" / "z1_example.py"
TEXT = EXAMPLE.read_text()


def test_an_exercise_holds_its_check_hints_and_answers():
    exercise = lesson.read(EXAMPLE).by_id["softmax"]
    assert (exercise.key, exercise.points, exercise.difficulty) == ("z1.softmax", 2, 2)
    assert len(exercise.hints) == 2
    assert len(exercise.rights) == 1
    assert [answer.says for answer in exercise.wrongs] == [
        ("forgot to normalise",),
        ("overflows",),
    ]


def test_solution_and_skeleton_are_cut_from_the_same_cell():
    exercise = lesson.read(EXAMPLE).by_id["softmax"]
    assert "shifted.sum()" in exercise.solution
    assert "### " not in exercise.solution
    assert "shifted" not in exercise.skeleton
    assert CODE_STUB in exercise.skeleton


def test_the_sum_of_points_and_minutes_is_the_lessons():
    example = lesson.read(EXAMPLE)
    assert (example.points, example.minutes) == (3, 9)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


BROKEN = [
    ("z1_example", "    id: z1\n", "    id: z2\n", "does not begin with"),
    ("z1_example", "track: shared", "track: side_track", "is not one of"),
    ("z1_example", "#     title: An example\n", "", "no 'title'"),
    ("z1_example", "# %% setup", "# %% setups", "not a kind of cell"),
    ("z1_example", "points=2 ", "", "needs the number points"),
    ("z1_example", "points=2 ", "point=2 ", "Did you mean 'points'"),
    ("z1_example", "points=2 ", "points=-1 ", "must be above 0"),
    ("z1_example", "difficulty=2", "difficulty=7", "must be 1 to 5"),
    ("z1_example", 'exercise="softmax"', "exercise=softmax", "cannot be read"),
    ("z1_example", 'exercise="softmax"', 'exercise="Soft max"', "lower_case"),
    ("z1_example", 'exercise="softmax"', 'exercise="guess"', "occurs twice"),
    ("z1_example", 'hint="softmax"', 'hint="sotfmax"', "Did you mean 'softmax'"),
    ("z1_example", 'check("z1.softmax")', 'check("z1.soft")', "does not say"),
    ("z1_example", 'says="overflows"', 'says=""', "says nothing"),
    ("z1_example", "    ### END SOLUTION\n    return", "    return", "no complete"),
    ("z1_example", "    ### BEGIN HIDDEN TESTS\n", "", "not in a pair"),
    (
        "z1_example",
        "    big = 1000",
        "    assert 1 == 1\n    big = 1000",
        "bare assert",
    ),
    ("z1_example", "e = np.exp(z - np.max(z))", "e = np.exp(z -", "not Python"),
    ("z1_example", "import numpy as np\n", "%matplotlib inline\n", "magic"),
    ("z1_example", "import numpy as np\n", "import numpy  #" + "x" * 80, "columns"),
    (
        "z1_example",
        '# %% right="softmax"',
        '# %% wrong="softmax" says="x"',
        "lacks right",
    ),
    (
        "z1_example",
        '# %% [markdown] hint="softmax"\n# Sk',
        "# %% [markdown]\n# Sk",
        "two hints",
    ),
    (
        "z1_example",
        '# %% right="guess"',
        '# %% [markdown] right="guess"',
        "a code cell",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "words"), BROKEN)
def test_a_broken_rule_is_named(name, old, new, words):
    assert old in TEXT
    broken = TEXT.replace(old, new, 1)
    with pytest.raises(LessonError, match=words) as caught:
        lesson.parse(broken, Path(f"{name}.py"))
    assert str(caught.value).startswith(f"{name}.py:{caught.value.line}: ")
    assert caught.value.remedy


def test_the_line_in_the_error_is_the_cells_own():
    broken = TEXT.replace('hint="softmax"', 'hint="sotfmax"', 1)
    with pytest.raises(LessonError) as caught:
        lesson.parse(broken, EXAMPLE)
    assert caught.value.line == line_of(broken, '# %% [markdown] hint="sotfmax"')


def test_text_outside_of_a_cell_is_refused():
    with pytest.raises(LessonError, match="outside of a cell"):
        lesson.parse(
            TEXT.replace(
                "# %% [markdown]\n# # An", "import os\n\n# %% [markdown]\n# # An"
            ),
            EXAMPLE,
        )


def test_an_unknown_lesson_or_exercise_lists_those_there_are():
    with pytest.raises(CrossroadsError, match="the lessons are"):
        lesson.load("a99")
    with pytest.raises(CrossroadsError, match=r"the lesson has a1\."):
        lesson.find_exercise("a1.nothing")
