"""An untrusted notebook is data: read within limits, and never asked what it is worth."""

import copy
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referee_tools import cell, notebook

from autograder import notebooks, submission
from autograder.submission import Rejected
from course import build
from course.errors import CrossroadsError

ASKED = notebook(
    ["def f(x): return x + 1"],
    [
        (
            "assert f(1) == 2\n### BEGIN HIDDEN TESTS\nassert f(7) == 8\n"
            "### END HIDDEN TESTS"
        )
    ],
    setup="import numpy as np",
)
REFERENCE = submission.reference(ASKED, "t")
RELEASED_CHECK = "assert f(1) == 2"


def handed_in(**changes):
    """Return a learner's notebook: what was released, with some cells' text changed."""
    content = copy.deepcopy(ASKED)
    texts = {"e0": "def f(x): return x", "e0_check": RELEASED_CHECK} | changes
    for it in content["cells"]:
        name = it["metadata"]["nbgrader"]["grade_id"]
        it["source"] = texts.get(name, it["source"])
    return content


def planned(content):
    return submission.plan(REFERENCE, submission.read(json.dumps(content).encode()))


def shape(plan):
    return [(it.kind, it.id, it.points) for it in plan.steps]


EXPECTED = [("setup", "setup", 0), ("student", "e0", 0), ("check", "e0_check", 2)]


def test_only_the_answers_text_is_the_students():
    content = handed_in(e0="def f(x): return 3", setup="np = None")
    content["cells"][2]["metadata"]["nbgrader"]["points"] = 1000
    plan = planned(content)
    assert shape(plan) == EXPECTED
    assert [it.source for it in plan.steps] == [
        "import numpy as np",
        "def f(x): return 3",
        ASKED["cells"][2]["source"],
    ]
    assert any("'setup' was edited" in it for it in plan.notes)


def test_an_untouched_notebook_has_no_notes():
    assert planned(handed_in()).notes == ()


def without(content, grade_id):
    content["cells"] = [
        it
        for it in content["cells"]
        if it["metadata"]["nbgrader"].get("grade_id") != grade_id
    ]
    return content


def renamed(content, grade_id):
    for it in content["cells"]:
        if it["metadata"]["nbgrader"]["grade_id"] == grade_id:
            it["metadata"]["nbgrader"]["grade_id"] = "mine"
    return content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (handed_in(e0_check="pass"), "check 'e0_check' was edited"),
        (
            without(handed_in(), "e0_check"),
            "'e0_check' was deleted or renamed: restored",
        ),
        (renamed(handed_in(), "e0_check"), "'mine' is no check"),
        (
            without(handed_in(), "e0"),
            "'e0' was deleted or renamed: nothing was answered",
        ),
        (without(handed_in(), "setup"), "'setup' was deleted or renamed: restored"),
        (handed_in(e0="def f(x): return x  # \u202e"), "direction-changing"),
    ],
)
def test_what_is_odd_is_noted_and_changes_nothing_else(content, says):
    plan = planned(content)
    assert shape(plan) == EXPECTED
    assert any(says in it for it in plan.notes)
    assert [it.max_points for it in plan.due] == [2.0]


def test_a_renamed_answer_runs_like_an_extra_cell():
    plan = planned(renamed(handed_in(e0="def f(x): return 5"), "e0"))
    assert ("student", "extra-2", 0) in shape(plan)
    assert any("'mine' is unknown" in it for it in plan.notes)


def test_a_doubled_answer_runs_in_both_its_places():
    content = handed_in()
    second = copy.deepcopy(content["cells"][1])
    second["source"] = "def f(x): return x + 1"
    content["cells"].insert(2, second)
    plan = planned(content)
    assert [it.source for it in plan.steps if it.kind == "student"] == [
        "def f(x): return x",
        "def f(x): return x + 1",
    ]
    assert any("more than once" in it for it in plan.notes)


def test_a_doubled_check_counts_once():
    content = handed_in()
    content["cells"].append(copy.deepcopy(content["cells"][2]))
    assert [it.max_points for it in planned(content).due] == [2.0]


