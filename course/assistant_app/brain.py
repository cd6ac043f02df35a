"""From a customer's words to a call, its result, and an answer.

    brain = Brain("shop.db", ScriptedModel(["It arrives tomorrow."]))
    brain.reply("Where is order 1402?").text

Which tool is meant is decided by words (`route`), not by the model: of the 40 requests of
lesson A5, `benchmarks/bench_assistant.py` counts how many this gets right. The
model, if there is one, says the facts in a sentence; without one, a template does. If it
writes a number that is in neither the facts nor the question, the facts are put behind.
"""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.errors import ShopError
from course.llm import ChatModel, system, user
from course.shop import PRODUCTS
from course.shop_tools import WRITES, shop_tools

VERSION = "1"  # of prompts and rules: part of every cache key
PARAMS: dict[str, object] = {"temperature": 0.0, "max_tokens": 60}

_CANCEL = re.compile(
    r"\b(cancel\w*|stop|undo|mistake|no longer|changed my mind|not want)"
)
_RETURN = re.compile(
    r"\b(returns?|returning|send\w* (it|\w+ )?back|take \w+ ?\w* ?back|give back|"
    r"send back|sending it back|money back)\b|send it back|take it back"
)
_PRICE = re.compile(r"\b(price|cost|costs|stock|available|how much|how many|left)\b")
_ORDER = re.compile(r"\b\d{3,6}\b")
_SKU = re.compile(r"\b(?:LMP-\d{4}|SP-\d{3})\b")
_NUMBERS = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass
class Reply:
    """What came of a customer's message.

    Attributes:
        text: the answer.
        call: the tool's call, if there was one.
        source: the page that the answer is from.
        confirm: the call writes, and waits for the customer's yes.
        may_cache: true for answers that are the same for everybody, tomorrow as well.
        stages: milliseconds of each stage.
        facts: what the tool returned, or why it refused.
    """

    text: str
    call: dict[str, Any] | None = None
    source: str | None = None
    confirm: bool = False
    may_cache: bool = False
    stages: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what a client is told."""
        return {
            "answer": self.text,
            "call": self.call,
            "source": self.source,
            "confirm": self.confirm,
        }


def route(text: str) -> str:
    """Return the name of the tool that a message is about, by its words."""
    said, order = text.casefold(), _ORDER.search(_SKU.sub("", text))
    sku = article(text)
    if order and _RETURN.search(said) and (sku or not _CANCEL.search(said)):
        return "open_return"
    if order and _CANCEL.search(said):
        return "cancel_order"
    if sku and not order and _PRICE.search(said):
        return "product_info"
    return "order_status" if order else "search_handbook"


def article(text: str) -> str | None:
    """Return the article that a message names, by its number or its name."""
    number = _SKU.search(text)
    if number:
        return number[0]
    said = text.casefold()
    return next((p[0] for p in PRODUCTS if p[1].casefold() in said), None)


class Brain:
    """The assistant on one shop.

    Args:
        shop: the shop's database.
        chat: who says the facts in a sentence; None: a template.
    """

    def __init__(self, shop: str | Path, chat: ChatModel | None = None) -> None:
        self.tools = shop_tools(shop)
        self.chat = chat
        self.model = chat.name if chat else "templates"
        self._lock = threading.Lock()  # a local model is for one thread at a time

    def reply(self, message: str, confirm: bool = False) -> Reply:
        """Return the whole reply to a message.

        Args:
            message: the customer's words.
            confirm: the customer has said yes to this very message.
        """
        reply = self.begin(message, confirm)
        reply.text = "".join(self.words(message, reply))
        return reply

    def begin(self, message: str, confirm: bool = False) -> Reply:
        """Return a reply with everything but its text: the call and its facts."""
        clock = _Clock()
        call = self._call(message)
        clock.lap("choose the tool")
        reply = Reply("", call=call, stages=clock.laps)
        if call["name"] in WRITES and not confirm:
            reply.confirm = True
            reply.facts = {"question": f"Shall I do this: {_named(call)}?"}
            return reply
        try:
            reply.facts = self.tools[call["name"]](**call["arguments"])
        except ShopError as error:
            reply.facts = {"refused": str(error)}
        reply.source = reply.facts.get("page")
        reply.may_cache = call["name"] == "search_handbook"
        clock.lap("run the tool")
        return reply

    def words(self, message: str, reply: Reply) -> Iterator[str]:
        """Yield the reply's text piece by piece."""
        clock = _Clock(reply.stages)
        plain = _plain(reply)
        if self.chat is None or reply.confirm or "refused" in reply.facts:
            yield from re.findall(r"\S+\s*", plain)
            clock.lap("write")
            return
        prompt = [
            system("Answer the customer of a lamp shop in one sentence."),
            user(f"Use this information: {plain}\n\nAnswer the question: {message}"),
        ]
        with self._lock:
            name, text = "first token", ""
            for piece in self.chat.stream(prompt, max_tokens=60, stop=["\n"]):
                clock.lap(name)
                name = "other tokens"
                text += piece
                yield piece
        strange = _numbers(text) - _numbers(plain + message)
        if strange or not text.strip():
            clock.lap(name)
            yield f" (Please rely on this: {plain})"

    def _call(self, message: str) -> dict[str, Any]:
        name = route(message)
        order = _ORDER.search(_SKU.sub("", message))
        arguments: dict[str, Any] = {}
        if name == "search_handbook":
            arguments["question"] = message
        if name in ("order_status", "cancel_order", "open_return") and order:
            arguments["order_id"] = int(order[0])
        if name in ("open_return", "product_info"):
            arguments["sku"] = article(message) or "(which article?)"
        return {"name": name, "arguments": arguments}


class _Clock:
    """Adds up the milliseconds of each stage."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = {} if laps is None else laps
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + (now - self._last) * 1e3
        self._last = now


def _named(call: dict[str, Any]) -> str:
    arguments = ", ".join(f"{k} {v}" for k, v in call["arguments"].items())
    return f"{call['name']} ({arguments})".replace("_", " ")


def _plain(reply: Reply) -> str:
    """The facts in a sentence, without a model."""
    facts = reply.facts
    if "question" in facts:
        return str(facts["question"])
    if "refused" in facts:
        return f"That is not possible: {facts['refused']}."
    if "text" in facts:
        return f"{facts['title']}: {facts['text']}"
    if "euro" in facts:
        return (
            f"The {facts['name']} ({facts['sku']}) costs {facts['euro']:.2f} euro; "
            f"{facts['stock']} in stock."
        )
    if "return_id" in facts:
        return f"Return {facts['return_id']} of {facts['sku']} is open."
    text = f"Order {facts['order_id']} is {facts['status']}."
    if facts.get("promised_on") and facts["status"] not in ("cancelled", "delivered"):
        text += f" It was promised for {facts['promised_on']}."
    came = [it["delivered_on"] for it in facts.get("parcels", ()) if it["delivered_on"]]
    return text + (f" Last parcel: {max(came)}." if came else "")


def _numbers(text: str) -> set[float | str]:
    """The numbers in a text; 198 and 198.00 are the same, 15:30 stays as it is."""
    found = (it.replace(",", "") for it in _NUMBERS.findall(text))
    return {it if it.count(".") > 1 or ":" in it else float(it) for it in found}
