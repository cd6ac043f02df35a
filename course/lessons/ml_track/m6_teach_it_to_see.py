# ---
# jupyter:
#   crossroads:
#     id: m6
#     track: ml_track
#     title: Teach it to see
#     partner: a6
#     assets: [fashion-mnist]
#     cpu_s: 60
# ---

# %% [markdown]
# # M6 · Teach it to see
#
# *Day 6, the machine-learning engineer's half.* The reader of handwritten
# order numbers, from day 3, has been in the returns room of the shop *Lampa*
# for a week. In the test it read 97 of 100 digits. In the returns room it reads
# fewer than half. You go and look. The model is the same, the handwriting is
# the same; but the camera was knocked, and every picture is moved by **one
# pixel**.
#
# Everybody knows the cure: a *convolutional* network, because "convolutions do
# not care where things are". Today you build one, from the loops to the
# gradient, and find out that this sentence is wrong. Then you prove what is
# right about it, and use that.
#
# {{exercises}}

# %% setup
import time

import numpy as np
from scipy.signal import convolve2d, correlate2d
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

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

# 1,797 scans of 8 x 8 pixels on a canvas with one empty pixel all around, so
# that a shift by one loses nothing. Shape (N, 1, 10, 10), brightness 0..1.
scans, digits = load_digits(return_X_y=True)
scans = np.pad(
    scans.reshape(-1, 1, 8, 8) / 16, ((0, 0), (0, 0), (1, 1), (1, 1))
)
X_train, X_test, y_train, y_test = train_test_split(
    scans.astype(np.float32),
    digits,
    test_size=397,
    random_state=0,
    stratify=digits,
)

# %% [markdown]
# ## Predict
#
# Three networks learn the same 1,400 digits, all centred on their canvas. The
# first is day 3's, with every pixel joined to every hidden unit. It reads about
# 0.97 of the centred test digits, and about 0.45 when they are moved by one
# pixel. The second has **two layers of convolution**; then its maps are laid
# out flat, and a last matrix makes ten numbers of them, as in the textbook
# picture. On centred test digits it reads well above 0.9.
#
# **By how much does its accuracy fall when the test digits move by one
# pixel?** Set `guess` to `"less than 0.05"`, `"0.05 to 0.25"` or
# `"more than 0.25"`, and `confidence` to a number from 0 to 1.

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "more than 0.25", 0.6
### END SOLUTION

# %% check="guess"
with check("m6.guess"):
    choices = ["less than 0.05", "0.05 to 0.25", "more than 0.25"]
    expect_prediction("m6.guess", guess, confidence, choices)

# %% right="guess"
guess, confidence = "less than 0.05", 1

# %% right="guess"
guess, confidence = "0.05 to 0.25", 0.0

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "less than 0.05", 95

# %% wrong="guess" says="must be one of"
guess, confidence = 0.05, 0.5

# %% [markdown]
# ## Worked example: a window that slides
#
# A layer of day 3 has a weight for each pixel. It can learn that *this* pixel
# is dark; that the same stroke, one pixel to the right, is still a stroke, it
# has to learn all over again. A **convolution** uses one small set of weights,
# a *kernel*, at every place. Lay the 2 x 2 kernel over the picture, multiply
# what lies on top of each other, add up, write the sum down; move on by one.
#
# $$\begin{pmatrix} 1 & 2 & 0\\ 0 & 1 & 3\\ 2 & 0 & 1\end{pmatrix}
#   \text{ with } \begin{pmatrix} 1 & -1\\ 0 & 2\end{pmatrix}:\quad
#   \begin{pmatrix} 1-2+0+2 & 2-0+0+6\\ 0-1+0+0 & 1-3+0+2\end{pmatrix}
#   = \begin{pmatrix} 1 & 8\\ -1 & 0\end{pmatrix}$$
#
# A window of $k$ pixels fits into a side of $n$ pixels in $n - k + 1$ places.
# Put `pad` rings of zeros around the picture first, and it is
# $n + 2\,\text{pad} - k + 1$.

# %%
picture = np.array([[1, 2, 0], [0, 1, 3], [2, 0, 1]])
kernel = np.array([[1, -1], [0, 2]])
by_hand = [
    [int(np.sum(picture[p : p + 2, q : q + 2] * kernel)) for q in range(2)]
    for p in range(2)
]
print(by_hand)

# %% [markdown]
# ## 1. The layer: `conv2d`
#
# A layer has several input channels $c$ (a colour photo has three; the second
# layer has as many as the first has kernels) and makes several output maps $f$.
# Each output sums over **all** channels, with a kernel of its own for each:
#
# $$y_{b f p q} = \sum_{c}\sum_{i=0}^{k-1}\sum_{j=0}^{k-1}
#   w_{f c i j}\; x^{\text{pad}}_{b\, c\, (p+i)\, (q+j)} .$$
#
# The kernel is *not* turned over. Mathematicians call this a cross-correlation
# and keep the word convolution for $x_{p-i, q-j}$; every deep-learning library
# computes the formula above and calls it convolution. A learned kernel does not
# mind. Your gradient would.
#
# Write `conv2d(x, w, pad)`: `x` of shape `(B, C, H, W)`, `w` of shape
# `(F, C, k, k)`. Return shape
# `(B, F, H + 2 * pad - k + 1, W + 2 * pad - k + 1)`. Loops over `i` and `j` are
# fine (there are nine); loops over pixels work, too, slowly.


# %% exercise="conv2d" points=3 minutes=10 difficulty=3
def conv2d(x, w, pad):
    """Return the maps of the kernels w over the pictures x."""
    # 1. pad: rings of zeros   2. size   3. for each i, j: weight times slice
    ### BEGIN SOLUTION
    F, C, k, _ = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho, Wo = x.shape[2] - k + 1, x.shape[3] - k + 1
    out = np.zeros((len(x), F, Ho, Wo))
    for i in range(k):
        for j in range(k):
            part = x[:, :, i : i + Ho, j : j + Wo]
            out += np.einsum("bcpq,fc->bfpq", part, w[:, :, i, j])
    return out
    ### END SOLUTION
    Ho, Wo = (n + 2 * pad - w.shape[2] + 1 for n in x.shape[2:])
    return np.zeros((len(x), len(w), Ho, Wo))  # replace these lines


# %% [markdown]
# Target against yours, before the check: the worked example.

# %% demo
yours = conv2d(picture[None, None] * 1.0, kernel[None, None] * 1.0, 0)
print("target", by_hand, " yours", np.round(yours, 3).tolist())

