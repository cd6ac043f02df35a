"""56 requests to the shop's assistant, the call that each needs, and what a model said.

16 requests are for choosing prompts and wordings (`dev`), 40 for measuring (`test`).
The shop has no order 7777 and no article LMP-9999: what four of the requests ask for
does not exist, and the right call is none. All were written for this course before
anything was measured. Licence: CC0 1.0. `benchmarks/make_tool_calls.py` makes the table of what the
model says to them. `tests/test_requests.py` holds what the lessons rely on.
"""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Request:
    """What a customer wrote.

    Attributes:
        id: `r01` to `r56`.
        part: `dev` or `test`.
        text: the customer's words.
        tool: the tool that the request is about.
        arguments: those that it names; a question for the handbook names none.
        exists: whether the order and the article are in the shop's database. If not,
            the right call is none.
    """

    id: str
    part: str
    text: str
    tool: str
    arguments: dict[str, Any]
    exists: bool


@dataclass(frozen=True)
class Said:
    """What the model said to one request; made by `benchmarks/make_tool_calls.py`.

    Attributes:
        zero: its text after a prompt without examples.
        few: its text after a prompt with three.
        name: tool -> log-probabilities of the tokens of its name in the JSON.
        arguments: tool -> the arguments that it writes when it must fit the schema.
        wants: tool -> log-probabilities of the tokens of "wants to ...".
    """

    zero: str
    few: str
    name: dict[str, list[float]]
    arguments: dict[str, dict[str, Any]]
    wants: dict[str, list[float]]


def load_requests() -> list[Request]:
    """Return the 56 requests in their order."""
    rows = _read("requests.json")["requests"]
    return [
        Request(f"r{i:02}", part, text, tool, arguments, _exists(arguments))
        for i, (part, text, tool, arguments) in enumerate(rows, 1)
    ]


def load_said() -> dict[str, Said]:
    """Return what SmolLM2 said to each request, by the request's id."""
    rows = _read("tool_calls.json")["rows"]
    return {id_: Said(**row) for id_, row in rows.items()}


def _exists(arguments: dict[str, Any]) -> bool:
    from course.shop import FIRST_ORDER, PRODUCTS

    order = arguments.get("order_id", FIRST_ORDER)
    sku = arguments.get("sku", PRODUCTS[0][0])
    return FIRST_ORDER <= order < FIRST_ORDER + 600 and sku in {p[0] for p in PRODUCTS}


def _read(name: str) -> Any:
    file = resources.files("course") / "data" / name
    return json.loads(file.read_text(encoding="utf-8"))
