"""Reads a lesson: its notebook cells, exercises, checks, hints, right and wrong answers.

A lesson is Python text in jupytext's percent format. Keys in a cell's first line say
what the cell is (all plain jupytext metadata):

    # %% [markdown]                          prose; {{exercises}} becomes their table
    # %%                                     a code cell of the notebook
    # %% setup                               the same, restored before grading
    # %% demo                                run by the learner, skipped when grading
    # %% exercise="softmax" points=2 minutes=8 difficulty=2
    # %% check="softmax"                     judges it; one for each exercise
    # %% [markdown] hint="softmax"           two or more, in order; the last rung of the
                                             ladder is the solution itself
    # %% right="softmax"                     another answer that the check must accept
    # %% wrong="softmax" says="a; b"         an answer that it must reject, with a message
                                             that holds each of these phrases

An exercise with `prediction=true` asks for a guess and a confidence: it needs no hints.
Nothing here runs the lesson's code.
"""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from course.errors import CrossroadsError, LessonError
from course.lesson_text import (
    BEGIN_HIDDEN,
    BEGIN_SOLUTION,
    CODE_STUB,
    END_HIDDEN,
    END_SOLUTION,
    MAX_COLUMNS,
    TRACKS,
    RawCell,
    cut_region,
    raw_cells,
    read_header,
    solved,
)

LESSONS_DIR = Path(__file__).parent / "lessons"
_ID = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True)
class Answer:
    """A right or wrong answer to an exercise, as source text."""

    source: str
    line: int
    says: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One cell of the notebook; `role` is markdown, code, setup, demo, exercise, check."""

    role: str
    source: str
    line: int
    exercise: str | None = None

    @property
    def is_code(self) -> bool:
        """Whether the cell holds code."""
        return self.role != "markdown"


@dataclass(frozen=True)
class Exercise:
    """One exercise: what is asked, how it is judged, and what people answer."""

    id: str
    lesson_id: str
    source: str
    check: str
    line: int
    points: float
    minutes: float
    difficulty: int
    is_prediction: bool
    hints: tuple[str, ...]
    rights: tuple[Answer, ...]
    wrongs: tuple[Answer, ...]

    @property
    def key(self) -> str:
        """The name that learners type: `a1.softmax`."""
        return f"{self.lesson_id}.{self.id}"

    @property
    def grade_id(self) -> str:
        """nbgrader's id of the solution cell."""
        return f"{self.lesson_id}_{self.id}"

    @property
    def check_id(self) -> str:
        """nbgrader's id of the check cell."""
        return f"{self.grade_id}_check"

    @property
    def solution(self) -> str:
        """The solution as a learner would write it, without the skeleton's last lines."""
        return solved(self.source)

    @property
    def skeleton(self) -> str:
        """What the learner starts from."""
        return cut_region(self.source, BEGIN_SOLUTION, END_SOLUTION, CODE_STUB)


@dataclass(frozen=True)
class Lesson:
    """A lesson, read from its text."""

    id: str
    track: str
    title: str
    path: Path
    partner: str | None
    assets: tuple[str, ...]
    cpu_s: float
    cells: tuple[Cell, ...] = field(repr=False)
    exercises: tuple[Exercise, ...] = field(repr=False)

    @cached_property
    def by_id(self) -> dict[str, Exercise]:
        """The exercises by their id."""
        return {exercise.id: exercise for exercise in self.exercises}

    @property
    def name(self) -> str:
        """The file's name without suffix: the notebook's and the assignment's name."""
        return self.path.stem

    @property
    def points(self) -> float:
        """The most points that the lesson can give."""
        return sum(exercise.points for exercise in self.exercises)

    @property
    def minutes(self) -> float:
        """The minutes that its exercises take."""
        return sum(exercise.minutes for exercise in self.exercises)


def lesson_paths() -> list[Path]:
    """Return the paths of all lessons, shared first, in the order of the syllabus."""
    return [
        path for track in TRACKS for path in sorted((LESSONS_DIR / track).glob("*.py"))
    ]


@cache
def load(lesson_id: str) -> Lesson:
    """Return the lesson with this id (`a1`) or this name (`a1_what_a_call_returns`).

    Raises:
        CrossroadsError: there is no such lesson; the message lists those there are.
        LessonError: its text breaks the format.
    """
    paths = {path.stem: path for path in lesson_paths()}
    for name, path in paths.items():
        if lesson_id in (name, name.split("_")[0]):
            return read(path)
    known = ", ".join(name.split("_")[0] for name in paths)
    raise CrossroadsError(f"there is no lesson {lesson_id!r}; the lessons are {known}")