# %% check="conv2d"
with check("m6.conv2d"):

    def slide(x, w, pad, turned=False, first_channel=False):
        """scipy's correlation of one picture, one channel at a time."""
        wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        two = convolve2d if turned else correlate2d
        channels = [0] if first_channel else range(wide.shape[1])
        return np.array(
            [
                [
                    sum(two(im[c], w_f[c], "valid") for c in channels)
                    for w_f in w
                ]
                for im in wide
            ]
        )

    def try_conv(x, w, pad, name):
        before = x.copy(), w.copy()
        got = conv2d(x, w, pad)
        expect_unchanged(x, before[0], "x")
        expect_unchanged(w, before[1], "w")
        want = slide(x, w, pad)
        shape = np.shape(got)
        if len(shape) == 4 and shape != want.shape:
            short = tuple(np.subtract(want.shape, shape))
            if short == (0, 0, 1, 1):
                fail(
                    f"{name} has shape {shape}; it must have {want.shape}: the "
                    "size is off by one. A window of k fits into n pixels in "
                    "n - k + 1 places."
                )
            if pad and short[:2] == (0, 0) and short[2] == 2 * pad:
                fail(
                    f"{name} has shape {shape}; it must have {want.shape}. The "
                    "rings of zeros are missing: pad both picture axes."
                )
            fail(
                f"{name} has shape {shape}; it must have {want.shape}: B, F, "
                "then H + 2 pad - k + 1 and the same for W. Pad the last two "
                "axes only."
            )
        corr = {
            f"{name}: the kernel is turned over (a mathematician's "
            "convolution). Here w[i, j] meets x[p + i, q + j]: do not flip "
            "it.": lambda: slide(x, w, pad, turned=True),
            f"{name}: only the first channel is used. Each map sums over all "
            "channels.": lambda: slide(x, w, pad, first_channel=True),
            f"{name}: the mean over the channels is taken. Sum over them.": (
                want / x.shape[1]
            ),
            f"{name}: the kernel is transposed: i goes with rows, j with "
            "columns.": lambda: slide(x, w.transpose(0, 1, 3, 2), pad),
        }
        expect_close(got, want, name, rtol=1e-4, atol=1e-5, mistakes=corr)

    hand = np.array([[[[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]]])
    two_by_two = np.array([[[[1.0, -1], [0, 2]]]])
    try_conv(hand, two_by_two, 0, "conv2d of the worked example")
    try_conv(hand, two_by_two, 1, "the worked example with pad=1")
    colour = np.arange(32.0).reshape(1, 2, 4, 4) % 7
    kernels = np.arange(36.0).reshape(2, 2, 3, 3) % 5 - 2
    try_conv(colour, kernels, 1, "two channels, two kernels, pad=1")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for B, C, H, W, F, k, pad in [
        (2, 3, 5, 7, 4, 3, 0),
        (3, 1, 6, 4, 2, 2, 1),
        (1, 2, 5, 5, 3, 5, 2),
        (2, 4, 3, 3, 1, 1, 0),
        (1, 1, 4, 6, 2, 3, 2),
    ]:
        x_any = rng.normal(size=(B, C, H, W))
        w_any = rng.normal(size=(F, C, k, k))
        text = f"conv2d of x {x_any.shape}, w {w_any.shape}, pad={pad}"
        try_conv(x_any, w_any, pad, text)
    ### END HIDDEN TESTS

# %% [markdown] hint="conv2d"
# Sketch. For fixed `i` and `j`, the pixels that meet `w[:, :, i, j]` form a
# slice of the padded picture: it begins at row `i` and column `j` and has the
# size of the output. Multiply it by the weights, sum over the channels
# (`einsum`, or a matrix product), and add it to the output.

# %% [markdown] hint="conv2d"
# ```python
# x = np.pad(x, ((0, 0), (0, 0), (pad, pad), ...))    # 1. pad
# Ho, Wo = x.shape[2] - k + 1, ...                    # 2. size
# out = np.zeros((len(x), F, Ho, Wo))
# for i in range(k):                                  # 3. weight times slice
#     for j in range(k):
#         part = x[:, :, i : ..., j : ...]            # (B, C, Ho, Wo)
#         out += np.einsum("bcpq,fc->bfpq", part, w[...])
# return out
# ```


# %% right="conv2d"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fcij->bfpq", win, w)


# %% right="conv2d"
def conv2d(x, w, pad):
    B, C, H, W = x.shape
    F, k = w.shape[0], w.shape[2]
    out = np.zeros((B, F, H + 2 * pad - k + 1, W + 2 * pad - k + 1))
    padded = np.zeros((B, C, H + 2 * pad, W + 2 * pad))
    padded[:, :, pad : pad + H, pad : pad + W] = x
    for p in range(out.shape[2]):
        for q in range(out.shape[3]):
            window = padded[:, None, :, p : p + k, q : q + k]
            out[:, :, p, q] = (window * w).sum(axis=(2, 3, 4))
    return out


# %% wrong="conv2d" says="turned over; do not flip"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fcij->bfpq", win, w[:, :, ::-1, ::-1])


# %% wrong="conv2d" says="off by one; n - k + 1"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fcij->bfpq", win, w)[:, :, :-1, :-1]


# %% wrong="conv2d" says="rings of zeros are missing"
def conv2d(x, w, pad):
    k = w.shape[2]
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fcij->bfpq", win, w)


# %% wrong="conv2d" says="pad the last two axes only"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, pad)
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fij->bfpq", win, w[:, 0])


# %% wrong="conv2d" says="only the first channel"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bpqij,fij->bfpq", win[:, 0], w[:, 0])


# %% wrong="conv2d" says="mean over the channels"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fcij->bfpq", win, w) / x.shape[1]


# %% wrong="conv2d" says="transposed; i goes with rows"
def conv2d(x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    return np.einsum("bcpqij,fcji->bfpq", win, w)


# %% [markdown]
# ## 2. The trick that made it fast: `im2col`
#
# Processors are best at one thing, large matrix products. So lay every window
# out as a **row**: the $C k^2$ numbers that the kernels meet at one place. With
# the kernels laid out as rows, too, the whole layer is one product,
#
# $$\underbrace{\text{cols}}_{(\dots,\; C k^2)}\;
#   \underbrace{W^\top}_{(C k^2,\; F)}\ \text{of shape } (\dots, F).$$
#
# The price is memory: each pixel is written down up to $k^2$ times.
#
# Write `im2col(x, k, pad)` for `x` of shape `(B, C, H, W)`. Return shape
# `(B, Ho, Wo, C * k * k)`: at `[b, p, q]` the window whose upper left corner is
# at row `p`, column `q` of the padded picture, in the order of
# `w[f].reshape(-1)`: channel by channel, in each row by row. For the picture of
# the worked example and `k = 2` the first row is `[1, 2, 0, 1]`.
# (`np.lib.stride_tricks.sliding_window_view` gives windows without a copy.)


# %% exercise="im2col" points=2 minutes=9 difficulty=3
def im2col(x, k, pad):
    """Return every window as a row, shape (B, Ho, Wo, C * k * k)."""
    # 1. pad   2. windows   3. axes in order: B, Ho, Wo, C, k, k   4. flat
    ### BEGIN SOLUTION
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    view = np.lib.stride_tricks.sliding_window_view
    windows = view(x, (k, k), axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    return windows.reshape(*windows.shape[:3], -1)
    ### END SOLUTION
    Ho, Wo = (n + 2 * pad - k + 1 for n in x.shape[2:])
    return np.zeros((len(x), Ho, Wo, x.shape[1] * k * k))  # replace these


# %% check="im2col"
with check("m6.im2col"):

    def each_window(x, k, pad, order):
        """Cut every window out with a loop; order says how it is laid flat."""
        wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        Ho, Wo = (n - k + 1 for n in wide.shape[2:])
        out = np.zeros((len(x), Ho, Wo, x.shape[1] * k * k))
        for b, p, q in np.ndindex(len(x), Ho, Wo):
            cut = wide[b, :, p : p + k, q : q + k]
            out[b, p, q] = cut.transpose(order).ravel()
        return out

    def try_cols(x, k, pad, name):
        before = x.copy()
        got = im2col(x, k, pad)
        expect_unchanged(x, before, "x")
        want = each_window(x, k, pad, (0, 1, 2))
        if np.size(got) == want.size and np.shape(got) != want.shape:
            fail(
                f"{name} has shape {np.shape(got)}; it must have {want.shape}: "
                "the axes B, Ho, Wo stay, only the window is laid flat."
            )
        expect_close(
            got,
            want,
            name,
            rtol=1e-5,
            mistakes={
                f"{name}: the channels are the last axis of a window, not the "
                "first. w[f].reshape(-1) goes channel by channel.": lambda: (
                    each_window(x, k, pad, (1, 2, 0))
                ),
                f"{name}: the windows are transposed: row by row, so i before "
                "j.": lambda: each_window(x, k, pad, (0, 2, 1)),
                f"{name}: the numbers were reshaped without moving the axes "
                "first, so rows mix different windows. Transpose to B, Ho, Wo, "
                "C, k, k, then reshape.": lambda: (
                    np.lib.stride_tricks.sliding_window_view(
                        np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))),
                        (k, k),
                        axis=(2, 3),
                    ).reshape(want.shape)
                ),
            },
        )

    hand = np.array([[[[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]]])
    try_cols(hand, 2, 0, "im2col of the worked example, k=2")
    colour = np.arange(36.0).reshape(2, 2, 3, 3)
    try_cols(colour, 2, 0, "two pictures of two channels, k=2")
    try_cols(colour, 3, 1, "two pictures of two channels, k=3, pad=1")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for B, C, H, W, k, pad in [
        (1, 3, 4, 6, 3, 0),
        (3, 2, 5, 3, 2, 2),
        (2, 1, 3, 3, 1, 0),
    ]:
        text = f"im2col of x {(B, C, H, W)}, k={k}, pad={pad}"
        try_cols(rng.normal(size=(B, C, H, W)), k, pad, text)
    ### END HIDDEN TESTS

# %% [markdown] hint="im2col"
# Sketch. The windows of the padded picture, with `axis=(2, 3)`, have the axes
# B, C, Ho, Wo, k, k. Bring them into the order B, Ho, Wo, C, k, k with
# `transpose`; then the last three are neighbours, and `reshape` may lay them
# flat.

# %% [markdown] hint="im2col"
# ```python
# x = np.pad(...)                                      # 1. pad
# view = np.lib.stride_tricks.sliding_window_view
# windows = view(x, (k, k), axis=...)                  # 2. windows
# windows = windows.transpose(...)                     # 3. six axes
# return windows.reshape(*windows.shape[:3], ...)      # 4. flat
# ```


# %% right="im2col"
def im2col(x, k, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho, Wo = x.shape[2] - k + 1, x.shape[3] - k + 1
    out = np.empty((len(x), Ho, Wo, x.shape[1], k, k))
    for i in range(k):
        for j in range(k):
            part = x[:, :, i : i + Ho, j : j + Wo]
            out[..., i, j] = np.moveaxis(part, 1, -1)
    return out.reshape(len(x), Ho, Wo, -1)


# %% right="im2col"
def im2col(x, k, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho, Wo = x.shape[2] - k + 1, x.shape[3] - k + 1
    rows = [
        x[:, :, p : p + k, q : q + k].reshape(len(x), -1)
        for p in range(Ho)
        for q in range(Wo)
    ]
    return np.stack(rows, axis=1).reshape(len(x), Ho, Wo, -1)


# %% wrong="im2col" says="channel by channel"
def im2col(x, k, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    win = win.transpose(0, 2, 3, 4, 5, 1)
    return win.reshape(*win.shape[:3], -1)


# %% wrong="im2col" says="transposed; row by row"
def im2col(x, k, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    win = win.transpose(0, 2, 3, 1, 5, 4)
    return win.reshape(*win.shape[:3], -1)


# %% wrong="im2col" says="without moving the axes"
def im2col(x, k, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    B, C, Ho, Wo = win.shape[:4]
    return win.reshape(B, Ho, Wo, C * k * k)


# %% wrong="im2col" says="only the window is laid flat"
def im2col(x, k, pad):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
    win = win.transpose(0, 2, 3, 1, 4, 5)
    return win.reshape(-1, win[0, 0, 0].size)


# %% [markdown]
# ## 3. Backwards: `conv_back`
#
# Let $g$, of the shape of the output, be the gradient of the loss with respect
# to it. Day 3's rule: follow every way in which a number acts on the output.
# The weight $w_{fcij}$ acts on map $f$ of every picture at **every place**:
#
# $$\bar w_{fcij} = \sum_{b,p,q} g_{bfpq}\; x^{\text{pad}}_{b\,c\,(p+i)(q+j)}.$$
#
# A shared weight forwards is a sum backwards, as with the bias of day 3. And a
# pixel lies in up to $k^2$ windows, and acts through each of them:
#
# $$\bar x^{\text{pad}}_{bc\,(p+i)(q+j)} \mathrel{+}= \sum_f w_{fcij}\, g_{bfpq}
#   \qquad\text{for all } p, q, i, j .$$
#
# It says $\mathrel{+}=$: windows overlap, and what they send back adds up. In
# the end, the rings of zeros are cut off: nobody asked for their gradient.
#
# Write `conv_back(g, x, w, pad)`, which returns `dx, dw` of the shapes of `x`
# and `w`. You may use your `im2col`: `dw` is one matrix product, and `dx` one
# product and two short loops.


# %% exercise="conv_back" points=4 minutes=12 difficulty=4
def conv_back(g, x, w, pad):
    """Return the gradients dx, dw, given the output's gradient g."""
    # 1. dw: sum over all places   2. dx: add up windows   3. cut the rings
    ### BEGIN SOLUTION
    (B, C, H, W), (F, _, k, _) = x.shape, w.shape
    Ho, Wo = g.shape[2:]
    flat = g.transpose(0, 2, 3, 1).reshape(-1, F)
    cols = im2col(x, k, pad).reshape(len(flat), -1)
    dw = (flat.T @ cols).reshape(w.shape)
    sent = (flat @ w.reshape(F, -1)).reshape(B, Ho, Wo, C, k, k)
    dx = np.zeros((B, C, H + 2 * pad, W + 2 * pad), dtype=x.dtype)
    for i in range(k):
        for j in range(k):
            back = sent[..., i, j].transpose(0, 3, 1, 2)
            dx[:, :, i : i + Ho, j : j + Wo] += back
    return dx[:, :, pad : pad + H, pad : pad + W], dw
    ### END SOLUTION
    return np.zeros(x.shape), np.zeros(w.shape)  # replace this line


# %% check="conv_back"
with check("m6.conv_back"):

    def pulled_back(g, x, w, pad):
        """Both sums with scipy, one pair of channels at a time."""
        rings = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        dx, dw = np.zeros(rings.shape), np.zeros(w.shape)
        for b, f, c in np.ndindex(len(x), len(w), x.shape[1]):
            dw[f, c] += correlate2d(rings[b, c], g[b, f], "valid")
            dx[b, c] += convolve2d(g[b, f], w[f, c], "full")
        end = (dx.shape[2] - pad, dx.shape[3] - pad)
        return dx[:, :, pad : end[0], pad : end[1]], dw

    def last_window_wins(g, x, w, pad):
        """dx if every window overwrites what the one before it sent."""
        k, H, W = w.shape[2], x.shape[2], x.shape[3]
        found = []
        for outer in (True, False):
            dx = np.zeros((*x.shape[:2], H + 2 * pad, W + 2 * pad))
            places = list(np.ndindex(*g.shape[2:]))
            offsets = list(np.ndindex(k, k))
            if outer:
                for i, j in offsets:
                    sent = np.einsum("bfpq,fc->bcpq", g, w[:, :, i, j])
                    end = i + g.shape[2], j + g.shape[3]
                    dx[:, :, i : end[0], j : end[1]] = sent
            else:
                for p, q in places:
                    sent = np.einsum("bf,fcij->bcij", g[:, :, p, q], w)
                    dx[:, :, p : p + k, q : q + k] = sent
            found.append(dx[:, :, pad : pad + H, pad : pad + W])
        return found

    def try_back(g, x, w, pad, name):
        before = g.copy(), x.copy(), w.copy()
        got = conv_back(g, x, w, pad)
        expect_type(got, (tuple, list), "what conv_back returns")
        expect(len(got) == 2, "conv_back returns two things: dx, dw.")
        for now, old, letter in zip((g, x, w), before, "gxw"):
            expect_unchanged(now, old, letter)
        dx, dw = pulled_back(g, x, w, pad)
        if np.shape(got[0]) == w.shape and w.shape != x.shape:
            fail(f"{name}: dx and dw stand in the wrong order. dx goes first.")
        if pad and np.shape(got[0])[-1] == x.shape[3] + 2 * pad:
            fail(
                f"{name}: dx has shape {np.shape(got[0])}, x {x.shape}. Cut "
                "the rings off: nobody asked for their gradient."
            )
        places = g.shape[2] * g.shape[3]
        lap = last_window_wins(g, x, w, pad)
        expect_close(
            got[1],
            dw,
            f"{name}: dw",
            rtol=1e-4,
            atol=1e-5,
            mistakes={
                f"{name}: dw is a mean over the {len(x)} pictures. The chain "
                "rule sums; the mean, if any, is in the loss.": dw / len(x),
                f"{name}: dw is a mean over the places. Each use of a weight "
                "adds up: sum.": dw / places,
                f"{name}: dw is that of the first picture only. Sum over "
                "all.": lambda: pulled_back(g[:1], x[:1], w, pad)[1],
                f"{name}: dw is turned over. w[i, j] met x[p + i, q + j], "
                "forwards and backwards.": dw[:, :, ::-1, ::-1],
            },
        )
        expect_close(
            got[0],
            dx,
            f"{name}: dx",
            rtol=1e-4,
            atol=1e-5,
            mistakes={
                f"{name}: in dx, overlapping windows were overwritten: only "
                "the last one counts. Each adds its part: use +=.": lap[0],
                f"{name}: in dx, overlapping windows are overwritten: only the "
                "last one counts. Each adds its part: use +=.": lap[1],
                f"{name}: dx was made with the kernel turned over. Send g back "
                "to the place where the weight met the pixel: p + i, q + "
                "j.": lambda: pulled_back(g, x, w[:, :, ::-1, ::-1], pad)[0],
            },
        )

    ones = np.ones((1, 1, 2, 2))
    hand = np.array([[[[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]]])
    two_by_two = np.array([[[[1.0, -1], [0, 2]]]])
    try_back(ones, hand, two_by_two, 0, "the worked example, g all ones")
    x_two = np.arange(36.0).reshape(2, 2, 3, 3) % 5
    w_two = np.arange(24.0).reshape(3, 2, 2, 2) % 7 - 3
    g_two = np.arange(96.0).reshape(2, 3, 4, 4) % 4 - 1
    try_back(g_two, x_two, w_two, 1, "two channels, three kernels, pad=1")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for B, C, H, W, F, k, pad in [
        (2, 3, 5, 4, 2, 3, 0),
        (3, 1, 4, 6, 4, 3, 2),
        (1, 2, 5, 5, 2, 1, 0),
    ]:
        x_any, w_any = (
            rng.normal(size=(B, C, H, W)),
            rng.normal(size=(F, C, k, k)),
        )
        size = (B, F, H + 2 * pad - k + 1, W + 2 * pad - k + 1)
        text = f"conv_back for x {x_any.shape}, w {w_any.shape}, pad={pad}"
        try_back(rng.normal(size=size), x_any, w_any, pad, text)
    ### END HIDDEN TESTS

# %% [markdown] hint="conv_back"
# Sketch. Lay `g` out with the maps last, shape `(B * Ho * Wo, F)`. Its
# transpose times the columns of `im2col` is `dw`. Times the kernels as rows, it
# is what every window sends back, shape `(B, Ho, Wo, C, k, k)`. For each of the
# `k * k` positions in the window, add that part to the slice of the padded `dx`
# that `conv2d` read.

# %% [markdown] hint="conv_back"
# ```python
# flat = g.transpose(0, 2, 3, 1).reshape(-1, F)
# cols = im2col(x, k, pad).reshape(len(flat), -1)
# dw = (...).reshape(w.shape)                          # 1. a product
# sent = (flat @ ...).reshape(B, Ho, Wo, C, k, k)      # 2. another one
# dx = np.zeros(...)                                   #    with the rings
# for i in range(k):
#     for j in range(k):
#         dx[:, :, i : ..., j : ...] += sent[..., i, j].transpose(...)
# return dx[...], dw                                   # 3. cut the rings
# ```


# %% right="conv_back"
def conv_back(g, x, w, pad):
    k = w.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for p in range(g.shape[2]):
        for q in range(g.shape[3]):
            here = g[:, :, p, q]
            window = x[:, :, p : p + k, q : q + k]
            dw += np.einsum("bf,bcij->fcij", here, window)
            dx[:, :, p : p + k, q : q + k] += np.einsum(
                "bf,fcij->bcij", here, w
            )
    if pad:
        dx = dx[:, :, pad:-pad, pad:-pad]
    return dx, dw


# %% right="conv_back"
def conv_back(g, x, w, pad):
    k = w.shape[2]
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    dx = conv2d(g, turned, k - 1)
    end = [n - pad for n in dx.shape[2:]]
    dw = (
        conv2d(x.transpose(1, 0, 2, 3), g.transpose(1, 0, 2, 3), pad)
        if (g.shape[2] == g.shape[3])
        else None
    )
    if dw is None:
        cols = im2col(x, k, pad)
        dw = np.einsum("bfpq,bpqn->fn", g, cols).reshape(w.shape)
    else:
        dw = dw.transpose(1, 0, 2, 3)
    return [dx[:, :, pad : end[0], pad : end[1]], dw]


# %% wrong="conv_back" says="overwritten; use +="
def conv_back(g, x, w, pad):
    (B, C, H, W), k = x.shape, w.shape[2]
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, k, pad)).reshape(w.shape)
    dx = np.zeros((B, C, H + 2 * pad, W + 2 * pad))
    for p in range(g.shape[2]):
        for q in range(g.shape[3]):
            dx[:, :, p : p + k, q : q + k] = np.einsum(
                "bf,fcij->bcij", g[:, :, p, q], w
            )
    return dx[:, :, pad : pad + H, pad : pad + W], dw


# %% wrong="conv_back" says="overwritten; use +="
def conv_back(g, x, w, pad):
    (B, C, H, W), k = x.shape, w.shape[2]
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, k, pad)).reshape(w.shape)
    dx = np.zeros((B, C, H + 2 * pad, W + 2 * pad))
    Ho, Wo = g.shape[2:]
    for i in range(k):
        for j in range(k):
            dx[:, :, i : i + Ho, j : j + Wo] = np.einsum(
                "bfpq,fc->bcpq", g, w[:, :, i, j]
            )
    return dx[:, :, pad : pad + H, pad : pad + W], dw


# %% wrong="conv_back" says="cut the rings off"
def conv_back(g, x, w, pad):
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, w.shape[2], pad))
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    return conv2d(g, turned, w.shape[2] - 1), dw.reshape(w.shape)


# %% wrong="conv_back" says="mean over the 2 pictures"
def conv_back(g, x, w, pad):
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, w.shape[2], pad)) / len(x)
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    dx = conv2d(g, turned, w.shape[2] - 1)
    H, W = x.shape[2:]
    return dx[:, :, pad : pad + H, pad : pad + W], dw.reshape(w.shape)


