"""The `hub` command and what all of its sub-commands share."""

import sys
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from hub.cli import acting, backup, check, goal, reading, serve, top, writing
from hub.errors import HubError
from hub.settings import VERSION

app = typer.Typer(
    help="Serve an AgentHub and curate its goals.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("top")(top.top)
app.command("check")(check.check)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("copy-to")(backup.copy_to)
app.add_typer(goal.app, name="goal")
acting.add_to(app, GROUPS := {"goal": goal.app})
reading.add_to(app, GROUPS)
GROUPS["post"].command("write")(writing.write)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hub {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Serve an AgentHub and curate its goals."""


def main() -> None:
    """Run the command; a refusal is one sentence on standard error and exit code 1."""
    try:
        app()
    except HubError as error:
        _end(f"{error.detail} [{error.code}]")
    except ValidationError as error:  # of settings: everything else is read with care
        _end(*(_setting(each) for each in error.errors(include_input=False)))
    except SettingsError as error:
        name = str(error).partition('"')[2].partition('"')[0]
        _end(f"AGENTHUB_{name.upper()}: This is not JSON. [bad_setting]")
    except OSError as error:  # of a file or folder that somebody named
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}. [file_trouble]")


def _setting(wrong: ErrorDetails) -> str:
    place = "".join(f"AGENTHUB_{part}: ".upper() for part in wrong["loc"][:1])
    choice = str(wrong.get("ctx", {}).get("pattern", "")).strip("^$()").replace("|", ", ")
    told = f"must be one of {choice}" if choice else wrong["msg"].removeprefix("Value error, ")
    return f"{place}{told}{'' if told.endswith('?') else '.'} [bad_setting]"


def _end(*sentences: str) -> None:
    for each in sentences:
        typer.echo(f"hub: {each}", err=True)
    sys.exit(1)
