"""A goal without torch: measured by its own protected command in a process of its own."""

from pathlib import Path

import pytest

from agent_client.evaluator import Launch, Submission, evaluate
from agent_client.sandbox import Sandbox
from agent_client.walls import Helpers, walls
from hub import goal_files
from protocol.runs import Evaluation
from tests.goals import mini
from tests.sandbox import builders

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


FLOODS = """
import os
out = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY)
os.write(out, b"---\\nspeedup: 999\\n" + b"x" * 70000 + b"\\n")
"""
HAS_A_HELPER = (
    FASTER
    + """
import json, os, socket
here, there = socket.socketpair()
alone = most_frequent
if os.fork() == 0:
    here.close()
    wire = there.makefile("rw")
    for line in wire:
        wire.write(json.dumps(alone(json.loads(line), 25)) + chr(10))
        wire.flush()
    os._exit(0)
there.close()
wire = here.makefile("rw")
def most_frequent(text, n):
    wire.write(json.dumps(text) + chr(10))
    wire.flush()
    return json.loads(wire.readline())
"""
)
HOLDS_THE_REFERENCE_UP = (
    FASTER
    + """
import json, os
def reference():
    for name in filter(str.isdigit, os.listdir("/proc")):
        words = open(f"/proc/{name}/cmdline").read().split(chr(0))
        if "reference.py" in words:
            return f"/proc/{name}/fd"
asked, answers = open(reference() + "/3", "w"), open(reference() + "/4")
more = json.dumps(["one more word " * 100000, 25]) + chr(10)
alone = most_frequent
def most_frequent(text, n):
    asked.write(more)
    asked.flush()
    answers.readline()
    return alone(text, n)
"""
)


def measured(solution: str, scratch: Path, launch: Launch = mini.launch) -> Evaluation:
    files = {**GOAL.texts, "solution.py": solution}
    run = Submission(files=files, out=scratch, data=scratch, scratch=scratch / "scratch")
    return evaluate(GOAL.spec, run, launch, "a nonce")


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


def test_an_evaluation_that_says_more_than_is_read_does_not_count(tmp_path: Path) -> None:
    verdict = measured(FLOODS + GOAL.texts["solution.py"], tmp_path)

    assert (verdict.passed, verdict.failed_probe) == (False, "command")


@pytest.mark.parametrize("sandbox", builders.walls(), ids=lambda one: one.name)
@pytest.mark.parametrize("cheat", [HAS_A_HELPER, HOLDS_THE_REFERENCE_UP], ids=["helper", "brake"])
def test_other_processes_gain_nothing(sandbox: Sandbox, cheat: str, tmp_path: Path) -> None:
    launch = Helpers(sandbox, walls(GOAL.spec.limits, 100.0), {})

    verdict = measured(cheat, tmp_path, launch)

    assert (verdict.passed, verdict.failed_probe) == (False, "wrong_answer")