# %% wrong="conv_back" says="dx was made with the kernel turned over"
def conv_back(g, x, w, pad):
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, w.shape[2], pad))
    dx = conv2d(g, w.transpose(1, 0, 2, 3), w.shape[2] - 1)
    H, W = x.shape[2:]
    return dx[:, :, pad : pad + H, pad : pad + W], dw.reshape(w.shape)


# %% wrong="conv_back" says="dw is turned over"
def conv_back(g, x, w, pad):
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, w.shape[2], pad))
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    dx = conv2d(g, turned, w.shape[2] - 1)
    H, W = x.shape[2:]
    dw = dw.reshape(w.shape)[:, :, ::-1, ::-1]
    return dx[:, :, pad : pad + H, pad : pad + W], dw


# %% wrong="conv_back" says="wrong order; dx goes first"
def conv_back(g, x, w, pad):
    dw = np.einsum("bfpq,bpqn->fn", g, im2col(x, w.shape[2], pad))
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    dx = conv2d(g, turned, w.shape[2] - 1)
    H, W = x.shape[2:]
    return dw.reshape(w.shape), dx[:, :, pad : pad + H, pad : pad + W]


# %% [markdown]
# ## What a convolution does to a shifted picture
#
# Think of a picture on an endless plane of pixels, 0 outside. Let $T_s$ shift
# it by $s$: $(T_s x)_p = x_{p-s}$, with $p$ and $s$ each a pair (row, column).
# Write $(w \star x)_p = \sum_d w_d\, x_{p+d}$.
#
# **Convolution is equivariant:** shift, then convolve, is convolve, then shift.
#
# $$\bigl(w \star (T_s x)\bigr)_p = \sum_d w_d\,(T_s x)_{p+d}
#   = \sum_d w_d\, x_{(p-s)+d} = (w \star x)_{p-s}
#   = \bigl(T_s (w\star x)\bigr)_p . \qquad\blacksquare$$
#
# ReLU acts on each number by itself, so it commutes with $T_s$, too, and so
# does any stack of such layers. *The map moves with the picture.* It does not
# stay the same! Lay it out flat and multiply by a matrix, which has its own
# weight for every place, and you have day 3's problem one floor higher.
#
# **The global maximum is invariant:** $\max_p (T_s y)_p = \max_p y_{p-s} =
# \max_p y_p$, since $p - s$ runs through the same plane. So
#
# $$\max_p\,(w\star T_s x)_p = \max_p\, T_s(w \star x)_p
#   = \max_p\,(w\star x)_p . \qquad\blacksquare$$
#
# Equivariant layers, then *one* invariant step: that is what the sentence "it
# does not care where things are" should have said.
#
# **The small print: the plane is not endless.** A real map ends at the border.
# With `pad = k - 1` every window that touches the picture is kept (the *full*
# convolution), so nothing is lost; and without a bias the empty background
# stays exactly 0, in every layer, as the zeros of the padding are. Then the
# proof holds to the last digit. With `pad = 1` and a 3 x 3 kernel the map keeps
# the size of the picture, which is handy, and the windows at the rim are cut
# off: the network can tell how far the border is. You will see what that costs.
#
# ## 4. The invariant step, backwards: `max_back`
#
# Forwards it is `x.max(axis=(2, 3))`, from `(B, C, H, W)` to `(B, C)`. If the
# largest number of a map grows a little, the maximum grows with it; if any
# other does, nothing happens. So the whole gradient goes to **the one place
# that won**, and 0 to all others.
#
# And if two are equally large? Then the maximum has a kink, there is no single
# gradient, and we have to choose. To give each the full gradient would count it
# twice: growing *both* by $h$ raises the maximum by $h$, not by $2h$. Take the
# first in reading order, as `argmax` does. This is not a rare case: after a
# ReLU, a map without a match is all zeros.
#
# Write `max_back(g, x)`: `g` of shape `(B, C)`, `x` of shape `(B, C, H, W)`;
# return the gradient of `x`. For `x = [[[[1, 3], [3, 2]]]]` and `g = [[5]]` it
# is `[[[[0, 5], [0, 0]]]]`.


