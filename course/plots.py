"""Figures that everybody can read: colours, labels with units, a text alternative."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008): told apart with every common kind of colour blindness.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
RED, PURPLE, SKY, BLACK = "#D55E00", "#CC79A7", "#56B4E9", "#000000"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
MARKERS = "osD^vPX"
SEQUENTIAL = "cividis"  # made for colour-blind eyes; DIVERGING has a neutral middle
DIVERGING = "PuOr"


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 7.0, height: float = 3.6
) -> "tuple[Figure, Axes]":
    """Return matplotlib's (figure, axes) in the course's style.

    Args:
        rows: number of rows of axes.
        columns: number of columns of axes; axes is an array when there are several.
        width: of the whole figure, inches.
        height: of one row, inches.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from cycler import cycler

    style = {
        "axes.prop_cycle": cycler(color=CYCLE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "figure.constrained_layout.use": True,
        "font.size": 10,
    }
    with mpl.rc_context(style):
        return plt.subplots(rows, columns, figsize=(width, height * rows))


def show(figure: "Figure", alt: str) -> None:
    """Show a finished figure, and say in words what it shows.

    Args:
        figure: every axes needs labels: a figure without them explains nothing.
        alt: the text alternative, one or two sentences with the numbers that matter.

    Raises:
        ValueError: an axes with data has no label on one of its two axes.
    """
    import matplotlib.pyplot as plt

    for axes in figure.axes:
        is_bar = axes.get_label() == "<colorbar>"
        if is_bar or not axes.axison or not axes.has_data():
            continue
        if not (axes.get_xlabel() and axes.get_ylabel()):
            raise ValueError(
                f"the axes {axes.get_title()!r} lack a label: set_xlabel and "
                "set_ylabel, with the unit"
            )
    plt.show()
    plt.close(figure)
    print(f"In words: {alt}")
