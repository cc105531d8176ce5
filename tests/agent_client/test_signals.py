"""Ctrl-C and SIGTERM at the worst moment."""

import select
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


TO_ANOTHER_THREAD = """
import select, signal, threading
from agent_client.backoff import Stopping
from agent_client.cli import _listen

stopping, asleep = Stopping(), threading.Event()
_listen(stopping)
sleeper = threading.Thread(target=lambda: (asleep.set(), stopping.abort.wait()), daemon=True)
sleeper.start()
asleep.wait()
threading.Timer(0.2, signal.pthread_kill, (sleeper.ident, signal.SIGTERM)).start()
threading.Thread(target=lambda: (stopping.abort.wait(), print("heard", flush=True))).start()
select.poll().poll(60_000)
"""


def test_a_signal_that_does_not_wake_the_main_thread_is_heard() -> None:
    """So is one that comes after Python has looked for signals, and before it begins to wait."""
    argv = [sys.executable, "-c", TO_ANOTHER_THREAD]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 20.0)[0], "nobody heard it"
            assert process.stdout.readline() == "heard\n"
        finally:
            process.kill()


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
        signal.set_wakeup_fd(-1)

    assert (code, said) == (0, [])
