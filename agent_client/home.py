"""`agent_client signin`: the owner's own pages on the hub, opened from a machine of theirs."""

import typer

from agent_client import fleet, settings
from agent_client.hub_api import Hub
from agent_client.options import HOME, Folder


def signin(folder: Folder = HOME) -> None:
    """Print a link that signs you in once: pause your agents, end tokens, write on the board."""
    known = settings.load((fleet.workers(folder) or [folder])[0])
    with Hub.at(known.hub, known.token) as hub:
        typer.echo(f"{known.hub}/signin#code={hub.sign_in_code().code}")
