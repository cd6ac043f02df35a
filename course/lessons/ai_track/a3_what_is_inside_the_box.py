# ---
# jupyter:
#   crossroads:
#     id: a3
#     track: ai_track
#     title: What is inside the box?
#     partner: m3
#     assets: [smollm2, minilm]
#     cpu_s: 30
# ---

# %% [markdown]
# # A3 · What is inside the box?
#
# *Day 3, the AI engineer's half. The other half of the day is M3.*
#
# For two days the model was a box: ids go in, logits come out. Today you open it. Three
# notes lie on your desk at *Lampa*.
#
# 1. *Our provider charges a tenth of the price for "cached" input tokens. What is cached,
#    and how must we write our prompts to profit?*
# 2. *The assistant says "Paris". Where in the box does it get that from?*
# 3. *We pay for one model that writes and another that searches. They are both
#    "transformers". Why not one for both?*
#
# You will write the whole box: a language model's forward pass in NumPy, about fifty lines,
# nothing hidden. Then you load the real weights of SmolLM2 into *your* functions, and your
# logits will be those of the library. Nearly every open language model of today is built
# from these parts. (The numbers inside came from training. How a network learns is the
# other half of this day.)
#
# {{exercises}}
#
# Reading and watching take another ten to fifteen minutes.

# %% setup
import math

import numpy as np

