"""Removing a folder that a stranger filled: any depth, any mode, never through a link."""

import os
import stat
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def wipe(folder: Path) -> None:
    """Remove a folder whose programs have ended, with all that is in it; a missing one is fine.

    It walks down and up by descriptors instead of paths, since a path has a greatest length and
    Python a deepest recursion, and strangers pass both. Raises OSError if something resists.
    """
    try:
        above = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove(above, folder.name)
    finally:
        os.close(above)


def _remove(above: int, name: str) -> None:
    if not _is_folder(above, name):
        _unlink(above, name)
        return
    way, here = [name], _enter(above, name)
    while way:
        below = _empty(here)
        if below is not None:
            way.append(below)
            here = _swap(here, _enter(here, below))
        elif len(way) == 1:
            os.close(here)
            os.rmdir(way.pop(), dir_fd=above)
        else:
            here = _swap(here, os.open("..", _FOLDER, dir_fd=here))
            os.rmdir(way.pop(), dir_fd=here)


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new


def _empty(fd: int) -> str | None:
    """Remove what is no folder; returns the name of a folder that is left, or None."""
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        if _is_folder(fd, name):
            return name
        os.unlink(name, dir_fd=fd)
    return None


def _enter(above: int, name: str) -> int:
    """Open a folder; one that its owner closed to himself is opened up first."""
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=above)
        return os.open(name, _FOLDER, dir_fd=above)


def _is_folder(above: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _unlink(above: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=above)
    except FileNotFoundError:
        return
