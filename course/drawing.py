"""Figures of pages: SVG for light and dark, each with its words."""

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = {"light": "#1c2127", "dark": "#e6eaee"}  # of templates/style.css
_INKED = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
)
Draw = Callable[["Axes", str], None]


@dataclass(frozen=True)
class Figure:
    """A figure as data URIs, and what it shows in words."""

    title: str
    light: str
    dark: str
    alt: str


WIDE_IN, NARROW_IN = 7.0, 5.0  # a narrow one can be read on a telephone, too


def drawn(
    title: str, draw: Draw, alt: str, lines: int = 0, width_in: float = WIDE_IN
) -> Figure:
    """Return the figure that `draw` draws, in the ink of either page.

    Args:
        title: what stands above it.
        draw: gets the axes and the ink's colour.
        alt: what it shows, in words and numbers.
        lines: how many labelled lines need room; 0: the usual height.
        width_in: its width in inches, of 96 pixels each.
    """
    light, dark = (
        _svg(draw, INK[scheme], lines, width_in) for scheme in ("light", "dark")
    )
    return Figure(title, light, dark, alt)


def _svg(draw: Draw, ink: str, lines: int, width_in: float) -> str:
    """Return a drawing as a data URI; the same bytes each time.

    Args:
        draw: gets the axes and the ink's colour.
        ink: of text and edges; the background is the page's.
        lines: how many labelled lines need room; 0: the usual height.
        width_in: its width in inches.
    """
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    style: dict[str, object] = dict.fromkeys(_INKED, ink)
    style |= {"svg.hashsalt": "crossroads", "text.parse_math": False}
    with mpl.rc_context(style):
        height = 1.1 + 0.34 * lines if lines else 2.8
        figure, axes = plots.figure(width=width_in, height=height)
        axes.set_axisbelow(True)
        try:
            draw(axes, ink)
            out = io.BytesIO()
            kept = {"Date": None, "Creator": None}
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph")  # of a foreign name: a box
                figure.savefig(out, format="svg", transparent=True, metadata=kept)
        finally:
            plt.close(figure)
    data = base64.b64encode(out.getvalue()).decode()
    return f"data:image/svg+xml;base64,{data}"
