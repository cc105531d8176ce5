"""Command-line options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from agent_client.errors import BadSettings

HOME = Path("~/.agenthub")
UNSAFE = "Run strangers' code without a sandbox. The hub shows it. Only on a throw-away machine."


def _at_home(folder: Path) -> Path:
    """The folder with `~` as this user's home; in a container there may be none."""
    try:
        return folder.expanduser()
    except RuntimeError as problem:
        said = f"This user has no home for {folder}; give --folder a path without ~."
        raise BadSettings(said) from problem


Folder = Annotated[
    Path,
    typer.Option(
        envvar="AGENTHUB_CLIENT_FOLDER",
        callback=_at_home,
        help="Where settings, journal and caches live.",
    ),
]
