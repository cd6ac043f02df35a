"""Started as root: shows folders to an unprivileged user, becomes it, starts a program.

bubblewrap must not run as uid 0: it then hides parts of /proc, so that no namespace can
be nested, and root is not held to RLIMIT_NPROC. But it opens what it binds with its
caller's rights, and root's own Python may lie in a folder that only root can enter. So
this program, in a mount namespace of its own that nobody else sees, binds each folder
to a place under /tmp that all can enter, before it gives up root.

Run as `python -I -S launch.py JSON` with {"uid": ..., "binds": {source: place},
"command": [...]}. Imports the standard library and its neighbour `kernel` only.
"""

import importlib.util
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

STAGE = "/tmp"  # noqa: S108 - a tmpfs in this process's own mount namespace


def _kernel() -> Any:
    """Load the module beside this file: in isolated mode the package is not on the path."""
    place = Path(__file__).with_name("kernel.py")
    spec = importlib.util.spec_from_file_location("kernel", place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stage(binds: dict[str, str], kernel: Any) -> None:
    """Bind each source to its place under `STAGE`, for this process and its children."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    opened = {place: os.open(source, os.O_PATH) for source, place in binds.items()}
    kernel.mount(
        "tmpfs", STAGE, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755"
    )
    for place, number in opened.items():
        is_folder = stat.S_ISDIR(os.fstat(number).st_mode)
        if is_folder:
            Path(place).mkdir(mode=0o755)
        else:
            Path(place).touch(mode=0o644)
        flags = kernel.MS_BIND | (kernel.MS_REC if is_folder else 0)
        kernel.mount(f"/proc/self/fd/{number}", place, flags=flags)
        os.close(number)


def main(order: dict[str, Any]) -> None:
    """Stage, drop, and become the program; never returns."""
    os.umask(0o022)
    stage(order["binds"], _kernel())
    os.chdir("/")
    os.setgroups([])
    os.setresgid(order["uid"], order["uid"], order["uid"])
    os.setresuid(order["uid"], order["uid"], order["uid"])
    command = order["command"]
    os.execv(command[0], command)  # noqa: S606 - without a shell, on purpose


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
