"""Helpers of the tests that make classrooms: a library of one lesson, submissions."""

import copy
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from course import lesson as library

EXAMPLE = Path(__file__).parent / "data" / "z1_example.py"
NAME = "z1_example"
RIGHT = "def softmax(z):\n    e = np.exp(z - z.max())\n    return e / e.sum()"


@contextmanager
def only_the_example(folder, text=None):
    """Make the example, or another text of it, the only lesson there is."""
    path = folder / "shared" / f"{NAME}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(EXAMPLE.read_text() if text is None else text)
    library.load.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "LESSONS_DIR", folder)
        yield path
    library.load.cache_clear()


def cell_of(notebook, grade_id):
    named = (it for it in notebook.cells if grade_id_of(it) == grade_id)
    return next(named)


def grade_id_of(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def hand_in(room, student, name=NAME, change=lambda notebook: None):
    """Put the students' notebook, changed, where a student's work is expected."""
    release = room.path("release", "", name) / f"{name}.ipynb"
    notebook = copy.deepcopy(nbformat.read(release, as_version=4))
    change(notebook)
    path = room.path("submitted", student, name) / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook))
    return path


def solve(lesson):
    """Return a change that fills in all solutions."""

    def change(notebook):
        for exercise in lesson.exercises:
            cell_of(notebook, exercise.grade_id).source = exercise.solution

    return change


def run(room, *command, check=True):
    """Run a Python module's command line in the classroom."""
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=room.folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
