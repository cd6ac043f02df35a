"""What a zygote loads before it forks: what graded cells need, and no more."""

import json

from autograder import kinds
from course.lesson_text import SKIP_TAG


def options(*sources, demo=""):
    """Return the options of an assignment whose notebook has these code cells."""
    cells = [
        {"cell_type": "code", "metadata": {}, "source": it.splitlines(keepends=True)}
        for it in sources
    ]
    tags = {"tags": [SKIP_TAG]}
    cells.append({"cell_type": "code", "metadata": tags, "source": demo})
    notebook = json.dumps({"cells": cells, "nbformat": 4}).encode()
    (found,) = kinds.assignments({"an assignment": notebook}, None)
    return found.kind, found.options


def test_what_the_cells_import_is_loaded_before_the_fork():
    _, found = options("import math\nfrom json import loads", "import math as m")
    assert {"json", "math", *kinds.ALWAYS} == set(found["preload"])


def test_a_module_that_is_imported_by_its_package_is_loaded():
    _, found = options("from scipy import stats, linalg, test")
    assert {"scipy", "scipy.stats", "scipy.linalg"} < set(found["preload"])
    assert found["names"] == ["scipy.test"]


def test_what_is_not_installed_is_left_to_the_cell_that_imports_it():
    _, found = options("import no_such_module, os.path, json.no_such_module")
    assert set(found["preload"]) == set(kinds.ALWAYS)


def test_demo_cells_never_run_and_so_load_nothing():
    kind, found = options("import numpy", demo="import torch, sklearn")
    assert kind == "plain"
    assert set(found["preload"]) == set(kinds.ALWAYS)


def test_a_notebook_with_torch_has_a_zygote_of_its_own():
    assert options("from torch import nn")[0] == "torch"


def test_a_figure_is_drawn_before_the_fork_where_one_will_be_after_it():
    assert options("from course.plots import figure")[1]["warm"] == [kinds.FIGURE]
    assert options("import matplotlib.pyplot as plt")[1]["warm"] == [kinds.FIGURE]
    assert options("import numpy")[1]["warm"] == []


def test_weights_that_graded_cells_use_are_loaded_before_the_fork():
    source = "from course import embed\nvectors = embed.load_embedder().encode(['a'])"
    kind, found = options("from course.llm import load_local", source)
    assert kind == "torch"
    assert found["warm"] == [kinds.WEIGHTS["load_embedder"]]  # load_local is not called
    assert {"torch", "transformers", "course.embed"} < set(found["preload"])
    assert options("import numpy", demo=source)[1]["warm"] == []
