"""The board's built pages; made by `hatch_build.py` when the package is installed."""

from pathlib import Path


def assets() -> Path | None:
    """The folder to serve, or None when the hub was installed with AGENTHUB_UI=skip."""
    dist = Path(__file__).parent / "dist"
    return dist if (dist / "index.html").is_file() else None
