"""Clients that are killed, doubled, copied or told to stop, as programs with a real hub."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent_client import control
from agent_client.jail import tree
from agent_client.lock import holder
from agent_client.state import Child, Memory, start_ticks
from agent_client.telemetry import LOG
from protocol.experiments import Operator, Status
from tests.agent_client.conftest import Volunteer
from tests.agent_client.hub_process import HubProcess, a_hub

PATIENCE = 120.0
"""Seconds for what takes two on a machine that is not far too busy."""

trains_for = partial(pytest.mark.parametrize, "hub", indirect=True)
"""How long a training takes: so briefly that it ends, or so long that it is met at work."""

briefly, long = trains_for([1.5], ids=["briefly"]), trains_for([60.0], ids=["long"])


@contextmanager
def running(volunteer: Volunteer, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A client that is ended, whatever the test finds; one that would not end says where it is."""
    said = ("run", "--mutator", "offline", *arguments)
    process = volunteer.begin(*said, PYTHONFAULTHANDLER="1")
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGABRT)
        sys.stdout.write(process.communicate()[0])


def until(wanted: Callable[[], bool], seconds: float = PATIENCE) -> None:
    ends = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.05)


def said_of(volunteer: Volunteer, *what: str) -> str:
    """What the client's status says of these things now."""
    try:
        said = json.loads((volunteer.folder / "status.json").read_text())
    except (OSError, ValueError):
        return ""
    return " ".join(str(said[each]) for each in what)


def phase(volunteer: Volunteer) -> str:
    return said_of(volunteer, "phase")


