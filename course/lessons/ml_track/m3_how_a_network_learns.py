# ---
# jupyter:
#   crossroads:
#     id: m3
#     track: ml_track
#     title: How does a network learn?
#     partner: a3
#     assets: []
#     cpu_s: 30
# ---

# %% [markdown]
# # M3 · How does a network learn?
#
# Day 3, the machine-learning engineer's half. Parcels come back to the shop
# *Lampa* with an order number written by hand on the slip. You are asked for a
# reader of handwritten digits. For this one day you do without a deep-learning
# library: whoever has built one knows where to look when one misbehaves.
#
# On day 1 you derived one gradient with a pencil, for a line with a few
# weights. The network of today has 4,810 weights, and tomorrow's will have
# another shape. So you build the machine that derives gradients by itself:
# **automatic differentiation in reverse mode**, known as *backpropagation*.
# Then you train a network with it. Below your code there is only arithmetic on
# arrays.
#
# {{exercises}}
#
# The first two are the local rules of single operations, the next two carry
# them through a whole network, the last three make it learn. The design
# follows Andrej Karpathy's *micrograd*, which differentiates single numbers;
# yours differentiates arrays.

# %% setup
import numpy as np
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from course import plots
from course.feedback import (
    call_within,
    check,
    expect,
    expect_close,
    expect_prediction,
    expect_shape,
    expect_type,
    expect_unchanged,
    fail,
)
from course.gradcheck import numeric_grad, relative_error
from course.hints import hint, parsons
from course.progress import again, outcome

# 1,797 scans of 8 x 8 pixels; the brightness 0..16 becomes 0..1.
scans, digits = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    scans / 16, digits, test_size=397, random_state=0, stratify=digits
)

# %% [markdown]
# ## Predict
#
# Before a network can learn, its weights need values to start from. They are
# drawn at random, and their typical size is a decision. A well-known recipe,
# *He's*, will be derived below.
#
# Take a deep network: eight hidden layers of 64 units each. Make four copies
# and multiply all of He's weights by a factor: 0 in the first copy, 0.5 in the
# second, 1 in the third, 2 in the fourth. Everything else is the same: the
# data, the learning rate, 20 rounds through 1,400 digits. Guessing gives a
# test accuracy of 0.10.
#
# **Which of the four reach a test accuracy of 0.90?** Set `guess` to
# `"all four"`, `"all but 0"`, `"0.5 and 1"`, `"1 and 2"` or `"only 1"`, and
# `confidence` to a number from 0 (no idea) to 1 (certain).

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "all but 0", 0.6
### END SOLUTION

# %% check="guess"
with check("m3.guess"):
    choices = ["all four", "all but 0", "0.5 and 1", "1 and 2", "only 1"]
    expect_prediction("m3.guess", guess, confidence, choices)

# %% right="guess"
guess, confidence = "only 1", 0

# %% right="guess"
guess, confidence = "all four", 1.0

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "only 1", 70

# %% wrong="guess" says="must be one of"
guess, confidence = "1", 0.5

# %% [markdown]
# ## A worked example: pull a gradient back
#
# Learning is walking downhill on the loss $L$. For that we need
# $\partial L/\partial w$ for every weight $w$. One way needs no thought:
# change $w$ a little to both sides and measure,
#
# $$\frac{\partial L}{\partial w} \approx
#   \frac{L(w+h) - L(w-h)}{2h}.$$
#
# This is the **numeric gradient**. It costs two values of the loss for each
# weight: 9,620 for the 4,810 weights of our network, at every step. It is too
# slow to train with. It is the best judge there is of a gradient that was
# computed otherwise, and you will use it as one all day
# (`course.gradcheck.numeric_grad`).
#
# The other way walks through the computation backwards. Take
# $u = xw,\ v = u + b,\ L = v^2$ at $x = 2,\ w = -3,\ b = 10$. Write
# $\bar v$ for $\partial L/\partial v$, and the same for every other name.
# Begin at the end with $\bar L = 1$, and at every operation ask one question:
# *given the gradient of my output, what are the gradients of my inputs?*
#
# | operation | its local rule | in numbers |
# |---|---|---|
# | $L = v^2$ | $\bar v = \bar L \cdot 2v$ | $1 \cdot 8 = 8$ |
# | $v = u + b$ | $\bar u = \bar v,\ \bar b = \bar v$ | $8,\ 8$ |
# | $u = xw$ | $\bar x = \bar u\, w,\ \bar w = \bar u\, x$ | $-24,\ 16$ |
#
# One walk back gives all gradients, however many inputs there are.

# %%
x, w, b = 2.0, -3.0, 10.0
u = x * w
v = u + b
L = v**2

L_bar = 1.0
v_bar = L_bar * 2 * v
u_bar, b_bar = v_bar, v_bar
x_bar, w_bar = u_bar * w, u_bar * x
print("walked back:", [x_bar, w_bar, b_bar])


def loss_of(at):
    """The same L, as a function of the array [x, w, b]."""
    return (at[0] * at[1] + at[2]) ** 2


print("measured:   ", numeric_grad(loss_of, [x, w, b]).round(6))

# %% [markdown]
# ### The same for arrays
#
# Let an operation take an array $a$ to an array $c$, and let $g = \bar c$ be
# the gradient of the loss with respect to $c$. It has **the shape of $c$**:
# one number for each number of $c$. The chain rule sums over every way in
# which $a_i$ can act on the loss:
#
# $$\bar a_i = \sum_j \frac{\partial c_j}{\partial a_i}\, g_j,
#   \qquad\text{in short } \bar a = J^\top g .$$
#
# $J$ is the Jacobian. The product $J^\top g$ is called a *vector-Jacobian
# product*; we say that the operation **pulls $g$ back** to its input. The art
# is never to build $J$. For the first layer of our network and 32 images it
# would have $(32 \cdot 64) \times (32 \cdot 64)$, about four million, entries,
# nearly all of them 0; the product costs no more than the layer itself. Each
# operation needs only its own short rule. You write the two that matter.

# %% [markdown]
# ## 1. Broadcasting, backwards: `unbroadcast`
#
# A layer computes `X @ W + b`: a bias `b` of shape `(K,)` is added to an array
# of shape `(B, K)`. numpy *broadcasts*: it acts as if `b` were copied into
# each of the `B` rows,
#
# $$c_{ij} = a_{ij} + b_j .$$
#
# Here $\partial c_{ij}/\partial b_j = 1$ for **every** row $i$. The chain rule
# sums over all places where $b_j$ was used:
#
# $$\bar b_j = \sum_i g_{ij}.$$
#
# A copy forwards is a sum backwards. The same holds for an axis of length 1
# that is stretched: `(B, 1)` into `(B, K)`.
#
# Write `unbroadcast(g, shape)`. It takes the gradient `g` of the broadcast
# result and the tuple `shape` that the operand had before. It returns the
# operand's gradient: an array of that shape, in which every element is the sum
# of the elements of `g` that were its copies. With
# `g = [[1, 2, 3], [4, 5, 6]]`:
#
# | `shape` | result |
# |---|---|
# | `(3,)` | `[5, 7, 9]` |
# | `(2, 1)` | `[[6], [15]]` |
# | `(1, 3)` | `[[5, 7, 9]]` |
# | `()` | `21`, one number |
# | `(2, 3)` | `g` itself: nothing was copied |
#
# `shape` may be any that numpy can broadcast to the shape of `g`.


# %% exercise="unbroadcast" points=2 minutes=6 difficulty=2
def unbroadcast(g, shape):
    """Return the gradient, of this shape, of what was broadcast to g."""
    # 1. lead: which axes did broadcasting put in front?
    # 2. stretch: which axes had length 1 and are longer in g?
    # 3. sum over both, in the shape that is wanted
    ### BEGIN SOLUTION
    lead = g.ndim - len(shape)
    stretched = [lead + i for i, n in enumerate(shape) if n == 1]
    return g.sum(axis=(*range(lead), *stretched)).reshape(shape)
    ### END SOLUTION
    return np.zeros(shape)  # replace this line


# %% [markdown]
# Target against yours, before the check:

# %% demo
g_shown = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
targets = {
    (3,): [5, 7, 9],
    (2, 1): [[6], [15]],
    (1, 3): [[5, 7, 9]],
    (): 21,
}
for shape_shown, target in targets.items():
    yours = np.asarray(unbroadcast(g_shown, shape_shown)).tolist()
    print(f"shape {shape_shown!s:7} target {target!s:15} yours {yours}")

# %% check="unbroadcast"
with check("m3.unbroadcast"):

    def copies_summed(g, shape):
        """Add up, for each element, the places of g that are its copies."""
        which = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        origin = np.broadcast_to(which, g.shape)
        total = np.zeros(which.size)
        for place in np.ndindex(g.shape):
            total[origin[place]] += g[place]
        return total.reshape(shape)

    def try_unbroadcast(g, shape):
        before, name = g.copy(), f"g is {g.shape}: unbroadcast(g, {shape})"
        want = copies_summed(g, shape)
        copies = g.size // want.size
        try:
            got = unbroadcast(g, shape)
        except (ValueError, IndexError) as error:
            fail(
                f"{name} stopped: {error}. Each element of the operand was "
                f"copied {copies} times: its gradient is a sum over those "
                f"{copies} places, which a reshape cannot make. Sum over "
                "the copied axes first."
            )
        mistakes = {
            f"{name} gives the mean of the {copies} copies. Each copy acts "
            "on the loss: the chain rule adds them up, so take the sum.": (
                want / copies
            ),
            f"{name} gives the gradient of one copy only. Each element was "
            f"copied {copies} times: add up all {copies} places.": (
                lambda: np.resize(g, shape)
            ),
            f"{name} sums over the wrong axis. Line the two shapes up from "
            "the right: only the axes that are missing or 1 in the operand "
            "were copied.": lambda: g.sum(axis=-1),
        }
        if np.size(got) == want.size and np.shape(got) != shape:
            fail(
                f"{name} has shape {np.shape(got)}. A gradient has the shape "
                f"of its operand, {shape}: keep the axes of length 1."
            )
        expect_close(got, want, name, rtol=1e-4, mistakes=mistakes)
        expect_unchanged(g, before, "g")

    for shape in [(3,), (2, 1), (1, 3), (), (1, 1), (2, 3)]:
        try_unbroadcast(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), shape)
    try_unbroadcast(np.arange(9.0).reshape(3, 3), (3,))
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for full, shape in [
        ((4, 3, 5), (5,)),
        ((4, 3, 5), (3, 5)),
        ((4, 3, 5), (3, 1)),
        ((4, 3, 5), (1, 3, 1)),
        ((4, 3, 5), (4, 1, 5)),
        ((4, 3, 5), (1, 1)),
        ((4, 3, 5), ()),
        ((6,), (1,)),
        ((6,), ()),
        ((2, 1, 3), (1, 3)),
        ((3, 3, 3), (3, 1)),
        ((1, 4), (4,)),
        ((), ()),
        ((2, 2, 2, 2), (2, 1, 2)),
    ]:
        try_unbroadcast(rng.normal(size=full), shape)
    ### END HIDDEN TESTS

# %% [markdown] hint="unbroadcast"
# Sketch. numpy lines the two shapes up from the right. Write them down so:
#
#     g        4  3  5
#     operand     1  5
#
# There are two kinds of copied axes: those in front that the operand does not
# have (here the 4), and those where it has a 1 (here the 3). Sum `g` over both.
# What is left has the right number of elements; give it the right shape.

# %% [markdown] hint="unbroadcast"
# ```python
# lead = ...  # how many axes g has more than the operand
# # axis i of the operand is axis lead + i of g
# stretched = [... for i, n in enumerate(shape) if ...]
# # sum takes a tuple of axes; a reshape brings back those of length 1
# return g.sum(axis=(...)).reshape(...)
# ```


# %% right="unbroadcast"
def unbroadcast(g, shape):
    while np.ndim(g) > len(shape):
        g = g.sum(axis=0)
    for i, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis=i, keepdims=True)
    return g


# %% right="unbroadcast"
def unbroadcast(g, shape):
    out = np.zeros(shape, dtype=np.float32)
    full = (1,) * (g.ndim - len(shape)) + tuple(shape)
    for place in np.ndindex(g.shape):
        own = tuple(0 if n == 1 else i for i, n in zip(place, full))
        out[own[g.ndim - len(shape) :]] += g[place]
    return out


