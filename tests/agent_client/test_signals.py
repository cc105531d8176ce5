"""Ctrl-C and SIGTERM at the worst moment."""

import signal
import subprocess
import sys
from pathlib import Path

from agent_client.fleet import Fleet

IN_THE_LOCK = """
import os, signal
from agent_client.backoff import Stopping
from agent_client.cli import _listen

stopping = Stopping()
_listen(stopping)
with stopping.finish._cond:
    os.kill(os.getpid(), signal.SIGTERM)
assert stopping.abort.wait(20.0)
print("heard")
"""


def test_a_signal_that_meets_the_main_thread_in_the_events_own_lock_is_heard() -> None:
    argv = [sys.executable, "-c", IN_THE_LOCK]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30.0, check=True)

    assert done.stdout == "heard\n"


def test_a_fleet_told_to_stop_while_it_starts_starts_no_more_workers(tmp_path: Path) -> None:
    said: list[str] = []
    fleet = Fleet([tmp_path / "gpu0", tmp_path / "gpu1"], [], said.append)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    fleet._pass_on(signal.SIGINT)
    try:
        code = fleet.run()
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)

    assert (code, said) == (0, [])
