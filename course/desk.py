"""The ticket desk of lesson F1: real complaints of 8 kinds, with frozen vectors.

1,360 complaints that customers of American banks sent to the Consumer Financial
Protection Bureau, which publishes them with names, dates and numbers masked (`XXXX`).
120 of each kind are for training and 50 for the test. Of every family of near-copies
(form letters that many people send) only one is here, so none is on both sides. All have
12 to 150 words. Licence: US public domain.

Everything was made once by `benchmarks/make_desk.py`, which anyone can run again, so
that no check waits for a model: the vectors are MiniLM's, the scores a chat model's.

Source: Consumer Financial Protection Bureau, Consumer Complaint Database.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course.llm import Message, system, user

Floats = NDArray[np.float64]

_LOAN = (
    "Consumer loan, Vehicle loan or lease, Payday loan, title loan, or personal loan"
)
# kind: (how the bureau's list calls it, the kind in one sentence)
KINDS = {
    "bank account": (
        "Bank account or service, Savings account",
        "A problem with a checking or savings account at a bank.",
    ),
    "credit card": (
        "Credit card or prepaid card",
        "A problem with a credit card or a prepaid card.",
    ),
    "credit report": (
        "Credit reporting, credit repair services, or other personal consumer reports",
        "Wrong or unknown information on a credit report.",
    ),
    "debt collection": (
        "Debt collection",
        "A debt collector asks for money that is not owed, or threatens.",
    ),
    "loan": (
        _LOAN,
        "A problem with a vehicle loan, a lease, a personal loan or a payday loan.",
    ),
    "money transfer": (
        "Money transfer, virtual currency, or money service",
        "A problem with a money transfer, a payment app or virtual currency.",
    ),
    "mortgage": (
        "Mortgage",
        "A problem with a mortgage: payments, escrow, refinancing or foreclosure.",
    ),
    "student loan": (
        "Student loan",
        "A problem with a student loan and the company that services it.",
    ),
}
NAMES = tuple(KINDS)
SENTENCES = tuple(sentence for _, sentence in KINDS.values())
TRAIN, TEST = 120, 50  # of each kind
LEAD = "Topic:"
SYSTEM = (
    "You sort complaints of bank customers. Answer with the topic of the message, one "
    f"of: {', '.join(NAMES)}."
)
NULLS = ("N/A", "[MASK]", "")  # messages without content, as in Zhao et al. (2021)
FILE, VECTORS = "desk.json", "desk_vectors.npz"


@dataclass(frozen=True)
class Desk:
    """The complaints, and what two models made of them.

    Rows are in the order of `texts`: the training complaints of all kinds, then those
    of the test, each part sorted by kind.

    Attributes:
        texts: the complaints, n_texts of them.
        y: the place of each one's kind in `NAMES`, shape (n_texts,).
        vectors: MiniLM's vector of each text, shape (n_texts, 384), unit-norm rows.
        name_vectors: of each kind's name, shape (8, 384).
        sentence_vectors: of each kind's sentence, shape (8, 384).
        meta: what all this was made with, and what was counted on the way.
    """

    texts: tuple[str, ...]
    y: NDArray[np.int64]
    vectors: Floats
    name_vectors: Floats
    sentence_vectors: Floats
    meta: dict[str, Any]
    prompted: dict[str, Any]

    @cached_property
    def is_test(self) -> NDArray[np.bool_]:
        """Which rows are for the test, shape (n_texts,)."""
        return np.arange(len(self.texts)) >= TRAIN * len(NAMES)

    def scores(self, model: str) -> Floats:
        """Return the log-probabilities of the names for each test complaint.

        Args:
            model: `smollm2`, or another key of `prompted`.

        Returns:
            Shape (n_test, 8): of each name behind "Topic:", all its tokens added up.
        """
        return np.array(self.prompted[model]["scores"])

    def nulls(self, model: str) -> Floats:
        """Return the same for the messages without content, shape (3, 8)."""
        return np.array(self.prompted[model]["nulls"])


def load_desk() -> Desk:
    """Return the desk; it ships with the course."""
    folder = resources.files("course") / "data"
    data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    with (folder / VECTORS).open("rb") as file, np.load(file) as arrays:
        vectors, names, sentences = (
            unpacked(arrays[part], arrays[f"{part}_scale"])
            for part in ("texts", "names", "sentences")
        )
    texts = tuple(text for part in data["complaints"].values() for text in part)
    y = np.repeat(
        np.tile(np.arange(len(NAMES)), 2), [TRAIN] * len(NAMES) + [TEST] * len(NAMES)
    )
    return Desk(texts, y, vectors, names, sentences, data["meta"], data["prompted"])


def packed(vectors: NDArray[np.floating]) -> tuple[NDArray[np.int8], Floats]:
    """Return the vectors as whole numbers of one byte, and each row's unit.

    A quarter of the space; a cosine changes by about 1e-4.
    """
    scale = np.abs(vectors).max(axis=1, keepdims=True) / 127
    return np.round(vectors / scale).astype(np.int8), scale.astype(np.float64)


def unpacked(numbers: NDArray[np.int8], scale: Floats) -> Floats:
    """Return unit-norm rows of float64 from what `packed` gave."""
    vectors = numbers * scale
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def messages(text: str) -> list[Message]:
    """Return the conversation that asks a chat model for the kind of `text`."""
    return [system(SYSTEM), user(text)]
