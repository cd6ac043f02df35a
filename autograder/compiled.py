"""The instructor's text as code: compiled once, for all submissions that it judges.

Both sides run the same Python, and both trust the text.
"""

import ast
import base64
import marshal
import warnings
from types import CodeType


def filename_of(cell_id: str) -> str:
    """Return the name by which tracebacks know a cell."""
    return f"<{cell_id}>"


def compiled(source: str, cell_id: str) -> tuple[CodeType, CodeType | None]:
    """Return (code of all statements, code of the value of the last one).

    The last one is among the statements, and the second None, when it is no expression.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    filename = filename_of(cell_id)
    tree = ast.parse(source, filename)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    code = compile(tree, filename, "exec")
    return code, None if last is None else compile(last, filename, "eval")


def packed(source: str, cell_id: str) -> str:
    """Return `compiled` as text for `unpacked`; empty when it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compiled(source, cell_id)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # whoever runs the text says what is wrong with it
    return base64.b64encode(marshal.dumps(found)).decode()


def unpacked(text: str) -> tuple[CodeType, CodeType | None]:
    """Return the code that `packed` wrote, in a process of the same Python."""
    found: tuple[CodeType, CodeType | None] = marshal.loads(base64.b64decode(text))  # noqa: S302 - our own
    return found