from course import plots
from course.feedback import (
    check,
    expect,
    expect_close,
    expect_prediction,
    expect_shape,
    expect_type,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.progress import again, outcome

EPS = 1e-5  # of the model's own configuration, as is the next
THETA = 100_000.0


def softmax(z):
    """Return the probabilities of the logits z; the last axis is one row."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# %% [markdown]
# ## 1 · The box from outside
#
# Its files are a small `config.json` and one large table of numbers: 272 arrays with
# names, 134,515,008 numbers in all. Nothing else. No rules, no facts in words.

# %% demo
import json

from safetensors.numpy import load_file

from course import assets
from course.llm import load_local

folder = assets.path("smollm2")
config = json.loads((folder / "config.json").read_text())
raw = load_file(folder / "model.safetensors")
print(len(raw), "arrays,", f"{sum(a.size for a in raw.values()):,} numbers")
for name, array in raw.items():
    if "layers" not in name or "layers.0." in name:
        print(f"{name:50} {array.shape}")

# %% [markdown]
# There are 30 layers with arrays of the same shapes, one after the other. The path of a
# text through them:
#
# 1. **Embed.** Each token id picks its row of a table: a vector of $D = 576$ numbers. A
#    text of $T$ tokens becomes an array `x` of shape `(T, 576)`.
# 2. **Blocks.** Thirty times, a block *adds* something to `x`. First *attention*: each
#    token fetches something from the tokens before it. Then a small *network*, on each
#    token alone.
# 3. **Read out.** The last `x` is compared with every row of the same table by a dot
#    product. These are the 49,152 logits of the next token.
#
# Because blocks only add, the shape stays `(T, 576)` on the way. The array is called the
# **residual stream**. So one can stop at any block, read the stream out *as if* it were the
# last, and look what the model would say if it had to answer now. That is the **logit
# lens** (nostalgebraist, 2020).
#
# ## 2 · Predict
#
# The text is `The capital of France is`. After all 30 blocks the likeliest next token of
# 49,152 is `" Paris"`. With the logit lens we find the rank of `" Paris"` after each block:
# 1 is the likeliest.
#
# **After which block is `" Paris"` on rank 1 for the first time?** Set `guess` to
# `"1 to 10"`, `"11 to 20"`, `"21 to 29"` or `"30"`, and `confidence` to a number from 0 (no
# idea) to 1 (certain).

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "11 to 20", 0.5
### END SOLUTION

# %% check="guess"
with check("a3.guess"):
    stretches = ["1 to 10", "11 to 20", "21 to 29", "30"]
    expect_prediction("a3.guess", guess, confidence, stretches)

# %% right="guess"
guess, confidence = "30", 0

# %% right="guess"
guess, confidence = "1 to 10", 1.0

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "30", 70

# %% wrong="guess" says="must be one of"
guess, confidence = 30, 0.5

# %% [markdown]
# ## 3 · Keep the numbers in bounds: `rmsnorm`
#
# Thirty blocks add to the stream, and it grows: you will see by how much. So every part of
# a block first brings its input to a standard size. It divides each token's vector $x$ by
# the *root mean square* of its entries, and multiplies entry by entry with learned weights
# $w$:
#
# $$y_i = w_i\,\frac{x_i}{r},\qquad
#   r = \sqrt{\frac1D\sum_{j=1}^{D} x_j^2 + \varepsilon}.$$
#
# The small $\varepsilon$ stands **under the root**. It keeps $r$ away from zero. Nothing is
# subtracted: the older *layer norm* takes the mean away first, and its successor found that
# the model learns as well without (Zhang and Sennrich, 2019).
#
# What follows: for a large $x$, twice the vector has the same norm, $y(2x) \approx y(x)$.
# Only the **direction** of the stream counts for what is read from it.
#
# By hand, with $w = (1, 1)$: for $x = (3, 4)$ the mean of the squares is $12.5$, so
# $r \approx 3.536$ and $y \approx (0.849, 1.131)$.
#
# ### Exercise: `rmsnorm`
#
# - **In:** `x` of shape `(T, D)`, one row for each token; `w` of shape `(D,)`.
# - **Out:** the array $y$, shape `(T, D)`. $\varepsilon$ is `EPS`.


# %% exercise="rmsnorm" points=2 minutes=5 difficulty=1
def rmsnorm(x, w):
    """Return x, shape (T, D), each row divided by its r, times w."""
    # 1. square and mean, for each row   2. root   3. divide, times w
    ### BEGIN SOLUTION
    r = np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPS)
    return x / r * w
    ### END SOLUTION
    return np.zeros_like(x)  # replace this line


# %% check="rmsnorm"
with check("a3.rmsnorm"):

    def rmsnorm_slow(x, w, centre=False, inside=EPS, outside=0.0, power=2):
        out = np.zeros(x.shape)
        for t, row in enumerate(x.astype(float)):
            mean = sum(row) / len(row) if centre else 0.0
            squares = sum((v - mean) ** power for v in row)
            r = math.sqrt(abs(squares) / len(row) + inside) + outside
            for i, v in enumerate(row):
                out[t, i] = w[i] * (v - mean) / r
        return out

    def try_rmsnorm(x, w):
        before, name = x.copy(), f"rmsnorm(x, w) for x of shape {x.shape}"
        got = rmsnorm(x, w)
        expect_unchanged(x, before, "x")
        want = rmsnorm_slow(x, w)
        r_all = np.sqrt((x.astype(float) ** 2).mean() + EPS)
        with np.errstate(all="ignore"):
            mistakes = {
                "you subtract the mean: that is the older layer norm. Here "
                "nothing is subtracted; divide by the root mean square.": (
                    rmsnorm_slow(x, w, centre=True)
                ),
                "eps stands outside of the root. It belongs under it: "
                "sqrt(mean + EPS). For small vectors that is much.": (
                    rmsnorm_slow(x, w, inside=0.0, outside=EPS)
                ),
                "eps is missing: sqrt(mean + EPS).": (
                    lambda: x / np.sqrt((x**2).mean(-1, keepdims=True)) * w
                ),
                "the root is missing: you divide by the mean of the squares.": (
                    x / ((x**2).mean(-1, keepdims=True) + EPS) * w
                ),
                "you divide by the root of the sum of squares. Take the mean: "
                "the result must not shrink when D grows.": (
                    x / np.sqrt((x**2).sum(-1, keepdims=True) + EPS) * w
                ),
                "one r for the whole array: each token has its own. Take the "
                "mean along the last axis, with keepdims.": x / r_all * w,
                "the weights w are missing: multiply with them at the end.": (
                    rmsnorm_slow(x, np.ones_like(w))
                ),
            }
            if x.shape[0] == x.shape[1]:
                mistakes[
                    "the mean runs over the tokens. Each token has its own r: "
                    "take axis=-1, with keepdims."
                ] = x / np.sqrt((x**2).mean(0) + EPS) * w
            expect_close(
                got, want, name, rtol=1e-4, atol=1e-6, mistakes=mistakes
            )

    try_rmsnorm(np.array([[3.0, 4.0], [1.0, -1.0]]), np.array([1.0, 2.0]))
    try_rmsnorm(np.array([[1.0, 2.0, 3.0]]), np.array([1.0, 0.5, -1.0]))
    try_rmsnorm(np.array([[2e-3, -1e-3], [5.0, 1.0]]), np.array([1.0, 3.0]))
    try_rmsnorm(np.zeros((2, 4)), np.ones(4))
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for t, d in [(1, 1), (5, 8), (3, 3), (7, 16), (1, 64)]:
        size = 10.0 ** rng.integers(-4, 4, size=(t, 1))
        rows = rng.normal(size=(t, d)) * size
        try_rmsnorm(rows, rng.normal(size=d))
        try_rmsnorm(rows.astype(np.float32), rng.normal(size=d))
    ### END HIDDEN TESTS

# %% [markdown] hint="rmsnorm"
# Sketch. Square all entries, take the mean along the last axis, add `EPS`, take the root.
# With `keepdims=True` that is a column of shape `(T, 1)`, and `x` can be divided by it.

# %% [markdown] hint="rmsnorm"
# ```python
# mean = (x**2).mean(axis=..., keepdims=...)  # 1. square and mean
# r = np.sqrt(... + ...)                      # 2. root
# return x / ... * ...                        # 3. divide, times w
# ```


# %% right="rmsnorm"
def rmsnorm(x, w):
    mean = np.einsum("td,td->t", x, x) / x.shape[1]
    return w * x * (mean + EPS)[:, None] ** -0.5


# %% right="rmsnorm"
def rmsnorm(x, w):
    rows = []
    for row in x:
        rows.append(row * w / math.sqrt(np.dot(row, row) / len(row) + EPS))
    return np.array(rows)


# %% wrong="rmsnorm" says="subtract the mean"
def rmsnorm(x, w):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPS) * w


# %% wrong="rmsnorm" says="subtract the mean"
def rmsnorm(x, w):
    mean = x.mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(x.var(axis=-1, keepdims=True) + EPS) * w


# %% wrong="rmsnorm" says="outside of the root"
def rmsnorm(x, w):
    return x / (np.sqrt((x**2).mean(axis=-1, keepdims=True)) + EPS) * w


# %% wrong="rmsnorm" says="eps is missing"
def rmsnorm(x, w):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True)) * w


# %% wrong="rmsnorm" says="root is missing"
def rmsnorm(x, w):
    return x / ((x**2).mean(axis=-1, keepdims=True) + EPS) * w


# %% wrong="rmsnorm" says="Take the mean; shrink"
def rmsnorm(x, w):
    return x / np.sqrt((x**2).sum(axis=-1, keepdims=True) + EPS) * w


# %% wrong="rmsnorm" says="one r for the whole array"
def rmsnorm(x, w):
    return x / np.sqrt((x**2).mean() + EPS) * w


# %% wrong="rmsnorm" says="runs over the tokens"
def rmsnorm(x, w):
    return x / np.sqrt((x**2).mean(axis=0) + EPS) * w


# %% wrong="rmsnorm" says="weights w are missing"
def rmsnorm(x, w):
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPS)


# %% wrong="rmsnorm" says="changed its argument x"
def rmsnorm(x, w):
    x /= np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPS)
    return x * w


# %% [markdown]
# ## 4 · Where a token stands: `rope`
#
# Attention, as you will see in a minute, compares a **query** vector $q$ of one token with
# the **key** vectors $k$ of others by dot products. A dot product does not know where the
# tokens stand: "dog bites man" and "man bites dog" would be the same. The remedy is to
# *turn* each query and each key by an angle that grows with its position.
#
# Take two numbers $(a, b)$ of a vector at position $t$ as a point in the plane, and rotate
# it by the angle $\varphi = t f$:
#
# $$(a, b) \mapsto (a\cos\varphi - b\sin\varphi,\;\; b\cos\varphi + a\sin\varphi).$$
#
# Rotate a query at position $t$ and a key at position $s$ so, and their dot product is the
# same as if only the query had been turned, by $(t-s)f$: the rotation by $sf$ common to
# both changes no angle between them. So the score knows **how far apart** two tokens are,
# and nothing of where in the text the pair stands.
#
# One speed is not enough: after a full turn all would look the same. A vector of $d = 64$
# numbers has 32 pairs, and pair $j = 0, \dots, d/2 - 1$ turns at its own speed
#
# $$f_j = \theta^{-2j/d},\qquad \theta = 100{,}000 .$$
#
# The first is the second hand of a clock: 1 radian for each token. The last is the
# slowest: a full turn takes about 440,000 tokens. This is **RoPE**, rotary position
# embedding (Su and others, 2021).
#
# **Which numbers form a pair?** The paper takes neighbours: 0 with 1, 2 with 3. The weights
# in our file were trained with the *halves*: $j$ with $j + d/2$, so 0 with 32, 1 with 33.
# Both are fine mathematics. Only one fits these weights, and nothing but the numbers tells
# you when you took the other: the code runs, the text is rubbish. People who convert models
# lose days on this.

# %% [markdown]
# ### Exercise: `rope`
#
# - **In:** `q` of shape `(T, H, d)`: $T$ tokens, $H$ *heads* that are treated alike, $d$
#   even. The base `theta`. The position `start` of the first token: the positions are
#   `start, start + 1, …`, so a text begins at 0.
# - **Out:** the rotated array, same shape **and same dtype**. Compute the angles in float64,
#   then convert the result with `.astype(q.dtype)`. One float64 array that slips in makes
#   everything after it float64, and the box twice as slow.
#
# With $d = 2$ there is one pair, and $f_0 = 1$: `rope` turns `[[[1.0, 0.0]]]` at `start=1`
# into `[[[0.5403, 0.8415]]]`, which are $\cos 1$ and $\sin 1$.


# %% exercise="rope" points=3 minutes=9 difficulty=3
def rope(q, theta, start=0):
    """Return q, shape (T, H, d), with pair (j, j + d/2) turned by t * f_j."""
    half = q.shape[2] // 2
    # 1. speeds: f, shape (half,)   2. angles: position times speed
    # 3. turn the halves a and b, put them together, in q's dtype
    ### BEGIN SOLUTION
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = q[..., :half], q[..., half:]
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    return turned.astype(q.dtype)
    ### END SOLUTION
    return q.copy()  # replace this line


# %% check="rope"
with check("a3.rope"):

    def rope_slow(q, theta, start, neighbours=False, sign=1, power=2, by=0):
        """Turn each pair, one after the other."""
        out = np.zeros(q.shape)
        d = q.shape[2]
        for t, h, j in np.ndindex(q.shape[0], q.shape[1], d // 2):
            place = start + (t if by == 0 else h)
            phi = sign * place * theta ** (-power * j / d)
            m, n = (2 * j, 2 * j + 1) if neighbours else (j, j + d // 2)
            a, b = float(q[t, h, m]), float(q[t, h, n])
            out[t, h, m] = a * math.cos(phi) - b * math.sin(phi)
            out[t, h, n] = b * math.cos(phi) + a * math.sin(phi)
        return out

    def try_rope(q, theta, start):
        before = q.copy()
        name = f"rope(q, {theta:g}, start={start}) for q of shape {q.shape}"
        got = rope(q, theta, start) if start else rope(q, theta)
        expect_unchanged(q, before, "q")
        want = rope_slow(q, theta, start)
        half = q.shape[2] // 2
        mistakes = {
            "these are halves, not pairs of neighbours: the partner of number "
            "j is number j + d/2, in these weights.": (
                rope_slow(q, theta, start, neighbours=True)
            ),
            "your positions start at 1: the first token stands at `start`, "
            "and a text begins at 0.": rope_slow(q, theta, start + 1),
            "`start` is ignored: the first token stands at position `start`. "
            "The key-value cache will need that.": rope_slow(q, theta, 0),
            "you turn the other way: the first half becomes a cos - b sin, "
            "the second b cos + a sin.": rope_slow(q, theta, start, sign=-1),
            "the speeds fall too slowly: the exponent is -2j/d, which is "
            "-j / (d/2).": rope_slow(q, theta, start, power=1),
            "the angle grows with the head. It grows with the position, the "
            "first axis: angles of shape (T, 1, d/2) fit to q.": (
                rope_slow(q, theta, start, by=1)
            ),
            "the second half is turned with the new first half. Keep the old "
            "numbers until both are made.": lambda: np.concatenate(
                [
                    want[..., :half],
                    q[..., half:] * cos_of(q, theta, start)
                    + want[..., :half] * sin_of(q, theta, start),
                ],
                axis=-1,
            ),
        }
        expect_close(got, want, name, rtol=1e-4, atol=1e-5, mistakes=mistakes)
        kind = np.asarray(got).dtype
        expect(
            kind == q.dtype,
            f"{name}: q is {q.dtype}, the result is {kind}. Convert it with "
            f".astype(q.dtype): from here on everything would be {kind}, and "
            "twice as slow.",
        )

    def phases(q, theta, start):
        half = q.shape[2] // 2
        rows = [
            [(start + t) * theta ** (-2 * j / (2 * half)) for j in range(half)]
            for t in range(q.shape[0])
        ]
        return np.array(rows)[:, None, :]

    def cos_of(q, theta, start):
        return np.cos(phases(q, theta, start))

    def sin_of(q, theta, start):
        return np.sin(phases(q, theta, start))

    try_rope(np.array([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]]), 100.0, 0)
    try_rope(np.array([[[1.0, 0.0]]]), 100.0, 1)
    try_rope(np.arange(24.0).reshape(2, 3, 4) / 10, 100.0, 0)
    try_rope(np.arange(24.0).reshape(2, 3, 4) / 10, 100.0, 5)
    try_rope(np.arange(8, dtype=np.float32).reshape(2, 1, 4), 100.0, 3)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for shape, start in [
        ((4, 4, 8), 0),
        ((1, 3, 64), 700),
        ((3, 1, 6), 11),
        ((5, 2, 2), 1),
    ]:
        kind = np.float32 if start % 2 else np.float64
        theta = float(rng.choice([50.0, 1e4, 1e5]))
        try_rope(rng.normal(size=shape).astype(kind), theta, start)
    ### END HIDDEN TESTS

# %% [markdown] hint="rope"
# Sketch. Make the speeds as an array of $d/2$ numbers and the angles as the outer product of
# positions and speeds, shape `(T, d/2)`. Give them a middle axis of length 1 for the heads.
# Cut `q` into its first half `a` and its second half `b` along the last axis, and write the
# rotation down as it stands in the text, for whole arrays.

# %% [markdown] hint="rope"
# ```python
# f = theta ** (...)                          # 1. speeds, shape (half,)
# positions = np.arange(start, ...)
# angle = np.outer(positions, f)[:, None, :]  # 2. angles, shape (T, 1, half)
# a, b = q[..., :half], ...                   # 3. turn
# first = a * np.cos(angle) - ...
# second = ...
# return np.concatenate([first, second], axis=-1).astype(...)
# ```


# %% right="rope"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    t = start + np.arange(q.shape[0])
    j = np.arange(half)
    turn = np.exp(1j * t[:, None] * theta ** (-2 * j / q.shape[2]))
    z = (q[..., :half] + 1j * q[..., half:]) * turn[:, None, :]
    return np.concatenate([z.real, z.imag], axis=2).astype(q.dtype)


# %% right="rope"
def rope(q, theta, start=0):
    out = np.empty_like(q)
    half = q.shape[2] // 2
    for t in range(len(q)):
        for j in range(half):
            phi = (start + t) / theta ** (j / half)
            c, s = math.cos(phi), math.sin(phi)
            out[t, :, j] = q[t, :, j] * c - q[t, :, j + half] * s
            out[t, :, j + half] = q[t, :, j + half] * c + q[t, :, j] * s
    return out


# %% wrong="rope" says="halves, not pairs"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = q[..., 0::2], q[..., 1::2]
    out = np.empty_like(q)
    out[..., 0::2] = a * np.cos(angle) - b * np.sin(angle)
    out[..., 1::2] = b * np.cos(angle) + a * np.sin(angle)
    return out


# %% wrong="rope" says="positions start at 1"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(len(q)) + start + 1, f)[:, None, :]
    a, b = q[..., :half], q[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c - b * s, b * c + a * s], -1).astype(q.dtype)


# %% wrong="rope" says="`start` is ignored"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(len(q)), f)[:, None, :]
    a, b = q[..., :half], q[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c - b * s, b * c + a * s], -1).astype(q.dtype)


# %% wrong="rope" says="turn the other way"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = q[..., :half], q[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c + b * s, b * c - a * s], -1).astype(q.dtype)


# %% wrong="rope" says="fall too slowly"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / q.shape[2])
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = q[..., :half], q[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c - b * s, b * c + a * s], -1).astype(q.dtype)


# %% wrong="rope" says="grows with the head"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + q.shape[1]), f)[None, :, :]
    a, b = q[..., :half], q[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c - b * s, b * c + a * s], -1).astype(q.dtype)


# %% wrong="rope" says="new first half"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    out = q.copy()
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = out[..., :half], out[..., half:]
    a[...] = a * np.cos(angle) - b * np.sin(angle)
    b[...] = b * np.cos(angle) + a * np.sin(angle)
    return out


# %% wrong="rope" says="result is float64; .astype(q.dtype)"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = q[..., :half], q[..., half:]
    c, s = np.cos(angle), np.sin(angle)
    return np.concatenate([a * c - b * s, b * c + a * s], -1)


# %% wrong="rope" says="changed its argument q"
def rope(q, theta, start=0):
    half = q.shape[2] // 2
    f = theta ** (-np.arange(half) / half)
    angle = np.outer(np.arange(start, start + len(q)), f)[:, None, :]
    a, b = q[..., :half].copy(), q[..., half:].copy()
    q[..., :half] = a * np.cos(angle) - b * np.sin(angle)
    q[..., half:] = b * np.cos(angle) + a * np.sin(angle)
    return q


# %% [markdown]
# ## 5 · Who listens to whom: `attention`
#
# Each token makes three vectors from its own stream: a **query** (what am I looking for?), a
# **key** (what do I have?) and a **value** (what do I hand over?). For one token at position
# $t$:
#
# 1. **Score** its query against the key of every position $s$:
#    $\;z_{ts} = q_t \cdot k_s / \sqrt d$.
# 2. **Mask.** A token may look at itself and back, never ahead: for $s > t$ set
#    $z_{ts} = -\infty$. The model is trained to guess the next token; one that can see it
#    learns nothing useful.
# 3. **Softmax** over $s$: shares $p_{ts}$ that add up to 1. Masked positions get
#    $e^{-\infty} = 0$.
# 4. **Mix** the values: $\;y_t = \sum_{s \le t} p_{ts}\, v_s$.
#
# Why $\sqrt d$? If the entries of $q$ and $k$ are independent with mean 0 and variance 1,
# then $q \cdot k$ is a sum of $d$ terms of variance 1: its standard deviation is $\sqrt d$,
# which is 8 here. Scores of that size would make nearly every softmax a choice of one.

# %% [markdown]
# **A worked example.** Three tokens, one head, $d = 2$:

# %%
q_toy = np.array([[1.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
k_toy = np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
v_toy = np.array([[10.0, 0.0], [0.0, 10.0], [5.0, 5.0]])

z_toy = q_toy @ k_toy.T / math.sqrt(2)  # 1. score
z_toy[np.triu_indices(3, 1)] = -np.inf  # 2. mask: what is above the diagonal
p_toy = softmax(z_toy)  # 3. softmax
print("shares, one row for each query:")
print(p_toy.round(3))
print("mixed values:")
print((p_toy @ v_toy).round(2))

# %% [markdown]
# The first token sees only itself, so its share is 1. The second has scores 1.41 and 1.41,
# and takes half from each. The third has 2.83, 1.41 and 2.83.
#
# **Heads.** One such pattern is not enough: a word may need its verb *and* its adjective.
# So SmolLM2 has $H = 9$ heads of $d = 64$ numbers that work side by side; their results are
# put one after the other, $9 \cdot 64 = 576$ numbers for each token.
#
# **Groups.** Keys and values must be kept in memory for the whole text (section 8). To save
# there, *three* queries share one key and one value: $G = 3$ key-value heads. Heads 0, 1, 2
# read group 0; heads 3, 4, 5 group 1; heads 6, 7, 8 group 2. That is *grouped-query
# attention* (Ainslie and others, 2023). In words of NumPy: each group is repeated in place,
# `0 0 0 1 1 1 2 2 2`, not the whole row of them again and again, `0 1 2 0 1 2 0 1 2`.
#
# ### Exercise: `attention`
#
# - **In:** `q` of shape `(T, H, d)`, `k` and `v` of shape `(T, G, d)`, where `G` divides
#   `H`. Queries and keys have been rotated already.
# - **Out:** shape `(T, H * d)`: for each token the mixed values of head 0, then of head 1,
#   and so on; in `q`'s dtype. (`np.sqrt(d)` of an integer is a float64. `math.sqrt(d)` is a
#   plain number, which changes no dtype.)
#
# `softmax` of the first cell works along the last axis. `np.einsum` is a good tool here:
# `np.einsum("thd,shd->hts", q, k)` multiplies what has the same letters, and sums over
# letters that are missing on the right.


# %% exercise="attention" points=3 minutes=11 difficulty=4
def attention(q, k, v):
    """Return the mixed values, (T, H * d), of causal attention in groups."""
    T, H, d = q.shape
    # 0. groups: a key and a value for each head
    # 1. score   2. mask   3. softmax   4. mix
    ### BEGIN SOLUTION
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    mixed = np.einsum("hts,shd->thd", softmax(z), v)
    return mixed.reshape(T, H * d)
    ### END SOLUTION
    return np.zeros((T, H * d), dtype=q.dtype)  # replace this line


# %% check="attention"
with check("a3.attention"):

    def attention_slow(q, k, v, tile=False, scale=True, ahead=0):
        """Four plain loops: a head, a query, its keys, their values."""
        n, heads, d = q.shape
        groups = k.shape[1]
        out = np.full((n, heads, d), np.nan)
        for h, t in np.ndindex(heads, n):
            g = h % groups if tile else h // (heads // groups)
            seen = range(min(n, t + 1 + ahead))
            z = [float(q[t, h] @ k[s, g]) for s in seen]
            z = [it / math.sqrt(d) if scale else it for it in z]
            e = [math.exp(it - max(z)) for it in z]
            if e:
                parts = [it / sum(e) * v[s, g] for it, s in zip(e, seen)]
                out[t, h] = np.sum(parts, axis=0)
        return out.reshape(n, heads * d)

    def try_attention(q, k, v):
        before = (q.copy(), k.copy(), v.copy())
        T, H, d = q.shape
        name = f"attention(q {q.shape}, k {k.shape}, v {v.shape})"
        got = attention(q, k, v)
        for now, was, which in zip((q, k, v), before, "qkv"):
            expect_unchanged(now, was, which)
        expect_shape(got, (T, H * d), name)
        want = attention_slow(q, k, v)
        strict = attention_slow(q, k, v, ahead=-1)
        array = np.asarray(got, dtype=float)
        same = np.allclose(array[1:], strict[1:], rtol=1e-3, atol=1e-4)
        expect(
            np.isnan(want).any() or not np.isnan(array[0]).any(),
            f"{name}: the first token's row is nan. Your mask hides self: a "
            "token sees itself and what is before it, s <= t. With nothing "
            "left to see, softmax divides 0 by 0.",
        )
        expect(
            T == 1 or not same,
            f"{name}: your mask hides self. A token sees itself and what is "
            "before it, s <= t.",
        )
        by_head = want.reshape(T, H, d).transpose(1, 0, 2)
        mistakes = {
            "the shape is right, head 1 reads the wrong group: you tiled the "
            "groups, 0 1 2 0 1 2. Repeat each in place, 0 0 1 1 2 2: "
            "np.repeat, not np.tile.": attention_slow(q, k, v, tile=True),
            "the division by sqrt(d) is missing: the scores are too large, "
            "and the softmax nearly picks one token.": (
                attention_slow(q, k, v, scale=False)
            ),
            "the mask is missing: a token sees what comes after it. Scores "
            "with s > t become -inf before the softmax.": (
                attention_slow(q, k, v, ahead=T)
            ),
            "the heads got mixed up with the tokens: bring the result to "
            "(T, H, d) before you reshape it to (T, H * d).": (
                by_head.reshape(T, H * d)
            ),
            "you divide by d: divide by its root.": (
                attention_slow(q / math.sqrt(d), k, v)
            ),
        }
        expect_close(got, want, name, rtol=1e-4, atol=1e-5, mistakes=mistakes)
        kind = np.asarray(got).dtype
        expect(
            kind == q.dtype,
            f"{name}: q is {q.dtype}, the result is {kind}. Something float64 "
            "slipped in: np.sqrt(d) is one, math.sqrt(d) is not.",
        )

    toy = np.random.default_rng(0)
    for T, H, G, d in [(1, 1, 1, 2), (3, 1, 1, 2), (3, 2, 2, 4), (4, 6, 3, 4)]:
        try_attention(
            toy.normal(size=(T, H, d)) * 3,
            toy.normal(size=(T, G, d)),
            toy.normal(size=(T, G, d)),
        )
    try_attention(
        toy.normal(size=(3, 4, 2)).astype(np.float32),
        toy.normal(size=(3, 2, 2)).astype(np.float32),
        toy.normal(size=(3, 2, 2)).astype(np.float32),
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for T, H, G, d in [(5, 9, 3, 8), (9, 9, 3, 4), (2, 4, 1, 6), (6, 8, 2, 2)]:
        try_attention(
            rng.normal(size=(T, H, d)) * 2,
            rng.normal(size=(T, G, d)) * 2,
            rng.normal(size=(T, G, d)),
        )
    large = rng.normal(size=(3, 2, 4)) * 60
    try_attention(large, large[:, :1] * 10, rng.normal(size=(3, 1, 4)))
    ### END HIDDEN TESTS

# %% [markdown] hint="attention"
# Sketch. Repeat `k` and `v` along the axis of the heads, so that all three have `H` heads.
# The scores are an array of shape `(H, T, T)`: head, query, key. `np.tri(T, dtype=bool)` is
# true on and below the diagonal, which is where a query may look; `np.where` puts $-\infty$
# elsewhere. Softmax. A second `einsum` mixes the values, and gives `(T, H, d)`.

# %% [markdown] hint="attention"
# ```python
# times = H // k.shape[1]
# k = np.repeat(k, ..., axis=...)                     # 0. groups
# v = ...
# z = np.einsum("thd,shd->hts", q, k) / ...           # 1. score
# z = np.where(np.tri(T, dtype=bool), ..., ...)       # 2. mask
# p = ...                                             # 3. softmax
# return np.einsum("hts,shd->...", p, v).reshape(...) # 4. mix
# ```


# %% right="attention"
def attention(q, k, v):
    T, H, d = q.shape
    each = H // k.shape[1]
    heads = []
    for h in range(H):
        z = q[:, h] @ k[:, h // each].T / d**0.5
        for t in range(T):
            z[t, t + 1 :] = -np.inf
        heads.append(softmax(z) @ v[:, h // each])
    return np.concatenate(heads, axis=1)


# %% right="attention"
def attention(q, k, v):
    T, H, d = q.shape
    G = k.shape[1]
    q5 = q.reshape(T, G, H // G, d)
    z = np.einsum("tgrd,sgd->grts", q5, k) * d**-0.5
    z += np.triu(np.full((T, T), -1e30, dtype=z.dtype), 1)
    out = np.einsum("grts,sgd->tgrd", softmax(z), v)
    return out.reshape(T, -1).astype(q.dtype)


# %% wrong="attention" says="shape is right, head 1 reads the wrong group; np.repeat"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.tile(k, (1, times, 1)), np.tile(v, (1, times, 1))
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="nan; hides self"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    z = np.where(np.tri(T, k=-1, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="hides self; s <= t"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    if T > 1:
        z = np.where(np.tri(T, k=-1, dtype=bool), z, -1e9)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="sqrt(d) is missing"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k)
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="divide by its root"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / d
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="mask is missing"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="mixed up with the tokens"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->htd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="must have shape"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->thd", softmax(z), v)


# %% wrong="attention" says="float64; math.sqrt"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / np.sqrt(d)
    z = np.where(np.tri(T, dtype=bool), z, -np.inf)
    return np.einsum("hts,shd->thd", softmax(z), v).reshape(T, H * d)


# %% wrong="attention" says="attention(q (3, 1, 2)"
def attention(q, k, v):
    T, H, d = q.shape
    times = H // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    z = np.einsum("thd,shd->hts", q, k) / math.sqrt(d)
    p = softmax(z) * np.tri(T)  # masked after the softmax: no longer 1 in all
    return np.einsum("hts,shd->thd", p, v).reshape(T, H * d)


# %% [markdown]
# ## 6 · Each token for itself: `swiglu`
#
# The second half of a block is a network with one hidden layer, on each token alone.
# Three quarters of the block's numbers are here. Two matrices make $F = 1536$ numbers each from a
# token's vector $x$, the *gate* and the *up* branch. The gate passes through
# $\operatorname{silu}(u) = u\,\sigma(u) = u / (1 + e^{-u})$, a smooth switch that is near 0
# for very negative $u$ and near $u$ for large $u$. It multiplies the up branch, entry by
# entry, and a third matrix brings the result back to $D$:
#
# $$y = W_d\,\bigl(\operatorname{silu}(W_g x) \odot W_u x\bigr).$$
#
# In the file a matrix has the shape *(out, in)*: `Wg` and `Wu` are `(F, D)`, `Wd` is
# `(D, F)`. With tokens as rows that is `x @ Wg.T`. The design is *SwiGLU* (Shazeer, 2020),
# whose author explains its success by "divine benevolence".
#
# ### Exercise: `swiglu`
#
# - **In:** `x` of shape `(T, D)`, `Wg` and `Wu` of shape `(F, D)`, `Wd` of shape `(D, F)`.
# - **Out:** $y$ for each token, shape `(T, D)`.


# %% exercise="swiglu" points=2 minutes=5 difficulty=2
def swiglu(x, Wg, Wu, Wd):
    """Return the gated network's output, shape (T, D)."""
    # 1. gate, with silu   2. up   3. multiply, and down
    ### BEGIN SOLUTION
    gate = x @ Wg.T
    gate = gate / (1 + np.exp(-gate))
    return (gate * (x @ Wu.T)) @ Wd.T
    ### END SOLUTION
    return np.zeros_like(x)  # replace this line


# %% check="swiglu"
with check("a3.swiglu"):

    def swiglu_slow(x, Wg, Wu, Wd, switch=lambda s, u: s * u):
        sizes = Wd.shape
        out = np.zeros((len(x), sizes[0]))
        for t, i, j in np.ndindex(len(x), *sizes):
            u = float(Wg[j] @ x[t])
            sigma = (
                1 / (1 + math.exp(-u))
                if u > 0
                else math.exp(u) / (1 + math.exp(u))
            )
            out[t, i] += Wd[i, j] * switch(sigma, u) * float(Wu[j] @ x[t])
        return out

    def try_swiglu(x, Wg, Wu, Wd):
        before = x.copy()
        name = f"swiglu for x of shape {x.shape} and Wg of shape {Wg.shape}"
        try:
            got = swiglu(x, Wg, Wu, Wd)
        except ValueError as error:
            fail(
                f"{name}: the shapes do not meet ({error}). A matrix is "
                "(out, in) and tokens are rows: x @ W.T."
            )
        expect_unchanged(x, before, "x")
        ones = np.ones_like
        mistakes = {
            "gate and up are swapped: silu acts on the branch of Wg, the "
            "branch of Wu stays as it is.": swiglu_slow(x, Wu, Wg, Wd),
            "the gate is the sigmoid alone. silu is u times sigmoid(u).": (
                swiglu_slow(x, Wg, Wu, Wd, lambda s, u: s)
            ),
            "silu is missing: gate times up would be a polynomial.": (
                swiglu_slow(x, Wg, Wu, Wd, lambda s, u: u)
            ),
            "that is relu. This gate is smooth: u / (1 + exp(-u)).": (
                swiglu_slow(x, Wg, Wu, Wd, lambda s, u: max(u, 0.0))
            ),
            "the sign in the exponential: u / (1 + exp(-u)).": (
                swiglu_slow(x, Wg, Wu, Wd, lambda s, u: u - s * u)
            ),
            "the up branch is missing: multiply the gate with x @ Wu.T.": (
                lambda: swiglu_slow(
                    np.c_[x, np.ones(len(x))],
                    np.c_[Wg, np.zeros(len(Wg))],
                    np.c_[0 * Wu, ones(Wu[:, 0])],
                    Wd,
                )
            ),
        }
        want = swiglu_slow(x, Wg, Wu, Wd)
        expect_close(got, want, name, rtol=1e-4, atol=1e-6, mistakes=mistakes)

    try_swiglu(
        np.array([[1.0, 2.0]]),
        np.array([[1.0, 0.0], [0.0, -1.0], [0.5, 0.5]]),
        np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0]]),
        np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]),
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for T, D, F in [(1, 1, 1), (4, 3, 7), (5, 5, 5), (2, 6, 4)]:
        gates, ups = rng.normal(size=(2, F, D))
        try_swiglu(rng.normal(size=(T, D)), gates, ups, rng.normal(size=(D, F)))
    ### END HIDDEN TESTS

