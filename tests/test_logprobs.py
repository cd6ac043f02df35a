"""The frozen tables of lesson A2: whole, of these tickets, and still what the model says."""

import hashlib
from importlib import resources

import numpy as np
import pytest

from course import logprobs, manifest
from course.tickets import INTENTS, load_tickets

TABLES = logprobs.load_tables()
TICKETS = load_tickets()


def test_every_prompt_has_a_row_for_every_ticket_and_for_every_null():
    assert set(TABLES.data["scores"]) == set(logprobs.PROMPTS)
    for name in logprobs.PROMPTS:
        assert TABLES.scores(name).shape == (160, 8)
        assert TABLES.nulls(name).shape == (3, 8)
        assert (TABLES.scores(name) < 0).all()
        assert (np.exp(TABLES.scores(name)).sum(axis=1) <= 1).all()
    for name in logprobs.WRITTEN:
        assert len(TABLES.texts(name)) == 160


def test_the_tables_are_of_these_tickets_and_of_the_manifests_model():
    file = resources.files("course") / "data" / "tickets.json"
    assert (
        TABLES.meta["tickets_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    )
    asset = manifest.load()[TABLES.meta["model"]]
    assert TABLES.meta["sha256"] == asset.files[0].sha256
    assert TABLES.meta["dtype"] == "float32"


def test_the_rows_are_the_tickets_of_dev_and_test_in_their_order():
    assert list(TABLES.tickets) == TICKETS.of_split("dev", "test")
    assert TABLES.is_dev.sum() == 80
    assert [INTENTS[k] for k in TABLES.truth] == [t.intent for t in TABLES.tickets]


@pytest.mark.parametrize(("per_label", "draw"), set(logprobs.PROMPTS.values()))
def test_shots_come_from_train_and_each_label_has_as_many(per_label, draw):
    shots = logprobs.draw_shots(TICKETS, per_label, draw)
    assert len(set(shots)) == 8 * per_label
    train = {(t.text, t.intent) for t in TICKETS.of_split("train")}
    assert set(shots) <= train
    for intent in INTENTS:
        assert sum(label == intent for _, label in shots) == per_label


def test_other_draws_are_other_shots():
    assert len({tuple(logprobs.draw_shots(TICKETS, 1, d)) for d in range(3)}) == 3


@pytest.mark.models
@pytest.mark.parametrize(("name", "rows"), [("0", [0, 90]), ("8b", [33])])
def test_the_model_still_says_what_the_tables_say(name, rows):
    from course.llm_local import load_local

    model = load_local(TABLES.meta["model"])
    shots = logprobs.draw_shots(TICKETS, *logprobs.PROMPTS[name])
    for row in rows:
        turns = logprobs.messages(shots, TABLES.tickets[row].text)
        now = logprobs.score(model, turns, INTENTS)
        assert np.abs(now - TABLES.scores(name)[row]).max() < 0.01


@pytest.mark.models
def test_a_label_of_two_tokens_has_the_probability_of_both():
    from course.llm_local import load_local

    model = load_local("smollm2")
    turns = logprobs.messages([], "Where is it?")
    first, whole = logprobs.score(model, turns, ["order", "order status"])
    ids = model.encode(model.render(turns) + "Topic: order status")
    logits = model.logits(ids).astype(float)[-2]
    after = logits[ids[-1]] - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
    assert whole == pytest.approx(first + after, abs=1e-3)