# %% exercise="max_back" points=2 minutes=8 difficulty=2
def max_back(g, x):
    """Return the gradient of x, shape (B, C, H, W), through the maximum."""
    # 1. flat maps   2. the first largest place   3. g goes there
    ### BEGIN SOLUTION
    maps = x.reshape(*g.shape, -1)
    first = maps.argmax(axis=2)[:, :, None]
    dx = np.zeros(maps.shape, dtype=x.dtype)
    np.put_along_axis(dx, first, g[:, :, None], axis=2)
    return dx.reshape(x.shape)
    ### END SOLUTION
    return np.zeros(x.shape)  # replace this line


# %% check="max_back"
with check("m6.max_back"):

    def to_winner(g, x, kind):
        """Loop over the maps; kind says who gets the gradient of a tie."""
        out = np.zeros(x.shape)
        for b, c in np.ndindex(*g.shape):
            tops = np.argwhere(x[b, c] == x[b, c].max())
            if kind == "first":
                tops = tops[:1]
            if kind == "last":
                tops = tops[-1:]
            for i, j in tops:
                part = len(tops) if kind == "shared" else 1
                out[b, c, i, j] = g[b, c] / part
        return out

    def one_place(g, x, axis):
        """A single winner for several maps together, a common slip."""
        top = x.max(axis=axis, keepdims=True)
        return (x == top) * g[:, :, None, None]

    def try_max(g, x, name):
        before = x.copy()
        got = max_back(g, x)
        expect_unchanged(x, before, "x")
        expect_close(
            got,
            to_winner(g, x, "first"),
            name,
            rtol=1e-5,
            mistakes={
                f"{name}: several places tie, and each got all of g. The "
                "maximum grows once, not once for each tie: give g to the "
                "first only.": lambda: to_winner(g, x, "all"),
                f"{name}: g was shared among those that tie. That is one of "
                "the possible choices, but ours is the first place: "
                "argmax.": lambda: to_winner(g, x, "shared"),
                f"{name}: of those that tie, the last got g. Take the first "
                "in reading order: argmax.": lambda: to_winner(g, x, "last"),
                f"{name}: every place got g. Only the one that won acts on "
                "the maximum.": lambda: g[:, :, None, None] + 0 * x,
                f"{name}: g was spread over the whole map, as for a mean. "
                "Only the one that won acts on the maximum.": lambda: (
                    g[:, :, None, None] / x[0, 0].size + 0 * x
                ),
                f"{name}: the winner was marked with 1, g is missing.": (
                    lambda: to_winner(np.ones(g.shape), x, "first")
                ),
                f"{name}: there is one winner for all channels of a picture. "
                "Each map has its own.": lambda: one_place(g, x, (1, 2, 3)),
                f"{name}: there is one winner for the whole batch. Each map "
                "has its own.": lambda: one_place(g, x, (0, 1, 2, 3)),
            },
        )

    two_maps = np.array([[[[1.0, 4], [3, 2]], [[7, 0], [5, 6]]]])
    try_max(np.array([[5.0, -2.0]]), two_maps, "two maps without a tie")
    tie = np.array([[[[1.0, 3], [3, 2]]]])
    try_max(np.array([[5.0]]), tie, "the map [[1, 3], [3, 2]]")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for size in [(3, 2, 4, 5), (1, 4, 3, 3), (2, 3, 1, 6)]:
        x_any = rng.normal(size=size)
        x_any[0, 0] = 0.0
        x_any[-1, -1] = -np.abs(x_any[-1, -1]).round()
        try_max(rng.normal(size=size[:2]), x_any, f"maps of shape {size}")
    ### END HIDDEN TESTS

# %% [markdown] hint="max_back"
# Sketch. Lay each map flat, shape `(B, C, H * W)`, and take its `argmax`, which
# is the first if several tie. Make zeros of that flat shape, put `g` at those
# places (`np.put_along_axis`, or two index arrays), and give it the shape of
# `x` again.

# %% [markdown] hint="max_back"
# ```python
# maps = x.reshape(*g.shape, ...)                  # 1. flat maps
# first = maps.argmax(axis=...)[:, :, None]        # 2. the first largest
# dx = np.zeros(maps.shape, dtype=x.dtype)
# np.put_along_axis(dx, ..., g[:, :, None], axis=...)   # 3. g goes there
# return dx.reshape(...)
# ```


# %% right="max_back"
def max_back(g, x):
    out = np.zeros(x.shape)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            place = np.unravel_index(x[b, c].argmax(), x.shape[2:])
            out[b, c][place] = g[b, c]
    return out


