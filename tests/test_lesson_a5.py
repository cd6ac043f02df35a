"""What lesson A5 says of numbers, of MCP, and of the real model."""

import numpy as np
import pytest
from lesson_tools import prose
from mcp import Client

from course import bank, lesson
from course.requests import load_requests, load_said
from course.shop import PRODUCTS
from course.shop_mcp import handler_transport, wait_for

A5 = lesson.load("a5")
COUNTS = {  # right, wrong argument, wrong tool, not valid, no call
    "zero-shot": [0, 0, 0, 0, 40],
    "few-shot": [3, 3, 22, 12, 0],
    "constrained": [3, 4, 33, 0, 0],
    "router": [33, 0, 7, 0, 0],
}
PROSE = prose("a5")


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("a5")


def test_the_worked_example_of_choose_is_right(solved):
    table = {"return": [-2.0], "order status": [-1.4, -1.2]}
    assert solved["choose"](table.get, list(table)) == "order status"
    assert max(table, key=lambda o: sum(table[o])) == "return"
    assert np.isclose(np.mean([-1.4, -1.2]), -1.3)
    assert "the means $-2.0$ and $-1.3$" in PROSE


def test_the_worked_example_of_schema_is_right(solved):
    assert solved["schema"](solved["book_table"]) == {
        "name": "book_table",
        "description": "Book a table in the café.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "day": {"type": "string"},
                "people": {"type": "integer"},
            },
            "required": ["day"],
            "additionalProperties": False,
        },
    }


def test_forty_requests_measure_and_four_of_them_name_nothing():
    requests = load_requests()
    test = [it for it in requests if it.part == "test"]
    assert (len(requests), len(test)) == (56, 40)
    assert sum(not it.exists for it in test) == 4
    assert all(it.exists for it in requests if it.part == "dev")
    assert len({it.text for it in requests}) == 56
    assert load_said().keys() == {it.id for it in requests}


def test_no_request_is_in_the_prompt_and_no_example_is_in_the_shop():
    texts = {it.text for it in load_requests()}
    assert not texts & {"Where is order 77?", "What does the SP-100 cost?"}
    assert "SP-100" not in {sku for sku, *_ in PRODUCTS}


def test_the_figure_shows_what_the_lesson_says(solved):
    counts = {way.split()[0]: row for way, row in solved["counts"].items()}
    assert counts == COUNTS
    assert all(sum(row) == 40 for row in counts.values())
    assert "28 of them fit the schema, and 3 are the right call" in PROSE
    named = {call["name"] for call in solved["ways"]["few-shot"]}
    assert named == {"product_info"}
    assert "get 33" in PROSE


def test_each_step_of_the_router_helps(solved):
    rules = ("by_sum", "by_mean", "by_surprise", "route")
    right = [solved["tools_right"](solved[rule]) for rule in rules]
    assert right == [15, 18, 27, 33]


def test_three_of_the_wrong_calls_would_cancel_an_order(solved):
    pairs = zip(solved["ways"]["router +\nvalidator"], solved["test"], strict=True)
    wrong = [c for c, r in pairs if solved["kind_of"](c, r) != "right"]
    assert len(wrong) == 7
    assert sum(c["name"] == "cancel_order" for c in wrong) == 3


def test_the_bar_is_reached_by_router_and_validator(solved):
    assert solved["n_router"] / 40 >= 0.7


def test_nothing_is_written_without_a_yes(solved):
    kit = solved["tools"]
    written = []

    def cancel(order_id):
        written.append(order_id)

    tools = {n: {"run": t, "writes": False} for n, t in kit.items()}
    tools["cancel_order"] = {"run": cancel, "writes": True}
    for request in load_requests():
        call = solved["fill"](request.tool, request.text)
        script = iter([solved["json"].dumps(call) if call else "no", "done"])
        solved["run_agent"](
            lambda messages, it=script: next(it),
            solved["parse_call"],
            tools,
            request.text,
            lambda call: False,
            3,
        )
    assert written == []


def test_the_sdks_client_accepts_the_hand_written_server(solved):
    kit = {
        it["name"]: {**it, "run": solved["tools"][it["name"]]}
        for it in solved["schemas"]
    }
    heard = []

    def listen(msg):
        answer = solved["mcp_handle"](msg, kit)
        heard.append((msg["method"], answer is None))
        return answer

    async def talk():
        async with Client(handler_transport(listen)) as client:
            names = [it.name for it in (await client.list_tools()).tools]
            good = await client.call_tool("product_info", {"sku": "SP-380"})
            bad = await client.call_tool("product_info", {"sku": "SP-100"})
            return names, good.is_error, bad.is_error, bad.content[0].text

    names, good, bad, text = wait_for(talk)
    assert names == list(solved["tools"])
    assert (good, bad) == (False, True)
    assert "there is no article SP-100" in text
    assert heard[0] == ("server/discover", False)
    assert ("notifications/initialized", True) in heard


def test_the_hand_written_schema_is_the_sdks_but_for_its_titles(solved):
    from course.shop_mcp import make_server

    async def talk():
        async with Client(make_server(solved["shop"])) as client:
            return (await client.list_tools()).tools

    for mine, theirs in zip(solved["schemas"], wait_for(talk), strict=True):
        inside = mine["inputSchema"]
        assert (mine["name"], mine["description"]) == (theirs.name, theirs.description)
        assert inside["required"] == theirs.input_schema["required"]
        for name, kind in inside["properties"].items():
            assert theirs.input_schema["properties"][name]["type"] == kind["type"]


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(900)
def test_the_demonstrations_run_and_choose_as_the_table_does(solved):
    names = dict(solved)
    for cell in A5.cells:
        if cell.role == "demo":
            bank.run(cell.source, names, f"<a5:{cell.line}>")
    prompt = names["ROUTE"].format(text=load_requests()[0].text)
    live = names["log_probs"](prompt, names["ENDINGS"]["cancel_order"])
    assert np.allclose(live, load_said()["r01"].wants["cancel_order"], atol=1e-2)
    assert names["trace"]["steps"][0]["result"]["error"].startswith("the customer")
