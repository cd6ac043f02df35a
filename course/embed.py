"""Sentence embeddings: all-MiniLM-L6-v2, from the cache, in this process.

Source: Reimers & Gurevych (2019), Sentence-BERT, arXiv:1908.10084.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from course import hub

Floats = NDArray[np.float32]

ASSET = "minilm"
MAX_TOKENS = 256  # the model was trained on no longer texts: the rest is cut off


class Embedder:
    """Turns texts into unit vectors whose dot product is their similarity.

    Args:
        folder: configuration, tokenizer and safetensors, as `course fetch` makes.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel

        self._tokenizer = hub.load_tokenizer(folder)
        self._tokenizer.padding_side = "right"  # as this model was trained
        self._model = hub.load_weights(AutoModel, folder)
        self.n_dim: int = self._model.config.hidden_size

    def encode(self, texts: Sequence[str], batch: int = 32) -> Floats:
        """Return one vector per text, shape (n_texts, 384), unit-norm rows.

        Args:
            texts: what to embed; beyond 256 tokens a text is cut off.
            batch: texts per forward pass; a larger one needs more memory.

        Raises:
            ValueError: `texts` is one string, or `batch` is below 1.
        """
        texts = _as_list(texts)
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}: use 32")
        # Neighbours in length share a batch: less padding to compute for nothing.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.zeros((len(texts), self.n_dim), dtype=np.float32)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            h, mask = self.hidden([texts[i] for i in rows])
            vectors[rows] = _unit(_mean(h, mask))
        return vectors

    def tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Return each text's tokens as the model sees them, without padding."""
        batch = self._tokenizer(_as_list(texts), truncation=True, max_length=MAX_TOKENS)
        return [self._tokenizer.convert_ids_to_tokens(ids) for ids in batch.input_ids]

    def hidden(self, texts: Sequence[str]) -> tuple[Floats, NDArray[np.int64]]:
        """Return the last layer's states of all tokens, and which are real.

        Returns:
            h: shape (n_texts, n_tokens, 384), float32; padding included.
            mask: shape (n_texts, n_tokens), 1 at a token and 0 at padding.

        Raises:
            ValueError: `texts` is one string, or empty.
        """
        import torch

        texts = _as_list(texts)
        if not texts:
            raise ValueError("texts is empty; give at least one text")
        batch = self._tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        with torch.inference_mode():
            h = self._model(**batch).last_hidden_state
        return h.numpy().copy(), batch.attention_mask.numpy().copy()


def load_embedder() -> Embedder:
    """Return the course's embedder; loaded once per process.

    Raises:
        AssetMissing: it is not in the cache.
    """
    from course import assets

    return _load(assets.path(ASSET))


@cache
def _load(folder: Path) -> Embedder:
    return Embedder(folder)


def _as_list(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise ValueError(  # noqa: TRY004 - a str is a Sequence[str]: its value is wrong
            f"texts is the string {texts[:40]!r}; it must be a list of strings: "
            "write [text]"
        )
    return list(texts)


def _mean(h: Floats, mask: NDArray[np.int64]) -> Floats:
    weights = mask[:, :, None].astype(np.float32)  # (batch, n_tokens, 1)
    mean: Floats = (h * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
