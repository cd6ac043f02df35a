"""An untrusted notebook, read as data, and the plan that is made from it.

The plan is made from the *instructor's* notebook: the checks, their points, the locked
cells and the order come from there. Of the student's notebook only the text of solution
cells (found by `grade_id`) and of extra code cells is used. Nothing is executed here.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from autograder import compiled
from autograder.facts import Facts, facts_of
from autograder.notebooks import Notebook, NotebookCell, Rejected, read
from autograder.places import FILES
from autograder.verdicts import Due
from course.errors import CrossroadsError
from course.lesson_text import BEGIN_HIDDEN, END_HIDDEN, SKIP_TAG, cut_region

__all__ = [
    "Notebook",
    "NotebookCell",
    "Plan",
    "Reference",
    "Rejected",
    "Step",
    "of_reference",
    "plan",
    "read",
    "reference",
    "shared",
]
Kind = Literal["setup", "student", "check", "manual"]

MAX_SOURCE = 4 << 20  # characters of all of a student's cells
_UNSEEN = re.compile("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\u00ad]")
_INSTALLS = re.compile(
    r"^(?P<indent>[ \t]*)(?P<line>[!%]{1,2}[ \t]*(?:pip|pip3|conda|mamba|apt|apt-get|uv)\b"
    r"[^\n]*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Step:
    """One cell to run or to judge, in notebook order.

    `kind`: "setup" (the instructor's locked text, run in the student's process *and* in
    the referee, for itself), "student" (the student's text), "check" (judged by the
    referee), "manual" (a person judges it). `shared`: a check that must run inside the
    student's process. `defines`: names that the reference's text of a student's cell
    assigns: they are the student's.
    """

    kind: Kind
    id: str
    source: str
    points: float = 0.0
    shared: bool = False
    defines: tuple[str, ...] = ()
    code: str = field(default="", repr=False)


@dataclass(frozen=True)
class Plan:
    """What to do with one submission: made from the instructor's notebook.

    Attributes:
        name: the assignment's (lesson's) name.
        steps: what runs and what is judged, in order.
        facts: what the reference says about names and classes.
        notes: what was odd about the student's notebook.
        returns: what each callee gave when the reference was judged (calibration);
            None before that.
        cell_s: wall-clock limit of one cell, seconds.
        call_s: of one call of the student's code by a check.
        check_s: of a whole check. The engine limits the whole submission.
    """

    name: str
    steps: tuple[Step, ...]
    facts: Facts
    notes: tuple[str, ...] = ()
    returns: Mapping[str, tuple[str, ...]] | None = None
    cell_s: float = 30.0
    call_s: float = 10.0
    check_s: float = 60.0

    @property
    def due(self) -> tuple[Due, ...]:
        """What must be judged: give it to `verdicts.assemble`."""
        kinds = ("check", "manual")
        return tuple(
            Due(it.id, it.points, manual=it.kind == "manual")
            for it in self.steps
            if it.kind in kinds and (it.kind == "check" or it.points)
        )

    def to_json(self) -> bytes:
        """Return the plan as bytes for the referee's process."""
        return json.dumps(vars(self), default=vars).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Plan":
        """Return the plan that `to_json` wrote."""
        fields = json.loads(data)
        steps = tuple(
            Step(**it | {"defines": tuple(it["defines"])}) for it in fields["steps"]
        )
        facts, notes = Facts.from_json(fields["facts"]), tuple(fields["notes"])
        return cls(**fields | {"steps": steps, "facts": facts, "notes": notes})


@dataclass(frozen=True)
class Reference:
    """What the instructor's notebook asks for."""

    name: str
    steps: tuple[Step, ...]
    facts: Facts
    demo_ids: frozenset[str]
    known_sources: frozenset[str]  # of demo cells: skipped also under another id
    extras: tuple[tuple[str, Step], ...] = ()  # plain cells, each after a step's id

    @property
    def due(self) -> tuple[Due, ...]:
        """What must be judged, whatever is handed in."""
        return Plan(self.name, self.steps, self.facts).due


