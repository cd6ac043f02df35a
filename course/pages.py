"""HTML pages in one file: what people wrote is escaped, nothing is fetched.

Every text goes through jinja2's escaping; only what this package itself makes is marked
as safe. The policy in each page forbids scripts, frames, forms and every request; the
page's own style is allowed by its hash.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
MAX_SHOWN = 6_000  # characters of any one text on a page
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Text that turns the direction, hides, or is not there at all.
_UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_TAG = re.compile("[\U000e0000-\U000e0fff\ufff9-\ufffb\ud800-\udfff]")
_STACKED = re.compile(
    "([\u0300-\u036f\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})"
    "[\u0300-\u036f\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)


def render(
    template: str, values: Mapping[str, object], folder: Path = TEMPLATES
) -> str:
    """Return a page: the template filled in; every value is escaped.

    Args:
        template: a file's name in `folder`, or in this package's own.
        values: what it names; text that people chose is safe to give.
        folder: of the templates of another package.
    """
    style = _style()
    page = _environment(folder).get_template(template)
    return page.render(style=Markup(style), policy=policy(style), **values)  # noqa: S704 - our own file


def policy(style: str) -> str:
    """Return the Content-Security-Policy that allows this style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def plain(text: object, limit: int = MAX_SHOWN) -> str:
    r"""Return text that looks like what it is: nothing unseen, turned round or endless.

    >>> plain("a\u202eb\x1b[31mred\x00")
    'a⟨U+202E⟩bred⟨U+0000⟩'
    """
    whole = _ANSI.sub("", str(text).replace("\r\n", "\n"))
    if len(whole) > limit:
        cut = len(whole) - limit
        half = limit // 2
        whole = f"{whole[:half]}\n… {cut} characters left out …\n{whole[-half:]}"
    for pattern in (_CONTROL, _UNSEEN, _TAG):
        whole = pattern.sub(_named, whole)
    return _STACKED.sub(r"\1", whole)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people write it; a dash when there is none.

    >>> number(2.0), number(0.5), number(None)
    ('2', '0.5', '–')
    """
    return "–" if value is None else f"{value:.{digits}g}"


def write(path: Path, text: str) -> Path:
    """Write a file that is whole at any moment; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    part.replace(path)
    return path


@cache
def _environment(folder: Path) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"plain": plain, "number": number}
    return made


@cache
def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def _named(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found.group()):04X}⟩"