def test_an_answer_made_a_text_cell_is_read_as_code():
    content = handed_in()
    content["cells"][1]["cell_type"] = "markdown"
    plan = planned(content)
    assert shape(plan) == EXPECTED
    assert any("another type" in it for it in plan.notes)


def test_demo_cells_are_not_run_even_when_they_were_changed():
    asked = copy.deepcopy(ASKED)
    asked["cells"].insert(1, cell("slow()", tags=["skip-execution"]))
    demo_id = asked["cells"][1]["id"]
    reference = submission.reference(asked, "t")
    content = handed_in()
    own = [cell("slow()"), cell("changed()"), cell("mine()", tags=["skip-execution"])]
    own[1]["id"] = demo_id
    content["cells"] += [*own, cell("print(1)")]
    read = submission.read(json.dumps(content).encode())
    extras = submission.plan(reference, read).steps[3:]
    assert [it.source for it in extras] == ["print(1)"]


def test_installations_are_not_run():
    plan = planned(handed_in(e0="!pip install x\nif 1:\n    %pip install y\nz = 1"))
    source = plan.steps[1].source
    compile(source, "e0", "exec")
    assert source.count("pass  # not run while grading: ") == 2


def test_names_are_the_students_only_where_exercises_assign_them():
    asked = notebook(
        ["import os\ndef f(x): return g(x)\nK = 1\nfor i in (1,): pass"],
        ["f(DATA)"],
        setup="def check(): ...",
        plain=["DATA = [1]", "made = f(DATA)", "import json", "made2 = made"],
    )
    facts = submission.reference(asked).facts
    assert facts.answers == ("K", "f", "i")
    assert facts.plain == (("DATA = [1]", ("DATA",)),)
    assert facts.imports == {"os": "import os", "json": "import json"}


def test_operators_are_those_that_the_reference_defines():
    source = (
        "from dataclasses import dataclass\n@dataclass(frozen=True, order=True)\n"
        "class P:\n    x: int\nclass V:\n    def __add__(self, o): ...\n"
        "    __radd__ = __add__\n    def _private(self): ..."
    )
    operators = submission.reference(notebook([source], ["P"])).facts.operators
    assert set(operators["V"]) == {"__add__", "__radd__"}
    assert {"__eq__", "__hash__", "__lt__"} <= set(operators["P"])


def test_two_cells_with_one_id_are_the_instructors_mistake():
    asked = copy.deepcopy(ASKED)
    asked["cells"].append(copy.deepcopy(asked["cells"][1]))
    with pytest.raises(CrossroadsError, match="two cells"):
        submission.reference(asked)


def test_manual_and_task_cells_wait_for_a_person():
    asked = copy.deepcopy(ASKED)
    essay = cell("Say why.", "essay", grade=True, solution=True, points=3)
    asked["cells"].append({**essay, "cell_type": "markdown"})
    due = submission.reference(asked).due
    assert [(it.grade_id, it.max_points, it.manual) for it in due] == [
        ("e0_check", 2.0, False),
        ("essay", 3.0, True),
    ]


def test_a_plan_crosses_to_another_process():
    plan = planned(handed_in())
    assert submission.Plan.from_json(plan.to_json()).to_json() == plan.to_json()


def test_a_lessons_own_notebook_gives_its_points(example_lesson):
    reference = submission.reference(build.source_notebook(example_lesson), "z1")
    assert [(it.grade_id, it.max_points) for it in reference.due] == [
        ("z1_guess_check", 1.0),
        ("z1_softmax_check", 2.0),
    ]
    learner = build.to_text(build.learner_notebook(example_lesson)).encode()
    assert submission.plan(reference, submission.read(learner)).notes == ()


# Files that are no notebooks.

