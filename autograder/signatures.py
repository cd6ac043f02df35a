"""A function's signature from its text; nothing of it is executed."""

import ast
import inspect
from typing import Any


def parse(text: object) -> inspect.Signature:
    """Return the signature that a text describes; nothing of it is executed.

    Raises:
        AttributeError: it is not a signature.
    """
    try:
        tree = ast.parse(f"def f{str(text)[:2000]}: pass")
        arguments = tree.body[0].args  # type: ignore[attr-defined]
        return inspect.Signature(_parameters(arguments))
    except (SyntaxError, ValueError, AttributeError, RecursionError, MemoryError):
        raise AttributeError("__signature__") from None


def _parameters(arguments: ast.arguments) -> list[inspect.Parameter]:
    kinds = inspect.Parameter
    plain = [*arguments.posonlyargs, *arguments.args]
    given: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    found = []
    for i, (it, default) in enumerate(
        zip(plain, given + list(arguments.defaults), strict=True)
    ):
        only = i < len(arguments.posonlyargs)
        kind = kinds.POSITIONAL_ONLY if only else kinds.POSITIONAL_OR_KEYWORD
        found.append(kinds(it.arg, kind, default=_literal(default)))
    if arguments.vararg:
        found.append(kinds(arguments.vararg.arg, kinds.VAR_POSITIONAL))
    for it, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append(kinds(it.arg, kinds.KEYWORD_ONLY, default=_literal(default)))
    if arguments.kwarg:
        found.append(kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return found


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return inspect.Parameter.empty
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.unparse(node)
