"""The toy's data: one line, and how fast it pretends to train."""

import os
from pathlib import Path

SECONDS_PER_STEP = 0.03


def main() -> None:
    """Write the data folder's only file."""
    folder = Path(os.environ.get("AGENTHUB_DATA", "data"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.txt").write_text("the cat sat\n")


if __name__ == "__main__":
    main()