# %% right="unbroadcast"
def unbroadcast(g, shape):
    ids = np.broadcast_to(
        np.arange(int(np.prod(shape))).reshape(shape), g.shape
    )
    return np.bincount(ids.ravel(), weights=g.ravel()).reshape(shape).tolist()


# %% wrong="unbroadcast" says="copied 2 times; reshape cannot"
def unbroadcast(g, shape):
    return g.reshape(shape)


# %% wrong="unbroadcast" says="mean of the 2 copies; take the sum"
def unbroadcast(g, shape):
    lead = g.ndim - len(shape)
    axes = [lead + i for i, n in enumerate(shape) if n == 1]
    return g.mean(axis=(*range(lead), *axes)).reshape(shape)


# %% wrong="unbroadcast" says="one copy only"
def unbroadcast(g, shape):
    return np.resize(g, shape)


# %% wrong="unbroadcast" says="must have shape (2, 1)"
def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


# %% wrong="unbroadcast" says="keep the axes of length 1"
def unbroadcast(g, shape):
    lead = g.ndim - len(shape)
    axes = [lead + i for i, n in enumerate(shape) if n == 1]
    return g.sum(axis=(*range(lead), *axes))


# %% wrong="unbroadcast" says="g is (2, 3): unbroadcast(g, (2, 1)); copied axes"
def unbroadcast(g, shape):
    return g.sum(axis=0).reshape(shape)


# %% wrong="unbroadcast" says="wrong axis; line the two shapes up"
def unbroadcast(g, shape):
    axes = [i for i, n in enumerate(g.shape) if n not in shape]
    total = g.sum(axis=tuple(axes))
    if total.size == np.prod(shape):
        return total.reshape(shape)
    return g.sum(axis=tuple(range(len(shape), g.ndim)))


# %% wrong="unbroadcast" says="g is (4, 3, 5): unbroadcast(g, (3, 1))"
def unbroadcast(g, shape):
    if g.shape == tuple(shape):
        return g
    if shape == ():
        return g.sum()
    if len(shape) == g.ndim:
        axes = tuple(i for i, n in enumerate(shape) if n == 1)
        return g.sum(axis=axes, keepdims=True)
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


# %% [markdown]
# ## 2. A layer, backwards: `matmul_back`
#
# A layer is a matrix product $C = AB$, with $A$ of shape $(N, K)$, $B$ of
# shape $(K, M)$, so $C$ and its gradient $g$ of shape $(N, M)$:
#
# $$c_{nm} = \sum_k a_{nk}\, b_{km}.$$
#
# Which $c$ does $a_{nk}$ act on? All those of row $n$, each with the factor
# $b_{km}$. And $b_{km}$ acts on all of column $m$, each with the factor
# $a_{nk}$. So
#
# $$\bar a_{nk} = \sum_m g_{nm}\, b_{km},
#   \qquad \bar b_{km} = \sum_n a_{nk}\, g_{nm}.$$
#
# Both sums are matrix products again, if you turn the right matrix over. When
# in doubt, let the shapes decide: $\bar A$ must come out as $(N, K)$, $\bar B$
# as $(K, M)$.
#
# Write `matmul_back(g, A, B)`, which returns the two arrays `dA, dB`. With
# `g = [[1]]`, `A = [[2, 3]]`, `B = [[4], [5]]` it returns `[[4, 5]]` and
# `[[2], [3]]`.


# %% exercise="matmul_back" points=2 minutes=5 difficulty=2
def matmul_back(g, A, B):
    """Return the gradients of A (N, K) and B (K, M), from g (N, M)."""
    # 1. to A: sum over m   2. to B: sum over n
    ### BEGIN SOLUTION
    dA = g @ B.T
    dB = A.T @ g
    return dA, dB
    ### END SOLUTION
    return np.zeros(A.shape), np.zeros(B.shape)  # replace this line


