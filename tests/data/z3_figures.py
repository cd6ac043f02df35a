# ---
# jupyter:
#   crossroads:
#     id: z3
#     track: shared
#     title: An example with figures
# ---

# %% [markdown]
# # An example with figures
#
# {{exercises}}

# %% setup
import matplotlib.pyplot as plt
import numpy as np

from course.feedback import check, expect, expect_close

# %% [markdown]
# ## A histogram by hand


# %% exercise="bars" points=1 minutes=5 difficulty=1
def bars(x, edges):
    """Return how many of x lie in each bin, shape (len(edges) - 1,)."""
    ### BEGIN SOLUTION
    return np.histogram(x, edges)[0]
    ### END SOLUTION
    return np.zeros(len(edges) - 1)  # replace this line


# %% check="bars"
with check("z3.bars"):
    found = bars(np.array([0.5, 1.5, 1.6]), np.arange(3.0))
    expect_close(found, [1, 2], "bars")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 3
    x = np.random.default_rng(HIDDEN_SEED).normal(size=50)
    want = np.histogram(x, [-1.0, 0.0, 1.0])[0]
    expect_close(bars(x, np.array([-1.0, 0.0, 1.0])), want, "bars")
    ### END HIDDEN TESTS

# %% [markdown] hint="bars"
# Sketch: count between neighbours.

# %% [markdown] hint="bars"
# ```python
# np.histogram(...)
# ```


# %% right="bars"
def bars(x, edges):
    pairs = zip(edges[:-1], edges[1:])
    return np.array([((a <= x) & (x < b)).sum() for a, b in pairs])


# %% wrong="bars" says="bars"
def bars(x, edges):
    return np.ones(len(edges) - 1)


# %%
x, edges = np.random.default_rng(0).normal(size=500), np.linspace(-3, 3, 13)
plt.bar(edges[:-1], bars(x, edges), width=0.5, align="edge")
plt.xlabel("x (no unit)")
plt.ylabel("number")
plt.show()

# %% [markdown]
# ## A figure that can be read


# %% exercise="draw" points=2 minutes=8 difficulty=2
def draw(x, y):
    """Return axes with the line y over x and a label at each axis."""
    ### BEGIN SOLUTION
    _, axes = plt.subplots()
    axes.plot(x, y)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("way (m)")
    return axes
    ### END SOLUTION
    return plt.gca()  # replace this line


# %% check="draw"
with check("z3.draw"):
    axes = draw([0.0, 1.0], [0.0, 4.9])
    expect(axes.get_xlabel() and axes.get_ylabel(), "an axis has no label")
    expect_close(axes.lines[0].get_ydata(), [0.0, 4.9], "the line")
    ### BEGIN HIDDEN TESTS
    expect_close(axes.lines[0].get_xdata(), [0.0, 1.0], "the line")
    ### END HIDDEN TESTS

# %% [markdown] hint="draw"
# Sketch: plot, then label.

# %% [markdown] hint="draw"
# ```python
# axes.set_xlabel(...)
# ```


# %% right="draw"
def draw(x, y):
    plt.figure()
    plt.plot(x, y)
    plt.xlabel("t")
    plt.ylabel("y")
    return plt.gca()


# %% wrong="draw" says="no label"
def draw(x, y):
    plt.plot(x, y)
    return plt.gca()


# %%
t = np.linspace(0, 2, 100)
draw(t, 4.9 * t**2)
plt.show()
