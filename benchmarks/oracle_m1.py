"""M1's least squares, ridge and standard errors against scikit-learn and scipy."""

import functools
from typing import Any

import numpy as np
from oracle_tools import Row, names_of, timed
from scipy.optimize import curve_fit
from sklearn.linear_model import LinearRegression, Ridge

from course.datasets import load_ames


def rows() -> list[Row]:
    """Return the coefficients' distances on the houses of the lesson."""
    m1 = names_of("m1", demos=True)
    houses = load_ames().query("Gr_Liv_Area <= 4000")
    X, y, X_test, y_test = m1["split"](houses, seed=0)
    Z, Z_test = m1["add_bias"](X), m1["add_bias"](X_test)
    found = []
    for name, fit, model in [
        ("least squares", lambda: m1["fit_ols"](Z, y), LinearRegression()),
        ("ridge, λ = 100", lambda: m1["fit_ridge"](Z, y, 100), Ridge(alpha=100)),
    ]:
        w, our_s = timed(fit, 20)
        _, their_s = timed(functools.partial(model.fit, X, y), 20)
        theirs = np.append(model.intercept_, model.coef_)
        found.append(
            Row(
                "m1",
                f"test R², {name}; distance of 12 coefficients",
                m1["r2"](y_test, Z_test @ w),
                f"sklearn {model}",
                float(model.score(X_test, y_test)),
                float(np.abs(w - theirs).max()),
                1e-9,
                our_s,
                their_s,
            )
        )
    return [*found, _errors(m1, Z, y)]


def _errors(m1: dict[str, Any], Z: np.ndarray, y: np.ndarray) -> Row:
    """Return the row of the standard errors: scipy has them from a Jacobian's SVD."""
    w = m1["fit_ols"](Z, y)
    ours, our_s = timed(lambda: m1["std_err"](Z, y, w))
    jacobian = {"jac": lambda Z, *_: Z}
    line = lambda Z, *w: Z @ np.array(w)  # noqa: E731 - it is an argument
    fitted, their_s = timed(lambda: curve_fit(line, Z, y, p0=w, **jacobian))
    theirs = np.sqrt(np.diag(fitted[1]))
    return Row(
        "m1",
        "largest standard error; largest relative distance of 12",
        float(ours.max()),
        "scipy curve_fit",
        float(theirs.max()),
        float(np.abs(ours / theirs - 1).max()),
        1e-6,
        our_s,
        their_s,
    )
