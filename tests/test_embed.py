"""The embedder: unit vectors whose dot products are the model card's."""

import numpy as np
import pytest

from course import embed
from course.errors import AssetMissing

CARD = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
]


def test_a_missing_embedder_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path))
    with pytest.raises(AssetMissing, match="course fetch minilm"):
        embed.load_embedder()


@pytest.fixture(scope="module")
def embedder():
    return embed.load_embedder()


@pytest.mark.models
def test_similarities_are_those_of_the_model_card(embedder):
    v = embedder.encode(CARD)
    found = (v @ v.T)[np.triu_indices(3, k=1)]
    np.testing.assert_allclose(found, [0.6660, 0.1046, 0.1411], atol=5e-5)


@pytest.mark.models
def test_rows_are_unit_vectors_in_the_order_given_whatever_the_batch(embedder):
    texts = [*CARD, "", "Hi", "a much longer sentence " * 20]
    whole, alone = embedder.encode(texts), embedder.encode(texts, batch=1)
    assert (whole.shape, whole.dtype) == ((6, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(whole, alone, atol=1e-5)


@pytest.mark.models
def test_no_texts_give_no_rows(embedder):
    assert embedder.encode([]).shape == (0, 384)


@pytest.mark.models
def test_hidden_states_and_mask_pool_to_the_vectors(embedder):
    h, mask = embedder.hidden(["Hi", CARD[0]])
    assert h.shape == (*mask.shape, 384)
    n_tokens = [len(tokens) for tokens in embedder.tokens(["Hi", CARD[0]])]
    assert mask.sum(axis=1).tolist() == n_tokens
    pooled = np.array([h[i, :n].mean(axis=0) for i, n in enumerate(n_tokens)])
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, embedder.encode(["Hi", CARD[0]]), atol=1e-5)


@pytest.mark.models
def test_tokens_show_the_markers_and_long_texts_are_cut(embedder):
    assert embedder.tokens(["Hi worlds"]) == [["[CLS]", "hi", "worlds", "[SEP]"]]
    assert len(embedder.tokens(["word " * 999])[0]) == embed.MAX_TOKENS


@pytest.mark.models
def test_a_lone_string_or_an_empty_batch_is_an_error(embedder):
    with pytest.raises(ValueError, match=r"write \[text\]"):
        embedder.encode("Hi")
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        embedder.encode(["Hi"], batch=0)
    with pytest.raises(ValueError, match="texts is empty"):
        embedder.hidden([])
