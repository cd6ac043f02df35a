"""`autograder parity`: is the grader right about work whose worth is known?

Calibration: the instructor's own solutions get full marks in the sandbox, through the
referee. Comparison: honest submissions, with every answer of a lesson's bank in one of
them, get the points that `nbgrader autograde` gives, check by check.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder import grading, honest, kinds, nbgrader_run, places, probe, rooms, run
from autograder import submission as reader
from autograder.engine import Engine
from autograder.judging import Assignment
from course import lesson as library
from course.classroom import Classroom, make_classroom, open_api
from course.errors import ClassroomError

HIDDEN_SEED = 987_654  # one that no author tried


@dataclass
class Compared:
    """What came of one assignment.

    Attributes:
        name: the assignment's.
        points: what its reference got in the sandbox; `max_points`: of how many.
        submissions: how many were compared with nbgrader; `verdicts`: in how many checks.
        shared: checks that ran inside the student's process.
        differences: a sentence for each.
    """

    name: str
    points: float
    max_points: float
    submissions: int = 0
    verdicts: int = 0
    shared: int = 0
    differences: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return dict(vars(self))


def compare(
    target: str | None, *, lesson: str | None = None, quick: bool, quiet: bool = False
) -> list[Compared]:
    """Return what came of each assignment.

    Args:
        target: a classroom's folder, or a lesson's id; None: all lessons.
        lesson: of a classroom: only this one.
        quick: leave nbgrader's own autograde out.
        quiet: print nothing on the way.

    Raises:
        ClassroomError: no such classroom or lesson.
        SandboxError: untrusted code cannot be run here.
    """
    mode = probe.probe().require()
    with tempfile.TemporaryDirectory(prefix="crossroads-parity-") as place:
        room = _room(target, lesson, Path(place) / "course", make=not quick)
        names = rooms.chosen(room, lesson)
        sources = grading.sources(room, names)
        foreign = rooms.is_foreign(room)
        handed_out = room.folder / "release" if foreign else None
        asked = kinds.assignments(sources, mode, handed_out=handed_out)
        found = {it.name: it for it in _calibrated(asked, can_share=foreign)}
        if not quick:
            for name in names:
                console = Console(stderr=True, quiet=quiet)
                with console.status(f"{name}: nbgrader autograde …"):
                    _against_nbgrader(room, found[name])
        return list(found.values())


def show(found: Sequence[Compared], *, quick: bool) -> None:
    """Print a table, and each difference."""
    console = Console()
    table = Table(title="The grader against work whose worth is known")
    table.add_column("assignment", overflow="fold")
    table.add_column("solutions", justify="right")
    if not quick:
        table.add_column("submissions", justify="right")
        table.add_column("verdicts", justify="right")
    table.add_column("differences", justify="right")
    for it in found:
        more = [] if quick else [str(it.submissions), str(it.verdicts)]
        points = f"{it.points:g}/{it.max_points:g}"
        table.add_row(Text(it.name), points, *more, str(len(it.differences)))
    console.print(table)
    for it in found:
        for line in it.differences:
            console.print(Text(f"✗ {it.name}: {line}"), soft_wrap=True)
        if it.shared:
            text = f"{it.name}: {it.shared} checks need the shared mode"
            console.print(Text(text), soft_wrap=True)
    if not any(it.differences for it in found):
        told = "" if quick else ", and nbgrader gives the same points everywhere"
        console.print(Text(f"✓ All solutions get full marks{told}."), soft_wrap=True)


def _room(
    target: str | None, lesson: str | None, place: Path, *, make: bool
) -> Classroom:
    """Return the course to look at: a copy, if nbgrader is to write to it."""
    if target is None or not Path(target).expanduser().is_dir():
        wanted = None if target is None else [target]
        if lesson is not None:
            raise ClassroomError("--lesson is for a classroom: name the lesson alone")
        return make_classroom(place, lessons=wanted, hidden_seed=HIDDEN_SEED)
    room = rooms.open_room(Path(target))
    if not make:
        return room
    for step in ("source", "release"):
        if (room.folder / step).is_dir():
            shutil.copytree(room.folder / step, place / step)
    for name in ("classroom.json", "nbgrader_config.py", "own_config.py"):
        if (room.folder / name).is_file():
            shutil.copy(room.folder / name, place / name)
    _as_a_copy(place)
    return rooms.open_room(place)


def _as_a_copy(place: Path) -> None:
    """Let the copy's configuration name no database or folder but its own."""
    url = f"sqlite:///{(place / 'gradebook.db').as_posix()}"
    with (place / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write("\nc = get_config()\n")
        file.write(f"c.CourseDirectory.root = {str(place)!r}\n")
        file.write(f"c.CourseDirectory.db_url = {url!r}\n")


def _calibrated(asked: Sequence[Assignment], *, can_share: bool) -> Iterator[Compared]:
    for kind in dict.fromkeys(it.kind for it in asked):
        own = [it for it in asked if it.kind == kind]
        with kinds.start(own[0].options) as engine:
            for it in own:
                yield _calibrate(engine, it, can_share=can_share)


def _calibrate(engine: Engine, asked: Assignment, *, can_share: bool) -> Compared:
    reference = reader.reference(json.loads(asked.source), asked.name)
    verdict, _ = engine.calibrate(reader.of_reference(reference))
    short = [
        it for it in verdict.exercises if it.points is None or it.points < it.max_points
    ]
    short = [it for it in short if it.status != "manual"]
    shared = 0
    if short and can_share:
        again = reader.shared(reference, {it.grade_id for it in short})
        shared = len(short)
        verdict, _ = engine.calibrate(reader.of_reference(again))
        short = [it for it in verdict.exercises if it.points != it.max_points]
        short = [it for it in short if it.status != "manual"]
    most = sum(it.max_points for it in verdict.exercises if it.status != "manual")
    found = Compared(asked.name, verdict.points or 0.0, most, shared=shared)
    found.differences += [
        f"the reference's own {it.grade_id} gets {it.points}, not {it.max_points:g}: "
        f"{it.message or it.status.reason}"
        for it in short
    ]
    return found


# ---------------------------------------------------------------- against nbgrader


def _against_nbgrader(room: Classroom, found: Compared) -> None:
    """Let both grade the same notebooks, and note each difference."""
    given = dict(_honest(room, found.name))
    for student, text in given.items():
        path = places.notebook_in(room.folder / "submitted" / student, found.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    report = run.grade_classroom(room.folder, lesson=found.name, progress=False)
    ours = {it.student: it.verdict for it in report.rows if it.key is not None}
    shutil.rmtree(room.folder / "autograded", ignore_errors=True)
    for student, theirs in nbgrader_run.autograded(room, found.name, list(given)):
        verdict = ours.get(student)
        judged = verdict.exercises if verdict else ()
        own = {it.grade_id: it for it in judged if it.status != "manual"}
        by_hand = {it.grade_id for it in judged} - set(own)
        found.submissions += 1
        for check in sorted({*own, *theirs} - by_hand):
            found.verdicts += 1
            mine = own[check].points if check in own else None
            if mine != theirs.get(check):
                said = own[check].message if check in own else "no verdict"
                found.differences.append(
                    f"{student}, {check}: {mine} here, {theirs.get(check)} from "
                    f"nbgrader: {said[:300]}"
                )


def _honest(room: Classroom, name: str) -> Iterator[tuple[str, str]]:
    """Give (student, notebook): all that the bank knows; of others what there is."""
    release = places.notebook_in(room.folder / "release", name)
    if not release.is_file():
        with open_api(room.folder) as api:
            api.generate_assignment(places.parts(name)[0])
    if rooms.is_foreign(room):
        source = places.notebook_in(room.folder / "source", name)
        yield "solutions", source.read_text(encoding="utf-8")
        yield "skeleton", release.read_text(encoding="utf-8")
        return
    lesson = library.load(name)
    by_cell = {it.grade_id: it.id for it in lesson.exercises}
    for student, answers in honest.submissions(lesson):
        notebook = json.loads(release.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
            if grade_id in by_cell:
                cell["source"] = answers[by_cell[grade_id]]
        yield student, json.dumps(notebook)
