"""Judges a gradient: finite differences, which need nothing but the function itself.

Slow (two values of the function for each weight) and never quite exact, but simple
enough to be believed: `torch.autograd.gradcheck` works the same way.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def numeric_grad(f: Callable[[Floats], float], x: ArrayLike, h: float = 1e-5) -> Floats:
    """Return the gradient of `f` at `x` by central differences, of the shape of `x`.

    The error is about h²·f'''/6 (truncation) plus 1e-16·|f|/h (rounding): smallest
    near h = 1e-5, where ten digits are right if `f` is smooth. At a kink, such as
    relu's, the answer is a mean of the slopes on both sides.

    Args:
        f: gives one number for an array of the shape of `x`.
        x: where; it is not changed.
        h: the step to each side.

    Raises:
        ValueError: `h` is not above 0.

    >>> numeric_grad(lambda x: float(np.sum(x**2)), [1.0, -3.0]).round(6).tolist()
    [2.0, -6.0]
    """
    if not h > 0:
        raise ValueError(f"h must be above 0 (a step), got {h!r}")
    point = np.array(x, dtype=np.float64)
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        here = point[index]
        point[index] = here + h
        above = float(f(point))
        point[index] = here - h
        below = float(f(point))
        point[index] = here
        gradient[index] = (above - below) / (2 * h)
    return gradient


def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """Return |a - b| / (|a| + |b|) with Euclidean norms: 0 (same) to 1 (opposite).

    Raises:
        ValueError: the shapes differ.

    >>> relative_error([3.0, 4.0], [3.0, 4.0])
    0.0
    >>> relative_error([3.0, 4.0], [-3.0, -4.0])
    1.0
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"the shapes must be the same, got {x.shape} and {y.shape}")
    size = float(np.linalg.norm(x) + np.linalg.norm(y))
    return float(np.linalg.norm(x - y)) / size if size else 0.0
