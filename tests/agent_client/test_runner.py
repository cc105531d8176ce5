"""What leaves this machine with a run: its own words, without its owner's."""

import pwd
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_client.censor import Censor
from agent_client.cli import app
from agent_client.errors import BadSettings
from agent_client.settings import folder_option
from protocol.base import MAX_LOG_BYTES
from protocol.runs import Evaluation, ProbeResult


def test_what_the_evaluation_saw_is_told_without_the_owners_folder(tmp_path: Path) -> None:
    detail = f'the model process failed: File "{tmp_path}/work/measure-1/model-a/train.py"'
    probe = ProbeResult(name="answers", passed=False, detail=detail)
    seen = Evaluation(source="scorer", passed=False, failed_probe="answers", probes=[probe])

    told = Censor.of(tmp_path, "ah_agent_token").evaluation(seen)

    assert told.failed_probe == "answers"
    assert [each.detail for each in told.probes] == [detail.replace(str(tmp_path), "[folder]")]


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
