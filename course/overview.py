"""What a learner has done, as a table: for `course progress`."""

import io

from course import progress, workspace


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
    """Return the rows and the sums of both tracks as text for a terminal."""
    from rich.console import Console
    from rich.table import Table

    mark = {"right": "✓ right", "tried": "… tried", "to do": "  to do"}
    shown = Table("exercise", "state", "attempts", "hints", "points")
    sums: dict[str, list[float]] = {}
    for row in rows():
        points, most = float(str(row["points"])), float(str(row["max_points"]))
        total = sums.setdefault(str(row["lesson"]), [0.0, 0.0])
        total[0], total[1] = total[0] + points, total[1] + most
        cells = [row["exercise"], mark[str(row["state"])], row["attempts"]]
        cells += [row["hints"], f"{points:g} of {most:g}"]
        shown.add_row(*(str(cell) for cell in cells))
    page = io.StringIO()
    Console(file=page, width=80).print(shown)
    lines = [
        f"{name}: {got:g} of {most:g} points" for name, (got, most) in sums.items()
    ]
    return page.getvalue() + "\n".join(lines)
