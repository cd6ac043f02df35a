"""Says in words why nbgrader's own autograde stopped."""

import re

_BY_LOG = {
    "DeadKernelError": "the kernel died: the notebook ends its own process, crashes a "
    "library, or needs more memory than there is",
    "UnresponsiveKernelError": "a cell could not be stopped after its time was over: "
    "look for an endless loop",
    "RuntimeError: Kernel didn't respond": "the kernel did not start in time: is the "
    "machine busy? Try again",
}
_ERROR_LINE = re.compile(r"^\s*((?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*)$")


def of_log(log: str) -> str:
    """Return the reason that nbgrader's log gives, as a person would put it."""
    for sign, reason in _BY_LOG.items():
        if sign in log:
            return reason
    lines = [found[1] for line in log.split("\n") if (found := _ERROR_LINE.match(line))]
    own = [line for line in lines if "NbGraderException" not in line]
    return f"nbgrader stopped with {own[-1] if own else 'an error'}"
