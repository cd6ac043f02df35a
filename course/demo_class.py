"""A class of made-up submissions, each made to be worth a known number of points.

The answers are the lessons' own: solutions, differently written right answers, and the
wrong answers that people write. What each submission was made to be is noted beside it
(`demo.json`), so that grading can be checked against it:

    right         the solutions
    rewritten     right answers, differently written
    partly        the first half right, the rest not started
    misconceived  wrong answers here and there
    skeleton      handed in as it was handed out
    scratch       all right, below a cell of the student's own that raises
    crash         one answer raises before it defines anything
    dead kernel   one answer ends the process: it costs that exercise only
    endless       one function never ends: it costs that exercise only
    doubled       all right, and a check stands there twice
    edited check  nothing answered, and every check replaced by `pass`
    truncated, empty, missing, link    no notebook that can be read

An exercise that builds on a failed one is left as the skeleton: its points are then
known without running anything.
"""

import ast
import copy
import json
import shutil
import symtable
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import nbformat
from nbformat import NotebookNode

from course import lesson as library
from course.classroom import Classroom
from course.errors import ClassroomError
from course.lesson import Exercise, Lesson

NOTES = "demo.json"
SMALLEST = 20
STUDENT = "student-"
KINDS = (
    *("right", "rewritten", "partly", "misconceived", "misconceived", "misconceived"),
    *("misconceived", "skeleton", "right", "rewritten", "scratch", "crash"),
    *("dead kernel", "endless", "doubled", "edited check"),
    *("truncated", "empty", "missing", "link"),
)
MORE_KINDS = ("misconceived", "partly", "rewritten", "right")
BROKEN = {
    "truncated": "not JSON",
    "empty": "is empty",
    "missing": "there is no",
    "link": "symbolic link",
}


@dataclass(frozen=True)
class Made:
    """One submission, and what it was made to be.

    `points` and `says` go by nbgrader's id of the check; `points` is None for one that
    cannot be graded, and `reason` then holds words of the reason.
    """

    student: str
    lesson: str
    kind: str
    points: dict[str, float] | None
    says: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class _Answer:
    """What stands in an exercise's cell, and what that is worth."""

    source: str
    is_right: bool = False
    says: tuple[str, ...] = ()


def make_submissions(
    classroom: Classroom, *, size: int = SMALLEST, seed: int = 0
) -> list[Made]:
    """Write a class's submissions into the classroom; return what each is made to be.

    Args:
        classroom: one whose `submitted` is empty, or holds an earlier demonstration.
        size: the number of submissions, at least 20; each student hands in one lesson.
        seed: chooses the answers, where there are several.

    Raises:
        ClassroomError: the size is too small, or there is real work in the classroom.
    """
    if size < SMALLEST:
        raise ClassroomError(
            f"a demonstration of {size} is too small to show every kind of submission: "
            f"ask for {SMALLEST} or more"
        )
    _remove_old(classroom)
    first = Random(seed).randrange(1000)  # noqa: S311 - it chooses examples
    lessons = [library.load(name) for name in classroom.assignments]
    made = [
        _make(classroom, lessons[n % len(lessons)], _student(n, size), kind, first + n)
        for n, kind in enumerate(_kinds(size))
    ]
    notes = json.dumps([asdict(it) for it in made], indent=2) + "\n"
    (classroom.folder / NOTES).write_bytes(notes.encode())
    return made


def dependencies(lesson: Lesson) -> dict[str, set[str]]:
    """Return, for each exercise, the earlier ones whose names it may use.

    Read from the text alone: every name that a cell binds carries the exercises whose
    names the cell reads. It may name too many, never the values' own connections.
    """
    carried: dict[str, set[str]] = {}
    found: dict[str, set[str]] = {exercise.id: set() for exercise in lesson.exercises}
    for cell in lesson.cells:
        if not cell.is_code or cell.role == "demo":
            continue
        used, bound = _names(cell.source)
        if cell.role == "check":
            used -= bound  # its own names; the learner's are never bound by a check
        if cell.role == "exercise":
            for answer in lesson.by_id[str(cell.exercise)].rights:
                used |= _names(answer.source)[0]
        out: set[str] = set().union(*(carried.get(name, set()) for name in used))
        if cell.exercise is not None:
            found[cell.exercise] |= out - {cell.exercise}
            out = out | {cell.exercise}
        carried |= dict.fromkeys(bound, out)
    return found


