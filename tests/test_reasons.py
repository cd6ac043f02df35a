"""Why nbgrader stopped is said in words that a person can act on."""

import pytest

from autograder import reasons


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
