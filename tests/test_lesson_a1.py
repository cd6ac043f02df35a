"""What lesson A1 says of numbers, of the template and of the real model."""

import math
import re

import numpy as np
import pytest

from course import lesson
from course.llm import user

A1 = lesson.load("a1")
PROSE = "\n".join(cell.source for cell in A1.cells if cell.role == "markdown")
QUESTION = "What is the capital of Japan?"


@pytest.fixture(scope="module")
def solved(run_lesson):
    """The names that a learner has at the end: the solutions, no live model."""
    return run_lesson("a1")


@pytest.fixture(scope="module")
def lm():
    """The model of the demonstrations."""
    from course.llm import load_local

    return load_local("smollm2")


def table_row(label):
    """Return the numbers of the row of the worked example that begins so."""
    line = next(line for line in PROSE.splitlines() if line.startswith(f"| {label}"))
    return [float(cell) for cell in line.split("|")[2:6]]


@pytest.mark.parametrize(
    ("label", "knobs"),
    [
        ("probability", {}),
        ("`top_k=2`", {"top_k": 2}),
        ("`top_p=0.8`", {"top_p": 0.8}),
        ("`top_p=0.6`", {"top_p": 0.6}),
    ],
)
def test_the_table_of_the_worked_example_is_right(solved, label, knobs):
    probs = solved["next_probs"](solved["scores"], **knobs)
    assert np.round(probs, 3).tolist() == table_row(label)


def test_the_running_sum_of_the_worked_example_is_right(solved):
    sums = np.cumsum(solved["next_probs"](solved["scores"]))
    assert np.round(sums, 3).tolist() == table_row("sum so far")


def test_the_entropy_grows_with_temperature_as_the_lesson_says(solved):
    z, T, h = np.array([2.0, 1.0, 0.0, -1.0, 0.3]), 1.3, 1e-5

    def entropy(temperature):
        p = solved["next_probs"](z, T=temperature)
        return -(p * np.log(p)).sum()

    p = solved["next_probs"](z, T=T)
    variance = (p * z**2).sum() - (p * z).sum() ** 2
    slope = (entropy(T + h) - entropy(T - h)) / (2 * h)
    assert slope == pytest.approx(variance / T**3, rel=1e-6)


