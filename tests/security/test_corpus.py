"""The hub's hostile inputs H01 to H30: refused in words, never a 500, nothing kept."""

import json
import logging

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from hub import preflight, tokens
from hub.app import create_app
from hub.core import Hub
from protocol.board import ChannelDraft
from tests.builders import TRAIN, a_join, a_report, an_id
from tests.hub.volunteer import Volunteer

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": "a", "name": "b"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff\xfe"}',
        b'{"\\ud800": 1}',
        b"{",
        b"\x00",
        b'{"a":' * 50_000,
    ],
)
def test_h09_bombs_of_json_are_refused(http: TestClient, volta: Volunteer, body: bytes) -> None:
    for path in ("/v1/agents", "/v1/work", "/v1/ops/actions", "/v1/session"):
        headers = {**JSON, "Authorization": f"Bearer {volta.token}"}
        answer = http.post(path, content=body, headers=headers)

        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["code"]


@pytest.mark.parametrize(
    "sha", ["../../etc", "HEAD", "--upload-pack=x", "abcd%00", "%2e%2e%2fetc", "\u202e", "a" * 4000]
)
def test_h08_shas_that_are_none_are_not_found(http: TestClient, sha: str) -> None:
    assert 400 <= http.get(f"/v1/experiments/{sha}").status_code < 500


@pytest.mark.parametrize("path", ["/v1/git/bundle", "/git/toy.git/git-receive-pack", "/push"])
def test_h01_nothing_takes_bundles_or_pushes(http: TestClient, path: str) -> None:
    headers = {"Content-Type": "application/x-git-bundle"}

    assert 400 <= http.post(path, content=b"# v2 git bundle\n", headers=headers).status_code < 500


@pytest.mark.parametrize(
    "path",
    ["../evil.py", "/etc/passwd", ".git/hooks/post-checkout", ".GIT/config", "git~1/config",
     ".gitmodules", "TRAIN.PY", "train.py\u200b", "tr\u0430in.py", "train.py/", "./train.py"],
)  # fmt: skip
def test_h04_only_the_editable_path_is_a_path(volta: Volunteer, path: str) -> None:
    volta.report(volta.claim())

    answer = volta.propose(volta.exploring(), files={path: "x = 1\n"})

    assert (answer.status_code, answer.json()["code"]) == (422, "protected_file")


def test_h16_foreign_origins_and_tokens_in_addresses_are_refused(
    http: TestClient, volta: Volunteer
) -> None:
    for query, origin, code in (
        ("", "http://evil.example", "foreign_origin"),
        (f"?token={volta.token}", None, "bad_address"),
    ):
        headers = {"Origin": origin} if origin else {}
        opening = http.websocket_connect(f"/v1/live{query}", headers=headers)
        with pytest.raises(WebSocketDenialResponse) as refused, opening as socket:
            socket.receive_text()
        assert refused.value.json()["code"] == code
    with http.websocket_connect("/v1/live", headers={"Origin": "http://testserver"}) as socket:
        assert "hello" in socket.receive_text()
    assert http.get(f"/v1/agents?token={volta.token}").json()["code"] == "bad_address"


def test_h18_big_and_packed_bodies_are_refused(http: TestClient) -> None:
    big = http.post("/v1/agents", content=b"x" * 2_000_000, headers=JSON)
    packed = http.post("/v1/agents", content=b"x", headers={**JSON, "Content-Encoding": "gzip"})

    assert (big.status_code, packed.status_code) == (413, 415)


def test_h19_a_thousand_registrations_from_one_neighbourhood(hub: Hub) -> None:
    with TestClient(create_app(hub), client=("203.0.113.9", 1)) as http:
        codes = [
            http.post("/v1/agents", json=a_join(f"a-{n}", f"x{n}y").model_dump(mode="json"))
            for n in range(110)
        ]

    assert codes[0].status_code == 201
    assert codes[-1].status_code == 429 and int(codes[-1].headers["Retry-After"]) >= 1


def test_h21_anothers_lease_is_not_ones_own(volta: Volunteer, tesla: Volunteer) -> None:
    order = volta.claim()

    answer = tesla.send("PUT", f"/v1/runs/{an_id()}", a_report(order))

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")


@pytest.mark.parametrize("field", ["status", "owner", "is_operator", "verified", "counted"])
def test_h22_no_field_of_the_hubs_can_be_set(volta: Volunteer, field: str) -> None:
    body = {**a_report(volta.claim()).model_dump(mode="json"), field: "verified"}
    headers = {"Authorization": f"Bearer {volta.token}"}

    assert volta.http.put(f"/v1/runs/{an_id()}", json=body, headers=headers).status_code == 422


def test_h28_wrong_tokens_are_slowed_and_right_ones_are_not(
    http: TestClient, volta: Volunteer
) -> None:
    wrong = {"Authorization": f"Bearer ah_agent_aaaaaaaaaa_{'x' * 43}"}
    codes = [http.get("/v1/me", headers=wrong).status_code for _ in range(90)]

    assert codes[0] == 401 and codes[-1] == 429
    assert volta.send("GET", "/v1/me").status_code == 200


def test_h27_no_token_reaches_the_logs(
    hub: Hub, volta: Volunteer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, logger="hub"):
        volta.claim()
        volta.http.get(f"/v1/agents/{volta.token}")
        volta.http.get("/v1/me", headers={"User-Agent": volta.token, "Authorization": "x"})
        volta.http.post("/v1/session", json={"code": volta.token})
    told = capsys.readouterr()

    ours = [each.getMessage() for each in caplog.records if each.name.startswith("hub")]
    everything = "\n".join(ours) + told.out + told.err + repr(hub)
    assert not tokens.PATTERN.search(everything)
    assert hub.signing_key not in everything


def test_answers_tell_browsers_to_be_careful(http: TestClient) -> None:
    headers = http.get("/v1/hub").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert json.loads(http.get("/v1/hub").text)["name"]


@pytest.mark.parametrize(
    "address",
    [
        "/v1/goals/toy/tree?after={}",
        "/v1/goals/toy/experiments?cursor={}",
        "/v1/posts?cursor={}",
        "/v1/events?after={}",
        "/v1/experiments/%23{}?goal=toy",
    ],
)
def test_a_number_beyond_the_database_is_refused(http: TestClient, address: str) -> None:
    assert 400 <= http.get(address.format(10**20)).status_code < 500


def test_a_file_of_very_many_statements_is_refused_before_it_is_read(volta: Volunteer) -> None:
    order = volta.exploring()

    for line in ("x = 1\n", "x = 1;"):
        many = {"train.py": TRAIN + line * (preflight.MOST_LINES + 1)}
        answer = volta.propose(order, files=many)
        assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


def test_one_owner_cannot_use_up_the_channels(http: TestClient, volta: Volunteer) -> None:
    joined = volta.send("POST", "/v1/agents", a_join("volta-2", "ada")).json()
    second = Volunteer(http, "volta-2", joined["token"])
    description = ChannelDraft(description="mine")

    opened = [
        (volta if turn % 2 else second).send("PUT", f"/v1/channels/mine-{turn}", description)
        for turn in range(6)
    ]

    assert [one.status_code for one in opened] == [200, 200, 200, 429, 429, 429]
    again = volta.send("PUT", "/v1/channels/mine-0", description)
    assert again.status_code == 200, "what is open may be asked for again"
