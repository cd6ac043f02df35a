"""The few system calls that Python's library does not have (Linux only).

Bound into both sandboxes and run outside of them: imports the standard library only.
"""

import ctypes
import functools
import os
import struct
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWNS, CLONE_NEWIPC = 0x00020000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
CAP_SYS_ADMIN = 21
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL, _SECCOMP_MODE_FILTER = 4, 2
_CAPABILITY_VERSION_3 = 0x20080522
_MADV_COLLAPSE = 25
_LOWEST_BIT = bytes(number & 1 for number in range(256))  # the others are reserved
INSTRUCTION_BYTES = 8  # of one struct sock_filter


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@functools.cache
def _libc() -> ctypes.CDLL:
    found = ctypes.CDLL(None, use_errno=True)
    found.prctl.argtypes = ctypes.c_int, *[ctypes.c_ulong] * 4
    found.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    found.mincore.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    return found


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def write(path: str, text: str) -> None:
    """Write to a file that exists: fewer pages are touched than by `pathlib`.

    Raises:
        OSError: it cannot be written to.
    """
    number = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


def collapse(address: int, length: int) -> None:
    """Put this memory of the process's into huge pages, as far as the kernel can."""
    _libc().madvise(address, length, _MADV_COLLAPSE)


def resident(address: int, length: int) -> bytes:
    """Return 1 or 0 for each page of this memory: whether it is there.

    Raises:
        OSError: some of it is not mapped.
    """
    pages = ctypes.create_string_buffer(length // os.sysconf("SC_PAGESIZE"))
    _checked(_libc().mincore(address, length, pages), "mincore")
    return pages.raw.translate(_LOWEST_BIT)


def unshare(flags: int) -> None:
    """Move this process (for PID: its children) into new namespaces.

    Raises:
        OSError: the kernel or a filter forbids it.
    """
    _checked(_libc().unshare(flags), f"unshare({flags:#x})")


def setns(namespace: int, kind: int) -> None:
    """Move this process (for PID: its children) into a namespace that is open.

    Raises:
        OSError: it may not.
    """
    _checked(_libc().setns(namespace, kind), f"setns({kind:#x})")


def mount(
    source: str, target: str, kind: str = "", flags: int = 0, data: str = ""
) -> None:
    """Mount a file system, or bind a folder (`flags=MS_BIND`).

    Raises:
        OSError: it cannot be mounted.
    """
    result = _libc().mount(
        source.encode(),
        target.encode(),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _checked(result, f"mount {target}")


def _prctl(option: int, *arguments: int) -> None:
    result = _libc().prctl(option, *arguments, *[0] * (4 - len(arguments)))
    _checked(result, f"prctl({option})")


def die_with_parent(signal_number: int) -> None:
    """Get this signal when the parent ends."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def set_dumpable(value: int) -> None:
    """With 0, no process without privileges may look into this one's memory."""
    _prctl(_PR_SET_DUMPABLE, value)


@functools.cache
def last_capability() -> int:
    """Return the number of the last capability that this kernel knows."""
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())


def drop_capabilities() -> None:
    """Give up every capability, for good.

    Raises:
        OSError: the kernel does not let them go.
    """
    for capability in range(last_capability() + 1):
        _prctl(_PR_CAPBSET_DROP, capability)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    keep_capabilities()


def keep_capabilities(*numbers: int) -> None:
    """Give up every capability but these, which no program that is started gets.

    Raises:
        OSError: the kernel does not let them go.
    """
    kept = sum(1 << it for it in numbers)
    header = struct.pack("II", _CAPABILITY_VERSION_3, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    data = struct.pack("6I", low, low, 0, high, high, 0)
    _checked(_libc().capset(header, data), "capset")


def forbid_new_privileges() -> None:
    """From now on, no program started by this one gains rights."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


@functools.cache
def prepared(
    program: bytes,
) -> Sequence[ctypes.Structure | ctypes.Array[ctypes.c_char]]:
    """Return a filter as `load_filter` passes it on, and its instructions."""
    buffer = ctypes.create_string_buffer(program, len(program))
    return _Program(len(program) // INSTRUCTION_BYTES, ctypes.addressof(buffer)), buffer


def load_filter(program: bytes) -> None:
    """Load a seccomp filter, a BPF program as `seccomp_export_bpf` writes it.

    Raises:
        OSError: the kernel refuses the program.
    """
    head, _ = prepared(program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(head))
