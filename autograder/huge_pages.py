"""A zygote's memory in huge pages: a fork copies one entry for each, not 512.

To fork copies the table of all pages that the process has of its own, and the child's
end takes that copy apart: with PyTorch loaded, two fifths of what a submission cost. A
huge page (2 MB) is one entry, until a process writes to it: then the kernel gives it
the 512 small ones, and copies one of these. `MADV_COLLAPSE` (Linux 6.1) makes them
without leave for more: what a child allocates later comes in small pages, as before.
Where it is missing, nothing happens. See madvise(2) and proc_pid_smaps(5).

Bound into both sandboxes: imports the standard library only.
"""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

_MADV_COLLAPSE = 25
_PRIVATE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0\b")  # no file's
_RESIDENT = re.compile(r"Rss: +([0-9]+) kB")
_FULL = 0.5  # of an area: what is reserved and not used is to stay so


def collapse() -> None:
    """Put this process's private memory into huge pages, as far as the kernel can."""
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for start, end, resident in list(_areas()):
        if resident >= _FULL * (end - start):
            advise(start, end - start, _MADV_COLLAPSE)


def _areas() -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, bytes in memory) of each writable area that is no file's."""
    found = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if head := _PRIVATE.match(line):
            found = int(head[1], 16), int(head[2], 16)
        elif found and (resident := _RESIDENT.match(line)):
            yield *found, int(resident[1]) << 10
            found = None