# %% right="max_back"
def max_back(g, x):
    flat = x.reshape(-1, x.shape[2] * x.shape[3])
    winner = np.arange(flat.shape[1]) == flat.argmax(axis=1)[:, None]
    return (winner * g.reshape(-1, 1)).reshape(x.shape)


# %% wrong="max_back" says="tie; first only"
def max_back(g, x):
    return (x == x.max(axis=(2, 3), keepdims=True)) * g[:, :, None, None]


# %% wrong="max_back" says="shared among those that tie"
def max_back(g, x):
    top = x == x.max(axis=(2, 3), keepdims=True)
    return top / top.sum(axis=(2, 3), keepdims=True) * g[:, :, None, None]


# %% wrong="max_back" says="every place got g"
def max_back(g, x):
    return np.broadcast_to(g[:, :, None, None], x.shape).copy()


# %% wrong="max_back" says="one winner for all channels"
def max_back(g, x):
    top = x.max(axis=(1, 2, 3), keepdims=True)
    return (x == top) * g[:, :, None, None]


# %% wrong="max_back" says="g is missing"
def max_back(g, x):
    out = np.zeros(x.shape)
    for b, c in np.ndindex(*g.shape):
        out[b, c].flat[x[b, c].argmax()] = 1
    return out


# %% wrong="max_back" says="as for a mean"
def max_back(g, x):
    return g[:, :, None, None] / x[0, 0].size * np.ones(x.shape)


# %% [markdown]
# The network that these make is given: two convolutions of 3 x 3 without bias,
# each with a ReLU; then either the maps laid `"flat"` or their global `"max"`;
# then a matrix with a bias. It calls your `im2col`, `conv_back` and `max_back`.
# The `"mlp"` is that of day 3.


# %% setup
def start(kind, shape, F1, F2, seed, pad=2):
    """Return a network: He's random weights for pictures of this shape."""
    chance = np.random.default_rng(seed)

    def he(*size):
        scale = np.sqrt(2 / np.prod(size[1:]))
        return chance.normal(0, scale, size).astype(np.float32)

    C, H, W = shape
    if kind == "mlp":
        weights = [he(F1, C * H * W), np.zeros(F1, np.float32)]
        n = F1
    else:
        weights = [he(F1, C, 3, 3), he(F2, F1, 3, 3)]
        grow = 4 * pad - 4
        n = F2 if kind == "max" else F2 * (H + grow) * (W + grow)
    weights += [he(10, n), np.zeros(10, np.float32)]
    return {"kind": kind, "pad": pad, "weights": weights}


def layer(x, w, pad):
    """conv2d as one matrix product, through your im2col."""
    cols = np.asarray(im2col(x, w.shape[2], pad), dtype=x.dtype)
    return (cols @ w.reshape(len(w), -1).T).transpose(0, 3, 1, 2)


def forward(net, x):
    """Return the logits (B, 10), and what the way back needs."""
    first, second, last, bias = net["weights"]
    if net["kind"] == "mlp":
        flat = x.reshape(len(x), -1)
        h = np.maximum(flat @ first.T + second, 0)
        return h @ last.T + bias, (flat, h)
    h1 = np.maximum(layer(x, first, net["pad"]), 0)
    h2 = np.maximum(layer(h1, second, net["pad"]), 0)
    top = h2.max(axis=(2, 3)) if net["kind"] == "max" else None
    f = h2.reshape(len(x), -1) if top is None else top
    return f @ last.T + bias, (h1, h2, f)


def gradients(net, x, y):
    """Return the gradients of the mean cross-entropy, one per weight."""
    z, kept = forward(net, x)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    g = (p / len(y)).astype(x.dtype)
    first, second, last, _ = net["weights"]
    if net["kind"] == "mlp":
        flat, h = kept
        gh = (g @ last) * (h > 0)
        return [gh.T @ flat, gh.sum(axis=0), g.T @ h, g.sum(axis=0)]
    h1, h2, f = kept
    g2 = g @ last
    if net["kind"] == "max":
        g2 = np.asarray(max_back(g2, h2), dtype=x.dtype)
    g2 = g2.reshape(h2.shape) * (h2 > 0)
    g1, d_second = conv_back(g2, h1, second, net["pad"])
    _, d_first = conv_back(g1 * (h1 > 0), x, first, net["pad"])
    return [d_first, d_second, g.T @ f, g.sum(axis=0)]


def learn(net, X, y, lr, speeds, rng, batch=64):
    """One epoch of SGD with momentum 0.9; changes net and speeds."""
    order = rng.permutation(len(X))
    for at in range(0, len(X), batch):
        rows = order[at : at + batch]
        for n, d in enumerate(gradients(net, X[rows], y[rows])):
            speeds[n] = 0.9 * speeds[n] - lr * np.asarray(d, dtype=np.float32)
            net["weights"][n] = net["weights"][n] + speeds[n]


def classes(net, X):
    """Return the predicted class of each picture."""
    return forward(net, X)[0].argmax(axis=1)


# %% [markdown]
# ## 5. Measure what you fear: `shift_gap`
#
# An accuracy on centred digits says nothing about a knocked camera. So make the
# fear a number: the accuracy on the pictures as they are, and the mean accuracy
# on the same pictures moved by one pixel, up, down, left and right.
#
# A shift moves every pixel by one; the row or column that becomes free is 0,
# and what leaves the canvas is gone. (`np.roll` is something else: what leaves
# on one side comes in again on the other.)
#
# Write `shift_gap(predict, x, y)`. `predict(x)` returns the class of each
# picture, shape `(N,)`; `x` has shape `(N, C, H, W)`, `y` shape `(N,)`. Return
# `(clean, shifted)`.


# %% exercise="shift_gap" points=2 minutes=8 difficulty=2
def shift_gap(predict, x, y):
    """Return the accuracy on x, and the mean on x moved four ways."""
    # 1. clean   2. four shifted copies, 0 where nothing came from   3. mean
    ### BEGIN SOLUTION
    moved = [np.zeros_like(x) for _ in range(4)]
    moved[0][:, :, 1:] = x[:, :, :-1]
    moved[1][:, :, :-1] = x[:, :, 1:]
    moved[2][:, :, :, 1:] = x[:, :, :, :-1]
    moved[3][:, :, :, :-1] = x[:, :, :, 1:]
    right = [np.mean(np.asarray(predict(it)) == y) for it in (x, *moved)]
    return float(right[0]), float(np.mean(right[1:]))
    ### END SOLUTION
    return 0.0, 0.0  # replace this line


# %% check="shift_gap"
with check("m6.shift_gap"):

    def move(x, down, right):
        """Shift pixel by pixel; 0 where nothing came from."""
        out = np.zeros(x.shape, dtype=x.dtype)
        _, _, H, W = x.shape
        for i, j in np.ndindex(H, W):
            if 0 <= i - down < H and 0 <= j - right < W:
                out[:, :, i, j] = x[:, :, i - down, j - right]
        return out

    def same(a, b):
        return np.shape(a) == np.shape(b) and np.array_equal(a, b)

    four = {
        "down": (1, 0),
        "up": (-1, 0),
        "right": (0, 1),
        "left": (0, -1),
    }

    def try_gap(x, y, answers, name):
        """answers: the classes said for x, then for the four shifts."""
        before, unknown = x.copy(), []
        versions = [x.copy(), *(move(x, *it) for it in four.values())]
        rolled = [np.roll(x, it, axis=(2, 3)) for it in four.values()]
        seen = set()

        def predict(pictures):
            for at, version in enumerate(versions):
                if same(pictures, version):
                    seen.add(at)
                    return answers[at].copy()
            unknown.append(any(same(pictures, it) for it in rolled))
            return np.zeros(len(pictures), dtype=int)

        got = shift_gap(predict, x, y)
        expect_unchanged(x, before, "x")
        expect_type(got, (tuple, list), "what shift_gap returns")
        expect(len(got) == 2, "shift_gap returns two things: clean, shifted.")
        if any(unknown):
            fail(
                f"{name}: what left on one side came in again on the other: "
                "that is np.roll. The free row or column must be 0."
            )
        if unknown:
            fail(
                f"{name}: predict was called with pictures that are neither x "
                "nor x moved by one pixel up, down, left or right."
            )
        missing = [n for at, n in enumerate(four, 1) if at not in seen]
        rate = [float(np.mean(it == y)) for it in answers]
        calm = [float(np.mean(it == answers[0])) for it in answers]
        expect_close(
            got[0],
            rate[0],
            f"{name}: the clean accuracy",
            mistakes={
                "the two numbers stand in the wrong order: clean goes "
                "first.": float(np.mean(rate[1:]))
            },
        )
        expect(
            not missing,
            f"{name}: not moved {', '.join(missing)}. Move x all four ways: "
            "a network may bear one of them and not another.",
        )
        expect_close(
            got[1],
            np.mean(rate[1:]),
            f"{name}: the shifted accuracy",
            mistakes={
                "this is how often the prediction stayed the same, not how "
                "often it is right. Compare with y.": np.mean(calm[1:]),
                "this is the worst of the four. Return their mean.": min(
                    rate[1:]
                ),
                "the mean holds the clean pictures, too. Only the four "
                "shifts.": np.mean(rate),
                "this is the gap itself. Return the accuracy; everyone can "
                "subtract.": rate[0] - np.mean(rate[1:]),
            },
        )

    ramp = 1.0 + np.arange(48.0).reshape(4, 1, 3, 4)
    labels = np.array([0, 1, 2, 3])
    said = [
        np.array(it)
        for it in (
            [0, 1, 2, 0],
            [0, 1, 0, 0],
            [0, 0, 0, 0],
            [0, 1, 2, 0],
            [1, 1, 2, 3],
        )
    ]
    try_gap(ramp, labels, said, "four pictures with ink up to the edge")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for size in [(7, 1, 4, 4), (5, 3, 5, 3)]:
        x_any = rng.random(size) + 0.1
        y_any = rng.integers(0, 3, size[0])
        said = [rng.integers(0, 3, size[0]) for _ in range(5)]
        try_gap(x_any, y_any, said, f"pictures of shape {size}")
    ### END HIDDEN TESTS

