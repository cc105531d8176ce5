"""Bad input: a stable code, a status, a sentence, and nothing half done."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import SQLModel

from hub import experiments, leaks
from hub.core import Hub
from tests.builders import TRAIN, a_join, a_proposal, a_report, an_id
from tests.hub.volunteer import Volunteer


@pytest.fixture
def ready(volta: Volunteer) -> Volunteer:
    """An agent whose next order is to explore."""
    volta.report(volta.claim())
    return volta


@pytest.mark.parametrize(
    ("files", "code", "status"),
    [
        ({"prepare.py": "print('mine')\n"}, "protected_file", 422),
        ({"../evil.py": "x = 1\n"}, "protected_file", 422),
        ({"train.py": TRAIN}, "nothing_changed", 422),
        ({"train.py": "def (:\n"}, "syntax_error", 422),
        ({"train.py": "x = " + "(" * 5000}, "syntax_error", 422),
        ({"train.py": "x = 1  # \u202e evil\n"}, "unsafe_text", 422),
        ({"train.py": "x = 1\r\n"}, "unsafe_text", 422),
        ({"train.py": "#" * 300_000}, "file_too_large", 413),
    ],
)
def test_a_bad_proposal_is_refused_in_words_and_leaves_no_node(
    ready: Volunteer, files: dict[str, str], code: str, status: int
) -> None:
    answer = ready.propose(ready.exploring(), files=files)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(answer.json()["detail"]) > 20
    assert ready.http.get("/v1/goals/toy").json()["experiments"] == 1


@pytest.mark.parametrize("named", ["parent", "second_parent"])
def test_a_proposal_has_the_parents_that_its_lease_names(
    http: TestClient, volta: Volunteer, named: str
) -> None:
    made = [str(volta.explore(rate, metric=0.95).experiment) for rate in (0.2, 0.3)]
    order = volta.exploring()
    other = next(sha for sha in made if sha != order.parent)

    changes: dict[str, Any] = {named: other}
    answer = volta.propose(order, learning_rate=0.4, **changes)

    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_parent")


def test_a_million_short_lines_are_refused_by_size(ready: Volunteer) -> None:
    answer = ready.propose(ready.exploring(), files={"train.py": "\n" * 1_000_000})

    assert answer.status_code == 413


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "true", '"0.9"', "null"])
def test_a_metric_that_is_no_finite_number_is_refused(volta: Volunteer, value: str) -> None:
    order = volta.claim()
    body = a_report(order).model_dump_json().replace('"metric":0.9', f'"metric":{value}')

    answer = volta.http.put(
        "/v1/runs/6a1cfa0c-7f4e-4d30-9f0c-55ad2ddcbd0a",
        content=body,
        headers={"Authorization": f"Bearer {volta.token}", "Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("field", ["client_version", "device.driver", "device.torch"])
def test_no_name_holds_what_only_one_of_the_databases_can(http: TestClient, field: str) -> None:
    """With one in it a hub on SQLite could never be copied to PostgreSQL."""
    body = a_join("hertz", "heinrich").model_dump(mode="json")
    of, _, name = field.rpartition(".")
    (body[of] if of else body)[name] = "0.1\0"

    answer = http.post("/v1/agents", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "NUL" in answer.json()["detail"]


@pytest.mark.parametrize("more", [{"mutator": "a\0"}, {"model": "\0"}, {"tokens_used": 2**31}])
def test_nothing_that_a_proposal_says_of_itself_is_only_for_sqlite(
    ready: Volunteer, more: dict[str, Any]
) -> None:
    order = ready.exploring()
    body = a_proposal(order).model_dump(mode="json") | more

    answer = ready.http.put(
        f"/v1/experiments/{an_id()}", json=body, headers={"Authorization": f"Bearer {ready.token}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert next(iter(more)) in answer.json()["detail"]


@pytest.mark.parametrize("metric", [1e12, -1e99])
def test_metrics_out_of_all_reason_break_nothing(ready: Volunteer, metric: float) -> None:
    for turn in range(3):
        order = ready.exploring()
        ready.propose(order, learning_rate=0.2 + turn / 10)
        answer = ready.report(order, metric=metric / (turn + 1) * (-1) ** turn)
        assert answer.status_code == 200, answer.text


def test_a_metric_that_no_model_can_hold_is_refused(volta: Volunteer) -> None:
    answer = volta.report(volta.claim(), metric=1.7e308)

    assert (answer.status_code, answer.json()["code"]) == (422, "implausible_metric")


def test_a_step_that_no_curve_can_hold_is_refused(volta: Volunteer) -> None:
    order = volta.claim()
    body = a_report(order).model_dump(mode="json")
    body["curve"][0]["step"] = 2**64

    answer = volta.http.put(
        f"/v1/runs/{an_id()}", json=body, headers={"Authorization": f"Bearer {volta.token}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00"])
def test_a_moment_beyond_the_calendar_is_refused(ready: Volunteer, when: str) -> None:
    order = ready.exploring()
    ready.propose(order)
    body = a_report(order).model_dump(mode="json") | {"started_at": when.replace("%2B", "+")}

    sent = ready.http.put(
        f"/v1/runs/{an_id()}", json=body, headers={"Authorization": f"Bearer {ready.token}"}
    )
    asked = ready.http.get(f"/v1/posts?since={when}")

    for answer in (sent, asked):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert "none in UTC" in answer.json()["detail"]


@pytest.mark.parametrize(
    "token", ["", "nonsense", "ah_agent_aaaaaaaaaa_" + "x" * 43, "ah_operator_x_y"]
)
def test_wrong_and_unknown_tokens_get_the_same_answer(http: TestClient, token: str) -> None:
    answer = http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


def test_the_token_is_nowhere_in_the_database(hub: Hub, volta: Volunteer) -> None:
    with hub.database.read() as session:
        rows = [
            str(row)
            for table in SQLModel.metadata.sorted_tables
            for row in session.execute(sa.select(table))
        ]

    assert volta.token.split("_", 3)[2] in "".join(rows)
    assert volta.token.split("_", 3)[3] not in "".join(rows)


def test_an_unknown_field_is_named(volta: Volunteer) -> None:
    order = volta.claim()
    body = a_report(order).model_dump(mode="json") | {"verified": True}

    answer = volta.http.put(
        "/v1/runs/6a1cfa0c-7f4e-4d30-9f0c-55ad2ddcbd0a",
        json=body,
        headers={"Authorization": f"Bearer {volta.token}"},
    )
    assert answer.json()["data"]["errors"][0]["field"] == "body.verified"


LONG = pytest.param("%23" + "9" * 5000, id="a number of five thousand digits")
NOWHERE = ["abc", "HEAD", "--upload-pack=x", "ffffffff", "..%2F..%2Fetc", "%239999999999", LONG]


@pytest.mark.parametrize("sha", NOWHERE)
def test_what_is_no_experiment_is_not_found(http: TestClient, sha: str) -> None:
    assert http.get(f"/v1/experiments/{sha}").status_code == 404


def test_a_tree_sha_is_no_experiment(http: TestClient, hub: Hub) -> None:
    root = str(http.get("/v1/goals/toy").json()["baseline"])
    with hub.database.read() as session:
        tree = experiments.find(session, root).tree

    assert http.get(f"/v1/experiments/{tree}").status_code == 404


def test_an_ambiguous_short_sha_lists_the_choices(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    shas = [volta.explore(0.2 + n / 100, 0.8).experiment or "" for n in range(20)]
    firsts = [sha[0] for sha in shas]
    twice = next(first for first in firsts if firsts.count(first) > 1)

    # Four digits are the shortest that a client sends; one digit makes the clash certain here.
    answer = http.get(f"/v1/experiments/{twice}")
    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous")
    assert len(answer.json()["data"]["choices"]) > 1


def test_a_body_over_the_limit_is_refused_before_it_is_read(http: TestClient) -> None:
    answer = http.post("/v1/agents", content=b"x" * 2_000_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_json_bombs_are_refused(http: TestClient) -> None:
    for body in ("[" * 100_000, '{"a":' * 50_000, "1" * 5_000, json.dumps({"name": "\ud800"})):
        answer = http.post(
            "/v1/agents", content=body.encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422), answer.text


def test_a_missing_repository_is_made_again_from_the_rows_when_somebody_reads(
    hub: Hub, http: TestClient
) -> None:
    root = http.get("/v1/goals/toy").json()["baseline"]
    hub.git.path("toy").rename(hub.settings.data / "gone")

    answer = http.get(f"/v1/experiments/{root}/files")
    assert (answer.status_code, answer.json()["train.py"]) == (200, TRAIN)


def test_every_kind_of_secret_has_a_beginning_that_is_looked_for_first() -> None:
    examples = [
        "ah_agent_abcdefghij_" + "x" * 43, "sk-ant-" + "a" * 20, "sk-proj-" + "b" * 20,
        "hf_" + "c" * 30, "ghp_" + "d" * 30, "github_pat_" + "e" * 40, "AKIA" + "F" * 16,
        "ASIA" + "G" * 16, "AIza" + "h" * 35, "xoxb-" + "1" * 10, "-----BEGIN PRIVATE KEY-----",
    ]  # fmt: skip

    redacted = [leaks.redact(f"a = '{secret}'") for secret in examples]

    assert all("was here" in text for text in redacted)
    assert len(set(redacted)) == len(leaks.SHAPES)