# %% [markdown] hint="swiglu"
# Sketch. Three matrix products, each with the transposed matrix on the right. Between them
# `u / (1 + np.exp(-u))` on the first, and a product entry by entry.

# %% [markdown] hint="swiglu"
# ```python
# u = x @ ...                   # 1. gate, shape (T, F)
# switch = u / (1 + ...)
# up = ...                      # 2. up, shape (T, F)
# return (... * ...) @ ...      # 3. multiply, and down
# ```


# %% right="swiglu"
def swiglu(x, Wg, Wu, Wd):
    u = np.einsum("td,fd->tf", x, Wg)
    sigma = 0.5 * (1 + np.tanh(u / 2))
    return np.einsum("tf,df->td", u * sigma * np.einsum("td,fd->tf", x, Wu), Wd)


# %% right="swiglu"
def swiglu(x, Wg, Wu, Wd):
    rows = []
    for row in x:
        u = Wg @ row
        rows.append(Wd @ (u / (1 + np.exp(-u)) * (Wu @ row)))
    return np.stack(rows)


# %% wrong="swiglu" says="gate and up are swapped"
def swiglu(x, Wg, Wu, Wd):
    up = x @ Wu.T
    return (x @ Wg.T * up / (1 + np.exp(-up))) @ Wd.T


