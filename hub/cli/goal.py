"""`hub goal …`: open goals and say where they stand."""

from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import select

from hub import goal_files, goals
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.tables import GoalRow

app = typer.Typer(help="Open goals and curate them.", no_args_is_help=True)


@app.command("open")
def open_goal(
    name: Annotated[str, typer.Argument(help="A goal of the library, or a goal's folder.")],
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Open a goal on this hub: from the library by name, or from a folder."""
    known = name in goal_files.library()
    loaded = goal_files.from_library(name) if known else goal_files.load(Path(name))
    hub = opened(data, database_url)
    with hub.database.work() as work:
        goal = goals.open_goal(work, hub.git, loaded.spec, loaded.texts)
    typer.echo(f"Opened {goal.slug}: {goal.title}")


@app.command("list")
def list_goals(data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None) -> None:
    """List this hub's goals."""
    hub = opened(data, database_url)
    with hub.database.read() as session:
        rows = session.exec(select(GoalRow)).all()
        for row in rows:
            typer.echo(f"{row.slug:20} {row.state:8} {row.title}")
        if not rows:
            typer.echo("No goals yet. Open one with `hub goal open tiny_gpt`.")
