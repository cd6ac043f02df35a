"""What Lampa's assistant may do: five tools on the shop's database.

Their names, annotations and first lines are what a model and a client see. `WRITES` names
those that change something: they need a person's yes. Errors that a caller can act on
are `ShopError`s, whose message says what to do instead.
"""

import contextlib
import datetime
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from course.errors import ShopError
from course.handbook import load_handbook
from course.shop import TODAY, open_shop

Tool = Callable[..., dict[str, Any]]

WRITES = frozenset({"cancel_order", "open_return"})
RETURN_DAYS = 38  # page h01 of the handbook


def shop_tools(path: str | Path) -> dict[str, Tool]:
    """Return the tools on the database at `path`, by name."""

    def order_status(order_id: int) -> dict[str, Any]:
        """Say where an order is: its parcels, and when they came."""
        with _shop(path) as con:
            return _status(con, order_id)

    def cancel_order(order_id: int) -> dict[str, Any]:
        """Cancel an order that has not been shipped."""
        with _shop(path) as con:
            return _cancel(con, order_id)

    def open_return(order_id: int, sku: str) -> dict[str, Any]:
        """Open the return of one article of an order that has arrived."""
        with _shop(path) as con:
            return _return(con, order_id, sku)

    def product_info(sku: str) -> dict[str, Any]:
        """Give the price in euro and the stock of an article."""
        with _shop(path) as con:
            row = _row(con, "SELECT name, price_cents, stock FROM products", "sku", sku)
        if row is None:
            raise ShopError(f"there is no article {sku}: ask the customer which one")
        return {"sku": sku, "name": row[0], "euro": row[1] / 100, "stock": row[2]}

    def search_handbook(question: str) -> dict[str, Any]:
        """Find the handbook's page that fits a question best."""
        return _page(question)

    tools = (order_status, cancel_order, open_return, product_info, search_handbook)
    return {tool.__name__: tool for tool in tools}


@contextlib.contextmanager
def _shop(path: str | Path) -> Iterator[sqlite3.Connection]:
    """One connection a call: tools may be called from any thread."""
    con = open_shop(path)
    try:
        with con:
            yield con
    finally:
        con.close()


def _row(con: sqlite3.Connection, select: str, column: str, value: object) -> Any:
    return con.execute(f"{select} WHERE {column} = ?", (value,)).fetchone()


def _order(con: sqlite3.Connection, order_id: int) -> tuple[str, str, str | None]:
    """Return (ordered_on, promised_on, cancelled_on).

    Raises:
        ShopError: there is no such order.
    """
    select = "SELECT ordered_on, promised_on, cancelled_on FROM orders"
    row = _row(con, select, "id", order_id)
    if row is None:
        raise ShopError(f"there is no order {order_id}: ask the customer to check it")
    return (row[0], row[1], row[2])


def _status(con: sqlite3.Connection, order_id: int) -> dict[str, Any]:
    ordered, promised, cancelled = _order(con, order_id)
    parcels = con.execute(
        "SELECT carrier, shipped_on, delivered_on FROM shipments "
        "WHERE order_id = ? ORDER BY id",
        (order_id,),
    ).fetchall()
    if cancelled:
        status = "cancelled"
    elif not parcels:
        status = "not shipped yet"
    elif all(came for _, _, came in parcels):
        status = "delivered"
    else:
        status = "on its way"
    return {
        "order_id": order_id,
        "status": status,
        "ordered_on": ordered,
        "promised_on": promised,
        "parcels": [
            {"carrier": by, "shipped_on": left, "delivered_on": came}
            for by, left, came in parcels
        ],
    }


def _cancel(con: sqlite3.Connection, order_id: int) -> dict[str, Any]:
    status = _status(con, order_id)["status"]
    if status != "not shipped yet":
        raise ShopError(
            f"order {order_id} is {status}: only what has not been shipped can be "
            "cancelled"
        )
    con.execute("UPDATE orders SET cancelled_on = ? WHERE id = ?", (TODAY, order_id))
    return {"order_id": order_id, "status": "cancelled"}


def _return(con: sqlite3.Connection, order_id: int, sku: str) -> dict[str, Any]:
    found = _status(con, order_id)
    if found["status"] != "delivered":
        raise ShopError(
            f"order {order_id} is {found['status']}: only what has arrived can be "
            "sent back"
        )
    last = max(parcel["delivered_on"] for parcel in found["parcels"])
    days = datetime.date.fromisoformat(TODAY) - datetime.date.fromisoformat(last)
    if days.days > RETURN_DAYS:
        raise ShopError(
            f"order {order_id} arrived {days.days} days ago; the shop takes articles "
            f"back for {RETURN_DAYS} days"
        )
    both = (order_id, sku)
    line = "SELECT 1 FROM order_lines WHERE order_id = ? AND sku = ?"
    if con.execute(line, both).fetchone() is None:
        raise ShopError(f"order {order_id} holds no {sku}: ask for the article")
    there = "SELECT id FROM returns WHERE order_id = ? AND sku = ?"
    if con.execute(there, both).fetchone() is not None:
        raise ShopError(f"the return of {sku} from order {order_id} is open already")
    made = con.execute(
        "INSERT INTO returns (order_id, sku, opened_on) VALUES (?, ?, ?)",
        (*both, TODAY),
    )
    return {"return_id": made.lastrowid, "order_id": order_id, "sku": sku}


def _page(question: str) -> dict[str, Any]:
    """The page with the rarest of the question's words; lesson A4 does it better."""
    pages = load_handbook().pages
    words = {word.strip("?.,!").casefold() for word in question.split()}
    texts = [page.full.casefold() for page in pages]
    weight = {word: 1 / (1 + sum(word in text for text in texts)) for word in words}
    scores = [sum(weight[w] for w in words if w and w in text) for text in texts]
    best = pages[scores.index(max(scores))]
    return {"page": best.id, "title": best.title, "text": best.text}
