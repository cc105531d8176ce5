"""Command-line options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

HOME = Path("~/.agenthub")
UNSAFE = "Run strangers' code without a sandbox. The hub shows it. Only on a throw-away machine."
Folder = Annotated[
    Path,
    typer.Option(envvar="AGENTHUB_CLIENT_FOLDER", help="Where settings, journal and caches live."),
]
