"""Lesson M6: its bars, the numbers in its prose, its proof, PyTorch as an oracle."""

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def m6(run_lesson):
    """The names of the lesson with solutions in place, demonstrations left out."""
    return run_lesson("m6")


@pytest.fixture(scope="module")
def shown(run_lesson):
    """The same, with its networks trained."""
    return run_lesson("m6", demos=True, checks=True)


@pytest.mark.parametrize(
    ("B", "C", "H", "W", "F", "k", "pad"),
    [(2, 3, 6, 7, 4, 3, 0), (3, 1, 5, 4, 2, 3, 2), (1, 2, 5, 5, 3, 1, 1)],
)
def test_the_layer_and_its_gradients_are_torchs(m6, B, C, H, W, F, k, pad):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(B, C, H, W)), rng.normal(size=(F, C, k, k))
    xt, wt = (torch.tensor(a, requires_grad=True) for a in (x, w))
    out = torch.nn.functional.conv2d(xt, wt, padding=pad)
    g = rng.normal(size=out.shape)
    out.backward(torch.tensor(g))
    dx, dw = m6["conv_back"](g, x, w, pad)
    for mine, theirs in [
        (m6["conv2d"](x, w, pad), out.detach()),
        (m6["layer"](x, w, pad), out.detach()),
        (dx, xt.grad),
        (dw, wt.grad),
    ]:
        assert np.allclose(mine, theirs.numpy(), atol=1e-12)
    columns = torch.nn.functional.unfold(torch.tensor(x), k, padding=pad)
    flat = m6["im2col"](x, k, pad).reshape(B, -1, C * k * k)
    assert np.array_equal(flat, columns.numpy().transpose(0, 2, 1))


def test_a_network_s_gradients_are_torchs_autograd(m6):
    net = m6["start"]("max", (1, 10, 10), 3, 4, 0)
    X, y = m6["X_train"][:9], m6["y_train"][:9]
    mine = m6["gradients"](net, X, y)
    w1, w2, V, c = (torch.tensor(w, requires_grad=True) for w in net["weights"])
    conv = torch.nn.functional.conv2d
    h = conv(conv(torch.tensor(X), w1, padding=2).relu(), w2, padding=2).relu()
    z = h.amax(dim=(2, 3)) @ V.T + c
    torch.nn.functional.cross_entropy(z, torch.tensor(y)).backward()
    for a, b in zip(mine, (w1, w2, V, c), strict=True):
        assert np.allclose(a, b.grad.numpy(), atol=1e-5)


def test_max_back_gives_a_tie_to_the_first_as_torch_does(m6):
    x = np.array([[[[1.0, 3.0], [3.0, 2.0]]]])
    got = m6["max_back"](np.array([[5.0]]), x)
    assert got.tolist() == [[[[0, 5], [0, 0]]]]
    xt = torch.tensor(x, requires_grad=True)
    (5 * torch.nn.functional.max_pool2d(xt, 2)).sum().backward()
    assert got.tolist() == xt.grad.tolist()


def test_the_worked_example_is_what_the_functions_return(m6):
    x, w = m6["picture"][None, None] * 1.0, m6["kernel"][None, None] * 1.0
    assert m6["conv2d"](x, w, 0)[0, 0].tolist() == [[1, 8], [-1, 0]]
    assert m6["im2col"](x, 2, 0)[0, 0, 0].tolist() == [1, 2, 0, 1]


def test_full_convolution_without_a_bias_is_invariant_and_pad_1_is_not(m6):
    x = m6["X_test"][:50]
    moved = np.zeros_like(x)
    moved[:, :, :, 1:] = x[:, :, :, :-1]
    for pad, is_same in [(2, True), (1, False)]:
        net = m6["start"]("max", (1, 10, 10), 8, 32, 0, pad)
        a, b = (m6["forward"](net, it)[0] for it in (x, moved))
        assert np.allclose(a, b, atol=1e-5) == is_same
    flat = m6["start"]("flat", (1, 10, 10), 8, 4, 0)
    a, b = (m6["forward"](flat, it)[0] for it in (x, moved))
    assert not np.allclose(a, b, atol=0.1)


def test_a_shift_by_one_loses_no_ink(m6):
    edge = m6["X_test"].copy()
    edge[:, :, 1:-1, 1:-1] = 0
    assert edge.sum() == 0
    assert len(m6["X_test"]) == 397


@pytest.mark.slow
@pytest.mark.models
def test_the_networks_do_what_the_prose_says(shown):
    gaps, sizes = shown["gaps"], shown["sizes"]
    clean, moved = gaps["conv + global max"]
    assert clean >= 0.96
    assert moved >= 0.93
    assert abs(clean - moved) < 1 / 397 / 2, "equal, not nearly so"
    assert gaps["MLP"][0] > 0.95
    assert gaps["MLP"][1] < 0.5, "fewer than half"
    assert gaps["conv + flatten"][0] > 0.9
    assert gaps["conv + flatten"][0] - gaps["conv + flatten"][1] > 0.4
    assert sizes["conv + global max"] < 0.35 * sizes["conv + flatten"]
    rim = gaps["the same, pad 1"]
    assert rim[0] - rim[1] > 0.005
    cured = gaps["conv + flatten, augmented"]
    assert abs(cured[0] - cured[1]) < 0.05
    assert cured[1] > 0.8
    assert shown["drop"] > 0.25
    assert "figure says" in shown["said"]


@pytest.mark.slow
@pytest.mark.models
def test_on_centred_clothes_invariance_costs_and_on_moved_ones_it_wins(shown):
    worn = shown["worn"]
    assert worn["MLP"][0] > worn["conv + global max"][0] + 0.02
    assert worn["conv + global max"][1] > worn["MLP"][1] + 0.05
    assert shown["torch_error"] < 1e-4
    assert shown["apart"] < 1e-5
