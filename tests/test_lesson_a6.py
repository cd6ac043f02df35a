"""Lesson A6: PyTorch and peft as oracles, the real model, the prose's numbers."""

import math
import warnings

import numpy as np
import pytest
import torch
from lesson_tools import prose

from course import lesson

A6 = lesson.load("a6")
PROSE = prose("a6")


def ten_steps(source):
    """Return the demonstrations cut down to ten steps of training."""
    return source.replace("RATE = 30, ", "RATE = 10, ")


@pytest.fixture(scope="module")
def a6(run_lesson):
    """The names of the lesson with solutions in place, no real model."""
    return run_lesson("a6", edit=ten_steps)


@pytest.fixture(scope="module")
def shown(run_lesson):
    """The same after every demonstration, with the real model."""
    return run_lesson("a6", demos=True, edit=ten_steps)


@pytest.fixture(scope="module")
def tiny():
    """A small Llama with random weights, and peft's adapters around it."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "vocab_size": 40}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(**sizes, **heads, num_hidden_layers=3))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    settings = LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"])
    with warnings.catch_warnings():  # peft asks transformers in an old way
        warnings.simplefilter("ignore", FutureWarning)
        return shapes, get_peft_model(model, settings)


def plain(name):
    """Return peft's name of a trained parameter as the lesson writes it."""
    name = name.removeprefix("base_model.model.").removesuffix(".default.weight")
    return name.replace(".lora_", ".")


def test_inject_trains_what_peft_trains(a6, tiny):
    shapes, theirs = tiny
    want = {
        plain(name): tuple(p.shape)
        for name, p in theirs.named_parameters()
        if p.requires_grad
    }
    assert a6["inject"](shapes, ["q_proj", "v_proj"], 3) == want


def test_lora_and_merge_are_those_of_peft(a6, tiny):
    _, theirs = tiny
    layer = theirs.base_model.model.model.layers[1].self_attn.v_proj
    B = layer.lora_B["default"].weight
    torch.nn.init.normal_(B, generator=torch.Generator().manual_seed(1))
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(2))
    A, W = layer.lora_A["default"].weight, layer.base_layer.weight
    with torch.no_grad():
        want = layer(x)
        assert torch.allclose(a6["lora"](x, W, A, B, 6), want, atol=1e-6)
        arrays = [it.detach().numpy() for it in (W, A, B)]
        merged = a6["merge"](*arrays, 6)
        assert np.allclose(x.numpy() @ merged.T, want.numpy(), atol=1e-6)
        delta = layer.get_delta_weight("default").numpy()
    assert np.allclose(merged - arrays[0], delta, atol=1e-6)


def test_the_prose_is_right_about_which_gradients_vanish():
    x, W = torch.randn(5, 4), torch.randn(3, 4)
    for a, b in [(0, 0), (1, 0)]:
        A = (a * torch.randn(2, 4)).requires_grad_()
        B = (b * torch.randn(3, 2)).requires_grad_()
        (x @ W.T + (x @ A.T) @ B.T).square().sum().backward()
        assert not A.grad.any()
        assert bool(B.grad.any()) is (a == 1)


def test_collate_gives_the_loss_that_transformers_computes(a6, tiny):
    _, theirs = tiny
    pairs = [([5, 6, 7], [9]), ([4], [8, 3]), ([1, 2, 3, 4, 5], [6, 7])]
    ids, mask, labels = (torch.tensor(it) for it in a6["collate"](pairs, 0))
    with torch.no_grad():
        logits = theirs(input_ids=ids, attention_mask=mask).logits
        wanted = labels != -100
        mine = torch.nn.functional.cross_entropy(
            logits[wanted], labels[wanted], reduction="sum"
        )
        total = 0.0
        for prompt, answer in pairs:
            own = torch.tensor([[-100] * len(prompt) + answer])
            out = theirs(input_ids=torch.tensor([prompt + answer]), labels=own)
            total += out.loss.item() * len(answer)
    assert mine.item() == pytest.approx(total, rel=1e-5)


def test_train_step_takes_the_steps_of_torch(a6):
    w = torch.tensor([3.0], requires_grad=True)
    sgd = torch.optim.SGD([w], lr=0.1)
    losses = [
        a6["train_step"](lambda batch: (w - batch).square().sum(), sgd, 1.0)
        for _ in range(3)
    ]
    assert losses == pytest.approx([4, 4 * 0.64, 4 * 0.64**2])
    assert all(isinstance(it, float) for it in losses)


def test_the_examples_of_the_prose(a6):
    shapes = {"layers.0.q_proj.weight": (6, 4), "layers.0.norm.weight": (4,)}
    want = {"layers.0.q_proj.A": (2, 4), "layers.0.q_proj.B": (6, 2)}
    assert a6["inject"](shapes, ["q_proj"], 2) == want
    ids, mask, labels = a6["collate"]([([5, 6, 7], [9]), ([4], [8, 3])], 0)
    assert ids.tolist() == [[5, 6, 7], [4, 8, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert labels.tolist() == [[-100, -100, 9], [8, 3, -100]]
    general = {"kind": "general", "tokens": 30, "before": 3.0, "after": 3.2}
    same = {"kind": "general", "tokens": 10, "before": 4.0, "after": 4.0}
    rise, times = a6["forgetting"]([general, same])
    assert rise == pytest.approx(0.15)
    assert round(times, 3) == 1.162
    assert (8 * (576 + 576), 576 * 576) == (9216, 331776)
    assert "9{,}216" in PROSE
    assert "331,776" in PROSE
    assert round(460800 * 4 / 1e6, 1) == 1.8
    assert "a file of 1.8 MB" in PROSE
    assert len(a6["train"]) == len(a6["test"]) == 80


@pytest.mark.slow
@pytest.mark.models
def test_on_the_real_model_hand_and_library_agree(shown):
    assert shown["moved"] == 0
    assert shown["n_trained"] == 460800
    assert shown["n_all"] == 134515008
    assert "base weights unchanged: True" in shown["said"]
    assert shown["merge_error"] < 1e-4
    assert shown["peft_gap"] < 1e-4
    assert shown["peft_merged"] < 1e-4
    assert shown["losses"][:3] == pytest.approx(shown["peft_losses"], rel=1e-3)
    assert shown["back"] < 1e-4
    assert "RATE = 30, 8" in A6.path.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.models
def test_ten_steps_already_move_the_model_towards_the_names(shown):
    assert shown["free_before"].max() == -1, "no name is said before"
    assert 0.125 < np.mean(shown["named_before"] == shown["truth"]) < 0.35
    assert (shown["free_after"] >= 0).any(), "some names are said now"
    assert np.mean(shown["losses"][-3:]) < 0.7 * shown["losses"][0]
    assert math.isclose(shown["times"], math.exp(shown["rise"]))
    assert shown["rise"] > 0, "general text became harder"
