"""A run under each kind of walls that works on this machine: its output, its end, its limits."""

import re
import signal
import sys
import time
from pathlib import Path

import pytest

from agent_client.sandbox import Exit, Job, Limits, Running, Sandbox
from tests.sandbox.builders import a_job, here, run, walls

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("sandbox", here(), ids=lambda one: one.name)
class TestEveryKind:
    def test_what_it_prints_comes_line_by_line_while_it_runs(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        job = a_job(tmp_path, "print('step 1', flush=True)\nimport time; time.sleep(30)")
        running = sandbox.start(job)

        first = next(running.lines(timeout=20))

        running.kill()
        assert first == "step 1"

    def test_its_exit_code_is_told(self, sandbox: Sandbox, tmp_path: Path) -> None:
        ended, _ = run(sandbox, a_job(tmp_path, "raise SystemExit(7)"))

        assert (ended.code, ended.reason, ended.clean) == (7, None, True)

    def test_an_environment_that_a_link_leads_to_runs_as_well(
        self, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link, work = tmp_path / "venv", tmp_path / "work"
        link.symlink_to(sys.prefix)
        work.mkdir()
        python = str(link / Path(sys.executable).relative_to(sys.prefix))
        monkeypatch.setattr(sys, "prefix", str(link))
        monkeypatch.setattr(sys, "executable", python)

        ended, said = run(sandbox, a_job(work, "import numpy; print('found')"))

        assert (ended.ok, said) == (True, "found\n")

    def test_a_crash_by_a_signal_is_told(self, sandbox: Sandbox, tmp_path: Path) -> None:
        ended, _ = run(sandbox, a_job(tmp_path, "import os; os.abort()"))

        assert ended.signal == signal.SIGABRT

    def test_what_it_writes_into_its_folder_stays(self, sandbox: Sandbox, tmp_path: Path) -> None:
        ended, _ = run(sandbox, a_job(tmp_path, "open('result', 'w').write('0.9')"))

        assert ended.ok
        assert (tmp_path / "result").read_text() == "0.9"

    def test_pipes_carry_bytes_both_ways(self, sandbox: Sandbox, tmp_path: Path) -> None:
        program = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read(4)[::-1])"
        running = sandbox.start(a_job(tmp_path, program, output="pipes"))
        assert running.stdin is not None and running.stdout is not None
        running.stdin.write(b"\x00\x01\xfe\xff")
        running.stdin.flush()

        answer = running.stdout.read(4)

        assert answer == b"\xff\xfe\x01\x00"
        assert running.wait(20).ok
        running.close()

    def test_a_run_that_takes_too_long_ends_although_it_ignores_sigterm(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        program = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
        limits = Limits(wall_seconds=0.5)

        ended, _ = run(sandbox, a_job(tmp_path, program, limits=limits, grace_seconds=0.3))

        assert (ended.reason, ended.clean) == ("timeout", True)

    def test_stop_lets_a_run_end_in_its_own_way(self, sandbox: Sandbox, tmp_path: Path) -> None:
        program = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(4))\n"
        running = sandbox.start(a_job(tmp_path, program + "print(1, flush=True); time.sleep(60)"))
        next(running.lines(timeout=20))

        running.stop()

        ended = running.wait(20)
        assert (ended.code, ended.reason) == (4, "stopped")

    def test_a_program_that_does_not_exist_is_no_exit_of_its_own(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        ended, _ = run(sandbox, Job(["/no/such/program"], tmp_path))

        assert ended.reason == "setup"


def test_waiting_again_gives_the_same_end(tmp_path: Path) -> None:
    running = here()[-1].start(a_job(tmp_path, "pass"))

    assert running.wait(20) is running.wait(20)


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
def test_no_program_inside_writes_anothers_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    """A measurement and what it measures share a sandbox, and there the same user."""
    child = "import os; open(f'/proc/{os.getppid()}/mem', 'r+b', 0)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-ISc', {child!r}])"

    _, printed = run(sandbox, a_job(tmp_path, program))

    assert re.search(r"(PermissionError|Read-only file system).*/mem", printed)


def test_waiting_too_short_says_so(tmp_path: Path) -> None:
    running: Running = here()[-1].start(a_job(tmp_path, "import time; time.sleep(60)"))

    with pytest.raises(TimeoutError):
        running.wait(0.01)

    running.kill()


def test_an_exit_counts_as_good_only_without_a_reason() -> None:
    assert Exit(code=0, signal=None, reason=None).ok
    assert not Exit(code=0, signal=None, reason="disk").ok
    assert Exit(code=None, signal=9, reason="memory").status == -9


def test_the_environment_is_built_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-of-the-owner")
    program = "import os; print(sorted(os.environ)); print(os.environ)"

    _, printed = run(here()[0], a_job(tmp_path, program, env={"AGENTHUB_SEED": "7"}))

    assert "AGENTHUB_SEED" in printed
    assert "canary" not in printed and "ANTHROPIC" not in printed


def test_a_run_dies_with_its_supervisor(tmp_path: Path) -> None:
    running = here()[0].start(a_job(tmp_path, "print(1, flush=True); import time; time.sleep(99)"))
    next(running.lines(timeout=20))
    began = time.monotonic()

    running.kill()

    assert running.wait(1).reason == "orphaned"
    assert time.monotonic() - began < 20
