"""Looks for what could stop the course on this machine, and says what to do.

Each finding that is not fine ends with its remedy. What the course can do without
(git, a model of a later lesson) is fine and has a remedy all the same.
"""

import platform
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from course import assets, settings
from course.settings import Settings

GB = 1e9
MIN_PYTHON, TOO_NEW_PYTHON = (3, 11), (3, 14)
MIN_DISK_GB = 3.0  # the default assets while they are made, and some air
MIN_MEMORY_GB = 3.0  # JupyterLab, the chat model in float32, a kernel
NBGRADER_EXTENSIONS = (
    "nbgrader.server_extensions.formgrader",
    "nbgrader.server_extensions.validate_assignment",
    "nbgrader.server_extensions.assignment_list",
)


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do about it.

    Attributes:
        ok: the course works with this.
        remedy: empty: nothing to do; beside `ok`: it would be better.
    """

    what: str
    ok: bool
    found: str
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Return the findings on this machine, in the order of their weight.

    A look that itself fails is a finding, too: nothing is raised.
    """
    said = settings.load()
    looks: list[Callable[[Settings], Iterator[Finding]]] = [
        _python,
        _torch,
        _room,
        _cache,
        _assets,
        _jupyter,
        _tools,
        _server,
    ]
    findings: list[Finding] = []
    for look in looks:
        try:
            findings += list(look(said))
        except Exception as error:  # noqa: BLE001 - a doctor reports what breaks
            name = look.__name__.strip("_")
            findings.append(
                Finding(
                    name,
                    ok=False,
                    found=f"{type(error).__name__}: {error}",
                    remedy="reinstall with `make lab`, or report this line",
                )
            )
    return findings


def table(findings: list[Finding]) -> str:
    """Return the findings as a table for people."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for it in findings:
        mark = "ok" if it.ok and not it.remedy else "--" if it.ok else "!!"
        drawn.add_row(mark, it.what, it.found, it.remedy)
    console = Console(width=118, markup=False)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get().rstrip()


def _python(_: Settings) -> Iterator[Finding]:
    good = MIN_PYTHON <= sys.version_info[:2] < TOO_NEW_PYTHON
    yield Finding(
        "Python",
        good,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "" if good else "use Python 3.11, 3.12 or 3.13, then `make lab` again",
    )


def _torch(_: Settings) -> Iterator[Finding]:
    import torch

    yield Finding(
        "PyTorch",
        ok=bool((torch.ones(2, 2) @ torch.ones(2, 2)).sum() == 8),
        found=f"{torch.__version__}, {torch.get_num_threads()} threads",
    )
    yield Finding("transformers", ok=True, found=metadata.version("transformers"))


def _room(said: Settings) -> Iterator[Finding]:
    import psutil

    folder = said.cache_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    disk = shutil.disk_usage(folder).free / GB
    missing = any(it.default and not it.ready for it in assets.status())
    tight = missing and disk < MIN_DISK_GB
    yield Finding(
        "free disk",
        not tight,
        f"{disk:.1f} GB at {folder}",
        f"free some: `course fetch` needs {MIN_DISK_GB:.0f} GB while it works; or set "
        "CROSSROADS_CACHE to another disk"
        if tight
        else "",
    )
    memory = psutil.virtual_memory().available / GB
    tight = memory < MIN_MEMORY_GB
    yield Finding(
        "free memory",
        True,
        f"{memory:.1f} of {psutil.virtual_memory().total / GB:.1f} GB",
        f"close programs: the lessons with a model need {MIN_MEMORY_GB:.0f} GB"
        if tight
        else "",
    )


def _cache(said: Settings) -> Iterator[Finding]:
    probe = said.cache_dir / f".doctor-{uuid.uuid4().hex}"
    try:
        said.cache_dir.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        # Whoever reads a cache that a class shares need not write to it.
        ready = all(it.ready for it in assets.status() if it.default)
        yield Finding(
            "cache folder",
            ready,
            f"{said.cache_dir} cannot be written ({error.strerror})",
            "mend its permissions, or set CROSSROADS_CACHE to another folder",
        )
        return
    yield Finding("cache folder", ok=True, found=str(said.cache_dir))


def _assets(_: Settings) -> Iterator[Finding]:
    for it in assets.status():
        yield Finding(
            it.name,
            it.ready or (not it.default and it.state == "missing"),
            f"{it.state}: {it.purpose}",
            "" if it.ready else f"{it.remedy} ({it.download_size / 1e6:,.0f} MB)",
        )


def _jupyter(_: Settings) -> Iterator[Finding]:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    again = "reinstall with `make lab`"
    try:
        argv = KernelSpecManager().get_kernel_spec("python3").argv
    except NoSuchKernel:
        argv = []
    # A bare "python" is replaced by the interpreter that runs Jupyter.
    own = argv[:1] in (["python"], ["python3"], [sys.executable])
    yield Finding(
        "Jupyter kernel python3",
        own,
        argv[0] if argv else "none",
        "" if own else f"{again}: it must run {sys.executable}",
    )
    enabled = _enabled_extensions()
    off = [name for name in NBGRADER_EXTENSIONS if not enabled.get(name)]
    yield Finding(
        "nbgrader in JupyterLab",
        not off,
        f"off: {', '.join(off)}" if off else metadata.version("nbgrader"),
        f"jupyter server extension enable --sys-prefix {' '.join(off)}" if off else "",
    )


def _enabled_extensions() -> dict[str, bool]:
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.extension.config import ExtensionConfigManager

    found: dict[str, bool] = {}
    for folder in reversed(jupyter_config_path()):  # the first folder wins
        manager = ExtensionConfigManager(read_config_path=[folder])
        found |= manager.get_jpserver_extensions()  # type: ignore[no-untyped-call]
    return found


def _tools(_: Settings) -> Iterator[Finding]:
    for name, use in (("make", "`make lab`"), ("git", "getting new lessons")):
        there = shutil.which(name)
        yield Finding(
            name,
            ok=True,
            found=there or "not there",
            remedy="" if there else f"only {use} needs it: the README says how else",
        )


def _server(said: Settings) -> Iterator[Finding]:
    if not said.base_url:
        yield Finding(
            "chat model", ok=True, found=f"{said.chat_model}, in this process"
        )
        return
    import httpx

    from course.download import hide_password

    place = hide_password(said.base_url)
    headers = {"Authorization": f"Bearer {said.api_key}"} if said.api_key else {}
    try:
        answer = httpx.get(
            f"{said.base_url.rstrip('/')}/models", headers=headers, timeout=5
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding(
            "chat model",
            ok=False,
            found=f"{place} gives no answer ({type(error).__name__})",
            remedy="start the server (`course serve`), mend CROSSROADS_BASE_URL, or "
            "unset it to use the model in this process",
        )
        return
    refused = answer.status_code in (401, 403)
    yield Finding(
        "chat model",
        not refused,
        f"{place} answers {answer.status_code}; key {'set' if headers else 'not set'}",
        "set CROSSROADS_API_KEY to a key that this server knows" if refused else "",
    )