# %% check="matmul_back"
with check("m3.matmul_back"):

    def close(a, b):
        return np.shape(a) == np.shape(b) and np.allclose(a, b, 1e-4, 1e-6)

    def try_matmul_back(g, A, B):
        names = f"matmul_back with A {A.shape} and B {B.shape}"
        before = [g.copy(), A.copy(), B.copy()]
        try:
            got = matmul_back(g, A, B)
        except ValueError as error:
            fail(
                f"{names} stopped: {error}. The shapes do not meet: "
                f"dA must be (N, K) = {A.shape}, dB must be (K, M) = "
                f"{B.shape}. Which matrix has to be turned over, and on "
                "which side does it stand?"
            )
        expect_type(got, (tuple, list), "what matmul_back returns")
        expect(len(got) == 2, "matmul_back must return two arrays: dA, dB.")
        expect(got[0] is not None and got[1] is not None, "dA or dB is None.")
        wants = [
            numeric_grad(lambda a: np.sum(g * (a @ B)), A),
            numeric_grad(lambda b: np.sum(g * (A @ b)), B),
        ]
        swapped = close(got[0], wants[1]) and close(got[1], wants[0])
        expect(
            not swapped or close(*wants),
            "dA and dB are swapped: return the gradient of A first.",
        )
        for which, (value, want) in enumerate(zip(got, wants)):
            one, other = ("dA", B) if which == 0 else ("dB", A)
            both_sides = [g, other], [other, g]
            sides = [
                left @ right
                for pair in both_sides
                for left in (pair[0], pair[0].T)
                for right in (pair[1], pair[1].T)
                if left.shape[1] == right.shape[0]
            ]
            for side in sides:
                wrong = side.shape == np.shape(value) != want.shape
                wrong |= side.shape == want.shape and not close(side, want)
                expect(
                    not (
                        wrong
                        and close(value, side)
                        and not close(value, want.T)
                    ),
                    f"{one}: a matrix is not turned over that must be, or "
                    "stands on the wrong side. Look which letter the formula "
                    "sums over: it must be the inner one of the product.",
                )
            expect_close(
                value,
                want,
                f"{one} of {names}",
                rtol=1e-4,
                atol=1e-6,
                mistakes={
                    f"{one} is the transpose of what it must be: turned over "
                    "as a whole. A gradient has its operand's shape.": want.T,
                    f"{one} is the gradient divided by N = {len(A)}. No mean "
                    "here: it belongs to the loss, and g holds it already.": (
                        want / len(A)
                    ),
                    f"{one} leaves out g. It is a product of g and the other "
                    "matrix.": other.T,
                },
            )
        for now, old, name in zip((g, A, B), before, "gAB"):
            expect_unchanged(now, old, name)

    try_matmul_back(
        np.array([[1.0, 2.0], [3.0, 5.0]]),
        np.array([[2.0, -1.0], [0.5, 4.0]]),
        np.array([[1.0, 3.0], [-2.0, 0.5]]),
    )
    try_matmul_back(
        np.array([[1.0]]), np.array([[2.0, 3.0]]), np.array([[4.0], [5.0]])
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n, k, m in [(4, 3, 2), (2, 5, 3), (1, 1, 4), (3, 1, 3), (2, 2, 5)]:
        g = rng.normal(size=(n, m))
        try_matmul_back(g, rng.normal(size=(n, k)), rng.normal(size=(k, m)))
    ### END HIDDEN TESTS

# %% [markdown] hint="matmul_back"
# Sketch. Write down the three shapes: $g\,(N, M)$, $A\,(N, K)$, $B\,(K, M)$.
# The gradient of $A$ must be $(N, K)$ and is made of $g$ and $B$. There is one
# way to multiply an $(N, M)$ and a turned-over $(K, M)$ that gives $(N, K)$.
# The same for $B$.

# %% [markdown] hint="matmul_back"
# ```python
# dA = g @ ...  # (N, M) @ (M, K): sum over m
# dB = ... @ g  # (K, N) @ (N, M): sum over n
# return dA, dB
# ```


# %% right="matmul_back"
def matmul_back(g, A, B):
    dA, dB = np.zeros(A.shape), np.zeros(B.shape)
    for n in range(A.shape[0]):
        for k in range(A.shape[1]):
            for m in range(B.shape[1]):
                dA[n, k] += g[n, m] * B[k, m]
                dB[k, m] += g[n, m] * A[n, k]
    return [dA, dB]


# %% right="matmul_back"
def matmul_back(g, A, B):
    g = np.asarray(g, dtype=np.float32)
    dA = np.einsum("nm,km->nk", g, B.astype(np.float32))
    return dA, np.einsum("nk,nm->km", A.astype(np.float32), g)


# %% wrong="matmul_back" says="not turned over; inner"
def matmul_back(g, A, B):
    return g @ B, A @ g


# %% wrong="matmul_back" says="dB: ; not turned over"
def matmul_back(g, A, B):
    return g @ B.T, A @ g


# %% wrong="matmul_back" says="dA: ; wrong side"
def matmul_back(g, A, B):
    return B.T @ g, g @ A.T


# %% wrong="matmul_back" says="dB is the transpose; turned over as a whole"
def matmul_back(g, A, B):
    return g @ B.T, g.T @ A


# %% wrong="matmul_back" says="swapped; gradient of A first"
def matmul_back(g, A, B):
    return A.T @ g, g @ B.T


# %% wrong="matmul_back" says="divided by N; No mean here"
def matmul_back(g, A, B):
    return g @ B.T, A.T @ g / len(A)


# %% wrong="matmul_back" says="leaves out g"
def matmul_back(g, A, B):
    return B.T, A.T


# %% wrong="matmul_back" says="two arrays"
def matmul_back(g, A, B):
    return (g @ B.T,)


# %% wrong="matmul_back" says="shapes do not meet; turned over"
def matmul_back(g, A, B):
    if A.shape == B.shape:
        return g @ B.T, A.T @ g
    return g @ B, A @ g


# %% [markdown]
# ## 3. The order of the walk: `topo`
#
# A network is many operations. Draw each intermediate array as a node, with an
# arrow from each of its **parents**, the nodes that it was computed from. A
# node may be used twice. In $y = (a + b) \cdot a$ the node $a$ acts on $y$
# along two paths:
#
#         a ----------.
#          \           \
#           s = a + b -- y = s * a
#          /
#         b
#
# Written as a dictionary from each node to the list of its parents:
# `{"a": [], "b": [], "s": ["a", "b"], "y": ["s", "a"]}`.
#
# The chain rule on such a graph adds over the nodes $c$ that use a node $v$:
#
# $$\bar v = \sum_{c \text{ uses } v} J_{v \to c}^\top\, \bar c .$$
#
# So $\bar v$ is complete only when **all** nodes that use $v$ have reported.
# $a$ must wait for $y$ *and* for $s$. An order in which every node stands
# after all of its parents is called **topological**; walked from the back, it
# is the order that we need. Depth first is the simple way to find one: before
# a node is put on the list, put its parents there, and put nothing there
# twice.
#
# Write `topo(parents, root)`. It takes such a dictionary (every node is a key;
# an input's list is empty) and the name of one node. It returns a list of the
# names of `root` and of everything that `root` was computed from, **each once,
# every node after its parents**, so `root` comes last. Nodes that `root` does
# not depend on are left out. For the graph above,
# `topo(parents, "y")` may return `["a", "b", "s", "y"]` or
# `["b", "a", "s", "y"]`, and `topo(parents, "s")` has no `"y"` in it.


# %% exercise="topo" points=2 minutes=7 difficulty=3
def topo(parents, root):
    """Return root and all it depends on, once each, parents first."""
    # 1. visit once: skip a node that was seen
    # 2. parents first   3. then the node itself
    ### BEGIN SOLUTION
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for parent in parents[name]:
                visit(parent)
            order.append(name)

    visit(root)
    return order
    ### END SOLUTION
    return [root]  # replace this line


# %% check="topo"
with check("m3.topo"):

    def ancestors(parents, root):
        """Grow the set of what root needs until it stops growing."""
        found = {root}
        while True:
            more = found | {p for name in found for p in parents[name]}
            if more == found:
                return found
            found = more

    def try_topo(parents, root, picture=""):
        before = {name: list(ps) for name, ps in parents.items()}
        got = call_within(
            5,
            topo,
            parents,
            root,
            message="Visit once: a node that was seen must not be walked "
            "through again, or the number of walks doubles at each diamond.",
        )
        expect_unchanged(parents, before, "parents")
        expect_type(got, (list, tuple), f"topo(parents, {root!r})")
        order = list(got)
        where = f" (in {picture})" if picture else ""
        for name in order:
            expect(
                order.count(name) == 1,
                f"node {name!r} stands {order.count(name)} times in the "
                f"order{where}. It is used by several nodes, and was visited "
                "twice: remember which nodes were seen.",
            )
            expect(
                name in before,
                f"{name!r} in your order is not the name of a node.",
            )
        needed = ancestors(before, root)
        extra, missing = set(order) - needed, needed - set(order)
        expect(
            not extra,
            f"{root!r} does not depend on {sorted(extra)}{where}: leave out "
            "what is not needed. Walk from the root to parents only.",
        )
        expect(
            not missing,
            f"{sorted(missing)} missing from the order{where}: root itself, "
            "inputs without parents and everything between belong to it.",
        )
        at = {name: place for place, name in enumerate(order)}
        if len(order) > 1 and all(
            at[p] > at[n] for n in order for p in before[n]
        ):
            fail(
                f"the order{where} is the wrong way round: {root!r} comes "
                "first. Parents first, then the node itself."
            )
        for name in order:
            for parent in before[name]:
                expect(
                    at[parent] < at[name],
                    f"{name!r} stands before its parent {parent!r}{where}: "
                    f"{order if len(order) < 9 else ''} Parents first: put "
                    "a node on the list when all its parents are there.",
                )

    try_topo({"x": []}, "x", "a single input")
    try_topo(
        {"x": []},
        "x",
        "the same, asked a second time: does your function remember the "
        "first call, as a default `seen=set()` does?",
    )
    try_topo({"x": [], "y": ["x"], "z": ["y"]}, "z", "x, y = f(x), z = f(y)")
    picture = "s = a + b, y = s * a"
    graph = {"a": [], "b": [], "s": ["a", "b"], "y": ["s", "a"]}
    try_topo(graph, "y", picture)
    try_topo(graph, "s", picture)
    try_topo({"y": ["x", "x"], "x": []}, "y", "y = x + x")
    diamond = {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}
    try_topo(diamond, "d", "the diamond b = f(a), c = g(a), d = b + c")
    try_topo(
        {"y": ["a", "s"], "s": ["t"], "t": ["a"], "a": []},
        "y",
        "t = f(a), s = f(t), y = a * s",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(8):
        names = [f"n{i}" for i in rng.permutation(25)]
        lines = {
            name: [str(p) for p in rng.choice(names[:i], size=min(i, 3))]
            for i, name in enumerate(names)
        }
        mixed = [str(name) for name in rng.permutation(names)]
        shuffled = {name: lines[name] for name in mixed}
        try_topo(shuffled, names[-1])
        try_topo(shuffled, names[12])
    ladder = {"r0": []}
    for i in range(40):
        ladder |= {f"p{i}": [f"r{i}"], f"q{i}": [f"r{i}"]}
        ladder[f"r{i + 1}"] = [f"p{i}", f"q{i}"]
    try_topo(ladder, "r40", "a ladder of 40 diamonds")
    chain = {"c0": []} | {f"c{i}": [f"c{i - 1}"] for i in range(1, 200)}
    try_topo(chain, "c199", "a chain of 200 nodes")
    ### END HIDDEN TESTS

# %% [markdown] hint="topo"
# Sketch. Write a small function inside that *visits* one node: if the node was
# seen, do nothing. Else note that it was seen, visit each of its parents, and
# only then append the node to the list. Visit the root, return the list.

# %% [markdown] hint="topo"
# ```python
# order, seen = [], set()  # made anew at each call
#
# def visit(name):
#     if name not in seen:
#         ...               # 1. visit once
#         for parent in parents[name]:
#             ...           # 2. parents first
#         ...               # 3. then the node itself
#
# visit(root)
# return order
# ```


# %% right="topo"
def topo(parents, root):
    needed, waiting = set(), [root]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += parents[name]
    order = []
    while len(order) < len(needed):
        for name in needed:
            ready = all(p in order for p in parents[name])
            if name not in order and ready:
                order.append(name)
    return order


# %% right="topo"
def topo(parents, root):
    order, stack = {}, [(root, False)]
    while stack:
        name, done = stack.pop()
        if done:
            order[name] = True
        elif name not in order:
            stack.append((name, True))
            stack.extend((p, False) for p in parents[name] if p not in order)
    return tuple(order)


# %% wrong="topo" says="stands 2 times; visited twice"
def topo(parents, root):
    order = []
    for parent in parents[root]:
        order += topo(parents, parent)
    return [*order, root]


# %% wrong="topo" says="before its parent; Parents first"
def topo(parents, root):
    order, waiting = [root], [root]
    while waiting:
        for parent in parents[waiting.pop(0)]:
            if parent not in order:
                order.append(parent)
                waiting.append(parent)
    return order[::-1]


# %% wrong="topo" says="wrong way round; Parents first"
def topo(parents, root):
    order, seen = [], set()

    def visit(name):
        if name not in seen:
            seen.add(name)
            for parent in parents[name]:
                visit(parent)
            order.append(name)

    visit(root)
    return order[::-1]


# %% wrong="topo" says="wrong way round"
def topo(parents, root):
    order = []

    def visit(name):
        if name not in order:
            order.append(name)
            for parent in parents[name]:
                visit(parent)

    visit(root)
    return order


# %% wrong="topo" says="does not depend on ['y']"
def topo(parents, root):
    return list(parents)


# %% wrong="topo" says="before its parent"
def topo(parents, root):
    def needs(name):
        return {name}.union(*[needs(p) for p in parents[name]])

    return sorted(needs(root))


# %% wrong="topo" says="missing; inputs without parents"
def topo(parents, root):
    order = []

    def visit(name):
        if name not in order and parents[name]:
            for parent in parents[name]:
                visit(parent)
            order.append(name)

    visit(root)
    return order or [root]


# %% wrong="topo" says="missing; root itself"
def topo(parents, root):
    order = []

    def visit(name):
        for parent in parents[name]:
            visit(parent)
            if parent not in order:
                order.append(parent)

    visit(root)
    return order


# %% wrong="topo" says="second time; missing; seen=set()"
def topo(parents, root, seen=set()):
    order = []
    if root not in seen:
        seen.add(root)
        for parent in parents[root]:
            order += topo(parents, parent, seen)
        order.append(root)
    return order


# %% wrong="topo" says="did not end; doubles"
def topo(parents, root):
    walked = []

    def visit(name):
        for parent in parents[name]:
            visit(parent)
        if name not in walked:
            walked.append(name)

    visit(root)
    return walked


# %% wrong="topo" says="changed its argument parents"
def topo(parents, root):
    order = []
    for parent in parents[root]:
        if parent in parents:
            order += topo(parents, parent)
    parents.pop(root, None)
    return [*order, root]


# %% [markdown]
# ## 4. The walk: `backward`
#
# Now the engine itself. It knows nothing of matrices. It knows the graph, and
# it can ask any node to pull a gradient back: `pull(name, g)` takes the
# complete gradient `g` of the node `name` and returns a list with one gradient
# for each entry of `parents[name]`, in that order. An input has no parents:
# its list is empty.
#
# Write `backward(parents, pull, root, g)`. `g` is the gradient at the root: an
# array of the root's shape, for a loss `np.array(1.0)`. It returns a
# dictionary with the gradient of every node that `root` depends on, `root`
# included:
#
# 1. **start**: the gradient of `root` is `g`;
# 2. **order**: walk your `topo` order from the root to the inputs;
# 3. **pull**: call `pull` once for each node, with its complete gradient;
# 4. **add**: what comes back is *added* to what a parent has already.
#
# The last step is the famous one. For $y = x + x$ the list of parents is
# `["x", "x"]`, and `pull("y", 1)` returns `[1, 1]`. The gradient of `x`
# is 2.
#
# One trap lies in Python, not in the mathematics. The pullback of a sum gives
# *the same array* `g` to both parents, because that is their gradient. Whoever
# adds into that array in place (`+=`) changes the gradient of other nodes
# too. `a = a + b` makes a new array, `a += b` does not.

# %% setup
SUMS = {"a": [], "b": [], "s": ["a", "b"], "y": ["s", "a"]}  # y = (a + b) + a


def pull_sum(name, g):
    """Pull g back through a sum of two: each parent gets g itself, no copy."""
    return [g, g] if SUMS[name] else []


# %% exercise="backward" points=3 minutes=8 difficulty=4
def backward(parents, pull, root, g):
    """Return each node's gradient by name, from the gradient g of root."""
    # 1. start   2. order   3. pull   4. add
    ### BEGIN SOLUTION
    grads = {root: g}
    for name in reversed(topo(parents, root)):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads[parent] = grads.get(parent, 0.0) + more
    return grads
    ### END SOLUTION
    return {root: g}  # replace this line


# %% check="backward"
with check("m3.backward"):

    def over_paths(parents, slopes, root, g):
        """Add up, over all paths, the product of the slopes on the path."""
        total = {name: 0.0 for name in parents}

        def walk(name, carried):
            total[name] = total[name] + carried
            for parent, slope in zip(parents[name], slopes[name]):
                walk(parent, carried * slope)

        walk(root, g)
        return total

    def try_backward(parents, slopes, root, g, story):
        """Each pullback multiplies by slopes; see what is asked, and how."""
        want = over_paths(parents, slopes, root, g)
        asked = []

        def pull(name, g):
            asked.append((name, np.array(g, dtype=float)))
            return [g * slope for slope in slopes[name]]

        before = {name: list(ps) for name, ps in parents.items()}
        g = np.array(g, dtype=float)
        start = g.copy()
        got = backward(parents, pull, root, g)
        expect_type(got, dict, f"backward for {story}")
        for name, given in asked:
            if not parents[name]:
                continue
            count = sum(name == other for other, _ in asked)
            complete = np.allclose(given, want[name], rtol=1e-4, atol=1e-6)
            expect(
                complete or name != root or count > 1,
                f"for {story}, you pulled through the root {name!r} with "
                f"{given}. Start: the gradient of the root is g, not 1.",
            )
            expect(
                complete or count > 1,
                f"for {story}, you pulled through {name!r} with {given} when "
                f"its complete gradient is {want[name]}: not all nodes that "
                "use it had reported. Walk the topological order from the "
                "back: the root first.",
            )
            expect(
                count == 1,
                f"for {story}, you pulled {count} times through {name!r}. "
                "Add first, then pull once: walk over nodes, not over paths, "
                "of which there may be millions.",
            )
        for name in want:
            path_needed = np.any(want[name] != 0)
            expect(
                name in got or not path_needed,
                f"for {story}, the gradient of {name!r} is missing. (Does the "
                "check of topo pass?)",
            )
            if name in got and path_needed:
                expect_close(
                    got[name],
                    want[name],
                    f"for {story}, the gradient of {name!r}",
                    rtol=1e-4,
                )
        expect_unchanged(parents, before, "parents")
        expect(
            np.array_equal(np.asarray(g), start),
            "your function changed the array g in place: it is the caller's. "
            "Write a = a + b, not a += b.",
        )

    # y = x + x
    twice = backward(
        {"x": [], "y": ["x", "x"]},
        lambda name, g: [g, g] if name == "y" else [],
        "y",
        np.array(1.0),
    )
    expect_type(twice, dict, "what backward returns")
    expect("x" in twice, "y = x + x: the gradient of 'x' is missing.")
    expect_close(
        twice["x"],
        2.0,
        "the gradient of x in y = x + x",
        mistakes={
            "y=x+x must give 2, and you give 1: the second contribution "
            "overwrites the first. x acts on y along two ways: add.": 1.0,
            "y=x+x must give 2, and you give 3: the first contribution was "
            "counted twice. Begin with nothing, then add each once.": 3.0,
            "y=x+x must give 2, and you give 4: the gradient was already 2 "
            "when the second one came.": 4.0,
        },
    )
    expect("y" in twice, "the gradient of the root y is missing: it is g.")
    expect_close(
        twice["y"],
        1.0,
        "the gradient of the root y",
        mistakes={
            "y = x + x: the gradient of y itself became 2. x and y hold the "
            "same array, and += changed it in place for both. Write "
            "a = a + b.": 2.0,
        },
    )

    try_backward(
        {"x": [], "u": ["x"], "y": ["u"]},
        {"x": [], "u": [3.0], "y": [5.0]},
        "y",
        2.0,
        "u = 3x, y = 5u with g = 2",
    )
    try_backward(
        {"c": ["a", "b"], "b": ["a"], "a": ["x"], "x": []},
        {"c": [1.0, 1.0], "b": [5.0], "a": [3.0], "x": []},
        "c",
        1.0,
        "a = 3x, b = 5a, c = a + b",
    )
    tens = np.array([1.0, 10.0])
    got = backward(SUMS, pull_sum, "y", tens.copy())
    for name, times in {"a": 2, "b": 1, "s": 1, "y": 1}.items():
        expect(name in got, f"y = (a + b) + a: no gradient of {name!r}.")
        shared = (
            f"y = (a + b) + a: the gradient of {name!r} must be {times} times "
            "g, and is {} times g. Several nodes hold the same array, and += "
            "changed it in place for all of them. Write a = a + b."
        )
        expect_close(
            got[name],
            times * tens,
            f"y = (a + b) + a with g = [1, 10]: the gradient of {name!r}",
            mistakes={
                shared.format(n): n * tens for n in (2, 3, 4) if n > times
            },
        )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for shape in [(), (2,), (3, 2)]:
        names = [f"n{i}" for i in rng.permutation(9)]
        lines, slopes = {}, {}
        for i, name in enumerate(names):
            lines[name] = [
                str(p) for p in rng.choice(names[:i], size=min(i, 2))
            ]
            slopes[name] = [
                float(d) for d in rng.uniform(0.5, 2, len(lines[name]))
            ]
        mixed = {str(n): lines[str(n)] for n in rng.permutation(names)}
        try_backward(
            mixed, slopes, names[-1], rng.normal(size=shape), "a random graph"
        )
        try_backward(
            mixed, slopes, names[5], rng.normal(size=shape), "a part of it"
        )
    ladder, slopes = {"r0": []}, {"r0": []}
    for i in range(6):
        ladder |= {f"p{i}": [f"r{i}"], f"q{i}": [f"r{i}"]}
        ladder[f"r{i + 1}"] = [f"p{i}", f"q{i}"]
        slopes |= {f"p{i}": [2.0], f"q{i}": [-1.5], f"r{i + 1}": [1.0, 1.0]}
    try_backward(ladder, slopes, "r6", 1.0, "six diamonds in a row")
    lone = backward({"x": []}, lambda name, g: [], "x", np.array(4.0))
    expect_close(lone.get("x", 0.0), 4.0, "the gradient of a lone input")
    ### END HIDDEN TESTS

# %% [markdown] hint="backward"
# Sketch. Keep a dictionary `grads`, which begins with the root's gradient
# alone. Take the nodes in reversed topological order. Ask each to pull its
# gradient back. Go through its parents and what came back, side by side: a
# parent's gradient becomes a *new* array, the sum of what it had (0 if it had
# nothing) and what came back.

# %% [markdown] hint="backward"
# ```python
# grads = {...}                                  # 1. start
# for name in reversed(...):                     # 2. order
#     back = pull(name, ...)                     # 3. pull
#     for parent, more in zip(parents[name], back):
#         had = ...                              # 0.0 if it has none yet
#         grads[parent] = ...                    # 4. add: a new array
# return grads
# ```


# %% right="backward"
def backward(parents, pull, root, g):
    from collections import defaultdict

    grads = defaultdict(float)
    grads[root] = np.array(g, dtype=float)
    for name in topo(parents, root)[::-1]:
        if parents[name]:
            back = pull(name, grads[name])
            for i in range(len(back)):
                grads[parents[name][i]] = back[i] + grads[parents[name][i]]
    return dict(grads)


# %% right="backward"
def backward(parents, pull, root, g):
    order = list(topo(parents, root))
    reports = {name: [] for name in parents}
    reports[root].append(g)
    grads = {}
    while order:
        name = order.pop()
        grads[name] = sum(reports[name][1:], reports[name][0])
        for parent, more in zip(parents[name], pull(name, grads[name])):
            reports[parent].append(more)
    return grads


# %% wrong="backward" says="y=x+x must give 2; overwrites"
def backward(parents, pull, root, g):
    grads = {root: g}
    for name in reversed(topo(parents, root)):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads[parent] = more
    return grads


# %% wrong="backward" says="y=x+x must give 2; overwrites"
def backward(parents, pull, root, g):
    grads = {root: g}
    for name in reversed(topo(parents, root)):
        back = dict(zip(parents[name], pull(name, grads[name])))
        for parent, more in back.items():
            grads[parent] = grads.get(parent, 0) + more
    return grads


# %% wrong="backward" says="give 3; counted twice"
def backward(parents, pull, root, g):
    grads = {root: g}
    for name in reversed(topo(parents, root)):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads.setdefault(parent, more)
            grads[parent] = grads[parent] + more
    return grads


# %% wrong="backward" says="same array; in place; a = a + b"
def backward(parents, pull, root, g):
    grads = {root: g}
    for name in reversed(topo(parents, root)):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            if parent in grads:
                grads[parent] += more
            else:
                grads[parent] = more
    return grads


# %% wrong="backward" says="not all nodes; the root first"
def backward(parents, pull, root, g):
    grads = {name: 0.0 for name in topo(parents, root)}
    grads[root] = g
    for name in topo(parents, root):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads[parent] = grads[parent] + more
    return grads


# %% wrong="backward" says="pulled 2 times; not over paths"
def backward(parents, pull, root, g):
    grads = {}

    def walk(name, g):
        grads[name] = grads.get(name, 0.0) + g
        for parent, more in zip(parents[name], pull(name, g)):
            walk(parent, more)

    walk(root, g)
    return grads


# %% wrong="backward" says="not all nodes; had reported"
def backward(parents, pull, root, g):
    grads, waiting, seen = {root: g}, [root], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads[parent] = grads.get(parent, 0.0) + more
            waiting.append(parent)
    return grads


# %% wrong="backward" says="root 'y'; is g, not 1"
def backward(parents, pull, root, g):
    grads = {root: 1.0}
    for name in reversed(topo(parents, root)):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads[parent] = grads.get(parent, 0.0) + more
    return grads


# %% wrong="backward" says="the gradient of the root y is missing"
def backward(parents, pull, root, g):
    grads = {root: g}
    for name in reversed(topo(parents, root)):
        for parent, more in zip(parents[name], pull(name, grads[name])):
            grads[parent] = grads.get(parent, 0.0) + more
    return {name: it for name, it in grads.items() if not parents[name]}


# %% [markdown]
# ## Your own `Tensor`
#
# The engine works on names. For daily use, a thin class keeps the books. A
# `Tensor` holds an array (`data`), the tensors that it was made from
# (`parents`) and its local rule (`pull`). Every operation makes a new one, so
# the graph grows while you compute. `y.backward()` hands the graph to *your*
# `backward`, and **adds** each result to the `grad` of its tensor. It adds
# because one tensor may be used in several losses; PyTorch does the same. So
# whoever wants a fresh gradient calls `zero_grad()` before.

# %% setup


class Tensor:
    """An array that remembers which tensors it was made from, and how."""

    def __init__(self, data, parents=(), pull=lambda g: []):
        self.data = np.array(data, dtype=float)  # a copy: yours stays yours
        self.grad = np.zeros_like(self.data)
        self.parents = list(parents)
        self.pull = pull

    def __add__(self, other):
        def pull(g):
            return [
                unbroadcast(g, self.data.shape),
                unbroadcast(g, other.data.shape),
            ]

        return Tensor(self.data + other.data, [self, other], pull)

    def __matmul__(self, other):
        def pull(g):
            return matmul_back(g, self.data, other.data)

        return Tensor(self.data @ other.data, [self, other], pull)

    def relu(self):
        """Return max(0, x): it passes g on where x is above 0."""
        out = np.maximum(self.data, 0)
        return Tensor(out, [self], lambda g: [g * (self.data > 0)])

    def zero_grad(self):
        """Forget the gradient."""
        self.grad = np.zeros_like(self.data)

    def backward(self):
        """Add d self / d t to t.grad for every t that self depends on."""
        nodes, waiting = {}, [self]
        while waiting:
            t = waiting.pop()
            if str(id(t)) not in nodes:
                nodes[str(id(t))] = t
                waiting.extend(t.parents)
        parents = {
            name: [str(id(p)) for p in t.parents] for name, t in nodes.items()
        }
        grads = backward(
            parents,
            lambda name, g: nodes[name].pull(g),
            str(id(self)),
            np.ones_like(self.data),
        )
        for name, g in grads.items():
            nodes[name].grad = nodes[name].grad + g


# %% demo
x = Tensor([3.0, -1.0])
y = x + x
y.backward()
print("y = x + x: the gradient of x is", x.grad, "(it should be [2, 2])")
y.backward()
print("backward once more, and it is  ", x.grad, "(grad adds up: [4, 4])")

# %% [markdown]
# ## 5. The loss, backwards: `ce_grad`
#
# For each image the network gives $K = 10$ numbers $z_1 \dots z_K$, the
# *logits*. Softmax makes probabilities of them,
# $p_k = e^{z_k} / \sum_j e^{z_j}$, and the loss of one image with the true
# class $y$ is the *cross-entropy*, its surprise:
#
# $$\ell = -\log p_y = -z_y + \log \sum_j e^{z_j} .$$
#
# Differentiate both terms with respect to $z_k$. The first gives $-1$ if
# $k = y$ and 0 otherwise. The second gives
# $e^{z_k} / \sum_j e^{z_j}$, which is $p_k$ again. So
#
# $$\frac{\partial \ell}{\partial z_k} = p_k - [k = y]:$$
#
# what the network said minus what was true. With two classes it is the $p - y$
# of day 2, and the residual $\hat y - y$ of day 1 has the same form: whoever
# has derived one of them has derived all three. The loss of a batch is the
# **mean** over its $B$ images, $L = \frac1B \sum_i \ell_i$, therefore
#
# $$\frac{\partial L}{\partial z_{ik}} = \frac{p_{ik} - [k = y_i]}{B} .$$
#
# Two signs of health: each row sums to 0, and only the true class has a
# negative entry. The $1/B$ keeps the size of a step independent of the size of
# the batch.
#
# Write `ce_grad(z, y)` for logits `z` of shape `(B, K)` and integer labels `y`
# of shape `(B,)` in `0..K-1`. It returns this gradient, shape `(B, K)`. For
# `z = [[0, 0], [0, 0]]` and `y = [0, 1]` it is
# `[[-0.25, 0.25], [0.25, -0.25]]`. Logits may be as large as 1000.


# %% exercise="ce_grad" points=2 minutes=6 difficulty=2
def ce_grad(z, y):
    """Return the gradient of the mean cross-entropy, shape (B, K)."""
    # 1. shift   2. softmax   3. minus one-hot   4. mean
    ### BEGIN SOLUTION
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return p / len(y)
    ### END SOLUTION
    return np.zeros(z.shape)  # replace this line


# %% check="ce_grad"
with check("m3.ce_grad"):

    def try_ce_grad(z, y):
        rows, (B, K) = np.arange(len(y)), z.shape
        before = z.copy(), y.copy()

        def mean_surprise(z):
            return -log_softmax(z, axis=1)[rows, y].mean()

        want = numeric_grad(mean_surprise, z)
        one_hot = np.eye(K)[y]
        p = B * want + one_hot
        got = ce_grad(z, y)
        mistakes = {
            "the sign of the one-hot is wrong: you have onehot - p, which "
            "points uphill for the true class. It is p - onehot.": -want,
            "you add the one-hot: (p + onehot). What was true is taken "
            "away: p - onehot.": (p + one_hot) / B,
        }
        if B > 1:
            mistakes |= {
                "no division by B: this is the gradient of the sum of the "
                f"losses, {B} times too large. The loss is their mean.": (
                    want * B
                ),
                "no division by B, and the sign is wrong: it is "
                "(p - onehot) / B.": -want * B,
                "you divide by B twice.": want / B,
            }
        mistakes |= {
            "you forgot the one-hot: these are the probabilities.": p,
            "you forgot the one-hot: these are p / B.": p / B,
            "you divide by K, the number of classes. The mean is over the "
            "B images: no division by B, yet.": want * B / K,
            "you divide by B times K. The mean is over the B images only.": want
            / K,
            "your softmax normalises over axis 0, the images: each image's "
            "probabilities must sum to 1 over the classes, axis 1.": (
                lambda: (np.exp(log_softmax(z, axis=0)) - one_hot) / B
            ),
            "this is the gradient with respect to p, not z: softmax has a "
            "derivative of its own.": lambda: -one_hot / p / B,
        }
        expect_close(
            got,
            want,
            f"B = {B}, K = {K}: ce_grad(z, y)",
            rtol=1e-4,
            atol=1e-7,
            mistakes=mistakes,
        )
        expect_unchanged(z, before[0], "z")
        expect_unchanged(y, before[1], "y")

    try_ce_grad(np.array([[0.0, 1.0, 3.0], [2.0, 0.5, -1.0]]), np.array([0, 1]))
    try_ce_grad(np.zeros((2, 2)), np.array([0, 1]))
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for B, K in [(1, 4), (5, 2), (3, 10), (4, 4)]:
        try_ce_grad(rng.normal(0, 2, (B, K)), rng.integers(0, K, B))
    y = np.array([2, 2, 2])
    try_ce_grad(rng.normal(size=(3, 4)), y)
    big = np.array([[1000.0, 0.0], [-1000.0, 0.0]])
    with np.errstate(all="ignore"):
        got = np.asarray(ce_grad(big, np.array([1, 1])))
    expect(
        np.all(np.isfinite(got)),
        "for logits of 1000 the result is not finite: exp(1000) overflows. "
        "Shift: subtract each row's maximum first; p stays the same.",
    )
    expect_close(got, [[0.5, -0.5], [0, 0]], "ce_grad at z = 1000", atol=1e-6)
    apart = np.array([[1000.0, 999.0], [-1000.0, -1001.0]])
    near = apart - apart.max(axis=1, keepdims=True)
    label = np.array([0, 1])
    expect_close(
        ce_grad(apart, label),
        numeric_grad(
            lambda z: -log_softmax(z, axis=1)[[0, 1], label].mean(), near
        ),
        "ce_grad of rows far apart (shift each row by its own maximum)",
        rtol=1e-4,
        atol=1e-6,
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="ce_grad"
# Sketch. Take the softmax of each row, having subtracted the row's maximum.
# From the probability of each row's true class take away 1. Divide by the
# number of rows.

# %% [markdown] hint="ce_grad"
# ```python
# p = np.exp(z - ...)           # 1. shift: keepdims=True keeps (B, 1)
# p = p / ...                   # 2. softmax: each row sums to 1
# p[np.arange(len(y)), y] ...   # 3. one entry of each row
# return p / ...                # 4. mean over the batch
# ```


# %% right="ce_grad"
def ce_grad(z, y):
    from scipy.special import softmax

    return (softmax(z, axis=1) - np.eye(z.shape[1])[y]) / z.shape[0]


# %% right="ce_grad"
def ce_grad(z, y):
    out = []
    for row, label in zip(z.tolist(), y.tolist()):
        top = max(row)
        e = [2.718281828459045 ** (v - top) for v in row]
        out.append(
            [
                (v / sum(e) - (1.0 if k == label else 0.0)) / len(z)
                for k, v in enumerate(e)
            ]
        )
    return out


# %% wrong="ce_grad" says="no division by B; 2 times too large"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p - np.eye(z.shape[1])[y]


# %% wrong="ce_grad" says="sign of the one-hot; p - onehot"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return (np.eye(z.shape[1])[y] - p) / len(y)


# %% wrong="ce_grad" says="you add the one-hot"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return (p + np.eye(z.shape[1])[y]) / len(y)


# %% wrong="ce_grad" says="forgot the one-hot"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) / len(y)


# %% wrong="ce_grad" says="axis 0, the images; axis 1"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=0))
    return (e / e.sum(axis=0) - np.eye(z.shape[1])[y]) / len(y)


# %% wrong="ce_grad" says="divide by B times K"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return (p - np.eye(z.shape[1])[y]) / z.size


# %% wrong="ce_grad" says="not finite; overflows; subtract each row's"
def ce_grad(z, y):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return (p - np.eye(z.shape[1])[y]) / len(y)


# %% wrong="ce_grad" says="not finite; each row's maximum"
def ce_grad(z, y):
    p = np.exp(z - z.max())
    p = p / p.sum(axis=1, keepdims=True)
    return (p - np.eye(z.shape[1])[y]) / len(y)


# %% wrong="ce_grad" says="rows far apart; own maximum"
def ce_grad(z, y):
    p = np.exp(np.clip(z, -700, 700))
    p = p / p.sum(axis=1, keepdims=True)
    return (p - np.eye(z.shape[1])[y]) / len(y)


# %% wrong="ce_grad" says="changed its argument z"
def ce_grad(z, y):
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return (p - np.eye(z.shape[1])[y]) / len(y)


# %% wrong="ce_grad" says="with respect to p"
def ce_grad(z, y):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.eye(z.shape[1])[y] / p / len(y)


# %% [markdown]
# ### Is the gradient right?
#
# Everything is there: a network is a list of weights and biases
# `[W1, b1, W2, b2, ...]`, `logits` runs it, `cross_entropy` makes the loss a
# `Tensor`. Read the two functions; the next figure and your `train` use them.

# %% setup


def logits(net, X):
    """Return a Tensor (B, K): net = [W1, b1, W2, b2, ...], relu in between."""
    out = Tensor(X)
    for i in range(0, len(net), 2):
        out = out @ net[i] + net[i + 1]
        if i + 2 < len(net):
            out = out.relu()
    return out


def cross_entropy(z, y):
    """Return the mean loss of the logits z, (B, K), a Tensor, as a Tensor."""
    rows = np.arange(len(y))
    loss = -log_softmax(z.data, axis=1)[rows, y].mean()
    return Tensor(loss, [z], lambda g: [g * ce_grad(z.data, y)])


# %% [markdown]
# A small network (64 pixels, 16 hidden units, 10 classes: 1,210 weights) looks
# at 20 images. Left: each weight's gradient, yours against the numeric one. A
# right gradient lies on the diagonal over all orders of magnitude. Right: the
# relative error $\lVert a - n \rVert / (\lVert a \rVert + \lVert n \rVert)$
# of all together, for different steps $h$ of the numeric one. Think before you
# run it: as $h$ gets smaller, does the error only fall?

# %% demo
rng = np.random.default_rng(0)
small = [
    rng.normal(0, 0.2, (64, 16)),
    rng.normal(0, 0.1, 16),
    rng.normal(0, 0.4, (16, 10)),
    rng.normal(0, 0.1, 10),
]
X_few, y_few = X_train[:20], y_train[:20]
tensors = [Tensor(p) for p in small]
cross_entropy(logits(tensors, X_few), y_few).backward()
analytic = [t.grad for t in tensors]


def measured(h):
    """The numeric gradients of the same loss, one array for each of small."""

    def loss_with(i, value):
        ps = [Tensor(value if j == i else p) for j, p in enumerate(small)]
        return float(cross_entropy(logits(ps, X_few), y_few).data)

    return [
        numeric_grad(lambda value: loss_with(i, value), small[i], h)
        for i in range(4)
    ]


def joined(arrays):
    return np.concatenate([np.ravel(a) for a in arrays])


numeric = measured(1e-5)
gradient_error = relative_error(joined(analytic), joined(numeric))
steps = 10.0 ** np.arange(-1, -12, -1)
by_step = [relative_error(joined(analytic), joined(measured(h))) for h in steps]

fig, axes = plots.figure(1, 2, width=9)
colours = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED)
for a, n, label, colour, marker in zip(
    analytic, numeric, ("W1", "b1", "W2", "b2"), colours, plots.MARKERS
):
    axes[0].loglog(
        np.maximum(np.abs(n).ravel(), 1e-9),
        np.maximum(np.abs(a).ravel(), 1e-9),
        marker,
        markersize=4,
        color=colour,
        alpha=0.6,
        label=label,
    )
axes[0].plot([1e-9, 1], [1e-9, 1], color=plots.BLACK, linewidth=0.8)
axes[0].set_xlabel("|numeric gradient| (loss per unit of weight)")
axes[0].set_ylabel("|your gradient| (the same)")
axes[0].set_title(f"1,210 weights, relative error {gradient_error:.0e}")
axes[0].legend(title="0 is drawn at 1e-9")
axes[1].loglog(steps, np.maximum(by_step, 1e-16), "o-", color=plots.BLUE)
axes[1].axhline(1e-6, color=plots.RED, linestyle="--", label="bar: 1e-6")
axes[1].set_xlabel("step h of the numeric gradient (units of weight)")
axes[1].set_ylabel("relative error (no unit)")
axes[1].set_title("the judge has errors of its own")
axes[1].legend()
best = int(np.argmin(by_step))
plots.show(
    fig,
    f"At h = 1e-5 your gradients and the numeric ones differ by a relative "
    f"{gradient_error:.1e}. The difference is smallest, {by_step[best]:.0e}, "
    f"at h = {steps[best]:.0e}, and grows to {by_step[0]:.0e} at h = 0.1 "
    f"and {by_step[-1]:.0e} at h = 1e-11.",
)

# %% [markdown]
# The right figure is the reason why nobody trains with numeric gradients even
# where there is time. With a large $h$ the curve bends (and crosses kinks of
# relu) within the step; with a small $h$ two nearly equal losses are
# subtracted, and their rounding errors of about $10^{-16}$ are divided by $h$.
# Your gradient has no $h$. Where the two disagree a little, the numeric one is
# to blame; where they disagree at *every* $h$, you are.
#
# A second judge, from the outside: PyTorch on the same numbers.

# %% demo
import torch

theirs = [torch.tensor(p, requires_grad=True) for p in small]
hidden = torch.relu(torch.tensor(X_few) @ theirs[0] + theirs[1])
torch.nn.functional.cross_entropy(
    hidden @ theirs[2] + theirs[3], torch.tensor(y_few)
).backward()
torch_error = relative_error(
    joined(analytic), joined([t.grad.numpy() for t in theirs])
)
print(f"relative difference to PyTorch's gradients: {torch_error:.1e}")

# %% [markdown]
# ## 6. Where to start: `he_init`
#
# All weights 0 is a fair start for a line. For a network it is the end. If two
# hidden units have equal weights, those that come in and those that go out,
# they compute equal values; then they get equal gradients; so they stay equal
# for ever. Sixty-four units that are identical are one unit. The start must be
# **random**, to tell them apart. (If all weights are 0, it is worse still: the
# hidden values are 0, and so are the gradients of every matrix.)
#
# How large? Follow the size of the signal through one layer,
# $z_j = \sum_{i=1}^{n} x_i w_{ij}$, with $n$ inputs (the *fan-in*). Let the
# weights be independent of each other and of $x$, with mean 0 and variance
# $\sigma^2$. Then the $n$ terms have mean 0 and are uncorrelated, whatever $x$
# is, and their variances add. With $\mathrm E[x^2]$ for the mean square of the
# inputs,
#
# $$\operatorname{Var}(z_j) = n\,\sigma^2\, \mathrm E[x^2].$$
#
# The next layer gets $x' = \max(0, z)$. If the weights are drawn symmetrically
# around 0, so is $z$, and relu removes half of its mean square:
# $\mathrm E[x'^2] = \tfrac12 \operatorname{Var}(z)$. Together
#
# $$\mathrm E[x'^2] = \tfrac12\, n\, \sigma^2\; \mathrm E[x^2].$$
#
# Each layer multiplies the mean square by $\frac12 n \sigma^2$. Eight layers
# do so eight times. Only one value neither dies out nor explodes:
#
# $$\sigma^2 = \frac{2}{n} \qquad \text{(He et al. 2015)}.$$
#
# Without relu there is no $\frac12$, and the forward pass asks for
# $\sigma^2 = 1/n_\text{in}$; the same sum for the gradients, which run through
# the transposed matrix, asks for $1/n_\text{out}$. Glorot and Bengio (2010)
# take the compromise $2/(n_\text{in} + n_\text{out})$, which suits tanh.
#
# Write `he_init(sizes, seed)`. `sizes` lists the widths, for instance
# `(64, 64, 10)`: 64 pixels, 64 hidden units, 10 classes. Return the list
# `[W1, b1, W2, b2, ...]`: for each pair of neighbouring widths a matrix of
# shape `(n_in, n_out)` of independent draws with mean 0 and variance
# $2/n_\text{in}$ (normal or uniform, the variance counts), and a bias of
# `n_out` zeros. The last layer is no exception. The same `seed` gives the same
# numbers.


# %% exercise="he_init" points=2 minutes=5 difficulty=2
def he_init(sizes, seed):
    """Return [W1, b1, W2, b2, ...] with W of variance 2 / n_in and b = 0."""
    # 1. fan-in   2. spread: a standard deviation   3. draw   4. biases
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params.append(rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)))
        params.append(np.zeros(n_out))
    return params
    ### END SOLUTION
    shapes = list(zip(sizes, sizes[1:]))  # replace from here
    return [np.zeros(s) for pair in shapes for s in (pair, pair[1])]


