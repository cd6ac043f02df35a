"""A check judged in one namespace and through the referee, for tests."""

import contextlib
import io
import warnings
from dataclasses import replace

from autograder import referee, submission, verdicts
from autograder.submission import Notebook, NotebookCell


def cell(source, grade_id=None, *, grade=False, solution=False, points=0, tags=()):
    """Return a notebook cell as the instructor's notebook has it."""
    meta = {"tags": list(tags)} if tags else {}
    if grade_id is not None:
        meta["nbgrader"] = {
            "grade_id": grade_id,
            "grade": grade,
            "solution": solution,
            "locked": not solution,
            "points": points,
            "schema_version": 3,
            "task": False,
        }
    return {
        "cell_type": "code",
        "source": source,
        "metadata": meta,
        "id": grade_id or f"c{abs(hash(source)) % 10**9}",
    }


def notebook(answers, checks, setup="", plain=()):
    """Return an instructor's notebook: setup, then answers and checks in turn."""
    cells = [cell(setup, "setup")] if setup else []
    cells += [cell(it) for it in plain]
    for i, (answer, check) in enumerate(zip(answers, checks, strict=True)):
        cells.append(cell(answer, f"e{i}", solution=True))
        cells.append(cell(check, f"e{i}_check", grade=True, points=2))
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}


def submitted(content):
    """Return a notebook as `submission.read` would."""
    cells = []
    for it in content["cells"]:
        meta = it["metadata"].get("nbgrader", {})
        tags = it["metadata"].get("tags", [])
        cells.append(
            NotebookCell(
                it["cell_type"] == "code",
                it["source"],
                meta.get("grade_id"),
                is_check=bool(meta.get("grade")),
                is_demo="skip-execution" in tags,
                id=it.get("id", ""),
            )
        )
    return Notebook("0" * 64, tuple(cells))


def conduct(reference, handed_in, new_student, *, returns=None, **limits):
    """Return (verdict, records) of a submission; tests keep the limits short."""
    limits = {"cell_s": 10.0, "call_s": 3.0, "check_s": 20.0} | limits
    plan = submission.plan(reference, handed_in, returns=returns, limits=limits)
    plan = submission.Plan.from_json(plan.to_json())
    records = []
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        referee.conduct(plan, new_student, records.append)
    return verdicts.assemble(reference.due, records, notes=plan.notes), records


def referee_says(students, reference_answer, check, answer=None, setup="", **more):
    """Return the verdict on one exercise whose check is this source."""
    asked = notebook([reference_answer], [check], setup)
    reference = submission.reference(asked, "t")
    given = notebook([reference_answer if answer is None else answer], [check], setup)
    verdict, _ = conduct(reference, submitted(given), students.new, **more)
    return verdict.exercises[0]


def plain_says(answer, check, setup=""):
    """Return None, or what the check raises, when all runs in one namespace."""
    space = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for source in (setup, answer, check):
                exec(compile(source, "<one>", "exec"), space)
        except BaseException as error:  # noqa: BLE001 - whatever it raises
            return error
    return None


def with_answers(content, changes):
    """Return a copy of a notebook with other sources for some grade_ids."""
    cells = []
    for it in content["cells"]:
        name = it["metadata"].get("nbgrader", {}).get("grade_id")
        cells.append({**it, "source": changes.get(name, it["source"])})
    return {**content, "cells": cells}


def only_until(plan, check_id):
    """Return the plan up to one check, without the other checks."""
    steps = []
    for step in plan.steps:
        if step.kind != "check" or step.id == check_id:
            steps.append(step)
        if step.id == check_id:
            break
    return replace(plan, steps=tuple(steps))
