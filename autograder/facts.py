"""What the instructor's notebook says about names and classes: read, not executed.

A check's name comes from the check itself, else from the instructor's locked cells
(run in the referee for themselves), else from the student. These are the facts that
the rule needs.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MAGIC = re.compile(r"^[ \t]*[%!][^\n]*$", re.MULTILINE)
_ORDER = {"__lt__", "__le__", "__gt__", "__ge__"}


@dataclass(frozen=True)
class Facts:
    """What the reference says.

    Attributes:
        answers: names that exercise cells assign: always the student's.
        imports: name -> the import statement by which the reference's exercise and
            plain cells bind it; run by the referee for itself when a check needs it.
        plain: (source, names) of plain cells that need no name of the student's: run by
            the referee for itself when a check needs one of these names.
        operators: class -> the special methods that the reference defines on it.
        owned: names that locked cells and checks bind, and no other: never the
            student's, even when the cell that binds them failed.
    """

    answers: tuple[str, ...] = ()
    imports: Mapping[str, str] = None  # type: ignore[assignment]
    plain: tuple[tuple[str, tuple[str, ...]], ...] = ()
    operators: Mapping[str, tuple[str, ...]] = None  # type: ignore[assignment]
    owned: tuple[str, ...] = ()

    def defined_by(self, source: str) -> set[str]:
        """Return the names of answers that this source assigns."""
        return assigned(_tree(source)) & set(self.answers)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Facts":
        """Return the facts that `vars` gave, through JSON."""
        return cls(
            answers=tuple(data["answers"]),
            imports=dict(data["imports"]),
            plain=tuple((source, tuple(names)) for source, names in data["plain"]),
            operators={k: tuple(v) for k, v in data["operators"].items()},
            owned=tuple(data["owned"]),
        )


def facts_of(
    setups: Iterable[str],
    answers: Iterable[str],
    plain: Iterable[str],
    checks: Iterable[str],
) -> Facts:
    """Return the facts of a reference.

    Args:
        setups: text of locked cells.
        answers: text of solution cells, with the solutions.
        plain: text of cells that are neither, in order.
        checks: text of check cells.
    """
    answer_trees, setup_trees = map(_trees, (answers, setups))
    plain = list(plain)
    names = {name for tree in answer_trees for name in assigned(tree)}
    tainted, kept = set(names), []
    imports: dict[str, str] = {}
    for tree in answer_trees:
        imports |= dict(_imports(tree))
    for source in plain:
        tree = _tree(source)
        imports |= dict(_imports(tree))
        own = assigned(tree)
        if _loaded(tree) & tainted:
            tainted |= own
        elif own:
            kept.append((_MAGIC.sub("", source), tuple(sorted(own))))
    plain_trees, check_trees = map(_trees, (plain, checks))
    trusted = [*setup_trees, *check_trees]
    owned = {name for tree in trusted for name in bound(tree)} - names
    owned -= {name for tree in plain_trees for name in assigned(tree)}
    return Facts(
        answers=tuple(sorted(names)),
        imports={k: v for k, v in imports.items() if k not in names},
        plain=tuple((s, n) for s, n in kept if not set(n) & names),
        operators=_operators([*answer_trees, *plain_trees, *trusted]),
        owned=tuple(sorted(owned)),
    )


def bound(tree: ast.Module) -> set[str]:
    """Return the names that a cell binds at its top level, also by imports."""
    return assigned(tree) | {name for name, _ in _imports(tree)}


def names_in(source: str) -> set[str]:
    """Return the names that a cell's text binds at its top level."""
    return bound(_tree(source))


def star_imports(source: str) -> list[str]:
    """Return the statements by which a cell imports all names of a module."""
    return [
        ast.unparse(node)
        for node in _top(_tree(source).body)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]


def assigned(tree: ast.Module) -> set[str]:
    """Return the names that a cell binds at its top level, except by imports."""
    return {name for node in _top(tree.body) for name in _targets(node)}


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(_MAGIC.sub("", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _trees(sources: Iterable[str]) -> list[ast.Module]:
    return [_tree(it) for it in sources]


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run in the module's own scope."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name in ("body", "orelse", "finalbody"):
                yield from _top(getattr(node, name, ()))
            for handler in getattr(node, "handlers", ()):
                yield from _top(handler.body)


def _targets(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    found: list[ast.AST] = []
    if isinstance(node, ast.Assign):
        found = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For | ast.AsyncFor):
        found = [node.target]
    elif isinstance(node, ast.With | ast.AsyncWith):
        found = [it.optional_vars for it in node.items if it.optional_vars]
    if isinstance(node, ast.Assign | ast.Expr | ast.If | ast.While):
        found += [it.target for it in ast.walk(node) if isinstance(it, ast.NamedExpr)]
    for target in found:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in _top(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            text = ast.unparse(node)
            for alias in node.names:
                if alias.name != "*":
                    yield alias.asname or alias.name.partition(".")[0], text


def _loaded(tree: ast.Module) -> set[str]:
    return {
        it.id
        for it in ast.walk(tree)
        if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Load)
    }


def _operators(trees: Iterable[ast.Module]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_special(node))
    return {name: tuple(sorted(it)) for name, it in found.items() if it}


def _special(node: ast.ClassDef) -> set[str]:
    names = {
        it.name
        for it in node.body
        if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    names |= {name for it in node.body for name in _targets(it)}
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        head = call.func if call else decorator
        name = getattr(head, "attr", getattr(head, "id", ""))
        options = (
            {it.arg: ast.unparse(it.value) for it in call.keywords} if call else {}
        )
        if name == "dataclass":
            names |= {"__eq__"} if options.get("eq") != "False" else set()
            names |= {"__hash__"} if options.get("frozen") == "True" else set()
            names |= _ORDER if options.get("order") == "True" else set()
        elif name == "total_ordering":
            names |= _ORDER
    return {it for it in names if it.startswith("__") and it.endswith("__")}
