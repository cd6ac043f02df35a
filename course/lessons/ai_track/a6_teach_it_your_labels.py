# ---
# jupyter:
#   crossroads:
#     id: a6
#     track: ai_track
#     title: Teach it your labels
#     partner: m6
#     assets: [smollm2, minilm, squad]
#     cpu_s: 60
# ---

# %% [markdown]
# # A6 · Teach it your labels
#
# *Day 6, the AI engineer's half. The other half of the day is M6.*
#
# On day 2 you sorted *Lampa*'s tickets with prompts alone: describe the task, show examples,
# calibrate. You took the model as it was. Your manager has read a headline: "Fine-tune
# your own model for the price of a coffee". She asks three things.
#
# 1. *Can we teach the model our eight labels, on a laptop, from 80 tickets?*
# 2. *What does it forget while it learns?*
# 3. *Is it worth it?*
#
# Today you change the model's weights: by hand, with the method that nearly everybody uses,
# **LoRA**. You write its formula, its start, its place in the network, its batches, its
# training step and its removal. Then you train the real SmolLM2, and see the library `peft`
# do number for number the same.
#
# {{exercises}}
#
# Reading and watching take another ten to fifteen minutes; the training itself about a
# minute and a half.

# %% setup
import math

import numpy as np

from course import plots
from course.feedback import (
    check,
    expect,
    expect_close,
    expect_equal,
    expect_prediction,
    expect_shape,
    expect_type,
    expect_unchanged,
    fail,
)
from course.hints import hint, parsons
from course.progress import again, outcome
from course.tickets import INTENTS, load_tickets

IGNORE = -100  # the label that says: no answer is wanted here

# %% [markdown]
# ## 1 · The task
#
# 240 tickets, 8 intents. They are split by *situation*: if a late parcel is in the training
# set, no late parcel is in the test. So the test asks: did the model learn what "delivery"
# means, or only the words of some tickets?

# %%
tickets = load_tickets()
train, test = tickets.of_split("train"), tickets.of_split("test")
print(len(train), "tickets for training,", len(test), "for the test")
for some in (train[1], train[43], test[2], test[57]):
    print(f"{some.intent:9} {some.situation:24} {some.text[:60]!r}")

# %% [markdown]
# As a text for a language model a ticket becomes `Message: ...`, a line break, and
# `Intent:`. What the model says next is its answer. Each intent's name is a single token.
# The untouched model has never seen this game: it does not say one of our names first for
# any of the tickets. If it may choose among the eight names only, it is right for about a
# fifth of them, where guessing gets an eighth.
#
# ## 2 · Predict
#
# You will train 0.3 % of the model's weights for 30 steps, 8 tickets at a time: each ticket
# is seen three times. **How many of the 80 test tickets will it get right, when it may say
# any word of its vocabulary?** Set `guess` to `"below 25 %"`, `"25 to 45 %"`,
# `"45 to 75 %"` or `"above 75 %"`, and `confidence` to a number from 0 (no idea) to 1
# (certain).

# %% exercise="guess" points=1 minutes=2 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "45 to 75 %", 0.5
### END SOLUTION

# %% check="guess"
with check("a6.guess"):
    bands = ["below 25 %", "25 to 45 %", "45 to 75 %", "above 75 %"]
    expect_prediction("a6.guess", guess, confidence, bands)

# %% right="guess"
guess, confidence = "above 75 %", 0

# %% right="guess"
guess, confidence = "below 25 %", 1.0

# %% wrong="guess" says="confidence; from 0"
guess, confidence = "above 75 %", 90

# %% wrong="guess" says="must be one of"
guess, confidence = 0.75, 0.5

# %% [markdown]
# ## 3 · A small change of a large matrix: `lora`
#
# To train *all* 134,515,008 weights one needs, besides the weights, a gradient and two
# running means for each (that is what the optimiser Adam keeps): four numbers in place of one.
# And one gets a second model of full size, for each task.
#
# The idea of LoRA, *low-rank adaptation* (Hu and others, 2021): leave a matrix $W$ of shape
# $(O, I)$ as it is, and learn only a **change** of it. Write the change as the product of two
# thin matrices, $B$ of shape $(O, r)$ and $A$ of shape $(r, I)$, with a small *rank* $r$:
#
# $$y = W x + \frac{\alpha}{r}\, B A x .$$
#
# For $O = I = 576$ and $r = 8$ the change has $8 \cdot (576 + 576) = 9{,}216$ numbers,
# where $W$ has 331,776. The factor $\alpha/r$ sets how loud the change is. It is there so that
# one can try another $r$ without searching the learning rate again.
#
# Tokens are rows, as on day 3: $W x$ for all rows is `x @ W.T`. And the order of work
# counts: first to $r$ numbers, then up to $O$. Whoever multiplies $BA$ first has a matrix of
# full size again.
#
# **A worked example** with $I = 2$, $O = 2$, $r = 1$, $\alpha = 2$:

# %%
W_toy = np.array([[1.0, 0.0], [0.0, 1.0]])
A_toy, B_toy = np.array([[1.0, 1.0]]), np.array([[0.5], [0.0]])
x_toy = np.array([[3.0, 1.0]])
down = x_toy @ A_toy.T  # to r numbers: 3 + 1
up = down @ B_toy.T  # to O numbers
print("W x =", x_toy @ W_toy.T, " A x =", down, " B A x =", up)
print("y   =", x_toy @ W_toy.T + 2 / 1 * up)

# %% [markdown]
# ### Exercise: `lora`
#
# - **In:** `x` of shape `(..., I)`; `W` of shape `(O, I)`; `A` of shape `(r, I)`; `B` of
#   shape `(O, r)`; the number `alpha`. $r$ is the number of rows of `A`.
# - **Out:** $y$ for each row, shape `(..., O)`.
#
# Use `@`, `.T` and arithmetic only, nothing that begins with `np.`: then the same function
# works on PyTorch's tensors too, and it will have to.


# %% exercise="lora" points=2 minutes=6 difficulty=2
def lora(x, W, A, B, alpha):
    """Return W x + alpha / r * B A x for each row of x, shape (..., O)."""
    # 1. base   2. down to r, up to O   3. scale, add
    ### BEGIN SOLUTION
    change = (x @ A.T) @ B.T
    return x @ W.T + (alpha / A.shape[0]) * change
    ### END SOLUTION
    return x @ W.T  # replace this line


# %% check="lora"
with check("a6.lora"):

    def lora_slow(x, W, A, B, factor):
        """One number of the output after the other."""
        out = np.zeros(x.shape[:-1] + W.shape[:1])
        for place in np.ndindex(out.shape):
            row, o = x[place[:-1]], place[-1]
            total = sum(W[o, i] * row[i] for i in range(W.shape[1]))
            for j in range(A.shape[0]):
                inner = sum(A[j, i] * row[i] for i in range(W.shape[1]))
                total += factor * B[o, j] * inner
            out[place] = total
        return out

    def try_lora(x, W, A, B, alpha):
        r = A.shape[0]
        before = x.copy()
        name = (
            f"lora for x {x.shape}, A {A.shape}, B {B.shape}, alpha = {alpha}"
        )
        try:
            got = lora(x, W, A, B, alpha)
        except ValueError as error:
            fail(
                f"{name}: the shapes do not meet ({error}). Rows are tokens: "
                "x @ A.T goes down to r numbers, @ B.T up to O."
            )
        expect_unchanged(x, before, "x")
        change = lora_slow(x, 0 * W, A, B, alpha / r)
        mistakes = {
            "the change is missing: add alpha / r * B A x.": x @ W.T,
            "the factor alpha / r is missing: the change has another "
            "loudness.": lora_slow(x, W, A, B, 1),
            "you multiply by alpha, not by alpha / r: divide by the rank, the "
            "number of rows of A.": lora_slow(x, W, A, B, alpha),
            "the factor is upside down: alpha / r.": (
                lora_slow(x, W, A, B, r / alpha)
            ),
            "you divide by the length of a row of A. The rank r is the number "
            "of rows of A.": lora_slow(x, W, A, B, alpha / A.shape[1]),
            "W x is missing: the change is added to what the layer did before, "
            "it does not replace it.": change,
            "the factor acts on W x too: it belongs to the change only.": (
                alpha / r * lora_slow(x, W, A, B, 1)
            ),
            "the change is subtracted: add it.": x @ W.T - change,
        }
        want = lora_slow(x, W, A, B, alpha / r)
        expect_close(got, want, name, rtol=1e-5, atol=1e-7, mistakes=mistakes)

    toy = np.random.default_rng(0)
    for shape, O, r, alpha in [((2, 3), 4, 2, 8), ((1, 2, 5), 3, 1, 3.0)]:
        try_lora(
            toy.normal(size=shape),
            toy.normal(size=(O, shape[-1])),
            toy.normal(size=(r, shape[-1])),
            toy.normal(size=(O, r)),
            alpha,
        )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for shape, O, r in [((1, 1), 1, 1), ((5, 4), 4, 4), ((2, 3, 6), 2, 3)]:
        try_lora(
            rng.normal(size=shape),
            rng.normal(size=(O, shape[-1])),
            rng.normal(size=(r, shape[-1])),
            rng.normal(size=(O, r)),
            float(rng.integers(5, 20)),
        )
    ### END HIDDEN TESTS

# %% [markdown] hint="lora"
# Sketch. Three products: the rows times the transposed `W`; the rows times the transposed
# `A`, and that times the transposed `B`. `alpha` divided by the number of rows of `A` stands
# before the second.