# %% wrong="swiglu" says="sigmoid alone"
def swiglu(x, Wg, Wu, Wd):
    return ((x @ Wu.T) / (1 + np.exp(-(x @ Wg.T)))) @ Wd.T


# %% wrong="swiglu" says="silu is missing"
def swiglu(x, Wg, Wu, Wd):
    return ((x @ Wg.T) * (x @ Wu.T)) @ Wd.T


# %% wrong="swiglu" says="that is relu"
def swiglu(x, Wg, Wu, Wd):
    return (np.maximum(x @ Wg.T, 0) * (x @ Wu.T)) @ Wd.T


# %% wrong="swiglu" says="sign in the exponential"
def swiglu(x, Wg, Wu, Wd):
    u = x @ Wg.T
    return (u / (1 + np.exp(u)) * (x @ Wu.T)) @ Wd.T


# %% wrong="swiglu" says="up branch is missing"
def swiglu(x, Wg, Wu, Wd):
    u = x @ Wg.T
    return (u / (1 + np.exp(-u))) @ Wd.T


# %% wrong="swiglu" says="shapes do not meet; x @ W.T"
def swiglu(x, Wg, Wu, Wd):
    u = x @ Wg
    return (u / (1 + np.exp(-u)) * (x @ Wu)) @ Wd


