"""A real Chromium: CHROMIUM, the machine's, or the one an npm package carries.

Its headless shell comes first: the same engine without windows takes half the processor time.
"""

import os
import shutil
import subprocess
from pathlib import Path

CARRIED_BY = "@sparticuz/chromium"
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
MACS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
ROOT = Path(__file__).parents[2]

# Without these Chromium calls home at every start; --no-sandbox because tests may run as root.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """The path of a Chromium that can be started; raises NoChromium."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in (*NAMES, MACS)]
    for path in found:
        if path:
            return path
    return _carried()


def _carried() -> str:
    """The browser that an npm package carries, unpacked below .cache once."""
    folder = ROOT / ".cache" / "chromium"
    npm = shutil.which("npm")
    if not (folder / "path").exists() and npm:
        _unpack(folder, npm)
    if not (folder / "path").exists():
        raise NoChromium
    return (folder / "path").read_text().strip()


def _unpack(folder: Path, npm: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    install = [npm, "install", "--prefix", str(folder), "--silent", CARRIED_BY]
    script = (
        f"import chromium from '{CARRIED_BY}';"
        "chromium.executablePath().then(path => console.log(path))"
    )
    (folder / "unpack.mjs").write_text(script)
    if subprocess.run(install, check=False, timeout=300).returncode == 0:
        path = subprocess.run(
            ["node", "unpack.mjs"],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        (folder / "path").write_text(path.stdout)


class NoChromium(RuntimeError):
    """No Chromium: install Debian's chromium, or set CHROMIUM to the path of a browser."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)