# %% [markdown] hint="shift_gap"
# Sketch. A shift down is an array of zeros whose rows from 1 on are the rows of
# `x` up to the last but one. The other three work alike. Ask `predict` five
# times, compare each answer with `y`, average the last four.

# %% [markdown] hint="shift_gap"
# ```python
# moved = [np.zeros_like(x) for _ in range(4)]
# moved[0][:, :, 1:] = x[:, :, ...]          # down
# moved[1][:, :, :-1] = ...                  # up
# moved[2][:, :, :, 1:] = ...                # right
# moved[3][...] = ...                        # left
# right = [np.mean(...) for it in (x, *moved)]
# return float(right[0]), ...
# ```


# %% right="shift_gap"
def shift_gap(predict, x, y):
    big = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    H, W = x.shape[2:]
    found = []
    for i, j in [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]:
        found.append((predict(big[:, :, i : i + H, j : j + W]) == y).mean())
    return found[0], sum(found[1:]) / 4


# %% right="shift_gap"
def shift_gap(predict, x, y):
    scores = []
    for axis, step in [(2, 1), (2, -1), (3, 1), (3, -1)]:
        out = np.roll(x, step, axis=axis)
        gone = [slice(None)] * 4
        gone[axis] = 0 if step == 1 else -1
        out[tuple(gone)] = 0
        scores.append(np.mean(predict(out) == y))
    return [np.mean(predict(x) == y), np.mean(scores)]


# %% wrong="shift_gap" says="np.roll; must be 0"
def shift_gap(predict, x, y):
    steps = [(1, 2), (-1, 2), (1, 3), (-1, 3)]
    right = [np.mean(predict(np.roll(x, s, axis=a)) == y) for s, a in steps]
    return np.mean(predict(x) == y), np.mean(right)


# %% wrong="shift_gap" says="not moved; all four ways"
def shift_gap(predict, x, y):
    out = np.zeros_like(x)
    out[:, :, :, 1:] = x[:, :, :, :-1]
    return np.mean(predict(x) == y), np.mean(predict(out) == y)


# %% wrong="shift_gap" says="stayed the same; compare with y"
def shift_gap(predict, x, y):
    big = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    H, W = x.shape[2:]
    clean = predict(x)
    calm = []
    for i, j in [(0, 1), (2, 1), (1, 0), (1, 2)]:
        calm.append(np.mean(predict(big[:, :, i : i + H, j : j + W]) == clean))
    return np.mean(clean == y), np.mean(calm)


# %% wrong="shift_gap" says="clean goes first"
def shift_gap(predict, x, y):
    big = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    H, W = x.shape[2:]
    found = []
    for i, j in [(0, 1), (2, 1), (1, 0), (1, 2)]:
        found.append(np.mean(predict(big[:, :, i : i + H, j : j + W]) == y))
    return np.mean(found), np.mean(predict(x) == y)


# %% wrong="shift_gap" says="neither x nor x moved by one pixel"
def shift_gap(predict, x, y):
    big = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    H, W = x.shape[2:]
    found = []
    for i, j in [(0, 2), (4, 2), (2, 0), (2, 4)]:
        found.append(np.mean(predict(big[:, :, i : i + H, j : j + W]) == y))
    return np.mean(predict(x) == y), np.mean(found)


# %% wrong="shift_gap" says="changed its argument x"
def shift_gap(predict, x, y):
    clean = np.mean(predict(x) == y)
    x[:, :, 1:] = x[:, :, :-1].copy()
    x[:, :, 0] = 0
    return clean, np.mean(predict(x) == y)


# %% [markdown]
# ## 6. The other cure: `augment`
#
# If the architecture does not know that a moved digit is the same digit, the
# data can say so: show it moved digits in training. This is **augmentation**.
# It costs nothing to store, since the copies are drawn while you train, and it
# works for changes that no layer is invariant to.
#
# Write `augment(x, seed)`: `x` of shape `(N, C, H, W)`. Return a new array in
# which **each picture is moved on its own**, by -1, 0 or 1 pixel down and by
# -1, 0 or 1 pixel to the right, all nine equally likely, 0 where nothing came
# from. The same seed gives the same result.


# %% exercise="augment" points=2 minutes=8 difficulty=3
def augment(x, seed):
    """Return x with each picture moved by at most one pixel each way."""
    # 1. draw: a corner for each picture   2. a ring of zeros   3. cut out
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 3, (len(x), 2))
    H, W = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    cut = [big[:, i : i + H, j : j + W] for big, (i, j) in zip(wide, corners)]
    return np.stack(cut)
    ### END SOLUTION
    return x.copy()  # replace this line


# %% check="augment"
with check("m6.augment"):

    def all_moves(picture):
        """The nine moved copies of one picture, shape (C, H, W)."""
        (_, H, W), found = picture.shape, {}
        ringed = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                rows = slice(1 - down, 1 - down + H)
                found[down, right] = ringed[:, rows, 1 - right : 1 - right + W]
        return found

    def moves_of(x, seed, name):
        """Name the move of each picture, or say what is wrong with it."""
        before = x.copy()
        got = augment(x, seed)
        expect_unchanged(x, before, "x")
        expect_shape(got, x.shape, name)
        got = np.asarray(got)
        out = []
        for old, new in zip(x, got):
            found = [
                m for m, it in all_moves(old).items() if np.allclose(it, new)
            ]
            if not found:
                rolls = [
                    np.roll(old, (a, b), axis=(1, 2))
                    for a in (-1, 0, 1)
                    for b in (-1, 0, 1)
                ]
                if any(np.allclose(it, new) for it in rolls):
                    fail(
                        f"{name}: what left on one side came in again on the "
                        "other: that is np.roll. The free places must be 0."
                    )
                fail(
                    f"{name}: a picture is not a copy of its own, moved by at "
                    "most one pixel. Is it moved further, shuffled, or noisy?"
                )
            out.append(found[0])
        return out

    squares = np.arange(1.0, 901.0).reshape(100, 1, 3, 3)
    moves = moves_of(squares, 0, "augment of 100 pictures")
    if set(moves) == {(0, 0)}:
        fail("no picture was moved.")
    if len(set(moves)) == 1:
        fail(
            f"all 100 pictures were moved by the same {moves[0]}: one draw for "
            "the whole batch. Draw for each picture."
        )
    if all((a == 0) != (b == 0) for a, b in moves):
        fail(
            "every picture moved along exactly one axis. Draw both axes, each "
            "from -1, 0, 1: staying is one of the nine."
        )
    expect(
        len(set(moves)) == 9,
        f"among 100 pictures there are only {len(set(moves))} of the nine "
        "moves. Draw down and right, each from -1, 0, 1. (The end of a range "
        "is left out: integers(-1, 2).)",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    many = rng.random((270, 2, 3, 4)) + 0.1
    first = moves_of(many, HIDDEN_SEED, "augment of 270 pictures")
    expect(
        first == moves_of(many, HIDDEN_SEED, "augment of 270 pictures"),
        "the same seed gave two results: seed must be the only chance.",
    )
    expect(
        first != moves_of(many, HIDDEN_SEED + 1, "augment of 270 pictures"),
        "two seeds gave the same moves: use the seed.",
    )
    counts = [first.count(it) for it in set(first)]
    expect(
        len(counts) == 9 and min(counts) >= 8 and max(counts) <= 70,
        f"of 270 pictures, the nine moves have {sorted(counts)}: they must be "
        "equally likely, so about 30 each.",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="augment"
# Sketch. Put a ring of zeros around every picture. Of the larger picture, cut
# out a piece of the old size; its upper left corner is at row 0, 1 or 2 and
# column 0, 1 or 2. Corner (1, 1) is the picture itself. Draw a corner for each
# picture.

# %% [markdown] hint="augment"
# ```python
# rng = np.random.default_rng(seed)
# corners = rng.integers(0, ..., (len(x), ...))       # 1. draw
# H, W = x.shape[2:]
# wide = np.pad(x, ...)                               # 2. a ring of zeros
# cut = [big[:, i : ..., j : ...] for big, (i, j) in zip(wide, corners)]
# return np.stack(cut)                                # 3. cut out
# ```


# %% right="augment"
def augment(x, seed):
    rng = np.random.default_rng(seed)
    down, right = rng.integers(-1, 2, len(x)), rng.integers(-1, 2, len(x))
    out = np.zeros_like(x)
    H, W = x.shape[2:]
    for n, (a, b) in enumerate(zip(down, right)):
        piece = x[n, :, max(-a, 0) : H - max(a, 0), max(-b, 0) : W - max(b, 0)]
        out[n, :, max(a, 0) : H - max(-a, 0), max(b, 0) : W - max(-b, 0)] = (
            piece
        )
    return out


# %% right="augment"
def augment(x, seed):
    import random

    dice = random.Random(seed)
    H, W = x.shape[2:]
    out = []
    for picture in np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))):
        i, j = dice.randrange(3), dice.randrange(3)
        out.append(picture[:, i : i + H, j : j + W].tolist())
    return out


# %% wrong="augment" says="one draw for the whole batch"
def augment(x, seed):
    i, j = np.random.default_rng(seed).integers(0, 3, 2)
    H, W = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return wide[:, :, i : i + H, j : j + W]