def left_over(volunteer: Volunteer) -> list[str]:
    """Processes that still work in the volunteer's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            where = str(path.readlink())
        except OSError:
            continue
        if where.startswith(str(volunteer.folder)):
            found.append(f"{path.parent.name}: {where}")
    return found


@briefly
def test_killed_while_training_leaves_no_process_and_goes_on_where_it_was(
    volunteer: Volunteer,
) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        until(lambda: any(each.number > 0 for each in volunteer.experiments()))
        process.kill()
        process.wait()
    until(lambda: not left_over(volunteer))

    done = volunteer.do("run", "--mutator", "offline", "--max-experiments", "2")

    assert done.returncode == 0, done.stdout + done.stderr
    made = [each for each in volunteer.experiments() if each.operator is not Operator.BASELINE]
    assert all(each.n_runs <= 1 for each in made)
    assert sum(each.status is Status.FINISHED for each in made) >= 2
    assert not [each for each in made if each.status is Status.RUNNING]


@briefly
def test_a_run_that_was_written_down_is_sent_after_a_kill(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.hub.kill()
        until(lambda: bool(list((volunteer.folder / "journal").glob("*.json"))))
        process.kill()
        process.wait()
    volunteer.hub.start()

    done = volunteer.do("run", "--mutator", "offline", "--max-experiments", "1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert volunteer.experiments()[0].n_runs >= 1
    assert not list((volunteer.folder / "journal").glob("*.json"))


@briefly
def test_work_goes_on_through_a_hub_restart(volunteer: Volunteer) -> None:
    with running(volunteer, "--max-experiments", "2") as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.hub.kill()
        until(lambda: "cannot be reached" in said_of(volunteer, "reason", "hub"))
        volunteer.hub.start()
        assert process.wait(PATIENCE) == 0
    made = [each for each in volunteer.experiments() if each.operator is not Operator.BASELINE]
    assert [each.n_runs for each in made if each.status is Status.FINISHED] == [1, 1]


@briefly
def test_the_first_interrupt_finishes_and_submits(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert volunteer.experiments()[0].n_runs == 1
    with volunteer.api() as hub:
        assert hub.me().working_on is None


@long
def test_the_second_interrupt_stops_at_once_and_frees_the_lease(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        next(line for line in process.stdout if "Finishing this run" in line)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        said = process.stdout.read()
    assert "#0 is given back, unfinished: the owner stopped it." in said
    assert volunteer.experiments()[0].n_runs == 0
    with volunteer.api() as hub:
        assert hub.me().working_on is None
    assert not left_over(volunteer)


def test_a_measurement_whose_supervisor_was_killed_says_nothing_of_the_run(tmp_path: Path) -> None:
    with a_hub(tmp_path / "hub", goal="long_check") as hub:
        volunteer = Volunteer(tmp_path / "agent", hub)
        volunteer.join()
        log = volunteer.folder / LOG
        with running(volunteer) as process:
            until(lambda: any("check.py" in words for words in running_below(process.pid)))
            for each in tree.below(process.pid):
                if each.parent == process.pid:  # as a machine does that runs out of memory
                    os.kill(each.pid, signal.SIGKILL)
            until(
                lambda: (
                    "could not be done" in log.read_text()
                    or volunteer.experiments("long_check")[0].n_runs > 0
                )
            )
        assert volunteer.experiments("long_check")[0].n_runs == 0


def running_below(pid: int) -> list[str]:
    """The command lines of all processes below one."""
    found = []
    for each in tree.below(pid):
        with suppress(OSError):  # it may have ended
            found.append(Path(f"/proc/{each.pid}/cmdline").read_text())
    return found


def test_to_be_stopped_at_once_does_not_wait_for_a_measurement(tmp_path: Path) -> None:
    with a_hub(tmp_path / "hub", goal="long_check") as hub:
        volunteer = Volunteer(tmp_path / "agent", hub)
        volunteer.join()
        with running(volunteer) as process, volunteer.api() as asked:
            until(lambda: phase(volunteer) == "measuring")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
            assert asked.me().working_on is None
        assert volunteer.experiments("long_check")[0].n_runs == 0
        assert not left_over(volunteer)


@briefly
def test_stop_with_finish_ends_after_the_run(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.do("stop", "--finish")
        assert process.wait(PATIENCE) == 0
    assert volunteer.experiments()[0].n_runs == 1


def test_stop_with_finish_is_heard_by_a_client_that_still_starts(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: holder(volunteer.folder) == process.pid)
        control.stop(volunteer.folder, finish=True)
        assert process.wait(PATIENCE) == 0
    assert [each.n_runs for each in volunteer.experiments()] == [0]


@briefly
def test_the_signal_with_which_systemd_stops_the_service_lets_the_run_finish(
    volunteer: Volunteer,
) -> None:
    unit = volunteer.do("service").stdout
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        told = [process.pid]
        if "KillMode=mixed" not in unit:  # else the signal goes to the main process alone
            told += [each.pid for each in tree.below(process.pid)]
        for pid in told:
            os.kill(pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert volunteer.experiments()[0].n_runs == 1


def test_a_paused_client_says_why_it_waits_and_goes_on(volunteer: Volunteer) -> None:
    volunteer.do("pause")
    with running(volunteer, "--max-experiments", "1") as process:
        until(lambda: phase(volunteer) == "waiting")
        until(lambda: "Paused" in volunteer.do("status").stdout)
        volunteer.do("resume")
        assert process.wait(PATIENCE) == 0


@briefly
def test_what_the_hub_wants_back_is_given_back_while_its_owner_pauses(volunteer: Volunteer) -> None:
    volunteer.hub.stop()
    volunteer.hub.lease_seconds = 6.0
    volunteer.hub.start()
    with running(volunteer), volunteer.api() as hub:
        until(lambda: said_of(volunteer, "phase", "proposing") == "training ready")
        volunteer.do("pause")
        until(lambda: "Paused" in said_of(volunteer, "reason"))
        until(lambda: hub.me().working_on is not None)
        close_the_goal(volunteer.hub)
        until(lambda: hub.me().working_on is None)


@long
def test_a_second_client_in_the_folder_is_refused_by_pid(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        second = volunteer.do("run")
    assert second.returncode == 5
    assert f"pid {process.pid}" in second.stderr


def test_a_folder_copied_from_another_machine_is_refused(volunteer: Volunteer) -> None:
    state = {"machine": "another machine"}
    (volunteer.folder / "state.json").write_text(json.dumps(state))

    done = volunteer.do("run")

    assert done.returncode == 3
    assert "copied from another machine" in done.stderr


def test_an_unknown_setting_is_named(volunteer: Volunteer) -> None:
    config = volunteer.folder / "config.toml"
    config.write_text(config.read_text() + "\n[limits]\ntemprature = 70\n")

    done = volunteer.do("run")

    assert done.returncode == 3
    assert "unknown key 'limits.temprature'" in done.stderr


def test_an_orphan_of_a_killed_client_is_ended(volunteer: Volunteer) -> None:
    orphan = subprocess.Popen(["sleep", "60"])
    ticks = start_ticks(orphan.pid)
    assert ticks is not None
    memory = Memory(children=[Child(pid=orphan.pid, started=ticks)])
    (volunteer.folder / "state.json").write_text(memory.model_dump_json())

    with running(volunteer):
        assert orphan.wait(PATIENCE) == -signal.SIGKILL


def revoke_everybody(hub: HubProcess) -> None:
    """End every token, as an operator does."""
    change(hub, "UPDATE tokens SET revoked_at = '2026-01-01 00:00:00'")


def let_everybody_be(hub: HubProcess, state: str) -> None:
    """Take people in, or let them wait for that, as an operator does."""
    change(hub, f"UPDATE owners SET state = '{state}'")
    change(hub, f"UPDATE agents SET state = '{state}'")


def test_a_client_waits_until_an_operator_has_approved_of_it(volunteer: Volunteer) -> None:
    let_everybody_be(volunteer.hub, "pending")
    with running(volunteer, "--max-experiments", "1") as process:
        until(lambda: process.poll() is not None or "approve" in said_of(volunteer, "reason"))
        let_everybody_be(volunteer.hub, "active")
        assert process.wait(PATIENCE) == 0
    assert [each.n_runs for each in volunteer.experiments()] == [1, 1]


def close_the_goal(hub: HubProcess) -> None:
    """End the toy goal, as an operator does."""
    change(hub, "UPDATE goals SET state = 'closed', state_reason = 'It is solved.'")


def change(hub: HubProcess, what: str) -> None:
    """Change the hub's tables behind its back."""
    with closing(sqlite3.connect(hub.data / "hub.sqlite3", timeout=30)) as tables:
        tables.execute(what)
        tables.commit()


