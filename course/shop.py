"""The database of the fictional lamp shop *Lampa*: a seeded simulator of `shop.db`.

Customers, products, orders and their lines, shipments, returns and tickets of the half
year before `TODAY`, in one small SQLite file. Nobody and nothing in it exists; the
articles are those of the shop's handbook. What the lessons rely on, and
`tests/test_shop.py` holds:

- some orders were never shipped: they are new, cancelled, or wait for a lamp that is
  out of stock, and those that wait may be late already;
- some orders came in two or three parcels, so a join with `shipments` repeats them;
- an order that was not cancelled is **late** if its last parcel came after
  `promised_on`; a parcel that is on its way, or an order without any parcel yet, counts
  as if it came on `TODAY`;
- customers buy more than once, and some never.

Money is whole cents, dates are ISO text (`2026-03-02`), so both compare and add up
exactly. The same seed gives the same rows on every machine.

    con = open_shop(make_shop("shop.db"))
    con.execute("SELECT country, COUNT(*) FROM customers GROUP BY country").fetchall()
"""

import datetime
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Row = tuple[int | str | None, ...]

TODAY = "2026-03-02"  # a Monday
FIRST_ORDER = 1001
DAYS = 180

SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL            -- two letters: DE, NO, ...
);
CREATE TABLE products (
    sku TEXT PRIMARY KEY,            -- article number of the handbook
    name TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    stock INTEGER NOT NULL CHECK (stock >= 0)
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    ordered_on TEXT NOT NULL,
    promised_on TEXT NOT NULL,       -- all parcels arrive by this day, or it is late
    cancelled_on TEXT                -- NULL: not cancelled
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    sku TEXT NOT NULL REFERENCES products (sku),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL,    -- of one piece, on that day
    PRIMARY KEY (order_id, sku)
);
CREATE TABLE shipments (             -- one row per parcel
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    carrier TEXT NOT NULL,
    shipped_on TEXT NOT NULL,
    delivered_on TEXT                -- NULL: on its way
);
CREATE TABLE returns (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    sku TEXT NOT NULL,
    opened_on TEXT NOT NULL,
    FOREIGN KEY (order_id, sku) REFERENCES order_lines (order_id, sku)
);
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    order_id INTEGER REFERENCES orders (id),  -- NULL: about no order
    opened_on TEXT NOT NULL,
    intent TEXT NOT NULL,
    text TEXT NOT NULL,
    minutes INTEGER                  -- until it was closed; NULL: still open
);
CREATE INDEX shipments_of_order ON shipments (order_id);
CREATE INDEX orders_of_customer ON orders (customer_id);
"""

PRODUCTS: tuple[tuple[str, str, int, int], ...] = (
    ("LMP-1040", "Tern table lamp", 12900, 34),
    ("LMP-1044", "Tern floor lamp", 24900, 12),
    ("LMP-1140", "Heron pendant", 34500, 0),
    ("LMP-1404", "Heron wall lamp", 19800, 21),
    ("LMP-2210", "Plover desk lamp", 16400, 40),
    ("LMP-2201", "Plover clamp lamp", 13900, 27),
    ("LMP-3305", "Wren night light", 4900, 85),
    ("SP-308", "Glass shade for the Heron wall lamp", 5700, 9),
    ("SP-380", "Driver for the Heron pendant", 2640, 16),
    ("SP-803", "Canopy of brass for pendants", 2170, 44),
    ("SP-830", "Ball joint for the Plover family", 1450, 31),
    ("SP-083", "Textile cable, one metre", 620, 400),
)

# country: (share of customers, usual days of transit, chance that a parcel is late)
COUNTRIES = {
    "DE": (0.40, 2, 0.08),
    "AT": (0.15, 3, 0.10),
    "NL": (0.14, 3, 0.07),
    "SE": (0.12, 4, 0.16),
    "PL": (0.12, 4, 0.13),
    "NO": (0.07, 6, 0.30),
}
CARRIERS = ("Gull Post", "Harbour Parcel")
FIRST = (
    "Ada Ana Arne Bea Bo Carl Dora Edda Emil Eva Finn Greta Hanna Ida Igor Jan Jona "
    "Karla Lars Lea Lina Luka Maja Mats Nele Nils Ola Oskar Petra Pia Rasmus Rosa "
    "Selma Sven Tilda Tom Ulla Vera Wim Yara"
)
LAST = (
    "Adler Bakker Berg Borg Brandt Dahl Dekker Falk Fiala Haas Holm Jansen Keller "
    "Kowal Krol Lind Maas Moen Nagy Novak Olsen Peters Roth Sand Stein Strand Vogel "
    "Vos Wolf Zielin"
)

# intent: what such a customer writes
TICKETS = {
    "where_is_it": "Where is my order {order}? It was promised for {promised}.",
    "return": "I would like to send back order {order}.",
    "damaged": "The carton of order {order} was crushed and the shade is broken.",
    "cancel": "Please cancel order {order}.",
    "invoice": "I need the invoice of order {order} again.",
    "product": "Does the {product} dim down to one percent?",
}


@dataclass
class _Rows:
    """The rows of each table, in the order of its columns."""

    customers: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=lambda: list(PRODUCTS))
    orders: list[Row] = field(default_factory=list)
    order_lines: list[Row] = field(default_factory=list)
    shipments: list[Row] = field(default_factory=list)
    returns: list[Row] = field(default_factory=list)
    tickets: list[Row] = field(default_factory=list)


def shop_rows(
    seed: int = 0, n_customers: int = 240, n_orders: int = 600
) -> dict[str, list[Row]]:
    """Return the rows of every table, in the order of the columns of `SCHEMA`.

    Args:
        seed: the same seed gives the same rows.
        n_customers: number of customers; some of them have no order.
        n_orders: number of orders, with ids from `FIRST_ORDER`, oldest first.

    Raises:
        ValueError: there is no customer, or a negative number of orders.
    """
    if n_customers < 1 or n_orders < 0:
        raise ValueError(
            "n_customers must be at least 1 and n_orders at least 0, got "
            f"{n_customers} and {n_orders}"
        )
    draw = _Draw(seed)
    rows = _Rows()
    countries = [_add_customer(rows, draw, i + 1) for i in range(n_customers)]
    ages = sorted((int(draw.number() * DAYS) for _ in range(n_orders)), reverse=True)
    for i, age in enumerate(ages):
        # Squared: the first customers buy often, the last ones hardly ever.
        buyer = int(draw.number() ** 2 * n_customers) + 1
        _add_order(rows, draw, FIRST_ORDER + i, buyer, countries[buyer - 1], age)
    return dict(vars(rows))


def make_shop(
    path: str | Path, seed: int = 0, n_customers: int = 240, n_orders: int = 600
) -> Path:
    """Write the shop's database and return its path; a file that is there is replaced.

    Args:
        path: where to write the SQLite file; its folder must exist.
        seed: as for `shop_rows`, as are the numbers.
        n_customers: number of customers.
        n_orders: number of orders.

    Raises:
        ValueError: as `shop_rows`.
        OSError: the file cannot be written.
    """
    rows = shop_rows(seed, n_customers, n_orders)
    path = Path(path)
    path.unlink(missing_ok=True)
    con = sqlite3.connect(path)
    try:
        con.execute("PRAGMA foreign_keys = ON")
        con.executescript(SCHEMA)
        with con:
            for table, values in rows.items():
                marks = ", ".join("?" * len(values[0])) if values else "NULL"
                con.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - our own names
    finally:
        con.close()
    return path


def open_shop(path: str | Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection that holds foreign keys to their word.

    Args:
        path: a file that `make_shop` wrote.
        read_only: every write through this connection is refused by SQLite itself.

    Raises:
        sqlite3.OperationalError: there is no such file.
    """
    uri = f"{Path(path).resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    con = sqlite3.connect(uri, uri=True)
    con.execute("PRAGMA foreign_keys = ON")
    return con