def find_exercise(key: str) -> Exercise:
    """Return the exercise that a learner names as `a1.softmax`.

    Raises:
        CrossroadsError: no lesson or no exercise of this name.
    """
    lesson_id, _, exercise_id = key.partition(".")
    lesson = load(lesson_id)
    if exercise_id in lesson.by_id:
        return lesson.by_id[exercise_id]
    known = ", ".join(exercise.key for exercise in lesson.exercises)
    raise CrossroadsError(f"there is no exercise {key!r}; the lesson has {known}")


def read(path: Path) -> Lesson:
    """Return the lesson that the file holds.

    Raises:
        LessonError: the text breaks the format; names file, line, rule and remedy.
    """
    return parse(path.read_text(encoding="utf-8"), path)


def parse(text: str, path: Path) -> Lesson:
    """Return the lesson that `text` describes; `path` names it in errors.

    Raises:
        LessonError: the text breaks the format.
    """
    import jupytext  # seconds and 40 MB: what only asks for `hint` does without

    notebook = jupytext.reads(text, fmt="py:percent")
    raw = list(raw_cells(notebook, text, path))
    header = read_header(notebook, path)
    parts = _Parts(path, header["id"])
    for cell in raw:
        parts.add(cell)
    return Lesson(
        id=header["id"],
        track=header["track"],
        title=header["title"],
        path=path,
        partner=header.get("partner"),
        assets=tuple(header.get("assets", ())),
        cpu_s=float(header.get("cpu_s", 60)),
        cells=tuple(parts.cells),
        exercises=tuple(parts.exercises()),
    )


