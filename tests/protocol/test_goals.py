"""What goal.toml may say and what it may not."""

import pytest
from pydantic import ValidationError

from protocol.acts import CreateGoal
from protocol.goals import Budget, BudgetUnit, Direction, Files, GoalSpec, Metric, Source
from protocol.operators import GoalDraft

DATA = {
    **{"path": "data/a.bin", "url": "https://example.org/a.bin", "size": 1, "sha256": "0" * 64},
    "licence": "MIT",
}


def a_spec(**changes: object) -> dict[str, object]:
    spec: dict[str, object] = {
        "name": "tiny",
        "title": "A tiny goal",
        "question": "How low can it go?",
        "timeout_seconds": 60.0,
        "metric": {"name": "loss", "direction": "min"},
        "files": {"editable": ["train.py"], "protected": ["prepare.py"]},
        "commands": {"train": ["python", "train.py"]},
        "budget": {"unit": "tokens", "amount": 1000},
    }
    return spec | changes


def test_a_goal_survives_being_sent_as_json() -> None:
    spec = GoalSpec.model_validate(a_spec())

    assert GoalSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": {"editable": ["../train.py"]}}, "plain relative path"),
        ({"files": {"editable": ["/etc/passwd"]}}, "plain relative path"),
        ({"files": {"editable": [".git/config"]}}, "plain relative path"),
        ({"files": {"editable": ["a\\b.py"]}}, "plain relative path"),
        ({"files": {"editable": ["a//b.py"]}}, "plain relative path"),
        ({"files": {"editable": ["a\0.py"]}}, "plain relative path"),
        ({"files": {"editable": ["."]}}, "plain relative path"),
        ({"files": {"editable": ["a/.hidden"]}}, "plain relative path"),
        ({"files": {"editable": ["train.py", "train.py"]}}, "named twice"),
        ({"files": {"editable": ["train.py"], "protected": ["train.py"]}}, "named twice"),
        ({"metric": {"name": "x", "direction": "min", "source": "scorer"}}, "[scoring]"),
        ({"metric": {"name": "x", "direction": "min", "source": "command"}}, "commands.evaluate"),
        ({"budget": {"unit": "seconds", "amount": 60}}, "timeout_seconds must exceed"),
        ({"budget": {"unit": "hours", "amount": 60}}, "'tokens', 'seconds' or 'steps'"),
        ({"brief": "train.py"}, "must not be editable"),
        ({"metric": {"name": "x", "direction": "min", "minimum": 1.0, "maximum": 1.0}}, "below"),
        ({"commands": {"train": ["x"], "hidden": ["x"]}, "data": {"files": [DATA]}}, "hidden"),
        ({"metrik": {}}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        GoalSpec.model_validate(a_spec(**change))

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("unit", "amount", "said"),
    [
        ("tokens", 250_000, "tokens=250000"),
        ("tokens", 10**12, "tokens=1000000000000"),
        ("seconds", 0.1, "seconds=0.1"),
        ("steps", 123_456_789.5, "steps=123456789.5"),
    ],
)
def test_a_budget_is_told_to_the_digit(unit: BudgetUnit, amount: float, said: str) -> None:
    assert Budget(unit=unit, amount=amount).text() == said


@pytest.mark.parametrize(("direction", "wins"), [(Direction.MIN, True), (Direction.MAX, False)])
def test_better_follows_the_direction(direction: Direction, wins: bool) -> None:
    metric = Metric(name="m", direction=direction, source=Source.SELF_REPORTED)

    assert metric.better(0.5, than=0.6) is wins
    assert metric.better(0.6, than=0.5) is not wins
    assert not metric.better(0.5, than=0.5)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"minimum": 0.0, "maximum": 1.0}, "0 to 1"),
        ({"minimum": 0.5}, "0.5 and more"),
        ({"maximum": 0.05}, "0.05 and less"),
        ({}, "-1e+100 to 1e+100"),
    ],
)
def test_a_bound_that_nobody_gave_is_not_said(bounds: dict[str, float], said: str) -> None:
    assert Metric.model_validate({"name": "m", "direction": "min"} | bounds).bounds_said == said


def test_a_reading_beyond_the_bounds_is_not_plausible() -> None:
    metric = Metric(name="m", direction=Direction.MIN, minimum=0.2, maximum=20.0)

    assert all(map(metric.plausible, (0.2, 1.0, 20.0)))
    assert not metric.plausible(20.1)
    assert not metric.plausible(0.1)
    assert not metric.plausible(float("nan"))
    assert not Metric(name="m", direction=Direction.MIN).plausible(-1e101)


def test_a_goal_with_as_many_files_as_it_may_name_can_be_opened() -> None:
    files = Files(
        editable=[f"a{n}.py" for n in range(16)], protected=[f"b{n}.py" for n in range(64)]
    )
    spec = GoalSpec.model_validate(a_spec(files=files))
    texts = dict.fromkeys(spec.everything, "")

    assert len(CreateGoal(spec=spec, files=texts, reason="many").files) == 81
    assert GoalDraft(files={**texts, "goal.toml": ""}).files


@pytest.mark.parametrize(("owners", "alone"), [(1, True), (2, False), (3, False)])
def test_only_where_one_owner_is_enough_own_repeats_are_evidence(owners: int, alone: bool) -> None:
    spec = GoalSpec.model_validate(a_spec(verification={"owners": owners}))

    assert spec.verification.alone is alone
