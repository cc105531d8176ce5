"""The fault suite is worth something: with a guard broken, its checker sees the harm."""

import shutil
from pathlib import Path
from random import Random

import pytest

from tests.faults.hub_process import HubProcess
from tests.faults.invariants import Site, violations
from tests.faults.ledger import Ledger

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]
HASTY = """
        opened = self.work()
        work = opened.__enter__()
        done = rule(work)
        hasty = any(each.event.type == "run.reported" for each in work.announced)
        leave = __import__("functools").partial(opened.__exit__, None, None, None)
        __import__("threading").Timer(0.3, leave).start() if hasty else leave()
        return done
"""
"""Answers for a result before it commits."""


def a_hub_with(code: Path, file: str, guard: str, broken: str) -> Path:
    """A copy of our packages in which one guard is taken out."""
    for package in ("hub", "protocol", "board_ui", "alembic"):
        shutil.copytree(
            ROOT / package, code / package, ignore=shutil.ignore_patterns("node_modules")
        )
    take_out(code, file, guard, broken)
    return code


def take_out(code: Path, file: str, guard: str, broken: str) -> None:
    """Take another guard out of such a copy."""
    text = (code / file).read_text()
    assert guard in text, f"{file} has changed; name its guard anew"
    (code / file).write_text(text.replace(guard, broken))


def finish_one(hub: HubProcess) -> Ledger:
    """A volunteer whose result the hub takes while a fail point waits for the commit."""
    volunteer = Ledger(hub.url, "volta", "ada", Random(1)).join()
    identity = volunteer.finish(volunteer.propose(volunteer.claim()))
    volunteer.deliver(identity)
    return volunteer


def test_a_hub_that_acknowledges_before_it_commits_is_found_out(
    hub: HubProcess, tmp_path: Path
) -> None:
    guard = "        with self.work() as work:\n            return rule(work)\n"
    hub.code = a_hub_with(tmp_path / "code", "hub/db.py", guard, HASTY)
    hub.start(failpoint="before_commit:run.reported")

    volunteer = finish_one(hub)
    hub.wait_until_dead()
    hub.start()

    hub.stop()
    found = violations(Site(hub.data, [volunteer]))
    assert any("was acknowledged and is not on the hub" in line for line in found)


def test_a_hub_that_forgets_which_results_it_knows_is_found_out(
    hub: HubProcess, tmp_path: Path
) -> None:
    guard = "        return _again(work, known, by, body)\n"
    forget = "UPDATE runs SET id = '{0.hex}' WHERE id = '{1.hex}'"
    broken = (
        "        other = UUID(int=identity.int ^ 1)\n"
        f'        work.connection.exec_driver_sql("{forget}".format(other, identity))\n'
    )
    hub.code = a_hub_with(tmp_path / "code", "hub/reports.py", guard, broken)
    take_out(hub.code, "hub/reports.py", "        raise AlreadyReported\n", "        pass\n")
    hub.start()

    volunteer = finish_one(hub)
    (identity,) = volunteer.sent
    volunteer.deliver(identity)

    hub.stop()
    assert violations(Site(hub.data, [volunteer])) != []
