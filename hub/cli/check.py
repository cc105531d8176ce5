"""`hub check`: does everything that the hub keeps agree?"""

from typing import Annotated

import typer

from hub import check as checks
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.words import counted


def check(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend counters, hashes and repositories."),
    ] = False,
) -> None:
    """Hold database, git, blobs and counters against each other; exit code 1 if they disagree."""
    with opened(data, database_url, begin=False) as hub:
        report = checks.repair(hub) if repair else checks.check(hub)
    for line in report.mended:
        typer.echo(f"mended: {line}")
    for finding in report.findings:
        typer.echo(str(finding))
    typer.echo(
        f"{counted(report.experiments, 'experiment')}, {counted(report.blobs, 'blob')}: "
        + (f"{counted(len(report.findings), 'finding')}." if report.findings else "all agree.")
    )
    if report.findings:
        raise typer.Exit(1)