# %% [markdown]
# ## 7 · Put together: `block`
#
# A block is two *additions* to the stream:
#
# $$x' = x + \operatorname{attention}(\operatorname{norm}_1 x)\,W_o^\top,\qquad
#   x'' = x' + \operatorname{swiglu}(\operatorname{norm}_2 x').$$
#
# The normed vector is what a part *reads*. What it writes is added to the stream **as it
# was**, not to the normed one. This order, norm first, is *pre-norm*. The first transformer
# (2017) normed after the addition; deep stacks of that kind are hard to train, because
# no straight path leads through them.
#
# The steps of a block, with its arrays in a dict `W`:
#
# 1. **norm**: `h = rmsnorm(x, W["norm1"])`
# 2. **project** `h` to queries, keys and values with `W["q"]`, `W["k"]`, `W["v"]`, as
#    `h @ W["q"].T`; then cut the last axis into heads of `d` numbers: `(T, n * d)` becomes
#    `(T, n, d)`. How many there are follows from the shape: `reshape(T, -1, d)`.
# 3. **rope** for queries and keys (not for values), **attention**, then `W["o"]`
# 4. **add** to the stream
# 5. **norm** again with `W["norm2"]`, **swiglu** with `W["gate"]`, `W["up"]`, `W["down"]`,
#    **add**
#
# ### Exercise: `block`
#
# - **In:** `x` of shape `(T, D)`; the dict `W`, whose matrices are all *(out, in)*; the
#   numbers in a head, `d`; the base `theta`.
# - **Out:** the stream after the block, shape `(T, D)`. Use your functions.


# %% exercise="block" points=3 minutes=9 difficulty=3
def block(x, W, d, theta):
    """Return the stream x, shape (T, D), after one transformer block."""
    T = len(x)
    # 1. norm   2. project   3. rope, attention, o   4. add
    # 5. norm, swiglu, add
    ### BEGIN SOLUTION
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    mixed = attention(rope(q, theta), rope(k, theta), v)
    x = x + mixed @ W["o"].T
    h = rmsnorm(x, W["norm2"])
    return x + swiglu(h, W["gate"], W["up"], W["down"])
    ### END SOLUTION
    return x.copy()  # replace this line


