"""Tables as files: every row, the same as the board's, and nothing that a spreadsheet runs."""

import csv
import io

import pytest
from fastapi.testclient import TestClient

from hub import experiments, sheets
from hub.core import Hub
from tests.builders import an_id
from tests.hub.volunteer import Volunteer


def rows(http: TestClient, address: str) -> list[dict[str, str]]:
    answer = http.get(address)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_tables_are_files_of_both_kinds(http: TestClient, volta: Volunteer) -> None:
    volta.explore(0.2, metric=0.8)
    volta.explore(0.3, metric=0.7)

    for name in ("goals/toy/leaderboard", "goals/toy/experiments", "goals/toy/runs", "agents"):
        table = rows(http, f"/v1/{name}.csv")
        listed = http.get(f"/v1/{name}.json").json()
        assert len(table) == len(listed) > 0
        assert list(table[0]) == list(listed[0])
    assert [row["number"] for row in rows(http, "/v1/goals/toy/experiments.csv?after=0")] == [
        "1",
        "2",
    ]
    board = http.get("/v1/goals/toy/leaderboard").json()["experiments"]
    table = rows(http, "/v1/goals/toy/leaderboard.csv")
    assert [row["sha"] for row in table] == [each["sha"] for each in board]
    assert [row["name"] for row in rows(http, "/v1/agents.csv")] == ["volta"]
    assert rows(http, "/v1/goals/toy/runs.csv?skip=1000") == []


def test_what_is_hidden_is_in_no_table(hub: Hub, http: TestClient, volta: Volunteer) -> None:
    sha = volta.explore(0.2, metric=0.8).experiment
    with hub.database.work() as work:
        experiments.find(work.session, str(sha)).hidden = True

    for name in ("leaderboard", "experiments", "runs"):
        assert str(sha) not in http.get(f"/v1/goals/toy/{name}.csv").text


def test_who_goes_on_after_a_run_misses_none_when_one_was_hidden_meanwhile(
    hub: Hub, http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rate in (0.2, 0.3, 0.4):
        volta.explore(rate, metric=0.8 - rate)
    every = [row["id"] for row in rows(http, "/v1/goals/toy/runs.csv")]
    monkeypatch.setattr(sheets, "MOST", 2)
    first = rows(http, "/v1/goals/toy/runs.csv")

    with hub.database.work() as work:
        experiments.find(work.session, first[-1]["experiment"]).hidden = True

    then = rows(http, f"/v1/goals/toy/runs.csv?after={first[-1]['id']}")
    assert [row["id"] for row in [*first, *then]] == every
    assert http.get(f"/v1/goals/toy/runs.csv?after={an_id()}").status_code == 404


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1+A1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert sheets.inert(cell) == f"'{cell}"


def test_numbers_stay_numbers() -> None:
    assert sheets.inert(-0.5) == -0.5


@pytest.mark.parametrize("address", ["goals/toy/runs.xls", "goals/nothing/runs.csv"])
def test_other_tables_are_refused(http: TestClient, address: str) -> None:
    assert http.get(f"/v1/{address}").status_code in (404, 422)
