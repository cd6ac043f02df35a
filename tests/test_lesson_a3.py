"""Lesson A3: PyTorch and transformers as oracles, the real models, the prose's numbers."""

import math

import numpy as np
import pytest
import torch
from lesson_tools import prose

from course import lesson

A3 = lesson.load("a3")
PROSE = prose("a3")


@pytest.fixture(scope="module")
def a3(run_lesson):
    """The names of the lesson with solutions in place, no real model."""
    return run_lesson("a3")


@pytest.fixture(scope="module")
def shown(run_lesson):
    """The same after every demonstration, with both real models."""
    return run_lesson("a3", demos=True, checks=True)


def tensors(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


def config(heads=4, groups=2, d=8):
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=heads * d,
        intermediate_size=24,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        num_hidden_layers=2,
        vocab_size=50,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
    )


def test_rmsnorm_is_that_of_torch(a3):
    x, w = tensors((6, 10), (10,))
    want = torch.nn.functional.rms_norm(x * 3, (10,), w, eps=1e-5).numpy()
    assert np.allclose(a3["rmsnorm"]((x * 3).numpy(), w.numpy()), want, atol=1e-6)


@pytest.mark.parametrize("start", [0, 7])
def test_rope_is_that_of_transformers(a3, start):
    from transformers.models.llama import modeling_llama

    (q,) = tensors((1, 4, 5, 8))  # (batch, head, token, number)
    rotary = modeling_llama.LlamaRotaryEmbedding(config())
    cos, sin = rotary(q, torch.arange(start, start + 5)[None])
    want, _ = modeling_llama.apply_rotary_pos_emb(q, q, cos, sin)
    got = a3["rope"](q[0].transpose(0, 1).numpy(), 100.0, start)
    assert got.dtype == np.float32
    assert np.allclose(got, want[0].transpose(0, 1).numpy(), atol=1e-5)


def test_attention_is_that_of_torch(a3):
    q, k, v = tensors((6, 9, 8), (6, 3, 8), (6, 3, 8))
    want = torch.nn.functional.scaled_dot_product_attention(
        *(it.transpose(0, 1)[None] for it in (q, k, v)), is_causal=True, enable_gqa=True
    )[0]
    got = a3["attention"](q.numpy(), k.numpy(), v.numpy())
    assert got.dtype == np.float32
    assert np.allclose(got, want.transpose(0, 1).reshape(6, 72).numpy(), atol=1e-5)


def test_two_blocks_are_those_of_transformers(a3):
    from transformers import LlamaModel

    torch.manual_seed(0)
    model = LlamaModel(config()).eval()
    names = {
        "norm1": "input_layernorm",
        "norm2": "post_attention_layernorm",
        **{it: f"self_attn.{it}_proj" for it in "qkvo"},
        **{it: f"mlp.{it}_proj" for it in ("gate", "up", "down")},
    }
    x = model.embed_tokens.weight.detach().numpy()[[3, 1, 4, 1, 5]]
    for layer in model.layers:
        W = {
            short: layer.get_parameter(f"{long}.weight").detach().numpy()
            for short, long in names.items()
        }
        x = a3["block"](x, W, 8, 100.0)
    got = a3["rmsnorm"](x, model.norm.weight.detach().numpy())
    with torch.no_grad():
        want = model(torch.tensor([[3, 1, 4, 1, 5]])).last_hidden_state[0].numpy()
    assert got.dtype == np.float32
    assert np.allclose(got, want, atol=1e-5)


def test_cached_steps_are_the_rows_of_attention(a3):
    q, k, v = (it.numpy() for it in tensors((7, 6, 4), (7, 3, 4), (7, 3, 4)))
    rope = a3["rope"]
    rows = a3["attention"](rope(q, 50.0), rope(k, 50.0), v)
    cache = {it: np.zeros((0, 3, 4), np.float32) for it in "kv"}
    for t in range(7):
        got, cache = a3["step_cached"](q[t], k[t], v[t], cache, 50.0)
        assert got.dtype == np.float32
        assert np.allclose(got, rows[t], atol=1e-6)


def test_only_the_distance_of_two_rotated_vectors_counts(a3):
    q, k = (it.numpy() for it in tensors((1, 1, 8), (1, 1, 8)))
    at = [
        float((a3["rope"](q, 1e3, t) * a3["rope"](k, 1e3, s)).sum())
        for t, s in [(5, 2), (105, 102), (6, 2)]
    ]
    assert at[0] == pytest.approx(at[1], abs=1e-5)
    assert at[0] != pytest.approx(at[2], abs=1e-2)


def test_the_numbers_of_the_prose(a3):
    half = 1e5 ** (62 / 64) * 2 * math.pi
    assert 430_000 < half < 445_000
    assert "about 440,000 tokens" in PROSE
    assert 30 * 2 * 3 * 64 * 4 == 46080
    assert "46,080 bytes" in PROSE
    network, attention = 3 * 576 * 1536, 2 * 576 * 576 + 2 * 192 * 576
    assert network / (network + attention) == pytest.approx(0.75, abs=0.01)
    turned = a3["rope"](np.array([[[1.0, 0.0]]]), 100.0, start=1)
    assert turned.round(4).tolist() == [[[0.5403, 0.8415]]]
    normed = a3["rmsnorm"](np.array([[3.0, 4.0]]), np.ones(2))
    assert normed.round(3).tolist() == [[0.849, 1.131]]
    assert a3["p_toy"].round(3)[1:].tolist() == [[0.5, 0.5, 0], [0.446, 0.108, 0.446]]


@pytest.mark.slow
@pytest.mark.models
def test_the_real_logits_are_those_of_the_library(shown):
    assert shown["difference"] < 1e-3
    assert shown["lm"].decode([int(shown["mine"][-1].argmax())]) == " Paris"
    assert shown["gap"] < 1e-3
    assert "272 arrays, 134,515,008 numbers" in shown["said"]
    assert "134,515,008" in PROSE


@pytest.mark.slow
@pytest.mark.models
def test_the_answer_comes_late_as_the_prose_says(shown):
    ranks = shown["ranks"]
    for rank in ranks.values():
        assert rank[:21].min() > 800
        assert rank[30] == 1
    assert min(ranks[" Paris"][29], ranks[" Tokyo"][29]) > 1
    assert shown["stretch"] == "30"
    first, last = (np.sqrt((shown["stream"][i][-1] ** 2).mean()) for i in (0, 30))
    assert last > 100 * first


@pytest.mark.slow
@pytest.mark.models
def test_a_slip_costs_more_than_a_thousand_times_the_rounding(shown):
    for slip, names in shown["slips"].items():
        logits = shown["with_slip"](**names)
        change = np.abs(logits - shown["theirs"]).max()
        if slip in ("no rotation", "theta of 10,000"):
            assert shown["lm"].decode([int(logits[-1].argmax())]) == " Paris"
        assert (change < 1e-3) if slip == "no slip" else (change > 1)


@pytest.mark.slow
@pytest.mark.models
def test_only_the_encoder_hears_the_end_of_the_sentence(shown):
    assert shown["looks_back"][:4].max() < 1e-6
    assert shown["looks_around"][:4].min() > 0.05
    assert shown["by_encoder"].sum() >= 12
    assert max(shown["by_decoder"].sum(), shown["by_centred"].sum()) <= 7
