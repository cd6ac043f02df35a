"""A grader without a sandbox, for tests of what is around it: it runs nobody's code.

Exercises whose answer holds `right` pass. What else an answer may ask for, in words:
`sleep S`, `die` (the process that judges ends), `raise`, `lose` (no verdict).
"""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from autograder.verdicts import ExerciseVerdict, Status, assemble
from course.errors import SandboxError


class FakeGrader:
    """Judges by the words of an answer; notes each plan in the file `log`."""

    def __init__(self, log=None):
        self.log = log

    def grade(self, plan):
        told = "\n".join(it.source for it in plan.steps if it.kind == "student")
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{os.getpid()} {told.split()[:3]}\n")
        for seconds in re.findall(r"sleep ([\d.]+)", told):
            time.sleep(float(seconds))
        if "die" in told:
            os.kill(os.getpid(), signal.SIGKILL)
        if "raise" in told:
            raise RuntimeError("a bug")
        records = []
        answer = ""
        for step in plan.steps:
            if step.kind == "student":
                answer = step.source
            elif step.kind == "check" and "lose" not in answer:
                records.append(_record(step, answer))
        return assemble(plan.due, records, notes=plan.notes, seconds=time.time() % 1)


def _record(step, answer):
    is_right = "right" in answer
    status = Status.PASSED if is_right else Status.FAILED
    message = "" if is_right else f"<f at 0x{id(object()):x}> is not right"
    points = step.points if is_right else 0.0
    verdict = ExerciseVerdict(step.id, status, points, step.points, message)
    return {"kind": "exercise"} | verdict.to_json()


@contextlib.contextmanager
def start(options):
    """The factory that workers are given."""
    if options.get("refuse"):
        raise SandboxError("there is no sandbox here")
    if options.get("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    yield FakeGrader(options.get("log"))
