"""Which assignments share a zygote, and what it loads before it forks.

Two kinds: those whose graded cells import PyTorch, and those that do not: a zygote with
PyTorch takes some hundred megabytes and several seconds to start, so lessons that do
without need not wait for it. Where graded cells load one of the course's models, the
zygote has loaded it: all submissions share its weights.
"""

import ast
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import util
from importlib.machinery import PathFinder
from pathlib import Path

from autograder import places
from autograder.bubblewrap import ASSETS
from autograder.engine import Engine
from autograder.judging import Assignment
from autograder.probe import Mode
from autograder.sandbox import Setting
from course import assets
from course import lesson as library
from course.errors import CrossroadsError
from course.lesson_text import SKIP_TAG

HEAVY = frozenset({"torch", "transformers", "accelerate"})
ALWAYS = ("course.feedback", "course.hints", "numpy")
DRAWS = frozenset({"matplotlib.pyplot", "course.plots"})  # the latter: when it draws
FIGURE = (
    "import matplotlib.pyplot as plt\n"
    "figure, axes = plt.subplots(layout='constrained')\n"
    "axes.plot([0, 1], label='a line')\n"
    "axes.legend()\nfigure.canvas.draw()\nplt.close('all')"
)

WEIGHTS = {  # what a cell calls: what loads it, once for a process
    "load_embedder": "from course.embed import load_embedder\nload_embedder()",
    "load_local": "from course.llm import load_local\nload_local()",
}


def assignments(
    sources: Mapping[str, bytes],
    mode: Mode | None,
    *,
    handed_out: Path | None = None,
    shared: str = "",
    trusted: bool = False,
) -> list[Assignment]:
    """Return what workers must know of the assignments with these notebooks.

    Args:
        sources: name -> the instructor's notebook; trusted.
        mode: how the sandbox is made; None: each worker finds out.
        handed_out: the folder `release` of a course that is not of our lessons: what
            lies there beside the notebooks lies beside the students' code too.
        shared: see `judging.Assignment`.
        trusted: they will be judged without a sandbox.
    """
    trees = {name: list(_trees(source)) for name, source in sources.items()}
    modules = {name: set(_modules(found)) for name, found in trees.items()}
    weights = {name: set(_weights(found)) for name, found in trees.items()}
    for name in sources:
        modules[name] |= {"torch", "transformers"} if weights[name] else set()
    kinds = {name: _kind(found) for name, found in modules.items()}
    made = []
    for name, source in sources.items():
        same = [it for it in sources if kinds[it] == kinds[name]]
        wanted = set(ALWAYS).union(*(modules[it] for it in same))
        called = set().union(*(weights[it] for it in same))
        given = {it: _handed_out(it, handed_out) for it in same}
        folders = sorted({str(it) for found in given.values() for it in found})
        options = _options(mode, wanted, called, folders)
        for it in () if handed_out is None else given[name]:
            seen = str(it) if trusted else f"{ASSETS}/{it.name}"
            source = places.with_files(source, it, seen)  # noqa: PLW2901
        made.append(
            Assignment(
                name, source, kinds[name], options, shared=shared, trusted=trusted
            )
        )
    return made


def start(options: Mapping[str, object]) -> Engine:
    """Return the engine for assignments of one kind: a factory of `judging.started`.

    Raises:
        SandboxError: untrusted code cannot be run here.
    """
    mode = options["mode"]
    return Engine(setting(options), mode=None if mode is None else Mode(str(mode)))


def setting(options: Mapping[str, object]) -> Setting:
    """Return what a process loads before it forks, from the options of a kind."""
    return Setting(
        preload=tuple(_texts(options["preload"])),
        names=tuple(_texts(options["names"])),
        warm=tuple(_texts(options["warm"])),
        assets=tuple(Path(it) for it in _texts(options["assets"])),
    )


def _options(
    mode: Mode | None, wanted: set[str], called: set[str], folders: list[str]
) -> dict[str, object]:
    """Return what a grader of one kind gets; see `setting`."""
    loaded = [it for it in sorted(wanted) if _exists(it)]
    inside = {it for it in wanted if it.rpartition(".")[0] in loaded}
    figure = [FIGURE] if wanted & DRAWS else []
    return {
        "mode": None if mode is None else str(mode),
        "preload": loaded,
        "names": sorted(inside.difference(loaded)),
        "warm": [*figure, *(WEIGHTS[it] for it in sorted(called))],
        "assets": folders,
    }


def _kind(modules: Iterable[str]) -> str:
    tops = {it.partition(".")[0] for it in modules}
    return "torch" if tops & HEAVY else "plain"


def _trees(source: bytes) -> Iterator[ast.Module]:
    """Give the code cells that run when graded: demo cells never do."""
    for cell in json.loads(source)["cells"]:
        is_demo = SKIP_TAG in cell.get("metadata", {}).get("tags", ())
        if cell.get("cell_type") != "code" or is_demo:
            continue
        text = cell.get("source", "")
        lines = (text if isinstance(text, str) else "".join(text)).splitlines()
        plain = "\n".join(it for it in lines if it.lstrip()[:1] not in "%!")
        with contextlib.suppress(SyntaxError):
            yield ast.parse(plain)


def _modules(trees: Iterable[ast.Module]) -> Iterator[str]:
    """Give `module` and `module.name` as the cells import."""
    for node in (it for tree in trees for it in ast.walk(tree)):
        if isinstance(node, ast.Import):
            yield from (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            for it in node.names:  # `from scipy import stats`: perhaps a module, too
                yield f"{node.module}.{it.name}"


def _weights(trees: Iterable[ast.Module]) -> Iterator[str]:
    """Give the loaders of models that the cells call."""
    for node in (it for tree in trees for it in ast.walk(tree)):
        if isinstance(node, ast.Call):
            called = node.func
            name = getattr(called, "attr", None) or getattr(called, "id", "")
            if name in WEIGHTS:
                yield name


def _exists(module: str) -> bool:
    """Return whether it is an installed module; nothing is imported to find out."""
    first, *rest = module.split(".")
    name, spec = first, util.find_spec(first)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return False
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec is not None


def _handed_out(name: str, release: Path | None) -> list[Path]:
    """Return the folders of models and data that students' code reads."""
    if release is not None:
        folder = release / places.parts(name)[0]
        return [folder] if any(places.beside(folder)) else []
    try:
        lesson = library.load(name)
    except CrossroadsError:
        return []  # an assignment that is not of ours
    # Graded cells need none of them: what is not fetched here stops nobody.
    ready = {it.name: it.folder for it in assets.status() if it.ready}
    return [ready[it] for it in lesson.assets if it in ready]


def _texts(value: object) -> list[str]:
    return [str(it) for it in value] if isinstance(value, list | tuple) else []