class _Draw:
    """Chance made from `random()` alone: Python promises that it never changes."""

    def __init__(self, seed: int) -> None:
        self.number = random.Random(seed).random  # noqa: S311 - a simulation

    def happens(self, chance: float) -> bool:
        return self.number() < chance

    def one_of(self, options: Sequence[T]) -> T:
        return options[int(self.number() * len(options))]


def _day(age: int) -> str:
    """The date so many days before `TODAY`; negative ages lie in the future."""
    today = datetime.date.fromisoformat(TODAY)
    return (today - datetime.timedelta(days=age)).isoformat()


def _add_customer(rows: _Rows, draw: _Draw, number: int) -> str:
    left = draw.number()
    for country, (share, _, _) in COUNTRIES.items():  # noqa: B007 - used after the loop
        left -= share
        if left < 0:
            break
    first, last = draw.one_of(FIRST.split()), draw.one_of(LAST.split())
    email = f"{first}.{last}.{number}@mail.example".lower()
    rows.customers.append((number, f"{first} {last}", email, country))
    return country


def _add_order(
    rows: _Rows, draw: _Draw, number: int, buyer: int, country: str, age: int
) -> None:
    skus = {draw.one_of(PRODUCTS) for _ in range(1 + int(draw.number() ** 2 * 4))}
    lines = sorted(skus)
    promised = age - COUNTRIES[country][1] - 2
    cancelled = draw.happens(0.04)
    rows.orders.append(
        (number, buyer, _day(age), _day(promised), _day(age) if cancelled else None)
    )
    for sku, _, price, _ in lines:
        many = 1 + int(draw.number() ** 3 * 4)
        rows.order_lines.append((number, sku, many, price))
    arrived = False
    if not cancelled:
        arrived = _add_parcels(rows, draw, number, country, age, len(lines))
    if arrived and draw.happens(0.07):
        opened = _day(max(0, promised - 1 - int(draw.number() * 20)))
        rows.returns.append((len(rows.returns) + 1, number, lines[0][0], opened))
    _add_ticket(rows, draw, number, buyer, age, promised)


