"""Lesson M3: its bars, the numbers in its prose, and PyTorch as an oracle."""

import numpy as np
import pytest
import torch
from lesson_tools import prose


@pytest.fixture(scope="module")
def m3(run_lesson):
    """The names of the lesson with solutions in place, figures left out."""
    return run_lesson("m3")


@pytest.fixture(scope="module")
def shown(run_lesson):
    """The same, after its figures were drawn."""
    return run_lesson("m3", demos=True, checks=True)


def test_the_learners_gradients_are_those_of_torch_for_a_deep_network(m3):
    params = m3["he_init"]((6, 5, 4, 3), 1)
    X, y = np.random.default_rng(2).normal(size=(7, 6)), np.arange(7) % 3
    net = [m3["Tensor"](p) for p in params]
    m3["cross_entropy"](m3["logits"](net, X), y).backward()
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    h = torch.tensor(X)
    for i in (0, 2, 4):
        h = (h.relu() if i else h) @ theirs[i] + theirs[i + 1]
    torch.nn.functional.cross_entropy(h, torch.tensor(y)).backward()
    for mine, other in zip(net, theirs, strict=True):
        assert np.allclose(mine.grad, other.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("full", "shape"),
    [((4, 3, 5), (3, 1)), ((4, 3, 5), (1, 1, 5)), ((2, 3), ()), ((5,), (5,))],
)
def test_unbroadcast_is_torchs_sum_to_size(m3, full, shape):
    g = np.random.default_rng(0).normal(size=full)
    want = torch.tensor(g).sum_to_size(shape).numpy()
    assert np.allclose(m3["unbroadcast"](g, shape), want)


def test_training_takes_the_steps_of_torchs_sgd(m3):
    params, X, y = m3["he_init"]((64, 8, 10), 0), m3["X_train"], m3["y_train"]
    got, losses = m3["train"](params, X, y, 0.1, 3, len(X), seed=0)
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    sgd = torch.optim.SGD(theirs, lr=0.1)
    for loss in losses:
        sgd.zero_grad()
        h = (torch.tensor(X) @ theirs[0] + theirs[1]).relu() @ theirs[2] + theirs[3]
        out = torch.nn.functional.cross_entropy(h, torch.tensor(y))
        out.backward()
        sgd.step()
        assert loss == pytest.approx(out.item(), rel=1e-9)
    for mine, other in zip(got, theirs, strict=True):
        assert np.allclose(mine, other.detach().numpy(), atol=1e-10)


def test_the_examples_of_the_prose_are_what_the_functions_return(m3):
    g = np.array([[1.0, 2, 3], [4, 5, 6]])
    assert m3["unbroadcast"](g, (3,)).tolist() == [5, 7, 9]
    assert m3["unbroadcast"](g, (2, 1)).tolist() == [[6], [15]]
    assert m3["unbroadcast"](g, (1, 3)).tolist() == [[5, 7, 9]]
    assert m3["unbroadcast"](g, ()) == 21
    A, B = np.array([[2.0, 3.0]]), np.array([[4.0], [5.0]])
    dA, dB = m3["matmul_back"](np.array([[1.0]]), A, B)
    assert (dA.tolist(), dB.tolist()) == ([[4, 5]], [[2], [3]])
    graph = {"a": [], "b": [], "s": ["a", "b"], "y": ["s", "a"]}
    assert m3["topo"](graph, "y") in (["a", "b", "s", "y"], ["b", "a", "s", "y"])
    half = m3["ce_grad"](np.zeros((2, 2)), np.array([0, 1]))
    assert half.tolist() == [[-0.25, 0.25], [0.25, -0.25]]


def test_the_sizes_that_the_prose_names_are_those_of_the_lesson(m3):
    weights = sum(p.size for p in m3["he_init"]((64, 64, 10), 0))
    small = sum(p.size for p in m3["he_init"]((64, 16, 10), 0))
    text = prose("m3")
    assert f"{weights:,} weights" in text
    assert f"{2 * weights:,} for the {weights:,} weights" in text
    assert f"{small:,} weights" in text
    assert 3.5e6 < (32 * 64) ** 2 < 4.5e6
    assert "about four million" in text
    assert len(m3["y_train"]) == 1400
    assert len(m3["y_test"]) == 397


@pytest.mark.slow
def test_the_gradient_passes_the_bar_and_agrees_with_torch(shown):
    assert shown["gradient_error"] < 1e-6
    assert shown["torch_error"] < 1e-12
    assert shown["by_step"][0] > 1e-6
    assert shown["by_step"][-1] > 1e-6


@pytest.mark.slow
def test_only_hes_start_trains_eight_layers_as_the_prose_says(shown):
    assert shown["reached"] == (1,)
    assert "figure says 'only 1'" in shown["said"]
    loss, scores = shown["deep"][2][1:]
    assert np.isnan(loss).mean() > 0.9, "factor 2: the loss stops being a number"
    assert max(scores) < 0.2
    assert 0.2 < shown["deep"][0.5][2][-1] < 0.9, "factor 0.5 learns late"
    start, end = shown["deep_start"](0), shown["deep"][0][0]
    moved = [not np.array_equal(a, b) for a, b in zip(start, end, strict=True)]
    assert moved == [False] * 17 + [True], "factor 0: only the last bias moves"


@pytest.mark.slow
def test_half_the_weights_leave_a_256th_of_the_signal(shown):
    signals = shown["signals"]
    assert signals[1][-1] / signals[0.5][-1] == pytest.approx(256)
    assert signals[2][-1] / signals[1][-1] == pytest.approx(256)
    assert 0.25 < signals[1][-1] / signals[1][0] < 4, "He keeps the size"


@pytest.mark.slow
def test_the_network_reads_digits_above_the_bar_and_a_little_above_a_line(shown):
    assert shown["scores"][-1] >= 0.95
    assert shown["n_weights"] == 4810
    gap = shown["scores"][-1] - shown["straight"]
    assert gap < 3 * shown["error"], "the standard error is of the gap's size"
    assert 0.004 < np.mean(shown["gaps"]) < 0.016, "about one image in a hundred"
    assert shown["certain"][shown["missed"]].mean() > 0.5, "usually sure when wrong"


def test_one_hidden_layer_forgives_every_factor_but_zero(m3):
    for factor in (0, 0.5, 2):
        start = [factor * p for p in m3["he_init"]((64, 64, 10), 0)]
        X, y = m3["X_train"], m3["y_train"]
        params, _ = m3["train"](start, X, y, 0.1, 20, 32, seed=0)
        z = m3["logits"]([m3["Tensor"](p) for p in params], m3["X_test"]).data
        good = np.mean(z.argmax(axis=1) == m3["y_test"]) >= 0.90
        assert good == (factor != 0)
