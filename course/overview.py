"""What a learner has done, as a table, a picture and a page: for `course progress`."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from course import pages, plots, progress, workspace
from course.drawing import NARROW_IN, Figure, drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 8  # cells of a bar in a terminal
TRACKS = {"a": "AI track", "m": "ML track"}


def rows() -> list[dict[str, object]]:
    """Return one row per exercise: lesson, exercise, state, attempts, hints, points."""
    states = progress.states()
    found: list[dict[str, object]] = []
    for lesson in workspace.all_lessons():
        for exercise in lesson.exercises:
            state = states.get(exercise.key, progress.ExerciseState())
            word = "right" if state.passed else "tried" if state.attempts else "to do"
            found.append(
                {
                    "lesson": lesson.id,
                    "exercise": exercise.key,
                    "state": word,
                    "attempts": state.attempts,
                    "hints": state.hints,
                    "points": exercise.points if state.passed else 0,
                    "max_points": exercise.points,
                }
            )
    return found


def table() -> str:
    """Return what was begun, both tracks and what comes next as text for a terminal."""
    every, begun = rows(), _begun()
    parts = [_exercises([it for it in every if it["lesson"] in begun])] if begun else []
    parts += [f"{name.upper()}: {_points(every, name)} points" for name in begun]
    following = workspace.next_lesson()
    parts += ["" if begun else "Nothing is begun yet.", picture(), ""]
    parts += [f"`course start` opens {following.id.upper()}: {following.title}"]
    return "\n".join(parts).lstrip("\n")


def _begun() -> list[str]:
    """Return the ids of the lessons in which something was tried, in the learner's order."""
    tried = {key.split(".")[0] for key in progress.states()}
    return [it.id for it in workspace.all_lessons() if it.id in tried]


def _exercises(shown: list[dict[str, object]]) -> str:
    """Return the rows as a table of characters."""
    from rich.console import Console
    from rich.table import Table

    mark = {"right": "✓ right", "tried": "… tried", "to do": "  to do"}
    drawn_table = Table("exercise", "state")
    for name in ("attempts", "hints", "points"):
        drawn_table.add_column(name, justify="right")
    for row in shown:
        points = f"{row['points']:g} of {row['max_points']:g}"
        cells = [
            row["exercise"],
            mark[str(row["state"])],
            row["attempts"],
            row["hints"],
        ]
        drawn_table.add_row(*(str(cell) for cell in [*cells, points]))
    page = io.StringIO()
    Console(file=page, width=80).print(drawn_table)
    return page.getvalue().rstrip("\n")


def _points(every: list[dict[str, object]], name: str) -> str:
    own = [row for row in every if row["lesson"] == name]
    got, most = (
        sum(float(str(row[of])) for row in own) for of in ("points", "max_points")
    )
    return f"{got:g} of {most:g}"


def counts() -> dict[str, tuple[int, int]]:
    """Return (exercises right, exercises) of each lesson, in the learner's order."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows():
        right, every = found.get(str(row["lesson"]), (0, 0))
        found[str(row["lesson"])] = (right + (row["state"] == "right"), every + 1)
    return found


def picture() -> str:
    """Return both tracks side by side as bars of characters, one line for each day."""
    every = counts()
    days = sorted({int(name[1:]) for name in every if name[0] in TRACKS})
    lines = ["        " + "".join(f"{name:<20}" for name in TRACKS.values()).rstrip()]
    lines += [f"start   {_bar(name, every)}" for name in every if name[0] == "s"]
    for day in days:
        halves = "".join(f"{_bar(f'{it}{day}', every):<20}" for it in TRACKS)
        lines.append(f"day {day}   {halves}".rstrip())
    lines += [f"end     {_bar(name, every)}" for name in every if name[0] == "f"]
    return "\n".join(lines)


def write_page(path: Path) -> Path:
    """Write the table and the picture as one HTML page; return its path."""
    every = counts()
    right, total = (sum(it[i] for it in every.values()) for i in (0, 1))
    values = {"figure": _figure(every), "lessons": _lessons(), "right": right}
    values |= {"total": total, "following": workspace.next_lesson()}
    return pages.write(path, pages.render("progress.html", values))


def _lessons() -> list[dict[str, object]]:
    """Return each lesson with its rows, in the learner's order."""
    every, begun = rows(), _begun()
    found: list[dict[str, object]] = []
    for lesson in workspace.all_lessons():
        own = [row for row in every if row["lesson"] == lesson.id]
        right = sum(row["state"] == "right" for row in own)
        facts = {"name": lesson.id.upper(), "title": lesson.title, "right": right}
        found.append(facts | {"rows": own, "is_begun": lesson.id in begun})
    return found


def _figure(every: dict[str, tuple[int, int]]) -> Figure:
    names = list(every)

    def draw(axes: "Axes", ink: str) -> None:
        colours = {"a": plots.BLUE, "m": plots.ORANGE}
        for place, name in enumerate(names):
            right, most = every[name]
            axes.barh(place, most, color="none", edgecolor=ink, linewidth=0.8)
            axes.barh(place, right, color=colours.get(name[0], plots.GREEN))
        axes.set_yticks(range(len(names)), [name.upper() for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("exercises: filled are right")
        axes.set_ylabel("lesson (A: AI track, M: ML track)")

    words = [
        f"{name.upper()} {right} of {most}" for name, (right, most) in every.items()
    ]
    alt = f"Exercises right: {', '.join(words)}."
    return drawn("Both tracks", draw, alt, len(names), NARROW_IN)


def _bar(name: str, every: dict[str, tuple[int, int]]) -> str:
    if name not in every:
        return ""
    right, most = every[name]
    filled = right * WIDTH // most
    return f"{name.upper()} {'█' * filled}{'░' * (WIDTH - filled)} {right}/{most}"
