"""`hub backup`, `hub restore` and `hub copy-to`: a hub in a file, and from one home to another."""

from pathlib import Path
from typing import Annotated

import typer

from hub import backup as backups
from hub import copying, served
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.errors import HubError
from hub.schema import open_database
from hub.words import counted


class StillServed(HubError):
    """The copy would lack what it still takes: stop it first, or give `--while-serving`."""

    code, status = "still_served", 409


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, e.g. hub-2026-11-21.tar.")],
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Write a backup while the hub works: database and blobs; git is made again from them."""
    with opened(data, database_url, begin=False) as hub:
        manifest = backups.backup(hub, file)
    blobs = counted(manifest["blobs"], "blob")
    typer.echo(f"Wrote {file}: {file.stat().st_size:,} bytes, {blobs}.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `hub backup` wrote.")],
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Fill an empty data folder (or an empty database) from a backup, and check it."""
    backups.look(file)  # before an empty hub is made for it
    with opened(data, database_url) as hub:
        report = backups.restore(file, hub)
    for finding in report.findings:
        typer.echo(str(finding))
    restored = f"{counted(report.experiments, 'experiment')} and {counted(report.blobs, 'blob')}"
    typer.echo(f"Restored {restored} into {data}.")
    if report.findings:
        raise typer.Exit(1)


def copy_to(
    url: Annotated[str, typer.Argument(help="An empty database: postgresql://user@host/name.")],
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    anyway: Annotated[
        bool, typer.Option("--while-serving", help="Copy what is there now; the rest stays behind.")
    ] = False,
) -> None:
    """Copy the whole database into another, such as SQLite into PostgreSQL; stop the hub first."""
    with opened(data, database_url, begin=False) as hub:
        address = served.where(data)
        if address is not None and not anyway:
            raise StillServed(f"The hub at {address} goes on writing. {StillServed.sentence()}")
        target = open_database(url, hub.clock, pool=2)
        try:
            counts = copying.copy(hub.database, target)
        finally:
            target.dispose()
    rows = counted(sum(counts.values()), "row")
    typer.echo(f"Copied {rows}. Serve it: hub serve --data {data} --database-url <that URL>")
