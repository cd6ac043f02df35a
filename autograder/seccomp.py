"""The system calls that a sandbox's processes may not make, as BPF programs.

Compiled outside of the sandbox with libseccomp; inside, the raw program is loaded. The
default is to allow: the namespaces, the read-only system and the missing capabilities
are the wall; the filters take away what has had holes (namespaces, io_uring, bpf, ...),
what escapes the limits (processes, memfd, System V memory), and what would let two
submissions talk (sockets with an address).
"""

import errno
import os
import struct
import tempfile
from dataclasses import dataclass
from typing import Any

from course.errors import SandboxError

_ALWAYS = """ptrace process_vm_readv process_vm_writev bpf perf_event_open userfaultfd
keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register kexec_load
kexec_file_load init_module finit_module delete_module open_by_handle_at"""
_CHILD = """unshare setns mount umount2 pivot_root chroot move_mount open_tree fsopen
fsconfig fsmount fspick mount_setattr process_madvise kcmp pidfd_getfd pidfd_open
name_to_handle_at swapon swapoff reboot acct quotactl quotactl_fd syslog vhangup
personality modify_ldt iopl ioperm lookup_dcookie fanotify_init clock_settime
settimeofday adjtimex clock_adjtime sethostname setdomainname mknod mknodat
fork vfork execve execveat memfd_create memfd_secret shmget shmat msgget semget mq_open
bind listen connect accept accept4"""
_FLAT = """tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal setpriority
ioprio_set migrate_pages move_pages setpgid setsid mq_notify"""
_FLAT_SELF = """prlimit64 sched_setaffinity sched_setscheduler sched_setattr
sched_setparam"""
_CLONE_THREAD = 0x00010000
_AF_UNIX = 1
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
SELF = 0x7FABCD01  # stands for the child's own pid until the filter is loaded


@dataclass(frozen=True)
class Filters:
    """BPF programs: of a whole sandbox, of each child, and of a child in flat mode.

    `flat` holds `SELF` where the child's pid belongs: see `for_pid`.
    """

    sandbox: bytes
    child: bytes
    flat: bytes


def for_pid(program: bytes, pid: int) -> bytes:
    """Return the flat filter of this process."""
    return program.replace(struct.pack("<I", SELF), struct.pack("<I", pid))


def compiled() -> Filters:
    """Return the filters for this machine.

    Raises:
        SandboxError: libseccomp or its Python binding is missing.
    """
    try:
        import pyseccomp  # type: ignore[import-untyped]
    except (ImportError, OSError, RuntimeError) as error:
        raise SandboxError(
            f"seccomp filters cannot be made ({error}): pip install pyseccomp, and "
            "the library (Debian, Ubuntu: apt install libseccomp2)"
        ) from None
    return Filters(_sandbox(pyseccomp), _child(pyseccomp), _flat(pyseccomp))


def _sandbox(lib: Any) -> bytes:
    found = lib.SyscallFilter(lib.ALLOW)
    _deny(lib, found, _ALWAYS)
    found.add_rule(lib.ERRNO(errno.EPERM), "socket", lib.Arg(0, lib.GT, _AF_UNIX))
    return _bpf(found)


def _child(lib: Any) -> bytes:
    found, refuse = lib.SyscallFilter(lib.ALLOW), lib.ERRNO(errno.EPERM)
    _deny(lib, found, _CHILD)
    found.add_rule(lib.ERRNO(errno.ENOSYS), "clone3")  # glibc falls back to clone
    is_process = lib.Arg(0, lib.MASKED_EQ, _CLONE_THREAD, 0)
    found.add_rule(refuse, "clone", is_process)
    for request in (_TIOCSTI, _TIOCLINUX):
        argument = lib.Arg(1, lib.MASKED_EQ, 0xFFFFFFFF, request)
        found.add_rule(refuse, "ioctl", argument)
    return _bpf(found)


def _flat(lib: Any) -> bytes:
    """Return what keeps children apart that share a PID namespace with the zygote."""
    found, refuse = lib.SyscallFilter(lib.ALLOW), lib.ERRNO(errno.EPERM)
    _deny(lib, found, _FLAT)
    for name in ("kill", "tgkill"):
        found.add_rule(refuse, name, lib.Arg(0, lib.NE, SELF))
    for name in _FLAT_SELF.split():
        found.add_rule(refuse, name, lib.Arg(0, lib.NE, 0))
    for command in (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX):  # signals by way of a file
        argument = lib.Arg(1, lib.MASKED_EQ, 0xFFFFFFFF, command)
        found.add_rule(refuse, "fcntl", argument)
    for request in (_FIOSETOWN, _SIOCSPGRP):
        argument = lib.Arg(1, lib.MASKED_EQ, 0xFFFFFFFF, request)
        found.add_rule(refuse, "ioctl", argument)
    return _bpf(found)


def _deny(lib: Any, found: Any, names: str) -> None:
    for name in names.split():
        try:
            number = lib.resolve_syscall(lib.Arch.NATIVE, name)
        except (ValueError, OSError):
            continue
        if number >= 0:  # this machine's architecture has it
            found.add_rule(lib.ERRNO(errno.EPERM), name)


def _bpf(found: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        found.export_bpf(file)
        file.seek(0)
        data = file.read()
    if not data or len(data) % 8:
        raise SandboxError(f"libseccomp made a program of {len(data)} bytes")
    return data


def as_file(program: bytes) -> int:
    """Return a file descriptor from which bubblewrap reads the program."""
    number = os.memfd_create("filter", 0)
    os.write(number, program)
    os.lseek(number, 0, os.SEEK_SET)
    return number
