"""`hub goal new`, `validate` and `import`: for people who write goals."""

from pathlib import Path
from typing import Annotated

import typer

from hub import goal_files, goal_import, goal_new, goal_toml
from hub.cli import acting
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.sessions import CONSOLE
from protocol import acts
from protocol.goals import Direction, GoalSpec


def new(
    name: Annotated[str, typer.Argument(help="The goal's name: a-z, 0-9, - and _.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write it; ./NAME by default.")
    ] = None,
) -> None:
    """Write the folder of a small goal that runs, to be rewritten piece by piece."""
    spec, texts = goal_new.skeleton(goal_files.named(name))
    where = folder or Path(name)
    goal_toml.write_folder(where, spec, texts)
    typer.echo(f"Wrote {where}/goal.toml, train.py and program.md.")
    typer.echo(f"Next: hub goal validate {where}, then hub goal open {where}")
    typer.echo("Where only your own machines will work on it, open it with --alone.")


def validate(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Goal folders; the whole library by default.")
    ] = None,
) -> None:
    """Check goal folders; every mistake is named with its file and line."""
    wanted = folders or [goal_files.LIBRARY / name for name in goal_files.library()]
    mistakes: list[str] = []
    for folder in wanted:
        try:
            goal = goal_files.from_folder(folder)
        except goal_files.GoalInvalid as refusal:
            mistakes += refusal.problems
        else:
            typer.echo(f"{goal.spec.name}: valid, {len(goal.texts)} files, {goal.digest()[:12]}")
    if mistakes:
        raise goal_files.GoalInvalid(mistakes)


Alone = Annotated[
    bool,
    typer.Option(
        "--alone",
        help="Only your own machines work on it: their repeats verify, not other owners'.",
    ),
]


def verified_alone(spec: GoalSpec) -> GoalSpec:
    """The same rules for a goal that one owner works on and verifies (ADR 0121)."""
    verification = spec.verification.model_copy(update={"owners": 1})
    return spec.model_copy(update={"verification": verification})


def import_checkout(  # noqa: PLR0913 - each is an option of the command
    folder: Annotated[Path, typer.Argument(help="A folder with train.py, prepare.py, program.md.")],
    *,
    name: Annotated[str | None, typer.Option("--name", help="The goal's name.")] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="The number in train.py's last block.")
    ] = "val_bpb",
    direction: Annotated[
        Direction, typer.Option("--direction", help="Which way is better.")
    ] = Direction.MIN,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write a goal folder there; open nothing.")
    ] = None,
    alone: Alone = False,
    by: acting.By = CONSOLE.name,
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Open a stock autoresearch checkout as a goal, as it is, marked self-reported."""
    texts = goal_import.read(folder)
    wanted = goal_import.Wanted(
        goal_files.named(name or goal_import.slug(folder)), metric, direction
    )
    spec = goal_import.spec(texts, wanted)
    spec = verified_alone(spec) if alone else spec
    if write is not None:
        goal_toml.write_folder(write, spec, texts)
        typer.echo(f"Wrote {write}. Its numbers are self-reported: train.py measures itself.")
        return
    act = acts.CreateGoal(spec=spec, files=dict(texts), reason="imported from a checkout")
    with opened(data, database_url) as hub:
        acting.run(hub, act, by)
    typer.echo("Its numbers are self-reported: train.py measures itself.")
