"""The shop's database holds what the lessons rely on."""

import hashlib
import re
import sqlite3

import pytest

from course.handbook import load_handbook
from course.shop import (
    COUNTRIES,
    FIRST_ORDER,
    PRODUCTS,
    TODAY,
    make_shop,
    open_shop,
    shop_rows,
)

LATE = """
WITH last AS (
    SELECT order_id, MAX(COALESCE(delivered_on, :today)) AS came
    FROM shipments GROUP BY order_id
)
SELECT o.id, o.customer_id, COALESCE(came, :today) > promised_on AS late
FROM orders o LEFT JOIN last ON order_id = o.id
WHERE cancelled_on IS NULL
"""


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    con = open_shop(make_shop(tmp_path_factory.mktemp("shop") / "shop.db"))
    yield con
    con.close()


def one(con, query, *args):
    return con.execute(query, args).fetchone()[0]


def test_the_same_seed_gives_the_same_rows_on_every_machine():
    assert shop_rows(3) == shop_rows(3) != shop_rows(4)
    digest = hashlib.sha256(repr(shop_rows(0)).encode()).hexdigest()
    assert digest[:12] == "c654fc195f57"


def test_two_files_of_one_seed_hold_the_same(tmp_path):
    dumps = []
    for name in ("a.db", "b.db"):
        con = open_shop(make_shop(tmp_path / name, seed=5))
        dumps.append(list(con.iterdump()))
        con.close()
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 2000


def test_a_file_that_is_there_is_replaced(tmp_path):
    path = make_shop(tmp_path / "shop.db", n_orders=5)
    assert make_shop(path, n_orders=9) == path
    con = open_shop(path)
    assert one(con, "SELECT COUNT(*) FROM orders") == 9
    con.close()


def test_rows_are_of_the_sizes_asked_for(con):
    assert one(con, "SELECT COUNT(*) FROM customers") == 240
    ids = [i for (i,) in con.execute("SELECT id FROM orders ORDER BY id")]
    assert ids == list(range(FIRST_ORDER, FIRST_ORDER + 600))
    days = [d for (d,) in con.execute("SELECT ordered_on FROM orders ORDER BY id")]
    assert days == sorted(days)
    assert days[-1] <= TODAY


def test_every_reference_leads_to_a_row_and_a_wrong_one_is_refused(con):
    assert con.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(sqlite3.IntegrityError), con:
        con.execute("INSERT INTO returns VALUES (9999, 77, 'SP-380', '2026-03-01')")


def test_every_country_has_orders_enough_to_compare(con):
    counts = dict(
        con.execute(
            "SELECT country, COUNT(*) FROM orders JOIN customers c "
            "ON c.id = customer_id GROUP BY country"
        )
    )
    assert counts.keys() == COUNTRIES.keys()
    assert min(counts.values()) >= 25


def test_some_orders_were_never_shipped_and_some_of_these_are_late(con):
    unshipped = (
        "SELECT COUNT(*) FROM orders WHERE cancelled_on IS NULL "
        "AND id NOT IN (SELECT order_id FROM shipments)"
    )
    assert one(con, unshipped) >= 15
    assert one(con, unshipped + " AND promised_on < ?", TODAY) >= 10
    assert one(con, unshipped + " AND promised_on >= ?", TODAY) >= 1
    assert one(con, "SELECT COUNT(*) FROM orders WHERE cancelled_on > ''") >= 10


def test_some_orders_came_in_several_parcels(con):
    parcels = "SELECT order_id, COUNT(*) n FROM shipments GROUP BY order_id"
    sizes = dict(con.execute(f"SELECT n, COUNT(*) FROM ({parcels}) GROUP BY n"))
    assert sizes.keys() == {1, 2, 3}
    assert sizes[2] + sizes[3] >= 60


def test_no_order_is_shipped_before_it_is_placed_or_after_it_is_cancelled(con):
    wrong = (
        "SELECT COUNT(*) FROM shipments s JOIN orders o ON o.id = order_id WHERE "
        "shipped_on < ordered_on OR cancelled_on IS NOT NULL OR shipped_on > ? "
        "OR delivered_on < shipped_on OR delivered_on > ?"
    )
    assert one(con, wrong, TODAY, TODAY) == 0


def test_only_what_has_arrived_is_returned(con):
    returned = {order for (order,) in con.execute("SELECT order_id FROM returns")}
    arrived = {
        order
        for (order,) in con.execute(
            "SELECT order_id FROM shipments GROUP BY order_id "
            "HAVING SUM(delivered_on IS NULL) = 0"
        )
    }
    assert len(returned) >= 20
    assert returned <= arrived


def rates(con, orders, more=""):
    query = (
        f"SELECT country, AVG(late) FROM ({orders}) o {more} "
        "JOIN customers c ON c.id = o.customer_id GROUP BY country"
    )
    return {c: round(rate, 3) for c, rate in con.execute(query, {"today": TODAY})}


def test_the_ways_to_get_the_late_rate_wrong_give_other_numbers(con):
    right = rates(con, LATE)
    inner = rates(con, LATE.replace("LEFT JOIN", "JOIN"))
    fan_out = rates(con, LATE, "JOIN shipments s ON s.order_id = o.id")
    assert all(0 < right[c] < 0.6 for c in COUNTRIES)
    assert right["NO"] > right["DE"] + 0.1
    assert sum(inner[c] != right[c] for c in COUNTRIES) >= 5
    assert sum(fan_out[c] != right[c] for c in COUNTRIES) >= 5


def test_customers_buy_more_than_once_and_some_never(con):
    counts = dict(
        con.execute("SELECT customer_id, COUNT(*) FROM orders GROUP BY customer_id")
    )
    assert sum(n > 1 for n in counts.values()) >= 100
    assert len(counts) < 240


def test_the_articles_are_those_of_the_handbook():
    text = " ".join(page.full for page in load_handbook().pages)
    for sku, _, price, _ in PRODUCTS:
        assert sku in text
        stated = re.search(rf"price of {sku} is ([\d.]+) euro", text)
        if stated:
            assert round(float(stated[1]) * 100) == price


def test_a_read_only_connection_cannot_write(tmp_path):
    con = open_shop(make_shop(tmp_path / "shop.db"), read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        con.execute("DELETE FROM tickets")
    con.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(sqlite3.OperationalError):
        open_shop(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("customers", "orders"), [(0, 5), (5, -1)])
def test_numbers_that_make_no_shop_are_refused(customers, orders):
    with pytest.raises(ValueError, match="at least 1"):
        shop_rows(0, customers, orders)
