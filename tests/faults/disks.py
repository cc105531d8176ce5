"""File systems of their own that a test can fill; only root can make one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MIB = 1 << 20


@contextmanager
def a_small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of so many megabytes, held in memory; skips the test where it cannot be made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up every byte of the disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, os.statvfs(folder).f_bavail * 4096)
        file.seek(0, os.SEEK_END)
        with suppress(OSError):
            while True:
                file.write(b"x" * 4096)
    return ballast
