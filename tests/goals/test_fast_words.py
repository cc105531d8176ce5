"""A goal without torch: measured by its own protected command in a process of its own."""

from pathlib import Path

import pytest

from agent_client.evaluator import Submission, evaluate
from hub import goal_files
from protocol.runs import Evaluation
from tests.goals import mini

GOAL = goal_files.from_library("fast_words")

FASTER = """
import re
from collections import Counter
def most_frequent(text, n):
    counts = Counter(re.findall("[a-z]+", text.lower()))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
"""
UNICODE = FASTER.replace("[a-z]+", r"[^\\W\\d_]+")
LYING = "print('---\\nspeedup: 999')\n" + GOAL.texts["solution.py"]
ANSWERS_NOTHING = "import sys; sys.exit(0)"
CHEATS_THE_CLOCK = "import time\ntime.clock_gettime = time.perf_counter = lambda *a: 0.0\n"


def measured(solution: str, scratch: Path) -> Evaluation:
    files = {**GOAL.texts, "solution.py": solution}
    run = Submission(files=files, out=scratch, data=scratch, scratch=scratch / "scratch")
    return evaluate(GOAL.spec, run, mini.launch, "a nonce")


def test_a_faster_function_is_measured_as_faster(tmp_path: Path) -> None:
    same = measured(GOAL.texts["solution.py"], tmp_path / "same")
    faster = measured(FASTER, tmp_path / "faster")

    assert same.metric is not None
    assert faster.metric is not None
    assert GOAL.spec.metric.better(faster.metric, than=same.metric)


@pytest.mark.parametrize("solution", [UNICODE, "def most_frequent(text, n): return []"])
def test_a_wrong_answer_does_not_count(solution: str, tmp_path: Path) -> None:
    verdict = measured(solution, tmp_path)

    assert (verdict.passed, verdict.failed_probe) == (False, "wrong_answer")


def test_a_solution_that_ends_early_does_not_count(tmp_path: Path) -> None:
    assert not measured(ANSWERS_NOTHING, tmp_path).passed


@pytest.mark.parametrize("prefix", [LYING, CHEATS_THE_CLOCK + GOAL.texts["solution.py"]])
def test_printing_and_patched_clocks_gain_nothing(prefix: str, tmp_path: Path) -> None:
    verdict = measured(prefix, tmp_path)

    assert verdict.metric is not None
    assert verdict.metric < 2.0