@briefly
def test_a_token_that_is_revoked_at_work_ends_the_client_with_a_sentence(
    volunteer: Volunteer,
) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        revoke_everybody(volunteer.hub)
        assert process.wait(PATIENCE) == 4
        said = process.stdout.read() if process.stdout is not None else ""
    assert "run `agent_client join" in said
    assert "Traceback" not in said


@contextmanager
def a_proxy_without_its_hub(port: int) -> Iterator[list[str]]:
    """What a web server says in a hub's place while the hub is put up anew; gives who asked."""
    asked: list[str] = []

    class Lost(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_error(404)

        def do_POST(self) -> None:
            self.do_PUT()

    with ThreadingHTTPServer(("127.0.0.1", port), Lost) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()


@briefly
def test_a_proxy_that_does_not_find_the_hub_speaks_for_no_hub(volunteer: Volunteer) -> None:
    with running(volunteer, "--max-experiments", "1") as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.hub.kill()
        with a_proxy_without_its_hub(volunteer.hub.port) as asked:
            until(lambda: any(path.startswith("/v1/runs/") for path in asked))
        volunteer.hub.start()
        assert process.wait(PATIENCE) == 0
    assert not list((volunteer.folder / "journal").glob("*.refused"))
    assert [each.n_runs for each in volunteer.experiments()] == [1, 1]
