"""Which hub serves a data folder: its address, in a file that it keeps locked while it lives.

The lock is the kernel's, so a hub that was killed holds nothing.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.errors import HubError

FILE = "served-at"
PATIENCE = 5.0
"""Seconds for a hub that is ending, or a command that looks, to let go."""


class AlreadyServed(HubError):
    """Another hub serves this data folder; stop it first, or name another folder with `--data`."""

    code, status = "already_served", 409


@contextmanager
def serving(folder: Path, url: str) -> Iterator[None]:
    """Let others see that a hub serves this folder, and where it listens.

    Raises:
        AlreadyServed: another does.
    """
    with (folder / FILE).open("a+") as file:
        patient_until = time.monotonic() + PATIENCE
        while not _locked(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > patient_until:
                told = f"A hub serves {folder} at {where(folder)}"
                raise AlreadyServed(f"{told}; stop it first, or name another folder with --data.")
            time.sleep(0.1)
        file.truncate(0)
        file.write(url)
        file.flush()
        yield


def where(folder: Path) -> str | None:
    """The address of the hub that serves this folder, if one does."""
    try:
        with (folder / FILE).open() as file:
            return None if _locked(file.fileno(), fcntl.LOCK_SH) else file.read()
    except FileNotFoundError:
        return None


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
