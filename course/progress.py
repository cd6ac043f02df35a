"""The learner's own log: one line of JSON for each thing done, on this machine only.

| event | fields besides `time`, `event`, `key` |
|---|---|
| `learner` | `number`: drawn once; says which half of a day goes first |
| `open` | - ; `key` is the lesson that `course start` opened |
| `attempt` | `passed`, `message` |
| `hint` | `rung` (1-based) |
| `parsons` | `passed` |
| `prediction` | `answer`, `confidence` (0..1) |
| `outcome` | `truth`: what the prediction's figure showed |
| `attraction` | `ai`, `ml`: 0 (not at all) .. 10; said first, and last |
| `stretch` | - ; `key` is the lesson in which the learner went on unasked |
| `again` | `answer`: 1 (never) .. 5 (gladly); `key` is the lesson |

Nothing is written while nbgrader or the autograder runs a notebook.
"""

import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from course import settings
from course.errors import CrossroadsError


@dataclass(frozen=True)
class Event:
    """One line of the log."""

    time: str
    event: str
    key: str
    fields: dict[str, object]


def log_path() -> Path:
    """Return the path of the learner's log."""
    return settings.load().home_dir / "progress.jsonl"


def record(event: str, key: str, **fields: object) -> None:
    """Append one event to the log.

    A log that cannot be written stops nobody from learning: the reason is printed.
    """
    if settings.is_grading():
        return
    import filelock  # takes time, and at each fork of a grader's as well

    config = settings.load()
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds")}
    line |= {"event": event, "key": key, **fields}  # type: ignore[dict-item]
    path = config.home_dir / "progress.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            filelock.FileLock(path.with_suffix(".lock"), timeout=5),
            path.open("a", encoding="utf-8") as log,
        ):
            text = json.dumps(line, ensure_ascii=False, default=repr)
            log.write(("\n" if _is_torn(path) else "") + text + "\n")
    except OSError as error:  # the lock's time-out is one
        print(f"(your progress could not be noted: {error})", file=sys.stderr)


def _is_torn(path: Path) -> bool:
    """Whether the last line lacks its end: a writer was killed in the middle."""
    with path.open("rb") as log:
        log.seek(0, 2)
        if log.tell() == 0:
            return False
        log.seek(-1, 2)
        return log.read(1) != b"\n"


def events() -> Iterator[Event]:
    """Yield the log's events, oldest first; a torn last line is passed over."""
    path = log_path()
    if not path.exists():
        return
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
            yield Event(line.pop("time"), line.pop("event"), line.pop("key"), line)
        except (ValueError, KeyError, AttributeError, TypeError):
            continue


def learner_number() -> int | None:
    """Return the learner's number, 0 or 1; None before `enrol` was called."""
    for event in events():
        if event.event == "learner" and event.fields.get("number") in (0, 1):
            return int(str(event.fields["number"]))
    return None


def enrol() -> None:
    """Draw the learner's number, once."""
    if learner_number() is None:
        record("learner", "", number=secrets.randbelow(2))


def record_attempt(key: str, *, passed: bool, message: str = "") -> int:
    """Note an attempt; return how often the exercise failed since it last passed.

    Returns:
        The number of failures in a row, this one included; 0 when it passed, or when
        nothing is noted because the notebook is being graded.
    """
    if settings.is_grading():
        return 0
    record("attempt", key, passed=passed, message=message)
    if passed:
        return 0
    failures = 0
    for event in events():
        if event.event == "attempt" and event.key == key:
            failures = 0 if event.fields.get("passed") else failures + 1
    return max(failures, 1)


def hints_taken(key: str) -> int:
    """Return how many rungs of the exercise's hint ladder were asked for."""
    return sum(1 for it in events() if it.event == "hint" and it.key == key)


def outcome(key: str, truth: object) -> None:
    """Note what the figure showed, and print it beside the learner's prediction."""
    record("outcome", key, truth=truth)
    last = None
    for event in events():
        if event.event == "prediction" and event.key == key:
            last = event
    if last is None:
        print(f"The figure says: {truth}. (You made no prediction.)")
        return
    guess, sure = last.fields["answer"], float(str(last.fields["confidence"]))
    verdict = "you were right" if guess == truth else "a surprise worth a thought"
    print(f"You said {guess!r}, {sure:.0%} sure; the figure says {truth!r}: {verdict}.")


def again(lesson_id: str, answer: int) -> None:
    """Note the answer to "would you do this again tomorrow?".

    Args:
        lesson_id: the lesson, `a1`.
        answer: 1 (never) to 5 (gladly); 0 means not answered yet.

    Raises:
        CrossroadsError: another answer.
    """
    if answer == 0 and settings.load().cards:
        from course import card  # cards write to this log: imported where needed

        if card.show_again(lesson_id):
            return
    if answer == 0:
        print("Set the number to 1 (never) … 5 (gladly), and run the cell again.")
        return
    if answer not in range(1, 6):
        raise CrossroadsError(
            f"the answer is {answer!r}; it must be 1 (never) to 5 (gladly): "
            f'again("{lesson_id}", 4), say'
        )
    record("again", lesson_id, answer=answer)
    print("Noted. It stays on this machine, and the last lesson reads it.")


def attraction(ai: float | None, ml: float | None) -> None:
    """Note how much each job attracts: before the first lesson, and after the last.

    Args:
        ai: the AI engineer's, 0 (not at all) to 10 (very much); None: not said yet.
        ml: the machine-learning engineer's.

    Raises:
        CrossroadsError: a number outside of 0 to 10.
    """
    if ai is None or ml is None:
        print("Set both numbers, 0 (not at all) to 10, and run the cell again.")
        return
    for name, number in (("ai", ai), ("ml", ml)):
        if not isinstance(number, int | float) or not 0 <= number <= 10:
            raise CrossroadsError(
                f"{name} is {number!r}; it must be a number from 0 (not at all) to 10"
            )
    record("attraction", "", ai=ai, ml=ml)
    print("Noted. It stays on this machine, and the last lesson reads it.")


def stretch(lesson_id: str) -> None:
    """Note that the learner went on where nothing asked for it."""
    record("stretch", lesson_id)
    print("Noted: you went on of your own accord.")


def forget() -> bool:
    """Delete the log; return whether there was one."""
    path = log_path()
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


@dataclass(frozen=True)
class ExerciseState:
    """What the log says of one exercise."""

    attempts: int = 0
    passed: bool = False
    hints: int = 0


def states() -> dict[str, ExerciseState]:
    """Return each exercise's state by its key; those never tried are absent."""
    found: dict[str, ExerciseState] = {}
    for event in events():
        old = found.get(event.key, ExerciseState())
        if event.event == "attempt":
            passed = old.passed or bool(event.fields.get("passed"))
            found[event.key] = ExerciseState(old.attempts + 1, passed, old.hints)
        elif event.event == "hint":
            found[event.key] = ExerciseState(old.attempts, old.passed, old.hints + 1)
    return found
