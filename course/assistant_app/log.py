"""One row for each request, in SQLite. What customers write is not kept."""

import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
    route TEXT NOT NULL,
    status INTEGER NOT NULL,
    ms REAL NOT NULL,
    cached INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS stages (
    request_id INTEGER NOT NULL REFERENCES requests (id),
    stage TEXT NOT NULL,
    ms REAL NOT NULL
);
"""


class Log:
    """The log at `path`; may be used from several threads."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._con = sqlite3.connect(path, check_same_thread=False)
        self._con.execute("PRAGMA journal_mode = WAL")  # readers do not wait
        self._con.executescript(SCHEMA)

    def add(
        self,
        route: str,
        status: int,
        ms: float,
        *,
        cached: bool = False,
        stages: Mapping[str, float] | None = None,
    ) -> None:
        """Write one request down, with the milliseconds of its stages."""
        with self._lock, self._con as con:
            row = con.execute(
                "INSERT INTO requests (route, status, ms, cached) VALUES (?, ?, ?, ?)",
                (route, status, ms, cached),
            )
            con.executemany(
                "INSERT INTO stages VALUES (?, ?, ?)",
                [(row.lastrowid, name, part) for name, part in (stages or {}).items()],
            )

    def counts(self) -> dict[str, int]:
        """Return how often each status was given."""
        with self._lock:
            rows = self._con.execute(
                "SELECT status, COUNT(*) FROM requests GROUP BY status ORDER BY status"
            ).fetchall()
        return {str(status): n for status, n in rows}

    def close(self) -> None:
        """Close the file."""
        self._con.close()
