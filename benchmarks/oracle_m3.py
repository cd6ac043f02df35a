"""M3's network against PyTorch: the same start, batches and steps."""

import numpy as np
import torch
from oracle_tools import Row, names_of, timed

LR, EPOCHS, BATCH = 0.5, 30, 32


def rows() -> list[Row]:
    """Return the distance of the test accuracies and of the trained weights."""
    torch.set_num_threads(1)
    m3 = names_of("m3")
    start = m3["he_init"]((64, 64, 10), 0)
    X, y = m3["X_train"], m3["y_train"]
    work = (LR, EPOCHS, BATCH, 0)
    (ours, _), our_s = timed(lambda: m3["train"](start, X, y, *work), 2)
    theirs, their_s = timed(lambda: trained(start, X, y), 2)
    z = m3["logits"]([m3["Tensor"](p) for p in ours], m3["X_test"]).data
    with torch.no_grad():
        z_theirs = logits(theirs, torch.tensor(m3["X_test"])).numpy()
    pairs = zip(ours, theirs, strict=True)
    return [
        Row(
            "m3",
            "test accuracy, digits, 30 epochs; largest distance of 4,810 weights",
            float(np.mean(z.argmax(axis=1) == m3["y_test"])),
            "torch autograd and SGD",
            float(np.mean(z_theirs.argmax(axis=1) == m3["y_test"])),
            max(float(np.abs(a - b.detach().numpy()).max()) for a, b in pairs),
            1e-6,
            our_s,
            their_s,
        )
    ]


def logits(net: list[torch.Tensor], X: torch.Tensor) -> torch.Tensor:
    """Return the logits of a network with one hidden layer."""
    return (X @ net[0] + net[1]).relu() @ net[2] + net[3]


def trained(
    start: list[np.ndarray], X: np.ndarray, y: np.ndarray
) -> list[torch.Tensor]:
    """Return the parameters after the lesson's training, in PyTorch."""
    net = [torch.tensor(p, requires_grad=True) for p in start]
    sgd = torch.optim.SGD(net, lr=LR)
    inputs, classes = torch.tensor(X), torch.tensor(y)
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = rng.permutation(len(X))
        for i in range(0, len(X), BATCH):
            rows = torch.tensor(order[i : i + BATCH])
            sgd.zero_grad()
            loss = torch.nn.functional.cross_entropy(
                logits(net, inputs[rows]), classes[rows]
            )
            loss.backward()  # type: ignore[no-untyped-call]
            sgd.step()
    return net
