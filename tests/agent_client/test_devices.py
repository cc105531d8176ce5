"""Which goals a device may run, how it is calibrated, and when it needs an anchor."""

from pathlib import Path

import pytest

from agent_client import calibration, devices, machine
from agent_client.sandbox import choose
from hub import goal_files
from protocol.agents import Device
from protocol.goals import Budget, BudgetUnit, Goal, GoalState
from tests.builders import NOON, a_spec

TINY, NANO = (goal_files.from_library(name).spec for name in ("tiny_gpt", "nanogpt"))


def a_device(**changes: object) -> Device:
    about = {"name": "AMD EPYC @ 2.5GHz", "kind": "cpu", "device_class": "cpu", "memory_mb": 8000}
    return Device.model_validate(about | changes)


def a_calibration(speed: float) -> devices.Calibration:
    return devices.Calibration("tiny_gpt", speed, BudgetUnit.TOKENS)


def test_the_baseline_is_run_for_the_calibration_time() -> None:
    asked: list[Budget] = []

    def train(budget: Budget) -> dict[str, float]:
        asked.append(budget)
        return {"total_tokens_M": 0.18, "training_seconds": 15.0}

    found = devices.calibrate(TINY, train)

    assert [budget.text() for budget in asked] == ["seconds=15"]
    assert found.speed == pytest.approx(12_000)
    assert found.unit is BudgetUnit.TOKENS


def test_a_baseline_without_numbers_is_a_clear_refusal() -> None:
    with pytest.raises(devices.CalibrationFailed, match="did not say total_tokens_M"):
        devices.calibrate(TINY, lambda budget: {})


def test_a_slow_device_is_told_both_numbers() -> None:
    with pytest.raises(devices.TooSlow, match=r"needs 1,000 tokens a second.*reached 400 tokens"):
        devices.check(TINY, a_device(), a_calibration(speed=400.0))


@pytest.mark.parametrize(
    ("capability", "free_mb", "words"),
    [
        (7.5, 9_000, "needs a GPU of compute capability 8; this one has 7.5"),
        (9.0, 4_000, "needs 5,000 MB of disk; 4,000 MB are free"),
    ],
)
def test_an_old_gpu_and_a_full_disk_are_told_before_anything_is_fetched(
    capability: float, free_mb: int, words: str
) -> None:
    with pytest.raises(devices.DeviceRefused, match=words):
        devices.check_machine(NANO, capability, free_mb)

    devices.check_machine(NANO, 8.0, 5_000)
    devices.check_machine(NANO, None, 5_000)


def test_a_gpu_that_took_the_place_of_the_one_that_joined_asks_for_no_goal_beyond_it() -> None:
    fit, said = calibration.still_fit([TINY, NANO], 7.5)

    assert (fit, len(said)) == (["tiny_gpt"], 1)
    assert "nanogpt needs a GPU of compute capability 8; this one has 7.5." in said
    assert calibration.still_fit([TINY, NANO], 8.0) == (["tiny_gpt", "nanogpt"], [])
    assert calibration.still_fit([], 7.5) == ([], [])
    with pytest.raises(calibration.NothingFits, match=r"8; this one has 7\.5"):
        calibration.still_fit([NANO], 7.5)


def test_a_goal_that_needs_more_disk_than_there_is_fits_no_machine(tmp_path: Path) -> None:
    spec = a_spec(device={"disk_mb": 10**9})
    goal = Goal(
        name="toy", version=1, state=GoalState.OPEN, spec=spec, created_at=NOON, updated_at=NOON
    )

    with pytest.raises(calibration.NothingFits, match="MB of disk"):
        calibration.fitness(tmp_path, choose(), a_device(), [goal], lambda _: None)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (a_device(), "needs cuda; this device is cpu"),
        (a_device(kind="cuda", memory_mb=8192), "needs 40,000 MB.*has 8,192 MB"),
    ],
)
def test_a_device_that_cannot_run_a_goal_is_told_why(device: Device, words: str) -> None:
    with pytest.raises(devices.DeviceRefused, match=words):
        devices.check(NANO, device)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "cuda", "cuda h100-80gb-hbm3 x1"),
        ("NVIDIA GeForce RTX 4090", "cuda", "cuda rtx-4090 x1"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "cpu", "cpu xeon x1"),
        ("™", "cpu", "cpu unknown x1"),
    ],
)
def test_classes_have_plain_names(name: str, kind: str, expected: str) -> None:
    assert devices.device_class(a_device(name=name, kind=kind)) == expected


@pytest.mark.parametrize(
    ("own", "files", "mb"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "1073741824"}, 1024),
        ("0::/\n", {"memory.max": "629145600"}, 600),
        ("4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "629145600"}, 600),
        ("4:memory:/hosts/own\n", {"memory/memory.limit_in_bytes": "629145600"}, 600),
        ("0::/a\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, 8000),
        ("", {}, 8000),
    ],
    ids=["service", "container", "older", "older container", "no limit", "no groups"],
)
def test_a_container_has_no_more_memory_than_it_may_use(
    tmp_path: Path, own: str, files: dict[str, str], mb: int
) -> None:
    """It was told as the whole machine's, and each run that used it was killed and judged."""
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)

    allowed = machine.allowed_mb(8000, tmp_path / "own", tmp_path / "groups")

    assert allowed == mb
