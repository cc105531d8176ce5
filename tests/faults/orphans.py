"""Which processes belong to a folder: their command line, folder or environment names it."""

import os
from pathlib import Path


def processes_of(folder: Path) -> list[str]:
    """Processes other than this one that name the folder, as `pid command`."""
    return [
        f"{entry.name} {_read(entry / 'cmdline').replace(chr(0), ' ')[:200]}"
        for entry in Path("/proc").glob("[0-9]*")
        if int(entry.name) != os.getpid() and _names(entry, str(folder))
    ]


def _names(process: Path, folder: str) -> bool:
    if _read(process / "stat").rpartition(")")[2].strip().startswith("Z"):
        return False
    return folder in _read(process / "cmdline") or _cwd(process).startswith(folder)


def _cwd(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
