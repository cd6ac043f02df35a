"""Tickets of the fictional lamp shop *Lampa*: 240 messages of 8 intents, by hand.

Each intent has 6 situations (a late parcel, a stuck tracking page, ...), and each
situation is written in 5 voices: polite, short, with typing errors, upset, indirect.
The split is by **situation**: two of each intent are for training (and for examples in
prompts), two for development, two for the test. So a test ticket is never a rewording
of one that was seen. Written for this course by one author, before any model had read
them, and not chosen afterwards; a real desk has more authors and messier mail. The
names of the intents are single tokens of the small chat model (with a space in front).
Licence: CC0 1.0.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

INTENTS = (
    "delivery",
    "return",
    "broken",
    "cancel",
    "invoice",
    "payment",
    "account",
    "product",
)
VOICES = ("polite", "short", "typos", "upset", "indirect")
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Ticket:
    """One message of a customer's.

    Attributes:
        id: `t001` to `t240`.
        intent: one of `INTENTS`, what the customer wants or writes about.
        situation: the group within the intent; never on both sides of a split.
        voice: one of `VOICES`, how it is written.
        split: one of `SPLITS`.
        text: the message.
    """

    id: str
    intent: str
    situation: str
    voice: str
    split: str
    text: str

    @property
    def label(self) -> int:
        """The intent's place in `INTENTS`."""
        return INTENTS.index(self.intent)


@dataclass(frozen=True)
class Tickets:
    """All tickets in their order, and what each intent means."""

    all: tuple[Ticket, ...]
    meanings: dict[str, str]
    licence: str

    @cached_property
    def index(self) -> dict[str, int]:
        """Each ticket's place in `all` by its id."""
        return {ticket.id: i for i, ticket in enumerate(self.all)}

    def of_split(self, *splits: str) -> list[Ticket]:
        """Return the tickets of these splits, in their order: sorted by intent.

        Raises:
            ValueError: a split that does not exist.
        """
        for split in splits:
            if split not in SPLITS:
                raise ValueError(f"{split!r} is not a split: use {', '.join(SPLITS)}")
        return [it for it in self.all if it.split in splits]


def load_tickets() -> Tickets:
    """Return the tickets; they ship with the course."""
    file = resources.files("course") / "data" / "tickets.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    tickets = tuple(Ticket(**item) for item in data["tickets"])
    return Tickets(tickets, data["intents"], data["licence"])
