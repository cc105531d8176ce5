"""A stock autoresearch checkout as a goal: its files as they are, its own number marked as such."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hub.errors import HubError
from hub.goal_files import GoalInvalid, wrong_with
from protocol.goals import (
    Budget,
    BudgetUnit,
    Commands,
    Data,
    DeviceRules,
    Direction,
    Files,
    GoalSpec,
    Limits,
    Metric,
    Source,
)

REQUIRED = ("train.py", "prepare.py", "program.md")
TAKEN = (*REQUIRED, "pyproject.toml")
USUAL_SECONDS = 300.0
EXTRA_SECONDS = 600.0
IMPORT_LIMITS = Limits(memory_mb=65536, disk_mb=16384, processes=256)

# Stock files keep their data in ~/.cache; the harness shares data in AGENTHUB_DATA instead.
_AT_HOME = (
    "import os, runpy, sys; sys.path.insert(0, os.getcwd()); sys.argv = [{script!r}]; "
    "os.environ['HOME'] = os.path.abspath(os.environ['AGENTHUB_DATA']); "
    "runpy.run_path({script!r}, run_name='__main__')"
)


class NotACheckout(HubError):
    """This folder is no autoresearch checkout: train.py, prepare.py and program.md are needed."""

    code, status = "not_a_checkout", 422


class NoMetric(HubError):
    """train.py prints no such metric in its last block; name the one it prints with --metric."""

    code, status = "no_metric_printed", 422


@dataclass(frozen=True)
class Wanted:
    """How the imported goal is to be called and measured."""

    name: str
    metric: str = "val_bpb"
    direction: Direction = Direction.MIN


def read(folder: Path) -> dict[str, str]:
    """Read the files of a checkout that a goal takes; raises NotACheckout."""
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise NotACheckout(f"{folder} lacks {', '.join(missing)}. {NotACheckout.sentence()}")
    there = [name for name in TAKEN if (folder / name).is_file()]
    try:
        return {name: (folder / name).read_bytes().decode("utf-8") for name in there}
    except UnicodeDecodeError as error:
        raise NotACheckout(f"A file in {folder} is not UTF-8 text: {error}") from error


def spec(texts: Mapping[str, str], wanted: Wanted) -> GoalSpec:
    """Say the rules of an imported goal.

    Raises:
        NoMetric: train.py does not print it.
        GoalInvalid: no goal is like this, or has such files.
    """
    if not re.search(rf"\b{re.escape(wanted.metric)}:", texts["train.py"]):
        raise NoMetric(f"train.py prints no {wanted.metric!r}; name what it prints with --metric.")
    seconds = time_budget(texts["prepare.py"])
    try:
        found = _spec(texts, wanted, seconds)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        raise GoalInvalid([f"{error.title.lower()}: {_said(each)}" for each in wrong]) from error
    if problems := list(wrong_with(found, texts)):
        raise GoalInvalid(problems)
    return found


def _said(wrong: ErrorDetails) -> str:
    return f"{'.'.join(map(str, wrong['loc']))} {wrong['input']!r}: {wrong['msg']}"


def _spec(texts: Mapping[str, str], wanted: Wanted, seconds: float) -> GoalSpec:
    return GoalSpec(
        name=wanted.name,
        title=f"{wanted.name} (imported)",
        question=f"How good can {wanted.metric} get within {seconds:g} seconds of training?",
        timeout_seconds=seconds + EXTRA_SECONDS,
        metric=Metric(name=wanted.metric, direction=wanted.direction, source=Source.SELF_REPORTED),
        files=Files(
            editable=["train.py"],
            protected=[name for name in TAKEN if name in texts and name not in NOT_PROTECTED],
        ),
        commands=Commands(prepare=_at_home("prepare.py"), train=_at_home("train.py")),
        budget=Budget(unit=BudgetUnit.SECONDS, amount=seconds),
        device=DeviceRules(kinds=["cuda"] if needs_gpu(texts["train.py"]) else ["cpu", "cuda"]),
        data=Data(generated=True, val_hidden=False),
        limits=IMPORT_LIMITS,
    )


NOT_PROTECTED = ("train.py", "program.md")


def time_budget(prepare: str) -> float:
    """Find prepare.py's TIME_BUDGET in seconds; what is usual when it has none."""
    try:
        tree = ast.parse(prepare)
    except SyntaxError:
        return USUAL_SECONDS
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="TIME_BUDGET")], value=said):
                found = _number(said)
            case ast.AnnAssign(target=ast.Name(id="TIME_BUDGET"), value=ast.expr() as said):
                found = _number(said)
            case _:
                continue
        if found is not None and found > 0:
            return found
    return USUAL_SECONDS


def _number(said: ast.expr) -> float | None:
    """What an author may have written for a number, such as `5 * 60`; None for all else."""
    match said:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _SIGNS:
            first, second = _number(left), _number(right)
            if first is None or second is None:
                return None
            try:
                return _SIGNS[type(sign)](first, second)
            except ArithmeticError:
                return None
    return None


_SIGNS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


def needs_gpu(train: str) -> bool:
    """Guess from its text whether train.py runs on a GPU only."""
    return "cuda" in train and not re.search(r"[\"']cpu[\"']|is_available", train)


def slug(folder: Path) -> str:
    """Make a goal's name of a folder's."""
    found = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-_")[:31]
    return found or "imported"


def _at_home(script: str) -> list[str]:
    return ["python", "-c", _AT_HOME.format(script=script)]
