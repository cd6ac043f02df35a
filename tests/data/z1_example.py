# ---
# jupyter:
#   crossroads:
#     id: z1
#     track: shared
#     title: An example
# ---

# %% [markdown]
# # An example
#
# {{exercises}}

# %% setup
import numpy as np

from course.feedback import check, expect, expect_close, expect_prediction

# %% [markdown]
# ## Predict

# %% exercise="guess" points=1 minutes=1 difficulty=1 prediction=true
guess, confidence = None, None
### BEGIN SOLUTION
guess, confidence = "b", 0.7
### END SOLUTION

# %% check="guess"
with check("z1.guess"):
    expect_prediction("z1.guess", guess, confidence, ["a", "b"])

# %% right="guess"
guess, confidence = "a", 1

# %% wrong="guess" says="confidence"
guess, confidence = "a", 70

# %% [markdown]
# ## Softmax


# %% exercise="softmax" points=2 minutes=8 difficulty=2
def softmax(z):
    """Return exp(z) / sum(exp(z)); z has shape (n,)."""
    # 1. shift, 2. exponentiate, 3. normalise
    ### BEGIN SOLUTION
    shifted = np.exp(z - z.max())
    return shifted / shifted.sum()
    ### END SOLUTION
    return np.zeros_like(z)  # replace this line


# %% check="softmax"
with check("z1.softmax"):
    z = np.array([0.0, 1.0])
    expect_close(
        softmax(z),
        np.exp(z) / np.exp(z).sum(),
        "softmax([0, 1])",
        mistakes={"you forgot to normalise: the sum is not 1": np.exp(z)},
    )
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 7
    rng = np.random.default_rng(HIDDEN_SEED)
    big = 1000 + rng.normal(size=4)
    expect(
        np.all(np.isfinite(softmax(big))),
        "exp(1000) overflows: subtract the maximum first",
    )
    ### END HIDDEN TESTS

# %% [markdown] hint="softmax"
# Sketch: shift, exponentiate, normalise.

# %% [markdown] hint="softmax"
# ```python
# shifted = ...  # subtract the maximum
# ```


# %% right="softmax"
def softmax(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


# %% wrong="softmax" says="forgot to normalise"
def softmax(z):
    return np.exp(z)


# %% wrong="softmax" says="overflows"
def softmax(z):
    return np.exp(z) / np.exp(z).sum()


# %% demo
print(softmax(np.array([1.0, 2.0])))
