"""Vectors are kept as long as they are still right, and no longer."""

import numpy as np
import pytest

from course.vectors import kept_vectors

TEXTS = [f"text {'x' * i}" for i in range(9)]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CROSSROADS_CACHE", str(tmp_path))


class Encoder:
    """Gives (length, factor) for each text, and notes how many it was given."""

    def __init__(self, factor=1.0):
        self.factor, self.calls = factor, []

    def __call__(self, texts):
        self.calls.append(len(texts))
        return np.array([[len(t), self.factor] for t in texts])


def test_the_second_run_encodes_only_the_probes():
    first, second = Encoder(), Encoder()
    made = kept_vectors("a", TEXTS, first)
    again = kept_vectors("a", TEXTS, second)
    assert first.calls == [4, 9]
    assert second.calls == [4]
    assert np.array_equal(made, again)
    assert np.array_equal(made, Encoder()(TEXTS))


def test_another_pooling_makes_all_vectors_anew():
    kept_vectors("a", TEXTS, Encoder())
    other = Encoder(factor=1.01)
    assert kept_vectors("a", TEXTS, other)[:, 1].tolist() == [1.01] * 9
    assert other.calls == [4, 9]


def test_other_texts_make_all_vectors_anew():
    kept_vectors("a", TEXTS, Encoder())
    turned = TEXTS[::-1]
    assert np.array_equal(kept_vectors("a", turned, Encoder()), Encoder()(turned))


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04torn"])
def test_a_broken_file_is_replaced(tmp_path, content):
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "a.npz").write_bytes(content)
    assert np.array_equal(kept_vectors("a", TEXTS, Encoder()), Encoder()(TEXTS))
    second = Encoder()
    kept_vectors("a", TEXTS, second)
    assert second.calls == [4]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "vectors").write_text("a file where the folder should be")
    assert kept_vectors("a", TEXTS, Encoder()).shape == (9, 2)


def test_one_text_is_enough_and_none_is_refused():
    assert kept_vectors("a", ["x"], Encoder()).tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="at least one text"):
        kept_vectors("a", [], Encoder())
