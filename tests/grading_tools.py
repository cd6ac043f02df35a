"""A classroom in a folder, made without nbgrader, and submissions for the fake grader."""

import json
import sys
from pathlib import Path

from autograder import grading, pool
from autograder.judging import Assignment
from course.classroom import Classroom

FACTORY = "fake_grader:start"
NAME = "z1_example"


def cell(source, grade_id, *, grade=False, points=0):
    """Return a notebook's cell."""
    meta = {"grade_id": grade_id, "grade": grade, "solution": not grade}
    meta |= {"points": points, "locked": grade, "schema_version": 3, "task": False}
    return {
        "cell_type": "code",
        "id": grade_id,
        "source": source,
        "metadata": {"nbgrader": meta},
        "outputs": [],
        "execution_count": None,
    }


def notebook(*answers):
    """Return a notebook with two exercises."""
    cells = []
    for number, answer in enumerate(answers):
        cells.append(cell(f"# {answer}", f"e{number}"))
        cells.append(
            cell("assert e", f"e{number}_check", grade=True, points=number + 1)
        )
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    return json.dumps(whole).encode()


SOURCE = notebook("right", "right")


def room_in(folder, names=(NAME,)):
    """Return a classroom of assignments with two exercises each."""
    return Classroom(folder, "crossroads", 5, tuple(names))


def hand_in(room, student, *answers, name=NAME):
    """Put a notebook where a student's work is expected."""
    path = room.folder / "submitted" / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook(*(answers or ("right", "wrong"))))
    return path


def asked(room, **options):
    """Return the assignments, for the fake grader."""
    return [Assignment(it, SOURCE, "plain", options) for it in room.assignments]


def grade(room, *, assignments=None, processes=1, threads=1, **more):
    """Grade the classroom with the fake grader in worker processes."""
    assignments = assignments or asked(room)

    def workers():
        count = {"processes": processes, "threads": threads}
        return pool.Pool(assignments, factory=FACTORY, **count)

    return grading.grade_classroom(room, assignments, workers, **more)


def by_student(report):
    """Return the rows by student."""
    return {row.student: row for row in report.rows}


def main(folder):
    """Grade the class in the folder: a process for tests to kill."""
    room = room_in(Path(folder))
    assignments = asked(room, log=str(room.folder / "log"))
    grade(room, assignments=assignments, processes=2)


if __name__ == "__main__":
    main(sys.argv[1])
