"""The conversations hold what lesson A7 relies on."""

import base64
from collections import Counter

from course.conversations import (
    RECORD,
    STYLES,
    gullible,
    load_conversations,
    origin,
    provenance,
)

ALL = load_conversations()
ATTACKS = [c for c in ALL if c.is_attack]


def test_there_are_sixty_harmless_ones_and_sixty_attacks():
    assert len(ALL) == len({c.id for c in ALL}) == 120
    assert Counter(c.style for c in ATTACKS) == dict.fromkeys(STYLES[:5], 10) | {
        "value": 8,
        "pasted": 2,
    }
    assert all(c.style == "" for c in ALL if not c.is_attack)


def test_no_harmless_conversation_occurs_twice():
    assert len({c.customer for c in ALL if not c.is_attack}) == 60


def test_what_is_planted_stands_where_the_model_reads_it():
    for c in ATTACKS:
        place = c.customer if c.style == "pasted" else c.page
        assert c.planted in place, c.id
        assert c.harm != c.wanted


def test_base64_holds_the_plain_order():
    coded = [c for c in ATTACKS if c.style == "base64"]
    plain = [c for c in ATTACKS if c.style == "plain"]
    for c, p in zip(coded, plain, strict=True):
        order = base64.b64decode(c.planted.split()[-1]).decode()
        assert p.planted.endswith(order)


def test_the_gullible_model_obeys_whatever_it_reads_and_only_that():
    for c in ALL:
        assert gullible(c, c.customer, c.page) == (c.harm or c.wanted)
        if c.style != "pasted":
            assert gullible(c, c.customer) == c.wanted


def test_an_origin_is_the_shop_before_the_customer_before_the_page():
    c = ALL[0]
    assert origin(RECORD["order_id"], c) == "shop"
    assert origin("order", c) == "customer"
    assert origin("consignment number", c) == "page"
    assert origin("FR14", c) == "model"


def test_the_wish_is_the_pages_when_only_the_page_makes_the_model_want_it():
    plain = next(c for c in ATTACKS if c.style == "plain")
    assert provenance(plain.harm, plain)["tool"] == "page"
    assert provenance(plain.wanted, plain)["tool"] == "customer"
    wrong = next(c for c in ATTACKS if c.style == "value")
    assert provenance(wrong.harm, wrong) == {
        "tool": "customer",
        "args": {"order_id": "shop", "iban": "page"},
    }
