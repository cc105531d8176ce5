"""One client per folder: a lock that the kernel drops when its holder dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent_client.errors import AnotherInstance, BadSettings
from agent_client.settings import make_folder

LOCK = "lock"
LOOK, LOOKS = 0.05, 20
"""Seconds between looks at a lock: who only asks whose it is holds it for a moment, which is long
where a training has the processor."""


@dataclass
class InstanceLock:
    """Held for as long as this object is; the file holds the holder's pid for people."""

    file: IO[str]

    @classmethod
    def take(
        cls, folder: Path, before_named: Callable[[], object] = lambda: None
    ) -> "InstanceLock":
        """Take the folder's lock; until `before_named` is done, nobody is told whose it is.

        Raises AnotherInstance naming the holder's pid and folder, or FolderNotWritable.
        """
        make_folder(folder)
        file = (folder / LOCK).open("a+")
        if not _locked_soon(file):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise AnotherInstance(
                f"Another client (pid {holder}) already works in {folder}; "
                "stop it first, or give this one another --folder."
            )
        file.truncate(0)  # who was killed has left a pid, which may be anybody's by now
        before_named()
        file.write(str(os.getpid()))
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Give the folder free."""
        self.file.close()


def _locked_soon(file: IO[str]) -> bool:
    for _ in range(LOOKS):
        if _locked(file, fcntl.LOCK_EX):
            return True
        time.sleep(LOOK)
    return False


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def holder(folder: Path) -> int | None:
    """The pid of the client that works in a folder now, or None.

    Raises BadSettings for a folder of another user, who alone can tell.
    """
    try:
        file = (folder / LOCK).open("r+")
    except PermissionError as problem:
        raise BadSettings(f"{folder} cannot be read: {problem.strerror}.") from None
    except OSError:
        return None
    with file:
        if _locked(file, fcntl.LOCK_SH):  # not for itself: two may ask at the same moment
            return None
        text = file.read().strip()
        return int(text) if text.isdecimal() else None
