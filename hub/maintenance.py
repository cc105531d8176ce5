"""Git packed in the background, so that disk and reads stay flat for ever."""

import logging
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hub.background import Background
from hub.gitstore import GitStore

log = logging.getLogger(__name__)

LOOSE = 3000
"""Loose objects (three a commit) that are worth a pack; a commit so written takes as much disk as
its changed files."""
PACKS = 40
"""Packs beyond which a read has to look in too many places."""


@dataclass
class Maintenance(Background):
    """Looks at each repository now and then and packs what has grown; nothing is ever pruned."""

    git: GitStore
    interval: float = 30.0
    loose: int = LOOSE

    def turn(self) -> list[str]:
        """Pack the repositories that need it; returns their names."""
        grown = [path for path in sorted(self.git.root.glob("*.git")) if self._grown(path)]
        for path in grown:
            repack(path)
        return [path.name.removesuffix(".git") for path in grown]

    def _grown(self, repository: Path) -> bool:
        packs = sum(1 for _ in (repository / "objects" / "pack").glob("*.pack"))
        return packs > PACKS or loose_objects(repository) > self.loose

    def once(self) -> float:
        """A turn; a pack that is being written at a stop is finished first."""
        try:
            self.turn()
        except (OSError, subprocess.SubprocessError):
            log.warning("maintenance.trouble", exc_info=True)
        return self.interval


def loose_objects(repository: Path) -> int:
    """About how many loose objects there are: one folder of 256 stands for all, as git does it."""
    return 256 * sum(1 for _ in (repository / "objects" / "17").glob("*"))


def repack(repository: Path) -> None:
    """Gather loose objects and small packs into one, so that pack sizes grow geometrically.

    Commits are found by their folder, not by refs: refs are written when somebody fetches, and an
    experiment must not depend on that. `-k` keeps what no ref reaches.
    """
    git = ["nice", "-n", "10", "git", "-C", str(repository)]
    names = [path.parent.name + path.name for path in _loose(repository)]
    if names:
        pack = str(repository / "objects" / "pack" / "pack")
        command = [*git, "pack-objects", "-q", "--threads=1", "--window=30", "--depth=50", pack]
        subprocess.run(
            command, input="\n".join(names).encode(), stdout=subprocess.DEVNULL, check=True
        )
        subprocess.run([*git, "prune-packed", "-q"], check=True)
    subprocess.run([*git, "repack", "-q", "-d", "-k", "--geometric=2", "--threads=1"], check=True)
    log.info("maintenance.packed", extra={"repository": repository.name, "objects": len(names)})


def _loose(repository: Path) -> list[Path]:
    """Loose objects; folders and files of other names are not git's."""
    found = (repository / "objects").glob("[0-9a-f][0-9a-f]/*")
    return [path for path in found if len(path.name) == 38]