@pytest.mark.parametrize("T", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("top_k", [None, 5])
@pytest.mark.parametrize("top_p", [None, 0.35, 0.9])
def test_next_probs_is_what_transformers_does(solved, T, top_k, top_p):
    import torch
    from transformers import (
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    logits = np.random.default_rng(3).normal(scale=2.0, size=200)
    scores = TemperatureLogitsWarper(T)(None, torch.tensor(logits)[None])
    if top_k is not None:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p is not None:
        scores = TopPLogitsWarper(top_p)(None, scores)
    want = torch.softmax(scores[0], dim=-1).numpy()
    got = solved["next_probs"](logits, T=T, top_k=top_k, top_p=top_p)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-12)


def test_four_attempts_wait_as_long_as_the_lesson_says(solved):
    waits = []
    with pytest.raises(RuntimeError, match="503"):
        solved["with_retry"](lambda: (503, "busy"), 4, 0.5, waits.append)
    assert "For $n = 4$ and $b = 0.5$ that is 3.5 seconds" in PROSE
    assert sum(waits) == 0.5 * (2**3 - 1) == 3.5


def test_the_example_of_each_text_is_what_the_solution_gives(solved):
    ids = [0, 1, 2]
    logits = np.log(solved["rows"])
    assert solved["sequence_logprob"](logits, ids) == pytest.approx(-0.9163, abs=5e-5)
    shown = re.search(r'"(<\|im_start\|>system\\nBe brief[^"]*)"', PROSE).group(1)
    msgs = [{"role": "system", "content": "Be brief."}, user("Hi")]
    assert solved["render_chat"](msgs) == shown.replace("\\n", "\n")


def test_the_template_shown_in_the_prose_is_the_templates(solved):
    shown = re.search(r"```text\n(.*?)\n```", PROSE, re.DOTALL).group(1)
    assert solved["render_chat"]([user(QUESTION)]) == shown


@pytest.mark.models
def test_the_template_is_the_models_own(solved):
    from course import assets

    own = (assets.path("smollm2") / "chat_template.jinja").read_text(encoding="utf-8")
    assert solved["TEMPLATE"] == own


@pytest.mark.models
@pytest.mark.parametrize("roles", ["u", "su", "uau", "usu", "suaua"])
def test_render_chat_is_what_the_tokenizer_writes(solved, lm, roles):
    names = {"u": "user", "s": "system", "a": "assistant"}
    msgs = [{"role": names[r], "content": f" {i}\n灯 "} for i, r in enumerate(roles)]
    assert solved["render_chat"](msgs) == lm.render(msgs)


@pytest.mark.models
def test_the_tokens_are_counted_rightly_in_the_prose(solved, lm):
    billed = len(lm.encode(solved["render_chat"]([user(QUESTION)])))
    own = len(lm.encode(QUESTION))
    assert (own, billed, billed - own) == (7, 37, 30)
    assert lm.chat([user(QUESTION)], max_tokens=1).prompt_tokens == billed
    assert lm.encode("Paris") == [38634]
    assert lm.encode(" Paris") == [7042]
    assert lm.pieces(lm.encode("Lampa")) == ["L", "ampa"]
    assert lm.pieces(lm.encode(" 4711")) == [" ", "4", "7", "1", "1"]
    assert lm.encode("<|im_end|>") == [2] == list(lm.eos_ids)
    assert lm.n_vocabulary == 49152


@pytest.mark.models
def test_the_nucleus_of_a_hot_distribution_is_as_wide_as_told(solved, lm):
    logits = lm.step(lm.encode(lm.render([user(QUESTION)])))
    probs = solved["next_probs"](logits, T=1.5, top_p=0.9)
    assert np.count_nonzero(probs) > 1000


@pytest.mark.models
def test_generate_writes_what_the_library_writes(solved, lm):
    prompt = lm.encode(solved["render_chat"]([user(QUESTION)]))
    ids = solved["generate"](lm.step, prompt, 40, lm.eos_ids)
    assert lm.decode(ids) == lm.chat([user(QUESTION)], max_tokens=40).text
    assert "Tokyo" in lm.decode(ids)


SENTENCES = [
    "The capital of Japan is Tokyo, and the capital of France is Paris.",
    "The capital of Japan is Paris, and the capital of France is Tokyo.",
    "The lamp on the table is broken, so we ordered a new giraffe.",
]


@pytest.mark.models
@pytest.mark.parametrize("text", SENTENCES)
def test_the_logprob_is_transformers_loss(solved, lm, text):
    import torch
    from transformers import AutoModelForCausalLM

    from course import assets, hub

    library = hub.load_weights(AutoModelForCausalLM, assets.path("smollm2"))
    ids = lm.encode(text)
    batch = torch.tensor([ids])
    with torch.inference_mode():
        loss = float(library(batch, labels=batch).loss)
    got = solved["sequence_logprob"](lm.logits(ids), ids)
    assert got == pytest.approx(-loss * (len(ids) - 1), abs=1e-3)


@pytest.mark.models
def test_the_surprises_are_as_the_prose_says(solved, lm):
    bits = []
    for text in SENTENCES:
        ids = lm.encode(text)
        z = lm.logits(ids)
        score = solved["sequence_logprob"]
        log_p = [score(z[t - 1 : t + 1], ids[t - 1 : t + 1]) for t in range(1, 15)]
        assert math.fsum(log_p) == pytest.approx(score(z, ids), abs=1e-6)
        bits.append([-value / math.log(2) for value in log_p])
    right, swapped, giraffe = bits
    assert right[4] < 1  # Tokyo
    assert swapped[4] > 10  # Paris
    assert swapped[10] < right[10] / 2  # France
    assert right[0] > swapped[4]  # " capital" near the beginning
    assert giraffe[0] > swapped[4]  # " lamp"
    assert giraffe[9] > giraffe[12]  # " ordered", " giraffe"


@pytest.mark.slow
@pytest.mark.models
def test_the_temperature_grid_shows_what_the_prose_says(solved, lm):
    prompt, known = lm.encode(lm.render([user(QUESTION)])), {}

    def step(ids):
        if tuple(ids) not in known:
            known[tuple(ids)] = lm.step(ids)
        return known[tuple(ids)]

    def answers(T, top_p=None):
        choose = solved["sampler"](T=T, top_p=top_p, seed=0)
        new = (
            solved["generate"](step, prompt, 10, lm.eos_ids, choose) for _ in range(20)
        )
        return [lm.decode(ids) for ids in new]

    def n_named(texts):
        return sum("Tokyo" in text for text in texts)

    cold, warm, hot, cut = (answers(*it) for it in [(0.2,), (0.7,), (1.5,), (1.5, 0.5)])
    assert n_named(cold) == 20
    assert len(set(cold)) == 1
    assert n_named(warm) >= 18
    assert len(set(warm)) > 1
    assert n_named(hot) <= 5  # the truth of the prediction
    assert n_named(cut) > 10
