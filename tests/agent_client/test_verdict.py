"""What a number is taken for that a run printed, a command measured or a tokenizer was made of."""

import json
import math
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_client.evaluator import Submission, command, evaluate, verdict
from agent_client.evaluator.refusal import DataBroken, Rejected
from agent_client.evaluator.wire import Launch
from hub import goal_files
from protocol.goals import GoalSpec
from protocol.runs import Evaluation
from tests.builders import a_spec

METRIC = {"name": "score", "direction": "min", "minimum": 0.5, "maximum": 10.0}


def a_run(folder: Path, files: dict[str, str] | None = None, **known: object) -> Submission:
    places = {"out": folder / "out", "data": folder / "data", "scratch": folder / "scratch"}
    return Submission(files or {}, **{**places, **known})  # type: ignore[arg-type]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """No walls: what runs here is our own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(argv: list[str], folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(argv, cwd=folder, env=env, stdin=pipe, stdout=pipe))
        return started[-1]

    yield start
    for each in started:
        each.wait(60)


@pytest.mark.parametrize(
    ("printed", "metric", "failed"),
    [
        (1.5, 1.5, None),
        (None, None, "printed"),
        (math.nan, None, "printed"),
        (math.inf, None, "printed"),
        (0.25, None, "plausible"),
    ],
)
def test_of_a_goal_that_measures_itself_a_number_counts_that_may_be_one(
    launch: Launch, printed: float | None, metric: float | None, failed: str | None, tmp_path: Path
) -> None:
    spec = a_spec(metric={**METRIC, "source": "self-reported"})

    said = evaluate(spec, a_run(tmp_path, printed=printed), launch, "n")

    assert (said.passed, said.metric, said.failed_probe) == (failed is None, metric, failed)


@pytest.mark.parametrize(
    ("printed", "passed"),
    [(None, True), (1.0, True), (0.96, True), (0.94, False), (9.0, True), (math.nan, False)],
)
def test_a_run_that_prints_a_much_better_number_than_is_measured_lies(
    printed: float | None, passed: bool
) -> None:
    spec = a_spec(metric=METRIC)

    assert verdict._printed(spec, printed, 1.0).passed is passed


def measured(folder: Path, script: str, launch: Launch) -> Evaluation:
    """What a goal's own command makes of a run."""
    commands = {"train": ["python", "train.py"], "evaluate": ["python", "check.py"]}
    files = {"editable": ["train.py"], "protected": ["check.py"]}
    metric = {**METRIC, "source": "command"}
    spec: GoalSpec = a_spec(metric=metric, commands=commands, files=files)
    return evaluate(spec, a_run(folder, {"check.py": script}), launch, "n")


@pytest.mark.parametrize(
    "script",
    [
        "print('score: 3\\n---\\nfailed: warm-up\\n---\\nscore: 1.5')",
        "import sys; sys.stdin.read(); print('---\\nscore: 1.5')",
    ],
    ids=["the last block counts", "nobody types"],
)
def test_a_command_s_last_block_is_what_it_measured(
    launch: Launch, script: str, tmp_path: Path
) -> None:
    assert measured(tmp_path, script, launch).metric == 1.5
    timers = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]
    alarms = [each for each in timers if not each.finished.is_set()]
    assert alarms == [], "the client would wait for them at its end"


def test_a_command_ends_at_its_time_limit(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 0.2)

    said = measured(tmp_path, "import time; time.sleep(60)", launch)

    assert (said.failed_probe, "status -9" in said.probes[0].detail) == ("command", True)


@pytest.mark.parametrize(
    ("script", "failed", "words"),
    [
        ("print('---\\nscore: 1.5\\nfailed: reference')", "reference", "the evaluation said"),
        ("print('---\\nscore: 0.25')", "plausible", "0.25 against"),
        ("print('---\\nscore: 1.5'); raise SystemExit(3)", "command", "status 3"),
        ("print('x' * 70_000 + '\\n---\\nscore: 1.5')", "command", "over 65536 bytes"),
        ("print('score: 1.5')", "command", "no finite number"),
        ("print('---\\nscore: nan')", "command", "no finite number"),
        ("print('---\\nscore: much')", "command", "no finite number"),
    ],
)
def test_a_command_that_measured_nothing_gives_no_metric(
    launch: Launch, script: str, failed: str, words: str, tmp_path: Path
) -> None:
    said = measured(tmp_path, script, launch)

    assert (said.passed, said.metric, said.failed_probe) == (False, None, failed)
    assert words in said.probes[0].detail


RULES = goal_files.from_library("tiny_gpt").spec.scoring
KNOWN = {"tokens": [], "bos": 0, "pattern": ""}


@pytest.mark.parametrize(
    "stored",
    ["no JSON", json.dumps(KNOWN), "[]", "{}", "[" * 100_000, '{"tokens": [1], "bos": 1}'],
    ids=["none", "too few", "no object", "no tokens", "deep", "numbers"],
)
def test_a_tokenizer_of_the_run_s_own_that_cannot_be_used_is_the_run_s_fault(
    stored: str, tmp_path: Path
) -> None:
    assert RULES is not None and RULES.own_tokenizer
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tokenizer.json").write_text(stored)

    with pytest.raises(Rejected) as refusal:
        verdict._tokenizer(a_run(tmp_path), RULES)

    assert refusal.value.probe == "tokenizer"


def test_a_tokenizer_that_leads_nowhere_is_no_tokenizer_of_the_goal_s(tmp_path: Path) -> None:
    assert RULES is not None
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tokenizer.json").symlink_to("nowhere")

    with pytest.raises(Rejected):
        verdict._tokenizer(a_run(tmp_path), RULES)


@pytest.mark.parametrize("stored", [None, "no JSON", "{}"])
def test_without_the_goal_s_own_tokenizer_the_volunteer_has_to_prepare(
    stored: str | None, tmp_path: Path
) -> None:
    assert RULES is not None
    rules = RULES.model_copy(update={"own_tokenizer": False})
    for folder in ("out", "data/val"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "out" / "tokenizer.json").write_text("not looked at")
    if stored is not None:
        (tmp_path / "data" / "val" / "tokenizer.json").write_text(stored)

    with pytest.raises(DataBroken, match="run prepare"):
        verdict._tokenizer(a_run(tmp_path), rules)
