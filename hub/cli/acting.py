"""`hub goal|experiment|owner|… VERB`: every operator's action, made from its model of the protocol.

Nothing is listed by hand: an action that the API takes is a command, with the same words.
"""

import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from hub import goal_files, operators, plan, sessions
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.core import Hub
from hub.desk import Desk
from hub.errors import Invalid, NotFound, Unauthorized
from hub.sessions import CONSOLE, Actor
from hub.words import counted
from protocol import acts
from protocol.operators import Acted, Preview

ELSEWHERE = {"goal.create": "goal open", "hub.registration": "switch registration"}
ELSEWHERE |= {"hub.posts": "switch posts"}
PATHS = {name: ELSEWHERE.get(name, name.replace(".", " ")) for name in acts.ACTS}
"""Which command does which action."""
HELP = {
    "goal": "Open goals and curate them.",
    "experiment": "Pin, boost, freeze, forbid, hide, replicate, merge.",
    "post": "Write, hide and feature posts.",
    "notice": "Tell agents something as the operator.",
    "owner": "Approve, limit, quarantine, ban and restore volunteers.",
    "agent": "Set single devices aside, and let them work again.",
    "token": "Issue, rotate and revoke tokens.",
    "invite": "Mint and revoke invites.",
    "operator": "Add and remove operators; mint their sign-in links.",
    "switch": "Say who may join, and whether agents may post.",
    "flag": "Decide on flags.",
    "action": "Undo what was done.",
}
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the log for ever.")]
By = Annotated[str, typer.Option("--by", envvar="AGENTHUB_OPERATOR", help="Act as this operator.")]
Look = Annotated[bool, typer.Option("--preview", help="Show what it would do, and do nothing.")]
BEGINNINGS = {acts.AddOperator, acts.CreateInvite, acts.SetRegistration, acts.FreezePosts}
"""What a hub can be told before it holds anything; the rest needs one that does."""
FolderArgument = Annotated[Path, typer.Argument(help="A goal's folder.")]
FileArgument = Annotated[Path, typer.Argument(help="A file with the text.")]
COMMON = {
    "reason": (Reason, inspect.Parameter.empty),
    "by": (By, CONSOLE.name),
    "preview": (Look, False),
    "data": (DataOption, DEFAULT_DATA),
    "database_url": (DatabaseOption, None),
}


WORDS = {
    "agent": "An agent's name: 2 to 31 of a-z, 0-9 and -.",
    "days": "Days until it ends.",
    "email": "An address at the sign-in provider that becomes this operator.",
    "experiment": "An experiment: its sha, or its first 4 digits or more.",
    "factor": "How much more (or less, below 1) it is explored.",
    "flag": "A flag's id, as `hub queue` shows it.",
    "goal": "A goal's name, as `hub goal list` shows it.",
    "into": "The experiment that stays: its sha, or its first 4 digits or more.",
    "invite": "An invite's id, as `hub invite list` shows it.",
    "notice": "A notice's number, as `hub notice list` shows it.",
    "off": "Undo it.",
    "operator": "An operator's name: 2 to 31 of a-z, 0-9 and -.",
    "overlap_minutes": "Minutes for which the old token goes on working.",
    "owner": "An owner's name: 2 to 31 of a-z, 0-9 and -.",
    "per_minute": "Requests a minute that are allowed.",
    "policy": "Who may join.",
    "post": "A post's id, as the board shows it.",
    "scope": "What the token may do.",
    "seq": "An action's number, as the log shows it.",
    "text": "What to say.",
    "times": "How many replications.",
    "token": "A token's id, as `hub token list` shows it.",
    "uses": "How often it can be used.",
    "weight": "Its share of the work, beside other goals' weights.",
}


def add_to(app: typer.Typer, groups: dict[str, typer.Typer]) -> None:
    """Give every action its command; groups that exist already get theirs added."""
    for name, path in PATHS.items():
        group, verb = path.split(" ")
        if group not in groups:
            groups[group] = typer.Typer(help=HELP[group], no_args_is_help=True)
            app.add_typer(groups[group], name=group)
        if name != "goal.create":
            groups[group].command(verb)(command(acts.ACTS[name]))


