"""M6's convolution and its gradient against PyTorch, and the networks they train."""

from typing import Any

import numpy as np
import torch
from oracle_tools import Row, names_of, timed

LR, EPOCHS, BATCH, PAD = 0.03, 3, 64, 2


def rows() -> list[Row]:
    """Return the distance of one layer's results, and of short training's weights."""
    torch.set_num_threads(1)
    m6 = names_of("m6")
    return [one_layer(m6), training(m6)]


def one_layer(m6: dict[str, Any]) -> Row:
    """Forward and backward of 64 pictures with 8 channels, 32 kernels of 3 x 3."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8, 12, 12)).astype(np.float32)
    w = rng.normal(size=(32, 8, 3, 3)).astype(np.float32)
    g = rng.normal(size=(64, 32, 14, 14)).astype(np.float32)

    def theirs() -> list[np.ndarray]:
        xt, wt = (torch.tensor(a, requires_grad=True) for a in (x, w))
        out = torch.nn.functional.conv2d(xt, wt, padding=PAD)
        out.backward(torch.tensor(g))  # type: ignore[no-untyped-call]
        assert xt.grad is not None
        assert wt.grad is not None
        return [it.detach().numpy() for it in (out, xt.grad, wt.grad)]

    def ours() -> list[np.ndarray]:
        return [m6["layer"](x, w, PAD), *m6["conv_back"](g, x, w, PAD)]

    (mine, our_s), (other, their_s) = timed(ours), timed(theirs)
    pairs = zip(mine, other, strict=True)
    return Row(
        "m6",
        "a layer forwards and backwards, float32; largest relative difference",
        float(np.linalg.norm(mine[0])),
        "torch conv2d and autograd",
        float(np.linalg.norm(other[0])),
        max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs),
        1e-4,
        our_s,
        their_s,
    )


def training(m6: dict[str, Any]) -> Row:
    """The same start, batches and steps: SGD with momentum, a global maximum."""
    X, y = m6["X_train"], m6["y_train"]

    def ours() -> float:
        net = m6["start"]("max", X.shape[1:], 8, 32, 0)
        speeds = [0 * w for w in net["weights"]]
        rng = np.random.default_rng(0)
        for _ in range(EPOCHS):
            m6["learn"](net, X, y, LR, speeds, rng, BATCH)
        said = m6["classes"](net, m6["X_test"])
        return float(np.mean(said == m6["y_test"]))

    (mine, our_s), (other, their_s) = timed(ours, 1), timed(lambda: trained(m6), 1)
    return Row(
        "m6",
        "test accuracy, digits, conv and global max, 3 epochs",
        mine,
        "torch autograd and SGD",
        other,
        abs(mine - other),
        0.02,
        our_s,
        their_s,
    )


def trained(m6: dict[str, Any]) -> float:
    """Return the test accuracy of the same training in PyTorch."""
    start = m6["start"]("max", m6["X_train"].shape[1:], 8, 32, 0)["weights"]
    net = [torch.tensor(w, requires_grad=True) for w in start]
    sgd = torch.optim.SGD(net, lr=LR, momentum=0.9)
    X, y = torch.tensor(m6["X_train"]), torch.tensor(m6["y_train"])
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = rng.permutation(len(X))
        for at in range(0, len(X), BATCH):
            rows = torch.tensor(order[at : at + BATCH])
            sgd.zero_grad()
            torch.nn.functional.cross_entropy(logits(net, X[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            sgd.step()
    with torch.no_grad():
        said = logits(net, torch.tensor(m6["X_test"])).argmax(dim=1).numpy()
    return float(np.mean(said == m6["y_test"]))


def logits(net: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return the logits of two convolutions, a global maximum and a matrix."""
    conv = torch.nn.functional.conv2d
    h = conv(conv(x, net[0], padding=PAD).relu(), net[1], padding=PAD).relu()
    return h.amax(dim=(2, 3)) @ net[2].T + net[3]
