"""Options and openings that sub-commands share."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hub import served
from hub.backup import DATABASE
from hub.core import Hub, open_hub
from hub.errors import HubError
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


class NoHub(HubError):
    """There is no hub here; `hub goal open tiny_gpt` begins one."""

    code, status = "no_hub", 404


@contextmanager
def opened(data: Path, database_url: str | None = None, begin: bool = True) -> Iterator[Hub]:
    """The hub in a data folder, open for as long as a command works on it.

    Raises:
        OlderServes: an older hub serves it, and this would migrate its database.
        NoHub: there is none, and this command does not `begin` one: a typing error would.
    """
    settings = Settings(data=data, database_url=database_url)
    if not begin and settings.database_url is None and not (data / DATABASE).exists():
        begin_one = "begin one with `hub goal open tiny_gpt`"
        raise NoHub(f"There is no hub in {data}; name its folder with --data, or {begin_one}.")
    serves = served.where(data)
    at_its_address = settings.model_copy(update={"public_url": settings.public_url or serves})
    with _ending_tidily():
        hub = open_hub(at_its_address, served=serves is not None)
        try:
            yield hub
        finally:
            hub.database.dispose()


@contextmanager
def _ending_tidily() -> Iterator[None]:
    """Whoever is told to end takes half a copy of the database along, as with Ctrl-C."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:  # by nohup, whose terminal may close
            signal.signal(each, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
