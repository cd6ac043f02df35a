"""The prompts of lesson A2, and frozen tables of what the small model thinks of them.

For every ticket of dev and test and for every prompt, the tables hold the model's
log-probabilities of the eight labels, and for two prompts the text that it writes. They
were made once by `benchmarks/make_logprob_tables.py`, which anyone can run again, so
that a check never has to wait for a model, and never depends on one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course.llm import Message, assistant, system, user
from course.llm_local import LocalModel
from course.tickets import INTENTS, Ticket, Tickets, load_tickets

Floats = NDArray[np.float64]

FILE = "a2_logprobs.json"
LEAD = "Topic:"
SYSTEM = (
    "You sort messages of customers of a lamp shop. Answer with the topic of the "
    f"message, one of: {', '.join(INTENTS)}."
)
NULLS = ("N/A", "[MASK]", "")  # messages without content, as in Zhao et al. (2021)
SPLITS = ("dev", "test")
# name: (examples per label, number of the draw)
PROMPTS = {
    "0": (0, 0),
    "8a": (1, 0),
    "8b": (1, 1),
    "8c": (1, 2),
    "16a": (2, 0),
    "16b": (2, 1),
    "16c": (2, 2),
    "32a": (4, 0),
}
WRITTEN = ("0", "8a")  # the prompts whose free answers are kept too


@dataclass(frozen=True)
class Tables:
    """The frozen tables.

    Attributes:
        tickets: of dev and of test, in the order of all rows.
        meta: the model, the hashes and the number format they were made with.
    """

    tickets: tuple[Ticket, ...]
    meta: dict[str, str]
    data: dict[str, Any]

    @cached_property
    def is_dev(self) -> NDArray[np.bool_]:
        """Which rows are for development, shape (n_tickets,)."""
        return np.array([ticket.split == "dev" for ticket in self.tickets])

    @cached_property
    def truth(self) -> NDArray[np.int64]:
        """The place of each ticket's label in `INTENTS`, shape (n_tickets,)."""
        return np.array([ticket.label for ticket in self.tickets])

    def scores(self, prompt: str) -> Floats:
        """Return the log-probabilities of the labels, shape (n_tickets, 8)."""
        return np.array(self.data["scores"][prompt])

    def nulls(self, prompt: str) -> Floats:
        """Return those of the messages without content, shape (3, 8)."""
        return np.array(self.data["nulls"][prompt])

    def texts(self, prompt: str) -> list[str]:
        """Return what the model wrote, for a prompt of `WRITTEN`."""
        return list(self.data["texts"][prompt])


def load_tables() -> Tables:
    """Return the tables; they ship with the course."""
    file = resources.files("course") / "data" / FILE
    data = json.loads(file.read_text(encoding="utf-8"))
    tickets = tuple(load_tickets().of_split(*SPLITS))
    return Tables(tickets, data["meta"], data)


def draw_shots(tickets: Tickets, per_label: int, draw: int) -> list[tuple[str, str]]:
    """Return (text, label) examples from the training tickets, in random order."""
    rng = np.random.default_rng(draw)
    pool = tickets.of_split("train")
    chosen: list[Ticket] = []
    for intent in INTENTS:
        own = [ticket for ticket in pool if ticket.intent == intent]
        chosen += [own[i] for i in rng.choice(len(own), per_label, replace=False)]
    return [(chosen[i].text, chosen[i].intent) for i in rng.permutation(len(chosen))]


def messages(shots: Sequence[tuple[str, str]], text: str) -> list[Message]:
    """Return the conversation that asks for the topic of `text`."""
    turns = [system(SYSTEM)]
    for example, label in shots:
        turns += [user(example), assistant(f"{LEAD} {label}")]
    return [*turns, user(text)]


def score(model: LocalModel, turns: Sequence[Message], labels: Sequence[str]) -> Floats:
    """Return the log-probability of each label behind "Topic:", shape (n_labels,).

    All the tokens of a label count, the space in front included.
    """
    prompt = model.encode(model.render(turns) + LEAD)
    out = np.zeros(len(labels))
    first = _log_softmax(model.step(prompt))
    for k, label in enumerate(labels):
        tokens = model.encode(f" {label}")
        out[k] = first[tokens[0]]
        for n in range(1, len(tokens)):
            out[k] += _log_softmax(model.step(prompt + tokens[:n]))[tokens[n]]
    return out


def _log_softmax(logits: NDArray[np.float32]) -> Floats:
    z = logits.astype(np.float64) - float(logits.max())
    shifted: Floats = z - np.log(np.exp(z).sum())
    return shifted
