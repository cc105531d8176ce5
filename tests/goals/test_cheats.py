"""The cheating corpus: every cheat is caught and named, every honest model passes."""

from pathlib import Path

import pytest

from agent_client.evaluator import evaluate
from tests.goals import mini
from tests.goals.variants import CHEATS, HONEST, Variant

pytestmark = pytest.mark.train
NONCE = "a nonce from the hub"


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_a_cheat_is_caught_by_name(goal: mini.Mini, cheat: Variant, tmp_path: Path) -> None:
    changed = goal.with_train(cheat.apply(goal.files["train.py"]))
    run = mini.train(changed, tmp_path, goal.data if cheat.sees_val else None)

    verdict = evaluate(changed.spec, run, mini.launch, NONCE)

    assert not verdict.passed
    assert verdict.failed_probe == cheat.caught_by, verdict


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.name)
def test_an_honest_model_passes(goal: mini.Mini, honest: Variant, tmp_path: Path) -> None:
    changed = goal.with_train(honest.apply(goal.files["train.py"]))
    run = mini.train(changed, tmp_path)

    verdict = evaluate(changed.spec, run, mini.launch, NONCE)

    assert verdict.passed, verdict
    assert verdict.metric is not None
    assert 0.5 < verdict.metric < 5.0
    assert verdict.corrected == pytest.approx(verdict.metric, abs=1e-4)
