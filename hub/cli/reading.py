"""What operators look at, as columns or as JSON lines: tokens, invites, people, log, queue."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from sqlmodel import Session

from hub import (
    experiments,
    goals,
    invites,
    operators,
    plan,
    review,
    revisions,
    rolls,
    sessions,
    tokens,
)
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.core import Hub
from hub.words import size, span
from protocol.operators import InviteInfo, OperatorInfo, TokenInfo

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Reader = Callable[[Hub, Session], Sequence[BaseModel]]

GoalName = Annotated[str, typer.Argument(help="A goal's name.")]
ExperimentSha = Annotated[str, typer.Argument(help="An experiment: its sha, or enough of it.")]
UNITS: dict[str, Callable[[float], str]] = {"bytes": size, "seconds": span}


def add_to(app: typer.Typer, groups: dict[str, typer.Typer]) -> None:
    """Give every list its command."""
    for path, (reader, columns) in LISTS.items():
        group, _, verb = path.rpartition(" ")
        home = groups[group] if group else app
        home.command(verb, help=reader.__doc__)(_listing(reader, columns))
    app.command("log")(log)
    groups["goal"].command("versions")(versions)
    groups["goal"].command("diff")(diff)
    groups["experiment"].command("findings")(findings)


def _listing(reader: Reader, columns: str) -> Callable[..., None]:
    def _list(
        as_json: JsonOption = False,
        data: DataOption = DEFAULT_DATA,
        database_url: DatabaseOption = None,
    ) -> None:
        with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
            rows = reader(hub, session)
        _tell(rows, columns, as_json)

    return _list


def _tell(rows: Sequence[BaseModel], columns: str, as_json: bool = False) -> None:
    if as_json:
        for row in rows:
            typer.echo(row.model_dump_json())
        return
    names = columns.split()
    cells = [[_cell(row.model_dump()[name]) for name in names] for row in rows]
    if len(rows) == 1 and not names:
        cells = [list(_fact(name, value)) for name, value in rows[0].model_dump().items()]
    else:
        cells = [names, *cells] if rows else [["Nothing."]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        said = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        typer.echo("  ".join(said).rstrip())


def _fact(name: str, value: Any) -> tuple[str, str]:
    """What a number is of and the number in words, as the board's page of the hub's health."""
    label, _, unit = name.rpartition("_")
    if unit in UNITS:
        return label.replace("_", " "), UNITS[unit](value)
    if isinstance(value, dict):
        said = ", ".join(f"{count} of {each}" for each, count in value.items()) or "none"
    elif isinstance(value, bool):
        said = "yes" if value else "no"
    else:
        said = f"{value:,}" if isinstance(value, int) else value
    return name.replace("_", " "), _cell(said)


def _cell(value: Any) -> str:
    """A value on one line, with nothing in it that a terminal would obey or hide."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    text = "-" if value is None or value == "" else str(value)
    return "".join(one if one.isprintable() else " " for one in text)


def _tokens(_: Hub, session: Session) -> Sequence[BaseModel]:
    """List tokens with their last use; never the secrets."""
    return [TokenInfo.model_validate(row.model_dump()) for row in tokens.browse(session)]


def _invites(hub: Hub, session: Session) -> Sequence[BaseModel]:
    """List invites, ended ones included."""
    found = invites.browse(session, hub.clock(), every=True)
    return [InviteInfo.model_validate(row.model_dump()) for row in found]


def _owners(_: Hub, session: Session) -> Sequence[BaseModel]:
    """List volunteers with what they did."""
    return rolls.owners(session, limit=100_000)


def _operators(_: Hub, session: Session) -> Sequence[BaseModel]:
    """List operators."""
    return [OperatorInfo.model_validate(row.model_dump()) for row in sessions.browse(session)]


def _notices(_: Hub, session: Session) -> Sequence[BaseModel]:
    """List notices, withdrawn ones included."""
    return rolls.notices(session)


def _queue(_: Hub, session: Session) -> Sequence[BaseModel]:
    """Show what waits for a decision, the oldest first."""
    return review.queue(session).items


def _health(hub: Hub, session: Session) -> Sequence[BaseModel]:
    """Show how the hub is."""
    return [rolls.health(session, hub.settings, hub.clock())]


def _plan(hub: Hub, session: Session) -> Sequence[BaseModel]:
    """Show the next ten work orders as things stand."""
    mind = plan.foresee(session, hub.mind)
    with hub.database.rehearsal() as work:
        return plan.next_orders(work, hub.settings, mind)


LISTS: dict[str, tuple[Reader, str]] = {
    "token list": (_tokens, "id kind subject last_used_at expires_at revoked_at"),
    "invite list": (_invites, "id owner by uses_left expires_at revoked_at"),
    "owner list": (_owners, "name state trust agents runs experiments"),
    "operator list": (_operators, "name owner state"),
    "notice list": (_notices, "id goal by withdrawn_at text"),
    "queue": (_queue, "key waiting kind object title detail"),
    "health": (_health, ""),
    "plan": (_plan, "goal kind number why"),
}


def log(
    *,
    operator: Annotated[str | None, typer.Option(help="Only this operator's actions.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as owner.ban.")] = None,
    about: Annotated[str | None, typer.Option(help="Only what was done to this.")] = None,
    goal: Annotated[str | None, typer.Option(help="Only this goal's.")] = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Show the append-only log, the newest first."""
    asked = operators.Asked(operator, action, about, goal)
    with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
        found = operators.log(session, asked, limit=1000)
    _tell(found, "seq at operator action object reason", as_json)


def versions(
    goal: GoalName, data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None
) -> None:
    """List a goal's versions."""
    with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
        _tell(
            revisions.versions(session, goals.find(session, goal)), "version by created_at reason"
        )


def diff(
    goal: GoalName,
    base: Annotated[int, typer.Argument(help="The older version.")],
    version: Annotated[int, typer.Argument(help="The newer version.")],
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Show what changed between two versions of a goal."""
    with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
        found = revisions.unified(session, goals.find(session, goal), version, base).files
    for lines in found.values():
        typer.echo("\n".join(lines))
    if not found:
        typer.echo("Nothing.")


def findings(
    experiment: ExperimentSha, data: DataOption = DEFAULT_DATA, database_url: DatabaseOption = None
) -> None:
    """Show what the policy saw in an experiment's code."""
    with opened(data, database_url, begin=False) as hub, hub.database.read() as session:
        found = review.findings(session, experiments.find(session, experiment).sha)
    _tell(found.findings, "level rule path line detail")