def reference(notebook: Mapping[str, Any], name: str = "") -> Reference:
    """Return what the instructor's nbgrader source notebook (nbformat 4) asks for.

    `course.build.source_notebook(lesson, hidden_seed)` gives one for a lesson; any
    foreign nbgrader source notebook does too. Trusted.

    Raises:
        CrossroadsError: two cells with one `grade_id`, or a check without points.
    """
    steps: list[Step] = []
    demos: list[tuple[str, str]] = []
    extras: list[tuple[str, Step]] = []
    for number, cell in enumerate(notebook["cells"], 1):
        source, meta = _text(cell.get("source", "")), cell.get("metadata", {})
        step = _reference_step(cell, source, meta.get("nbgrader") or {})
        if SKIP_TAG in meta.get("tags", ()):
            demos.append((str(cell.get("id", "")), source.strip()))
        elif step is not None:
            steps.append(step)
        elif cell.get("cell_type") == "code" and source.strip():
            after = steps[-1].id if steps else ""
            extras.append((after, Step("student", f"extra-{number}", source)))
    ids = [step.id for step in steps]
    twice = sorted({it for it in ids if ids.count(it) > 1})
    if twice:
        raise CrossroadsError(f"two cells have the grade_id {twice[0]!r}: rename one")
    facts = facts_of(
        setups=[it.source for it in steps if it.kind == "setup"],
        answers=[it.source for it in steps if it.kind in ("student", "manual")],
        plain=[it.source for _, it in extras],
        checks=[it.source for it in steps if it.kind == "check"],
    )
    steps = [
        replace(it, defines=tuple(sorted(facts.defined_by(it.source))))
        if it.kind in ("student", "manual")
        else it
        for it in steps
    ]
    demo_ids = frozenset(it for it, _ in demos if it)
    sources = frozenset(source for _, source in demos)
    return Reference(name, tuple(steps), facts, demo_ids, sources, tuple(extras))


def plan(
    reference: Reference,
    submission: Notebook,
    *,
    returns: Mapping[str, tuple[str, ...]] | None = None,
    limits: Mapping[str, float] | None = None,
) -> Plan:
    """Return the plan for a submission.

    Args:
        reference: the instructor's side.
        submission: the student's notebook.
        returns: what calibration found (see `Plan.returns`).
        limits: `cell_s`, `call_s`, `check_s` other than the defaults.

    Raises:
        Rejected: more code than the plan may hold.
    """
    given: dict[str, str] = {}
    extras: list[tuple[str, Step]] = []  # (id of the step that it follows, step)
    notes = list(submission.notes)
    known = {it.id: it for it in reference.steps}
    last = ""
    for number, cell in enumerate(submission.cells, 1):
        step = known.get(cell.grade_id or "")
        if step is not None:
            last = cell.grade_id or last
        if step is None or (step.id in given and step.kind in ("student", "manual")):
            extra = _extra(cell, number, step, reference, notes)
            if extra is not None:
                extras.append((last, extra))
            continue
        _note(cell, step, notes)
        given.setdefault(step.id, cell.source)
    steps = _merged(reference, given, extras, notes)
    size = sum(len(it.source) for it in steps if it.kind == "student")
    if size > MAX_SOURCE:
        raise Rejected(
            f"its cells hold {size} characters of code, more than {MAX_SOURCE}: put "
            "data into files"
        )
    return Plan(
        reference.name,
        tuple(steps),
        reference.facts,
        tuple(dict.fromkeys(notes)),
        returns,
        **(limits or {}),
    )


def of_reference(reference: Reference) -> Plan:
    """Return the plan in which the reference's own solutions are judged.

    Its plain cells run as well: checks may use what they define.
    """
    steps = [it for after, it in reference.extras if not after]
    for step in reference.steps:
        steps += [step, *(it for after, it in reference.extras if after == step.id)]
    return Plan(reference.name, tuple(steps), reference.facts)