def _kinds(size: int) -> Iterator[str]:
    yield from KINDS
    for n in range(size - len(KINDS)):
        yield MORE_KINDS[n % len(MORE_KINDS)]


def _student(n: int, size: int) -> str:
    return f"{STUDENT}{n + 1:0{len(str(size))}d}"


def _remove_old(classroom: Classroom) -> None:
    folder, notes = classroom.folder / "submitted", classroom.folder / NOTES
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    old = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else []
    strange = sorted(found - {it["student"] for it in old})
    if strange:
        raise ClassroomError(
            f"{folder} holds work that is not of a demonstration ({strange[0]}): make "
            "the demonstration in a folder of its own"
        )
    for it in old:
        for step in ("submitted", "autograded", "feedback"):
            shutil.rmtree(classroom.folder / step / it["student"], ignore_errors=True)


def _make(room: Classroom, lesson: Lesson, student: str, kind: str, turn: int) -> Made:
    folder = room.path("submitted", student, lesson.name)
    folder.mkdir(parents=True)
    answers = _choose(lesson, kind, turn)
    text = _notebook_text(room, lesson, answers, kind)
    _hand_in(folder, lesson.name, kind, text)
    if kind in BROKEN:
        return Made(student, lesson.name, kind, None, reason=BROKEN[kind])
    asked = {ex.check_id: (ex, answers[ex.id]) for ex in lesson.exercises}
    points = {
        name: ex.points if answer.is_right else 0.0
        for name, (ex, answer) in asked.items()
    }
    says = {name: answer.says for name, (_, answer) in asked.items() if answer.says}
    return Made(student, lesson.name, kind, points, says)


