"""Why something could not be graded is said in words that a person can act on."""

import nbformat
import pytest

from autograder import reasons


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "not a notebook of format 4"),
        ('{"nbformat": 3, "worksheets": []}', "not a notebook of format 4"),
        ("[" * 100_000, "cannot be read as a notebook"),
        ('{"cells": ' + "1" * 5000 + "}", "cannot be read as a notebook"),
    ],
)
def test_odd_files_are_no_notebooks(tmp_path, text, words):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    assert words in reasons.unreadable(path)


def test_a_page_shows_markup_as_text():
    page = reasons.page("<b>", "a1", "it holds <script>.ipynb")
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


def test_a_whole_notebook_is_readable(tmp_path):
    path = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    assert reasons.unreadable(path) == ""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("x\nnbclient.exceptions.DeadKernelError: Kernel died\n", "the kernel died"),
        (
            "  KeyError: 'a'\nx.NbGraderException: see above",
            "stopped with KeyError: 'a'",
        ),
        ("", "stopped with an error"),
    ],
)
def test_a_log_becomes_a_reason(log, words):
    assert words in reasons.of_log(log)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("✗ a1.softmax: rows differ. Sum over axis 1.", "rows differ."),
        ("✗ a1.x: it is 0.5; it must be 0.25", "it is 0.5; it must be 0.25"),
        ("✗ a1.x: no\n  Stuck? Run hint", "no"),
    ],
)
def test_the_first_sentence_is_without_mark_and_key(text, first):
    assert reasons.first_sentence(text) == first
