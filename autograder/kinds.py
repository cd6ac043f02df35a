"""Which assignments share a zygote, and what it loads before it forks.

Two kinds: those whose notebooks import PyTorch, and those that do not: a zygote with
PyTorch takes some hundred megabytes and several seconds to start, so lessons that do
without need not wait for it.
"""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import util
from pathlib import Path

from autograder.engine import Engine
from autograder.judging import Assignment
from autograder.probe import Mode
from autograder.sandbox import Setting
from course import assets
from course import lesson as library
from course.errors import CrossroadsError

HEAVY = frozenset({"torch", "transformers", "accelerate"})
ALWAYS = ("course.feedback", "course.hints")
FIGURE = (
    "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.gcf().canvas.draw()\n"
    "plt.close('all')"
)


def assignments(sources: Mapping[str, bytes], mode: Mode | None) -> list[Assignment]:
    """Return what workers must know of the assignments with these notebooks.

    Args:
        sources: name -> the instructor's notebook; trusted.
        mode: how the sandbox is made; None: each worker finds out.
    """
    modules = {name: set(_modules(source)) for name, source in sources.items()}
    kinds = {name: _kind(found) for name, found in modules.items()}
    made = []
    for name, source in sources.items():
        same = [it for it in sources if kinds[it] == kinds[name]]
        wanted = set(ALWAYS).union(*(modules[it] for it in same))
        folders = sorted({path for it in same for path in _assets(it)})
        options = {
            "mode": None if mode is None else str(mode),
            "preload": [it for it in sorted(wanted) if _exists(it)],
            "warm": [FIGURE] if "matplotlib.pyplot" in wanted else [],
            "assets": folders,
        }
        made.append(Assignment(name, source, kinds[name], options))
    return made


def start(options: Mapping[str, object]) -> Engine:
    """Return the engine for assignments of one kind: a factory of `judging.started`.

    Raises:
        SandboxError: untrusted code cannot be run here.
    """
    setting = Setting(
        preload=tuple(_texts(options["preload"])),
        warm=tuple(_texts(options["warm"])),
        assets=tuple(Path(it) for it in _texts(options["assets"])),
    )
    mode = options["mode"]
    return Engine(setting, mode=None if mode is None else Mode(str(mode)))


def _kind(modules: Iterable[str]) -> str:
    tops = {it.partition(".")[0] for it in modules}
    return "torch" if tops & HEAVY else "plain"


def _modules(source: bytes) -> Iterator[str]:
    """Give the modules that a notebook's code cells import."""
    for cell in json.loads(source)["cells"]:
        text = cell.get("source", "")
        text = text if isinstance(text, str) else "".join(text)
        if cell.get("cell_type") == "code":
            yield from _imports(text)


def _imports(text: str) -> Iterator[str]:
    plain = "\n".join(it for it in text.splitlines() if it.lstrip()[:1] not in "%!")
    try:
        tree = ast.parse(plain)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _exists(module: str) -> bool:
    """Return whether the package is installed; nothing is imported to find out."""
    return util.find_spec(module.partition(".")[0]) is not None


def _assets(name: str) -> list[str]:
    """Return the folders of the models and data that a lesson of ours reads."""
    try:
        lesson = library.load(name)
    except CrossroadsError:
        return []  # a foreign assignment
    return [str(assets.path(it)) for it in lesson.assets]


def _texts(value: object) -> list[str]:
    return [str(it) for it in value] if isinstance(value, list | tuple) else []
