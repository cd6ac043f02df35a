"""The desk of F1: whole, split without a leak, and still what the models say."""

import sys
from collections import Counter
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from course import desk, logprobs, manifest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
DESK = desk.load_desk()


def test_every_kind_has_120_complaints_for_training_and_50_for_the_test():
    counts = Counter(zip(DESK.is_test.tolist(), DESK.y.tolist(), strict=True))
    assert counts == {(False, k): 120 for k in range(8)} | {
        (True, k): 50 for k in range(8)
    }
    assert len(DESK.texts) == len(DESK.y) == len(DESK.vectors)


def test_all_complaints_have_12_to_150_words():
    sizes = [len(text.split()) for text in DESK.texts]
    assert min(sizes) >= 12
    assert max(sizes) <= 150


def test_no_complaint_is_a_near_copy_of_another():
    from make_desk import families

    assert len(set(families(list(DESK.texts)))) == len(DESK.texts)


def test_two_form_letters_are_one_family():
    from make_desk import families

    letter = "this account is not mine and I want it removed from my report at once"
    found = families([letter, letter + " please", "my card was charged twice today"])
    assert found[0] == found[1] != found[2]


def test_vectors_are_unit_rows_of_384():
    for vectors, n in (
        (DESK.vectors, 1360),
        (DESK.name_vectors, 8),
        (DESK.sentence_vectors, 8),
    ):
        assert vectors.shape == (n, 384)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)


def test_a_byte_for_each_number_keeps_the_cosines():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 384))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = desk.unpacked(*desk.packed(vectors))
    assert np.abs(kept @ kept.T - vectors @ vectors.T).max() < 2e-3
    assert (kept * vectors).sum(axis=1).min() > 0.9999


def test_the_file_names_what_it_was_made_with():
    every = manifest.load()
    assert DESK.meta["complaints_sha256"] == [
        it.sha256 for it in every["complaints"].files
    ]
    assert DESK.meta["embedder_sha256"] in {it.sha256 for it in every["minilm"].files}
    for name, found in DESK.prompted.items():
        assert found["sha256"] == every[name].files[0].sha256
        assert DESK.scores(name).shape == (400, 8)
        assert DESK.nulls(name).shape == (3, 8)


def test_what_the_published_split_leaks_is_counted():
    leak = DESK.meta["leak"]
    assert leak["test_rows"] == 3000
    assert 0 < leak["with_a_near_copy_in_train"] < 3000
    assert leak["accuracy_with"] > leak["accuracy_without"] + 0.1
    assert len(leak["pair"]) == 2
    assert leak["pair"][0] != leak["pair"][1]


def test_the_data_ship_with_the_package_and_are_small():
    folder = resources.files("course") / "data"
    for name in (desk.FILE, desk.VECTORS):
        assert len((folder / name).read_bytes()) < 2**20


@pytest.mark.models
def test_the_embedder_still_says_what_the_file_says():
    from course.embed import load_embedder

    rows = [0, 700, 1359]
    live = load_embedder().encode([DESK.texts[i] for i in rows])
    assert np.abs(live - DESK.vectors[rows]).max() < 2e-3
    names = load_embedder().encode(list(desk.NAMES))
    assert np.abs(names - DESK.name_vectors).max() < 2e-3


@pytest.mark.models
def test_the_chat_model_still_says_what_the_file_says():
    from course.llm_local import load_local

    model, asked = load_local("smollm2"), np.flatnonzero(DESK.is_test)
    for row in (5, 333):
        turns = desk.messages(DESK.texts[asked[row]])
        live = logprobs.score(model, turns, desk.NAMES)
        assert live == pytest.approx(DESK.scores("smollm2")[row], abs=0.02)