class _Parts:
    """Collects a lesson's cells and answers, and holds them to the rules."""

    def __init__(self, path: Path, lesson_id: str) -> None:
        self.path, self.lesson_id = path, lesson_id
        self.cells: list[Cell] = []
        self.asked: dict[str, RawCell] = {}
        self.checks: dict[str, RawCell] = {}
        self.hints: dict[str, list[str]] = {}
        self.rights: dict[str, list[Answer]] = {}
        self.wrongs: dict[str, list[Answer]] = {}

    def fail(self, line: int, rule: str, remedy: str) -> LessonError:
        return LessonError(self.path, line, rule, remedy)

    def add(self, cell: RawCell) -> None:
        if cell.is_code:
            self._code_rules(cell)
        if cell.role in ("hint", "right", "wrong", "check"):
            self._known_exercise(cell)
        if cell.role in ("hint", "right", "wrong"):
            self._add_answer(cell)
            return
        if cell.role == "exercise":
            self._exercise_rules(cell)
            self.asked[cell.name] = cell
        elif cell.role == "check":
            self._check_rules(cell)
            self.checks[cell.name] = cell
        name = cell.name or None
        self.cells.append(Cell(cell.role, cell.source, cell.line, name))

    def _add_answer(self, cell: RawCell) -> None:
        if cell.role == "hint":
            self.hints.setdefault(cell.name, []).append(cell.source)
        elif cell.role == "right":
            answer = Answer(cell.source, cell.line)
            self.rights.setdefault(cell.name, []).append(answer)
        else:
            says = tuple(s.strip() for s in str(cell.keys.get("says", "")).split(";"))
            if not all(says):
                remedy = 'Add says="…": words that the check\'s message must hold'
                raise self.fail(cell.line, "a wrong answer says nothing", remedy)
            answer = Answer(cell.source, cell.line, says)
            self.wrongs.setdefault(cell.name, []).append(answer)

    def _code_rules(self, cell: RawCell) -> None:
        for offset, text in enumerate(cell.source.split("\n"), 1):
            line = cell.line + offset
            if len(text) > MAX_COLUMNS:
                rule = f"a line has {len(text)} columns, more than {MAX_COLUMNS}"
                raise self.fail(line, rule, "Break it")
            if text.startswith(("%", "!")):
                rule = "IPython magic in a lesson"
                raise self.fail(line, rule, "Write plain Python: it runs everywhere")
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            line = cell.line + (error.lineno or 0)
            remedy = "Mend it; an answer that must not parse is a string given to exec"
            raise self.fail(line, f"not Python: {error.msg}", remedy) from None
        if cell.role == "check":
            for node in ast.walk(tree):
                if isinstance(node, ast.Assert):
                    remedy = "Use a helper of course.feedback: it explains"
                    line = cell.line + node.lineno
                    raise self.fail(line, "a bare assert in a check", remedy)

    def _known_exercise(self, cell: RawCell) -> None:
        if cell.name not in self.asked:
            close = difflib.get_close_matches(cell.name, list(self.asked), n=1)
            remedy = f"Did you mean {close[0]!r}?" if close else "Put it after its own"
            rule = f"{cell.role} of {cell.name!r}, which no exercise above is called"
            raise self.fail(cell.line, rule, remedy)

    def _exercise_rules(self, cell: RawCell) -> None:
        if not _ID.match(cell.name):
            rule = f"exercise {cell.name!r} is not lower_case_with_underscores"
            raise self.fail(cell.line, rule, "Rename it")
        if cell.name in self.asked:
            rule = f"exercise {cell.name!r} occurs twice"
            raise self.fail(cell.line, rule, "Rename one")
        for key in ("points", "minutes", "difficulty"):
            value = cell.keys.get(key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                rule = f"exercise {cell.name!r} needs the number {key}="
                raise self.fail(cell.line, rule, f"Add {key}=2, say")
            if value <= 0 or (key == "difficulty" and value not in range(1, 6)):
                limit = "1 to 5" if key == "difficulty" else "above 0"
                rule = f"{key}={value} of exercise {cell.name!r} must be {limit}"
                raise self.fail(cell.line, rule, "Change it")
        self._region(cell, BEGIN_SOLUTION, END_SOLUTION)

    def _check_rules(self, cell: RawCell) -> None:
        if cell.name in self.checks:
            rule = f"exercise {cell.name!r} has two checks"
            raise self.fail(cell.line, rule, "Make them one: a check gives its points")
        call = f'with check("{self.lesson_id}.{cell.name}")'
        if call not in cell.source:
            rule = f"check of {cell.name!r} does not say {call}"
            raise self.fail(cell.line, rule, "The log and the hints go by that name")
        if not self.asked[cell.name].keys.get("prediction"):
            self._region(cell, BEGIN_HIDDEN, END_HIDDEN)

    def _region(self, cell: RawCell, begin: str, end: str) -> None:
        inside, filled, line = False, False, cell.line
        for line, text in enumerate(cell.source.split("\n"), cell.line + 1):
            if begin in text or end in text:
                if inside is (begin in text):
                    rule = f"{text.strip()} is not in a pair"
                    raise self.fail(line, rule, f"Write {begin}, then {end}")
                inside = not inside
            elif inside and text.strip():
                filled = True
        if inside or not filled:
            rule = f"{cell.role} {cell.name!r} has no complete {begin} … {end}"
            raise self.fail(line, rule, "Add the two lines with code between them")

    def exercises(self) -> Iterator[Exercise]:
        for name, cell in self.asked.items():
            prediction = bool(cell.keys.get("prediction", False))
            self._complete(name, cell, needs_hints=not prediction)
            yield Exercise(
                id=name,
                lesson_id=self.lesson_id,
                source=cell.source,
                check=self.checks[name].source,
                line=cell.line,
                points=float(str(cell.keys["points"])),
                minutes=float(str(cell.keys["minutes"])),
                difficulty=int(str(cell.keys["difficulty"])),
                is_prediction=prediction,
                hints=tuple(self.hints.get(name, ())),
                rights=tuple(self.rights.get(name, ())),
                wrongs=tuple(self.wrongs.get(name, ())),
            )

    def _complete(self, name: str, cell: RawCell, *, needs_hints: bool) -> None:
        missing = [
            (name not in self.checks, "check", f'Add `# %% check="{name}"`'),
            (not self.rights.get(name), "right answer", f'Add `# %% right="{name}"`'),
            (not self.wrongs.get(name), "wrong answer", f'Add `# %% wrong="{name}"`'),
            (
                needs_hints and len(self.hints.get(name, ())) < 2,
                "two hints (a sketch, then an annotated skeleton)",
                f'Add `# %% [markdown] hint="{name}"`',
            ),
        ]
        for is_missing, what, remedy in missing:
            if is_missing:
                raise self.fail(cell.line, f"exercise {name!r} lacks {what}", remedy)