def _add_parcels(
    rows: _Rows, draw: _Draw, order: int, country: str, age: int, n_lines: int
) -> bool:
    """Add an order's parcels, and return whether all of it has arrived."""
    _, transit, late = COUNTRIES[country]
    parcels = 1
    if n_lines > 1 and draw.happens(0.55):
        parcels += 1 + int(draw.number() * min(2, n_lines - 1))
    if draw.happens(0.05):  # it waits for a lamp that is out of stock
        return False
    arrived = True
    for _ in range(parcels):
        left = age - int(draw.number() * 2)
        there = left - transit
        if draw.happens(late):
            there -= 2 + int(draw.number() * 6)
        if left < 0:  # will leave tomorrow
            arrived = False
            continue
        came = _day(there) if there >= 0 else None
        arrived = arrived and came is not None
        number = len(rows.shipments) + 1
        rows.shipments.append((number, order, draw.one_of(CARRIERS), _day(left), came))
    return arrived


def _add_ticket(
    rows: _Rows, draw: _Draw, order: int, buyer: int, age: int, promised: int
) -> None:
    if not draw.happens(0.3):
        return
    intent = draw.one_of(tuple(TICKETS))
    product = draw.one_of(PRODUCTS)[1]
    text = TICKETS[intent].format(order=order, promised=_day(promised), product=product)
    opened = int(draw.number() * (age + 1))
    minutes = None if opened < 2 else 4 + int(draw.number() ** 3 * 900)
    about = None if intent == "product" else order
    number = len(rows.tickets) + 1
    rows.tickets.append((number, buyer, about, _day(opened), intent, text, minutes))
