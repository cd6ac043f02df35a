# ---
# jupyter:
#   crossroads:
#     id: z4
#     track: shared
#     title: An example with PyTorch
# ---

# %% [markdown]
# # An example with PyTorch
#
# {{exercises}}

# %% setup
import torch
from transformers import AutoModel, AutoTokenizer

from course.feedback import check, expect

# %% [markdown]
# ## Attention


# %% exercise="attend" points=2 minutes=8 difficulty=2
def attend(q, k, v):
    """Return softmax(q kᵀ / √d) v; q, k and v have shape (n, d)."""
    ### BEGIN SOLUTION
    return torch.softmax(q @ k.T / q.shape[-1] ** 0.5, -1) @ v
    ### END SOLUTION
    return torch.zeros_like(v)  # replace this line


# %% check="attend"
with check("z4.attend"):
    attention = torch.nn.functional.scaled_dot_product_attention
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 5, 8)
    want = attention(q, k, v)
    got = attend(q, k, v)
    expect(got.shape == v.shape, "the result has not v's shape")
    is_close = torch.allclose(got, want, atol=1e-6)
    expect(is_close, "this is not attention: divide by √d")
    ### BEGIN HIDDEN TESTS
    HIDDEN_SEED = 4
    torch.manual_seed(HIDDEN_SEED)
    q, k, v = torch.randn(3, 2, 64)
    is_close = torch.allclose(attend(q, k, v), attention(q, k, v), atol=1e-6)
    expect(is_close, "this is not attention: divide by √d")
    ### END HIDDEN TESTS

# %% [markdown] hint="attend"
# Sketch: scores, softmax, mean.

# %% [markdown] hint="attend"
# ```python
# torch.softmax(..., -1)
# ```


# %% right="attend"
def attend(q, k, v):
    scores = torch.einsum("id,jd->ij", q, k) / q.shape[1] ** 0.5
    return scores.softmax(1) @ v


# %% wrong="attend" says="divide by"
def attend(q, k, v):
    return torch.softmax(q @ k.T, -1) @ v


# %% [markdown]
# ## A gradient


# %% exercise="slope" points=1 minutes=5 difficulty=2
def slope(x):
    """Return the derivative of x³ at x by autograd, a number."""
    ### BEGIN SOLUTION
    x = torch.tensor(float(x), requires_grad=True)
    (x**3).backward()
    return float(x.grad)
    ### END SOLUTION
    return 0.0  # replace this line


# %% check="slope"
with check("z4.slope"):
    expect(abs(slope(2.0) - 12.0) < 1e-4, "the derivative of x³ at 2 is 12")
    ### BEGIN HIDDEN TESTS
    expect(abs(slope(-1.0) - 3.0) < 1e-4, "the derivative of x³ at -1 is 3")
    ### END HIDDEN TESTS

# %% [markdown] hint="slope"
# Sketch: backward, then grad.

# %% [markdown] hint="slope"
# ```python
# (x**3).backward()
# ```


# %% right="slope"
def slope(x):
    x = torch.tensor([float(x)], requires_grad=True)
    (found,) = torch.autograd.grad((x**3).sum(), x)
    return found.item()


# %% wrong="slope" says="is 12"
def slope(x):
    return 3 * x
