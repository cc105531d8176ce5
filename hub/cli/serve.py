"""`hub serve`: the web server."""

import errno
import socket
from typing import Annotated

import typer

from hub import logs, storemark
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption
from hub.core import make_folder, open_hub
from hub.errors import HubError
from hub.served import serving
from hub.settings import Settings


class PortTaken(HubError):
    """Another program listens on this port; choose another with `--port`."""

    code, status = "port_taken", 500


class NoSuchHost(HubError):
    """This machine cannot listen on that address; choose another with `--host` and `--port`."""

    code, status = "no_such_host", 500


def serve(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8000,
    log_json: Annotated[
        bool, typer.Option(envvar="AGENTHUB_LOG_JSON", help="Log as JSON lines.")
    ] = False,
) -> None:
    """Serve the hub until Ctrl-C, which lets running requests finish."""
    logs.configure(log_json)
    # Here, because the web application is half of what all other commands would load.
    from hub import server

    with _listen(host, port) as listening:
        settings = Settings(
            data=data,
            database_url=database_url,
            host=host,
            port=listening.getsockname()[1],
            log_json=log_json,
        )
        make_folder(data)
        # First, so that a newer hub does not migrate under one that still serves.
        with serving(data, settings.listens_at):
            hub = open_hub(settings)
            try:
                storemark.settle(hub.database, hub.blobs)
                typer.echo(f"AgentHub is open at {settings.listens_at}/ (data in {data}).")
                server.run(hub, listening)
            finally:
                hub.database.dispose()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            told = f"Port {port} of {host} is taken; choose another with --port."
            raise PortTaken(told) from error
        raise NoSuchHost(f"{host}, port {port}: {error.strerror}.") from error
    listening.listen(2048)
    return listening