# %% wrong="augment" says="np.roll; must be 0"
def augment(x, seed):
    moves = np.random.default_rng(seed).integers(-1, 2, (len(x), 2))
    return np.stack([np.roll(p, m, axis=(1, 2)) for p, m in zip(x, moves)])


# %% wrong="augment" says="only 4 of the nine moves; left out"
def augment(x, seed):
    corners = np.random.default_rng(seed).integers(0, 2, (len(x), 2))
    H, W = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack(
        [p[:, i : i + H, j : j + W] for p, (i, j) in zip(wide, corners)]
    )


# %% wrong="augment" says="not a copy of its own"
def augment(x, seed):
    rng = np.random.default_rng(seed)
    return x[rng.permutation(len(x))]


# %% wrong="augment" says="seed must be the only chance"
def augment(x, seed):
    corners = np.random.default_rng().integers(0, 3, (len(x), 2))
    H, W = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack(
        [p[:, i : i + H, j : j + W] for p, (i, j) in zip(wide, corners)]
    )


# %% wrong="augment" says="use the seed"
def augment(x, seed):
    corners = np.random.default_rng(0).integers(0, 3, (len(x), 2))
    H, W = x.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.stack(
        [p[:, i : i + H, j : j + W] for p, (i, j) in zip(wide, corners)]
    )


# %% [markdown]
# ## 7. Where it belongs: `experiment`
#
# Two habits undo an augmentation. One draws the moved copies once, before
# training: then the network sees the same 1,400 pictures again and again, only
# crooked. The other sends the *test set* through the same function, because it
# stands in the same pipeline: then the number reported is about pictures that
# nobody took, and it changes with the seed.
#
# Write `experiment(step, score, X, y, X_test, y_test, epochs)`. In each epoch
# call `step(moved, y)`, with `moved = augment(X, seed)` and **another seed each
# time**: the number of the epoch, 0, 1, 2, ... When all are done, return
# `score(X_test, y_test)`, with the test set as it is.


# %% exercise="experiment" points=2 minutes=6 difficulty=2
def experiment(step, score, X, y, X_test, y_test, epochs):
    """Train on pictures moved anew each epoch; return the test score."""
    # 1. each epoch: augment anew, step   2. score the test set as it is
    ### BEGIN SOLUTION
    for epoch in range(epochs):
        step(augment(X, epoch), y)
    return score(X_test, y_test)
    ### END SOLUTION
    return 0.0  # replace this line


# %% check="experiment"
with check("m6.experiment"):

    def try_experiment(X, y, X_test, y_test, epochs):
        before = X.copy(), X_test.copy()
        trained, scored = [], []

        def step(pictures, labels):
            trained.append((np.array(pictures), np.array(labels), len(scored)))

        def score(pictures, labels):
            scored.append((np.array(pictures), np.array(labels)))
            return 0.625

        got = experiment(step, score, X, y, X_test, y_test, epochs)
        expect_unchanged(X, before[0], "X")
        expect_unchanged(X_test, before[1], "X_test")
        expect(
            len(trained) == epochs,
            f"epochs={epochs}, and step was called {len(trained)} times: once "
            "in each epoch.",
        )
        for pictures, labels, already in trained:
            expect(already == 0, "score was called before training was done.")
            expect(
                np.shape(pictures) == X.shape and np.array_equal(labels, y),
                "step must get all of X, moved, and y.",
            )
            if np.array_equal(pictures, X):
                fail(
                    "step got X as it is: nothing was augmented. Is your "
                    "augment still a placeholder?"
                )
            start_at = np.sort(X.reshape(len(X), -1), axis=1)[:, -1]
            ends_at = np.sort(pictures.reshape(len(X), -1), axis=1)[:, -1]
            expect(
                np.all(ends_at <= start_at + 1e-9),
                "step got pictures that are not X moved.",
            )
        pairs = [
            np.array_equal(a[0], b[0]) for a, b in zip(trained, trained[1:])
        ]
        if any(pairs):
            fail(
                "two epochs got the same moved pictures: they were drawn once, "
                "or with one seed. Augment anew in each epoch, with the "
                "epoch's number as seed."
            )
        if epochs > 1:
            grown = X + 0
            for pictures, _, _ in trained[:1]:
                grown = pictures
            doubled = augment(grown, 1)
            if np.array_equal(trained[1][0], doubled) and not np.array_equal(
                augment(X, 1), doubled
            ):
                fail(
                    "each epoch moves the pictures of the last one: they "
                    "wander off the canvas. Augment X itself."
                )
        expect(len(scored) == 1, f"score was called {len(scored)} times: once.")
        if np.array_equal(scored[0][0], X):
            fail("you scored the training set. Score X_test.")
        expect(
            np.array_equal(scored[0][0], X_test),
            "the test set was augmented. Score it as it is: a test set is what "
            "the world sends, not what you draw.",
        )
        expect(np.array_equal(scored[0][1], y_test), "score needs y_test.")
        expect_close(got, 0.625, "what experiment returns, the score")

    X_some = 1.0 + np.arange(180.0).reshape(20, 1, 3, 3)
    X_other = 500.0 + np.arange(90.0).reshape(10, 1, 3, 3)
    y_some, y_other = np.arange(20) % 3, np.arange(10) % 3
    try_experiment(X_some, y_some, X_other, y_other, 3)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for epochs in (1, 4):
        X_any, X_more = rng.random((15, 2, 4, 3)), rng.random((6, 2, 4, 3))
        labels = rng.integers(0, 5, 15), rng.integers(0, 5, 6)
        try_experiment(X_any, labels[0], X_more, labels[1], epochs)
    ### END HIDDEN TESTS

# %% [markdown] hint="experiment"
# Sketch. One loop over the epochs. In it, one call of `step`, whose first
# argument is `augment` of the original `X`, with the epoch's number as seed.
# After the loop, one call of `score`, without `augment`.

# %% [markdown] hint="experiment"
# ```python
# for epoch in range(epochs):
#     step(augment(..., ...), ...)    # 1. from X itself, another seed
# return score(..., ...)              # 2. as it is
# ```


# %% right="experiment"
def experiment(step, score, X, y, X_test, y_test, epochs):
    epoch = 0
    while epoch < epochs:
        moved = np.asarray(augment(X.copy(), epoch))
        step(moved, y)
        epoch += 1
    result = score(X_test, y_test)
    return result


# %% right="experiment"
def experiment(step, score, X, y, X_test, y_test, epochs):
    [step(augment(X, seed), y) for seed in list(range(epochs))]
    return float(score(X_test.copy(), y_test.copy()))


# %% wrong="experiment" says="test set was augmented"
def experiment(step, score, X, y, X_test, y_test, epochs):
    for epoch in range(epochs):
        step(augment(X, epoch), y)
    return score(augment(X_test, epochs), y_test)


# %% wrong="experiment" says="drawn once; anew in each epoch"
def experiment(step, score, X, y, X_test, y_test, epochs):
    moved = augment(X, 0)
    for _ in range(epochs):
        step(moved, y)
    return score(X_test, y_test)


# %% wrong="experiment" says="nothing was augmented"
def experiment(step, score, X, y, X_test, y_test, epochs):
    for _ in range(epochs):
        step(X, y)
    return score(X_test, y_test)


# %% wrong="experiment" says="wander off; augment X itself"
def experiment(step, score, X, y, X_test, y_test, epochs):
    for epoch in range(epochs):
        X = augment(X, epoch)
        step(X, y)
    return score(X_test, y_test)


# %% wrong="experiment" says="score was called before training"
def experiment(step, score, X, y, X_test, y_test, epochs):
    for epoch in range(epochs):
        step(augment(X, epoch), y)
        best = score(X_test, y_test)
    return best


# %% wrong="experiment" says="scored the training set"
def experiment(step, score, X, y, X_test, y_test, epochs):
    for epoch in range(epochs):
        step(augment(X, epoch), y)
    return score(X, y)


# %% [markdown]
# ## Pay-off: one pixel
#
# Five networks, your code. The fourth is the third with `pad = 1` in place of
# 2, the size that keeps the map as large as the picture; the fifth is the
# second, trained by your `experiment`.

# %% demo
EPOCHS = 15


def train(kind, F1, F2, lr, pad=2, moved=False, seed=0, data=None):
    """Return a trained network; moved=True trains on augmented pictures."""
    Xa, ya, Xb, yb = data or (X_train, y_train, X_test, y_test)
    net = start(kind, Xa.shape[1:], F1, F2, seed, pad)
    speeds = [0 * w for w in net["weights"]]
    chance = np.random.default_rng(seed)

    def step(pictures, labels):
        learn(net, np.asarray(pictures), labels, lr, speeds, chance)

    if moved:
        experiment(step, lambda *_: 0.0, Xa, ya, Xb, yb, EPOCHS)
    else:
        for _ in range(EPOCHS):
            step(Xa, ya)
    return net


nets = {
    "MLP": train("mlp", 40, 0, 0.1),
    "conv + flatten": train("flat", 8, 4, 0.03),
    "conv + global max": train("max", 8, 32, 0.03),
    "the same, pad 1": train("max", 8, 32, 0.03, pad=1),
    "conv + flatten, augmented": train("flat", 8, 4, 0.03, moved=True),
}
gaps = {
    name: shift_gap(lambda x, net=net: classes(net, x), X_test, y_test)
    for name, net in nets.items()
}
sizes = {
    name: sum(w.size for w in net["weights"]) for name, net in nets.items()
}
print(f"{'network':28}{'weights':>8}{'clean':>8}{'shifted':>9}")
for name, (clean, shifted) in gaps.items():
    print(f"{name:28}{sizes[name]:8,}{clean:8.3f}{shifted:9.3f}")

