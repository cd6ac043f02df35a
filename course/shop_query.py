"""One question to the shop's database in SQL, asked safely: for checks."""

import sqlite3
from collections.abc import Mapping, Sequence

from course.errors import CrossroadsError
from course.shop import SCHEMA, TODAY, Row

MAX_STEPS = 20_000_000  # of SQLite's virtual machine: seconds, not minutes
MAX_ROWS = 10_000
MAX_BYTES = (
    1_000_000  # of one value: `randomblob` makes what it is asked for in one step
)


class QueryError(CrossroadsError):
    """The query cannot be run; the message gives SQLite's own words."""


def ask(tables: Mapping[str, Sequence[Row]], sql: str) -> list[tuple[object, ...]]:
    """Return the rows of one SELECT on a shop that holds these rows.

    The database is made in memory, so a query can neither change nor read anything
    else. `:today` in the query is the shop's date.

    Args:
        tables: rows by table's name, in the order of the columns of `shop.SCHEMA`;
            tables that are not named are empty.
        sql: a single statement.

    Raises:
        QueryError: no SELECT, an error in it, too long, or too many rows.
    """
    if not isinstance(sql, str) or not sql.strip():
        raise QueryError(f"the query is {sql!r}; it must be a text that begins SELECT")
    con = sqlite3.connect(":memory:")
    try:
        con.executescript(SCHEMA)
        for table, rows in tables.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                con.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our own names
        con.commit()
        con.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
        con.set_authorizer(_only_reading)
        left = iter(range(MAX_STEPS // 1000))
        con.set_progress_handler(lambda: next(left, None) is None, 1000)
        found = con.execute(sql, {"today": TODAY}).fetchmany(MAX_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise QueryError(f"SQLite says: {error}") from None
    finally:
        con.close()
    if len(found) > MAX_ROWS:
        raise QueryError(f"the query gives more than {MAX_ROWS:,} rows")
    return found


def _only_reading(action: int, *_: str | None) -> int:
    allowed = (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    )
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
