"""The grader's pages: `course.pages` with the grader's own templates."""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from course import markup
from course import pages as course_pages
from course.pages import MAX_SHOWN, number, plain, policy, write

__all__ = ["MAX_SHOWN", "markdown", "number", "plain", "policy", "render", "write"]

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, values: Mapping[str, object]) -> str:
    """Return a page: the template of `templates/` filled in, every value escaped."""
    return course_pages.render(template, values, TEMPLATES)


def markdown(text: str) -> Markup:
    """Return OUR Markdown as HTML, formulas as MathML; raw HTML in it is escaped."""
    return Markup(markup.to_html(text))  # noqa: S704 - the lesson's own text
