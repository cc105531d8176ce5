"""Every way in which a train.py can go wrong, run for real in this machine's sandbox, and named."""

import textwrap
from pathlib import Path

import pytest

from agent_client import trainer
from agent_client.progress import Transcript
from agent_client.sandbox import Sandbox, choose
from agent_client.trainer import Outcome, Patience, Plan, SandboxBroken, Training
from protocol.runs import Failure
from tests.builders import a_spec

GOOD = """
import os
for step in range(1, 4):
    print(f"step {step:05d} ({step / 3:.1%}) | loss: {4 / step:.4f} | tok/s: 1,000", flush=True)
print("---")
print("score: 1.250000")
print("seed: " + os.environ["AGENTHUB_SEED"])
"""

IMPATIENT = Patience(first_word=20.0, silence=2.0)
PATIENT = Patience(first_word=120.0, silence=60.0)
"""For runs that end by themselves: a warm start imports torch, slowly on a crowded machine."""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The strongest sandbox of this machine."""
    return choose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A laid-out run folder."""
    for name in ("work", "work/out", "work/tmp", "data"):
        (tmp_path / name).mkdir()
    return tmp_path


def train(
    sandbox: Sandbox,
    folder: Path,
    code: str,
    *,
    warm: bool = False,
    seconds: float = 60.0,
    patience: Patience = IMPATIENT,
) -> Outcome:
    (folder / "work" / "train.py").write_text(textwrap.dedent(code))
    limits = {"log_mb": 1, "memory_mb": 512, "disk_mb": 64, "processes": 64}
    spec = a_spec(timeout_seconds=seconds, limits=limits)
    plan = Plan(spec, folder / "work", folder / "data", 7, "steps=3")
    training = Training.start(sandbox, plan, warm=warm)
    return training.watch(patience, lambda: False, lambda _, __: None)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_good_run_gives_its_block_and_its_curve(
    sandbox: Sandbox, folder: Path, warm: bool
) -> None:
    outcome = train(sandbox, folder, GOOD, warm=warm, patience=PATIENT)

    assert outcome.failure is None, outcome
    assert outcome.metrics == {"score": 1.25, "seed": 7}
    assert [(point.step, point.loss) for point in outcome.curve] == [
        (1, 4.0),
        (2, 2.0),
        (3, 1.3333),
    ]


def test_a_rule_above_the_training_hides_no_progress() -> None:
    transcript = Transcript()

    for line in ("---", "width: 3", "step 1 (50.0%) | loss: 2.5", "---", "score: 1.5"):
        transcript.take(line, 1.0)

    assert [(point.step, point.loss) for point in transcript.curve] == [(1, 2.5)]
    assert transcript.metrics == {"score": 1.5}


@pytest.mark.parametrize(("line", "there"), [("import numpy", 1.0), ("pass  # numpy", 0.0)])
def test_a_warm_process_has_imported_what_the_goal_imports_and_nothing_else(
    sandbox: Sandbox, folder: Path, line: str, there: float
) -> None:
    code = f"""
    import sys
    print("---")
    print("score:", float("numpy" in sys.modules))
    if False:
        {line}
    """

    outcome = train(sandbox, folder, code, warm=True)

    assert outcome.metrics == {"score": there}


@pytest.mark.parametrize(
    ("code", "failure", "fact"),
    [
        ("def f(:\n", Failure.SYNTAX, "SyntaxError"),
        ("raise ValueError('boom')", Failure.CRASH, "ValueError: boom"),
        ("import sys; sys.exit(3)", Failure.CRASH, "exit status 3"),
        ("raise MemoryError", Failure.OOM, "MemoryError"),
        ("x = bytearray(2 << 30)\nx[::4096] = x[::4096]", Failure.OOM, ""),
        ("print('step 1 (1%) | loss: nan', flush=True)\nwhile True: pass", Failure.NAN, ""),
        ("print('---'); print('score: nan')", Failure.NAN, "score"),
        (
            "import time\nprint('hello', flush=True)\ntime.sleep(60)",
            Failure.HANG,
            "nothing for 2 s",
        ),
        ("while True: print('x' * 1000)", Failure.LOG_FLOOD, ""),
        (
            "for i in range(40): print(f'step {i} | loss: {2 + i * 5}', flush=True)\nwhile 1: 1",
            Failure.DIVERGED,
            "",
        ),
        ("import os, time\nos.close(1); os.close(2)\ntime.sleep(60)", Failure.HANG, ""),
        (
            "import os, signal\nprint('x', flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)",
            Failure.KILLED,
            "signal 11",
        ),
    ],
    ids=[
        *("syntax", "exception", "exit status", "out of memory", "too much memory", "nan loss"),
        *("nan metric", "hang", "flood", "diverged", "closed output", "segfault"),
    ],
)
def test_a_bad_run_is_ended_and_named(
    sandbox: Sandbox, folder: Path, code: str, failure: Failure, fact: str
) -> None:
    outcome = train(sandbox, folder, code)

    assert outcome.failure is failure, outcome
    assert fact in outcome.detail


