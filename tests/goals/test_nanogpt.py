"""nanogpt, shrunk to a CPU: it trains, saves and is scored; at full size its probes are cheap."""

import math
import re
from pathlib import Path

import pytest

from agent_client.evaluator import evaluate
from hub import goal_files
from tests.goals import mini

PREPARE = {
    "CONTEXT": "64",
    "VOCAB": "512",
    "TRAIN_STORIES": "300",
    "VAL_STORIES": "50",
    "HIDDEN_STORIES": "50",
}
TRAIN = {
    "DEPTH": "3",
    "WIDTH": "64",
    "HEADS": "2",
    "SHORT_WINDOW": "16",
    "TOKENS_PER_STEP": "1024",
    "DEVICE_ROWS": "8",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> mini.Mini:
    """nanogpt, shrunk to a CPU."""
    return mini.make(tmp_path_factory.mktemp("small"), "nanogpt", PREPARE, TRAIN)


@pytest.mark.train
def test_a_shrunken_nanogpt_learns_and_is_scored(small: mini.Mini, tmp_path: Path) -> None:
    run = mini.train(small, tmp_path / "run", budget="steps=30")
    verdict = evaluate(small.spec, run, mini.launch, "a nonce")

    assert verdict.passed, verdict
    assert verdict.metric is not None
    assert verdict.metric < 3.0  # bytes at random cost 8 bits
    assert verdict.loss_hash


@pytest.mark.train
def test_by_hand_it_prints_the_number_the_scorer_measures(small: mini.Mini, tmp_path: Path) -> None:
    run = mini.train(small, tmp_path / "run", data=small.data, budget="steps=5")
    verdict = evaluate(small.spec, run, mini.launch, "a nonce")

    assert run.printed is not None
    assert verdict.metric == pytest.approx(run.printed, abs=1e-6)


def test_train_py_stays_readable() -> None:
    text = goal_files.from_library("nanogpt").texts["train.py"]

    assert len(text.splitlines()) < 700


def test_all_probes_cost_less_than_a_tenth_of_the_evaluation() -> None:
    goal = goal_files.from_library("nanogpt")
    rules = goal.spec.scoring
    sizes = dict(re.findall(r"(?m)^(VAL|HIDDEN)_STORIES = ([0-9_]+)", goal.texts["prepare.py"]))
    assert rules is not None
    sealed, probed = (
        math.ceil(rows / rules.batch_rows) * rules.batch_rows
        for rows in (rules.sealed_rows, rules.probe_rows)
    )
    asked = sealed + 5 * probed  # repeat and causality ask twice, batch once
    rows = 2560  # VAL_TOKENS = 2560 * CONTEXT
    assert "VAL_TOKENS = 2560 * CONTEXT" in goal.texts["prepare.py"]
    hidden = rows * int(sizes["HIDDEN"]) / int(sizes["VAL"])

    assert (asked + hidden) / rows < 0.10


def test_a_manifest_without_hashes_is_refused_by_its_line_and_says_how_to_pin() -> None:
    toml = (goal_files.LIBRARY / "nanogpt" / "goal.toml").read_text()
    unpinned = (
        '[[data.files]]\npath = "download/shard_00000.parquet"\n'
        'url = "https://example.org/shard_00000.parquet"\nsize = 5\nlicence = "MIT"\n'
    )

    with pytest.raises(goal_files.GoalInvalid) as refused:
        goal_files.parse(f"{toml}\n{unpinned}")

    (problem,) = refused.value.problems
    line = 2 + toml.count("\n")
    assert problem.startswith(f"goal.toml:{line}: data.files.0.sha256: Field required. A download")
    assert "prepare.py --pin" in problem
