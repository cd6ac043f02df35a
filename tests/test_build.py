"""Lesson to notebook: complete, without solutions, the same bytes every time."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course import build, lesson
from course.lesson import lesson_paths
from course.lesson_text import (
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    END_HIDDEN,
    END_SOLUTION,
    cut_region,
)

EXAMPLE = lesson.read(Path(__file__).parent / "data" / "z1_example.py")
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def by_grade_id(notebook):
    cells = (cell for cell in notebook.cells if "nbgrader" in cell.metadata)
    return {cell.metadata.nbgrader["grade_id"]: cell for cell in cells}


def test_the_learners_notebook_has_neither_solution_nor_hidden_test():
    text = build.to_text(build.learner_notebook(EXAMPLE))
    for secret in ("shifted.sum()", "HIDDEN", "1000", "SOLUTION", "Sketch", "/ np.sum"):
        assert secret not in text


def test_the_source_notebook_has_both():
    text = build.to_text(build.source_notebook(EXAMPLE))
    for part in ("shifted.sum()", BEGIN_HIDDEN, BEGIN_SOLUTION):
        assert part in text
    assert "Sketch" not in text


def test_a_class_can_have_its_own_hidden_seed():
    cells = by_grade_id(build.source_notebook(EXAMPLE, hidden_seed=12345))
    assert "HIDDEN_SEED = 12345" in cells["z1_softmax_check"].source


def test_cells_are_an_nbgrader_assignment_of_schema_3():
    cells = by_grade_id(build.learner_notebook(EXAMPLE))
    check, solution = cells["z1_softmax_check"], cells["z1_softmax"]
    assert check.metadata.nbgrader["points"] == 2
    assert check.metadata.nbgrader["grade"]
    assert check.metadata.nbgrader["locked"]
    assert solution.metadata.nbgrader["solution"]
    assert not solution.metadata.nbgrader["grade"]
    assert cells["z1_setup_1"].metadata.nbgrader["locked"]


def test_demo_cells_are_skipped_when_grading():
    last = build.learner_notebook(EXAMPLE).cells[-1]
    assert last.metadata.tags == ["skip-execution"]


def test_the_facts_of_an_exercise_stand_above_it():
    cells = build.learner_notebook(EXAMPLE).cells
    facts = next(cell.source for cell in cells if "`z1.softmax`" in cell.source)
    assert "●●○○○" in facts
    assert "about 8 minutes · 2 points" in facts


def test_cell_ids_are_unique_and_valid():
    notebook = build.learner_notebook(EXAMPLE)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    nbformat.validate(notebook)


def test_another_process_with_another_hash_seed_gives_the_same_bytes():
    code = (
        "import sys; from pathlib import Path; from course import build, lesson;"
        "L = lesson.read(Path(sys.argv[1]));"
        "print(build.to_text(build.learner_notebook(L)), end='')"
    )
    command = [sys.executable, "-c", code, str(EXAMPLE.path)]
    texts = [
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout.decode()
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] == build.to_text(build.learner_notebook(EXAMPLE))


def test_build_writes_what_check_then_accepts(tmp_path):
    assert build.build_all(tmp_path)
    assert build.check_all(tmp_path) == []
    assert build.build_all(tmp_path) == []


def test_check_finds_one_changed_byte_and_a_stray_notebook(tmp_path):
    first = build.build_all(tmp_path)[0]
    first.write_bytes(first.read_bytes() + b"\n")
    stray = tmp_path / "ml_track" / "old.ipynb"
    stray.write_text("{}")
    assert build.check_all(tmp_path) == [first, stray]


def test_the_committed_notebooks_are_those_of_the_lessons():
    assert build.check_all(NOTEBOOKS) == []


def inside(source, begin, end):
    """The lines between the markers, without indentation."""
    found, within = [], False
    for line in source.split("\n"):
        if begin in line or end in line:
            within = begin in line
        elif within:
            found.append(line.strip())
    return found


LOOP = re.compile(r"for \w+ in range\(\w+\):")


def secrets(exercise):
    """Lines of a solution or hidden test that say something of their own."""
    given = {line.strip() for line in exercise.skeleton.split("\n")}
    for line in inside(exercise.source, BEGIN_SOLUTION, END_SOLUTION):
        if len(line) > 12 and line not in given and not LOOP.fullmatch(line):
            yield line
    visible = cut_region(exercise.check, BEGIN_HIDDEN, END_HIDDEN, None)
    seen = {line.strip() for line in visible.split("\n")}
    for line in inside(exercise.check, BEGIN_HIDDEN, END_HIDDEN):
        if len(line) > 20 and line not in seen and not line.startswith("with "):
            yield line


@pytest.mark.parametrize("path", lesson_paths(), ids=lambda path: path.stem)
def test_no_notebook_holds_a_line_of_a_solution_or_a_hidden_test(path):
    found = lesson.read(path)
    notebook = build.learner_notebook(found)
    shown = {ln.strip() for cell in notebook.cells for ln in cell.source.split("\n")}
    for exercise in found.exercises:
        leaked = [line for line in secrets(exercise) if line in shown]
        assert leaked == [], f"{exercise.key} leaks {leaked}"
    for exercise in found.exercises:
        for answer in (*exercise.rights, *exercise.wrongs):
            assert answer.source not in build.to_text(notebook)
