"""Writes many files of a megabyte, in many folders."""

from itertools import count
from pathlib import Path

for number in count():
    folder = Path(f"folder{number}")
    folder.mkdir()
    (folder / "file").write_bytes(b"x" * (1 << 20))
