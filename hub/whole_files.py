"""Files that are there whole or not at all, whoever is killed and however full the disk is."""

import os
from pathlib import Path
from uuid import uuid4


def put(file: Path, content: bytes, mode: int = 0o644, durable: bool = False) -> None:
    """Write beside and rename; what was there before is replaced. `durable` survives a power cut.

    Raises:
        OSError: nothing was written, such as on a full disk.
    """
    written = file.with_name(f"tmp_{uuid4().hex}")
    try:
        handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        if durable:
            take_place(written, file)
        else:
            written.replace(file)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def take_place(written: Path, file: Path) -> None:
    """Rename a file that was written beside so that a power cut undoes neither."""
    _sync(written)
    written.replace(file)
    _sync(file.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, to stay after a power cut; it may be there."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
