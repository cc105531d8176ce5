"""`hub goal …`: open goals, say where they stand, and decide whether they hand out work."""

from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import select

from hub import goal_files, goals, overview
from hub.cli import acting, goal_author
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.sessions import CONSOLE
from hub.tables import GoalRow
from hub.words import counted
from protocol import acts
from protocol.goals import Goal

app = typer.Typer(help="Open goals and curate them.", no_args_is_help=True)
app.command("new")(goal_author.new)
app.command("validate")(goal_author.validate)
app.command("import")(goal_author.import_checkout)

NameArgument = Annotated[str, typer.Argument(help="The goal's name.")]


@app.command("open")
def open_goal(
    name: Annotated[str, typer.Argument(help="A goal of the library, or a goal's folder.")],
    reason: acting.Reason = "opened at the console",
    by: acting.By = CONSOLE.name,
    preview: acting.Look = False,
    *,
    alone: goal_author.Alone = False,
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Open a goal on this hub: from the library by name, or from a folder."""
    known = name in goal_files.library()
    loaded = goal_files.from_library(name) if known else goal_files.from_folder(Path(name))
    spec = goal_author.verified_alone(loaded.spec) if alone else loaded.spec
    act = acts.CreateGoal(spec=spec, files=dict(loaded.texts), reason=reason)
    with opened(data, database_url) as hub:
        acting.run(hub, act, by, preview)


@app.command("list")
def list_goals(data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None) -> None:
    """List this hub's goals."""
    with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
        rows = session.exec(select(GoalRow)).all()
        for row in rows:
            typer.echo(f"{row.slug:20} {row.state:8} {row.title}")
        if not rows:
            typer.echo("No goals yet. Open one with `hub goal open tiny_gpt`.")


@app.command()
def show(
    name: NameArgument, data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None
) -> None:
    """Show a goal's rules, the hashes of its files, and how far it has come."""
    with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
        row = goals.find(session, name)
        goal = goals.view(session, row)
        missing = overview.owners_missing(session, row, goal.spec)
    for line in _told(goal, missing):
        typer.echo(line)


def _told(goal: Goal, missing: int) -> list[str]:
    spec = goal.spec
    test = spec.verification
    metric = f"{spec.metric.name} ({spec.metric.direction.value}, {spec.metric.source.value})"
    pairs = {
        "goal": f"{goal.name}, version {goal.version}",
        "title": spec.title,
        "state": f"{goal.state.value} {goal.reason}".strip(),
        "metric": metric,
        "budget": f"{spec.budget.text()}, stopped after {spec.timeout_seconds:g} s",
        "devices": ", ".join(spec.device.kinds),
        "verified": "by its own owner's repeats" if test.alone else _by(test.owners, missing),
        "progress": _progress(goal),
        "baseline": goal.baseline or "none",
        "champion": goal.champion or "none yet",
    }
    files = [
        f"{'file':10} {file.path} {'editable' if file.editable else 'protected'} {file.sha256}"
        for file in goal.files
    ]
    return [f"{name:10} {value}" for name, value in pairs.items()] + files


def _by(owners: int, missing: int) -> str:
    heard = owners - missing
    lacking = f", of whom {heard} came so far" if missing and heard else ""
    return f"by {owners} owners{lacking}"


def _progress(goal: Goal) -> str:
    best = "no result yet" if goal.best is None else f"best {goal.best:.6g}"
    return f"{counted(goal.experiments, 'experiment')}, {counted(goal.runs, 'run')}, {best}"
