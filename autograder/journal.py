"""What was judged, kept so that `kill -9` at any moment loses nothing.

    verdict   key -> the verdict, as JSON; written once (insert or ignore)
    attempt   a row before each run of a submission, and how the run ended
    handed_in student, assignment -> the key of what lies there now
    written   what a gradebook holds already

The key is a hash of all that the verdict depends on: the submission's bytes, the
instructor's notebook (with the class's hidden seed), the grader. One transaction per
submission; SQLite in WAL mode, each commit on the disk before the next step.

A submission in whose run the grader ended is a suspect: it is judged last, and alone,
so that it stops nobody. It is set aside when the process that judges died `MAX_DEATHS`
times of it, or when the grader as a whole ended `MAX_ENDS` times while it alone was
judged (the limit is high, since somebody's `kill -9` looks the same).
"""

import csv
import hashlib
import io
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from autograder.verdicts import SubmissionStatus, SubmissionVerdict
from course.errors import ClassroomError

MAX_DEATHS = 3
MAX_ENDS = 10
VERSION = 1
COLUMNS = (
    *("assignment", "student", "submission", "exercise", "status", "points"),
    *("max_points", "message"),
)
NOT_SUBMITTED, NOT_YET = "not_submitted", "not_graded_yet"
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,16}\b")
_FORMULA = tuple("=+-@＝＋－＠")  # what a spreadsheet would run
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # or a terminal
_TABLES = """
CREATE TABLE IF NOT EXISTS verdict (
    key TEXT PRIMARY KEY, body TEXT NOT NULL, final INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, student TEXT NOT NULL,
    assignment TEXT NOT NULL, alone INTEGER NOT NULL, outcome TEXT);
CREATE INDEX IF NOT EXISTS attempt_key ON attempt (key);
CREATE TABLE IF NOT EXISTS handed_in (
    assignment TEXT NOT NULL, student TEXT NOT NULL, key TEXT,
    PRIMARY KEY (assignment, student));
CREATE TABLE IF NOT EXISTS written (
    target TEXT NOT NULL, assignment TEXT NOT NULL, student TEXT NOT NULL,
    digest TEXT NOT NULL, PRIMARY KEY (target, assignment, student));
"""


