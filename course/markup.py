"""Our own Markdown as HTML: for hints on a card and for pages."""

from collections.abc import Mapping
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import escape
from mdit_py_plugins.dollarmath import dollarmath_plugin


def to_html(text: str) -> str:
    """Return Markdown as HTML, formulas as MathML; raw HTML in it is escaped."""
    return str(_markdown().render(text))


@cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    return made.use(dollarmath_plugin, allow_digits=False, renderer=_formula)


def _formula(source: str, options: Mapping[str, object]) -> str:
    from latex2mathml.converter import convert
    from latex2mathml.exceptions import NoAvailableTokensError

    display = "block" if options.get("display_mode") else "inline"
    try:
        return str(convert(source, display=display))
    except (NoAvailableTokensError, ValueError, IndexError, KeyError):
        return f"<code>{escape(source)}</code>"
