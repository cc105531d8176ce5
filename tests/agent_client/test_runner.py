"""What leaves this machine with a run: its own words, without its owner's."""

import pwd
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_client.censor import Censor
from agent_client.cli import app
from agent_client.errors import BadSettings
from agent_client.runner import _verdict
from agent_client.settings import folder_option
from agent_client.trainer import Outcome
from protocol.base import MAX_LOG_BYTES
from protocol.runs import Evaluation, Failure, ProbeResult


def an_outcome(log: str = "") -> Outcome:
    return Outcome(None, "", metrics={}, curve=(), log=log, seconds=1.0)


def test_what_the_evaluation_saw_is_told_without_the_owners_folder(tmp_path: Path) -> None:
    detail = f'the model process failed: File "{tmp_path}/work/measure-1/model-a/train.py"'
    probe = ProbeResult(name="answers", passed=False, detail=detail)
    seen = Evaluation(source="scorer", passed=False, failed_probe="answers", probes=[probe])

    told = Censor.of(tmp_path, "ah_agent_token").evaluation(seen)

    assert told.failed_probe == "answers"
    assert [each.detail for each in told.probes] == [detail.replace(str(tmp_path), "[folder]")]


@pytest.mark.parametrize("source", ["scorer", "command", "self-reported"])
def test_a_reading_outside_of_the_bounds_is_not_called_a_cheat(source: str) -> None:
    """A loss that learned nothing, or a program that got slow, lies beyond them honestly."""
    probe = ProbeResult(name="plausible", passed=False, detail="9 against bounds 0 to 1")
    seen = Evaluation(source=source, passed=False, failed_probe="plausible", probes=[probe])

    failure, said = _verdict(an_outcome(), seen, "score")

    assert failure is Failure.BAD_RESULT
    assert said == "Its result cannot be used. plausible: 9 against bounds 0 to 1"


@pytest.mark.parametrize(
    ("log", "fact"),
    [
        ("---\nscore: 97.5%\nsteps: 3", "'score: 97.5%' is no plain number"),
        ("score: 97.5", "'score: 97.5' is no plain number below a last line of three dashes."),
        ("---\nscores: 1", "final block."),
    ],
)
def test_what_stands_in_the_metrics_place_is_told(log: str, fact: str) -> None:
    seen = Evaluation(source="self-reported", passed=False, failed_probe="printed")

    failure, said = _verdict(an_outcome(log), seen, "score")

    assert failure is Failure.NO_METRIC
    assert fact in said


def test_a_log_full_of_a_short_path_is_no_longer_than_a_report_may_hold() -> None:
    censor = Censor.of(Path("/srv"), "ah_agent_token")

    told = censor.log("first\n" + "/srv\n" * 9_000 + "last")

    assert len(told) == MAX_LOG_BYTES
    assert told.endswith("[folder]\nlast")


def test_a_user_without_a_home_has_a_client_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")

    assert Censor.of(tmp_path, "ah_agent_token").log(f"{tmp_path} ~") == "[folder] ~"
    assert folder_option(tmp_path) == f" --folder {tmp_path}"


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_number: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)

    done = CliRunner().invoke(app, ["status"])

    assert isinstance(done.exception, BadSettings)
    assert "--folder" in done.exception.detail
