"""A process's memory in huge pages: the same content, and nothing that was not used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = Path("/sys/kernel/mm/transparent_hugepage")
pytestmark = pytest.mark.skipif(
    not KERNEL.exists() or os.uname().release.split(".") < ["6", "1"],
    reason="no kernel with MADV_COLLAPSE",
)
COLLAPSE = """
import ctypes, mmap, sys
probe = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for number in range(0, 4 << 20, 4096):
    probe[number] = 1
start = ctypes.addressof(ctypes.c_char.from_buffer(probe))
libc = ctypes.CDLL(None)
libc.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
sys.exit(libc.madvise(-(-start // (2 << 20)) * (2 << 20), 2 << 20, 25) != 0)
"""
MEMORY = """
import mmap
from pathlib import Path
from autograder import huge_pages

def read(name):
    lines = Path("/proc/self/smaps").read_text().splitlines()
    return sum(int(it.split()[1]) for it in lines if it.startswith(name + ":")) >> 10

OWN = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
used = mmap.mmap(-1, 16 << 20, flags=OWN)
for number in range(0, 16 << 20, 4096):
    used[number : number + 8] = number.to_bytes(8, "little")
kept = mmap.mmap(-1, 64 << 20, flags=OWN)
kept[0] = 1
before, huge = read("Rss"), read("AnonHugePages")
huge_pages.collapse()
whole = all(
    used[number : number + 8] == number.to_bytes(8, "little")
    for number in range(0, 16 << 20, 4096)
)
print(read("AnonHugePages") - huge >= 12, read("Rss") - before < 16, whole)
"""


def test_what_is_used_is_in_huge_pages_and_what_is_reserved_stays_so():
    if subprocess.run([sys.executable, "-c", COLLAPSE]).returncode != 0:
        pytest.skip(
            "the kernel makes no huge page here: too little memory in one piece"
        )
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.split() == ["True", "True", "True"], done.stdout