# %% demo
fig, ax = plots.figure(height=3.4)
for at, (name, (clean, shifted)) in enumerate(gaps.items()):
    ax.plot([shifted, clean], [at, at], color=plots.SKY, lw=2, zorder=1)
    first = at == 0
    ax.scatter(
        clean, at, color=plots.BLUE, s=50, label="centred" if first else None
    )
    ax.scatter(
        shifted,
        at,
        color=plots.ORANGE,
        marker="s",
        s=40,
        label="moved by one pixel" if first else None,
    )
ax.set_yticks(range(len(gaps)), list(gaps))
ax.invert_yaxis()
ax.set_xlim(0.3, 1.01)
ax.set_xlabel("test accuracy (share of 397 images)")
ax.set_ylabel("network")
ax.legend(loc="lower left")
ax.set_title("What one pixel costs")
plots.show(
    fig,
    "; ".join(
        f"{n}: {c:.3f} centred, {s:.3f} moved" for n, (c, s) in gaps.items()
    )
    + ".",
)
drop = gaps["conv + flatten"][0] - gaps["conv + flatten"][1]
if gaps["conv + flatten"][0] > 0.5:
    words = ["less than 0.05", "0.05 to 0.25", "more than 0.25"]
    outcome("m6.guess", words[int(drop >= 0.05) + int(drop > 0.25)])
else:
    print("It does not learn yet: the checks above must pass first.")

# %% [markdown]
# **Convolutions alone do not help.** Flattened, the network falls as deep as
# the one without a convolution. Equivariance moved the map with the digit, and
# the last matrix, with a weight for each place, looked where the digit no
# longer was. One invariant step cures it, with a third of the weights; and the
# two numbers of the third row are *equal*, not nearly so. That is the proof of
# above, at work.
#
# Then the small print. The same network with `pad = 1` loses accuracy, although
# nothing else changed: at the rim, windows are cut off, and training may use
# the border as a ruler. (Islam et al. 2020 show that large networks read
# absolute positions from zero padding; Kayhan & van Gemert 2020 take it away
# with full convolutions.) Whoever checks "it ends with a global pooling" has
# not checked invariance. `shift_gap` has.
#
# Augmentation cures it as well, for any architecture. Here it asks for longer
# training, since nine times as many pictures are to be learned, and it proves
# nothing. The proof's own figure is this: two maps, before and after the shift.

# %% demo
net = nets["conv + global max"]
digit = X_test[:1]
moved_digit = np.zeros_like(digit)
moved_digit[:, :, :, 1:] = digit[:, :, :, :-1]
maps = [
    np.maximum(layer(it, net["weights"][0], 2), 0)
    for it in (digit, moved_digit)
]
best = int(maps[0].max(axis=(0, 2, 3)).argmax())
fig, axes = plots.figure(2, 2, width=5.5, height=2.6)
titles = ["picture", "map of one kernel"]
for row, (image, found) in enumerate(
    zip((digit, moved_digit), (m[0, best] for m in maps))
):
    axes[row, 0].imshow(image[0, 0], cmap="gray_r")
    axes[row, 1].imshow(found, cmap=plots.SEQUENTIAL)
    word = "moved by one: " if row else ""
    axes[row, 0].set_title(word + titles[0], size=9)
    axes[row, 1].set_title(f"{word}largest value {found.max():.4f}", size=9)
for ax in axes.ravel():
    ax.set_xlabel("column (pixel)")
    ax.set_ylabel("row (pixel)")
    ax.grid(visible=False)
apart = float(np.abs(maps[0][..., :-1] - maps[1][..., 1:]).max())
plots.show(
    fig,
    f"A digit and its map, and both moved to the right by one pixel. Moved "
    f"back, the maps differ by at most {apart:.1e}; the largest values are "
    f"{maps[0][0, best].max():.4f} and {maps[1][0, best].max():.4f}.",
)

# %% [markdown]
# ## Against a library of the field
#
# The same layer and its gradient in PyTorch, one thread each.

# %% demo
import torch

torch.set_num_threads(1)
rng = np.random.default_rng(0)
x_big = rng.normal(size=(64, 8, 12, 12)).astype(np.float32)
w_big = rng.normal(size=(32, 8, 3, 3)).astype(np.float32)
grad = np.full((64, 32, 14, 14), 0.1, dtype=np.float32)


def theirs():
    """Return PyTorch's output and gradients."""
    xt, wt = (torch.tensor(a, requires_grad=True) for a in (x_big, w_big))
    out = torch.nn.functional.conv2d(xt, wt, padding=2)
    out.backward(torch.tensor(grad))
    return [it.detach().numpy() for it in (out, xt.grad, wt.grad)]


def mine():
    """Return the same of your functions."""
    return [layer(x_big, w_big, 2), *conv_back(grad, x_big, w_big, 2)]


def fastest(work):
    """Return what work() returns, and the seconds of the best of three."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - began)
    return found, min(seconds)


(their_results, their_s), (our_results, our_s) = fastest(theirs), fastest(mine)
torch_error = max(
    float(np.abs(a - b).max() / np.abs(b).max())
    for a, b in zip(our_results, their_results)
)
print(f"largest relative difference: {torch_error:.1e} (float32)")
print(f"forward and backward: yours {our_s:.3f} s, PyTorch {their_s:.3f} s")

# %% [markdown]
# ## The stretch: clothes
#
# *Fashion-MNIST* (Xiao et al. 2017, MIT licence): ten kinds of clothes, here
# 3,000 for training and 1,000 for testing, made smaller to 14 x 14 pixels, on a
# canvas with a free ring. A harder question for a network that ignores where
# things are: a sleeve is a sleeve *because* of where it is. Without the data
# (`course fetch fashion-mnist`) this cell says so and stops. If you go on
# because you *want* to, set `wanted` to `True`: the log notes it, and F2
# shows it.

# %% demo
from course.datasets import load_fashion_mnist
from course.errors import AssetMissing
from course.progress import stretch

wanted = False
if wanted:
    stretch("m6")


def small(pictures, n):
    """Return n pictures as (n, 1, 16, 16): means of 2 x 2 pixels, 0..1."""
    x = pictures[:n].reshape(n, 1, 14, 2, 14, 2).mean(axis=(3, 5)) / 255
    framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return framed.astype(np.float32)


fashion = None
try:
    fashion = load_fashion_mnist()
except AssetMissing as error:
    print(error)
if fashion is not None:
    clothes = (
        small(fashion.X_train, 3000),
        fashion.y_train[:3000].astype(int),
        small(fashion.X_test, 1000),
        fashion.y_test[:1000].astype(int),
    )
    EPOCHS = 8
    wardrobe = {
        "MLP": train("mlp", 40, 0, 0.05, data=clothes),
        "conv + global max": train("max", 8, 32, 0.05, data=clothes),
    }
    worn = {
        name: shift_gap(lambda x, it=it: classes(it, x), *clothes[2:])
        for name, it in wardrobe.items()
    }
    for name, (clean, shifted) in worn.items():
        print(f"{name:20} centred {clean:.3f}, moved {shifted:.3f}")

# %% [markdown]
# Moved, the convolutional network is ahead; on centred clothes it is *behind*
# the one without a convolution. Invariance is not a virtue as such. It is the
# statement that a difference does not matter, and for clothes that are always
# photographed in the middle, position is information, which the global maximum
# throws away. Real networks go between: they pool in small steps, and keep
# coarse positions.
#
# ## Failure analysis
#
# What does a reader that ignores places confuse? The digits that
# `conv + global max` misreads:

# %% demo
said = classes(nets["conv + global max"], X_test)
missed = np.flatnonzero(said != y_test)
fig, axes = plots.figure(1, 6, width=8, height=1.7)
for ax, n in zip(axes, missed):
    ax.imshow(X_test[n, 0], cmap="gray_r")
    ax.set_title(f"is {y_test[n]}, read {said[n]}", size=9)
for ax in axes:
    ax.set_axis_off()
plots.show(
    fig,
    f"{len(missed)} of {len(y_test)} are misread; shown: "
    + "; ".join(f"a {y_test[n]} as a {said[n]}" for n in missed[:6])
    + ".",
)

# %% [markdown]
# And what this test does not test: a shift by one pixel is one way in which a
# camera fails. Rotation, scale, light and blur are others, and no layer of
# today is invariant to any of them. Write the fear down first; then measure it.
#
# ## What this tells you about the job
#
# A sentence that everybody repeats was wrong, and a three-line proof said which
# half of it was right; a table with two columns convinced the rest of the room.
# In the job you will call a library's convolution. What you take with you is
# the question behind it: *which differences should not matter, and does my
# model know?* And the habit of measuring with pictures that the world might
# send, and not only with those it sent last week.
#
# ## Further reading
#
# - Y. LeCun et al., *Backpropagation applied to handwritten zip code
#   recognition*, Neural Computation 1(4), 1989.
# - V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep
#   learning* (2016), arXiv:1603.07285: sizes and padding, drawn.
# - K. Chellapilla, S. Puri, P. Simard, *High performance convolutional neural
#   networks for document processing* (2006): im2col.
# - R. Zhang, *Making convolutional networks shift-invariant again*, ICML 2019.
# - M. A. Islam, S. Jia, N. Bruce, *How much position information do
#   convolutional neural networks encode?*, ICLR 2020.
# - O. S. Kayhan, J. van Gemert, *On translation invariance in CNNs:
#   convolutional layers can exploit absolute spatial location*, CVPR 2020.
# - H. Xiao, K. Rasul, R. Vollgraf, *Fashion-MNIST* (2017), arXiv:1708.07747.
#
# **Would you do this again tomorrow?** 1 (never) to 5 (gladly):

# %%
again("m6", 0)
