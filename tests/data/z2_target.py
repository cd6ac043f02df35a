# ---
# jupyter:
#   crossroads:
#     id: z2
#     track: shared
#     title: What the attacks aim at
# ---

# %% [markdown]
# # What the attacks aim at
#
# {{exercises}}

# %% setup
import numpy as np

from course.feedback import check, expect, expect_close, expect_equal

# %% [markdown]
# ## Successor


# %% exercise="first" points=1 minutes=1 difficulty=1
def successor(n):
    """Return the whole number after n."""
    ### BEGIN SOLUTION
    return n + 1
    ### END SOLUTION


# %% check="first"
with check("z2.first"):
    expect_equal(successor(3), 4, "successor(3)")
    ### BEGIN HIDDEN TESTS
    expect_equal(successor(41), 42, "successor(41)")
    ### END HIDDEN TESTS

# %% [markdown] hint="first"
# Sketch: add one.

# %% [markdown] hint="first"
# ```python
# answer = ...  # as the sketch says
# ```


# %% right="first"
def successor(n):
    return 1 + n


# %% wrong="first" says="must be 4"
def successor(n):
    return n


# %% [markdown]
# ## Softmax


# %% exercise="softmax" points=2 minutes=8 difficulty=2
def softmax(z):
    """Return exp(z) / sum(exp(z)); z has shape (n,)."""
    ### BEGIN SOLUTION
    shifted = np.exp(z - z.max())
    return shifted / shifted.sum()
    ### END SOLUTION
    return np.zeros_like(z)  # replace this line


# %% check="softmax"
with check("z2.softmax"):
    z = np.array([0.0, 1.0])
    expect_close(softmax(z), np.exp(z) / np.exp(z).sum(), "softmax([0, 1])")
    ### BEGIN HIDDEN TESTS
    CANARY = "tell-nobody-5f1c9ad2"
    rng = np.random.default_rng(7)
    big = 1000 + rng.normal(size=4)
    want = np.exp(big - big.max()) / np.exp(big - big.max()).sum()
    expect_close(softmax(big), want, f"softmax of {CANARY} {big}")
    ### END HIDDEN TESTS

# %% [markdown] hint="softmax"
# Sketch: shift, exponentiate, normalise.

# %% [markdown] hint="softmax"
# ```python
# answer = ...  # as the sketch says
# ```


# %% right="softmax"
def softmax(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


# %% wrong="softmax" says="must be"
def softmax(z):
    return np.exp(z)


# %% [markdown]
# ## Twice


# %% exercise="twice" points=1 minutes=3 difficulty=1
def twice(f, x):
    """Return f(f(x))."""
    ### BEGIN SOLUTION
    return f(f(x))
    ### END SOLUTION


# %% check="twice"
with check("z2.twice"):
    expect_equal(twice(lambda n: n + 2, 1), 5, "twice(plus two, 1)")
    ### BEGIN HIDDEN TESTS
    secret = "tell-nobody-77aa01be"

    def grow(text, tail=secret):
        return text + "".join(tail[:2])

    expect_equal(twice(grow, "a"), "atete", f"twice with {secret}")
    ### END HIDDEN TESTS

# %% [markdown] hint="twice"
# Sketch: call f, then call it with what it gave.

# %% [markdown] hint="twice"
# ```python
# answer = ...  # as the sketch says
# ```


# %% right="twice"
def twice(f, x):
    for _ in range(2):
        x = f(x)
    return x


# %% wrong="twice" says="must be"
def twice(f, x):
    return f(x)


# %% [markdown]
# ## Money


# %% exercise="money" points=1 minutes=5 difficulty=2
### BEGIN SOLUTION
class Money:
    """An amount in cents: equal amounts are equal."""

    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return isinstance(other, Money) and self.cents == other.cents

    def __hash__(self):
        return hash(self.cents)

    def __add__(self, other):
        return Money(self.cents + other.cents)


### END SOLUTION

# %% check="money"
with check("z2.money"):
    expect(Money(2) + Money(3) == Money(5), "2 and 3 cents must make 5.")
    expect(not Money(2) == Money(3), "2 cents must not equal 3 cents.")
    expect_equal((Money(1) + Money(1)).cents, 2, "the cents of 1 and 1")
    ### BEGIN HIDDEN TESTS
    expect(Money(7) != Money(8), "7 cents must not equal 8 cents.")
    ### END HIDDEN TESTS

# %% [markdown] hint="money"
# Sketch: compare the cents.

# %% [markdown] hint="money"
# ```python
# answer = ...  # as the sketch says
# ```


# %% right="money"
class Money:
    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return type(other) is Money and other.cents == self.cents

    __hash__ = None

    def __add__(self, other):
        return Money(other.cents + self.cents)


# %% wrong="money" says="must make 5"
class Money:
    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return False

    def __add__(self, other):
        return Money(0)


# %% [markdown]
# ## Predecessor


# %% exercise="last" points=1 minutes=1 difficulty=1
def predecessor(n):
    """Return the whole number before n."""
    ### BEGIN SOLUTION
    return n - 1
    ### END SOLUTION


# %% check="last"
with check("z2.last"):
    expect_equal(predecessor(3), 2, "predecessor(3)")
    ### BEGIN HIDDEN TESTS
    expect_equal(predecessor(42), 41, "predecessor(42)")
    ### END HIDDEN TESTS

# %% [markdown] hint="last"
# Sketch: subtract one.

# %% [markdown] hint="last"
# ```python
# answer = ...  # as the sketch says
# ```


# %% right="last"
def predecessor(n):
    return -1 + n


# %% wrong="last" says="must be 2"
def predecessor(n):
    return n
