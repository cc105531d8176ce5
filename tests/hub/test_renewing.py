"""Renewals take a shorter road than other requests, and nobody can tell by the answer."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub.api import renewing
from tests.builders import Order, an_id
from tests.hub.volunteer import Volunteer

SHORT, WHOLE = "application/json", "application/json; charset=utf-8"
"""Content types: only a plain one takes the shorter road."""

Ask = tuple[str, str, str]
"""Lease, token, body."""

ASKS: dict[str, Callable[[Order, str], Ask]] = {
    "a plain one": lambda order, token: (str(order.lease), token, _body(order.epoch)),
    "with all fields": lambda order, token: (
        str(order.lease),
        token,
        _body(order.epoch, ', "fraction": 0.5, "loss": 2.5, "temperature": null'),
    ),
    "another epoch": lambda order, token: (str(order.lease), token, _body(7)),
    "an unknown lease": lambda _, token: (str(an_id()), token, _body(1)),
    "a wrong token": lambda order, token: (str(order.lease), f"{token[:-1]}!", _body(1)),
    "no token": lambda order, _: (str(order.lease), "", _body(1)),
    "an epoch of none": lambda order, token: (str(order.lease), token, _body(0)),
    "an unknown field": lambda order, token: (str(order.lease), token, _body(1, ', "x": 1')),
    "an infinite loss": lambda order, token: (
        str(order.lease),
        token,
        _body(1, ', "loss": Infinity'),
    ),
    "no JSON": lambda order, token: (str(order.lease), token, "{"),
    "nothing": lambda order, token: (str(order.lease), token, ""),
    "another address": lambda _, token: ("not-a-lease", token, _body(1)),
}


def _body(epoch: int, more: str = "") -> str:
    return f'{{"epoch": {epoch}, "phase": "train"{more}}}'


def _answered(http: TestClient, kind: str, ask: Ask) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body; what differs from request to request left out."""
    lease, token, body = ask
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = http.post(f"/v1/leases/{lease}/renew", content=body, headers=headers)
    said = {name: text for name, text in answer.headers.items() if name != "x-request-id"}
    told = answer.json()
    told.pop("request_id", None)
    return answer.status_code, said, told


@pytest.mark.parametrize("which", ASKS)
def test_a_renewal_is_answered_as_its_endpoint_would(
    which: str, http: TestClient, volta: Volunteer
) -> None:
    order = volta.claim()
    ask = ASKS[which](order, volta.token)
    whole = _answered(http, WHOLE, ask)

    short = _answered(http, SHORT, ask)

    assert short == whole


def test_a_plain_renewal_takes_the_shorter_road_and_is_counted_by_its_route(
    http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = volta.claim()
    taken: list[bytes] = []
    say = renewing._say

    async def noted(send: Any, body: bytes) -> None:
        taken.append(body)
        await say(send, body)

    monkeypatch.setattr(renewing, "_say", noted)

    answer = _answered(http, SHORT, (str(order.lease), volta.token, _body(order.epoch)))

    route = 'route="/v1/leases/{lease}/renew",status="200"'
    assert answer[0] == 200
    assert len(taken) == 1
    assert f"{route}}} 1.0" in http.get("/metrics").text
