"""What one process in the sandbox may use: plain numbers."""

from dataclasses import asdict, dataclass

MiB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of one child; the kernel holds all but `wall_s`, which the engine holds.

    Attributes:
        cpu_s: CPU seconds of one process; a restarted one begins anew.
        memory_mb: beyond what the forked image maps already.
        processes: processes and threads.
        file_mb: size of one file.
        files: open files.
        tmp_mb: of each of /tmp, the home folder and /dev/shm.
        tmp_files: files and folders in each of them.
    """

    cpu_s: int = 120
    memory_mb: int = 1024
    processes: int = 64
    file_mb: int = 64
    files: int = 256
    tmp_mb: int = 64
    tmp_files: int = 4096

    def to_json(self) -> dict[str, int]:
        """Return the limits as plain data."""
        return asdict(self)


STUDENT = Limits()
REFEREE = Limits(cpu_s=600, memory_mb=4096, tmp_mb=16)
