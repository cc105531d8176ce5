"""The quick part of the hostile corpus; `make sandbox-test` runs all of it.

Attacks on shared memory are left to that: it is nobody's, so what they take while other tests run
would count against those.
"""

from pathlib import Path

import pytest

from agent_client.sandbox import Sandbox, diagnose, wipe
from agent_client.sandbox.doctor import Diagnosis, Kind
from agent_client.sandbox.gpus import devices
from tests.sandbox.attacks import ATTACKS, CORPUS, Attack, carry_out
from tests.sandbox.builders import walls

pytestmark = pytest.mark.sandbox

LEFT = ("end_never", "end_stopped", "memory_folder", "memory_in_flight", "memory_memfd")
QUICK = [one for one in ATTACKS if one.name not in (*LEFT, "memory_shared")]


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
@pytest.mark.parametrize("attack", QUICK, ids=lambda one: one.name)
def test_an_attack_is_stopped_and_leaves_nothing(
    attack: Attack, sandbox: Sandbox, tmp_path: Path
) -> None:
    if attack.name == "tell_names" and sandbox.name == "landlock":
        pytest.skip("the machine's name is hidden only where root may mount")

    after = carry_out(attack, sandbox, tmp_path / "run")

    wipe(tmp_path / "run")
    assert after.complaints == ()


def test_every_program_of_the_corpus_is_tried() -> None:
    programs = {path.stem for path in CORPUS.glob("[a-z]*.py")}

    assert programs - {attack.name for attack in ATTACKS} == {"lie"}


def test_the_doctor_names_the_strongest_kind_that_holds() -> None:
    found = diagnose()

    names = [kind.name for kind in found.kinds if kind.missing is None]
    assert names == [one.name for one in walls()]
    assert found.chosen is None or found.chosen.name == names[0]
    assert all(len(row) == 1 + len(names) for row in found.rows())


def test_a_kind_that_is_missing_does_not_hold() -> None:
    missing = Kind("bubblewrap", "bubblewrap is not installed")

    assert Diagnosis((missing,), (), ()).chosen is None


def test_only_the_chosen_gpus_are_passed_through(tmp_path: Path) -> None:
    for name in ("nvidiactl", "nvidia0", "nvidia1", "nvidia-uvm", "nvidia-modeset", "sda"):
        (tmp_path / name).touch()

    assert [Path(path).name for path in devices(("1",), tmp_path)] == [
        "nvidiactl",
        "nvidia-uvm",
        "nvidia1",
    ]
    assert devices((), tmp_path) == []
