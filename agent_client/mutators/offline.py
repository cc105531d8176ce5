"""Proposals without any model: one named constant, or one classic move, guided by history."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agent_client.mutators.base import Idea, NoIdea, Task, Tried
from agent_client.mutators.constants import Constant, Value, assign, find, neighbours, show
from agent_client.mutators.structural import applicable
from protocol.experiments import Operator, Status
from protocol.goals import Direction

_TITLE = re.compile(r"^([A-Z][A-Z0-9_]*): (\S+) -> (\S+)$")
SKIP = re.compile(r"SEED|VOCAB|CONTEXT|DEVICE|TIME|BUDGET|EVAL|BOS")
NOVELTY = 1.0
GAINED = 2.0
FAILED = 0.35


@dataclass(frozen=True)
class Choice:
    """One change that could be made, and how much it appeals.

    `make` writes the changed file only once this one is chosen: parsing costs more than choosing.
    """

    title: str
    hypothesis: str
    path: str
    make: Callable[[], str]
    weight: float


@dataclass(frozen=True)
class Offline:
    """Needs no key and no network. The same task and seed give the same proposal."""

    name: str = "offline"
    mends: bool = False

    def propose(self, task: Task) -> Idea:
        """One sensible change not yet tried on this parent; raises NoIdea when none is left."""
        choices = self._choices(task)
        if not choices:
            raise NoIdea("Every change that the offline mutator knows was tried on this parent.")
        draw = random.Random(f"{task.seed}/{len(task.refused)}")  # noqa: S311 - no secret
        chosen = draw.choices(choices, [choice.weight for choice in choices])[0]
        return Idea(
            files={chosen.path: chosen.make()},
            title=chosen.title,
            hypothesis=chosen.hypothesis,
            operator=Operator.CONSTANTS if _TITLE.match(chosen.title) else Operator.TWEAK,
        )

    def _choices(self, task: Task) -> list[Choice]:
        used = {tried.title for tried in task.tried if tried.sibling}
        used |= {refused.title for refused in task.refused}
        history = learn(task.tried, task.spec.metric.direction)
        found: list[Choice] = []
        for path, text in task.files.items():
            if path.endswith(".py"):
                found += _of_constants(path, text, used, history)
                found += _of_moves(path, text, used, history)
        return found


def _of_constants(
    path: str, text: str, used: set[str], history: Mapping[str, float]
) -> list[Choice]:
    try:
        constants = [each for each in find(text) if not SKIP.search(each.name)]
    except SyntaxError:
        return []
    found = []
    for constant in constants:
        for rank, value in enumerate(neighbours(constant)):
            title = f"{constant.name}: {show(constant.value)} -> {show(value)}"
            if title in used:
                continue
            weight = _appeal(constant, value, rank, history)
            make = partial(assign, text, constant.name, value)
            found.append(Choice(title, _because(constant, value, history), path, make, weight))
    return found


def _of_moves(path: str, text: str, used: set[str], history: Mapping[str, float]) -> list[Choice]:
    moves = applicable(text, lambda title: title not in used)
    return [
        Choice(move.title, move.why, path, partial(str, after), history.get(move.title, NOVELTY))
        for move, after in moves
    ]


def direction(before: Value, after: Value) -> str:
    """Which way a constant moved."""
    return "up" if float(after) > float(before) else "down"


def learn(tried: Sequence[Tried], better: Direction) -> dict[str, float]:
    """What history says of each constant and direction: above 1 it gained, below 1 it did not.

    Each result multiplies: a gain by 2, a loss by 0.35; a crash counts as a loss. Products are
    kept between 0.02 and 8, so that nothing is ever ruled out or certain.
    """
    found: defaultdict[str, float] = defaultdict(lambda: NOVELTY)
    for each in tried:
        if each.status is Status.RUNNING:
            continue
        gained = each.kept or _gained(each.delta, better)
        key = _key(each.title)
        found[key] = min(8.0, max(0.02, found[key] * (GAINED if gained else FAILED)))
    return dict(found)


def _gained(delta: float | None, better: Direction) -> bool:
    return delta is not None and (delta < 0 if better is Direction.MIN else delta > 0)


def _key(title: str) -> str:
    """`NAME/up` or `NAME/down` for a constant, else the title itself."""
    match = _TITLE.match(title)
    if match is None:
        return title
    try:
        return f"{match[1]}/{direction(_number(match[2]), _number(match[3]))}"
    except ValueError:
        return title


def _number(text: str) -> float:
    return {"True": 1.0, "False": 0.0}[text] if text in ("True", "False") else float(text)


def _appeal(constant: Constant, value: Value, rank: int, history: Mapping[str, float]) -> float:
    """Near values first; rates matter most in short runs; then what history says."""
    prior = 2.0 if "RATE" in constant.name or constant.name.endswith("_LR") else 1.0
    key = f"{constant.name}/{direction(constant.value, value)}"
    return prior * history.get(key, NOVELTY) / (1 + rank)


def _because(constant: Constant, value: Value, history: Mapping[str, float]) -> str:
    way = direction(constant.value, value)
    past = history.get(f"{constant.name}/{way}", NOVELTY)
    words = constant.name.replace("_", " ").lower()
    if isinstance(constant.value, bool):
        return f"Switching {words} to {show(value)} may suit a run this short."
    if past > NOVELTY:
        return f"Moving {words} {way} gained before; going on may gain again."
    if past < NOVELTY:
        return f"Moving {words} {way} lost elsewhere; on this parent it may not."
    return f"{words.capitalize()} was never moved {way} here; {show(value)} tells its slope."
