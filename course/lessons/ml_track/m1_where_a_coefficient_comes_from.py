# ---
# jupyter:
#   crossroads:
#     id: m1
#     track: ml_track
#     title: Where does a coefficient come from?
#     partner: a1
#     assets: [ames]
#     cpu_s: 60
# ---

# %% [markdown]
# # M1 · Where does a coefficient come from?
#
# *Day 1, the machine-learning engineer's Monday.* On your desk: a table of
# houses that were sold, and one question. "What would this one sell for, and
# which of its properties is that due to?" Someone will ask where each number
# in your answer comes from. Today you can tell them, because you derive it.
#
# Why houses, and not lamps? Our shop Lampa sets the prices of its lamps
# itself: a model of them would only find the shop's own price list again. The
# price of a house is settled by a buyer and a seller who both had a choice.
# The 2,930 sales in Ames, Iowa, from 2006 to 2010 are public, well described
# (De Cock 2011), and nobody made them up.
#
# You will write six short functions. Together they are a regression library:
# least squares, gradient descent, ridge, standard errors. At the end yours is
# held against scikit-learn's, coefficient by coefficient.
#
# {{exercises}}

# %% setup
import numpy as np

from course.feedback import (
    call_within,
    check,
    expect,
    expect_close,
    expect_prediction,
    expect_shape,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.plots import BLACK, BLUE, GREEN, ORANGE, RED, figure, show
from course.progress import again, outcome


def r2(y, prediction):
    """1 - RSS / TSS: 1 is perfect, 0 is no better than the mean of y."""
    rss = np.sum((y - prediction) ** 2)
    return float(1 - rss / np.sum((y - np.mean(y)) ** 2))


def target_and_yours(name, target, call):
    """Print what is wanted and what your function gives, never stopping."""
    try:
        yours = np.round(call(), 5)
    except Exception as error:
        yours = f"{type(error).__name__}: {error}"
    print(f"{name}\n  target {np.round(target, 5)}\n  yours  {yours}")


# %% [markdown]
# ## The data
#
# Two decisions come before the fit. Each has a reason that does not depend on
# how well a model does.
#
# *The target is $y = \log_{10}(\text{price in dollars})$*, not the price. A
# garage adds some per cent to a house rather than a fixed sum, and an error of
# 20,000 dollars is small on a mansion and large on a cottage. In $\log_{10}$ a
# difference of 0.01 is always about 2.3 %.
#
# *The model is for houses up to 4,000 square feet.* Five larger ones are left
# out. The author of the data advises this, and the rule uses an input that is
# known before the sale, never the price or the error. It also raises the score;
# further down you measure by how much.
#
# One house in five goes into the **test set**, and is not used again until the
# model is finished. The columns have very different units, so each is
# **standardised**: minus its mean, divided by its standard deviation. Mean and
# standard deviation come from the *training* rows alone. Taken from all rows,
# they would carry something about the test set into the model. This is called
# **leakage**. Plain least squares would forgive it here, since rescaling a
# column does not change its predictions. Ridge, and most models after it,
# would not.

# %% demo
from course.datasets import load_ames

COLUMNS = {
    "Gr_Liv_Area": "living area",
    "Lot_Area": "lot area",
    "Total_Bsmt_SF": "basement area",
    "Year_Built": "year built",
    "Year_Remod_Add": "year remodelled",
    "Full_Bath": "full bathrooms",
    "Half_Bath": "half bathrooms",
    "Bedroom_AbvGr": "bedrooms",
    "Kitchen_AbvGr": "kitchens",
    "Fireplaces": "fireplaces",
    "Garage_Cars": "garage (cars)",
}


def split_rows(n_rows, seed):
    """Return the row numbers for training and for testing (a fifth)."""
    order = np.random.default_rng(seed).permutation(n_rows)
    return order[n_rows // 5 :], order[: n_rows // 5]


def split(table, seed):
    """Return X_train, y_train, X_test, y_test; a fifth is for the test."""
    X = table[list(COLUMNS)].to_numpy(float)
    y = np.log10(table["Sale_Price"].to_numpy(float))
    train, test = split_rows(len(y), seed)
    mu, sd = X[train].mean(axis=0), X[train].std(axis=0)  # training rows only
    Xs = (X - mu) / sd
    return Xs[train], y[train], Xs[test], y[test]


all_houses = load_ames()
houses = all_houses[all_houses["Gr_Liv_Area"] <= 4000]
X_train, y_train, X_test, y_test = split(houses, seed=0)
print(f"{len(all_houses)} sales, {len(houses)} of them up to 4,000 sq ft")
print(f"train {X_train.shape}, test {X_test.shape}")
print(houses[["Sale_Price", *COLUMNS]].head(3).T.to_string())

# %% [markdown]
# ## The model and its shapes
#
# There are $N$ houses and $D$ columns: $X$ has shape $(N, D)$. The model is a
# sum, one term per column and a constant $b$, the **bias** or intercept:
#
# $$\hat y_n = b + \sum_{j=1}^{D} w_j\, x_{nj}.$$
#
# If every house gets one more column that is always 1, the bias becomes a
# coefficient like the others, and the model a product. With $P = D + 1$,
#
# $$\hat y = Z w,\qquad Z = [\,\mathbf 1 \mid X\,]\ \text{of shape } (N, P),
# \quad w = (b, w_1, \dots, w_D)\ \text{of shape } (P,).$$
#
# ### Three houses, by hand
#
# One column: the living area in thousands of square feet. All exercises use
# these three houses as their first example, since the arithmetic fits on an
# envelope.
#
# | house | area $x$ | $y$ |
# |---|---|---|
# | 1 | 1 | 5.0 |
# | 2 | 2 | 5.3 |
# | 3 | 3 | 5.3 |
#
# The means are $\bar x = 2$ and $\bar y = 5.2$. The best line has slope
# $\sum (x-\bar x)(y-\bar y) / \sum (x-\bar x)^2 = 0.3 / 2 = 0.15$ and bias
# $5.2 - 0.15 \cdot 2 = 4.9$. Its predictions are 5.05, 5.2, 5.35. The
# residuals $\hat y - y$ are 0.05, −0.1, 0.05. They add up to 0, and so do they
# when each is multiplied by its $x$: $0.05 - 0.2 + 0.15 = 0$. That is no
# accident, as the derivation will show.

# %%
X3 = np.array([[1.0], [2.0], [3.0]])
y3 = np.array([5.0, 5.3, 5.3])
Z3 = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])  # shape (3, 2)
line = np.array([4.9, 0.15])
print("predictions", Z3 @ line)
print("residuals  ", np.round(Z3 @ line - y3, 3))

# %% [markdown]
# ## Exercise 1: a column of ones
#
# In: `X`, shape `(N, D)`. Out: a new array of shape `(N, D + 1)`, the **first**
# column all ones, then the columns of `X` in their order. `X` itself stays as
# it is. Example: `[[2, 3], [4, 5]]` gives `[[1, 2, 3], [1, 4, 5]]`.


# %% exercise="add_bias" points=1 minutes=5 difficulty=1
def add_bias(X):
    """Return [1 | X], shape (N, D + 1), for X of shape (N, D)."""
    # 1. ones: one for each row
    # 2. join: the ones first, then X
    ### BEGIN SOLUTION
    ones = np.ones((X.shape[0], 1))
    return np.hstack([ones, X])
    ### END SOLUTION
    return np.zeros((len(X), X.shape[1] + 1))  # replace this line


