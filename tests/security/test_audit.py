"""The dependency audit can fail, and says so when nobody could look."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import audit, sbom

HOLE = {"id": "PYSEC-2023-74", "fix_versions": ["2.31.0"], "aliases": [], "description": "leaks"}
BAD_PYTHON = {
    "dependencies": [
        {"name": "requests", "version": "2.30.0", "vulns": [HOLE]},
        {"name": "httpx", "version": "0.28.1", "vulns": []},
    ],
    "fixes": [],
}
GOOD_PYTHON = {"dependencies": [{"name": "httpx", "version": "0.28.1", "vulns": []}], "fixes": []}
UNSEEN_PYTHON = {"dependencies": [{"name": "httpx", "skip_reason": "not found on PyPI"}]}


def an_npm_report(severity: str) -> dict[str, Any]:
    hole = {
        "name": "lodash",
        "severity": severity,
        "isDirect": True,
        "via": [],
        "range": "<4.17.21",
    }
    return {"vulnerabilities": {"lodash": hole}, "metadata": {"dependencies": {"total": 61}}}


def judged(tmp_path: Path, report: object) -> int:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    return audit.main([str(path)])


@pytest.mark.parametrize("report", [BAD_PYTHON, an_npm_report("high"), an_npm_report("critical")])
def test_a_serious_hole_fails_and_is_named(
    tmp_path: Path, report: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(tmp_path, report) == 1
    told = capsys.readouterr().out
    assert "requests 2.30.0: PYSEC-2023-74, mended in 2.31.0" in told or "lodash: " in told


@pytest.mark.parametrize("report", [GOOD_PYTHON, an_npm_report("moderate")])
def test_nothing_serious_passes(tmp_path: Path, report: object) -> None:
    assert judged(tmp_path, report) == 0


@pytest.mark.parametrize(
    "report", [UNSEEN_PYTHON, {"statusCode": 405, "message": "405 Method Not Allowed"}, None, []]
)
def test_who_could_not_look_does_not_say_that_nothing_is_there(
    tmp_path: Path, report: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(tmp_path, report) == 0
    assert "not audited" in capsys.readouterr().out


def test_a_tool_that_is_missing_or_babbles_is_no_report() -> None:
    assert audit.asked(("no-such-tool-anywhere",)) is None
    assert audit.asked(("echo", "ENOTFOUND registry")) is None


def test_the_bill_of_materials_names_python_and_npm_parts() -> None:
    bill = sbom.document()
    names = {each["purl"].split("@")[0] for each in bill["components"]}

    assert {"pkg:pypi/fastapi", "pkg:pypi/authlib", "pkg:pypi/torch"} <= names
    assert all(each["version"] for each in bill["components"])
