"""A zygote's memory in huge pages: a fork copies one entry for each, not 512.

To fork copies the table of all pages that the process has of its own, and the child's
end takes that copy apart: with PyTorch loaded, two fifths of what a submission cost. A
huge page (2 MB) is one entry, until a process writes to it: then the kernel gives it
the 512 small ones, and copies one of these. `MADV_COLLAPSE` (Linux 6.1) makes them
without leave for more: what a child allocates later comes in small pages, as before.
Where it is missing, nothing happens. See madvise(2), mincore(2), proc_pid_maps(5).

Bound into both sandboxes: imports the standard library and `kernel`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from autograder import kernel

HUGE = 2 << 20  # bytes, where small pages have 4 KB; elsewhere the kernel refuses
_PRIVATE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0\b")  # no file's
_FULL = 0.5  # of a huge page: what is reserved and not used is to stay so


def collapse() -> None:
    """Put this process's private memory into huge pages, as far as the kernel can.

    Raises:
        OSError: what is mapped cannot be told.
    """
    for start, end in _areas():
        for address, length in _used(start, end):
            kernel.collapse(address, length)


def _areas() -> list[tuple[int, int]]:
    """Return the first address of each writable area that is no file's, and its end."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    found = filter(None, map(_PRIVATE.match, lines))
    return [(int(it[1], 16), int(it[2], 16)) for it in found]


def _used(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (address, length) of runs of huge pages that are in use for the most part."""
    first, last = -(-start // HUGE) * HUGE, end // HUGE * HUGE
    run = first
    for address in range(first, last, HUGE):
        if not _is_used(address):
            if run < address:
                yield run, address - run
            run = address + HUGE
    if run < last:
        yield run, last - run


def _is_used(address: int) -> bool:
    """Whether enough of the small pages of a huge one are in memory."""
    try:
        pages = kernel.resident(address, HUGE)
    except OSError:  # it went away meanwhile
        return False
    return sum(pages) >= _FULL * len(pages)