GOOD = json.dumps(handed_in()).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "not JSON"),
        (b"[1]", "no notebook"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 2_000_000, "values"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b'{"nbformat": 5, "cells": []}', "nbformat is 5"),
        (b'{"nbformat": 4.0, "cells": []}', "nbformat is 4.0"),
        (b'{"nbformat": "4", "cells": []}', "nbformat is '4'"),
        (b'{"nbformat": 4, "cells": [1]}', "cell 1 is not a cell"),
        (b'{"nbformat": 4, "cells": [{"source": {"a": 1}}]}', "is not text"),
        (b'{"nbformat": 4, "cells": [{"source": [1]}]}', "is not text"),
        (b'{"nbformat": 4, "cells": [' + b"{}," * 2500 + b"{}]}", "2501 cells"),
        (b'{"nbformat": ' + b"9" * 10_000 + b', "cells": []}', "not JSON"),
        (b'{"nbformat": NaN, "cells": []}', "nbformat is nan"),
        (b" " * (notebooks.MAX_FILE + 1), "20 MB"),
        (
            json.dumps(
                {"nbformat": 4, "cells": [{"source": "x" * (1 << 21)}]}
            ).encode(),
            "characters",
        ),
    ],
)
def test_a_file_that_is_no_notebook_is_rejected_by_name(data, says):
    with pytest.raises(Rejected, match="(?s)" + says):
        submission.read(data)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": None},
        {"metadata": {"kernelspec": {"name": "ir", "language": "R"}}},
        {"metadata": {"kernelspec": 5}},
        {"nbformat_minor": "x"},
    ],
)
def test_odd_metadata_does_not_matter(change):
    assert shape(planned(handed_in() | change)) == EXPECTED


def test_an_old_notebook_is_read():
    cells = handed_in()["cells"]
    for it in cells:
        it["input"] = it.pop("source")
    old = {"nbformat": 3, "worksheets": [{"cells": cells}], "metadata": {}}
    assert shape(planned(old)) == EXPECTED
    assert any("nbformat 3" in it for it in planned(old).notes)


def test_links_and_pipes_and_folders_are_rejected(tmp_path):
    real = tmp_path / "real.ipynb"
    real.write_bytes(GOOD)
    assert submission.read(real).cells
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "soft").symlink_to(real)
    for name, says in (
        ("pipe", "not a regular file"),
        ("soft", "symbolic link"),
        ("none", "cannot be opened"),
        (".", "not a regular file"),
    ):
        with pytest.raises(Rejected, match=says):
            submission.read(tmp_path / name)
    (tmp_path / "hard").hardlink_to(real)
    with pytest.raises(Rejected, match="hard link"):
        submission.read(tmp_path / "hard")


def test_a_huge_file_is_rejected_without_being_read(tmp_path):
    path = tmp_path / "huge.ipynb"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Rejected, match="MB"):
        submission.read(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda it: (
        st.lists(it, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "cells",
                    "source",
                    "metadata",
                    "nbgrader",
                    "grade_id",
                    "tags",
                    "id",
                    "input",
                ]
            ),
            it,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(JSON, st.lists(JSON, max_size=4), st.sampled_from([3, 4]), st.data())
def test_any_file_is_a_plan_or_rejected(metadata, extra, version, data):
    """Whatever stands in the notebook: the same checks and points, or a rejection."""
    content = handed_in() | {"nbformat": version}
    content["cells"] += extra
    content["metadata"] = metadata
    if data.draw(st.booleans()):
        content["cells"][1]["metadata"] = metadata
        content["cells"][2]["cell_type"] = metadata
    raw = bytearray(json.dumps(content).encode())
    if data.draw(st.booleans()):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = submission.plan(REFERENCE, submission.read(bytes(raw)))
    except Rejected:
        return
    checks = [(it.id, it.source, it.points) for it in found.steps if it.kind == "check"]
    assert checks == [("e0_check", ASKED["cells"][2]["source"], 2.0)]
    assert found.due == REFERENCE.due
    found.to_json()


def test_more_code_than_a_plan_holds_is_rejected():
    content = handed_in(e0="%pip\n" * (submission.MAX_SOURCE // 30))
    with pytest.raises(Rejected, match="characters of code"):
        planned(content)