def key_of(*parts: bytes) -> str:
    """Return the content key of these parts; where one ends is part of it.

    >>> key_of(b"ab", b"c") == key_of(b"a", b"bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


@dataclass(frozen=True)
class Row:
    """What the journal knows of one student's assignment.

    `key`: None when nothing was handed in. `verdict`: None when it was not judged yet.
    """

    assignment: str
    student: str
    key: str | None
    verdict: SubmissionVerdict | None


@dataclass(frozen=True)
class Record:
    """How the runs of one submission ended that came to no verdict.

    `deaths`: the judging process died. `ends`: the whole grader ended; `alone`: those
    of them in which nothing else was being judged.
    """

    deaths: int = 0
    ends: int = 0
    alone: int = 0

    @property
    def is_suspect(self) -> bool:
        """Whether it is to be judged last and alone."""
        return self.deaths + self.ends > 0

    @property
    def reason(self) -> str:
        """Why it is set aside; empty when it is not."""
        if self.deaths < MAX_DEATHS and self.alone < MAX_ENDS:
            return ""
        what = (
            f"the process that judged it died {self.deaths} times"
            if self.deaths >= MAX_DEATHS
            else f"the grader ended {self.alone} times while it judged this alone"
        )
        return (
            f"set aside: {what}. Read the submission before you talk to its author; "
            "`--retry` judges it again"
        )


class Journal:
    """The journal's file; a context manager. Only one process may write."""

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        """Open or make it; attempts without an end are those that a kill cut short.

        Args:
            path: the file.
            reading: change nothing: a grading may be under way.

        Raises:
            ClassroomError: the file is no journal, or one of another version.
        """
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            if not reading:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise ClassroomError(
                    f"{path} has version {version}, this grader writes {VERSION}: "
                    "move the file away, and all is graded anew"
                )
            if reading:
                return
            self._db.executescript(f"BEGIN; {_TABLES} COMMIT;")
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute(
                "UPDATE attempt SET outcome = 'ended' WHERE outcome IS NULL"
            )
        except sqlite3.DatabaseError as error:
            raise ClassroomError(
                f"{path} cannot be used ({error}): move it away, and all is graded anew"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    # ------------------------------------------------------------ what lies there

    def take_stock(
        self, assignments: Iterable[str], found: Iterable[tuple[str, str, str | None]]
    ) -> None:
        """Note what was handed in now: (assignment, student, key; None: nothing)."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM handed_in WHERE assignment = ?",
                [(name,) for name in assignments],
            )
            self._db.executemany("INSERT INTO handed_in VALUES (?, ?, ?)", found)

    def rows(self, assignments: Iterable[str] | None = None) -> Iterator[Row]:
        """Give all that was handed in, or was not, by assignment and student."""
        wanted = None if assignments is None else set(assignments)
        found = self._db.execute(
            "SELECT assignment, student, handed_in.key, body FROM handed_in "
            "LEFT JOIN verdict ON verdict.key = handed_in.key "
            "ORDER BY assignment, student"
        )
        for assignment, student, key, body in found:
            if wanted is None or assignment in wanted:
                verdict = None if body is None else _verdict(body)
                yield Row(assignment, student, key, verdict)

    # ------------------------------------------------------------ verdicts

    def is_settled(self, key: str) -> bool:
        """Return whether there is a verdict that need not be sought again."""
        query = "SELECT final FROM verdict WHERE key = ?"
        found = self._db.execute(query, (key,)).fetchone()
        return bool(found and found[0])

    def verdict(self, key: str) -> SubmissionVerdict | None:
        """Return the verdict on what has this key."""
        query = "SELECT body FROM verdict WHERE key = ?"
        found = self._db.execute(query, (key,)).fetchone()
        return _verdict(found[0]) if found else None

    def begin(self, key: str, assignment: str, student: str, *, alone: bool) -> int:
        """Note that a run begins, before it does; return the attempt's number."""
        done = self._db.execute(
            "INSERT INTO attempt (key, student, assignment, alone) VALUES (?, ?, ?, ?)",
            (key, student, assignment, int(alone)),
        )
        return int(done.lastrowid or 0)

    def end(self, attempt: int, outcome: str) -> None:
        """Note how a run without a verdict ended: "died" or "stopped" (on purpose)."""
        query = "UPDATE attempt SET outcome = ? WHERE id = ?"
        self._db.execute(query, (outcome, attempt))

    def record(
        self,
        key: str,
        verdict: SubmissionVerdict,
        *,
        attempt: int | None = None,
        final: bool | None = None,
    ) -> None:
        """Keep a verdict; the first one with this key stays.

        Args:
            key: what it is the verdict on.
            verdict: the verdict.
            attempt: the run that it comes from.
            final: whether it need not be sought again; None: unless the grader failed.
        """
        if final is None:
            final = verdict.status is not SubmissionStatus.ERROR
        body = json.dumps(verdict.to_json(), ensure_ascii=False, allow_nan=False)
        body = body.encode("utf-8", "replace").decode()  # lone surrogates
        with self._transaction():
            self._db.execute(
                "INSERT INTO verdict VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET body = excluded.body, final = excluded.final WHERE NOT final",
                (key, body, int(final)),
            )
            if attempt is not None:
                self.end(attempt, "judged")

    def forget(self, key: str) -> None:
        """Make room for another verdict: what went wrong before counts no longer."""
        with self._transaction():
            self._db.execute("UPDATE verdict SET final = 0 WHERE key = ?", (key,))
            self._db.execute(
                "UPDATE attempt SET outcome = 'forgiven' WHERE key = ? "
                "AND outcome IN ('died', 'ended')",
                (key,),
            )

    def past(self, key: str) -> Record:
        """Return how earlier runs ended that came to no verdict."""
        counts = self._db.execute(
            "SELECT TOTAL(outcome = 'died'), TOTAL(outcome = 'ended'), "
            "TOTAL(outcome = 'ended' AND alone) FROM attempt WHERE key = ?",
            (key,),
        ).fetchone()
        return Record(*(int(it) for it in counts))

    # ------------------------------------------------------------ gradebooks

    def unwritten(
        self, target: str, assignments: Iterable[str], present: set[tuple[str, str]]
    ) -> Iterator[Row]:
        """Give the rows with a verdict that a gradebook does not hold.

        Args:
            target: which gradebook.
            assignments: which of them to look at.
            present: (assignment, student) of the submissions that it has.
        """
        query = "SELECT assignment, student, digest FROM written WHERE target = ?"
        held = {(it[0], it[1]): it[2] for it in self._db.execute(query, (target,))}
        for row in self.rows(assignments):
            place = (row.assignment, row.student)
            if row.verdict is None:
                continue
            if place not in present or held.get(place) != digest_of(row):
                yield row

    def wrote(self, target: str, row: Row) -> None:
        """Note that a gradebook holds this row's verdict."""
        self._db.execute(
            "INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?)",
            (target, row.assignment, row.student, digest_of(row)),
        )

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def table(rows: Iterable[Row]) -> str:
    """Return the CSV of all verdicts: no times, nothing that differs from run to run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda it: (it.assignment, it.student)):
        writer.writerows([safe(it) for it in line] for line in _lines(row))
    return text.getvalue()


def digest_of(row: Row) -> str:
    """Return a hash of what a gradebook gets of the row."""
    return hashlib.sha256(repr([row.key, *_lines(row)]).encode()).hexdigest()


def _lines(row: Row) -> Iterator[Sequence[str]]:
    verdict = row.verdict
    if verdict is None:
        status = NOT_SUBMITTED if row.key is None else NOT_YET
        yield row.assignment, row.student, status, "", "", "", "", ""
        return
    for it in verdict.exercises:
        points = "" if it.points is None else f"{it.points:.12g}"
        most = f"{it.max_points:.12g}"
        message = _ADDRESS.sub("0x…", it.message)
        place = row.assignment, row.student, str(verdict.status)
        yield *place, it.grade_id, str(it.status), points, most, message


def safe(text: str) -> str:
    """Return the text as one that no spreadsheet takes for a formula.

    Nor does a terminal take it for a command. A lone carriage return ends a row for
    some readers, and the writer does not quote it.
    """
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _verdict(body: str) -> SubmissionVerdict:
    return SubmissionVerdict.from_json(json.loads(body))