def _hand_in(folder: Path, name: str, kind: str, text: str) -> None:
    path = folder / f"{name}.ipynb"
    if kind == "missing":
        (folder / "notes.txt").write_text("The upload failed.\n", encoding="utf-8")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "link":
        path.symlink_to(Path("..", "..", "..", "source", name, path.name))
    elif kind == "truncated":
        path.write_bytes(text.encode()[: len(text) // 2])
    else:
        path.write_bytes(text.encode())


def _choose(lesson: Lesson, kind: str, turn: int) -> dict[str, _Answer]:
    """Return the answer to each exercise; one that builds on a failed one: skeleton."""
    depends = dependencies(lesson)
    pick = _PICKS.get(kind, _right)
    answers: dict[str, _Answer] = {}
    for exercise in lesson.exercises:
        failed = {name for name, answer in answers.items() if not answer.is_right}
        if depends[exercise.id] & failed:
            answers[exercise.id] = _skeleton(lesson, exercise, turn)
        else:
            answers[exercise.id] = pick(lesson, exercise, turn)
    return answers


def _right(_: Lesson, exercise: Exercise, turn: int) -> _Answer:
    del turn
    return _Answer(exercise.solution, is_right=True)


def _skeleton(_: Lesson, exercise: Exercise, turn: int) -> _Answer:
    del turn
    return _Answer(exercise.skeleton)


def _rewritten(_: Lesson, exercise: Exercise, turn: int) -> _Answer:
    return _Answer(exercise.rights[turn % len(exercise.rights)].source, is_right=True)


def _partly(lesson: Lesson, exercise: Exercise, turn: int) -> _Answer:
    half = (len(lesson.exercises) + 1) // 2
    pick = _right if exercise in lesson.exercises[:half] else _skeleton
    return pick(lesson, exercise, turn)


def _misconceived(lesson: Lesson, exercise: Exercise, turn: int) -> _Answer:
    asked = _asked(lesson)
    every = min(3, len(asked))  # about one in three is wrong: not all students' same
    if exercise not in asked or asked.index(exercise) % every != turn % every:
        return _right(lesson, exercise, turn)
    wrong = exercise.wrongs[turn % len(exercise.wrongs)]
    return _Answer(wrong.source, says=wrong.says)


def _crash(lesson: Lesson, exercise: Exercise, turn: int) -> _Answer:
    if exercise is not _asked(lesson)[-1]:
        return _right(lesson, exercise, turn)
    return _Answer(f"1 / 0\n{exercise.solution}", says=("is not defined",))


def _dead_kernel(lesson: Lesson, exercise: Exercise, turn: int) -> _Answer:
    if exercise is not _asked(lesson)[-1]:
        return _right(lesson, exercise, turn)
    return _Answer(f"import os\n\nos._exit(1)\n{exercise.solution}", says=("ended",))


def _endless(lesson: Lesson, exercise: Exercise, turn: int) -> _Answer:
    """Return an answer whose last function does not come back."""
    functions = [it for it in _asked(lesson) if _functions(it)]
    if not functions or exercise is not functions[-1]:
        return _right(lesson, exercise, turn)
    loop = f"def {_functions(exercise)[-1]}(*_, **__):\n    while True:\n        pass"
    return _Answer(f"{exercise.solution}\n\n\n{loop}", says=("did not end within",))


def _functions(exercise: Exercise) -> list[str]:
    """Return the names of the functions that the solution defines."""
    body = ast.parse(exercise.solution).body
    return [it.name for it in body if isinstance(it, ast.FunctionDef)]


_PICKS: dict[str, Callable[[Lesson, Exercise, int], _Answer]] = {
    "rewritten": _rewritten,
    "partly": _partly,
    "misconceived": _misconceived,
    "skeleton": _skeleton,
    "crash": _crash,
    "dead kernel": _dead_kernel,
    "endless": _endless,
    "edited check": _skeleton,
}


def _asked(lesson: Lesson) -> list[Exercise]:
    """Return the exercises that are not predictions; all, if there is no other."""
    found = [ex for ex in lesson.exercises if not ex.is_prediction]
    return found or list(lesson.exercises)


def _notebook_text(
    room: Classroom, lesson: Lesson, answers: dict[str, _Answer], kind: str
) -> str:
    """Return the students' notebook with the answers in it, as a student's file."""
    path = room.path("release", "", lesson.name) / f"{lesson.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    sources = {ex.grade_id: answers[ex.id].source for ex in lesson.exercises}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = sources.get(grade_id, cell.source)
    checks = [
        it for it in notebook.cells if it.metadata.get("nbgrader", {}).get("grade")
    ]
    if kind == "scratch":
        notebook.cells.insert(0, _scratch())
    elif kind == "doubled":
        notebook.cells.append(copy.deepcopy(checks[0]))
        notebook.cells[-1]["id"] = "doubled"
    for cell in checks if kind == "edited check" else ():
        cell.source = "pass"
    return str(nbformat.writes(notebook)) + "\n"


def _scratch() -> NotebookNode:
    cell = nbformat.v4.new_code_cell("1 / 0  # what happens then?")
    cell["id"] = "scratch"
    return cell


def _names(source: str) -> tuple[set[str], set[str]]:
    """Return the module's names that the source reads, and those that it binds."""
    table = symtable.symtable(source, "cell", "exec")
    used = {it.get_name() for it in table.get_symbols() if it.is_referenced()}
    bound = {
        it.get_name()
        for it in table.get_symbols()
        if it.is_assigned() or it.is_imported()
    }
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        used |= {it.get_name() for it in scope.get_symbols() if it.is_global()}
        inner += scope.get_children()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AugAssign):  # `x += 1` reads x, `x[0] = 1` changes it
            used |= {it.id for it in ast.walk(node.target) if isinstance(it, ast.Name)}
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(
            node.ctx, ast.Store
        ):
            bound |= {it.id for it in ast.walk(node) if isinstance(it, ast.Name)}
    return used, bound