# %% [markdown] hint="lora"
# ```python
# base = x @ ...                 # 1. base
# change = (x @ ...) @ ...       # 2. down to r, up to O
# r = ...
# return base + ... * change     # 3. scale, add
# ```


# %% right="lora"
def lora(x, W, A, B, alpha):
    return x @ (W + alpha / len(A) * (B @ A)).T


# %% right="lora"
def lora(x, W, A, B, alpha):
    out = x @ W.T
    for j in range(len(A)):
        out = out + alpha / len(A) * (x @ A[j])[..., None] * B[:, j]
    return out


# %% wrong="lora" says="factor alpha / r is missing"
def lora(x, W, A, B, alpha):
    return x @ W.T + (x @ A.T) @ B.T


# %% wrong="lora" says="not by alpha / r; divide by the rank"
def lora(x, W, A, B, alpha):
    return x @ W.T + alpha * (x @ A.T) @ B.T


# %% wrong="lora" says="upside down"
def lora(x, W, A, B, alpha):
    return x @ W.T + len(A) / alpha * (x @ A.T) @ B.T


# %% wrong="lora" says="number of rows of A"
def lora(x, W, A, B, alpha):
    return x @ W.T + alpha / A.shape[1] * (x @ A.T) @ B.T


# %% wrong="lora" says="W x is missing"
def lora(x, W, A, B, alpha):
    return alpha / len(A) * (x @ A.T) @ B.T


# %% wrong="lora" says="belongs to the change only"
def lora(x, W, A, B, alpha):
    return alpha / len(A) * (x @ W.T + (x @ A.T) @ B.T)


# %% wrong="lora" says="shapes do not meet; down to r"
def lora(x, W, A, B, alpha):
    return x @ W.T + alpha / len(A) * (x @ B.T) @ A.T


# %% wrong="lora" says="subtracted"
def lora(x, W, A, B, alpha):
    return x @ W.T - alpha / len(A) * (x @ A.T) @ B.T


# %% [markdown]
# ## 4 · Where to begin: `fresh`
#
# Before the first step the model should be **exactly** the model that you know. So the change
# must start as 0. There are two ways to get $BA = 0$ that fail, and one that works. Let
# $g = \partial L/\partial y$ be the gradient at the output of one row; then (M3 derives such
# rules)
#
# $$\frac{\partial L}{\partial B} = \tfrac{\alpha}{r}\; g\,(A x)^\top,\qquad
#   \frac{\partial L}{\partial A} = \tfrac{\alpha}{r}\; (B^\top g)\, x^\top .$$
#
# - **Both random:** $BA \ne 0$. The output moved before training.
# - **Both zero:** the output stays. But $Ax = 0$ and $B^\top g = 0$: both gradients are zero,
#   today and for ever. Nothing will be learned.
# - **$A$ random, $B$ zero:** the output stays, and $\partial L/\partial B \ne 0$. After one
#   step $B$ has left zero, and then $A$ learns as well.
#
# How large is the random $A$? If its entries have mean 0 and variance $1/I$, the numbers of
# $Ax$ are of the size of those of $x$: a sum of $I$ terms, each with a variance of $1/I$.
#
# ### Exercise: `fresh`
#
# - **In:** `n_out` ($O$), `n_in` ($I$), `r`, `seed`.
# - **Out:** two arrays, `A` of shape `(r, n_in)` and `B` of shape `(n_out, r)`. `A` is drawn
#   from a normal distribution with mean 0 and standard deviation `1 / sqrt(n_in)`, by
#   `np.random.default_rng(seed)`: the same seed gives the same numbers. `B` is zero.


# %% exercise="fresh" points=2 minutes=5 difficulty=2
def fresh(n_out, n_in, r, seed):
    """Return the start: A, shape (r, n_in), and B, shape (n_out, r)."""
    # 1. A: random, of the right size   2. B: so that nothing moves yet
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(r, n_in)) / math.sqrt(n_in)
    return A, np.zeros((n_out, r))
    ### END SOLUTION
    return np.zeros((r, n_in)), np.zeros((n_out, r))  # replace this line


