"""The shop's tools do what they say, refuse in words, and speak MCP over stdio."""

import json
import subprocess
import sys

import pytest
from mcp import Client, StdioServerParameters
from mcp.server.mcpserver import MCPServer

from course.errors import ShopError
from course.shop import make_shop, open_shop
from course.shop_mcp import handler_transport, make_server, wait_for
from course.shop_tools import WRITES, shop_tools


@pytest.fixture
def path(tmp_path):
    return make_shop(tmp_path / "shop.db")


def first(path, query):
    con = open_shop(path, read_only=True)
    row = con.execute(query).fetchone()
    con.close()
    return row


UNSHIPPED = (
    "SELECT id FROM orders WHERE cancelled_on IS NULL "
    "AND id NOT IN (SELECT order_id FROM shipments)"
)
RETURNABLE = (
    "SELECT order_id, l.sku FROM order_lines l JOIN shipments s USING (order_id) "
    "WHERE delivered_on > '2026-02-10' AND order_id NOT IN "
    "(SELECT order_id FROM returns) GROUP BY order_id HAVING COUNT(*) = 1"
)
OLD = (
    "SELECT order_id, sku FROM order_lines JOIN shipments USING (order_id) "
    "WHERE delivered_on < '2025-12-01' AND order_id NOT IN "
    "(SELECT order_id FROM shipments WHERE delivered_on IS NULL)"
)


def test_the_state_of_an_order_is_told(path):
    status = shop_tools(path)["order_status"]
    (waiting,) = first(path, UNSHIPPED)
    assert status(waiting)["status"] == "not shipped yet"
    (gone,) = first(path, "SELECT id FROM orders WHERE cancelled_on IS NOT NULL")
    assert status(gone)["status"] == "cancelled"
    (moving,) = first(path, "SELECT order_id FROM shipments WHERE delivered_on IS NULL")
    assert status(moving)["status"] == "on its way"


def test_an_order_is_cancelled_once_and_only_before_it_ships(path):
    tools = shop_tools(path)
    (waiting,) = first(path, UNSHIPPED)
    assert tools["cancel_order"](waiting)["status"] == "cancelled"
    assert tools["order_status"](waiting)["status"] == "cancelled"
    with pytest.raises(ShopError, match="only what has not been shipped"):
        tools["cancel_order"](waiting)


def test_a_return_is_opened_once(path):
    tools = shop_tools(path)
    order, sku = first(path, RETURNABLE)
    assert tools["open_return"](order, sku)["sku"] == sku
    with pytest.raises(ShopError, match="is open already"):
        tools["open_return"](order, sku)
    with pytest.raises(ShopError, match="holds no LMP-0000"):
        tools["open_return"](order, "LMP-0000")


def test_what_came_long_ago_is_not_taken_back(path):
    with pytest.raises(ShopError, match="for 38 days"):
        shop_tools(path)["open_return"](*first(path, OLD))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("order_status", (77,)),
        ("cancel_order", (77,)),
        ("open_return", (77, "SP-380")),
        ("product_info", ("SP-100",)),
    ],
)
def test_what_is_not_there_is_refused_in_words(path, tool, arguments):
    with pytest.raises(ShopError, match=r"there is no (order|article)"):
        shop_tools(path)[tool](*arguments)


def test_a_product_has_a_price_in_euro(path):
    found = shop_tools(path)["product_info"]("SP-380")
    assert found["euro"] == 26.4


def test_the_handbook_is_searched(path):
    search = shop_tools(path)["search_handbook"]
    assert search("What does error E-47 mean?")["page"] == "h44"


def server_of(path):
    return StdioServerParameters(
        command=sys.executable, args=["-m", "course.shop_mcp", str(path)]
    )


async def transcript(client, order):
    """What a client hears: tools, a result, two failures, an unknown tool."""
    heard = {}
    listed = (await client.list_tools()).tools
    heard["tools"] = {it.name: it.input_schema["required"] for it in listed}
    heard["writes"] = {it.name for it in listed if it.annotations.destructive_hint}
    for name, arguments in (
        ("order_status", {"order_id": order}),
        ("order_status", {"order_id": 77}),
        ("order_status", {"order_id": "soon"}),
        ("nothing", {}),
    ):
        back = await client.call_tool(name, arguments)
        heard[name, str(arguments)] = (back.is_error, back.content[0].text)
    return heard


def test_a_client_of_the_sdk_drives_the_server_over_stdio(path):
    (waiting,) = first(path, UNSHIPPED)

    async def talk():
        async with Client(server_of(path)) as client:
            return await transcript(client, waiting)

    heard = wait_for(talk)
    assert heard["tools"].keys() == shop_tools(path).keys()
    assert heard["tools"]["open_return"] == ["order_id", "sku"]
    assert heard["writes"] == WRITES
    failed, text = heard["order_status", f"{{'order_id': {waiting}}}"]
    assert not failed
    assert json.loads(text)["status"] == "not shipped yet"
    failed, text = heard["order_status", "{'order_id': 77}"]
    assert failed
    assert "there is no order 77" in text
    assert heard["order_status", "{'order_id': 'soon'}"][0]
    assert heard["nothing", "{}"][0]


def test_what_breaks_inside_is_not_told_to_the_client(path):
    server = make_server(path)
    assert isinstance(server, MCPServer)
    path.write_bytes(b"no database at all, but long enough to be read as one" * 99)

    async def talk():
        async with Client(server) as client:
            return await client.call_tool("order_status", {"order_id": 1402})

    back = wait_for(talk)
    assert back.is_error
    assert back.content[0].text == "Error executing tool order_status"


def test_the_sdks_client_talks_to_a_plain_function():
    def handle(msg):
        if "id" not in msg:
            return None
        answer = {"jsonrpc": "2.0", "id": msg["id"]}
        if msg["method"] == "initialize":
            version = msg["params"]["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": {"tools": {}}}
            result["serverInfo"] = {"name": "plain", "version": "1"}
            return answer | {"result": result}
        if msg["method"] == "tools/list":
            return answer | {"result": {"tools": []}}
        return answer | {"error": {"code": -32601, "message": "no such method"}}

    async def talk():
        async with Client(handler_transport(handle)) as client:
            return (await client.list_tools()).tools, client.server_info.name

    assert wait_for(talk) == ([], "plain")


def test_the_server_says_what_it_needs():
    done = subprocess.run(
        [sys.executable, "-m", "course.shop_mcp"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "Missing argument 'PATH'" in done.stderr
