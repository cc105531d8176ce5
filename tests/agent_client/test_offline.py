"""The offline mutator: one sensible change, never one already tried, guided by what gained."""

import ast
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from agent_client.mutators.base import NoIdea, Refused, Task, Tried
from agent_client.mutators.constants import Constant, assign, find
from agent_client.mutators.offline import Offline, learn
from agent_client.mutators.structural import applicable
from hub.goal_files import from_library
from protocol.experiments import Operator, Status
from protocol.goals import Direction
from tests.builders import TRAIN, a_spec

TINY = dict(from_library("tiny_gpt").texts)["train.py"]


def a_task(seed: int = 1, text: str = TRAIN, **changes: Any) -> Task:
    said: dict[str, Any] = {"spec": a_spec(), "brief": "", "files": {"train.py": text}}
    return Task(**said, operator=Operator.TWEAK, seed=seed, **changes)


def test_a_change_keeps_every_other_byte() -> None:
    text = "# a comment\nRATE = 1e-3   # why\n\n\nx = {  'a': RATE }\n"

    assert assign(text, "RATE", 0.002) == text.replace("1e-3", "0.002")


def test_only_named_numbers_at_the_top_are_found() -> None:
    text = "A = 1\nB: float = -2.5\nC = True\nd = 4\nE = f(5)\nif A:\n    G = 7\n"

    assert [(each.name, each.value) for each in find(text)] == [("A", 1), ("B", -2.5), ("C", True)]


def test_the_same_seed_gives_the_same_proposal_and_another_seed_another() -> None:
    first = [Offline().propose(a_task(seed, TINY)).title for seed in range(8)]

    assert first == [Offline().propose(a_task(seed, TINY)).title for seed in range(8)]
    assert len(set(first)) > 3


@pytest.mark.parametrize("seed", range(8))
def test_every_proposal_for_tiny_gpt_parses_and_says_why(seed: int) -> None:
    idea = Offline().propose(a_task(seed, TINY))

    ast.parse(idea.files["train.py"])
    assert idea.files["train.py"] != TINY
    assert len(idea.hypothesis) > 20


def test_nothing_is_proposed_twice_on_one_parent_and_there_is_an_end() -> None:
    task, titles = a_task(), []
    for _ in range(60):
        try:
            titles.append(Offline().propose(task).title)
        except NoIdea:
            break
        task = task.after(Refused(titles[-1], "tried before"))

    assert 8 < len(set(titles)) == len(titles) < 60


def test_a_sibling_is_not_repeated() -> None:
    first = Offline().propose(a_task()).title
    tried = Tried(first, Status.RUNNING, sibling=True)

    assert Offline().propose(a_task(tried=(tried,))).title != first


def test_what_gained_before_is_tried_more_often() -> None:
    gained = Tried("DEPTH: 2 -> 3", Status.FINISHED, sibling=False, delta=-0.1)
    lost = Tried("LEARNING_RATE: 0.1 -> 0.2", Status.FINISHED, sibling=False, delta=0.1)
    history = (gained, gained, lost, lost)

    names = Counter(
        Offline().propose(a_task(seed, tried=history)).title.split(":")[0] for seed in range(60)
    )

    assert names["DEPTH"] > names["LEARNING_RATE"]


def test_a_crash_counts_as_a_loss_and_a_running_one_as_nothing() -> None:
    crashed = Tried("A: 1 -> 2", Status.FAILED, sibling=False, failure="oom")
    running = Tried("B: 1 -> 2", Status.RUNNING, sibling=False)

    learned = learn((crashed, running), Direction.MIN)

    assert learned["A/up"] < 1
    assert "B/up" not in learned


def test_a_higher_metric_is_better_where_the_goal_says_so() -> None:
    up = Tried("A: 1 -> 2", Status.FINISHED, sibling=False, delta=0.1)

    assert learn((up,), Direction.MAX)["A/up"] > 1 > learn((up,), Direction.MIN)["A/up"]


def test_the_moves_for_plain_python_keep_every_answer() -> None:
    goal = from_library("fast_words")
    texts: list[dict[str, Any]] = []
    for name in ("reference.py", "solution.py"):
        texts.append({})
        exec(goal.texts[name], texts[-1])
    said = "The cat; the Dog's cat, a-b 7 ß the CAT" * 9
    right = texts[0]["most_frequent"](said, 3)

    moved = applicable(goal.texts["solution.py"], lambda _: True)

    assert len(moved) >= 3
    for _, text in moved:
        found: dict[str, Any] = {}
        exec(text, found)
        assert found["most_frequent"](said, 3) == right == texts[1]["most_frequent"](said, 3)


def test_an_import_goes_below_the_docstring_and_only_once() -> None:
    solution = from_library("fast_words").texts["solution.py"]
    (after,) = (
        after for move, after in applicable(solution, lambda _: True) if "ranking" in move.title
    )

    assert ast.get_docstring(ast.parse(after))
    assert after.count("import heapq") == 1


@pytest.mark.parametrize(
    "text",
    [
        "BIG = 1" + "0" * 400,
        "BIG = 0x" + "F" * 20_000,
        "x = 1" + "+1" * 2900,
        "x = a" + ".b" * 2900,
        "if a:\n    pass\n" + "elif a:\n    pass\n" * 2900,
        "x = " + "-" * 100_000 + "1",
        "if a:\n    pass\n" + "elif a:\n    pass\n" * 15_000,
        "# F.relu(" + "a" * 200_000,
        "# " + "sorted(a, key=" * 14_000,
        "\n" * 200_000 + "x = sorted(a, key=b)[:n]",
    ],
    ids=[
        *("a number no float holds", "a number no text holds", "a long sum", "a long chain"),
        *("many branches", "too deep for Python", "too many branches for Python"),
        *("an open bracket", "open brackets", "empty lines"),
    ],
)
def test_no_file_of_a_stranger_ends_the_client_or_holds_it_up(text: str) -> None:
    """In a process of its own: a parser that runs out of stack takes its process with it."""
    program = (
        "import sys\n"
        "from tests.agent_client.test_offline import NoIdea, Offline, a_task\n"
        "try:\n"
        "    print(len(Offline().propose(a_task(text=sys.stdin.read())).title))\n"
        "except NoIdea:\n"
        "    print(0)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], input=text, text=True, capture_output=True, timeout=60
    )

    assert (done.returncode, done.stderr[-300:]) == (0, "")


def test_a_name_that_makes_a_title_too_long_is_left_alone() -> None:
    text = "A" * 300 + " = 3\nDEPTH = 3\n"

    titles = {Offline().propose(a_task(seed, text)).title for seed in range(20)}

    assert {title.split(":")[0] for title in titles} == {"DEPTH"}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_constant_is_changed_where_it_stands_whatever_stands_before(newline: str) -> None:
    lines = [
        "'''schön 😀",
        "B = 1'''",
        "",
        "é = 'ß'; RATE: float = -0x10  # é",
        "if é: RATE = 7",
        "",
    ]
    text = newline.join(lines)

    assert find(text) == [Constant("RATE", -16)]
    assert assign(text, "RATE", 3) == text.replace("-0x10", "3")
