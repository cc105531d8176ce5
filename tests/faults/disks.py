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
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    with _mounted(folder, mount):
        yield folder


@contextmanager
def a_disk_image(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of so many megabytes in a file, which costs no memory that a sandbox would count."""
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(megabytes * MIB)
    _or_skip(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image)])
    with _mounted(folder, ["mount", "-o", "loop", str(image), str(folder)]):
        yield folder


@contextmanager
def _mounted(folder: Path, command: list[str]) -> Iterator[None]:
    folder.mkdir()
    _or_skip(command)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _or_skip(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may make and mount a small disk, and not everywhere")


def fill(folder: Path) -> Path:
    """Use up every byte of the disk; what a piece too large took on the way is little."""
    ballast = folder / "ballast"
    piece = 16 * MIB
    with ballast.open("wb", buffering=0) as file:
        while piece >= 4096:
            try:
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
            except OSError:
                piece //= 2
        file.seek(0, os.SEEK_END)
        with suppress(OSError):
            while True:
                file.write(b"x" * 4096)
    return ballast
