"""Files that survive a power cut: written beside, synced, renamed; the previous copy is kept."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PREVIOUS = ".previous"


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` so that a crash at any moment leaves the old or the new content, whole.

    Raises OSError when the disk is full or the folder is not writable; the old file then stands.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _keep_previous(path)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _keep_previous(path: Path) -> None:
    if not path.exists():
        return
    previous = path.with_name(path.name + PREVIOUS)
    previous.unlink(missing_ok=True)
    try:
        os.link(path, previous)
    except OSError:  # a file system without hard links: the copy is a comfort, not the promise
        previous.write_bytes(path.read_bytes())


def sync_folder(folder: Path) -> None:
    """Make a rename or a removal in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def candidates(path: Path) -> Iterator[bytes]:
    """What can be read of a file: itself, then its previous copy."""
    for each in (path, path.with_name(path.name + PREVIOUS)):
        with contextlib.suppress(OSError):
            yield each.read_bytes()


def remove_durably(path: Path) -> None:
    """Remove a file and its previous copy."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + PREVIOUS).unlink(missing_ok=True)
    sync_folder(path.parent)


def torn(folder: Path) -> list[Path]:
    """Temporary files that a crash left behind."""
    return sorted(folder.glob("*.tmp"))