# %% check="add_bias"
with check("m1.add_bias"):
    X = np.array([[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])
    before = X.copy()
    got = add_bias(X)
    expect_unchanged(X, before, "X")
    one = np.ones(3)
    expect_close(
        got,
        [[1, 2, 3], [1, 4, 5], [1, 6, 7]],
        "add_bias(X)",
        mistakes={
            "the ones are the last column. Put them first: w[0] is the bias in "
            "everything that follows.": np.column_stack([X, one]),
            "the new column holds zeros: the bias times 0 is nothing. Use "
            "ones.": np.column_stack([0 * one, X]),
            "you added a row of ones, which is one more house. The bias needs "
            "one more column: join along axis 1.": np.vstack([[1, 1], X]),
            "the result is flat: without an axis, numpy joins all numbers in "
            "one line. Join along axis 1.": np.append(one, X),
            "the first column of X is gone: the ones replaced it. They must be "
            "an additional column.": np.column_stack([one, X[:, 1]]),
        },
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, d in [(1, 1), (4, 1), (2, 5), (6, 3)]:
        X = rng.normal(size=(n, d))
        want = [[1.0, *row] for row in X.tolist()]
        try:
            got = add_bias(X)
        except ValueError as error:
            fail(
                f"for X of shape {n, d} your code stops ({error}). There must "
                "be as many ones as X has rows."
            )
        expect_close(got, want, f"add_bias(X) for X of shape {n, d}")
    whole = rng.integers(0, 9, size=(3, 2))
    want = [[1, *row] for row in whole.tolist()]
    expect_close(add_bias(whole), want, "add_bias(X) for whole numbers")
    ### END HIDDEN TESTS

# %% [markdown] hint="add_bias"
# Sketch: make a column of ones that is as long as `X` has rows, shape `(N, 1)`.
# Then put it to the left of `X` with one of numpy's joining functions.

# %% [markdown] hint="add_bias"
# ```python
# ones = np.ones((..., 1))       # 1. how many rows?
# return np.hstack([..., ...])   # 2. which one goes first?
# ```


# %% right="add_bias"
def add_bias(X):
    return np.insert(X, 0, 1, axis=1)


# %% right="add_bias"
def add_bias(X):
    return [[1.0] + [float(x) for x in row] for row in X]


# %% right="add_bias"
def add_bias(X):
    Z = np.empty((X.shape[0], X.shape[1] + 1), dtype=np.float32)
    Z[:, 0] = 1
    Z[:, 1:] = X
    return Z


# %% wrong="add_bias" says="last column; put them first"
def add_bias(X):
    return np.hstack([X, np.ones((len(X), 1))])


# %% wrong="add_bias" says="changed its argument X in place"
def add_bias(X):
    X[:, 0] = 1
    return X


# %% wrong="add_bias" says="additional column"
def add_bias(X):
    Z = X.copy()
    Z[:, 0] = 1
    return np.column_stack([Z[:, 0], Z[:, 1]])


# %% wrong="add_bias" says="row of ones; axis 1"
def add_bias(X):
    return np.vstack([np.ones(X.shape[1]), X])


# %% wrong="add_bias" says="flat; axis 1"
def add_bias(X):
    return np.append(np.ones(len(X)), X)


# %% wrong="add_bias" says="holds zeros"
def add_bias(X):
    return np.hstack([np.zeros((len(X), 1)), X])


# %% wrong="add_bias" says="as many ones as X has rows"
def add_bias(X):
    return np.hstack([np.ones((3, 1)), X])


# %% [markdown]
# ## The derivation: loss, gradient, normal equations
#
# **The loss.** The residual of house $n$ is $r_n = (Zw)_n - y_n$. We look for
# the $w$ with the smallest mean squared error:
#
# $$L(w) = \frac1N \sum_{n=1}^{N} r_n^2
#        = \frac1N \lVert Zw - y\rVert^2 .$$
#
# **The gradient, component by component.** Since $r_n = \sum_k Z_{nk} w_k -
# y_n$, we have $\partial r_n / \partial w_j = Z_{nj}$, and by the chain rule
#
# $$\frac{\partial L}{\partial w_j}
#   = \frac1N \sum_{n} 2\, r_n \frac{\partial r_n}{\partial w_j}
#   = \frac2N \sum_{n} Z_{nj}\, r_n .$$
#
# **The gradient, all components at once.** The sum over $n$ is row $j$ of
# $Z^\top$ times $r$:
#
# $$\nabla L(w) = \frac2N\, Z^\top (Zw - y),
#   \qquad (P, N)\cdot(N,) \to (P,).$$
#
# The factor $2/N$ is *this lesson's convention*. Others divide by $2N$, or do
# not divide. The best $w$ is the same for all. The gradient, and with it the
# right learning rate, is not.
#
# **The normal equations.** At the minimum the gradient is zero:
#
# $$Z^\top (Zw - y) = 0 \quad\Longleftrightarrow\quad Z^\top Z\, w = Z^\top y.$$
#
# In words: the residual is orthogonal to every column of $Z$. One column is
# all ones, so the residuals add up to 0. You saw both in the three houses.
#
# Is a zero gradient enough? The second derivative, the Hessian, is
# $H = \frac2N Z^\top Z$. For every direction $v$, $v^\top H v = \frac2N \lVert
# Zv \rVert^2 \ge 0$. So $L$ is convex, and every stationary point is a global
# minimum. It is the only one exactly when no column of $Z$ is a combination of
# the others.
#
# **Solve them, but do not invert.** On paper $\hat w = (Z^\top Z)^{-1} Z^\top
# y$. In a computer that is a trap. The **condition number** $\kappa(Z) =
# \sigma_{\max}/\sigma_{\min}$, the ratio of the largest to the smallest
# singular value, tells how many digits a solution may lose: about
# $\log_{10}\kappa$ of the 16 that a float64 has. And $\kappa(Z^\top Z) =
# \kappa(Z)^2$: forming $Z^\top Z$ doubles the loss. If a column occurs twice,
# say the area in square feet and in square metres, then $\sigma_{\min} = 0$ and
# $\kappa$ is infinite. Rounding turns the zero into something tiny, and `inv`
# either stops or returns numbers without one correct digit. The next cell tries
# it on the first six houses of the table.
#
# The way out is to factor $Z$ itself. With the singular value decomposition
# $Z = U S V^\top$,
#
# $$\hat w = \sum_{\sigma_i > \text{tol}} \frac{u_i^\top y}{\sigma_i}\, v_i .$$
#
# Directions that the data say nothing about ($\sigma_i \approx 0$) are left
# out. Of all $w$ that fit equally well, this is the shortest. `lstsq` in numpy
# and scipy does exactly this.

# %%
feet = np.array([1.656, 0.896, 1.329, 2.110, 1.629, 1.604])  # 1000 sq ft
metres = feet * 92.90304  # the same area again, in square metres
y6 = np.array([5.332, 5.021, 5.236, 5.387, 5.279, 5.291])
Z6 = np.column_stack([np.ones(6), feet, metres])
print(f"condition number of Z:    {np.linalg.cond(Z6):.0e}")
print(f"condition number of Z'Z:  {np.linalg.cond(Z6.T @ Z6):.0e}")
try:
    inverse = np.linalg.inv(Z6.T @ Z6)
    print("coefficients from inv:", np.round(inverse @ Z6.T @ y6, 3))
    print("its predictions:      ", np.round(Z6 @ inverse @ Z6.T @ y6, 3))
except np.linalg.LinAlgError as error:
    print("inv says:", error)
print("the true log prices:  ", y6)
print("(κ of both is infinite on paper; float64 cannot measure beyond 1e16.)")

# %% [markdown]
# ## Exercise 2: least squares
#
# In: `Z`, shape `(N, P)`, ones column included, and `y`, shape `(N,)`. Out:
# the $w$ of shape `(P,)` that makes the mean squared error smallest. If
# several are equally good, because columns repeat each other or there are
# fewer rows than columns, return the shortest of them. Use any function of
# numpy or scipy. Example: the three houses give `[4.9, 0.15]`.


# %% exercise="fit_ols" points=2 minutes=6 difficulty=2
def fit_ols(Z, y):
    """Return the least-squares w, shape (P,), the shortest if several."""
    # 1. solve: factor Z itself, do not invert Z'Z
    # 2. return w alone
    ### BEGIN SOLUTION
    solution = np.linalg.lstsq(Z, y, rcond=None)
    return solution[0]
    ### END SOLUTION
    return np.zeros(Z.shape[1])  # replace this line


# %% check="fit_ols"
with check("m1.fit_ols"):
    Z_3 = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    y_3 = np.array([5.0, 5.3, 5.3])
    got = fit_ols(Z_3, y_3)
    expect(
        not (isinstance(got, tuple) and len(got) == 4),
        "you returned all four things that lstsq gives (solution, residuals, "
        "rank, singular values). w is the first: take [0].",
    )
    expect_close(
        got,
        [4.9, 0.15],
        "fit_ols(Z, y) for the three houses",
        rtol=1e-4,
        atol=1e-5,
        mistakes={
            "the slope is right, the bias is 0: the library fitted an "
            "intercept of its own, and your ones column got nothing. Z has "
            "its ones already: switch the other one off.": [0, 0.15],
            "there is one coefficient too many: you added a column of ones. Z "
            "has its ones already.": [2.45, 2.45, 0.15],
            "this is Z'y. It is the right-hand side of the normal equations; "
            "they still have to be solved.": Z_3.T @ y_3,
            "the ones column was left out: this line goes through the "
            "origin.": [0, 31.5 / 14],
        },
    )
    area = np.array([1.656, 0.896, 1.329, 2.110, 1.629, 1.604])
    y_6 = np.array([5.332, 5.021, 5.236, 5.387, 5.279, 5.291])
    twice = np.column_stack([np.ones(6), area, 0.9290304 * area])
    digits = (
        "with a column that occurs twice, the condition number of Z'Z is "
        f"{np.linalg.cond(twice.T @ twice):.0e}: inverting or solving the "
        "normal equations leaves no correct digit, or stops. Do not form Z'Z; "
        "use lstsq on Z, in float64. It returns the shortest of the equally "
        "good w."
    )
    left, values, right = np.linalg.svd(twice, full_matrices=False)
    shortest = right[:2].T @ ((left[:, :2].T @ y_6) / values[:2])
    try:
        got = fit_ols(twice, y_6)
    except Exception as error:
        if "ingular" in str(error):
            fail(digits)
        raise
    expect_shape(got, (3,), "fit_ols(Z, y) for a column that occurs twice")
    expect(np.allclose(got, shortest, rtol=1e-3, atol=1e-4), digits)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    import scipy.linalg

    for n, p in [(9, 3), (5, 5), (40, 6), (3, 6), (2, 1)]:
        A, b = rng.normal(size=(n, p)), rng.normal(size=n)
        A0, b0 = A.copy(), b.copy()
        want = scipy.linalg.lstsq(A, b)[0]
        got = fit_ols(A, b)
        expect_close(
            got,
            want,
            f"fit_ols(Z, y) for Z of shape {n, p}",
            rtol=1e-3,
            atol=1e-4,
        )
        expect_unchanged(A, A0, "Z")
        expect_unchanged(b, b0, "y")
    for scale in (1.0, 0.3048):
        A = rng.normal(size=(20, 4))
        A[:, 3] = scale * A[:, 1]
        b = rng.normal(size=20)
        want = scipy.linalg.lstsq(A, b)[0]
        try:
            got = fit_ols(A, b)
        except Exception as error:
            if "ingular" in str(error):
                fail(digits)
            raise
        expect_shape(got, (4,), "fit_ols(Z, y)")
        expect(np.allclose(got, want, rtol=1e-3, atol=1e-3), digits)
    # A column in small units: predictions count, its coefficient is large.
    small = np.column_stack([np.ones(12), 1e-5 * rng.normal(size=12)])
    b = 5 + 2e4 * small[:, 1] + 0.01 * rng.normal(size=12)
    want = small @ scipy.linalg.lstsq(small, b)[0]
    expect_close(
        small @ np.asarray(fit_ols(small, b), dtype=float),
        want,
        "the prediction with a column in small units (about 0.00001)",
        rtol=1e-4,
        mistakes={
            "a column in small units lost its effect: something was added to "
            "the diagonal of Z'Z. That makes it invertible, and the answer "
            "biased. Use lstsq on Z.": lambda: (
                small
                @ np.linalg.solve(
                    small.T @ small + 1e-8 * np.eye(2), small.T @ b
                )
            ),
        },
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="fit_ols"
# Sketch: numpy has a function for "the shortest vector that minimises
# $\lVert Zw - y\rVert$". The derivation names it. It returns four things.

# %% [markdown] hint="fit_ols"
# ```python
# solution = np.linalg.lstsq(..., ..., rcond=None)  # 1. solve
# return solution[...]                              # 2. w alone
# ```


# %% right="fit_ols"
def fit_ols(Z, y):
    return np.linalg.pinv(Z) @ y


# %% right="fit_ols"
def fit_ols(Z, y):
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    keep = s > s.max() * max(Z.shape) * np.finfo(float).eps
    w = np.zeros(Z.shape[1])
    for u, value, v in zip(U.T[keep], s[keep], Vt[keep]):
        w += (u @ y) / value * v
    return w.tolist()


# %% right="fit_ols"
def fit_ols(Z, y):
    from sklearn.linear_model import LinearRegression

    return LinearRegression(fit_intercept=False).fit(Z, y).coef_


# %% right="fit_ols"
def fit_ols(Z, y):
    import scipy.linalg

    w, *_ = scipy.linalg.lstsq(Z, y)
    return w.astype(np.float32)


# %% wrong="fit_ols" says="condition number; use lstsq"
def fit_ols(Z, y):
    return np.linalg.inv(Z.T @ Z) @ Z.T @ y


# %% wrong="fit_ols" says="condition number; use lstsq"
def fit_ols(Z, y):
    return np.linalg.solve(Z.T @ Z, Z.T @ y)


# %% wrong="fit_ols" says="condition number; use lstsq"
def fit_ols(Z, y):
    from scipy.linalg import solve_triangular

    Q, R = np.linalg.qr(Z)
    return solve_triangular(R, Q.T @ y)


# %% wrong="fit_ols" says="all four things; take [0]"
def fit_ols(Z, y):
    return np.linalg.lstsq(Z, y, rcond=None)


# %% wrong="fit_ols" says="intercept of its own; switch the other one off"
def fit_ols(Z, y):
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(Z, y).coef_


# %% wrong="fit_ols" says="one coefficient too many"
def fit_ols(Z, y):
    Z = np.hstack([np.ones((len(Z), 1)), Z])
    return np.linalg.lstsq(Z, y, rcond=None)[0]


# %% wrong="fit_ols" says="right-hand side of the normal equations"
def fit_ols(Z, y):
    return Z.T @ y


# %% wrong="fit_ols" says="diagonal; biased; use lstsq"
def fit_ols(Z, y):
    P = Z.shape[1]
    return np.linalg.solve(Z.T @ Z + 1e-8 * np.eye(P), Z.T @ y)


# %% wrong="fit_ols" says="condition number; use lstsq"
def fit_ols(Z, y):
    # the textbook formula for one variable
    x, n = Z[:, 1], Z.shape[1]
    slope = np.sum((x - x.mean()) * (y - y.mean())) / np.sum(
        (x - x.mean()) ** 2
    )
    return np.array([y.mean() - slope * x.mean(), slope] + [0.0] * (n - 2))


# %% [markdown]
# ### What you can do already: one line through the houses
#
# Your `add_bias` and `fit_ols`, one column, all training houses. On the left
# the spread of the prices grows with the area. In the logarithm, on the right,
# it stays about the same. The model's errors are meant to be alike everywhere,
# so the logarithm is the better scale to fit on.

# %% demo
seen = houses.iloc[split_rows(len(houses), seed=0)[0]]  # training rows only
area = seen["Gr_Liv_Area"].to_numpy(float)  # sq ft
price = seen["Sale_Price"].to_numpy(float)  # dollars
Z_one = np.asarray(add_bias(area[:, None] / 1000))
b, slope = fit_ols(Z_one, np.log10(price))
fig, (ax1, ax2) = figure(1, 2, width=9)
ax1.plot(area, price / 1000, ".", color=BLUE, ms=3, alpha=0.4)
ax1.set(xlabel="living area (sq ft)", ylabel="price (1000 dollars)")
ax2.plot(area, np.log10(price), ".", color=BLUE, ms=3, alpha=0.4)
ends = np.array([area.min(), area.max()])
ax2.plot(ends, b + slope * ends / 1000, color=RED, lw=2, label="your line")
ax2.set(xlabel="living area (sq ft)", ylabel="log10(price in dollars)")
ax2.legend(loc="lower right")
show(
    fig,
    "two scatter plots of price against living area; your line in the "
    f"logarithm has slope {slope:.3f} per 1,000 square feet: a house larger by "
    f"that much sold for {10**slope - 1:.0%} more on average.",
)

# %% [markdown]
# ## Exercise 3: the gradient
#
# Least squares can be solved in one go. Almost no later model can: a network
# has no normal equations. What always works is to walk downhill, and for that
# you need the gradient as code.
#
# In: `w`, shape `(P,)`; `Z`, shape `(N, P)`; `y`, shape `(N,)`. Out: $\nabla
# L(w)$, shape `(P,)`, with the factor $2/N$. One more thing: `y` cut out of a
# table often arrives as a column of shape `(N, 1)`. Then `Z @ w - y` is not an
# error. It broadcasts to shape `(N, N)`: every prediction minus every price.
# Your function must give the same gradient for both shapes of `y`.
#
# Example: for the three houses and $w = 0$ the gradient is `[-10.4, -21.0]`.
# The next cell compares with finite differences: nudge one coefficient by
# $\pm h$, see how the loss changes. That is slow, and obviously right.


# %% exercise="mse_grad" points=2 minutes=8 difficulty=2
def mse_grad(w, Z, y):
    """Return the gradient of mean((Z w - y)^2) at w, shape (P,)."""
    # 1. residual: shape (N,), whatever the shape of y
    # 2. project: the residual on each column of Z
    # 3. scale: by 2/N
    ### BEGIN SOLUTION
    residual = Z @ w - np.reshape(y, -1)
    projected = Z.T @ residual
    return 2 / len(residual) * projected
    ### END SOLUTION
    return np.zeros(Z.shape[1])  # replace this line


# %%
def slow_grad(w, Z, y, h=1e-4):
    """The gradient by central differences of a loss written as loops."""

    def loss(w):
        total = 0.0
        for n in range(len(Z)):
            prediction = sum(Z[n][j] * w[j] for j in range(len(w)))
            total += (prediction - y[n]) ** 2
        return total / len(Z)

    slopes = []
    for j in range(len(w)):
        up, down = list(w), list(w)
        up[j] += h
        down[j] -= h
        slopes.append((loss(up) - loss(down)) / (2 * h))
    return np.array(slopes)


w_try = np.array([5.0, 0.2])
target_and_yours(
    "gradient at w = [5, 0.2]",
    slow_grad(w_try, Z3, y3),
    lambda: mse_grad(w_try, Z3, y3),
)


# %% check="mse_grad"
def nudged(w, Z, y, h=1e-4):
    """The gradient by central differences: nudge one coefficient by h."""
    loss = [
        [np.mean(np.square(Z @ (w + step) - y)) for step in (-e, e)]
        for e in h * np.eye(len(w))
    ]
    return np.diff(loss, axis=1)[:, 0] / (2 * h)


with check("m1.mse_grad"):
    Z_3 = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    y_3 = np.array([5.0, 5.3, 5.3])
    broadcast = (
        "your residual is (N, N), here (3, 3): one of `Z @ w` and y has shape "
        "(3,), the other (3, 1), and numpy subtracts every price from every "
        "prediction. Make y flat, shape (N,), before you subtract."
    )
    zero = np.zeros(2)
    for y_now, shape in [(y_3, "(N,)"), (y_3[:, None], "(N, 1)")]:
        try:
            got = mse_grad(zero, Z_3, y_now)
        except ValueError:
            if y_now.ndim == 2:
                fail(broadcast)
            raise
        expect(np.shape(got) != (2, 3), broadcast)
        right = nudged(zero, Z_3, y_3)
        expect_close(
            got,
            right,
            f"mse_grad(0, Z, y) for the three houses, y of shape {shape}",
            rtol=1e-4,
            atol=1e-5,
            mistakes={
                "the sign is wrong: your residual is y - Z w. The gradient "
                "points uphill, it is (2/N) Z'(Z w - y).": -right,
                "it is half of the gradient: the 2 of the derivative of the "
                "square is missing. Scale by 2/N.": right / 2,
                "it is N times the gradient: the loss is a mean, not a sum. "
                "Scale by 2/N.": right * 3,
                "it is Z'r without its factor (or with 2/P, which is 1 here). "
                "Scale by 2/N.": right * 1.5,
            },
        )
    flat = mse_grad(np.array([4.9, 0.15]), Z_3, y_3)
    expect_close(
        flat,
        [0, 0],
        "the gradient at the best line (it must vanish)",
        rtol=0,
        atol=1e-4,
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, p in [(7, 4), (4, 4), (1, 2), (3, 5), (25, 1)]:
        A, b, v = (
            rng.normal(size=(n, p)),
            rng.normal(size=n),
            rng.normal(size=p),
        )
        A0, b0, v0 = A.copy(), b.copy(), v.copy()
        want = nudged(v, A, b)
        for b_now in (b, b[:, None]):
            try:
                got = mse_grad(v, A, b_now)
            except ValueError:
                if b_now.ndim == 2:
                    fail(broadcast.replace("3", "N"))
                raise
            expect_close(
                got,
                want,
                f"mse_grad for Z of shape {n, p} and y of shape {b_now.shape}",
                rtol=1e-4,
                atol=1e-5,
                mistakes={
                    "you divided by P, the number of coefficients; the loss is "
                    "a mean over the N houses. Scale by 2/N.": want * n / p,
                    "it is Z'r without its factor. Scale by 2/N.": want * n / 2,
                    "the factor 2/3 fits three houses only. N is the number of "
                    "rows of Z.": want * n / 3,
                },
            )
        expect_unchanged(A, A0, "Z")
        expect_unchanged(b, b0, "y")
        expect_unchanged(v, v0, "w")
    ### END HIDDEN TESTS

# %% [markdown] hint="mse_grad"
# Sketch: the formula is $\frac2N Z^\top(Zw - y)$. Before the subtraction, make
# sure that `y` is flat. Print the shape of the residual: it must be `(N,)`.

# %% [markdown] hint="mse_grad"
# ```python
# residual = Z @ w - np.reshape(y, ...)  # 1. what makes any y flat?
# projected = ... @ residual             # 2. (P, N) times (N,)
# return ... * projected                 # 3. the factor
# ```


# %% right="mse_grad"
def mse_grad(w, Z, y):
    N, P = Z.shape
    y = np.asarray(y).ravel()
    gradient = [0.0] * P
    for n in range(N):
        r = sum(Z[n, j] * w[j] for j in range(P)) - y[n]
        for j in range(P):
            gradient[j] += 2 / N * r * Z[n, j]
    return gradient


# %% right="mse_grad"
def mse_grad(w, Z, y):
    y = np.asarray(y, dtype=np.float32).squeeze()
    r = np.atleast_1d(y) - Z.astype(np.float32) @ w
    return -2 * np.mean(Z * r[:, None], axis=0)


# %% right="mse_grad"
def mse_grad(w, Z, y):
    N = len(Z)
    return (2 / N) * (Z.T @ Z @ w - Z.T @ np.asarray(y).flatten())


# %% wrong="mse_grad" says="residual is (N, N); flat"
def mse_grad(w, Z, y):
    return 2 / len(y) * Z.T @ (Z @ w - y)


# %% wrong="mse_grad" says="residual is (N, N); flat"
def mse_grad(w, Z, y):
    y = y.reshape(-1, 1)
    return 2 / len(y) * Z.T @ (Z @ w - y)


# %% wrong="mse_grad" says="residual is (N, N); flat"
def mse_grad(w, Z, y):
    r = Z @ w - y
    return 2 * (Z * r[:, None]).mean(axis=0)


# %% wrong="mse_grad" says="without its factor; 2/N"
def mse_grad(w, Z, y):
    return Z.T @ (Z @ w - y.ravel())


# %% wrong="mse_grad" says="half of the gradient; 2/N"
def mse_grad(w, Z, y):
    return Z.T @ (Z @ w - y.ravel()) / len(y)


# %% wrong="mse_grad" says="mean, not a sum; 2/N"
def mse_grad(w, Z, y):
    return 2 * Z.T @ (Z @ w - y.ravel())


# %% wrong="mse_grad" says="sign is wrong; uphill"
def mse_grad(w, Z, y):
    return 2 / len(y) * Z.T @ (y.ravel() - Z @ w)


# %% wrong="mse_grad" says="2/P; scale by 2/N"
def mse_grad(w, Z, y):
    # 2 / P: for the three houses the same as no factor
    return 2 / len(w) * Z.T @ (Z @ w - y.ravel())


# %% wrong="mse_grad" says="three houses only"
def mse_grad(w, Z, y):
    return 2 / 3 * Z.T @ (Z @ w - y.ravel())


# %% wrong="mse_grad" says="has shape (2, 1)"
def mse_grad(w, Z, y):
    r = Z @ w.reshape(-1, 1) - y.reshape(-1, 1)
    return 2 / len(y) * Z.T @ r


# %% [markdown]
# ## Downhill, and the limit of the step
#
# **Gradient descent**: start at $w^{(0)} = 0$, then repeat
#
# $$w^{(t+1)} = w^{(t)} - \eta\, \nabla L\big(w^{(t)}\big),$$
#
# with the learning rate $\eta$ (`lr`). How large may it be? Let $\hat w$ be a
# least-squares solution. By the normal equations $Z^\top y = Z^\top Z \hat w$,
# so $\nabla L(w) = \frac2N Z^\top Z (w - \hat w) = H (w - \hat w)$ with the
# Hessian $H = \frac2N Z^\top Z$. Then
#
# $$w^{(t+1)} - \hat w = (I - \eta H)\,\big(w^{(t)} - \hat w\big).$$
#
# $H$ is symmetric, so it has orthogonal eigenvectors with eigenvalues
# $\lambda_i \ge 0$. Along eigenvector $i$ each step multiplies the error by
# $1 - \eta\lambda_i$. The error shrinks if $|1 - \eta\lambda_i| < 1$, which is
# $0 < \eta < 2/\lambda_i$. It must shrink in every direction that has a
# $\lambda_i > 0$:
#
# $$\boxed{\;\eta < \frac{2}{\lambda_{\max}}\;}$$
#
# Just below the limit the error swings from side to side and dies slowly. Just
# above, it grows without end. The *slowest* direction is that of
# $\lambda_{\min}$: the number of steps grows like $\lambda_{\max} /
# \lambda_{\min} = \kappa(Z)^2$. This is the second reason to standardise.
#
# For the three houses $Z^\top Z = \begin{pmatrix}3&6\\6&14\end{pmatrix}$, so
# $\lambda_{\max} = \frac23 \cdot 16.64 = 11.09$, and the limit is 0.180.
#
# ## Exercise 4: descend
#
# In: `Z`, `y` (shape `(N,)`), the learning rate `lr`, the number of `steps`.
# Out: two things, `(w, losses)`. `w`, shape `(P,)`, after exactly `steps` steps
# from $w = 0$. `losses`: the mean squared error before the first step and
# after each one, `steps + 1` numbers. If `lr` is too large the losses grow.
# That must be visible: no clipping, no early stop. A curve that hides its
# divergence is how a broken training run goes unnoticed for a week.
#
# Example, three houses, `lr=0.1, steps=1`: one step from 0 against the gradient
# `[-10.4, -21.0]` gives `w = [1.04, 2.1]`. The losses are 27.06 before and 2.54
# after it.


# %% exercise="descend" points=2 minutes=8 difficulty=3
def descend(Z, y, lr, steps):
    """Return (w, losses): gradient descent from w = 0 on mean((Z w - y)^2)."""
    # 1. start: w = 0, and its loss
    # 2. step: against the gradient, computed anew each time
    # 3. note: the loss after the step
    ### BEGIN SOLUTION
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    for _ in range(steps):
        w = w - lr * mse_grad(w, Z, y)
        losses.append(np.mean((Z @ w - y) ** 2))
    return w, losses
    ### END SOLUTION
    return np.zeros(Z.shape[1]), [0.0] * (steps + 1)  # replace this line


# %% check="descend"
def walk(Z, y, lr, steps, sign=-1):
    """The derivation's closed form: w - best = (I - lr H)^t (0 - best)."""
    best = np.linalg.pinv(Z) @ y
    once = np.eye(len(best)) + sign * lr * 2 / len(y) * (Z.T @ Z)
    powers = [np.linalg.matrix_power(once, t) for t in range(steps + 1)]
    points = [best - power @ best for power in powers]
    return points[-1], np.array([np.mean(np.square(y - Z @ p)) for p in points])


def pair(Z, y, lr, steps):
    """Call descend; judge the form of what it returns."""
    late = "It must take exactly `steps` steps."
    result = call_within(20, descend, Z, y, lr, steps, message=late)
    expect(
        isinstance(result, tuple | list) and len(result) == 2,
        "descend must return two things, (w, losses).",
    )
    return result


with check("m1.descend"):
    Z_3 = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    y_3 = np.array([5.0, 5.3, 5.3])
    at = np.array([1.0, -1.0])
    expect_close(
        mse_grad(at, Z_3, y_3),
        2 / 3 * Z_3.T @ Z_3 @ (at - [4.9, 0.15]),
        "mse_grad, on which descend rests (mend it first),",
        rtol=1e-4,
        atol=1e-5,
    )
    w, losses = pair(Z_3, y_3, 0.1, 3)
    want, seen = walk(Z_3, y_3, 0.1, 3)
    frozen = 3 * walk(Z_3, y_3, 0.1, 1)[0]
    expect(
        np.size(losses) == 4,
        f"losses has {np.size(losses)} numbers for 3 steps; it must have "
        "steps + 1 = 4: the loss before the first step and after each one.",
    )
    expect_close(
        w,
        want,
        "w after 3 steps with lr=0.1",
        rtol=1e-4,
        atol=1e-5,
        mistakes={
            "you walk uphill: the step is w - lr * gradient, with a minus "
            "sign.": walk(Z_3, y_3, 0.1, 3, sign=1)[0],
            "the gradient was computed once and used for all steps. Compute it "
            "anew at each w.": frozen,
            "you took one step more than asked: exactly `steps` of them.": (
                walk(Z_3, y_3, 0.1, 4)[0]
            ),
            "you took one step fewer than asked: exactly `steps` of them.": (
                walk(Z_3, y_3, 0.1, 2)[0]
            ),
            "the learning rate is not used: the step is lr times the "
            "gradient.": walk(Z_3, y_3, 1.0, 3)[0],
        },
    )
    expect_close(
        losses,
        seen,
        "losses",
        rtol=1e-4,
        atol=1e-5,
        mistakes={
            "these are sums of squares: the loss is their mean.": 3 * seen,
            "these are half of the losses: the loss is mean((Z w - y)^2), "
            "without 1/2.": seen / 2,
            "these are root mean squared errors: leave the root out.": (
                np.sqrt(seen)
            ),
        },
    )
    hides = (
        "with lr above 2 / (largest eigenvalue of the Hessian), descent "
        "diverges: the losses must grow, and show it. Your code hides that. "
        "Do not clip the gradient, w, lr or the losses, and do not stop early."
    )
    limit = 2 / np.linalg.eigvalsh(2 / 3 * Z_3.T @ Z_3)[-1]
    for factor, steps in [(1.05, 12), (1.5, 25)]:
        w, losses = pair(Z_3, y_3, factor * limit, steps)
        want, seen = walk(Z_3, y_3, factor * limit, steps)
        expect(np.shape(losses) == np.shape(seen), hides)
        expect(np.allclose(losses, seen, rtol=1e-3), hides)
        expect(np.allclose(w, want, rtol=1e-3), hides)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    A, b = rng.normal(size=(12, 3)), rng.normal(size=12)
    A0, b0 = A.copy(), b.copy()
    limit = 2 / np.linalg.eigvalsh(2 / 12 * A.T @ A)[-1]
    for lr, steps in [(0.1, 0), (0.3 * limit, 1), (0.6 * limit, 17)]:
        w, losses = pair(A, b, lr, steps)
        want, seen = walk(A, b, lr, steps)
        name = f"for {steps} steps with lr={lr:.3g}"
        expect_close(w, want, f"w {name}", rtol=1e-4, atol=1e-5)
        expect_close(losses, seen, f"losses {name}", rtol=1e-4, atol=1e-5)
    w, losses = pair(A, b, 0.6 * limit, 400)
    best = np.linalg.pinv(A) @ b
    expect_close(w, best, "w after 400 steps", rtol=1e-3, atol=1e-4)
    w, losses = pair(A, b, 2 * limit, 40)
    want, seen = walk(A, b, 2 * limit, 40)
    expect(np.shape(losses) == np.shape(seen), hides)
    expect(np.allclose(losses, seen, rtol=1e-3), hides)
    expect(np.allclose(w, want, rtol=1e-3), hides)
    expect_unchanged(A, A0, "Z")
    expect_unchanged(b, b0, "y")
    ### END HIDDEN TESTS

# %% [markdown] hint="descend"
# Sketch: a list with one number in it, the loss at $w = 0$. Then a `for` loop
# of `steps` rounds. In each: one step against `mse_grad`, one number appended.

# %% [markdown] hint="descend"
# ```python
# w = np.zeros(...)                      # 1. start
# losses = [np.mean((Z @ w - y) ** 2)]
# for _ in range(steps):
#     w = w - ... * mse_grad(w, Z, y)    # 2. step
#     losses.append(...)                 # 3. note
# return w, losses
# ```


# %% right="descend"
def descend(Z, y, lr, steps):
    N, P = Z.shape
    w, losses = np.zeros(P), np.empty(steps + 1)
    for t in range(steps + 1):
        r = Z @ w - y
        losses[t] = r @ r / N
        if t < steps:
            w -= lr * 2 / N * (Z.T @ r)
    return w, losses


# %% right="descend"
def descend(Z, y, lr, steps):
    w = [0.0] * Z.shape[1]
    losses = [float(np.mean((Z @ np.array(w) - y) ** 2))]
    while len(losses) <= steps:
        g = mse_grad(np.array(w), Z, y)
        w = [w[j] - lr * g[j] for j in range(len(w))]
        losses.append(float(np.mean((Z @ np.array(w) - y) ** 2)))
    return [w, losses]


# %% wrong="descend" says="diverges; clip"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    for _ in range(steps):
        w = w - lr * np.clip(mse_grad(w, Z, y), -100, 100)
        losses.append(np.mean((Z @ w - y) ** 2))
    return w, losses


# %% wrong="descend" says="diverges; clip"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    for _ in range(steps):
        w = w - lr * mse_grad(w, Z, y)
        losses.append(min(np.mean((Z @ w - y) ** 2), losses[0]))
    return w, losses


# %% wrong="descend" says="diverges; do not stop early"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    for _ in range(steps):
        new = w - lr * mse_grad(w, Z, y)
        loss = np.mean((Z @ new - y) ** 2)
        if loss > losses[-1]:
            break
        w = new
        losses.append(loss)
    return w, losses


# %% wrong="descend" says="diverges; lr"
def descend(Z, y, lr, steps):
    lr = min(lr, 0.99 * 2 / np.linalg.eigvalsh(2 / len(y) * Z.T @ Z)[-1])
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    for _ in range(steps):
        w = w - lr * mse_grad(w, Z, y)
        losses.append(np.mean((Z @ w - y) ** 2))
    return w, losses


# %% wrong="descend" says="uphill; minus"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    for _ in range(steps):
        w = w + lr * mse_grad(w, Z, y)
        losses.append(np.mean((Z @ w - y) ** 2))
    return w, losses


# %% wrong="descend" says="computed once; anew"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    losses = [np.mean((Z @ w - y) ** 2)]
    gradient = mse_grad(w, Z, y)
    for _ in range(steps):
        w = w - lr * gradient
        losses.append(np.mean((Z @ w - y) ** 2))
    return w, losses


# %% wrong="descend" says="losses has 3 numbers; before the first step"
def descend(Z, y, lr, steps):
    w, losses = np.zeros(Z.shape[1]), []
    for _ in range(steps):
        w = w - lr * mse_grad(w, Z, y)
        losses.append(np.mean((Z @ w - y) ** 2))
    return w, losses


# %% wrong="descend" says="sums of squares; mean"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    losses = [np.sum((Z @ w - y) ** 2)]
    for _ in range(steps):
        w = w - lr * mse_grad(w, Z, y)
        losses.append(np.sum((Z @ w - y) ** 2))
    return w, losses


# %% wrong="descend" says="two things"
def descend(Z, y, lr, steps):
    w = np.zeros(Z.shape[1])
    for _ in range(steps):
        w = w - lr * mse_grad(w, Z, y)
    return w


# %% wrong="descend" says="w after 3 steps"
def descend(Z, y, lr, steps):
    # not descent: the solution itself, with losses that look the part
    w = np.linalg.pinv(Z) @ y
    best, first = np.mean((Z @ w - y) ** 2), np.mean(y**2)
    return w, [best + (first - best) * 0.5**t for t in range(steps + 1)]


# %% [markdown]
# ### Pay-off 1: three learning rates around the limit
#
# The same houses, the same start, your `descend`. Only the learning rate
# differs: a tenth of the limit, just below it, just above it.

# %% demo
Z_train = np.asarray(add_bias(X_train))
Z_test = np.asarray(add_bias(X_test))
eigenvalues = np.linalg.eigvalsh(2 / len(y_train) * Z_train.T @ Z_train)
lr_limit = 2 / max(eigenvalues[-1], 1e-12)
w_best = np.asarray(fit_ols(Z_train, y_train))
floor = np.mean((Z_train @ w_best - y_train) ** 2)
fig, ax = figure(height=4)
ends = {}
for factor, colour, style in [
    (0.1, BLUE, "-"),
    (0.97, GREEN, "--"),
    (1.03, RED, "-."),
]:
    _, losses = descend(Z_train, y_train, factor * lr_limit, 100)
    ends[factor] = losses[-1]
    text = f"lr = {factor} × limit"
    ax.plot(losses, color=colour, ls=style, lw=2, label=text)
ax.axhline(floor, color=BLACK, lw=1, ls=":", label="least squares")
ax.set_yscale("log")
ax.set(xlabel="step", ylabel="mean squared error (log10 price)²")
ax.legend(loc="center right")
show(
    fig,
    f"the limit 2/λmax is {lr_limit:.3f}. After 100 steps the loss is "
    f"{ends[0.1]:.4f} at a tenth of the limit, {ends[0.97]:.4f} just below it, "
    f"and {ends[1.03]:.0f} just above it, although there it fell during the "
    f"first {np.argmin(losses)} steps; least squares reaches {floor:.4f}.",
)
raw = np.column_stack([np.ones(len(houses)), houses[list(COLUMNS)]])
print(f"condition number of Z, standardised: {np.linalg.cond(Z_train):.1f}")
print(f"condition number of Z, raw columns:  {np.linalg.cond(raw):.1e}")

# %% [markdown]
# Note the third run: its loss falls by a factor of 500 before it turns. The
# bias and the other directions converge quickly. One single direction, that of
# $\lambda_{\max}$, grows by 6 % per step from a small beginning, and wins. A
# run that looks well after five steps has shown nothing yet.
#
# ## Ridge: a price on large coefficients
#
# Living area, basement, bathrooms and bedrooms all grow together. When columns
# nearly repeat each other, least squares can make one coefficient very large
# and its neighbour very negative, for next to no gain in fit. **Ridge**
# regression (Hoerl and Kennard 1970) puts a price on size: it minimises the sum
# of squared errors plus $\lambda$ times the sum of squared coefficients. The
# larger $\lambda$, the smaller the coefficients. Standardise first: a penalty
# on a coefficient per square foot is not the same as one per square metre.
#
# Somebody writes the penalty in one line and puts *all* of $w$ into it, the
# bias $w_0$ too. **Predict** before you read on: as $\lambda$ grows, what
# happens to the predictions of $\log_{10}$(price)?
#
# - `"a"`: little; they stay near the true prices, only the slopes shrink.
# - `"b"`: they shrink toward the mean price; houses become alike.
# - `"c"`: they shrink toward 0, that is to a price of 1 dollar.
# - `"d"`: they grow without limit.

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None  # for instance "a", 0.6
### BEGIN SOLUTION
guess, confidence = "c", 0.7
### END SOLUTION

# %% check="guess"
with check("m1.guess"):
    expect_prediction("m1.guess", guess, confidence, ["a", "b", "c", "d"])

# %% right="guess"
guess, confidence = "b", 1

# %% right="guess"
guess, confidence = "a", 0.0

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "c", 70

# %% wrong="guess" says="must be one of"
guess, confidence = "they shrink", 0.5

# %% wrong="guess" says="must be one of"
guess, confidence = None, 0.5

# %% wrong="guess" says="confidence"
guess, confidence = "c", None

# %% [markdown]
# ## Exercise 5: ridge, with the bias left free
#
# The bias says how high the prices are, not how they differ. There is no
# reason to want it small. So the penalty leaves it out:
#
# $$J(w) = \lVert Zw - y \rVert^2 + \lambda \sum_{j=1}^{D} w_j^2
#        = \lVert Zw - y \rVert^2 + \lambda\, w^\top D_0\, w,
#   \qquad D_0 = \operatorname{diag}(0, 1, \dots, 1).$$
#
# Its gradient is $2 Z^\top(Zw - y) + 2\lambda D_0 w$. Set it to zero:
#
# $$(Z^\top Z + \lambda D_0)\, w = Z^\top y .$$
#
# The first row of this system says $\sum_n r_n = 0$, hence $b = \bar y -
# \sum_j w_j \bar x_j$: the penalised model still passes through the means.
# Equivalently: centre $X$ and $y$, fit ridge without a bias, then set $b$ by
# this formula. As $\lambda \to \infty$ the slopes go to 0 and the prediction
# becomes $\bar y$.
#
# In: `Z`, shape `(N, P)`, its first column all ones; `y`, shape `(N,)`; `lam`
# $\ge 0$. Out: $w$, shape `(P,)`. As in scikit-learn, the squares are summed,
# not averaged, so there is no $N$ beside $\lambda$. For `lam=0` it is least
# squares (the columns will be independent then). Example: three houses,
# `lam=2`: the slope becomes $0.3/(2 + 2) = 0.075$, the bias $5.2 - 0.075 \cdot
# 2 = 5.05$.


# %% exercise="fit_ridge" points=2 minutes=9 difficulty=3
def fit_ridge(Z, y, lam):
    """Return the ridge w, shape (P,); Z[:, 0] is ones and is not penalised."""
    # 1. penalty: lam for every coefficient
    # 2. free the bias: nothing for the first
    # 3. solve: (Z'Z + penalty) w = Z'y
    ### BEGIN SOLUTION
    penalty = lam * np.eye(Z.shape[1])
    penalty[0, 0] = 0.0
    return np.linalg.solve(Z.T @ Z + penalty, Z.T @ y)
    ### END SOLUTION
    return np.zeros(Z.shape[1])  # replace this line


# %% check="fit_ridge"
from sklearn.linear_model import Ridge


def ridge_oracle(Z, y, lam):
    """scikit-learn's ridge: it fits the intercept outside of the penalty."""
    model = Ridge(alpha=lam, solver="svd").fit(Z[:, 1:], y)
    return np.array([model.intercept_, *model.coef_])


def ridge_mistakes(Z, y, lam):
    """What typical mistakes give, by stacking the penalty as extra rows."""
    n, p = Z.shape

    def stacked(weights):
        rows = np.vstack([Z, np.diag(np.sqrt(weights))])
        return np.linalg.pinv(rows) @ np.append(y, np.zeros(p))

    free = np.array([0.0] + [1.0] * (p - 1))
    right = ridge_oracle(Z, y, lam)
    return {
        "the bias is penalised too: predictions shrink toward 0, not toward "
        "the mean. Leave the first coefficient out of the penalty.": (
            stacked(lam * np.ones(p))
        ),
        "the last coefficient is free instead of the first. The ones column "
        "is the first: free w[0].": stacked(lam * free[::-1]),
        "lam is multiplied by N. Here the squares are summed, not averaged: "
        "the penalty is lam alone.": stacked(lam * n * free),
        "lam is divided by N. Here the squares are summed, not averaged: "
        "the penalty is lam alone.": stacked(lam / n * free),
        "lam is halved: the 2 of the error's derivative and that of the "
        "penalty's cancel.": stacked(lam / 2 * free),
        "lam is squared: the penalty is lam times the squared coefficients.": (
            stacked(lam**2 * free)
        ),
        "this is least squares: lam has no effect.": stacked(0 * free),
        "the slopes are right, the bias is 0: after centring, set it by "
        "b = mean(y) - mean(x) w.": right * free,
        "the slopes are right, but the bias is the mean of y: that holds only "
        "for centred columns. Use b = mean(y) - mean(x) w.": (
            np.append(y.mean(), right[1:])
        ),
    }


with check("m1.fit_ridge"):
    Z_3 = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    y_3 = np.array([5.0, 5.3, 5.3])
    expect_close(
        fit_ridge(Z_3, y_3, 2.0),
        ridge_oracle(Z_3, y_3, 2.0),
        "fit_ridge(Z, y, 2) for the three houses",
        rtol=1e-4,
        atol=1e-5,
        mistakes=ridge_mistakes(Z_3, y_3, 2.0),
    )
    expect_close(
        fit_ridge(Z_3, y_3, 0.0),
        [4.9, 0.15],
        "fit_ridge(Z, y, 0), which is least squares,",
        rtol=1e-4,
        atol=1e-5,
    )
    far = Z_3 @ np.asarray(fit_ridge(Z_3, y_3, 1e6), dtype=float)
    expect_close(
        far,
        [5.2, 5.2, 5.2],
        "the prediction for lam=1e6 (it must be the mean of y)",
        rtol=1e-3,
        atol=1e-3,
        mistakes={
            "for a large lam your predictions shrink toward 0, not toward the "
            "mean: the bias is penalised.": lambda: 0 * far,
        },
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, p, lam in [(9, 4, 0.7), (30, 3, 5.0), (4, 7, 3.0), (6, 2, 40.0)]:
        A = 2 + rng.normal(size=(n, p))
        A[:, 0] = 1
        b = 5 + rng.normal(size=n)
        A0, b0 = A.copy(), b.copy()
        expect_close(
            fit_ridge(A, b, lam),
            ridge_oracle(A, b, lam),
            f"fit_ridge(Z, y, {lam:g}) for Z of shape {n, p}",
            rtol=1e-3,
            atol=1e-4,
            mistakes=ridge_mistakes(A, b, lam),
        )
        expect_unchanged(A, A0, "Z")
        expect_unchanged(b, b0, "y")
    A = np.column_stack([np.ones(8), rng.normal(size=(8, 2))])
    A = np.column_stack([A, A[:, 1]])  # ridge does not mind a repeated column
    b = rng.normal(size=8)
    expect_close(
        fit_ridge(A, b, 1.0),
        ridge_oracle(A, b, 1.0),
        "fit_ridge(Z, y, 1) with a column that occurs twice",
        rtol=1e-3,
        atol=1e-4,
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="fit_ridge"
# Sketch: a $(P, P)$ matrix with `lam` on its diagonal, then a zero in its first
# corner. Add it to $Z^\top Z$ and solve. With $\lambda > 0$ this system is well
# behaved, so `np.linalg.solve` is fine here.

# %% [markdown] hint="fit_ridge"
# ```python
# penalty = lam * np.eye(...)                      # 1. penalty
# penalty[..., ...] = 0.0                          # 2. free the bias
# return np.linalg.solve(Z.T @ Z + ..., Z.T @ y)   # 3. solve
# ```


# %% right="fit_ridge"
def fit_ridge(Z, y, lam):
    X = Z[:, 1:]
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    extra = np.sqrt(lam) * np.eye(X.shape[1])
    rows = np.vstack([Xc, extra])
    goal = np.concatenate([yc, np.zeros(X.shape[1])])
    slopes = np.linalg.lstsq(rows, goal, rcond=None)[0]
    bias = y.mean() - X.mean(axis=0) @ slopes
    return [bias, *slopes]


# %% right="fit_ridge"
def fit_ridge(Z, y, lam):
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=lam).fit(Z[:, 1:], y)
    return np.r_[model.intercept_, model.coef_].astype(np.float32)


# %% right="fit_ridge"
def fit_ridge(Z, y, lam):
    P = Z.shape[1]
    A, c = np.zeros((P, P)), np.zeros(P)
    for z, target in zip(Z, y):
        A += np.outer(z, z)
        c += z * target
    for j in range(1, P):
        A[j, j] += lam
    return np.linalg.solve(A, c)


# %% wrong="fit_ridge" says="predictions shrink toward 0, not toward the mean"
def fit_ridge(Z, y, lam):
    return np.linalg.solve(Z.T @ Z + lam * np.eye(Z.shape[1]), Z.T @ y)


# %% wrong="fit_ridge" says="predictions shrink toward 0, not toward the mean"
def fit_ridge(Z, y, lam):
    from sklearn.linear_model import Ridge

    return Ridge(alpha=lam, fit_intercept=False).fit(Z, y).coef_


# %% wrong="fit_ridge" says="free instead of the first"
def fit_ridge(Z, y, lam):
    D = lam * np.eye(Z.shape[1])
    D[-1, -1] = 0
    return np.linalg.solve(Z.T @ Z + D, Z.T @ y)


# %% wrong="fit_ridge" says="multiplied by N; summed"
def fit_ridge(Z, y, lam):
    D = np.eye(Z.shape[1])
    D[0, 0] = 0
    N = len(y)
    return np.linalg.solve(Z.T @ Z / N + lam * D, Z.T @ y / N)


# %% wrong="fit_ridge" says="halved; cancel"
def fit_ridge(Z, y, lam):
    D = np.eye(Z.shape[1])
    D[0, 0] = 0
    return np.linalg.solve(2 * Z.T @ Z + lam * D, 2 * Z.T @ y)


# %% wrong="fit_ridge" says="least squares; no effect"
def fit_ridge(Z, y, lam):
    return np.linalg.lstsq(Z, y, rcond=None)[0]


# %% wrong="fit_ridge" says="bias is 0; centring"
def fit_ridge(Z, y, lam):
    Zc, yc = Z - Z.mean(axis=0), y - y.mean()
    return np.linalg.solve(Zc.T @ Zc + lam * np.eye(Z.shape[1]), Zc.T @ yc)


# %% wrong="fit_ridge" says="bias is the mean of y"
def fit_ridge(Z, y, lam):
    X = Z[:, 1:]
    Xc, yc = X - X.mean(axis=0), y - y.mean()
    slopes = np.linalg.solve(Xc.T @ Xc + lam * np.eye(X.shape[1]), Xc.T @ yc)
    return np.append(y.mean(), slopes)


# %% wrong="fit_ridge" says="fit_ridge(Z, y, 2) for the three houses[0] is"
def fit_ridge(Z, y, lam):
    # shrinks the finished solution instead of penalising the fit
    w = np.linalg.lstsq(Z, y, rcond=None)[0]
    w[1:] = w[1:] / (1 + lam)
    return w


# %% [markdown]
# ### Pay-off 2: what λ does, and what the bias has to do with it
#
# Two models on the training houses for each λ: your `fit_ridge`, and the one
# whose penalty includes the bias. Both are judged on the test houses. On the
# left $R^2$, on the right the mean of the predictions. (This is a look at the
# test set to *see* something. To *choose* λ you would use a third set, or
# cross-validation on the training rows.)


# %% demo
def ridge_all(Z, y, lam):
    """Ridge with the bias penalised like everything else."""
    return np.linalg.solve(Z.T @ Z + lam * np.eye(Z.shape[1]), Z.T @ y)


lams = np.logspace(-1, 6, 36)
predictions = {
    "bias free (yours)": [
        Z_test @ fit_ridge(Z_train, y_train, v) for v in lams
    ],
    "bias penalised": [
        np.column_stack([np.ones(len(X_test)), X_test])
        @ ridge_all(
            np.column_stack([np.ones(len(X_train)), X_train]), y_train, v
        )
        for v in lams
    ],
}
fig, (ax1, ax2) = figure(1, 2, width=9.5, height=4)
styles = [(BLUE, "-"), (RED, "--")]
for (name, rows), (colour, style) in zip(predictions.items(), styles):
    ax1.plot(
        lams,
        [r2(y_test, p) for p in rows],
        style,
        color=colour,
        lw=2,
        label=name,
    )
    ax2.plot(lams, [p.mean() for p in rows], style, color=colour, lw=2)
ax1.axhline(0, color=BLACK, lw=1, ls=":")
ax1.text(lams[0], -0.05, "always the mean", va="top")
ax2.axhline(y_train.mean(), color=BLACK, lw=1, ls=":")
ax2.text(lams[0], y_train.mean() - 0.1, "mean of training y", va="top")
ax1.set(
    xscale="log", ylim=(-2, 1.05), xlabel="λ", ylabel="R² on the test houses"
)
ax2.set(xscale="log", ylim=(-0.2, 5.7), xlabel="λ")
ax2.set_ylabel("mean prediction, log10(price)")
ax1.legend(loc="lower left")

at_100 = np.argmin(np.abs(lams - 100))
free, bound = (rows[at_100] for rows in predictions.values())
free_r2, bound_r2 = r2(y_test, free), r2(y_test, bound)
best_r2 = r2(y_test, Z_test @ w_best)
show(
    fig,
    f"without penalty R² is {best_r2:.2f}. At λ=100 it is {free_r2:.2f} with "
    f"the bias free and {bound_r2:.2f} with the bias penalised: the typical "
    f"prediction falls from {10 ** free.mean():,.0f} to "
    f"{10 ** bound.mean():,.0f} dollars. At λ=1e6 the one predicts about the "
    f"mean, the other {10 ** predictions['bias penalised'][-1].mean():.2f} "
    "dollars for a typical house.",
)
last = predictions["bias penalised"][-1].mean()
if best_r2 > 0.5:
    truth = "c" if abs(last) < abs(last - y_train.mean()) else "b"
    outcome("m1.guess", truth)
else:
    print("Finish add_bias, fit_ols and fit_ridge, then run this cell again.")

# %% [markdown]
# The reason is in one line. With standardised columns the bias decouples from
# the slopes, and penalising it gives $b = \bar y \cdot N/(N+\lambda)$. At
# $N = 2{,}340$ and $\lambda = 100$ the factor is 0.959. That looks harmless,
# but it is 4 % of a *logarithm*: $5.22 \cdot 0.959 = 5.01$, so every house
# loses 39 % of its price. $R^2$ below 0 means: worse than always saying the
# mean.
#
# And ridge itself? On these houses it does not help: with 11 columns, 2,340
# rows and a condition number of 5, there is nothing to mend. It is
# needed when columns are many or nearly repeat each other. That a famous method
# makes no difference is a result too.
#
# ### Is R² a property of the model, or of the split?
#
# One split is one draw. Your `fit_ols` is fast, so draw thirty, with the five
# very large houses and without them.


# %% demo
def thirty_splits(table):
    """Return the test R² of least squares for 30 random splits, sorted."""
    scores = []
    for seed in range(30):
        X_tr, y_tr, X_te, y_te = split(table, seed)
        w = fit_ols(np.asarray(add_bias(X_tr)), y_tr)
        scores.append(r2(y_te, np.asarray(add_bias(X_te)) @ w))
    return np.sort(scores)


spread = {
    "up to 4,000 sq ft": thirty_splits(houses),
    "all houses       ": thirty_splits(all_houses),
}
for name, scores in spread.items():
    low, middle, high = scores[0], np.median(scores), scores[-1]
    print(f"{name}  test R² {low:.3f} to {high:.3f}, median {middle:.3f}")
print(f"our split, seed 0:  {best_r2:.3f}")

# %% [markdown]
# Five houses of 2,930 decide whether the worst split looks like 0.79 or like
# 0.67. Three of them were sold before they were finished, at a price that is
# not that of a house of their size. So say which houses a model is for.
#
# And our own split? It is the best of the thirty. We took 0 because it is the
# first number, and kept it when we saw its score, since it makes the point: a
# score does not tell a lucky split from a searched one, and you have only our
# word. The honest figure is the median, 0.85, with its range. Whoever reports
# the best of thirty has not built a better model.
#
# ## How sure are we of a coefficient?
#
# Another five years of sales would give other coefficients. How different? Take
# the model seriously for a moment: $y = Z w^* + \varepsilon$, with independent
# errors of mean 0 and the same variance $\sigma^2$. Then
#
# $$\hat w = (Z^\top Z)^{-1} Z^\top y = w^* + (Z^\top Z)^{-1} Z^\top
# \varepsilon ,$$
#
# so $\hat w$ is right on average, and with $\operatorname{Var}(A\varepsilon) =
# \sigma^2 A A^\top$
#
# $$\operatorname{Var}(\hat w) = \sigma^2 (Z^\top Z)^{-1} Z^\top Z (Z^\top
# Z)^{-1} = \sigma^2 (Z^\top Z)^{-1}.$$
#
# The noise $\sigma^2$ is unknown, but the residuals are not. They are $y - Z
# \hat w = (I - M)\varepsilon$ with $M = Z (Z^\top Z)^{-1} Z^\top$. $I - M$ is a
# projection, so the residual sum of squares has the expectation
#
# $$E[\mathrm{RSS}] = \sigma^2 \operatorname{tr}(I - M) = \sigma^2 (N - P),$$
#
# because $\operatorname{tr} M = \operatorname{tr}\big((Z^\top Z)^{-1} Z^\top
# Z\big) = P$. The fit has used up $P$ of the $N$ numbers to come close to the
# data, the bias included. Hence
#
# $$\hat\sigma^2 = \frac{\mathrm{RSS}}{N - P},\qquad
#   \operatorname{se}_j = \sqrt{\hat\sigma^2 \big[(Z^\top Z)^{-1}\big]_{jj}} .$$
#
# A 95 % interval is $\hat w_j \pm t\, \operatorname{se}_j$ with the 0.975
# quantile $t$ of Student's distribution with $N - P$ degrees of freedom. From
# some 100 rows on that is close to 1.96.
#
# The next cell lets the formula meet reality. It draws 2,000 data sets from one
# known line, fits each with your `fit_ols`, and reports how far the
# coefficients scatter.

# %%
rng = np.random.default_rng(0)
Z_sim = np.column_stack([np.ones(10), np.linspace(1, 3, 10)])  # shape (10, 2)
w_true, sigma = np.array([4.9, 0.15]), 0.1
draws = [Z_sim @ w_true + sigma * rng.normal(size=10) for _ in range(2000)]
fits = np.array([fit_ols(Z_sim, draw) for draw in draws])  # shape (2000, 2)
print("mean of the fits:      ", np.round(fits.mean(axis=0), 3))
print("they scatter by (sd):  ", np.round(fits.std(axis=0), 3))

# %% [markdown]
# ## Exercise 6: standard errors
#
# In: `Z`, shape `(N, P)`, with independent columns and $N > P$; `y`, shape
# `(N,)`; `w`, shape `(P,)`, the least-squares solution. Out: the standard error
# of each coefficient, shape `(P,)`. Example: three houses. RSS is $0.05^2 +
# 0.1^2 + 0.05^2 = 0.015$, $N - P = 1$, so $\hat\sigma^2 = 0.015$; the standard
# errors are `[0.187, 0.0866]`. A slope of 0.15 that is uncertain by 0.0866 is
# what three houses are worth.


# %% exercise="std_err" points=2 minutes=9 difficulty=3
def std_err(Z, y, w):
    """Return the standard error of each coefficient, shape (P,)."""
    # 1. residual
    # 2. noise: RSS / (N - P)
    # 3. covariance: noise times the inverse of Z'Z
    # 4. root: of its diagonal
    ### BEGIN SOLUTION
    n_rows, n_coefficients = Z.shape
    left_over = y - Z @ w
    noise = left_over @ left_over / (n_rows - n_coefficients)
    covariance = noise * np.linalg.inv(Z.T @ Z)
    return np.sqrt(np.diag(covariance))
    ### END SOLUTION
    return np.zeros(Z.shape[1])  # replace this line


# %%
def formula_on_average():
    """Root mean square of your std_err over the first 300 data sets."""
    pairs = list(zip(draws, fits))[:300]
    squares = [np.square(std_err(Z_sim, y, w)) for y, w in pairs]
    return np.sqrt(np.mean(squares, axis=0))


target_and_yours(
    "scatter over 2,000 data sets, and the formula from one set at a time",
    fits.std(axis=0),
    formula_on_average,
)
print("(They agree to about 5 %, not exactly: both are estimates.)")

# %% check="std_err"
from scipy import stats


def se_oracle(Z, y):
    """The standard errors through QR: Z'Z = R'R, so no inverse of it."""
    Q, R = np.linalg.qr(Z)
    rss = np.sum((y - Q @ (Q.T @ y)) ** 2)
    half = np.linalg.solve(R, np.eye(len(R)))  # inverse of R
    return np.sqrt(rss / (len(y) - len(R)) * np.sum(half**2, axis=1))


def se_mistakes(Z, y, w):
    """What typical mistakes give."""
    n, p = Z.shape
    right = se_oracle(Z, y)
    scale = (n - p) ** 0.5
    size = np.std(y, ddof=1) / np.std(y - Z @ w) * (1 - p / n) ** 0.5
    Q, R = np.linalg.qr(Z)
    full = np.linalg.solve(R, np.eye(p))
    full = full @ full.T * right[0] ** 2 / (full @ full.T)[0, 0]
    return {
        "you divided RSS by N. The fit used up P numbers to come close to the "
        "data: divide by N - P.": right * scale / n**0.5,
        "you divided RSS by N - 1. That is right for a mean; here P "
        "coefficients were fitted, the bias too: divide by N - P.": (
            right * scale / (n - 1) ** 0.5
        ),
        "these are variances: take the root of the diagonal.": right**2,
        "this is the whole covariance matrix. The standard errors are the "
        "roots of its diagonal.": full,
        "this is the root of every entry; take the diagonal only.": (
            lambda: np.sqrt(full)
        ),
        "this is the scatter of y, not of the residuals: RSS is the sum of "
        "(y - Z w) squared.": right * size,
        "you divided by the root of N once more: (Z'Z) already grows with "
        "N.": right / n**0.5,
        "the noise is missing: multiply the inverse of Z'Z by RSS / (N - P) "
        "before the root.": np.linalg.norm(
            np.linalg.solve(R, np.eye(p)), axis=1
        ),
        "RSS is not divided at all: the noise is RSS / (N - P).": right * scale,
    }


with check("m1.std_err"):
    Z_3 = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    y_3 = np.array([5.0, 5.3, 5.3])
    best = np.array([4.9, 0.15])
    given = (Z_3.copy(), y_3.copy(), best.copy())
    fitted = stats.linregress([1, 2, 3], [5.0, 5.3, 5.3])
    # More rows than the three houses: there, N - P is 1 and hides mistakes.
    x5 = np.array([1.0, 2.0, 3.0, 4.0, 6.0])
    y5 = np.array([5.0, 5.3, 5.3, 5.2, 5.6])
    Z5 = np.column_stack([np.ones(5), x5])
    line5 = stats.linregress(x5, y5)
    w5 = np.array([line5.intercept, line5.slope])
    expect_close(
        std_err(Z5, y5, w5),
        [line5.intercept_stderr, line5.stderr],
        "std_err(Z, y, w) for five houses",
        rtol=1e-4,
        atol=1e-7,
        mistakes=se_mistakes(Z5, y5, w5),
    )
    expect_close(
        std_err(*given),
        [fitted.intercept_stderr, fitted.stderr],
        "std_err(Z, y, w) for the three houses",
        rtol=1e-4,
        atol=1e-7,
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, p in [(12, 4), (7, 6), (30, 3), (4, 1)]:
        A, b = rng.normal(size=(n, p)), 5 + rng.normal(size=n)
        v = np.linalg.pinv(A) @ b
        A0, b0, v0 = A.copy(), b.copy(), v.copy()
        expect_close(
            std_err(A, b, v),
            se_oracle(A, b),
            f"std_err(Z, y, w) for Z of shape {n, p}",
            rtol=1e-3,
            atol=1e-7,
            mistakes={
                "you divided by N - 2. That fits one slope and a bias; in "
                "general P coefficients were fitted: divide by N - P.": (
                    se_oracle(A, b) * ((n - p) / (n - 2)) ** 0.5
                ),
                **se_mistakes(A, b, v),
            },
        )
        expect_unchanged(A, A0, "Z")
        expect_unchanged(b, b0, "y")
        expect_unchanged(v, v0, "w")
    ### END HIDDEN TESTS

# %% [markdown] hint="std_err"
# Sketch: the residual is `y - Z @ w`; its sum of squares is RSS. Divide by the
# number of rows minus the number of coefficients. Multiply the inverse of
# $Z^\top Z$ by that, take the diagonal, take the root.

# %% [markdown] hint="std_err"
# ```python
# n_rows, n_coefficients = Z.shape
# left_over = ...                                       # 1. residual
# noise = left_over @ left_over / (... - ...)           # 2. noise
# covariance = noise * np.linalg.inv(...)               # 3. covariance
# return np.sqrt(np.diag(...))                          # 4. root
# ```


# %% right="std_err"
def std_err(Z, y, w):
    N, P = Z.shape
    R = np.linalg.qr(Z, mode="r")
    rss = float(np.sum((y - Z @ w) ** 2))
    Ri = np.linalg.inv(R)
    return [float(np.sqrt(rss / (N - P) * (row @ row))) for row in Ri]


# %% right="std_err"
def std_err(Z, y, w):
    N, P = Z.shape
    s2 = sum(
        (y[n] - sum(Z[n, j] * w[j] for j in range(P))) ** 2 for n in range(N)
    )
    s2 = s2 / (N - P)
    out = []
    for j in range(P):
        unit = np.zeros(P)
        unit[j] = 1
        out.append((s2 * np.linalg.solve(Z.T @ Z, unit)[j]) ** 0.5)
    return np.array(out, dtype=np.float32)


# %% right="std_err"
def std_err(Z, y, w):
    dof = len(y) - len(w)
    s2 = np.sum(np.square(Z @ w - y)) / dof
    return np.sqrt(s2 * np.linalg.pinv(Z.T @ Z).diagonal())


# %% wrong="std_err" says="divided RSS by N.; N - P"
def std_err(Z, y, w):
    r = y - Z @ w
    return np.sqrt(np.diag(np.mean(r**2) * np.linalg.inv(Z.T @ Z)))


# %% wrong="std_err" says="N - 1; N - P"
def std_err(Z, y, w):
    r = y - Z @ w
    s2 = r @ r / (len(y) - 1)
    return np.sqrt(np.diag(s2 * np.linalg.inv(Z.T @ Z)))


# %% wrong="std_err" says="N - 1; the bias too"
def std_err(Z, y, w):
    # counts the columns without the ones
    r = y - Z @ w
    D = Z.shape[1] - 1
    return np.sqrt(np.diag(r @ r / (len(y) - D) * np.linalg.inv(Z.T @ Z)))


# %% wrong="std_err" says="N - 2; N - P"
def std_err(Z, y, w):
    r = y - Z @ w
    return np.sqrt(np.diag(r @ r / (len(y) - 2) * np.linalg.inv(Z.T @ Z)))


# %% wrong="std_err" says="variances; root"
def std_err(Z, y, w):
    N, P = Z.shape
    r = y - Z @ w
    return np.diag(r @ r / (N - P) * np.linalg.inv(Z.T @ Z))


# %% wrong="std_err" says="covariance matrix; diagonal"
def std_err(Z, y, w):
    N, P = Z.shape
    r = y - Z @ w
    return r @ r / (N - P) * np.linalg.inv(Z.T @ Z)


# %% wrong="std_err" says="every entry; diagonal"
def std_err(Z, y, w):
    N, P = Z.shape
    r = y - Z @ w
    return np.sqrt(r @ r / (N - P) * np.linalg.inv(Z.T @ Z))


# %% wrong="std_err" says="scatter of y"
def std_err(Z, y, w):
    return np.sqrt(np.var(y, ddof=1) * np.diag(np.linalg.inv(Z.T @ Z)))


# %% wrong="std_err" says="root of N once more"
def std_err(Z, y, w):
    N, P = Z.shape
    r = y - Z @ w
    se = np.sqrt(np.diag(r @ r / (N - P) * np.linalg.inv(Z.T @ Z)))
    return se / np.sqrt(N)


# %% wrong="std_err" says="noise is missing"
def std_err(Z, y, w):
    return np.sqrt(np.diag(np.linalg.inv(Z.T @ Z)))


# %% wrong="std_err" says="not divided at all"
def std_err(Z, y, w):
    r = y - Z @ w
    return np.sqrt(np.diag(r @ r * np.linalg.inv(Z.T @ Z)))


# %% [markdown]
# ### Pay-off 3: eleven coefficients and how sure they are
#
# Your `fit_ols` and `std_err` on the training houses. The columns are
# standardised, so each coefficient answers the same question: by how much does
# $\log_{10}$(price) differ between houses one standard deviation apart in this
# column and *equal in all others*?

# %% demo
from scipy import stats

names = list(COLUMNS.values())
errors = np.asarray(std_err(Z_train, y_train, w_best))
half = stats.t.ppf(0.975, len(y_train) - len(w_best)) * errors
order = 1 + np.argsort(w_best[1:])  # the bias is not drawn
rows = np.arange(len(order))
clear = np.abs(w_best[order]) > half[order]
fig, ax = figure(height=4.4)
for is_clear, colour, marker, text in [
    (True, BLUE, "o", "interval without 0"),
    (False, ORANGE, "D", "interval holds 0"),
]:
    at = clear == is_clear
    ax.errorbar(
        w_best[order][at],
        rows[at],
        xerr=half[order][at],
        fmt=marker,
        color=colour,
        capsize=3,
        label=text,
    )
ax.axvline(0, color=BLACK, lw=1)
ax.set_yticks(rows, [names[j - 1] for j in order])
ax.set_xlabel("coefficient and 95 % interval, log10(price) per sd")
ax.set_ylabel("column")
ax.legend(loc="lower right")
top = order[-1]
show(
    fig,
    f"the largest coefficient is that of {names[top - 1]}: "
    f"{w_best[top]:.3f} ± {half[top]:.3f}, which is "
    f"{10 ** w_best[top] - 1:.0%} in price per standard deviation; "
    f"{int((~clear).sum())} of {len(order)} intervals hold 0: "
    + ", ".join(names[j - 1] for j in order[~clear])
    + ".",
)

# %% [markdown]
# ### Against scikit-learn
#
# The same rows, the same columns, the library that the world uses. And one
# column alone, for a lesson in what a coefficient is not.

# %% demo
from sklearn.linear_model import LinearRegression, Ridge

ols = LinearRegression().fit(X_train, y_train)
ridge = Ridge(alpha=100).fit(X_train, y_train)
w_ridge = fit_ridge(Z_train, y_train, 100)
delta_ols = np.abs(w_best - np.append(ols.intercept_, ols.coef_)).max()
delta_ridge = np.abs(w_ridge - np.append(ridge.intercept_, ridge.coef_)).max()
w_walk, _ = descend(Z_train, y_train, 0.9 * lr_limit, 300)
delta_walk = np.abs(w_walk - w_best).max()
print(f"largest difference to LinearRegression: {delta_ols:.1e}")
print(f"largest difference to Ridge(alpha=100): {delta_ridge:.1e}")
print(f"your descend, 300 steps, to your fit_ols: {delta_walk:.1e}")
print(f"test R²: {best_r2:.3f} (the bar is 0.78)")

bedrooms = 1 + names.index("bedrooms")
alone = fit_ols(Z_train[:, [0, bedrooms]], y_train)[1]
print(f"bedrooms, alone: {alone:+.3f}")
beside = f"{w_best[bedrooms]:+.3f} ± {half[bedrooms]:.3f}"
print(f"bedrooms, beside the other ten columns: {beside}")

# %% [markdown]
# ## What a coefficient means, and what it does not
#
# *It compares, and it depends on its company.* Houses with more bedrooms are
# dearer, since they are larger: alone, the coefficient is positive. Among
# houses of *equal* area, year, garage and so on, more bedrooms mean smaller
# rooms, and the sign turns. Both numbers are right. They answer different
# questions. Which columns stand beside it is part of what a coefficient means.
#
# *It is not the effect of building one.* Nobody assigned fireplaces to houses
# by lot. Houses with a fireplace differ in ways that are not in the table. And
# 124 of the 131 houses with a second kitchen are duplexes or conversions for
# two families: the coefficient of kitchens is theirs. Do not tear one out.
#
# *The interval knows only some of what may be wrong.* It assumes that errors
# are independent and alike everywhere, and that the sum is the right form.
# Houses in one street share a fate, so the true uncertainty is larger than
# drawn. It says nothing about prices in another town or another year.
#
# ## What this tells you about the job
#
# What you just did is what a machine-learning engineer does in the first days
# of most projects: choose the target and its scale, set a test set aside, fit
# the simplest model that could work, check the code against an independent one,
# and find out how much of the score is luck. The hours go into the data's five
# odd houses and into one silent `(N, N)`, not into the formula. (The formula
# lasts, though: "prediction minus truth, on each column" is the gradient of the
# fraud model on day 2 and of the network's last layer on day 3.) If you liked
# that a number was *exactly* what the derivation said, to ten digits, this half
# of the course has more of it. If you missed talking to something that answers,
# look at A1.
#
# ## Further reading
#
# - D. De Cock (2011), *Ames, Iowa: Alternative to the Boston Housing Data as an
#   End of Semester Regression Project*, Journal of Statistics Education 19(3):
#   the data, and the advice about the five houses.
# - T. Hastie, R. Tibshirani, J. Friedman (2009), *The Elements of Statistical
#   Learning*, 2nd edition, chapter 3: least squares and ridge, with the bias
#   left out of the penalty.
# - A. E. Hoerl, R. W. Kennard (1970), *Ridge Regression: Biased Estimation for
#   Nonorthogonal Problems*, Technometrics 12(1), 55–67.
# - L. N. Trefethen, D. Bau (1997), *Numerical Linear Algebra*, lectures 11, 18
#   and 19: why QR and SVD, and not the normal equations.
# - D. A. Freedman (2009), *Statistical Models: Theory and Practice*, revised
#   edition: what a coefficient can carry, and what it cannot.
#
# ## Would you do this again tomorrow?

# %%
again("m1", 0)