def command(kind: type[acts.Act]) -> Callable[..., None]:
    """A command whose arguments are an action's required fields and whose options are the rest."""

    def _run(*, by: str, preview: bool, data: Path, database_url: str | None, **given: Any) -> None:
        act = read(kind, given)
        with opened(data, database_url, begin=kind in BEGINNINGS) as hub:
            run(hub, act, by, preview)

    found = [_parameter(kind, name, field) for name, field in _fields(kind).items()]
    asked = {each.name: each for each in found}
    asked |= {name: _keyword(name, *said) for name, said in COMMON.items()}
    _run.__signature__ = inspect.Signature(list(asked.values()))  # type: ignore[attr-defined]
    _run.__annotations__ = {name: each.annotation for name, each in asked.items()}
    _run.__doc__ = kind.__doc__
    return _run


def read(kind: type[acts.Act], given: dict[str, Any]) -> acts.Act:
    """The action that a command line asks for; raises Invalid naming the argument."""
    if "folder" in given:
        loaded = goal_files.load(given.pop("folder"))
        given |= {"spec": loaded.spec, "files": dict(loaded.texts)}
    if isinstance(given.get("text"), Path):
        given["text"] = _text(given["text"])
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise invalid(error) from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not UTF-8 text (byte {error.start}).") from error


def invalid(error: ValidationError) -> Invalid:
    """What is wrong with an argument, in words: nobody should have to read a pattern."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "string_pattern_mismatch" and name in WORDS:
        return Invalid(f"{name} {str(first['input'])[:80]!r} will not do: {WORDS[name]}")
    return Invalid(f"{name}: {first['msg']}")


def run(hub: Hub, act: acts.Act, by: str = CONSOLE.name, preview: bool = False) -> None:
    """Do an action or preview it, and say what came of it."""
    if preview:
        with hub.database.read() as session:
            mind = plan.foresee(session, hub.mind)
        with hub.database.rehearsal() as work:
            desk = Desk(work, hub.settings, hub.git, actor(work.session, by))
            _tell_preview(operators.preview(desk, act, mind))
        return
    with hub.database.work() as work:
        desk = Desk(work, hub.settings, hub.git, actor(work.session, by))
        done = operators.act(desk, act)
    _tell(done)


def actor(session: Any, by: str) -> Actor:
    """The operator by that name, or the console."""
    try:
        return CONSOLE if by == CONSOLE.name else sessions.active(session, by)
    except Unauthorized as error:
        raise NotFound(f"There is no operator {by!r}; `hub operator list` shows them.") from error


def _tell(done: Acted) -> None:
    typer.echo(f"{done.sentence} [{done.seq}]")
    if done.secret is not None:
        typer.echo(done.secret)


def _tell_preview(seen: Preview) -> None:
    typer.echo(f"Would do: {seen.sentence}")
    for what, count in seen.cascade.items():
        typer.echo(f"  {counted(count, what.removesuffix('s'))}")
    for change in seen.changes:
        typer.echo(f"  {change.what}: {change.before} -> {change.after}")
    for title, orders in (("now", seen.orders_before), ("then", seen.orders_after)):
        typer.echo(f"Next work orders {title}:")
        for order in orders:
            typer.echo(f"  {order.goal} {order.kind} #{order.number}: {order.why}")


def _fields(kind: type[acts.Act]) -> dict[str, FieldInfo]:
    return {
        name: field
        for name, field in kind.model_fields.items()
        if name not in ("action", "reason", "files")
    }


def _parameter(kind: type[acts.Act], name: str, field: FieldInfo) -> inspect.Parameter:
    if name == "spec":
        return _keyword("folder", FolderArgument, inspect.Parameter.empty)
    if kind is acts.EditBrief and name == "text":
        return _keyword(name, FileArgument, inspect.Parameter.empty)
    base = _scalar(field.annotation)
    if field.is_required():
        told = typer.Argument(help=_help(name, field))
        return _keyword(name, Annotated[base, told], inspect.Parameter.empty)
    asked = base if base is bool else base | None
    option = typer.Option(f"--{name.replace('_', '-')}", help=_help(name, field))
    return _keyword(name, Annotated[asked, option], field.default)


def _help(name: str, field: FieldInfo) -> str:
    """What an argument is for; a choice names what can be chosen."""
    chosen = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    choices = f" One of {', '.join(map(str, chosen))}." if chosen else ""
    return (field.description or WORDS[name]) + choices


def _scalar(annotation: Any) -> Any:
    """The plain type behind constraints, choices and `None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return _scalar(next(each for each in get_args(annotation) if each is not types.NoneType))
    if get_origin(annotation) is Annotated:
        return _scalar(get_args(annotation)[0])
    return str if get_origin(annotation) is Literal else annotation


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)
