"""Judges a decision tree of gradient boosting: what is wrong with it, in words.

A tree is a number (a leaf) or `(column, b, left, right)`: rows whose bin in that column
is at most `b` go left. Slow and obvious: it tries every question at every node.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CRUMB = 1e-9  # a gain below this is rounding


def follow(tree: object, row: Sequence[int]) -> float:
    """Return the value of the leaf that one row of bin numbers ends in.

    >>> follow((0, 2, -1.0, 0.5), [3])
    0.5
    """
    while isinstance(tree, tuple | list):
        tree = tree[2] if row[int(tree[0])] <= tree[1] else tree[3]
    return float(tree)  # type: ignore[arg-type]


def gains(Xb: Ints, g: Floats, h: Floats, lam: float) -> Floats:
    """Return the gain of every question on every column, shape (D, bins).

    The gain is how much more the second-order loss falls with two leaves than with
    one. Source: Chen & Guestrin (2016), equation 7.

    Args:
        Xb: bin numbers, shape (N, D).
        g: first derivatives of the loss, shape (N,).
        h: second derivatives, shape (N,).
        lam: the penalty's strength.
    """
    out = np.zeros((Xb.shape[1], int(Xb.max()) + 1))
    whole = fall(g, h, lam)
    for j, b in np.ndindex(*out.shape):
        goes = Xb[:, j] <= b
        out[j, b] = fall(g[goes], h[goes], lam) + fall(g[~goes], h[~goes], lam)
    return out - whole


def fall(g: Floats, h: Floats, lam: float) -> float:
    """Return how far one leaf for these rows lets the loss fall."""
    return float(g.sum() ** 2 / (h.sum() + lam) / 2)


def flaw(
    tree: object,
    Xb: Ints,
    g: Floats,
    h: Floats,
    depth: int,
    lam: float,
    path: str = "at the root",
    above: float | None = None,
) -> str | None:
    """Return what is wrong with a tree grown on these rows; None if it is right.

    Args:
        tree: what the learner's function gave.
        Xb: bin numbers, shape (N, D).
        g: first derivatives, shape (N,).
        h: second derivatives, shape (N,).
        depth: how many questions may still be asked.
        lam: the penalty's strength.
        path: where we are, for the message.
        above: what a leaf of the parent's rows would say, to recognise it.
    """
    table = gains(Xb, g, h, lam)
    value = float(-g.sum() / (h.sum() + lam))
    if not isinstance(tree, tuple | list):
        return _leaf_flaw(tree, depth, table, value, path, above)
    found = _question_flaw(tree, depth, table, path)
    if found:
        return found
    j, b, left, right = tree
    goes = Xb[:, int(j)] <= b
    sides = [(goes, "left", left), (~goes, "right", right)]
    for rows, side, child in sides:
        where = f"{side} of column {j}, bin {b},"
        below = (Xb[rows], g[rows], h[rows], depth - 1, lam)
        found = flaw(child, *below, path=where, above=value)
        if found and _are_swapped(tree, Xb, g, h, depth, lam):
            return f"{path} left and right are swapped: bin ≤ b goes left."
        if found:
            return found
    return None


def _leaf_flaw(
    leaf: object,
    depth: int,
    table: Floats,
    value: float,
    path: str,
    above: float | None,
) -> str | None:
    if not isinstance(leaf, int | float | np.number):
        return f"{path} stands {leaf!r}; a leaf is a number."
    if depth > 0 and table.max() > CRUMB:
        return (
            f"{path} the tree stops, though {depth} more questions are allowed and "
            f"one gains {table.max():.4f}."
        )
    said = float(leaf)
    if np.isclose(said, value, rtol=1e-5, atol=1e-8):
        return None
    if above is not None and np.isclose(said, above, rtol=1e-5):
        return (
            f"{path} the leaf is {said:.4f}, computed from all the payments of its "
            f"parent. Hand each child the g and h of its own rows: {value:.4f}."
        )
    return f"{path} the leaf is {said:.4f}; it must be {value:.4f}."


def _question_flaw(
    tree: Sequence[object], depth: int, table: Floats, path: str
) -> str | None:
    if len(tree) != 4:
        return f"{path} the tree has {len(tree)} parts, not (column, b, left, right)."
    if depth <= 0:
        return f"{path} there is a question more than depth allows. Count down."
    if table.max() <= CRUMB:
        return f"{path} a question is asked that gains nothing: make a leaf."
    j, b = int(str(tree[0])), int(str(tree[1]))
    if not (0 <= j < table.shape[0] and 0 <= b < table.shape[1]):
        return f"{path} the question is ({j}, {b}): there is no such bin."
    if table[j, b] < table.max() - CRUMB:
        best = np.unravel_index(np.argmax(table), table.shape)
        return (
            f"{path} column {j}, bin {b} gains {table[j, b]:.4f} for the payments "
            f"that are here; column {best[0]}, bin {best[1]} gains "
            f"{table.max():.4f}. Ask every column, with g and h of these rows."
        )
    return None


def _are_swapped(
    tree: Sequence[object], Xb: Ints, g: Floats, h: Floats, depth: int, lam: float
) -> bool:
    """Whether both subtrees are right for the other side's rows."""
    j, b, left, right = tree
    goes = Xb[:, int(str(j))] <= int(str(b))
    return all(
        flaw(child, Xb[rows], g[rows], h[rows], depth - 1, lam) is None
        for child, rows in ((left, ~goes), (right, goes))
    )
