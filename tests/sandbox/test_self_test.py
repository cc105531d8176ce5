"""The self-test: silent where walls hold, and loud where there are none or one has a hole."""

import pwd
from dataclasses import replace

import pytest

from agent_client.sandbox import Finding, Report, Sandbox, SandboxLeaks, self_test
from agent_client.sandbox import spawn as spawning
from agent_client.sandbox.backends import Landlock
from agent_client.sandbox.job import Job
from agent_client.sandbox.running import Running
from agent_client.sandbox.spawn import spawn
from tests.sandbox.builders import walls

pytestmark = pytest.mark.sandbox


class WithAHole:
    """Walls, but a folder that holds a secret is bound into them."""

    name, strength = "holed", 1

    def available(self) -> str | None:
        return None

    def start(self, job: Job) -> Running:
        outside = job.work_dir.parent / "outside"
        shown = (outside,) if outside.exists() else ()
        return spawn("landlock", replace(job, readable=(*job.readable, *shown)))


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
def test_no_attack_gets_out_of_walls(sandbox: Sandbox) -> None:
    report = self_test(sandbox)

    assert report.escapes == ()
    assert len(report.findings) >= 25
    report.insist()


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
def test_a_user_whose_home_is_the_root_or_nowhere_is_as_safe(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container or a service without a home has it: the first was told that it leaks."""

    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setenv("HOME", "/")
    assert self_test(sandbox).escapes == ()

    monkeypatch.delenv("HOME")
    assert self_test(sandbox).escapes == ()


LANDLOCKED = any(one.name == "landlock" for one in walls())


@pytest.mark.skipif(not LANDLOCKED, reason="no Landlock")
@pytest.mark.parametrize("abi", [1, 2, 5])
def test_no_attack_gets_out_of_an_older_kernels_landlock(
    abi: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor asks for no more rights than that kernel knew; Ubuntu 22.04 has ABI 1."""
    older = f"from agent_client.jail import landlock; landlock.abi = lambda: {abi}; "
    program = spawning._PROGRAM.replace("from agent_client", f"{older}from agent_client")
    monkeypatch.setattr(spawning, "_PROGRAM", program)

    assert self_test(Landlock()).escapes == ()


@pytest.mark.skipif(not LANDLOCKED, reason="no Landlock")
def test_one_hole_is_enough_to_refuse() -> None:
    report = self_test(WithAHole())

    with pytest.raises(SandboxLeaks, match="read_a_secret"):
        report.insist()


def test_a_nuisance_is_told_but_does_not_refuse() -> None:
    report = Report("landlock", (Finding("read_command_lines", "/proc/1/cmdline"),))

    report.insist()

    assert [one.attack for one in report.nuisances] == ["read_command_lines"]
