"""The engines that can serve a model: what each is called with.

The choice between them, with its figures: docs/decisions/0002-serve-engine.md.
"""

import sys
import zlib
from pathlib import Path

from course.errors import AssetError

HOST = "127.0.0.1"
ENGINES = ("llamacpp", "transformers")
"""What can serve, best first."""
FLOAT_COPY_LIMIT_MB = 200  # a larger model's float16 copy would be slow and big
PYTHON = (sys.executable, "-m")


def command(
    model: str, port: int, engine: str, n_threads: int, copies: Path
) -> tuple[str, list[str]]:
    """Return the model's name and the engine's command line, the port at its end.

    Args:
        model: an asset of `course fetch`, or the path of a model's file or folder.
        port: where to listen.
        engine: one of `ENGINES`.
        n_threads: how many compute.
        copies: the folder for a float16 copy of the model.

    Raises:
        AssetMissing: the model is not in the cache.
        AssetError: it has no file that the engine can read.
    """
    name, folder = _find(model)
    if engine == "llamacpp":
        gguf = str(_gguf(model, folder, copies))
        args = ["course.serve_child", "llamacpp", gguf, name]
        args += [str(n_threads), str(port)]
    else:
        name = str(folder)  # this engine answers to no other name
        args = ["transformers.cli.transformers", "serve", name]
        args += ["--device", "cpu", "--dtype", "float32"]
        args += ["--host", HOST, "--port", str(port)]
    return name, [*PYTHON, *args]


def _find(model: str) -> tuple[str, Path]:
    """Return a model's name and its folder (or its one file)."""
    given = Path(model).expanduser()
    if given.exists():
        return given.name if given.is_dir() else given.stem, given.resolve()
    from course import assets

    return model, assets.path(model)


def _gguf(model: str, folder: Path, copies: Path) -> Path:
    """Return the file that llama.cpp is to serve for a model.

    A file that was named itself is served as it is. A small asset is served from a
    float16 copy, so that it says over HTTP what it says in this process.
    """
    if folder.is_file():
        return folder
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise AssetError(
            f"{model} has no .gguf file, which llama.cpp needs: run `course fetch`, or "
            "use `course serve --engine transformers`"
        )
    if found[0].stat().st_size > FLOAT_COPY_LIMIT_MB * 1_000_000:
        return found[0]
    from course.gguf_float import float16_copy

    key = zlib.crc32(str(found[0]).encode())
    return float16_copy(found[0], copies / f"{folder.name}-{key:08x}-f16.gguf")