def shared(reference: Reference, checks: Collection[str]) -> Reference:
    """Return the reference with these checks run inside the student's process."""
    steps = tuple(
        replace(it, shared=True) if it.kind == "check" and it.id in checks else it
        for it in reference.steps
    )
    return replace(reference, steps=steps)


def _reference_step(
    cell: Mapping[str, Any], source: str, meta: Mapping[str, Any]
) -> Step | None:
    grade_id = meta.get("grade_id")
    if not isinstance(grade_id, str):
        return None
    is_code = cell.get("cell_type") == "code"
    grade, solution = bool(meta.get("grade")), bool(meta.get("solution"))
    points = float(meta.get("points") or 0)
    if meta.get("task") or (grade and solution):
        return Step("manual", grade_id, source if is_code else "", points)
    if not is_code:
        return None
    if grade:
        shared = bool(meta.get("crossroads_shared"))
        code = compiled.packed(source, grade_id)
        return Step("check", grade_id, source, points, shared=shared, code=code)
    if solution:
        return Step("student", grade_id, source)
    return Step("setup", grade_id, source, code=compiled.packed(source, grade_id))


def _extra(
    cell: NotebookCell,
    number: int,
    step: Step | None,
    reference: Reference,
    notes: list[str],
) -> Step | None:
    """Return the step of a code cell that the reference does not have."""
    if step is not None:
        notes.append(f"cell {step.id!r} occurs more than once: each runs in its place")
    if not cell.is_code or not cell.source.strip():
        return None
    is_demo = cell.is_demo or cell.id in reference.demo_ids
    if is_demo or cell.source.strip() in reference.known_sources:
        return None
    if cell.grade_id is not None and step is None:
        shown = cell.grade_id[:60]
        if cell.is_check:
            notes.append(f"cell {shown!r} is no check of this assignment: ignored")
            return None
        notes.append(f"cell {shown!r} is unknown: run like an extra cell")
    return Step("student", f"extra-{number}", _runnable(cell.source, notes, number))


def _note(cell: NotebookCell, step: Step, notes: list[str]) -> None:
    if not cell.is_code and step.source:
        notes.append(f"cell {step.id!r} was made another type: read as code")
    if step.kind not in ("check", "setup"):
        return
    shown = cut_region(step.source, BEGIN_HIDDEN, END_HIDDEN, None).strip()
    if cell.source.strip() not in (shown, step.source.strip()):
        what = "check" if step.kind == "check" else "locked cell"
        notes.append(
            f"the {what} {step.id!r} was edited: the instructor's text is used"
        )


def _merged(
    reference: Reference,
    given: Mapping[str, str],
    extras: list[tuple[str, Step]],
    notes: list[str],
) -> list[Step]:
    steps = [step for after, step in extras if not after]
    for step in reference.steps:
        if step.id not in given and step.id != FILES:
            fate = "nothing was answered" if step.kind == "student" else "restored"
            notes.append(f"cell {step.id!r} was deleted or renamed: {fate}")
        if step.kind in ("student", "manual"):
            text = _runnable(given.get(step.id, ""), notes, step.id)
            is_code = bool(step.source)
            steps.append(replace(step, source=text if is_code else ""))
        else:
            steps.append(step)
        steps += [extra for after, extra in extras if after == step.id]
    return steps


def _runnable(source: str, notes: list[str], name: object) -> str:
    """Return a student's text without installations, which cannot run here."""
    if _UNSEEN.search(source):
        notes.append(f"cell {name!r} holds invisible or direction-changing characters")
    return _INSTALLS.sub(r"\g<indent>pass  # not run while grading: \g<line>", source)


def _text(source: object) -> str:
    return source if isinstance(source, str) else "".join(source)  # type: ignore[arg-type]
