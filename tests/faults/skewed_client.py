"""A whole client whose wall clock is wrong by as many hours as a file says, now and later.

`python -m tests.faults.skewed_client FOLDER FILE`
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from rich.console import Console

from agent_client import cli, settings
from agent_client.backoff import Stopping
from agent_client.build import kit_for
from agent_client.lock import InstanceLock
from agent_client.telemetry import log_to


def main() -> None:
    """What `agent_client run --mutator offline` does, with another clock."""
    folder, hours = Path(sys.argv[1]), Path(sys.argv[2])
    chosen = settings.with_options(settings.load(folder), {"mutator": "offline"})
    lock = InstanceLock.take(folder)
    log_to(folder)
    structlog.get_logger("agent_client").info("started with another clock", hours=hours.read_text())
    kit = kit_for(folder, chosen, Console(), Stopping())
    kit.clock = lambda: datetime.now(UTC) + timedelta(hours=float(hours.read_text()))
    cli.work(kit)
    lock.release()


if __name__ == "__main__":
    main()
