"""The shop's tools as an MCP server, by the official Python SDK.

    python -m course.shop_mcp shop.db

It speaks the Model Context Protocol over standard input and output; a client starts it
and asks. The tools that change something carry the annotation `destructiveHint`, and a
careful client asks its user before it calls them. Source: modelcontextprotocol.io.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from course.errors import ShopError
from course.shop_tools import WRITES, Tool, shop_tools

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

T = TypeVar("T")
Handler = Callable[[dict[str, Any]], dict[str, Any] | None]


def make_server(path: str | Path) -> "MCPServer":
    """Return a server of the shop's tools on the database at `path`."""
    from mcp.server.mcpserver import MCPServer
    from mcp_types import ToolAnnotations

    server: MCPServer = MCPServer("lampa", version="1", log_level="CRITICAL")
    for name, tool in shop_tools(path).items():
        writes = name in WRITES
        hints = ToolAnnotations(read_only_hint=not writes, destructive_hint=writes)
        server.add_tool(_for_clients(tool), annotations=hints)
    return server


def _for_clients(tool: Tool) -> Tool:
    """The same tool; what the shop refuses becomes a message that the client may read.

    Any other exception stays hidden: its text is the shop's business.
    """
    from mcp.server.mcpserver.exceptions import ToolError

    @functools.wraps(tool)
    def call(**arguments: Any) -> dict[str, Any]:
        try:
            return tool(**arguments)
        except ShopError as error:
            raise ToolError(str(error)) from error

    return call


@contextlib.asynccontextmanager
async def handler_transport(handle: Handler) -> AsyncIterator[Any]:
    """Yield the streams by which a client of the SDK talks to a plain function.

    Args:
        handle: takes one JSON-RPC message as a dictionary and returns the answer, or
            None for a notification.
    """
    import anyio  # the SDK's own foundation
    from mcp.shared.memory import create_client_server_memory_streams
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    async def serve(reads: Any, writes: Any) -> None:
        async for item in reads:
            message = item.message.model_dump(
                by_alias=True, mode="json", exclude_none=True
            )
            answer = handle(message)
            if answer is not None:
                back = jsonrpc_message_adapter.validate_python(answer)
                await writes.send(SessionMessage(back))

    async with (
        create_client_server_memory_streams() as (ours, theirs),
        anyio.create_task_group() as group,
    ):
        group.start_soon(serve, *theirs)
        yield ours
        group.cancel_scope.cancel()


def wait_for(talk: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what the asynchronous function returns, from a notebook as well.

    A notebook runs in an event loop already, and loops do not nest: this one gets a
    thread of its own.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(talk())).result()


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(path: Path) -> None:
    """Serve the shop's tools on the database PATH over stdio."""
    make_server(path).run()


if __name__ == "__main__":
    main()