def test_a_run_that_ignores_sigterm_ends_at_its_time_limit(sandbox: Sandbox, folder: Path) -> None:
    code = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        print("still here", flush=True)
        time.sleep(0.2)
    """

    outcome = train(sandbox, folder, code, seconds=2.0)

    assert outcome.failure is Failure.TIMEOUT


def test_progress_that_is_written_over_itself_is_progress(sandbox: Sandbox, folder: Path) -> None:
    """As plain autoresearch prints it: a line feed comes only at the end."""
    code = """
    import sys, time
    print("vocabulary: 256", flush=True)
    for step in range(1, 9):
        print(f"\\rstep {step:05d} ({step / 8:.1%}) | loss: {8 / step:.4f} ", end="", flush=True)
        time.sleep(0.5)
    print("\\n---\\r\\nscore: 1.25\\r")
    """

    outcome = train(sandbox, folder, code, patience=Patience(first_word=20.0, silence=3.0))

    assert outcome.failure is None, outcome
    assert outcome.metrics == {"score": 1.25}
    assert [point.step for point in outcome.curve] == list(range(1, 9))
    assert outcome.log.splitlines() == [
        *("vocabulary: 256", "step 00008 (100.0%) | loss: 1.0000", "---", "score: 1.25")
    ]


def test_the_log_keeps_its_head_and_its_tail_and_no_escapes(sandbox: Sandbox, folder: Path) -> None:
    code = """
    print("first \\x1b[31mred\\x1b[0m \\u202ereversed")
    for i in range(8000): print(f"line {i} " + "y" * 40)
    raise KeyError("last")
    """

    outcome = train(sandbox, folder, code)

    lines = outcome.log.splitlines()
    assert lines[0] == "first red reversed"
    assert lines[-1] == "KeyError: 'last'"
    assert "lines left out" in outcome.log
    assert len(outcome.log.encode()) < 64 * 1024


def test_the_environment_holds_nothing_of_the_owners(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary")
    code = "import os\nfor item in sorted(os.environ.items()): print(item)\nprint('---\\nscore: 1')"

    outcome = train(sandbox, folder, code)

    assert outcome.failure is None
    assert "canary" not in outcome.log
    assert "AGENTHUB_BUDGET', 'steps=3'" in outcome.log


def test_the_owner_can_stop_a_run(sandbox: Sandbox, folder: Path) -> None:
    (folder / "work" / "train.py").write_text("while True: pass")
    plan = Plan(a_spec(), folder / "work", folder / "data", 7, "steps=3")
    training = Training.start(sandbox, plan)

    outcome = training.watch(Patience(), lambda: True, lambda _, __: None)

    assert outcome.aborted
    assert training.running.wait(1.0).clean


def test_a_warm_process_that_ended_before_its_turn_is_no_failure_of_the_run(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "WAITS_AT_MOST", -118.0)  # so that two seconds are left in all
    (folder / "work" / "train.py").write_text(textwrap.dedent(GOOD))
    plan = Plan(a_spec(timeout_seconds=60.0), folder / "work", folder / "data", 7, "steps=3")

    training = Training.start(sandbox, plan, warm=True)
    assert training.running.wait(60).reason == "timeout"

    with pytest.raises(SandboxBroken, match="before its turn"):
        training.watch(PATIENT, lambda: False, lambda _, __: None)