# %% check="block"
with check("a3.block"):

    def plain_norm(x, w):
        return x * w / np.sqrt(np.mean(x * x, axis=1)[:, None] + EPS)

    def plain_rope(q, theta):
        n, d = q.shape[0], q.shape[2]
        j = np.arange(d) % (d // 2)
        phi = np.arange(n)[:, None, None] * theta ** (-2 * j / d)
        other = np.roll(q, d // 2, axis=2) * np.where(
            np.arange(d) < d // 2, -1, 1
        )
        return q * np.cos(phi) + other * np.sin(phi)

    def plain_attention(q, k, v):
        n, heads, d = q.shape
        out = np.zeros((n, heads, d))
        for h, t in np.ndindex(heads, n):
            g = h * k.shape[1] // heads
            p = softmax(k[: t + 1, g] @ q[t, h] / math.sqrt(d))
            out[t, h] = p @ v[: t + 1, g]
        return out.reshape(n, heads * d)

    def plain_block(x, W, d, theta, slip=""):
        n = len(x)
        read = plain_norm(x, W["norm1"])
        if slip == "post":
            read = x
        if slip == "swapped norms":
            read = plain_norm(x, W["norm2"])
        heads = [(read @ W[it].T).reshape(n, -1, d) for it in "qkv"]
        turned = [0, 1, 2] if slip == "turns v" else [0, 1]
        for i in [] if slip == "no rope" else turned:
            heads[i] = plain_rope(heads[i], theta)
        wrote = plain_attention(*heads)
        wrote = wrote if slip == "no o" else wrote @ W["o"].T
        base = read if slip == "normed residual" else x
        stream = wrote if slip == "no first add" else base + wrote
        if slip == "post":
            stream = plain_norm(stream, W["norm1"])
        into = x if slip == "side by side" else stream
        read = plain_norm(into, W["norm2"])
        if slip == "swapped norms":
            read = plain_norm(into, W["norm1"])
        if slip == "post" or slip == "no second norm":
            read = stream
        u = read @ W["gate"].T
        wrote = (u / (1 + np.exp(-u)) * (read @ W["up"].T)) @ W["down"].T
        base = read if slip == "normed residual" else stream
        total = wrote if slip == "no second add" else base + wrote
        if slip == "post":
            total = plain_norm(total, W["norm2"])
        return total

    SLIPS = {
        "post": "that is post-norm: you normed after the addition. Here the "
        "norm comes first, on what a part reads.",
        "normed residual": "you added to the normed x. Add to the stream as "
        "it was: the norm is only for what a part reads.",
        "no first add": "after attention the stream is lost: add its result "
        "to x.",
        "no second add": "after swiglu the stream is lost: add its result to "
        "the stream.",
        "no rope": "the rotation is missing: rope for queries and keys, "
        "before attention.",
        "turns v": "you rotated the values as well. Only queries and keys are "
        "rotated: values are what is handed over.",
        "no o": 'W["o"] is missing: project the mixed values before you add '
        "them.",
        "side by side": "swiglu must read the stream after attention was "
        "added, not the x from the beginning.",
        "swapped norms": "the two norms are swapped: norm1 stands before "
        "attention, norm2 before swiglu.",
        "no second norm": "the second norm is missing: swiglu reads "
        'rmsnorm(x, W["norm2"]).',
    }

    def try_block(rng, T, H, G, d, F):
        D = H * d
        shapes = {
            "norm1": (D,),
            "q": (D, D),
            "k": (G * d, D),
            "v": (G * d, D),
            "o": (D, D),
            "norm2": (D,),
            "gate": (F, D),
            "up": (F, D),
            "down": (D, F),
        }
        W = {it: rng.normal(size=s) / s[-1] ** 0.5 for it, s in shapes.items()}
        W["norm1"], W["norm2"] = rng.uniform(0.5, 2, size=(2, D))
        x = rng.normal(size=(T, D)) * 2
        before, name = x.copy(), f"block for x of shape {x.shape}, d = {d}"
        got = block(x, W, d, 100.0)
        expect_unchanged(x, before, "x")
        expect_shape(got, (T, D), name)
        mistakes = {
            words: plain_block(x, W, d, 100.0, slip)
            for slip, words in SLIPS.items()
        }
        want = plain_block(x, W, d, 100.0)
        expect_close(got, want, name, rtol=1e-4, atol=1e-5, mistakes=mistakes)

    try_block(np.random.default_rng(0), T=4, H=2, G=1, d=4, F=6)
    try_block(np.random.default_rng(1), T=3, H=6, G=3, d=2, F=5)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    try_block(rng, T=5, H=9, G=3, d=4, F=20)
    try_block(rng, T=1, H=2, G=2, d=6, F=3)
    try_block(rng, T=8, H=4, G=1, d=8, F=32)
    ### END HIDDEN TESTS

# %% [markdown] hint="block"
# Sketch. The five steps above are the five lines of code. Keep two names apart: `x` is the
# stream, which is only ever added to; `h` is what a part reads, a normed copy of it.

# %% [markdown] hint="block"
# ```python
# h = rmsnorm(...)                              # 1. norm
# q = (h @ W["q"].T).reshape(T, -1, d)          # 2. project
# k = ...
# v = ...
# y = attention(rope(...), ..., v)              # 3. rope, attention, o
# x = x + y @ ...                               # 4. add
# h = ...                                       # 5. norm, swiglu, add
# return x + ...
# ```


# %% right="block"
def block(x, W, d, theta):
    def heads(name):
        flat = rmsnorm(x, W["norm1"]) @ W[name].T
        return flat.reshape(len(x), flat.shape[1] // d, d)

    mixed = attention(
        rope(heads("q"), theta), rope(heads("k"), theta), heads("v")
    )
    middle = np.add(x, mixed @ W["o"].T)
    return middle + swiglu(
        rmsnorm(middle, W["norm2"]), W["gate"], W["up"], W["down"]
    )


# %% right="block"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    both = (h @ np.concatenate([W["q"], W["k"]]).T).reshape(T, -1, d)
    both = rope(both, theta)
    n = len(W["q"]) // d
    v = (h @ W["v"].T).reshape(T, -1, d)
    out = x.copy()
    out += np.einsum(
        "ti,oi->to", attention(both[:, :n], both[:, n:], v), W["o"]
    )
    out += swiglu(rmsnorm(out, W["norm2"]), W["gate"], W["up"], W["down"])
    return out


# %% wrong="block" says="post-norm; comes first"
def block(x, W, d, theta):
    T = len(x)
    q, k, v = ((x @ W[name].T).reshape(T, -1, d) for name in "qkv")
    y = attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    x = rmsnorm(x + y, W["norm1"])
    y = swiglu(x, W["gate"], W["up"], W["down"])
    return rmsnorm(x + y, W["norm2"])


# %% wrong="block" says="added to the normed x; as it was"
def block(x, W, d, theta):
    T = len(x)
    x = rmsnorm(x, W["norm1"])
    q, k, v = ((x @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = x + attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    x = rmsnorm(x, W["norm2"])
    return x + swiglu(x, W["gate"], W["up"], W["down"])


# %% wrong="block" says="after attention the stream is lost"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    h = rmsnorm(x, W["norm2"])
    return x + swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="after swiglu the stream is lost"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = x + attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    h = rmsnorm(x, W["norm2"])
    return swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="rotation is missing"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = x + attention(q, k, v) @ W["o"].T
    h = rmsnorm(x, W["norm2"])
    return x + swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="rotated the values"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = (rope((h @ W[n].T).reshape(T, -1, d), theta) for n in "qkv")
    x = x + attention(q, k, v) @ W["o"].T
    h = rmsnorm(x, W["norm2"])
    return x + swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="is missing: project the mixed values"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = x + attention(rope(q, theta), rope(k, theta), v)
    h = rmsnorm(x, W["norm2"])
    return x + swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="not the x from the beginning"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    y = attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    h = rmsnorm(x, W["norm2"])
    return x + y + swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="two norms are swapped"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm2"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = x + attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    h = rmsnorm(x, W["norm1"])
    return x + swiglu(h, W["gate"], W["up"], W["down"])


# %% wrong="block" says="second norm is missing"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x = x + attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    return x + swiglu(x, W["gate"], W["up"], W["down"])


# %% wrong="block" says="changed its argument x"
def block(x, W, d, theta):
    T = len(x)
    h = rmsnorm(x, W["norm1"])
    q, k, v = ((h @ W[name].T).reshape(T, -1, d) for name in "qkv")
    x += attention(rope(q, theta), rope(k, theta), v) @ W["o"].T
    x += swiglu(rmsnorm(x, W["norm2"]), W["gate"], W["up"], W["down"])
    return x


# %% [markdown]
# ### The whole model, from your functions
#
# Now the real weights. What is left to write is bookkeeping: names of arrays, a loop over
# the thirty blocks, the last norm, and the read-out with the table of embeddings (this
# model uses one table for both ends).

# %% demo
LONG = {
    "norm1": "input_layernorm",
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "norm2": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
layers = [
    {s: raw[f"model.layers.{i}.{long}.weight"] for s, long in LONG.items()}
    for i in range(config["num_hidden_layers"])
]
table, last_norm = raw["model.embed_tokens.weight"], raw["model.norm.weight"]
d_head = config["head_dim"]


def streams(ids):
    """Return the stream before the first block, and after each of them."""
    found = [table[ids]]
    for W in layers:
        found.append(block(found[-1], W, d_head, THETA))
    return found


def read_out(x):
    """Return the logits of the next token, for each row of the stream x."""
    return rmsnorm(x, last_norm) @ table.T


lm = load_local("smollm2")
prompt = "The capital of France is"
ids = lm.encode(prompt)
stream = streams(ids)
mine, theirs = read_out(stream[-1]), lm.logits(ids)
difference = np.abs(mine - theirs).max()
print(f"logits {mine.shape}, standard deviation {theirs.std():.2f}")
print(f"largest difference to the library: {difference:.1e}")
for i in mine[-1].argsort()[::-1][:5]:
    print(f"{mine[-1, i]:7.2f}  {lm.decode([i])!r}")

# %% [markdown]
# If every check above is green, the largest difference is below 0.001, on logits that
# spread over many units: what remains is rounding in float32. There is no secret left in the
# box. You can follow each number from the text to the word.
#
# Each slip costs much more than rounding. What happens to the real logits if you get one
# thing wrong?

# %% demo
right_rope, right_attention = rope, attention


def with_slip(**names):
    """Return the logits when some functions are replaced."""
    globals().update(names)
    try:
        return read_out(streams(ids)[-1])
    finally:
        globals().update(rope=right_rope, attention=right_attention)


def tiled(q, k, v):
    order = [0, 3, 6, 1, 4, 7, 2, 5, 8]  # head 3 reads group 1, and so on
    out = right_attention(q[:, order], k, v).reshape(len(q), 9, 64)
    return out[:, np.argsort(order)].reshape(len(q), -1)


slips = {
    "no slip": {},
    "no rotation": {"rope": lambda q, theta, start=0: q},
    "theta of 10,000": {"rope": lambda q, theta, start=0: right_rope(q, 1e4)},
    "no division by 8": {
        "attention": lambda q, k, v: right_attention(8 * q, k, v)
    },
    "groups tiled": {"attention": tiled},
}
print("slip, largest change of a logit, likeliest next token")
for slip, names in slips.items():
    wrong = with_slip(**names)
    next_token = lm.decode([int(wrong[-1].argmax())])
    print(f"{slip:20} {np.abs(wrong - theirs).max():10.5f}  {next_token!r}")

# %% [markdown]
# That is why such a port is tested against the original's **numbers**. Text is a poor
# test: with a wrong $\theta$, and even without any rotation, the next word is " Paris".
#
# ## 8 · Answer the second note: the logit lens
#
# The stream after each block, read out as if it were the last. What is the rank of the
# final answer on the way?

# %% demo
PROMPTS = {
    "The capital of France is": " Paris",
    "The capital of Japan is": " Tokyo",
    "The opposite of hot is": " cold",
}
ranks = {}
for text, answer in PROMPTS.items():
    (token,) = lm.encode(answer)
    lens = read_out(np.stack([x[-1] for x in streams(lm.encode(text))]))
    ranks[answer] = (lens > lens[:, [token]]).sum(axis=1) + 1

paris = ranks[" Paris"]
first = int(np.flatnonzero(paris == 1)[0]) if (paris == 1).any() else 30
stretch = (
    "30"
    if first > 29
    else "21 to 29"
    if first > 20
    else "11 to 20"
    if first > 10
    else "1 to 10"
)
fig, ax = plots.figure()
for (answer, rank), mark in zip(ranks.items(), plots.MARKERS):
    ax.plot(range(31), rank, marker=mark, markersize=4, label=repr(answer))
ax.set_yscale("log")
ax.invert_yaxis()
ax.set_xlabel("block (0: the embedding, before any block)")
ax.set_ylabel("rank among 49,152 tokens (1 is best)")
ax.legend()
plots.show(
    fig,
    f"' Paris' has rank {paris[0]:,} before the first block, {paris[15]:,} "
    f"after block 15, {paris[24]} after block 24 and {paris[30]} after the "
    f"last; it is first on rank 1 after block {first}.",
)
outcome("a3.guess", stretch)
print("block, the token that would be said, size of the stream (rms)")
for i in (0, 5, 10, 15, 20, 24, 27, 28, 29, 30):
    x = stream[i][-1:]
    said = lm.decode([int(read_out(x)[0].argmax())])
    print(f"{i:3}  {said!r:12} {np.sqrt((x**2).mean()):8.2f}")

# %% [markdown]
# For two thirds of the way the answer is nowhere: its rank is about a thousand or worse, and
# what the lens shows is a point or a space. Then, within a few blocks, it comes up from far
# behind, and for the two capitals the *last* block decides.
#
# **Careful with the story.** The lens reads a middle stream with the last layer's eyes. A
# bad rank does not prove that the model "does not know yet": it may be written there in a
# form that only later blocks read. A lens with a trained translator for each layer finds
# answers earlier (Belrose and others, 2023). Three prompts are no statistics, either. What is
# certain: the *word* is made late.
#
# ## 9 · One token at a time: `step_cached`
#
# To write 100 tokens, one calls the model 100 times, each time with one more token. Look at
# what is computed twice. The mask says that a token never sees what comes after it. So
# when a token is added, the streams of all earlier tokens stay **exactly** as they were, in
# every block. Of an earlier token, only its key and its value are ever needed again. Keep
# these, and the work for a new token is that of *one* row. That is the **key-value cache**.
#
# In one block, for the new token with query, key and value of its own:
#
# 1. **position**: as many tokens stand in the cache as come before it
# 2. **rotate** its query and its key there; cached keys were rotated when they came in
# 3. **append** key and value to the cache
# 4. **attend**: its one query against all keys. No mask is needed: there is nothing ahead
#
# What it costs: for each token $30 \cdot 2 \cdot 3 \cdot 64$ numbers of 4 bytes, 46,080
# bytes. With 9 key heads in place of 3 groups it would be three times as much: this is what
# the groups are for.
#
# ### Exercise: `step_cached`
#
# - **In:** for one new token `q` of shape `(H, d)`, `k` and `v` of shape `(G, d)`, none of
#   them rotated; `cache`, a dict with `"k"` and `"v"`, both of shape `(n, G, d)`, `n` may be
#   0; `theta`.
# - **Out:** two things: the mixed values, shape `(H * d,)`, and the new cache, a dict with
#   arrays of shape `(n + 1, G, d)`, the keys rotated. Leave the old dict and its arrays as
#   they are: whoever holds it may want to continue in another way.


# %% exercise="step_cached" points=3 minutes=10 difficulty=4
def step_cached(q, k, v, cache, theta):
    """Return attention's result for one new token, and the longer cache."""
    # 1. position   2. rotate q and k there   3. append   4. attend
    ### BEGIN SOLUTION
    n, times = len(cache["k"]), len(q) // len(k)
    q, k = rope(q[None], theta, n), rope(k[None], theta, n)
    new = {
        "k": np.concatenate([cache["k"], k]),
        "v": np.concatenate([cache["v"], v[None]]),
    }
    keys = np.repeat(new["k"], times, axis=1)
    values = np.repeat(new["v"], times, axis=1)
    z = np.einsum("hd,shd->hs", q[0], keys) / math.sqrt(q.shape[2])
    return np.einsum("hs,shd->hd", softmax(z), values).ravel(), new
    ### END SOLUTION
    return np.zeros(q.size, dtype=q.dtype), cache  # replace this line


# %% check="step_cached"
with check("a3.step_cached"):

    def turned_slow(k, place, theta):
        """Turn the rows of k, shape (G, d), as they stand at this place."""
        out = np.zeros(k.shape)
        d = k.shape[1]
        for g, j in np.ndindex(len(k), d // 2):
            phi = place * theta ** (-2 * j / d)
            a, b = float(k[g, j]), float(k[g, j + d // 2])
            out[g, j] = a * math.cos(phi) - b * math.sin(phi)
            out[g, j + d // 2] = b * math.cos(phi) + a * math.sin(phi)
        return out

    def row_slow(q, keys, values):
        """Attend with one query per head, shape (H, d)."""
        H, d = q.shape
        out = np.zeros((H, d))
        for h in range(H):
            g = h * keys.shape[1] // H
            z = [float(q[h] @ key[g]) / math.sqrt(d) for key in keys]
            e = [math.exp(it - max(z)) for it in z]
            for share, value in zip(e, values):
                out[h] += share / sum(e) * value[g]
        return out.ravel()

    def try_steps(rng, T, H, G, d, theta=100.0):
        qs = rng.normal(size=(T, H, d)) * 2
        ks, vs = rng.normal(size=(2, T, G, d))
        cache = {"k": np.zeros((0, G, d)), "v": np.zeros((0, G, d))}
        for t in range(T):
            held = {name: array.copy() for name, array in cache.items()}
            name = f"step_cached for token {t}"
            reply = step_cached(qs[t], ks[t], vs[t], cache, theta)
            for part in ("k", "v"):
                expect_unchanged(cache[part], held[part], f'cache["{part}"]')
            expect_type(reply, tuple, name)
            expect(
                len(reply) == 2,
                f"{name} returns {len(reply)} things: return the mixed values "
                "and the new cache.",
            )
            got, cache = reply
            expect_type(cache, dict, f"the new cache of {name}")
            expect_shape(got, (H * d,), f"the mixed values of {name}")
            keys = np.array(
                [turned_slow(ks[s], s, theta) for s in range(t + 1)]
            )
            want = row_slow(turned_slow(qs[t], t, theta), keys, vs[: t + 1])
            for part in ("k", "v"):
                size = np.shape(cache.get(part, ()))
                expect(
                    size == (t + 1, G, d),
                    f'after token {t} the cache\'s "{part}" has shape {size}; '
                    f"it must be {(t + 1, G, d)}: append the new token's, and "
                    "keep all others.",
                )
            drift(t, got, want, cache, keys, ks, vs, qs, theta)
            cache = {"k": keys, "v": np.array(vs[: t + 1])}

    def drift(t, got, want, cache, keys, ks, vs, qs, theta):
        """Say at which token the answer leaves the right path, and why."""
        where = f"The drift starts at token {t}. "
        again_turned = np.array(
            [turned_slow(keys[s], s, theta) for s in range(t)] + [keys[t]]
        )
        q = turned_slow(qs[t], t, theta)
        at = "mixed values of token"
        tiles = np.arange(qs.shape[1]) % ks.shape[1]  # whom a tile would read
        order = np.argsort(tiles, kind="stable")
        mistakes = {
            where + "You rotate the cached keys again: they were rotated when "
            "they came in. Rotate only the new key.": (
                row_slow(q, again_turned, vs[: t + 1])
            ),
            where + "The new query and key must be rotated to their own "
            "position, which is the number of tokens in the cache.": (
                row_slow(
                    qs[t], np.concatenate([keys[:t], ks[[t]]]), vs[: t + 1]
                )
            ),
            where + "The query is not rotated: query and key both are.": (
                row_slow(qs[t], keys, vs[: t + 1])
            ),
            where + "The key is not rotated: query and key both are.": (
                row_slow(q, np.concatenate([keys[:t], ks[[t]]]), vs[: t + 1])
            ),
            where + "The new token does not see itself: append first, then "
            "attend.": lambda: row_slow(q, keys[:t], vs[:t]) if t else np.nan,
            where + "The division by sqrt(d) is missing.": (
                row_slow(q * math.sqrt(q.shape[1]), keys, vs[: t + 1])
            ),
            where + "Head 1 reads the wrong group: np.repeat, not np.tile.": (
                row_slow(q[order], keys, vs[: t + 1])
                .reshape(q.shape)[np.argsort(order)]
                .ravel()
            ),
        }
        expect_close(
            got, want, f"the {at} {t}", rtol=1e-4, atol=1e-5, mistakes=mistakes
        )
        expect_close(
            cache["k"],
            keys,
            f'the cache\'s "k" after token {t}',
            rtol=1e-4,
            atol=1e-5,
            mistakes={
                "the values are right, but the cache holds keys that are not "
                "rotated: all of them must be rotated again for each new "
                "token. Store the rotated key.": ks[: t + 1],
                "the cached keys were rotated again and stored so.": (
                    again_turned
                ),
                "the position is one too large. The first token stands at 0: "
                "take the cache's length before it grows. (The values are "
                "right, since only distances count.)": (
                    [*keys[:t], turned_slow(ks[t], t + 1, theta)]
                ),
            },
        )
        expect_close(
            cache["v"],
            vs[: t + 1],
            f'the cache\'s "v" after token {t}',
            mistakes={
                "the values were rotated: only queries and keys are.": (
                    lambda: [turned_slow(vs[s], s, theta) for s in range(t + 1)]
                )
            },
        )

    try_steps(np.random.default_rng(0), T=4, H=1, G=1, d=2)
    try_steps(np.random.default_rng(1), T=3, H=6, G=3, d=4)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    try_steps(rng, T=6, H=9, G=3, d=8)
    try_steps(rng, T=5, H=4, G=1, d=6, theta=1e5)
    try_steps(rng, T=5, H=2, G=2, d=2)
    ### END HIDDEN TESTS

# %% [markdown] hint="step_cached"
# Sketch. `rope` and your cache want an axis for the tokens: `q[None]` has the shape
# `(1, H, d)`. The position is `len(cache["k"])`, and `rope`'s third argument takes it.
# `np.concatenate([old, new])` makes the longer arrays. Then it is attention with one query:
# scores of shape `(H, n + 1)`, softmax, mix. The groups are repeated as before.

# %% [markdown] hint="step_cached"
# ```python
# n = len(cache["k"])                                    # 1. position
# q, k = rope(q[None], theta, ...), rope(...)            # 2. rotate
# new = {"k": np.concatenate([cache["k"], k]), "v": ...} # 3. append
# keys = np.repeat(new["k"], ..., axis=1)                # 4. attend
# values = ...
# z = np.einsum("hd,shd->hs", q[0], keys) / ...
# return np.einsum("hs,shd->hd", ..., values).ravel(), new
# ```


# %% right="step_cached"
def step_cached(q, k, v, cache, theta):
    H, d = q.shape
    n = cache["k"].shape[0]
    both = rope(np.concatenate([q, k])[None], theta, n)[0]
    keys = np.append(cache["k"], both[None, H:], axis=0)
    values = np.append(cache["v"], v[None], axis=0)
    parts = []
    for h in range(H):
        g = h * len(k) // H
        parts.append(softmax(keys[:, g] @ both[h] / d**0.5) @ values[:, g])
    return np.concatenate(parts), {"k": keys, "v": values}


# %% right="step_cached"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.vstack([cache["k"], rope(k[None], theta, n)])
    values = np.vstack([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape), dtype=q.dtype)
    row[n] = rope(q[None], theta, start=n)[0]
    return attention(row, keys, values)[n], dict(k=keys, v=values)


# %% wrong="step_cached" says="drift starts at token 2; again"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = rope(np.concatenate([cache["k"], k[None]]), theta)
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0]
    return attention(row, keys, values)[n], {"k": keys, "v": values}


# %% wrong="step_cached" says="drift starts at token 1; number of tokens in the cache"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"], rope(k[None], theta)])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta)[0]
    return attention(row, keys, values)[n], {"k": keys, "v": values}


# %% wrong="step_cached" says="query is not rotated"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"], rope(k[None], theta, n)])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = q
    return attention(row, keys, values)[n], {"k": keys, "v": values}


# %% wrong="step_cached" says="key is not rotated"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"], k[None]])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0]
    return attention(row, keys, values)[n], {"k": keys, "v": values}


# %% wrong="step_cached" says="not rotated: all of them must be rotated again"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"][:0], cache["k"], k[None]])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0]
    turned = keys.copy()
    turned[n] = rope(k[None], theta, n)[0]
    return attention(row, turned, values)[n], {"k": keys, "v": values}


# %% wrong="step_cached" says="does not see itself; append first"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    k = rope(k[None], theta, n)
    keys = np.concatenate([cache["k"], k])
    values = np.concatenate([cache["v"], v[None]])
    if n == 0:
        return np.repeat(v, len(q) // len(v), axis=0).ravel(), {
            "k": keys,
            "v": values,
        }
    row = np.zeros((n, *q.shape))
    row[-1] = rope(q[None], theta, n)[0]
    y = attention(row, cache["k"], cache["v"])[-1]
    return y, {"k": keys, "v": values}


# %% wrong="step_cached" says="one too large; before it grows"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"]) + 1
    keys = np.concatenate([cache["k"], rope(k[None], theta, n)])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n, *q.shape))
    row[-1] = rope(q[None], theta, n)[0]
    return attention(row, keys, values)[-1], {"k": keys, "v": values}


# %% wrong="step_cached" says="after token 1; keep all others"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    k, v = rope(k[None], theta, n), v[None]
    keys = np.concatenate([cache["k"], k])
    values = np.concatenate([cache["v"], v])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0]
    return attention(row, keys, values)[n], {"k": k, "v": v}


# %% wrong="step_cached" says="values were rotated"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"], rope(k[None], theta, n)])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0]
    stored = np.concatenate([cache["v"], rope(v[None], theta, n)])
    return attention(row, keys, values)[n], {"k": keys, "v": stored}


# %% wrong="step_cached" says="sqrt(d) is missing"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"], rope(k[None], theta, n)])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0] * math.sqrt(q.shape[1])
    return attention(row, keys, values)[n], {"k": keys, "v": values}


# %% wrong="step_cached" says="np.repeat, not np.tile"
def step_cached(q, k, v, cache, theta):
    n, times = len(cache["k"]), len(q) // len(k)
    q, k = rope(q[None], theta, n), rope(k[None], theta, n)
    keys = np.concatenate([cache["k"], k])
    values = np.concatenate([cache["v"], v[None]])
    wide = np.tile(keys, (1, times, 1))
    z = np.einsum("hd,shd->hs", q[0], wide) / math.sqrt(q.shape[2])
    y = np.einsum("hs,shd->hd", softmax(z), np.tile(values, (1, times, 1)))
    return y.ravel(), {"k": keys, "v": values}


# %% wrong="step_cached" says="returns 3 things; mixed values and the new cache"
def step_cached(q, k, v, cache, theta):
    n = len(cache["k"])
    keys = np.concatenate([cache["k"], rope(k[None], theta, n)])
    values = np.concatenate([cache["v"], v[None]])
    row = np.zeros((n + 1, *q.shape))
    row[n] = rope(q[None], theta, n)[0]
    return attention(row, keys, values)[n], keys, values


# %% [markdown]
# ### What it saves
#
# Your functions with the real weights again, now one token at a time. First: do the two
# ways write the same text? Then the time for one more token, after texts of several lengths.
# (For the stopwatch the cache is filled with zeros. The time does not depend on what the
# numbers are.)

# %% demo
import time


def one_token(token, caches):
    """Return the logits after one more token, and the longer caches."""
    x, longer = table[[token]], []
    for W, cache in zip(layers, caches):
        read = rmsnorm(x, W["norm1"])
        q, k, v = ((W[it] @ read[0]).reshape(-1, d_head) for it in "qkv")
        y, cache = step_cached(q, k, v, cache, THETA)
        x = x + W["o"] @ y
        read = rmsnorm(x, W["norm2"])
        x = x + swiglu(read, W["gate"], W["up"], W["down"])
        longer.append(cache)
    return read_out(x)[0], longer


def empty_caches(n=0):
    shape = (n, config["num_key_value_heads"], d_head)
    return [{it: np.zeros(shape, np.float32) for it in "kv"} for _ in layers]


caches, written = empty_caches(), list(ids)
for token in ids:
    logits, caches = one_token(token, caches)
for _ in range(8):
    written.append(int(logits.argmax()))
    logits, caches = one_token(written[-1], caches)
gap = np.abs(logits - read_out(streams(written)[-1][-1:])[0]).max()
print(lm.decode(written))
print(f"with and without a cache the logits differ by at most {gap:.1e}")

lengths, anew, kept = (16, 64, 128, 256), [], []
for n in lengths:
    text = [int(i) for i in np.arange(1000, 1000 + n)]
    began = time.perf_counter()
    read_out(streams(text)[-1][-1:])
    anew.append(time.perf_counter() - began)
    filled, runs = empty_caches(n - 1), []
    for _ in range(3):
        began = time.perf_counter()
        one_token(1000, filled)
        runs.append(time.perf_counter() - began)
    kept.append(min(runs))

fig, ax = plots.figure()
ax.plot(lengths, anew, "o-", label="everything again")
ax.plot(lengths, kept, "s-", label="with the cache")
ax.set_ylim(0)
ax.set_xlabel("tokens in the text")
ax.set_ylabel("time for the next token (s)")
ax.legend()
plots.show(
    fig,
    f"After {lengths[0]} tokens the next one takes {anew[0]:.2f} s when all is "
    f"computed again and {kept[0]:.2f} s with the cache; after {lengths[-1]} "
    f"tokens {anew[-1]:.2f} s and {kept[-1]:.2f} s.",
)

# %% [markdown]
# Without a cache the time for *each* token grows with the text, so the time for a whole
# answer grows with the square of its length. With it, the time is nearly flat: reading
# the 134 million weights once for each token is most of the work. That is the answer to the
# first note, and three rules of the trade follow.
#
# - **Reading is cheap, writing is dear.** The tokens of a prompt go through the box together,
#   one matrix product for all. Output tokens come one by one. That is why they cost more.
# - **A cache fits a prefix, to the token.** The keys of a text that *begins the same way* can
#   be used again, and nothing else can. So what never changes (instructions, examples,
#   the handbook) goes **first** in a prompt, and what changes (today's date, the
#   customer's question) goes last. One changed character at the front, and all is computed,
#   and paid, again.
# - **Memory is the limit.** 46,080 bytes for each token of each customer at once, and this
#   is a small model.
#
# ## 10 · Answer the third note: an encoder and a decoder
#
# SmolLM2 is a **decoder**: the mask lets a token look back only. MiniLM, with
# which you will search the shop's handbook tomorrow, belongs to the other family, that of
# BERT: an **encoder**. Its blocks are made of the same parts (attention, norm, a small network),
# with one line of your `attention` missing: **there is no mask**. Every token sees all
# others, before and behind.
#
# Two sentences that differ in the last word only. How much does each token's vector change?

# %% demo
from course.embed import load_embedder

embedder = load_embedder()
PAIR = ("The light is too heavy", "The light is too bright")


def change(a, b):
    """Return the cosine distance of each row of a to that of b."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.maximum(0, 1 - (a * b).sum(axis=1) / norms)


decoded = [streams(lm.encode(text))[-1] for text in PAIR]
encoded = [embedder.hidden([text])[0][0][1:-1] for text in PAIR]
looks_back, looks_around = change(*decoded), change(*encoded)
words = ["The", "light", "is", "too", "heavy /\nbright"]

fig, ax = plots.figure()
at = np.arange(len(words))
ax.bar(at - 0.2, looks_back, 0.4, label="decoder (SmolLM2, your code)")
ax.bar(at + 0.2, looks_around, 0.4, label="encoder (MiniLM)")
ax.set_xticks(at, words)
ax.set_xlabel("token")
ax.set_ylabel("change of its vector (cosine distance)")
ax.legend()
plots.show(
    fig,
    "When the last word changes, the vectors of the four words before it "
    f"change by {', '.join(f'{c:.2f}' for c in looks_back[:4])} in the decoder "
    f"and by {', '.join(f'{c:.2f}' for c in looks_around[:4])} in the encoder.",
)

# %% [markdown]
# In the decoder the word "light" has a vector, and it is *the same* whether the light is
# heavy or bright: it was made before the model could know. (It is this very property that
# makes the cache possible.) In the encoder every word has heard the end of the sentence.
#
# For **writing**, the encoder is no use: it was trained with the whole sentence in view, and
# to add a word one would have to compute everything again. For **judging a text that is
# already there** (searching, sorting, finding names), looking both ways is an advantage.
# How large? Twenty customers' questions about the shop's handbook, and the pages that answer
# them. Each text becomes the mean of its tokens' last vectors; the page with the largest
# cosine is the answer. Guessing gets about 1 of 20. (The decoder here is the one that
# `CROSSROADS_CHAT_MODEL` names; SmolLM2, if you have set nothing.)

# %% demo
from course.handbook import load_handbook

book, writer = load_handbook(), load_local()
asked = book.of_kind("paraphrase")[:20]
page_ids = sorted({it.page for it in asked})
pages = [book.pages[book.index[it]].full for it in page_ids]


def mean_state(text):
    return writer.hidden_states(writer.encode(text))[-1].mean(axis=0)


def first_is_right(questions, texts, centre=False):
    """Return for each question whether the nearest page is its own."""
    mean = texts.mean(axis=0) if centre else 0
    a, b = questions - mean, texts - mean
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    best = (a @ b.T).argmax(axis=1)
    return np.array([page_ids[i] == it.page for i, it in zip(best, asked)])


texts = [it.text for it in asked]
by_encoder = first_is_right(embedder.encode(texts), embedder.encode(pages))
states = [np.array([mean_state(t) for t in group]) for group in (texts, pages)]
by_decoder = first_is_right(*states)
by_centred = first_is_right(*states, centre=True)
print(f"pages to choose from: {len(pages)}, questions: {len(asked)}")
print(f"encoder (minilm):               {by_encoder.sum()} of {len(asked)}")
print(
    f"decoder ({writer.name}):              {by_decoder.sum()} of {len(asked)}"
)
print(f"  minus the pages' mean vector: {by_centred.sum()} of {len(asked)}")

# %% [markdown]
# MiniLM has 22.7 million numbers, a sixth of SmolLM2's, and far more right answers. Be
# fair, though: the encoder was not only built, it was also **trained** for this, on a
# billion pairs of texts that belong together; the decoder never was. Decoders that are
# trained on such pairs make excellent embedders (the largest of today's are decoders),
# and the mean over all tokens is a poor choice for a model in which only the last token
# has seen everything. So: two kinds of mask, two kinds of training, two kinds of use.
#
# | | decoder (GPT, Llama, SmolLM2) | encoder (BERT, MiniLM) |
# |---|---|---|
# | a token sees | itself and what is before it | the whole text |
# | trained to | guess the next token | guess hidden words; then, bring texts that belong together close |
# | good for | writing, chat, code, tools | search, sorting, duplicates, finding names |
# | work for one more token | one row (with the cache) | everything again |
# | at *Lampa* | the assistant | the handbook search (tomorrow, A4) |
#
# ## What this tells you about the job
#
# Few AI engineers write a forward pass for their living. Most need to have written *one*.
# It turns a bill into something that can be calculated, a prompt layout into a decision with
# a reason, "why is it slow?" into two different questions (reading or writing?), and the
# choice between two kinds of models into common sense. And when a port, a quantised file or
# a new inference server gives slightly odd text, it is the person who compares logits who
# finds the wrong $\theta$.
#
# This was the most mathematical day of the track, and the mathematics ended at a given
# point: you never asked where the weights come from. If that itches, you will like M3, in
# which you make some. If you were glad to find them in a file, note that as well.
#
# ## Further reading
#
# - A. Vaswani and others: *Attention Is All You Need*, NeurIPS 2017.
# - J. Devlin and others: *BERT: Pre-training of Deep Bidirectional Transformers*, NAACL 2019.
# - B. Zhang, R. Sennrich: *Root Mean Square Layer Normalization*, NeurIPS 2019.
# - J. Su and others: *RoFormer: Enhanced Transformer with Rotary Position Embedding*, 2021,
#   arXiv:2104.09864.
# - N. Shazeer: *GLU Variants Improve Transformer*, 2020, arXiv:2002.05202.
# - J. Ainslie and others: *GQA: Training Generalized Multi-Query Transformer Models from
#   Multi-Head Checkpoints*, EMNLP 2023.
# - nostalgebraist: *interpreting GPT: the logit lens*, LessWrong, 2020; N. Belrose and
#   others: *Eliciting Latent Predictions from Transformers with the Tuned Lens*, 2023,
#   arXiv:2303.08112.
# - A. Karpathy: *Let's build GPT: from scratch, in code, spelled out*, 2023. Two hours of
#   film: the same box, trained.
#
# ## Would you do this again tomorrow?

# %%
again("a3", 0)
