"""`hub serve`: the web server."""

import logging
import socket
from typing import Annotated

import structlog
import typer
import uvicorn

from hub.app import create_app
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption
from hub.core import open_hub
from hub.errors import HubError
from hub.settings import Settings


class PortTaken(HubError):
    """Another program listens on this port; choose another with `--port`."""

    code, status = "port_taken", 500


def serve(
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8000,
    log_json: Annotated[bool, typer.Option(help="Log as JSON lines.")] = False,
) -> None:
    """Serve the hub until Ctrl-C, which lets running requests finish."""
    settings = Settings(
        data=data, database_url=database_url, host=host, port=port, log_json=log_json
    )
    listening = _listen(host, port)
    hub = open_hub(settings)
    _configure_logs(log_json)
    app = create_app(hub)
    address = listening.getsockname()
    typer.echo(f"AgentHub is open at http://{host}:{address[1]}/ (data in {data}).")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=20,
        ws_max_size=64 * 1024,
        ws_ping_interval=20,
        h11_max_incomplete_event_size=16 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise PortTaken(f"Port {port} of {host} is taken; choose another with --port.") from error
    listening.listen(2048)
    return listening


def _configure_logs(as_json: bool) -> None:
    """Standard library and structlog lines go one way, as JSON or for people."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if as_json else logging.WARNING
        ),
    )
    logging.basicConfig(level=logging.WARNING)
