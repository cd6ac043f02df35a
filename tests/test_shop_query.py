"""A learner's SQL is asked safely: it reads the shop's rows and nothing else."""

import pytest

from course import shop_query
from course.shop import TODAY, shop_rows
from course.shop_query import QueryError, ask

ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT MAX(i) FROM n"
)
TABLES = {"customers": [(1, "A", "a@x.example", "NO"), (2, "B", "b@x.example", "DE")]}


def test_it_answers_and_knows_the_day():
    assert ask(TABLES, "SELECT country FROM customers ORDER BY id") == [
        ("NO",),
        ("DE",),
    ]
    assert ask({}, "SELECT :today") == [(TODAY,)]
    assert ask(shop_rows(), "SELECT COUNT(*) FROM orders") == [(600,)]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "begins SELECT"),
        (None, "begins SELECT"),
        ("SELEKT 1", "syntax error"),
        ("SELECT * FROM secrets", "no such table"),
        ("DELETE FROM customers", "not authorized"),
        ("ATTACH '/etc/passwd' AS x", "not authorized"),
        ("PRAGMA writable_schema = 1", "not authorized"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        (
            ENDLESS,
            "interrupted",
        ),
    ],
)
def test_what_is_no_select_is_refused(sql, words, monkeypatch):
    monkeypatch.setattr(shop_query, "MAX_STEPS", 100_000)
    with pytest.raises(QueryError, match=words):
        ask(TABLES, sql)


def test_the_answer_has_a_limit(monkeypatch):
    monkeypatch.setattr(shop_query, "MAX_ROWS", 1)
    with pytest.raises(QueryError, match="more than 1 rows"):
        ask(TABLES, "SELECT * FROM customers")


def test_a_value_cannot_take_the_machines_memory():
    with pytest.raises(QueryError, match="too big"):
        ask({}, "SELECT length(randomblob(1000000000))")
