"""The judge of trees accepts what scikit-learn grows, and names each flaw."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from course import treecheck


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    Xb = rng.integers(0, 4, (60, 3))
    g = rng.normal(size=60) + (Xb[:, 0] > 1)
    return Xb, g, np.ones(60)


def grown_by_sklearn(rows, depth):
    """With h = 1 and lam = 0, the tree is that of least squares on -g."""
    Xb, g, _ = rows
    tree = DecisionTreeRegressor(max_depth=depth).fit(Xb, -g).tree_

    def part(i):
        if tree.children_left[i] < 0:
            return float(tree.value[i].item())
        b = int(np.floor(tree.threshold[i]))
        sides = part(tree.children_left[i]), part(tree.children_right[i])
        return (int(tree.feature[i]), b, *sides)

    return part(0)


def test_the_tree_of_scikit_learn_is_right(rows):
    for depth in (0, 1, 2, 3):
        if depth:
            tree = grown_by_sklearn(rows, depth)
            assert treecheck.flaw(tree, *rows, depth, 1e-12) is None


def test_every_flaw_has_its_words(rows):
    j, b, left, right = grown_by_sklearn(rows, 1)
    mean = -float(rows[1].mean())
    for tree, words in [
        ((j, b, right, left), "swapped"),
        ((j, b, mean, right), "payments of its parent"),
        ((j, b, left + 1, right), "it must be"),
        ((j, b, left, "x"), "a leaf is a number"),
        ((j, b, left, (0, 0, 1.0, 1.0)), "more than depth allows"),
        ((1 - j, b, left, right), "Ask every column"),
        ((j, 9, left, right), "no such bin"),
        ((j, b, left), "3 parts"),
        (mean, "the tree stops"),
    ]:
        assert words in treecheck.flaw(tree, *rows, 1, 1e-12)
    same = (np.zeros((4, 1), int), np.ones(4), np.ones(4))
    assert "gains nothing" in treecheck.flaw((0, 0, 1.0, 1.0), *same, 1, 1.0)


def test_a_row_is_followed_to_its_leaf():
    tree = (1, 0, -1.0, [0, 2, 0.5, 2.0])
    found = [treecheck.follow(tree, row) for row in ([9, 0], [2, 1], [3, 1])]
    assert found == [-1.0, 0.5, 2.0]
