"""A device that counts wrongly is told so before it joins."""

import pytest

from agent_client import known_answer, machine
from agent_client.known_answer import LOSS, TOLERANCE, WrongAnswer
from agent_client.sandbox import Unsafe
from hub import goal_files
from tests.builders import a_device


@pytest.mark.train
def test_this_machine_comes_to_the_known_loss() -> None:
    said = known_answer.ask(Unsafe(), machine.describe("cpu"))

    assert said.startswith("Known answer: a small training came to 3.5136")


@pytest.mark.parametrize("loss", [LOSS + 2 * TOLERANCE, LOSS - 2 * TOLERANCE, float("nan")])
def test_another_loss_is_refused_with_both_numbers_and_what_to_do(loss: float) -> None:
    with pytest.raises(WrongAnswer, match=rf"came to {loss:.4f}; 3\.5136 is right.*--gpus cpu"):
        known_answer.judge(loss)


def test_a_training_that_does_not_run_is_refused_with_its_last_line() -> None:
    strange = a_device().model_copy(update={"kind": "abacus"})

    with pytest.raises(WrongAnswer, match=r"does not run here: .*abacus"):
        known_answer.ask(Unsafe(), strange)


@pytest.mark.parametrize(
    ("goal", "torch", "asked"),
    [("tiny_gpt", "2.13", True), ("tiny_gpt", "", False), ("fast_words", "2.13", False)],
)
def test_it_is_asked_where_models_are_trained(goal: str, torch: str, asked: bool) -> None:
    spec = goal_files.from_library(goal).spec

    assert known_answer.wanted([spec], a_device(torch=torch)) is asked
