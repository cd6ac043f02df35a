"""A lesson's text, and the names that it leaves when it is run with its solutions."""

import contextlib
import io
import re
import warnings

import matplotlib as mpl
import pytest

from course import bank, lesson


def prose(name):
    """Return a lesson's Markdown as one line, without quote and comment signs."""
    cells = (it.source for it in lesson.load(name).cells if it.role == "markdown")
    text = re.sub(r"^(# ?|> )", "", "\n".join(cells), flags=re.MULTILINE)
    return " ".join(text.split())


def run(name, home, *, demos=False, checks=False, until=None, edit=None):
    """Run the solved lesson; return its names, and under "said" what it printed.

    Args:
        name: the lesson's.
        home: folder of the learner's log.
        demos: run demonstrations: True, False, or a function of a demonstration.
        checks: run the checks as well.
        until: stop before the cell that holds this text.
        edit: returns a cell's source as it shall be run.
    """
    mpl.use("agg")  # no window
    names, said = {"__name__": "__main__"}, io.StringIO()
    wanted = demos if callable(demos) else lambda _: demos
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(said),
    ):
        patch.setenv("CROSSROADS_HOME", str(home))
        patch.setenv("OMP_NUM_THREADS", "1")
        warnings.simplefilter("ignore")  # agg says that it cannot show a figure
        for cell in lesson.load(name).cells:
            if until and until in cell.source:
                break
            is_wanted = {"demo": wanted(cell), "check": checks}.get(cell.role, True)
            if cell.is_code and is_wanted:
                source = edit(cell.source) if edit else cell.source
                bank.run(source, names, f"<{name}:{cell.line}>")
    return names | {"said": said.getvalue()}