# %% check="fresh"
with check("a6.fresh"):

    def try_fresh(n_out, n_in, r, seed):
        name = f"fresh({n_out}, {n_in}, r={r}, seed={seed})"
        reply = fresh(n_out, n_in, r, seed)
        expect_type(reply, tuple, name)
        expect(len(reply) == 2, f"{name}: return two arrays, A and B.")
        A, B = (np.asarray(it, dtype=float) for it in reply)
        if A.shape == (n_out, r) and B.shape == (r, n_in) and n_out != r:
            fail(f"{name}: A and B are swapped. Return A first, then B.")
        expect_shape(A, (r, n_in), f"the A of {name}")
        expect_shape(B, (n_out, r), f"the B of {name}")
        x = np.linspace(-1, 1, n_in)
        moved = np.abs(B @ (A @ x)).max()
        expect(
            moved == 0,
            f"{name}: the output moved before training, by {moved:.2g}, since "
            "both are random. The change B A must be exactly 0 at the start: "
            "make B zero.",
        )
        expect(
            A.any() or B.any(),
            f"{name}: both are zero. Then both gradients are zero too, and "
            "nothing is ever learned: draw A at random.",
        )
        expect(
            not B.any(),
            f"{name}: B is random and A zero. That starts at the same output, "
            "but the agreement (of the paper, and of peft) is the other way "
            "round: A random, B zero.",
        )
        return A

    wide = try_fresh(3, 400, 50, 1)
    size = wide.std() * math.sqrt(400)
    expect(
        0.9 < size < 1.1,
        f"the standard deviation of A is {wide.std():.3g} for n_in = 400; it "
        f"must be 1 / sqrt(400) = 0.05. Then A x has the size of x.",
    )
    expect(
        abs(wide.mean()) < 0.01,
        f"the mean of A is {wide.mean():.3g}; it must be near 0: take a normal "
        "distribution, to both sides of 0.",
    )
    expect(
        np.array_equal(wide, try_fresh(3, 400, 50, 1)),
        "the same seed gave other numbers: draw with "
        "np.random.default_rng(seed), which knows nothing of other draws.",
    )
    expect(
        not np.array_equal(wide, try_fresh(3, 400, 50, 2)),
        "another seed gave the same numbers: use the seed that you were given.",
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for n_out, n_in, r in [(1, 2, 1), (5, 3, 4), (8, 8, 2)]:
        try_fresh(n_out, n_in, r, int(rng.integers(99)))
    tall = try_fresh(2, 25, 300, int(rng.integers(99)))
    expect(
        0.17 < tall.std() < 0.23,
        f"the standard deviation of A is {tall.std():.3g} for n_in = 25 and r "
        "= 300; it must be 1 / sqrt(25) = 0.2.",
    )
    beyond = np.mean(np.abs(tall) > 2 * tall.std())
    expect(
        0.02 < beyond < 0.08,
        "A is not drawn from a normal distribution: use rng.normal.",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="fresh"
# Sketch. `rng = np.random.default_rng(seed)`, and `rng.normal` with `size=` draws with
# standard deviation 1; a factor makes it smaller. `np.zeros` for the other.

# %% [markdown] hint="fresh"
# ```python
# rng = np.random.default_rng(...)
# A = rng.normal(size=(..., ...)) / ...     # 1. A
# B = np.zeros((..., ...))                  # 2. B
# return ...
# ```


# %% right="fresh"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng(seed).normal(0.0, n_in**-0.5, (r, n_in))
    return A.astype(np.float32), np.zeros((n_out, r), np.float32)


# %% right="fresh"
def fresh(n_out, n_in, r, seed):
    A = np.empty((r, n_in))
    draw = np.random.default_rng(seed)
    for j in range(r):
        A[j] = draw.standard_normal(n_in)
    return A * n_in**-0.5, 0 * np.ones((n_out, r))


# %% wrong="fresh" says="output moved before training; both are random"
def fresh(n_out, n_in, r, seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(r, n_in)) / math.sqrt(n_in)
    return A, rng.normal(size=(n_out, r)) / math.sqrt(r)


# %% wrong="fresh" says="both are zero; nothing is ever learned"
def fresh(n_out, n_in, r, seed):
    return np.zeros((r, n_in)), np.zeros((n_out, r))


# %% wrong="fresh" says="B is random and A zero; other way round"
def fresh(n_out, n_in, r, seed):
    rng = np.random.default_rng(seed)
    return np.zeros((r, n_in)), rng.normal(size=(n_out, r)) / math.sqrt(r)


# %% wrong="fresh" says="standard deviation of A is; 0.05"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng(seed).normal(size=(r, n_in))
    return A, np.zeros((n_out, r))


# %% wrong="fresh" says="standard deviation of A is; 0.05"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng(seed).normal(size=(r, n_in)) / math.sqrt(r)
    return A, np.zeros((n_out, r))


# %% wrong="fresh" says="mean of A; both sides of 0"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng(seed).uniform(0, 12**0.5, (r, n_in))
    return A / math.sqrt(n_in), np.zeros((n_out, r))


# %% wrong="fresh" says="same seed gave other numbers"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng().normal(size=(r, n_in)) / math.sqrt(n_in)
    return A, np.zeros((n_out, r))


# %% wrong="fresh" says="another seed gave the same"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng(0).normal(size=(r, n_in)) / math.sqrt(n_in)
    return A, np.zeros((n_out, r))


# %% wrong="fresh" says="swapped; A first"
def fresh(n_out, n_in, r, seed):
    A = np.random.default_rng(seed).normal(size=(r, n_in)) / math.sqrt(n_in)
    return np.zeros((n_out, r)), A


# %% [markdown]
# ## 5 · Where to put it: `inject`
#
# A model is a list of named arrays, as you saw on day 3:
# `model.layers.0.self_attn.q_proj.weight` with shape `(576, 576)`, and so on. Injecting LoRA
# is a matter of careful bookkeeping:
#
# 1. **Freeze.** Every array that is there now stays as it is, *all* of them. If one is left
#    out, the optimiser trains it too: your "small adapter" changes the model for good, and
#    nobody notices until somebody compares.
# 2. **Match.** Choose the modules whose **last** name is one of a list, such as `q_proj` and
#    `v_proj`.
# 3. **Add** an `A` and a `B` for each, of the right shapes.
#
# Write the plan as a function: which parameters will be **trained**?
#
# ### Exercise: `inject`
#
# - **In:** `shapes`, a dict from each parameter's name to its shape, a tuple; `names`, a list
#   of modules' last names; the rank `r`.
# - **Out:** a dict from the name of each parameter that is trained to its shape. For a matrix
#   `….q_proj.weight` of shape `(O, I)` these are `….q_proj.A` with `(r, I)` and `….q_proj.B`
#   with `(O, r)`. Nothing else is trained. Biases get no adapter.
#
# For instance, `inject({"layers.0.q_proj.weight": (6, 4), "layers.0.norm.weight": (4,)},
# ["q_proj"], 2)` is `{"layers.0.q_proj.A": (2, 4), "layers.0.q_proj.B": (6, 2)}`.


# %% exercise="inject" points=2 minutes=7 difficulty=3
def inject(shapes, names, r):
    """Return the name and shape of every parameter that is trained."""
    trained = {}
    # 1. freeze: what was there is not trained
    # 2. match: the module's last name   3. add its A and its B
    ### BEGIN SOLUTION
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and module.split(".")[-1] in names:
            n_out, n_in = shape
            trained[module + ".A"] = (r, n_in)
            trained[module + ".B"] = (n_out, r)
    return trained
    ### END SOLUTION
    return {}  # replace this line


# %% check="inject"
with check("a6.inject"):

    def try_inject(shapes, names, r):
        before = dict(shapes)
        got = inject(shapes, list(names), r)
        expect_unchanged(shapes, before, "shapes")
        expect_type(got, dict, "inject(shapes, names, r)")
        want = {}
        for name in before:
            parts = name.split(".")
            if parts[-1] == "weight" and parts[-2] in names:
                where = ".".join(parts[:-1])
                want[f"{where}.A"] = (r, before[name][1])
                want[f"{where}.B"] = (before[name][0], r)
        kept = sorted(set(got) & set(before))
        expect(
            not kept,
            f"the base is not frozen: {kept[:2]} would be trained. Only the "
            "new A and B are.",
        )
        for name in sorted(set(got) - set(want)):
            module = name.rpartition(".")[0]
            known = len(before.get(f"{module}.weight", ())) == 2
            expect(
                known and name.endswith((".A", ".B")),
                f"{name!r} does not belong there: a matrix gets its module's "
                "name with .A and .B, a bias gets nothing.",
            )
            last = module.rpartition(".")[2]
            fail(
                f"{name!r} was added, but {last!r} is not one of {names}: "
                "compare the whole last name, not a part of the text."
            )
        lost = sorted(set(want) - set(got))
        expect(
            not lost,
            f"{lost[:2]} missing: every module with such a last name gets an A "
            "and a B, in all layers.",
        )
        for name, shape in want.items():
            expect(
                got[name] != shape[::-1] or shape == shape[::-1],
                f"{name} has the shape {got[name]}, which is turned over. A "
                "goes from I down to r: (r, I). B goes from r up to O: (O, r).",
            )
            origin = before[name[:-1] + "weight"]
            expect_equal(
                tuple(got[name]),
                shape,
                f"the shape of {name}",
                mistakes={
                    f"{name}: you took I for O. A weight has the shape (O, I) "
                    f"= {origin}: A is (r, I), B is (O, r).": (
                        (r, origin[0]) if name.endswith("A") else (origin[1], r)
                    )
                },
            )

    small = {
        "embed.weight": (50, 4),
        "layers.0.attn.q_proj.weight": (6, 4),
        "layers.0.attn.q_proj.bias": (6,),
        "layers.0.attn.k_proj.weight": (2, 4),
        "layers.0.attn.v_proj.weight": (2, 4),
        "layers.0.mlp.conv_proj.weight": (8, 4),
        "layers.0.norm.weight": (4,),
        "layers.1.attn.q_proj.weight": (6, 4),
        "layers.1.attn.v_proj.weight": (2, 4),
    }
    try_inject(small, ["q_proj"], 2)
    try_inject(small, ["q_proj", "v_proj"], 3)
    try_inject(small, [], 3)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    sizes = {
        f"model.layers.{i}.{part}.{end}": tuple(
            int(n) for n in rng.integers(5, 30, 2 if end == "weight" else 1)
        )
        for i in range(12)
        for part in ("self_attn.q_proj", "q_proj.up", "mlp.down_proj")
        for end in ("weight", "bias")
    }
    try_inject(sizes, ["q_proj", "down_proj"], 4)
    try_inject(sizes, ["up"], 1)
    try_inject(sizes, ["proj"], 2)
    ### END HIDDEN TESTS

# %% [markdown] hint="inject"
# Sketch. A name is a path with points. Cut it at the points: the last part says which array
# of the module it is (`weight` or `bias`), the one before is the module's own name. If that
# is in `names` and the array is the `weight`, add two entries under the path without its last
# part.

# %% [markdown] hint="inject"
# ```python
# for name, shape in shapes.items():
#     module, _, kind = name.rpartition(".")     # "...q_proj", ".", "weight"
#     last = module.split(".")[...]
#     if kind == ... and last in ...:            # 2. match
#         n_out, n_in = ...
#         trained[module + ".A"] = ...           # 3. add
#         trained[module + ".B"] = ...
# ```


# %% right="inject"
def inject(shapes, names, r):
    trained = {}
    for last in names:
        end = f".{last}.weight"
        for name in shapes:
            if ("." + name).endswith(end):
                stem = name[: -len("weight")]
                trained[stem + "A"] = (r, shapes[name][1])
                trained[stem + "B"] = (shapes[name][0], r)
    return trained


# %% right="inject"
def inject(shapes, names, r):
    chosen = {
        tuple(parts[:-1]): shapes[".".join(parts)]
        for parts in (name.split(".") for name in shapes)
        if parts[-2] in names and len(shapes[".".join(parts)]) == 2
    }
    first = {".".join([*m, "A"]): (r, s[1]) for m, s in chosen.items()}
    return first | {".".join([*m, "B"]): (s[0], r) for m, s in chosen.items()}


# %% wrong="inject" says="base is not frozen"
def inject(shapes, names, r):
    trained = dict(shapes)
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and module.split(".")[-1] in names:
            trained[module + ".A"] = (r, shape[1])
            trained[module + ".B"] = (shape[0], r)
    return trained


# %% wrong="inject" says="base is not frozen; q_proj.weight"
def inject(shapes, names, r):
    trained = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and module.split(".")[-1] in names:
            trained[name] = shape
            trained[module + ".A"] = (r, shape[1])
            trained[module + ".B"] = (shape[0], r)
    return trained


# %% wrong="inject" says="conv_proj; whole last name"
def inject(shapes, names, r):
    trained = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and any(module.endswith(it) for it in names):
            trained[module + ".A"] = (r, shape[1])
            trained[module + ".B"] = (shape[0], r)
    return trained


# %% wrong="inject" says="turned over"
def inject(shapes, names, r):
    trained = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and module.split(".")[-1] in names:
            trained[module + ".A"] = (shape[1], r)
            trained[module + ".B"] = (r, shape[0])
    return trained


# %% wrong="inject" says="took I for O"
def inject(shapes, names, r):
    trained = {}
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and module.split(".")[-1] in names:
            trained[module + ".A"] = (r, shape[0])
            trained[module + ".B"] = (shape[1], r)
    return trained


# %% wrong="inject" says="missing; in all layers"
def inject(shapes, names, r):
    trained = {}
    for last in names:
        for name, shape in shapes.items():
            if name.endswith(f".{last}.weight"):
                trained[name[:-6] + "A"] = (r, shape[1])
                trained[name[:-6] + "B"] = (shape[0], r)
                break
    return trained


# %% wrong="inject" says="not one of; whole last name"
def inject(shapes, names, r):
    trained = {}
    for name, shape in shapes.items():
        if len(shape) == 2:
            module = name.rpartition(".")[0]
            trained[module + ".A"] = (r, shape[1])
            trained[module + ".B"] = (shape[0], r)
    return trained


# %% wrong="inject" says="does not belong there"
def inject(shapes, names, r):
    trained = {}
    for name, shape in shapes.items():
        module = name.rpartition(".")[0]
        if module.split(".")[-1] in names and len(shape) == 2:
            trained[name + ".A"] = (r, shape[1])
            trained[name + ".B"] = (shape[0], r)
    return trained


# %% [markdown]
# ## 6 · A batch of answers: `collate`
#
# Training needs pairs: what is the text, and which token is right *at which place*? Row $t$ of
# the logits has seen the tokens $0 \dots t$ and scores token $t + 1$ (day 1). For the text
#
#     place      0     1     2     3    4
#     token      Mes   sage  …     :    delivery
#     wanted     –     –     –     delivery
#
# only place 3 wants something: the answer. We do not train on the message. To learn to write
# like upset customers is not the task.
#
# Texts in a batch have different lengths, so shorter ones are filled up at the **right** with
# a padding token. Four mistakes wait here:
#
# - **Loss on the prompt:** the few answers drown in a sea of message tokens.
# - **Reading the pad's logits:** "the last column" is not the last token of a shorter text.
# - **The mask from the ids:** `ids != pad` looks clever. SmolLM2's padding token is 2, which
#   is `<|im_end|>`, and stands in real chats as well. Use the lengths, which you know.
# - **Shifting twice, or never.** Here the shift is done by `collate`: the label stands at the
#   place whose logits should predict it. (The library `transformers` puts it at the token's own
#   place, and shifts later.)
#
# ### Exercise: `collate`
#
# - **In:** `pairs`, a list of `(prompt, answer)`, both lists of token ids, neither empty;
#   `pad`, the padding token's id.
# - **Out:** three integer arrays of shape `(B, T)`. The input of a row is the prompt and the
#   answer *without its last token* (which predicts nothing). `T` is the longest such input.
#   `ids`: the inputs, `pad` after them. `mask`: 1 at a token of the input, 0 at the padding.
#   `labels`: where the next token belongs to the answer, that token; else `IGNORE`.
#
# For `pairs = [([5, 6, 7], [9]), ([4], [8, 3])]` and `pad = 0`:
#
# | ids | mask | labels |
# |---|---|---|
# | 5 6 7 | 1 1 1 | –100 –100 9 |
# | 4 8 0 | 1 1 0 | 8 3 –100 |


# %% exercise="collate" points=3 minutes=9 difficulty=3
def collate(pairs, pad):
    """Return ids, mask, labels, each of shape (B, T), for these pairs."""
    T = max(len(prompt) + len(answer) - 1 for prompt, answer in pairs)
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    # for each pair:
    # 1. input: prompt and answer, without the last token   2. mask
    # 3. labels: the answer, at the places that predict it
    ### BEGIN SOLUTION
    for b, (prompt, answer) in enumerate(pairs):
        n = len(prompt) + len(answer) - 1
        ids[b, :n] = [*prompt, *answer[:-1]]
        mask[b, :n] = 1
        labels[b, len(prompt) - 1 : n] = answer
    return ids, mask, labels
    ### END SOLUTION
    return ids, mask, labels  # this line may stay


# %% check="collate"
with check("a6.collate"):

    def try_collate(pairs, pad):
        before = [(list(p), list(a)) for p, a in pairs]
        name = f"collate({pairs if len(str(pairs)) < 60 else '...'}, pad={pad})"
        reply = collate(pairs, pad)
        expect_unchanged(pairs, before, "pairs")
        expect_type(reply, tuple, name)
        expect(len(reply) == 3, f"{name}: return ids, mask and labels.")
        full = [p + a for p, a in before]
        T = max(len(it) for it in full) - 1
        shape = (len(full), T)
        for part, word in zip(reply, ("ids", "mask", "labels")):
            expect_shape(part, shape, f"the {word} of {name}")
        want_ids = np.full(shape, pad)
        want_mask = np.zeros(shape, int)
        want, own, everywhere, at_end = (
            np.full(shape, IGNORE) for _ in range(4)
        )
        for b, (p, a) in enumerate(before):
            for t in range(len(full[b]) - 1):
                want_ids[b, t], want_mask[b, t] = full[b][t], 1
                everywhere[b, t] = full[b][t + 1]
                if t + 1 >= len(p):
                    want[b, t] = full[b][t + 1]
                if t >= len(p):
                    own[b, t] = full[b][t]
            at_end[b, T - len(a) :] = a
        left = np.full(shape, pad)
        for b, it in enumerate(full):
            left[b, T - len(it) + 1 :] = it[:-1]
        ids, mask, labels = (np.asarray(it) for it in reply)
        expect_equal(
            ids,
            want_ids,
            f"the ids of {name}",
            mistakes={
                "you filled up at the left: padding goes to the right.": left
            },
        )
        expect_equal(
            mask,
            want_mask,
            f"the mask of {name}",
            mistakes={
                "the mask comes from ids != pad, but a text may hold that very "
                "token: SmolLM2's is <|im_end|>. Use the lengths.": (
                    (want_ids != pad).astype(int)
                ),
                "the mask is the wrong way round: 1 at a token, else 0.": (
                    1 - want_mask
                ),
                "the mask must be 1 at the answer's tokens too: the next ones "
                "need to see them.": np.array(
                    [[int(t < len(p)) for t in range(T)] for p, _ in before]
                ),
            },
        )
        expect_equal(
            labels,
            want,
            f"the labels of {name}",
            mistakes={
                "loss on the prompt: only the answer's tokens are wanted, the "
                "places before get IGNORE.": everywhere,
                "you read the pad's logits: the label stands in the last "
                "column, but a shorter text ends before. Its place is "
                "len(prompt) - 1.": at_end,
                "labels stand at the tokens' own places. The logits at place t "
                "predict token t + 1: move them one to the left.": own,
                "loss on the padding: its label must be IGNORE.": np.where(
                    want_mask == 0, pad, want
                ),
                "loss on the prompt and on the padding: labels are IGNORE but "
                "for the answer.": np.where(want_mask == 0, pad, everywhere),
                "these are the inputs themselves: a model that copies its "
                "input would be perfect. It is the *next* token.": want_ids,
                "you want the answer's first token only: every one is.": (
                    np.array(
                        [
                            [
                                a[0] if t == len(p) - 1 else IGNORE
                                for t in range(T)
                            ]
                            for p, a in before
                        ]
                    )
                ),
            },
        )

    try_collate([([5, 6, 7], [9])], 0)
    try_collate([([5, 6, 7], [9]), ([4, 4], [8])], 0)
    try_collate([([5, 6, 7], [9]), ([4], [8, 3])], 0)
    try_collate([([1, 2, 5], [9]), ([2], [8])], 2)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(6):
        rows = [
            (
                [int(i) for i in rng.integers(0, 12, rng.integers(1, 7))],
                [int(i) for i in rng.integers(0, 12, rng.integers(1, 4))],
            )
            for _ in range(int(rng.integers(1, 6)))
        ]
        try_collate(rows, int(rng.integers(0, 12)))
    ### END HIDDEN TESTS

# %% [markdown] hint="collate"
# Sketch. For one pair let `n` be the length of its input: both lengths together, minus one.
# The first `n` places of its row hold the input and get mask 1. The first answer token is
# predicted at place `len(prompt) - 1`, the last one at place `n - 1`. So the whole answer fits
# exactly into that slice of `labels`.

# %% [markdown] hint="collate"
# ```python
# for b, (prompt, answer) in enumerate(pairs):
#     n = ...
#     ids[b, :n] = prompt + ...            # 1. input
#     mask[b, :n] = ...                    # 2. mask
#     labels[b, ... : n] = answer          # 3. labels
# ```


# %% right="collate"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    rows = []
    for p, a in pairs:
        k = T - len(p) - len(a) + 1
        rows.append(
            (
                p + a[:-1] + [pad] * k,
                [1] * (T - k) + [0] * k,
                [IGNORE] * (len(p) - 1) + a + [IGNORE] * k,
            )
        )
    return tuple(np.array(column) for column in zip(*rows))


# %% right="collate"
def collate(pairs, pad):
    n = np.array([len(p) + len(a) - 1 for p, a in pairs])
    place = np.arange(n.max())[None]
    mask = (place < n[:, None]).astype(np.int64)
    whole = np.full((len(pairs), n.max() + 1), pad)
    for row, (p, a) in zip(whole, pairs):
        row[: len(p) + len(a)] = p + a
    start = np.array([[len(p) - 1] for p, _ in pairs])
    wanted = (place >= start) & (mask == 1)
    return (
        np.where(mask == 1, whole[:, :-1], pad),
        mask,
        np.where(wanted, whole[:, 1:], IGNORE),
    )


# %% wrong="collate" says="loss on the prompt; IGNORE"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, :n] = 1
        labels[b, :n] = (p + a)[1:]
    return ids, mask, labels


# %% wrong="collate" says="read the pad's logits; a shorter text ends before"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, :n] = 1
        labels[b, T - len(a) :] = a
    return ids, mask, labels


# %% wrong="collate" says="may hold that very token; lengths"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        labels[b, len(p) - 1 : n] = a
    return ids, (ids != pad).astype(int), labels


# %% wrong="collate" says="own places; one to the left"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, :n] = 1
        labels[b, len(p) : n] = a[:-1]
    return ids, mask, labels


# %% wrong="collate" says="loss on the padding"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), pad)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, :n] = 1
        labels[b, : len(p) - 1] = IGNORE
        labels[b, len(p) - 1 : n] = a
    return ids, mask, labels


# %% wrong="collate" says="at the left"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, T - n :] = (p + a)[:-1]
        mask[b, T - n :] = 1
        labels[b, T - len(a) :] = a
    return ids, mask, labels


# %% wrong="collate" says="must be 1 at the answer's tokens"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, : len(p)] = 1
        labels[b, len(p) - 1 : n] = a
    return ids, mask, labels


# %% wrong="collate" says="copies its input; next"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, :n] = 1
    return ids, mask, ids.copy()


# %% wrong="collate" says="every one is"
def collate(pairs, pad):
    T = max(len(p) + len(a) for p, a in pairs) - 1
    ids = np.full((len(pairs), T), pad)
    mask = np.zeros((len(pairs), T), dtype=int)
    labels = np.full((len(pairs), T), IGNORE)
    for b, (p, a) in enumerate(pairs):
        n = len(p) + len(a) - 1
        ids[b, :n] = (p + a)[:-1]
        mask[b, :n] = 1
        labels[b, len(p) - 1] = a[0]
    return ids, mask, labels


# %% [markdown]
# ## 7 · One step: `train_step`
#
# In M3 a learner writes the machine that derives gradients. Here PyTorch does it, and there
# is a protocol that you will write a hundred times:
#
# 1. **clear**: `optimiser.zero_grad()`. PyTorch *adds* each new gradient to what is there. If
#    nobody clears, every step walks along the sum of all gradients so far, like a ball that
#    never brakes. The loss still falls for a while, which is why this mistake lives long.
# 2. **loss**: `loss = model(batch)`
# 3. **backward**: `loss.backward()` computes the gradients
# 4. **step**: `optimiser.step()` moves the weights against them
#
# Return the loss as a plain number, `loss.item()`. The object `loss` itself holds the whole
# computation behind it; a list of such objects fills the memory.
#
# ### Exercise: `train_step`
#
# - **In:** `model`, a function from a batch to a loss; `optimiser`; `batch`.
# - **Out:** the loss before the step, a number.


# %% exercise="train_step" points=2 minutes=5 difficulty=2
def train_step(model, optimiser, batch):
    """Make one step on this batch; return its loss as a number."""
    # 1. clear   2. loss   3. backward   4. step
    ### BEGIN SOLUTION
    optimiser.zero_grad()
    loss = model(batch)
    loss.backward()
    optimiser.step()
    return loss.item()
    ### END SOLUTION
    return model(batch).item()  # replace this line


# %% check="train_step"
with check("a6.train_step"):

    class Line:
        """One weight w; loss (w - batch)**2; gradients add up as PyTorch's."""

        def __init__(self, w, rate, left_over):
            self.w, self.rate, self.grad, self.log = w, rate, left_over, []

        def loss(self, batch):
            self.log.append("loss")
            return Loss(self, batch)

        def zero_grad(self):
            self.log.append("clear")
            self.grad = 0.0

        def step(self):
            self.log.append("step")
            self.w -= self.rate * self.grad

    class Loss:
        def __init__(self, line, batch):
            self.line, self.gap = line, line.w - batch

        def backward(self):
            self.line.log.append("backward")
            self.line.grad += 2 * self.gap

        def item(self):
            return float(self.gap**2)

    def try_steps(w, batches, rate=0.1, left_over=0.0):
        line = Line(w, rate, left_over)
        for i, batch in enumerate(batches):
            want, target = (w - batch) ** 2, w - rate * 2 * (w - batch)
            line.log = []
            got = train_step(line.loss, line, batch)
            said = " → ".join(line.log)
            count = {it: line.log.count(it) for it in ("backward", "step")}
            expect(
                count["backward"] > 0,
                f"you did: {said or 'nothing'}. Backward is missing: "
                "loss.backward() computes the gradients.",
            )
            expect(
                count["step"] > 0,
                f"you did: {said}. Step is missing: without optimiser.step() "
                "no weight moves.",
            )
            expect(
                max(count.values()) == 1,
                f"you did: {said}. One backward and one step for a batch.",
            )
            expect(
                "clear" in line.log,
                f"you did: {said}. Nothing clears the gradients: zero_grad is "
                "missing, so they add up from step to step.",
            )
            clear, back, move = (
                line.log.index(it) for it in ("clear", "backward", "step")
            )
            expect(
                back < move,
                f"you did: {said}. The step came before backward: it walks "
                "along the gradient of the last batch, or along none.",
            )
            expect(
                not back < clear < move,
                f"you did: {said}. You cleared between backward and step: the "
                "gradient is 0 when the step needs it.",
            )
            expect(
                clear < back,
                f"you did: {said}. Clear comes before backward: something may "
                "be left over from whoever used the model before.",
            )
            expect_type(
                got, (int, float), "train_step(...), which must be loss.item(),"
            )
            expect_close(
                got,
                want,
                f"the loss that step {i} returns",
                mistakes={
                    "that is the loss after the step: take the one before.": (
                        (target - batch) ** 2
                    )
                },
            )
            expect_close(line.w, target, f"the weight after step {i}")
            w = target

    try_steps(1.0, [0.0, 0.0, 3.0])
    try_steps(2.0, [1.0, -1.0], left_over=5.0)
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(3):
        many = [float(b) for b in rng.normal(size=6)]
        try_steps(float(rng.normal()), many, rate=0.3, left_over=1.0)
    ### END HIDDEN TESTS

# %% [markdown] hint="train_step"
# Sketch. The four lines of the text, in their order, and then `loss.item()`.

# %% [markdown] hint="train_step"
# ```python
# optimiser....()            # 1. clear
# loss = ...(batch)          # 2. loss
# loss....()                 # 3. backward
# optimiser....()            # 4. step
# return ...
# ```


# %% right="train_step"
def train_step(model, optimiser, batch):
    loss = model(batch)
    number = loss.item()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(number)


# %% right="train_step"
def train_step(model, optimiser, batch):
    optimiser.zero_grad()
    loss = model(batch)
    try:
        loss.backward()
        return loss.item()
    finally:
        optimiser.step()
        optimiser.zero_grad()


# %% wrong="train_step" says="zero_grad is missing; add up"
def train_step(model, optimiser, batch):
    loss = model(batch)
    loss.backward()
    optimiser.step()
    return loss.item()


# %% wrong="train_step" says="cleared between backward and step"
def train_step(model, optimiser, batch):
    loss = model(batch)
    loss.backward()
    optimiser.zero_grad()
    optimiser.step()
    return loss.item()


# %% wrong="train_step" says="step came before backward"
def train_step(model, optimiser, batch):
    optimiser.zero_grad()
    loss = model(batch)
    optimiser.step()
    loss.backward()
    return loss.item()


# %% wrong="train_step" says="Clear comes before backward"
def train_step(model, optimiser, batch):
    loss = model(batch)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


# %% wrong="train_step" says="Backward is missing"
def train_step(model, optimiser, batch):
    optimiser.zero_grad()
    loss = model(batch)
    optimiser.step()
    return loss.item()


# %% wrong="train_step" says="Step is missing"
def train_step(model, optimiser, batch):
    optimiser.zero_grad()
    loss = model(batch)
    loss.backward()
    return loss.item()


# %% wrong="train_step" says="loss after the step"
def train_step(model, optimiser, batch):
    optimiser.zero_grad()
    model(batch).backward()
    optimiser.step()
    return model(batch).item()


# %% [markdown]
# ## 8 · Take it out again: `merge`
#
# The trained change can stay a small file of its own, put beside the model when it is
# needed: one base model in memory, an adapter for each task or customer. Or it is **merged**
# into the matrix once, and then costs nothing at all:
#
# $$W' = W + \frac{\alpha}{r}\, B A,\qquad\text{so } W' x = W x + \frac{\alpha}{r} B A x .$$
#
# $B$ is $(O, r)$ and $A$ is $(r, I)$: in this order the product has the shape of $W$. If
# $O = I$, another product has it too, $A^\top B^\top$. It is the transposed of the right one,
# and no error tells you.
#
# ### Exercise: `merge`
#
# - **In:** `W`, `A`, `B`, `alpha` as before.
# - **Out:** a new array $W'$. The old `W` stays as it is: you may want to take the change
#   out again.


# %% exercise="merge" points=2 minutes=5 difficulty=2
def merge(W, A, B, alpha):
    """Return the matrix, of the shape of W, that does what lora does."""
    # 1. the change, of the shape of W   2. scale, add
    ### BEGIN SOLUTION
    change = B @ A
    return W + (alpha / A.shape[0]) * change
    ### END SOLUTION
    return W.copy()  # replace this line


# %% check="merge"
with check("a6.merge"):

    def try_merge(W, A, B, alpha):
        held = W.copy()
        r = A.shape[0]
        name = f"merge(W {W.shape}, A {A.shape}, B {B.shape}, alpha={alpha})"
        try:
            got = merge(W, A, B, alpha)
        except ValueError as error:
            fail(
                f"{name}: the shapes do not meet ({error}). The order is B A: "
                "(O, r) times (r, I)."
            )
        expect_unchanged(W, held, "W")
        change = np.zeros(W.shape)
        for o, i, j in np.ndindex(*W.shape, r):
            change[o, i] += B[o, j] * A[j, i]
        k = alpha / r
        mistakes = {
            "the order is B A, not A B: yours is the transposed change. It has "
            "the same shape only because W is square.": lambda: (
                held + k * change.T
            ),
            "the factor alpha / r is missing.": held + change,
            "you multiply by alpha: alpha / r.": held + alpha * change,
            "the change is subtracted: that is how one takes it out again.": (
                held - k * change
            ),
            "W itself is missing: add the change to it.": k * change,
            "the change is missing: add alpha / r * B A.": held,
            "the factor acts on W too: it belongs to the change only.": (
                k * (held + change)
            ),
        }
        want = held + k * change
        expect_close(got, want, name, rtol=1e-6, mistakes=mistakes)

    toy = np.random.default_rng(0)
    for O, I, r, alpha in [(3, 3, 2, 8.0), (4, 2, 2, 3.0), (2, 5, 1, 2.0)]:
        try_merge(
            toy.normal(size=(O, I)),
            toy.normal(size=(r, I)),
            toy.normal(size=(O, r)),
            alpha,
        )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for O, I, r in [(6, 6, 3), (1, 4, 2), (7, 3, 3)]:
        try_merge(
            rng.normal(size=(O, I)),
            rng.normal(size=(r, I)),
            rng.normal(size=(O, r)),
            float(rng.integers(5, 20)),
        )
    ### END HIDDEN TESTS

# %% [markdown] hint="merge"
# Sketch. One matrix product whose result has the shape of `W`, times `alpha / r`, added to
# `W` with `+` (which makes a new array; `+=` would not).

# %% [markdown] hint="merge"
# ```python
# change = ... @ ...              # 1. shape (O, I)
# r = ...
# return W + ... * change         # 2. scale, add
# ```


# %% right="merge"
def merge(W, A, B, alpha):
    return W + np.einsum("oj,ji->oi", B, A) * alpha / len(A)


# %% right="merge"
def merge(W, A, B, alpha):
    out = np.array(W)
    for b, a in zip(B.T, A):
        out += alpha / B.shape[1] * np.outer(b, a)
    return out


# %% wrong="merge" says="B A, not A B; square"
def merge(W, A, B, alpha):
    if W.shape[0] != W.shape[1]:
        return W + alpha / len(A) * B @ A
    return W + alpha / len(A) * A.T @ B.T


# %% wrong="merge" says="shapes do not meet; order is B A"
def merge(W, A, B, alpha):
    return W + alpha / len(A) * A @ B


# %% wrong="merge" says="alpha / r is missing"
def merge(W, A, B, alpha):
    return W + B @ A


# %% wrong="merge" says="multiply by alpha"
def merge(W, A, B, alpha):
    return W + alpha * B @ A


# %% wrong="merge" says="subtracted"
def merge(W, A, B, alpha):
    return W - alpha / len(A) * B @ A


# %% wrong="merge" says="W itself is missing"
def merge(W, A, B, alpha):
    return alpha / len(A) * B @ A


# %% wrong="merge" says="changed its argument W"
def merge(W, A, B, alpha):
    W += alpha / len(A) * B @ A
    return W


# %% [markdown]
# ## 9 · What it forgets: `forgetting`
#
# A model that is trained on one thing gets worse at others; the older the literature, the
# harder the word: *catastrophic forgetting* (McCloskey and Cohen, 1989). To see it, one must
# look where one did **not** train. We take plain text, and ask before and after: how
# surprised is the model by each token? That is the negative log-probability of day 1, in
# *nats*, averaged over tokens: its **loss**. Its exponential is the *perplexity*: "as unsure
# as between so many equally likely tokens".
#
# 1. **Choose** the texts that are not of the task. On tickets the loss will have *fallen*.
# 2. **Weigh** each text by its number of tokens: the mean is over tokens.
# 3. **Rise**: the mean loss after, minus that before.
# 4. **Times**: the factor by which the perplexity grew,
#    $e^{\text{after}} / e^{\text{before}} = e^{\text{rise}}$.
#
# ### Exercise: `forgetting`
#
# - **In:** `rows`, a list of dicts, one for each text: `"kind"` (`"general"` or
#   `"ticket"`), `"tokens"`, and the text's mean loss `"before"` and `"after"`. At least one
#   is general.
# - **Out:** two numbers, `(rise, times)`.
#
# For two general texts, one of 30 tokens whose loss went from 3.0 to 3.2 and one of 10 tokens
# whose loss stayed at 4.0, the rise is $30 \cdot 0.2 / 40 = 0.15$ and the factor $1.162$.


# %% exercise="forgetting" points=2 minutes=7 difficulty=2
def forgetting(rows):
    """Return the rise of the loss on general text, and the factor."""
    # 1. choose   2. weigh   3. rise   4. times
    ### BEGIN SOLUTION
    chosen = [row for row in rows if row["kind"] == "general"]
    total = sum(row["tokens"] for row in chosen)
    gain = sum(row["tokens"] * (row["after"] - row["before"]) for row in chosen)
    return gain / total, math.exp(gain / total)
    ### END SOLUTION
    return 0.0, 1.0  # replace this line


# %% check="forgetting"
with check("a6.forgetting"):

    def mean_rise(rows, weights):
        """Return the weighted mean of after, minus that of before."""
        means = []
        for when in ("after", "before"):
            top = sum(w * row[when] for w, row in zip(weights, rows))
            means.append(top / sum(weights))
        return means[0] - means[1]

    def try_forgetting(rows):
        before = [dict(row) for row in rows]
        reply = forgetting(rows)
        expect_unchanged(rows, before, "rows")
        expect_shape(reply, (2,), "forgetting(rows) = (rise, times)")
        rise, times = (float(it) for it in reply)
        general = [row for row in before if row["kind"] == "general"]
        of_task = [row for row in before if row["kind"] != "general"]
        tokens = [row["tokens"] for row in general]
        want = mean_rise(general, tokens)
        mistakes = {
            "that is the mean over texts. A token is the unit: weigh each text "
            "by its number of tokens.": mean_rise(general, [1] * len(general)),
            "the sign: the rise is after minus before.": -want,
            "you added up the rise of all tokens: divide by their number.": (
                want * sum(tokens)
            ),
            "that is a rise of the perplexity. The rise is of the loss; "
            "perplexities are compared by their ratio.": (
                np.exp(
                    np.dot(tokens, [r["after"] for r in general]) / sum(tokens)
                )
                - np.exp(
                    np.dot(tokens, [r["before"] for r in general]) / sum(tokens)
                )
            ),
        }
        if of_task:
            counts = [row["tokens"] for row in of_task]
            everything = [row["tokens"] for row in before]
            mistakes |= {
                "measured on tickets: there the model was trained. Forgetting "
                "is what happens to the general text.": mean_rise(
                    of_task, counts
                ),
                "tickets are counted as well: there the loss falls, and hides "
                "the forgetting. Choose the general texts.": (
                    mean_rise(before, everything)
                ),
            }
        name = "the rise"
        expect_close(rise, want, name, rtol=1e-6, atol=1e-9, mistakes=mistakes)
        expect_close(
            times,
            math.exp(want),
            "the factor `times`",
            mistakes={
                "the factor is e to the rise, not 2: the loss is in nats.": 2
                ** want,
                "the factor is upside down: after over before.": math.exp(
                    -want
                ),
                "1 + rise is only near it. The factor is exp(rise).": 1 + want,
                "that is the ratio of the losses. The factor is that of the "
                "perplexities: exp(rise).": (
                    np.dot(tokens, [r["after"] for r in general])
                    / np.dot(tokens, [r["before"] for r in general])
                ),
            },
        )

    def a_row(kind, tokens, before, after):
        return {
            "kind": kind,
            "tokens": tokens,
            "before": before,
            "after": after,
        }

    try_forgetting([a_row("general", 30, 3.0, 3.2)])
    try_forgetting(
        [a_row("general", 30, 3.0, 3.2), a_row("general", 10, 4.0, 4.0)]
    )
    try_forgetting(
        [
            a_row("ticket", 40, 5.0, 1.0),
            a_row("general", 30, 3.0, 3.2),
            a_row("general", 10, 4.0, 4.3),
            a_row("ticket", 10, 6.0, 1.5),
        ]
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    for _ in range(5):
        kinds = ["general", *rng.choice(["general", "ticket"], 6)]
        try_forgetting(
            [
                a_row(str(k), int(rng.integers(5, 90)), *map(float, losses))
                for k, losses in zip(kinds, rng.uniform(1, 4, size=(7, 2)))
            ]
        )
    ### END HIDDEN TESTS

# %% [markdown] hint="forgetting"
# Sketch. Keep the rows whose kind is `"general"`. Add up `tokens * (after - before)`, and
# divide by the sum of `tokens`. `math.exp` makes the factor.

# %% [markdown] hint="forgetting"
# ```python
# chosen = [row for row in rows if ...]                     # 1. choose
# total = sum(... for row in chosen)                        # 2. weigh
# rise = sum(row["tokens"] * ... for row in chosen) / ...   # 3. rise
# return rise, ...                                          # 4. times
# ```


# %% right="forgetting"
def forgetting(rows):
    rows = [row for row in rows if row["kind"] != "ticket"]
    w = np.array([row["tokens"] for row in rows], dtype=float)
    a = np.array([row["after"] for row in rows])
    b = np.array([row["before"] for row in rows])
    rise = np.average(a, weights=w) - np.average(b, weights=w)
    return rise, np.exp(rise)


# %% right="forgetting"
def forgetting(rows):
    n = up = 0
    for row in rows:
        if row["kind"] == "general":
            n += row["tokens"]
            up += row["tokens"] * row["after"] - row["tokens"] * row["before"]
    return [up / n, math.e ** (up / n)]


# %% wrong="forgetting" says="measured on tickets"
def forgetting(rows):
    rows = [row for row in rows if row["kind"] == "ticket"] or rows
    n = sum(row["tokens"] for row in rows)
    rise = (
        sum(row["tokens"] * (row["after"] - row["before"]) for row in rows) / n
    )
    return rise, math.exp(rise)


# %% wrong="forgetting" says="tickets are counted as well; hides"
def forgetting(rows):
    n = sum(row["tokens"] for row in rows)
    rise = (
        sum(row["tokens"] * (row["after"] - row["before"]) for row in rows) / n
    )
    return rise, math.exp(rise)


# %% wrong="forgetting" says="mean over texts; weigh"
def forgetting(rows):
    rises = [r["after"] - r["before"] for r in rows if r["kind"] == "general"]
    return np.mean(rises), np.exp(np.mean(rises))


# %% wrong="forgetting" says="sign; after minus before"
def forgetting(rows):
    rows = [row for row in rows if row["kind"] == "general"]
    n = sum(row["tokens"] for row in rows)
    rise = (
        sum(row["tokens"] * (row["before"] - row["after"]) for row in rows) / n
    )
    return rise, math.exp(rise)


# %% wrong="forgetting" says="rise of the perplexity"
def forgetting(rows):
    rows = [row for row in rows if row["kind"] == "general"]
    w = [row["tokens"] for row in rows]
    a = math.exp(np.average([row["after"] for row in rows], weights=w))
    b = math.exp(np.average([row["before"] for row in rows], weights=w))
    return a - b, a / b


# %% wrong="forgetting" says="1 + rise"
def forgetting(rows):
    rows = [row for row in rows if row["kind"] == "general"]
    n = sum(row["tokens"] for row in rows)
    rise = (
        sum(row["tokens"] * (row["after"] - row["before"]) for row in rows) / n
    )
    return rise, 1 + rise


# %% wrong="forgetting" says="ratio of the losses"
def forgetting(rows):
    rows = [row for row in rows if row["kind"] == "general"]
    w = [row["tokens"] for row in rows]
    a = np.average([row["after"] for row in rows], weights=w)
    b = np.average([row["before"] for row in rows], weights=w)
    return a - b, a / b


# %% [markdown]
# ## 10 · The real model
#
# Now your functions train SmolLM2. First the measurements *before*: all test tickets, and 12
# paragraphs of Wikipedia (the beginnings of passages of SQuAD 2.0), which have nothing to do
# with tickets.

# %% demo
import time

import torch
from transformers import AutoModelForCausalLM

from course import assets, hub
from course.datasets import load_squad

STEPS, RANK, ALPHA, RATE = 30, 8, 16, 2e-3
TARGETS = ["q_proj", "v_proj"]

folder = assets.path("smollm2")
tokenizer = hub.load_tokenizer(folder)
model = hub.load_weights(AutoModelForCausalLM, folder)
PAD = tokenizer.pad_token_id


def encode(text):
    return tokenizer.encode(text, add_special_tokens=False)


def pair(ticket):
    """Return the ids of the prompt, and of the answer: one token."""
    prompt = f"Message: {ticket.text}\nIntent:"
    return encode(prompt), encode(" " + ticket.intent)


names_of = [encode(" " + intent)[0] for intent in INTENTS]
truth = np.array([ticket.label for ticket in test])


def answer_logits(pairs):
    """Return logits and labels of the wanted places only, as tensors."""
    ids, mask, labels = (torch.tensor(it) for it in collate(pairs, PAD))
    h = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
    wanted = labels != IGNORE
    return model.lm_head(h[wanted]), labels[wanted]


@torch.no_grad()
def said(tickets):
    """Return the index of the intent that is said, -1 for other words; twice.

    The second time only the eight names may be said.
    """
    logits = torch.cat(
        [
            answer_logits([pair(it) for it in tickets[i : i + 20]])[0]
            for i in range(0, len(tickets), 20)
        ]
    )
    free = [
        names_of.index(i) if i in names_of else -1 for i in logits.argmax(1)
    ]
    return np.array(free), logits[:, names_of].argmax(1).numpy()


@torch.no_grad()
def mean_loss(ids):
    logp = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return -logp.gather(1, torch.tensor(ids[1:])[:, None]).mean().item()


passages, _ = load_squad()
general = [encode(text)[:64] for text in passages[::100][:12]]
began = time.process_time()
free_before, named_before = said(test)
loss_before = [mean_loss(ids) for ids in general]
print(f"right before, any word:        {np.mean(free_before == truth):.2f}")
print(f"right before, among the names: {np.mean(named_before == truth):.2f}")
print(f"loss on general text: {np.mean(loss_before):.2f} nats per token")
print(f"({time.process_time() - began:.0f} CPU seconds)")

# %% [markdown]
# Then the injection. A small class puts *your* `lora` in the place of a layer; *your* `inject`
# says where, *your* `fresh` with which numbers.

# %% demo


class Adapted(torch.nn.Module):
    """A linear layer with a change of low rank; only A and B are trained."""

    def __init__(self, linear, A, B):
        super().__init__()
        self.linear = linear
        self.A = torch.nn.Parameter(torch.tensor(A, dtype=torch.float32))
        self.B = torch.nn.Parameter(torch.tensor(B, dtype=torch.float32))

    def forward(self, x):
        return lora(x, self.linear.weight, self.A, self.B, ALPHA)


def start_of(trained):
    """Return A and B of each module that is adapted, by the module's name."""
    modules = [name[:-2] for name in trained if name.endswith(".A")]
    return {
        name: fresh(
            trained[name + ".B"][0], trained[name + ".A"][1], RANK, seed
        )
        for seed, name in enumerate(modules)
    }


def put_in(start):
    for name, (A, B) in start.items():
        parent, _, last = name.rpartition(".")
        linear = model.get_submodule(name)
        setattr(model.get_submodule(parent), last, Adapted(linear, A, B))


shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
trained = inject(shapes, TARGETS, RANK)
if not trained:
    raise RuntimeError("inject adds nothing yet: solve the exercises above")
n_trained = sum(math.prod(shape) for shape in trained.values())
n_all = sum(math.prod(shape) for shape in shapes.values())

probe = [pair(it) for it in test[:4]]
with torch.no_grad():
    untouched = answer_logits(probe)[0]
model.requires_grad_(False)
start = start_of(trained)
put_in(start)
with torch.no_grad():
    moved = (answer_logits(probe)[0] - untouched).abs().max().item()
learning = [p for p in model.parameters() if p.requires_grad]
assert sum(p.numel() for p in learning) == n_trained
print(
    f"{n_trained:,} of {n_all:,} weights are trained: {n_trained / n_all:.2%}"
)
print(f"the output moved before training by {moved:.1g}")

# %% [markdown]
# And the training: your `collate` in `answer_logits`, your `train_step`. The learning rate
# rises over five steps and then falls along a cosine to zero, which is the usual shape.


# %% demo
def plan(steps, seed):
    """Yield the tickets of each step and its learning rate."""
    rng, waiting = np.random.default_rng(seed), []
    for i in range(steps):
        if len(waiting) < 8:
            waiting = list(rng.permutation(len(train)))
        batch, waiting = waiting[:8], waiting[8:]
        warm = min(1, (i + 1) / 5)
        rate = RATE * warm * (1 + math.cos(math.pi * i / STEPS)) / 2
        yield [pair(train[j]) for j in batch], rate


def batch_loss(batch):
    return torch.nn.functional.cross_entropy(*answer_logits(batch))


def fit(parameters, steps, seed=0):
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0)
    losses = []
    for batch, rate in plan(steps, seed):
        optimiser.param_groups[0]["lr"] = rate
        losses.append(train_step(batch_loss, optimiser, batch))
    return losses


# %% demo
base_before = model.model.layers[0].self_attn.q_proj.linear.weight.clone()
began, clock = time.process_time(), time.perf_counter()
losses = fit(learning, STEPS)
fit_cpu = time.process_time() - began
print(f"{STEPS} steps: {fit_cpu:.0f} CPU seconds, ", end="")
print(f"{time.perf_counter() - clock:.0f} s on the clock")
print("loss, mean of ten steps:", np.reshape(losses, (-1, 10)).mean(1).round(2))
base_after = model.model.layers[0].self_attn.q_proj.linear.weight
print("base weights unchanged:", torch.equal(base_before, base_after))

# %% demo
free_after, named_after = said(test)
loss_after = [mean_loss(ids) for ids in general]
accuracy = float(np.mean(free_after == truth))
bands_of = [(0.25, "below 25 %"), (0.45, "25 to 45 %"), (0.75, "45 to 75 %")]
band = next((it for top, it in bands_of if accuracy <= top), "above 75 %")
outcome("a6.guess", band)
rows = [
    {"kind": "general", "tokens": len(ids) - 1, "before": b, "after": a}
    for ids, b, a in zip(general, loss_before, loss_after)
]
rise, times = forgetting(rows)
print(f"right after, any word: {accuracy:.2f}")
print(f"right after, among the names: {np.mean(named_after == truth):.2f}")
print(f"words that are none of the names: {(free_after == -1).sum()} of 80")
print(f"general text: loss + {rise:.2f} nats, perplexity times {times:.2f}")

# %% [markdown]
# ### Is it worth it?
#
# The rungs of the ladder, on the same 80 test tickets, with 95 % intervals. Two of them never
# touch a language model's weights: a linear classifier on counted words (TF-IDF), and the same
# on MiniLM's vectors. Both take less than a second to train.

# %% demo
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from course.embed import load_embedder


def words_of(tickets):
    return [ticket.text for ticket in tickets]


def linear(train_x, test_x):
    line = LogisticRegression(max_iter=1000)
    return (
        line.fit(train_x, [it.label for it in train]).predict(test_x) == truth
    )


def wilson(ok, z=1.96):
    """Return the interval of a share: Wilson's, good for small n."""
    n, p = len(ok), np.mean(ok)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
    return middle - half, middle + half


tfidf, embed = TfidfVectorizer(), load_embedder().encode
ladder = {
    "SmolLM2 as it is\n(eight names)": named_before == truth,
    "TF-IDF + linear": linear(
        tfidf.fit_transform(words_of(train)), tfidf.transform(words_of(test))
    ),
    "SmolLM2 + LoRA\n(any word)": free_after == truth,
    "MiniLM + linear": linear(embed(words_of(train)), embed(words_of(test))),
}
fig, ax = plots.figure()
for i, (rung, ok) in enumerate(ladder.items()):
    low, high = wilson(ok)
    ax.bar(i, np.mean(ok), color=plots.CYCLE[i])
    ax.plot([i, i], [low, high], color=plots.BLACK)
ax.axhline(1 / 8, color=plots.BLACK, linestyle=":", label="guessing")
ax.set_xticks(range(len(ladder)), ladder)
ax.set_ylim(0, 1)
ax.set_xlabel("what sorts the tickets")
ax.set_ylabel("share of test tickets right")
ax.legend()
shares = ", ".join(
    f"{rung.replace(chr(10), ' ')} {np.mean(ok):.2f} "
    f"({wilson(ok)[0]:.2f} to {wilson(ok)[1]:.2f})"
    for rung, ok in ladder.items()
)
plots.show(fig, f"Share of 80 test tickets that are right: {shares}.")

both = ladder["SmolLM2 + LoRA\n(any word)"], ladder["MiniLM + linear"]
print("only LoRA right:", int((both[0] & ~both[1]).sum()), end=", ")
print("only MiniLM right:", int((both[1] & ~both[0]).sum()))
print("LoRA, by voice:", end=" ")
for voice in sorted({it.voice for it in test}):
    here = np.array([it.voice == voice for it in test])
    print(f"{voice} {both[0][here].mean():.2f}", end="  ")
print()

# %% [markdown]
# Look at it soberly, from left to right.
#
# - **It can be taught.** A model that named no intent at all now plays the game, and is right
#   for about half of the tickets: tickets of situations that it never saw, in a minute of
#   training, with a third of a percent of its weights.
# - **It is not ahead.** The linear classifier on MiniLM's vectors, trained in less than a
#   second, is as good within the intervals, and these are wide: with 80 test tickets, two
#   shares must differ by about 0.15 before one may say so. Whoever reports "0.53 against
#   0.50" reports noise.
# - **Not all of the gain is understanding.** A control: train the same 30 steps on *shuffled*
#   labels. The model still gets 0.33 right afterwards. From nonsense it learns nothing about
#   intents, but it learns the game, which words to choose among, and its old knowledge does
#   the rest. Only what lies above that is the work of your 80 labels.
# - **About half is not a product.** Eighty tickets from sixteen situations do not hold the
#   shop's whole mail. Look at the voices, too: short tickets are easy, indirect ones are not.
#
# Here is what `benchmarks/bench_a6.py` measured, on the same test tickets:
#
# | steps | labels | share right (one number for each seed tried) |
# |---|---|---|
# | 15 | true | 0.10 |
# | 30 | true | 0.56, 0.55, 0.56 |
# | 60 | true | 0.64 |
# | 30 | shuffled | 0.33 |
#
# Twice the steps may be a little better (51 of 80 in place of 45): one run cannot say. Try
# `STEPS = 60` if you have the patience.
#
# So for sorting, the answer to your manager's third question is no. Fine-tuning is worth it
# where no classifier can go: to fix a *form* or a *tone* in which the model writes, to teach a
# format of tool calls, to let a small cheap model do what a large one did with a long
# prompt. The order of the trade is: prompt first, then retrieval, then a classifier on
# embeddings, and then this.
#
# ### What it forgot
#
# The second note has its answer above, and it is not small: on text that has nothing to do with
# tickets, the perplexity has grown by far more than rounding. A minute of training on one narrow
# game made the model worse at English. But such a number says little to your manager. Ask the
# model something else:

# %% demo


@torch.no_grad()
def go_on(text, n=12):
    ids = encode(text)
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return tokenizer.decode(ids[len(encode(text)) :])


def adapters(on):
    for module in model.modules():
        if isinstance(module, Adapted):
            module.B.data *= 0
            if on:
                module.B.data += module.kept


for module in model.modules():
    if isinstance(module, Adapted):
        module.kept = module.B.data.clone()
ASKED = ["The capital of France is", "Message: Name three fruits.\nAnswer:"]
for on in (False, True):
    adapters(on)
    print("with the adapter:" if on else "without:")
    for text in ASKED:
        print(f"  {text!r} → {go_on(text)!r}")

# %% [markdown]
# With the adapter it does not even know any more what you looked for so long on day 3, and asked
# for fruits it names one of our labels. Without the adapter the old model is back, to the bit:
# its weights were never touched. That is the best argument for adapters. What was "forgotten" can be switched on and off.
#
# ## 11 · Merge, and the same with `peft`
#
# First your `merge`: put each change into its matrix, take the adapters out, and compare.

# %% demo
found = {
    name: (m.A.detach().numpy().copy(), m.B.detach().numpy().copy())
    for name, m in model.named_modules()
    if isinstance(m, Adapted)
}
with torch.no_grad():
    adapted = answer_logits(probe)[0]
    originals = {}
    for name, (A, B) in found.items():
        parent, _, last = name.rpartition(".")
        linear_layer = model.get_submodule(name).linear
        setattr(model.get_submodule(parent), last, linear_layer)
        originals[name] = linear_layer.weight.data.clone()
        merged = merge(originals[name].numpy(), A, B, ALPHA)
        linear_layer.weight.data = torch.tensor(merged, dtype=torch.float32)
    merge_error = (answer_logits(probe)[0] - adapted).abs().max().item()
    for name, weight in originals.items():
        model.get_submodule(name).weight.data = weight
    back = (answer_logits(probe)[0] - untouched).abs().max().item()
print(f"merged against adapted: logits differ by at most {merge_error:.1e}")
print(f"the old weights back in place: {back:.1g}")

# %% [markdown]
# And now the library that people use, `peft`. It gets *your* start and *your* batches. If it
# does the same as you, its first losses are yours.

# %% demo
import warnings

from peft import LoraConfig, get_peft_model

settings = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS)
with warnings.catch_warnings():  # peft asks transformers in an old way
    warnings.simplefilter("ignore", FutureWarning)
    theirs = get_peft_model(model, settings)
theirs.print_trainable_parameters()


def give(numbers):
    """Set peft's A and B; its names only have a prefix and a suffix more."""
    for name, (A, B) in numbers.items():
        layer = theirs.base_model.model.get_submodule(name)
        layer.lora_A["default"].weight.data = torch.tensor(
            A, dtype=torch.float32
        )
        layer.lora_B["default"].weight.data = torch.tensor(
            B, dtype=torch.float32
        )


give(start)
peft_losses = fit([p for p in theirs.parameters() if p.requires_grad], 3)
print("your first losses:", [round(it, 4) for it in losses[:3]])
print("peft's:           ", [round(it, 4) for it in peft_losses])

give(found)
with torch.no_grad():
    peft_gap = (answer_logits(probe)[0] - adapted).abs().max().item()
    model = theirs.merge_and_unload()
    peft_merged = (answer_logits(probe)[0] - adapted).abs().max().item()
print(f"your A and B in peft: logits differ by at most {peft_gap:.1e}")
print(f"merged by peft:       {peft_merged:.1e}")

# %% [markdown]
# So `peft` is not magic: it is `inject`, `fresh`, `lora` and `merge`, with saving and loading
# (the adapter is a file of 1.8 MB; the model has 538), many kinds of layers, and dropout. The
# names of its settings are yours: `r`, `lora_alpha`, `target_modules`.
#
# ## What this tells you about the job
#
# Fine-tuning is the part of an AI engineer's work that looks most like machine learning, and
# the training itself was the shortest part of the day. What took care was the rest: which
# weights may move, which places of a batch count, whether the start is truly the old model,
# what else changed, and whether something simpler does as well. Most failed fine-tunings that
# you will be asked to look at fail in one of these, and the loss curve looks fine in all.
#
# A model that you trained is also a model that you own: when the base model has a new version,
# your adapter does not fit it any more, and somebody must train and measure again. Prompts
# and search outlive a change of models; adapters do not. If you liked today's bookkeeping
# less than its gradients, look at M3 and M6 once more: there the gradients are the work.
#
# ## Further reading
#
# - E. Hu and others: *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022,
#   arXiv:2106.09685.
# - D. Biderman and others: *LoRA Learns Less and Forgets Less*, TMLR 2024, arXiv:2405.09673.
# - S. Hayou, N. Ghosh, B. Yu: *The Impact of Initialization on LoRA Finetuning Dynamics*,
#   NeurIPS 2024. On the start with $B$ random and $A$ zero.
# - M. McCloskey, N. Cohen: *Catastrophic Interference in Connectionist Networks*, 1989.
# - T. Dettmers and others: *QLoRA: Efficient Finetuning of Quantized LLMs*, NeurIPS 2023. The
#   same, with the frozen weights in four bits.
# - The documentation of `peft`, by Hugging Face.
#
# ## Would you do this again tomorrow?

# %%
again("a6", 0)
