"""Takes one member out of a wheel or an sdist, as zip or tar, and nothing else.

The archive never decides where a file goes: its member is copied into a file
that we opened, so that a member called `../../x` is a name like any other.
"""

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from course.errors import AssetCorrupt
from course.manifest import Part

CHUNK = 1 << 20  # bytes


def take(archive: Path, part: Part, target: IO[bytes]) -> None:
    """Append one member of `archive` to `target`, verified.

    At most `part.size` bytes are written, whatever the archive claims.

    Raises:
        AssetCorrupt: no such member, or it is not the manifest's.
    """
    digest, left = hashlib.sha256(), part.size
    try:
        with _opened(archive, part.member) as source:
            while left and (chunk := source.read(min(CHUNK, left))):
                target.write(chunk)
                digest.update(chunk)
                left -= len(chunk)
            more = bool(source.read(1))
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise AssetCorrupt(
            f"{archive.name}: {part.member} cannot be read ({error}); {_REMEDY}"
        ) from error
    if left or more or digest.hexdigest() != part.sha256:
        raise AssetCorrupt(
            f"{archive.name}: {part.member} must have {part.size:,} bytes with SHA-256 "
            f"{part.sha256}, and has not; {_REMEDY}"
        )


_REMEDY = "delete the file and run `course fetch` again"


@contextmanager
def _opened(archive: Path, member: str) -> Iterator[IO[bytes]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped, zipped.open(member) as source:
                yield source
        else:
            with tarfile.open(archive) as tarred:
                yield _regular(tarred, archive, member)
    except KeyError as error:
        raise AssetCorrupt(
            f"{archive.name} has no member {member}; {_REMEDY}"
        ) from error


def _regular(tarred: tarfile.TarFile, archive: Path, member: str) -> IO[bytes]:
    info = tarred.getmember(member)
    source = tarred.extractfile(info) if info.isfile() else None  # no links
    if source is None:
        raise AssetCorrupt(f"{archive.name}: {member} is not a plain file; {_REMEDY}")
    return source
