"""Says why a submission could not be graded, and what a check found, in words."""

import html
import json
import re
from pathlib import Path

from nbformat import NotebookNode

LARGEST_BYTES = 20_000_000
_BY_LOG = {
    "DeadKernelError": "the kernel died: the notebook ends its own process, crashes a "
    "library, or needs more memory than there is. Run it from the top in a new kernel",
    "UnresponsiveKernelError": "a cell could not be stopped after its time was over: "
    "look for an endless loop",
    "RuntimeError: Kernel didn't respond": "the kernel did not start in time: is the "
    "machine busy? Grade it again",
}
_ERROR_LINE = re.compile(r"^\s*((?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt)\b.*)$")
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{assignment}: not graded</title></head>
<body>
<h1>{assignment}: not graded</h1>
<p>What <strong>{student}</strong> handed in could not be graded. It has no score yet.</p>
<p>The reason: {reason}.</p>
</body>
</html>
"""


def unreadable(path: Path) -> str:
    """Return why the submitted file cannot be a notebook; nothing if it can."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return f"{path.name} is no ordinary file: ask for the notebook itself"
    if not path.exists():
        others = ", ".join(sorted(it.name for it in path.parent.iterdir()))
        return (
            f"there is no {path.name}; the folder holds {others or 'nothing'}: rename "
            "the notebook, or ask for it"
        )
    size = path.stat().st_size
    if size == 0:
        return f"{path.name} is empty (0 bytes): ask for it once more"
    if size > LARGEST_BYTES:
        return (
            f"{path.name} has {size:,} bytes, more than {LARGEST_BYTES:,}: ask for it "
            "without outputs"
        )
    return _not_a_notebook(path)


def of_log(log: str) -> str:
    """Return the reason that nbgrader's log gives, as a person would put it."""
    for sign, reason in _BY_LOG.items():
        if sign in log:
            return reason
    lines = [found[1] for line in log.split("\n") if (found := _ERROR_LINE.match(line))]
    own = [line for line in lines if "NbGraderException" not in line]
    return f"nbgrader stopped with {own[-1] if own else 'an error'}"


def message(cell: NotebookNode) -> str:
    """Return what an executed check said; nothing if it passed."""
    for output in cell.outputs:
        if output.output_type == "error":
            text = str(output.evalue)
            return text if output.ename == "CheckFailed" else f"{output.ename}: {text}"
    return ""


def first_sentence(text: str) -> str:
    """Return the first sentence of a check's message, without its mark and its key."""
    line = re.sub(r"^✗ [\w.]+: ", "", text.strip())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`\"'])|\n", line)[0]


def page(student: str, assignment: str, reason: str) -> str:
    """Return the feedback page of a submission that could not be graded."""
    safe = {"student": student, "assignment": assignment, "reason": reason}
    return _PAGE.format(**{key: html.escape(text) for key, text in safe.items()})


def _not_a_notebook(path: Path) -> str:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        return (
            f"{path.name} is not a complete notebook: it breaks off or is damaged at "
            f"line {error.lineno} ({error.msg}). Ask for it once more"
        )
    except (ValueError, RecursionError, OSError) as error:
        return f"{path.name} cannot be read as a notebook ({error}): ask for it again"
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or content.get("nbformat") != 4:
        return f"{path.name} is not a notebook of format 4: save it with JupyterLab"
    return ""
