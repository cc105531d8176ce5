"""Options and openings that sub-commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hub.core import Hub, open_hub
from hub.settings import Settings

DataOption = Annotated[
    Path, typer.Option("--data", envvar="AGENTHUB_DATA", help="The hub's data folder.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="AGENTHUB_DATABASE_URL",
        help="postgresql://… instead of SQLite in the data folder.",
    ),
]
DEFAULT_DATA = Path("hub-data")


@contextmanager
def opened(data: Path, database_url: str | None = None) -> Iterator[Hub]:
    """The hub in a data folder, open for as long as a command works on it."""
    hub = open_hub(Settings(data=data, database_url=database_url))
    try:
        yield hub
    finally:
        hub.database.dispose()