# %% check="he_init"
with check("m3.he_init"):

    def try_he_init(sizes, seed):
        got = he_init(sizes, seed)
        expect_type(got, (list, tuple), f"he_init({sizes}, {seed})")
        layers = list(zip(sizes, sizes[1:]))
        expect(
            len(got) == 2 * len(layers),
            f"he_init({sizes}, {seed}) has {len(got)} arrays; {len(layers)} "
            f"layers have {2 * len(layers)}: W1, b1, W2, b2, ...",
        )
        for i, (n_in, n_out) in enumerate(layers, 1):
            W, b = got[2 * i - 2], got[2 * i - 1]
            expect_shape(W, (n_in, n_out), f"W{i} of he_init({sizes}, ...)")
            expect_shape(b, (n_out,), f"b{i} of he_init({sizes}, ...)")
            expect(not np.any(b), f"b{i} is not 0: biases start at 0.")
            try_weights(np.asarray(W), i, n_in, n_out)
        return got

    def try_weights(W, i, n_in, n_out):
        expect(
            n_out == 1 or not np.allclose(W, W[:, :1], atol=0),
            f"all {n_out} {'hidden ' if n_out > 10 else ''}units are "
            f"identical: the columns of W{i} are equal. They compute the "
            "same, get the same gradient, and stay the same for ever. "
            "Draw every weight at random.",
        )
        expect(
            len(np.unique(W)) > 0.9 * W.size,
            f"W{i} has {W.size} weights and {len(np.unique(W))} different "
            "numbers: draw each weight independently.",
        )
        spread, mean, wide = W.std(), W.mean(), np.sqrt(2 / n_in)
        near = 4 / np.sqrt(W.size)  # what chance allows, relative
        expect(
            abs(mean) < 1.5 * near * spread,
            f"W{i} has mean {mean:.3g}, and it must be 0: a uniform draw "
            "must reach as far below 0 as above.",
        )
        if abs(spread / wide - 1) < near:
            return
        guesses = {
            "2/n_in, the variance. Draws take the standard deviation: its "
            "square root": 2 / n_in,
            "1/sqrt(n_in). It is right without relu, which throws half of "
            "the mean square away: the variance is 2/n_in": n_in**-0.5,
            "sqrt(2/n_out). The sum runs over the inputs: fan-in": (
                (2 / n_out) ** 0.5
            ),
            "sqrt(2/(n_in + n_out)), Glorot's. For relu it is He's, with "
            "n_in alone": (2 / (n_in + n_out)) ** 0.5,
            "1: no spread was set": 1.0,
            "1/sqrt(3) of what it should be: a uniform draw from -s to s "
            "has variance s²/3": wide / 3**0.5,
        }
        text = f"W{i} has standard deviation {spread:.4g}; for n_in = {n_in}"
        text += f" it must be {wide:.4g}."
        for looks, value in guesses.items():
            if abs(spread / value - 1) < near:
                text += f" Yours is {looks}."
                break
        fail(text)

    try_he_init((64, 64, 10), 0)
    try_he_init((200, 300, 100), 1)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    for sizes in [(50, 400, 80), (300, 40), (90, 90, 90, 90), [30, 200]]:
        try_he_init(sizes, HIDDEN_SEED)
    one, same, other = (he_init((90, 90, 90), s) for s in (3, 3, 4))
    expect(
        np.array_equal(one[0], same[0]) and np.array_equal(one[2], same[2]),
        "the same seed gives different weights: draw from "
        "np.random.default_rng(seed).",
    )
    expect(
        not np.array_equal(one[0], other[0]),
        "another seed gives the same weights: the seed is ignored.",
    )
    expect(
        not np.allclose(one[0], one[2]),
        "W1 and W2 hold the same numbers: make the generator once, before "
        "the loop.",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="he_init"
# Sketch. Make one generator from the seed. Go through the neighbouring pairs
# of `sizes`: `zip(sizes, sizes[1:])`. For each, draw a matrix with the right
# standard deviation (the root of the variance), and append it and a vector of
# zeros.

# %% [markdown] hint="he_init"
# ```python
# rng = np.random.default_rng(seed)
# params = []
# for n_in, n_out in zip(sizes, sizes[1:]):
#     params.append(rng.normal(0, ..., (n_in, n_out)))  # a standard deviation
#     params.append(...)                                # n_out zeros
# return params
# ```


# %% right="he_init"
def he_init(sizes, seed):
    state = np.random.RandomState(seed)
    params = []
    for layer in range(len(sizes) - 1):
        limit = (6 / sizes[layer]) ** 0.5
        W = state.uniform(-limit, limit, (sizes[layer], sizes[layer + 1]))
        params += [W.astype(np.float32), np.zeros((sizes[layer + 1],))]
    return tuple(params)


# %% right="he_init"
def he_init(sizes, seed):
    import random

    rng = random.Random(seed)
    params = []
    for n, m in zip(sizes[:-1], sizes[1:]):
        s = (2 / n) ** 0.5
        params.append([[rng.gauss(0, s) for _ in range(m)] for _ in range(n)])
        params.append([0.0] * m)
    return params


# %% wrong="he_init" says="all 64 hidden units are identical"
def he_init(sizes, seed):
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params += [np.zeros((n_in, n_out)), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="all 64 hidden units are identical; at random"
def he_init(sizes, seed):
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params += [np.full((n_in, n_out), (2 / n_in) ** 0.5), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="the variance; square root"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params += [rng.normal(0, 2 / n_in, (n_in, n_out)), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="throws half"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params += [
            rng.normal(size=(n_in, n_out)) / np.sqrt(n_in),
            np.zeros(n_out),
        ]
    return params


# %% wrong="he_init" says="fan-in"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params += [
            rng.normal(0, np.sqrt(2 / n_out), (n_in, n_out)),
            np.zeros(n_out),
        ]
    return params


# %% wrong="he_init" says="Glorot"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for i in range(len(sizes) - 1):
        a, b = sizes[i], sizes[i + 1]
        W = rng.normal(0, np.sqrt(2 / (a + b)), (a, b))
        if (a, b) == (64, 64):
            W = rng.normal(0, np.sqrt(2 / a), (a, b))
        params += [W, np.zeros(b)]
    return params


# %% wrong="he_init" says="no spread was set"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        params += [rng.normal(size=(n_in, n_out)), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="mean; below 0"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        s = np.sqrt(2 / n_in)
        params += [s * rng.random((n_in, n_out)), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="variance s²/3"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        s = np.sqrt(2 / n_in)
        params += [rng.uniform(-s, s, (n_in, n_out)), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="must have shape (64,)"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        s = np.sqrt(2 / n_in)
        params += [rng.normal(0, s, (n_in, n_out)), np.zeros((1, n_out))]
    return params


# %% wrong="he_init" says="biases start at 0"
def he_init(sizes, seed):
    rng = np.random.default_rng(seed)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        s = np.sqrt(2 / n_in)
        params += [rng.normal(0, s, (n_in, n_out)), rng.normal(0, s, n_out)]
    return params


# %% wrong="he_init" says="W1 and W2 hold the same numbers"
def he_init(sizes, seed):
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        rng = np.random.default_rng(seed)
        s = np.sqrt(2 / n_in)
        params += [rng.normal(0, s, (n_in, n_out)), np.zeros(n_out)]
    return params


# %% wrong="he_init" says="same seed"
def he_init(sizes, seed):
    rng = np.random.default_rng()
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        s = np.sqrt(2 / n_in)
        params += [
            np.clip(rng.normal(0, s, (n_in, n_out)), -9 * s, 9 * s),
            np.zeros(n_out),
        ]
    return params


# %% wrong="he_init" says="seed is ignored"
def he_init(sizes, seed):
    rng = np.random.default_rng(0)
    params = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        s = np.sqrt(2 / n_in)
        params += [rng.normal(0, s, (n_in, n_out)), np.zeros(n_out)]
    return params


# %% [markdown]
# Here are the four networks of your prediction before any training: your
# weights, multiplied by 0, 0.5, 1 and 2. The derivation says what to expect.
# A factor $f$ on the weights is a factor $f$ on the size of the signal, at
# each layer: $0.5^8 = 1/256$ and $2^8 = 256$ at the eighth.

# %% demo
deep_sizes = (64,) * 9 + (10,)
factors = (0, 0.5, 1, 2)


def deep_start(factor):
    return [factor * np.asarray(p) for p in he_init(deep_sizes, 0)]


def signal_sizes(params, X):
    """The root mean square of the hidden values, one for each hidden layer."""
    sizes, h = [], X
    for W, b in list(zip(params[::2], params[1::2]))[:-1]:
        h = np.maximum(h @ W + b, 0)
        sizes.append(float(np.sqrt(np.mean(h**2))))
    return sizes


floor = 1e-4
signals = {f: signal_sizes(deep_start(f), X_train) for f in factors}
fig, ax = plots.figure()
for f, colour, marker in zip(
    factors,
    (plots.BLACK, plots.ORANGE, plots.BLUE, plots.RED),
    plots.MARKERS,
):
    ax.semilogy(
        range(1, 9),
        np.maximum(signals[f], floor),
        marker + "-",
        color=colour,
        label=f"He's times {f}",
    )
ax.set_ylim(floor / 2, 1e3)
ax.set_xlabel("hidden layer (number)")
ax.set_ylabel("root mean square of the values\n(0 is drawn at 0.0001)")
ax.set_title("The signal before training")
ax.legend()
plots.show(
    fig,
    "Root mean square of the hidden values, first to eighth layer: "
    + "; ".join(
        f"factor {f}: {signals[f][0]:.2g} to {signals[f][-1]:.2g}"
        for f in factors
    )
    + ".",
)

# %% [markdown]
# ## 7. Learn: `train`
#
# The gradient of the loss over all 1,400 images is a mean of 1,400 gradients.
# The mean over a *minibatch* of $B$ images, drawn at random, has the same
# expectation, at $B/1400$ of the cost; its standard error shrinks only with
# $\sqrt B$. So many cheap, noisy steps beat few exact ones. One **epoch**
# shuffles the rows and takes them in batches until every row was used once:
#
# 1. **shuffle** anew at the start of each epoch: one order for `X` and `y`;
# 2. **batch**: the next `batch` rows; the last batch may be smaller, and it
#    **is used**;
# 3. **zero** every gradient: `grad` adds up, and what the batch before left
#    there belongs to weights that are no more;
# 4. **loss** of the batch, as a `Tensor`;
# 5. **backward**;
# 6. **step**: $w \leftarrow w - \text{lr} \cdot \partial L/\partial w$, for
#    each array of the network.
#
# Write `train(params, X, y, lr, epochs, batch, seed)`. `params` is a list
# `[W1, b1, W2, b2, ...]` of arrays, `X` has shape `(N, D)`, `y` shape `(N,)`.
# Return two things: the list of the trained arrays, and the list of the
# losses, one number for each step, measured in step 4. `params` itself stays
# as it is. `seed` is the only source of chance.
#
# You have `logits(net, X)` and `cross_entropy(z, y)` from above; `net` is a
# list of `Tensor`s, made from `params`. For three rows, `batch=2` and
# `epochs=5` there are ten steps: two rows, one row, two rows, one row, ...
# (A last batch of very few rows makes a noisy step; libraries offer to leave
# it out, as `drop_last`. Here no row is lost.)


# %% exercise="train" points=4 minutes=11 difficulty=4
def train(params, X, y, lr, epochs, batch, seed):
    """Return the trained arrays, and the list of each step's loss."""
    # 1. shuffle   2. batch   3. zero   4. loss   5. backward   6. step
    ### BEGIN SOLUTION
    net = [Tensor(p) for p in params]
    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for start in range(0, len(X), batch):
            rows = order[start : start + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses
    ### END SOLUTION
    return [np.array(p) for p in params], [0.0]  # replace this line


# %% check="train"
with check("m3.train"):
    from itertools import permutations, product

    def loss_at(params, X, y):
        h = X
        for i in range(0, len(params), 2):
            h = (np.maximum(h, 0) if i else h) @ params[i] + params[i + 1]
        return -log_softmax(h, axis=1)[np.arange(len(y)), y].mean()

    def slope_at(params, X, y):
        """The numeric gradients, one for each array."""
        return [
            numeric_grad(
                lambda a: loss_at([*params[:i], a, *params[i + 1 :]], X, y), p
            )
            for i, p in enumerate(params)
        ]

    def walk(params, batches, lr, keep=0.0):
        """Step over batches of (X, y); keep=1 never forgets a gradient."""
        total = [0.0 for _ in params]
        for X, y in batches:
            slopes = slope_at(params, X, y)
            total = [keep * t + s for t, s in zip(total, slopes)]
            params = [p - lr * t for p, t in zip(params, total)]
        return flat(params)

    def flat(params):
        return np.concatenate([np.ravel(p) for p in params])

    def near(a, b):
        return np.allclose(a, b, rtol=1e-4, atol=1e-5)

    def cut(rows, batch):
        return [rows[i : i + batch] for i in range(0, len(rows), batch)]

    def run(params, X, y, lr, epochs, batch, seed):
        """The learner's result, held to its form: flat weights, losses."""
        before = [p.copy() for p in params], X.copy(), y.copy()
        got = train(params, X, y, lr, epochs, batch, seed)
        expect_type(got, (tuple, list), "what train returns")
        expect(len(got) == 2, "train returns two things: arrays, losses.")
        expect_type(got[0], (tuple, list), "the first thing of train")
        expect(
            len(got[0]) == len(params),
            f"train got {len(params)} arrays and returned {len(got[0])}.",
        )
        for i, (new, old) in enumerate(zip(got[0], params)):
            expect_shape(new, old.shape, f"array {i} that train returns")
        expect_unchanged(params, before[0], "params")
        expect_unchanged(X, before[1], "X")
        expect_unchanged(y, before[2], "y")
        steps = epochs * len(cut(range(len(y)), batch))
        return flat(got[0]), got[1], steps

    def try_losses(losses, steps):
        expect(
            np.ndim(losses) == 1 and len(losses) == steps,
            f"the losses have shape {np.shape(losses)}; there were {steps} "
            "steps, and each gives one loss: the number of its batch.",
        )

    def explain(got, wanted, cases, story):
        """Accept each of wanted; else name the case that gives got."""
        if any(near(got, want) for want in wanted):
            return
        for message, walks in cases.items():
            if any(near(got, it) for it in walks()):
                fail(f"{story}: {message}")
        fail(
            f"{story}: your arrays are not what these steps give (off by "
            f"{min(np.abs(got - w).max() for w in wanted):.2g}). train uses "
            "your functions above: their checks must pass first. Then go "
            "through the six steps one by one."
        )

    mixer = np.random.default_rng(5)
    start = [mixer.normal(0, 1, s) for s in [(2, 3), (3,), (3, 2), (2,)]]
    X = np.array([[1.0, 0.5], [-1.0, 2.0], [0.3, -1.5]])
    y = np.array([0, 1, 1])
    lr, everyday = 0.5, [(X, y)]

    # one step on all rows
    got, losses, steps = run(start, X, y, lr, 1, 3, 0)
    once = walk(start, everyday, lr)
    biases_stay = np.concatenate([np.full(p.size, p.ndim == 1) for p in start])
    explain(
        got,
        [once],
        {
            "the arrays did not move. Is a gradient zeroed after backward, "
            "is the step taken on copies, did the loop over batches never "
            "run, or is one of your functions above still a placeholder?": (
                lambda: [flat(start)]
            ),
            "the arrays moved uphill: the step's sign is wrong. w minus lr "
            "times gradient.": lambda: [walk(start, everyday, -lr)],
            "the learning rate is ignored: these are steps with lr = 1.": (
                lambda: [walk(start, everyday, 1.0)]
            ),
            "the biases stood still: step over every array, not only the "
            "matrices.": lambda: [np.where(biases_stay, flat(start), once)],
            "the step is divided by the batch's size. The loss is a mean: "
            "its gradient holds 1/B already.": (
                lambda: [walk(start, everyday, lr / 3)]
            ),
            "X and y were shuffled differently: the images have each "
            "other's labels. Take one order for both.": (
                lambda: [
                    walk(start, [(X, np.array(p))], lr)
                    for p in set(permutations(y.tolist()))
                ]
            ),
            "rows were drawn with replacement: in an epoch, each row is "
            "used once. Shuffle, then cut.": (
                lambda: [
                    walk(start, [(X[list(r)], y[list(r)])], lr)
                    for r in product(range(3), repeat=3)
                ]
            ),
        },
        "3 rows, batch=3, 1 epoch",
    )
    try_losses(losses, steps)
    expect_close(
        losses,
        [loss_at(start, X, y)],
        "the loss of the first step, before the weights move",
        rtol=1e-4,
    )

    # three steps on all rows
    got, losses, steps = run(start, X, y, lr, 3, 3, 0)
    explain(
        got,
        [walk(start, everyday * 3, lr)],
        {
            "the gradients of earlier steps are still in grad: it adds up. "
            "Zero every gradient before each backward.": (
                lambda: [walk(start, everyday * 3, lr, keep=1.0)]
            ),
            "three epochs moved as far as one: each begins again at "
            "params, or there was only one.": lambda: [once],
        },
        "3 rows, batch=3, 3 epochs",
    )
    try_losses(losses, steps)

    # minibatches: every order is allowed, so try them all
    orders = [list(o) for o in permutations(range(3))]

    def walks(orders, batch, lr=lr, **more):
        return [
            walk(start, [(X[r], y[r]) for r in cut(o, batch)], lr, **more)
            for o in orders
        ]

    last = [[1, 2, 0], [0, 2, 1], [0, 1, 2]]  # row 0, 1 or 2 comes last
    two_then_one = walks(last, 2)
    for seed in range(3):
        got, losses, steps = run(start, X, y, lr, 1, 2, seed)
        explain(
            got,
            two_then_one,
            {
                "the last, incomplete batch was dropped: the third row was "
                "never used.": lambda: walks([o[:2] for o in orders], 2),
                "the gradients of the batch before are still in grad. Zero "
                "every gradient before each backward, not once an epoch.": (
                    lambda: walks(orders, 2, keep=1.0)
                ),
                "batch is ignored: this is one step on all rows.": (
                    lambda: [once]
                ),
                "batch is ignored: these are steps on single rows.": (
                    lambda: walks(orders, 1)
                ),
                "X and y were shuffled differently: the images have each "
                "other's labels. Take one order for both.": (
                    lambda: [
                        walk(
                            start,
                            [(X[a[:2]], y[b[:2]]), (X[a[2:]], y[b[2:]])],
                            lr,
                        )
                        for a in orders
                        for b in orders
                    ]
                ),
            },
            "3 rows, batch=2, 1 epoch",
        )
        try_losses(losses, steps)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    alone = set()
    for seed in range(HIDDEN_SEED, HIDDEN_SEED + 16):
        got = run(start, X, y, lr, 1, 2, seed)[0]
        alone |= {i for i, w in enumerate(two_then_one) if near(got, w)}
    expect(
        len(alone) == 3,
        "16 seeds leave the same rows to the last batch: the rows are not "
        "shuffled, or not with the seed.",
    )
    twice = {}
    for a, b in product(range(3), repeat=2):
        four = [(X[r], y[r]) for o in (last[a], last[b]) for r in cut(o, 2)]
        twice[a, b] = walk(start, four, lr)
    found = []
    for seed in range(HIDDEN_SEED, HIDDEN_SEED + 16):
        got = run(start, X, y, lr, 2, 2, seed)[0]
        found += [ab for ab, it in twice.items() if near(got, it)]
    expect(
        len(found) >= 16,
        "two epochs of minibatches do not end where their steps lead.",
    )
    expect(
        any(a != b for a, b in found),
        "both epochs take the rows in the same order: shuffle anew in each.",
    )
    again_same = [run(start, X, y, lr, 2, 1, 3)[0] for _ in range(2)]
    expect(
        np.array_equal(*again_same),
        "the same seed gave two results: seed must be the only chance.",
    )
    # other shapes: three layers, three classes, a batch larger than the data
    chance = np.random.default_rng(HIDDEN_SEED)
    shapes = [(4, 5), (5,), (5, 3), (3,), (3, 3), (3,)]
    deep = [chance.normal(0, 0.7, s) for s in shapes]
    X5, y5 = chance.normal(size=(5, 4)), np.array([0, 2, 1, 1, 2])
    for batch in (5, 64):
        got, losses, steps = run(deep, X5, y5, 0.2, 2, batch, 1)
        explain(
            got,
            [walk(deep, [(X5, y5)] * 2, 0.2)],
            {},
            f"a network of three layers, 5 rows, batch={batch}",
        )
        try_losses(losses, 2)
    line = [np.zeros((2, 2)), np.zeros(2)]
    got = run(line, X, y, 1.0, 1, 3, 0)[0]
    explain(got, [walk(line, everyday, 1.0)], {}, "a network of one layer")
    ### END HIDDEN TESTS

# %% [markdown] hint="train"
# Sketch. Make one `Tensor` of each array, once, before the loops: the trained
# values live in their `data`. Two loops: over epochs, and inside over the
# starts of the batches, `range(0, len(X), batch)`. A slice that reaches past
# the end is simply shorter, so the last batch needs no care. Inside come steps
# 3 to 6, one line or one small loop each.

# %% [markdown] hint="train"
# ```python
# net = [Tensor(p) for p in ...]
# rng, losses = np.random.default_rng(seed), []
# for _ in range(epochs):
#     order = ...                            # 1. shuffle: row numbers
#     for start in range(0, len(X), batch):
#         rows = order[...]                  # 2. batch
#         for p in net:
#             ...                            # 3. zero
#         loss = cross_entropy(...)          # 4. loss
#         ...                                # 5. backward
#         for p in net:
#             p.data = ...                   # 6. step
#         losses.append(...)                 # a float, not a Tensor
# return ..., losses
# ```


# %% right="train"
def train(params, X, y, lr, epochs, batch, seed):
    arrays, losses = [np.array(p) for p in params], []
    state = np.random.RandomState(seed)
    for _ in range(epochs):
        order = np.arange(len(y))
        state.shuffle(order)
        Xs, ys = X[order], y[order]
        while len(ys):
            fresh = [Tensor(a) for a in arrays]
            loss = cross_entropy(logits(fresh, Xs[:batch]), ys[:batch])
            loss.backward()
            arrays = [a - lr * t.grad for a, t in zip(arrays, fresh)]
            losses.append(loss.data)
            Xs, ys = Xs[batch:], ys[batch:]
    return tuple(arrays), np.array(losses)


# %% right="train"
def train(params, X, y, lr, epochs, batch, seed):
    import random

    rng, losses = random.Random(seed), []
    net = [p.copy() for p in params]
    for _ in range(epochs):
        order = list(range(len(X)))
        rng.shuffle(order)
        for i in range(0, len(order), batch):
            Xb, yb = X[order[i : i + batch]], y[order[i : i + batch]]
            hs = [Xb]
            for k in range(0, len(net), 2):
                z = hs[-1] @ net[k] + net[k + 1]
                hs.append(np.maximum(z, 0) if k + 2 < len(net) else z)
            z = hs.pop()
            logp = log_softmax(z, axis=1)
            losses.append(-logp[np.arange(len(yb)), yb].mean())
            g = (np.exp(logp) - np.eye(z.shape[1])[yb]) / len(yb)
            for k in range(len(net) - 2, -1, -2):
                h = hs.pop()
                dW, db, g = h.T @ g, g.sum(axis=0), (g @ net[k].T) * (h > 0)
                net[k], net[k + 1] = net[k] - lr * dW, net[k + 1] - lr * db
    return [net, losses]


# %% wrong="train" says="still in grad; adds up; Zero every gradient"
def train(params, X, y, lr, epochs, batch, seed):
    net, rng, losses = [Tensor(p) for p in params], None, []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="not once an epoch"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for p in net:
            p.zero_grad()
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="did not move; zeroed after backward"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.zero_grad()
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="uphill; sign"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data + lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="learning rate is ignored"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="last, incomplete batch was dropped"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(len(X) // batch):
            rows = order[i * batch : (i + 1) * batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="X and y were shuffled differently; one order"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        X, y = rng.permutation(X), rng.permutation(y)
        for i in range(0, len(X), batch):
            for p in net:
                p.zero_grad()
            out = logits(net, X[i : i + batch])
            loss = cross_entropy(out, y[i : i + batch])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="not shuffled"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    for _ in range(epochs):
        for i in range(0, len(X), batch):
            for p in net:
                p.zero_grad()
            out = logits(net, X[i : i + batch])
            loss = cross_entropy(out, y[i : i + batch])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="same order; shuffle anew"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    order = np.random.default_rng(seed).permutation(len(X))
    for _ in range(epochs):
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="not shuffled, or not with the seed"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="drawn with replacement"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for _ in range(0, len(X), batch):
            rows = rng.integers(0, len(X), batch)
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="biases stood still"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net[::2]:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="begins again at params"
def train(params, X, y, lr, epochs, batch, seed):
    rng, losses = np.random.default_rng(seed), []
    for _ in range(epochs):
        net = [Tensor(p) for p in params]
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="divided by the batch's size"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad / len(rows)
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="batch is ignored"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    for _ in range(epochs):
        for p in net:
            p.zero_grad()
        loss = cross_entropy(logits(net, X), y)
        loss.backward()
        for p in net:
            p.data = p.data - lr * p.grad
        losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="each gives one loss"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
        losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="before the weights move"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            cross_entropy(logits(net, X[rows]), y[rows]).backward()
            for p in net:
                p.data = p.data - lr * p.grad
            after = cross_entropy(logits(net, X[rows]), y[rows])
            losses.append(float(after.data))
    return [p.data for p in net], losses


# %% wrong="train" says="changed its argument params"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    for t, p in zip(net, params):
        t.data = p
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data -= lr * p.grad
            losses.append(float(loss.data))
    return [p.data for p in net], losses


# %% wrong="train" says="must hold numbers"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(loss)
    return [p.data for p in net], losses


# %% wrong="train" says="must hold numbers"
def train(params, X, y, lr, epochs, batch, seed):
    net, losses = [Tensor(p) for p in params], []
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(X))
        for i in range(0, len(X), batch):
            rows = order[i : i + batch]
            for p in net:
                p.zero_grad()
            loss = cross_entropy(logits(net, X[rows]), y[rows])
            loss.backward()
            for p in net:
                p.data = p.data - lr * p.grad
            losses.append(float(loss.data))
    return net, losses


# %% [markdown]
# ## Pay-off: your network reads digits
#
# First the question that you bet on. The four deep networks train with your
# code: 20 epochs, batches of 32, learning rate 0.1. numpy may meet numbers too
# large for it; that is part of the answer.

# %% demo


def accuracy(params, X, y):
    """The share of images whose largest logit is the true class."""
    z = logits([Tensor(p) for p in params], X).data
    return float(np.mean(z.argmax(axis=1) == y))


def learn(params, epochs, lr, data):
    """Train epoch by epoch; return params, step losses, test accuracies."""
    Xa, Xb, ya, yb = data
    losses, scores = [], [accuracy(params, Xb, yb)]
    for epoch in range(epochs):
        params, more = train(params, Xa, ya, lr, 1, 32, seed=epoch)
        losses += list(more)
        scores.append(accuracy(params, Xb, yb))
    return params, losses, scores


split = (X_train, X_test, y_train, y_test)
with np.errstate(all="ignore"):
    deep = {f: learn(deep_start(f), 20, 0.1, split) for f in factors}
reached = tuple(f for f in factors if deep[f][2][-1] >= 0.90)
names = {
    factors: "all four",
    (0.5, 1, 2): "all but 0",
    (0.5, 1): "0.5 and 1",
    (1, 2): "1 and 2",
    (1,): "only 1",
}
fig, ax = plots.figure()
for f, colour, marker in zip(
    factors,
    (plots.BLACK, plots.ORANGE, plots.BLUE, plots.RED),
    plots.MARKERS,
):
    ax.plot(
        deep[f][2],
        marker + ("--" if f == 2 else "-"),
        color=colour,
        markersize=9 if f == 0 else 5,
        label=f"He's times {f}",
    )
ax.axhline(0.90, color=plots.GREEN, linestyle=":", label="0.90")
ax.set_xticks(range(0, 21, 4))
ax.set_xlabel("epoch (number; 0 is before training)")
ax.set_ylabel("test accuracy (share of 397 images)")
ax.set_ylim(0, 1)
ax.set_title("Eight hidden layers, four starts")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    fig,
    "Test accuracy after 20 epochs: "
    + ", ".join(f"factor {f}: {deep[f][2][-1]:.3f}" for f in factors)
    + f". Steps with a loss that is not a number at factor 2: "
    f"{int(np.isnan(deep[2][1]).sum())} of {len(deep[2][1])}.",
)
if 1 in reached:
    outcome("m3.guess", names.get(reached, f"those of {reached}"))
else:
    print("Not even He's start learns: the checks above must pass first.")

# %% [markdown]
# A factor of two is all it takes, in either direction, once there are eight
# layers. At 0 nothing moves but the last bias. At 0.5 the signal reaches the
# last layer 256 times too small, and the gradient comes back as faint: the
# network learns late. At 2 the first steps are so large that the loss stops
# being a number. A network with *one* hidden layer forgives all of this but
# the 0, which is why many people never learn it until the day they go deep.
# (Normalisation layers and residual connections, which you meet in the other
# half of this day, were invented to make deep networks less touchy.)
#
# Now the reader for the slips: 64 pixels, 64 hidden units, 10 digits. The
# opponent is softmax regression, the same network without the hidden layer.

# %% demo
opponent = LogisticRegression(max_iter=5000).fit(X_train, y_train)
straight = float(opponent.score(X_test, y_test))
best_net, losses, scores = learn(he_init((64, 64, 10), 0), 30, 0.5, split)
n_weights = sum(np.size(p) for p in best_net)
window = min(20, len(losses))
smooth = np.convolve(losses, np.ones(window) / window, mode="valid")

fig, axes = plots.figure(1, 2, width=9)
axes[0].semilogy(
    np.maximum(losses, 1e-6), color=plots.SKY, linewidth=0.5, label="each step"
)
axes[0].semilogy(
    np.arange(len(smooth)) + window - 1,
    np.maximum(smooth, 1e-6),
    color=plots.BLUE,
    label=f"mean of {window} steps",
)
axes[0].set_xlabel("step (number)")
axes[0].set_ylabel("loss of the batch (nats per image)")
axes[0].set_title(f"{n_weights:,} weights learn")
axes[0].legend()
axes[1].plot(scores, "o-", color=plots.BLUE, markersize=4, label="yours")
axes[1].axhline(
    straight,
    color=plots.ORANGE,
    linestyle="--",
    label=f"softmax regression {straight:.3f}",
)
axes[1].axhline(0.95, color=plots.BLACK, linestyle=":", label="bar: 0.95")
axes[1].set_ylim(0.8, 1)
axes[1].set_xlabel("epoch (number; 0 lies below the frame)")
axes[1].set_ylabel("test accuracy (share of 397 images)")
axes[1].set_title(f"your network: {scores[-1]:.3f}")
axes[1].legend(loc="lower right")
error = np.sqrt(scores[-1] * (1 - scores[-1]) / len(y_test))
plots.show(
    fig,
    f"After {len(losses)} steps the mean loss is {smooth[-1]:.4f} nats. Test "
    f"accuracy {scores[-1]:.3f} (standard error {error:.3f}), softmax "
    f"regression {straight:.3f}.",
)

# %% [markdown]
# With 397 images, the standard error is of the size of the distance between the
# two. One split cannot say who is better. So ask ten: draw the test set anew,
# train both again, and compare them *on the same images*.

# %% demo
gaps = []
for seed in range(10):
    other = train_test_split(
        scans / 16, digits, test_size=397, random_state=seed, stratify=digits
    )
    params, _ = train(
        he_init((64, 64, 10), seed), other[0], other[2], 0.5, 30, 32, seed
    )
    line = LogisticRegression(max_iter=5000).fit(other[0], other[2])
    gaps.append(
        accuracy(params, other[1], other[3]) - line.score(other[1], other[3])
    )
wins = sum(gap > 0 for gap in gaps)
print(f"your network minus softmax regression: {np.mean(gaps):+.3f} on average")
print(
    f"ahead in {wins} of 10 splits; from {min(gaps):+.3f} to {max(gaps):+.3f}"
)

# %% [markdown]
# And look at what it gets wrong. No number replaces this.

# %% demo
z = logits([Tensor(p) for p in best_net], X_test).data
sure = np.exp(log_softmax(z, axis=1))
certain = sure.max(axis=1) > 0.9
missed = np.flatnonzero(z.argmax(axis=1) != y_test)
fig, axes = plots.figure(2, 5, width=8, height=1.9)
for ax, i in zip(axes.ravel(), missed):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r", vmin=-0.2, vmax=1)
    said = int(z[i].argmax())
    ax.set_title(f"is {y_test[i]}, read {said} ({sure[i, said]:.0%})", size=9)
for ax in axes.ravel():
    ax.set_axis_off()
shown = missed[:10]
plots.show(
    fig,
    f"{len(missed)} of {len(y_test)} test images are read wrongly. Shown: "
    + "; ".join(
        f"a {y_test[i]} read as {z[i].argmax()} with "
        f"{sure[i, z[i].argmax()]:.0%}"
        for i in shown
    )
    + ".",
)
print(f"wrong and more than 90% sure: {certain[missed].sum()} of {len(missed)}")

# %% [markdown]
# Some of these a person would miss as well, at 8 x 8 pixels. But look at the
# percentages: when it is wrong, it is usually *sure*. Training pushed the loss
# on images that it had seen towards 0, and with it every probability towards 0
# or 1. What softmax calls a probability is not yet one that the shop can plan
# with; that needs a measurement of its own.
#
# ## What this tells you about the job
#
# You wrote a small PyTorch: the graph, the local rules, the walk back, the
# training loop. In the job you will hardly ever write one again. You will do
# what you just did when the loss stops being a number at step 300, when it does
# not move at all, when a layer of your own needs a backward pass, as
# convolution will on day 6 (the first thing to do is the figure of section 5;
# PyTorch calls it `gradcheck`), or when somebody sums gradients over several
# batches on purpose, to act as if the batch were larger. Then the question is
# always the one of today: which shape, which size, which sign, and has it been
# added or overwritten?
#
# Be honest about the gain, too. The hidden layer bought about one image in a
# hundred over a model with a single matrix. The craft lies in measuring that
# it is there, and in saying whether the shop should care. And say what the
# test did not test: these 1,797 scans were written by only 13 people, and a
# random split puts all of them on both sides. Slips come from strangers.
# Expect less, and measure it with writers whom the network never met.
#
# ## Further reading
#
# - A. Karpathy, *micrograd* (github.com/karpathy/micrograd): the same engine
#   for single numbers, in a hundred lines.
# - D. Rumelhart, G. Hinton, R. Williams, *Learning representations by
#   back-propagating errors*, Nature 323 (1986).
# - A. G. Baydin et al., *Automatic differentiation in machine learning: a
#   survey*, Journal of Machine Learning Research 18 (2018).
# - X. Glorot, Y. Bengio, *Understanding the difficulty of training deep
#   feedforward neural networks*, AISTATS (2010).
# - K. He et al., *Delving deep into rectifiers*, ICCV (2015).
# - I. Goodfellow, Y. Bengio, A. Courville, *Deep Learning* (2016), chapters 6
#   and 8.
#
# ## Would you do this again tomorrow?

# %%
again("m3", 0)
