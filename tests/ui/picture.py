"""`make picture`: the board as the README shows it, photographed by a real Chromium."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.hub_process import HubProcess
from tests.services.chromium import FLAGS, find_chromium
from tests.ui import world

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "board.png"
PATIENCE = 120


def main() -> int:
    """Make a small world, serve it and write the picture."""
    with tempfile.TemporaryDirectory(prefix="agenthub-picture-") as name:
        hub = HubProcess(Path(name) / "hub")
        world.build(hub.data)
        hub.start()
        try:
            photograph(f"{hub.url}/g/{world.GOAL}", Path(name) / "browser")
        finally:
            hub.stop()
    return 0


def photograph(url: str, profile: Path) -> None:
    """Let Chromium draw the page for a few seconds and save what it shows."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    flags = (*FLAGS, "--hide-scrollbars", "--window-size=1440,900", "--virtual-time-budget=10000")
    where = (f"--user-data-dir={profile}", f"--screenshot={PICTURE}")
    subprocess.run([find_chromium(), *flags, *where, url], check=True, timeout=PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
