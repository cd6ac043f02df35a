"""The requests and the model's words hold what lesson A5 relies on."""

import math

import pytest

from course.requests import load_requests, load_said
from course.shop import PRODUCTS, shop_rows
from course.shop_tools import shop_tools

REQUESTS = load_requests()
TOOLS = list(shop_tools("shop.db"))


def test_every_tool_is_asked_for_in_both_parts():
    for part in ("dev", "test"):
        assert {it.tool for it in REQUESTS if it.part == part} == set(TOOLS)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda it: it.id)
def test_what_a_request_asks_for_stands_in_it(request_):
    names = {sku: name for sku, name, _, _ in PRODUCTS}
    for value in request_.arguments.values():
        named = names.get(value, "").removesuffix(", one metre")
        stands = [str(value) in request_.text, bool(named) and named in request_.text]
        assert any(stands) or value == "SP-083"


def test_what_exists_is_what_the_shop_knows():
    orders = {row[0] for row in shop_rows()["orders"]}
    skus = {sku for sku, *_ in PRODUCTS}
    for it in REQUESTS:
        order, sku = it.arguments.get("order_id"), it.arguments.get("sku")
        known = (order is None or order in orders) and (sku is None or sku in skus)
        assert it.exists is known, it.id


def test_the_table_holds_log_probabilities_and_the_models_words():
    said = load_said()
    for it in REQUESTS:
        row = said[it.id]
        assert list(row.wants) == list(row.name) == TOOLS
        for values in (*row.wants.values(), *row.name.values()):
            assert values
            assert all(-40 < v <= 0 and math.isfinite(v) for v in values)
        if it.part == "test":
            assert row.zero
            assert row.few
            assert list(row.arguments) == TOOLS
