"""Renewals take a shorter road than other requests, and nobody can tell by the answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import guards
from hub.api import renewing
from hub.api.quick import Road
from hub.api.renewing import Renewing
from hub.core import Hub
from hub.errors import TooMany
from hub.limits import Limits
from hub.metrics import Metrics
from hub.middleware import Identities
from hub.tables import OwnerRow
from protocol.work import Progress
from tests.builders import Order, an_id
from tests.hub.volunteer import Volunteer

SHORT, WHOLE = "application/json", "application/json; charset=utf-8"
"""Content types: only a plain one takes the shorter road."""


@dataclass(frozen=True)
class Ask:
    """A renewal, or something like one."""

    lease: object
    token: str
    body: str | bytes
    more: tuple[tuple[str, str], ...] = ()
    query: str = ""


ASKS: dict[str, Callable[[Order, str], Ask]] = {
    "a plain one": lambda order, token: Ask(order.lease, token, _body(order.epoch)),
    "with all fields": lambda order, token: Ask(
        order.lease,
        token,
        _body(order.epoch, ', "fraction": 0.5, "loss": 2.5, "temperature": null'),
    ),
    "another epoch": lambda order, token: Ask(order.lease, token, _body(7)),
    "an unknown lease": lambda _, token: Ask(an_id(), token, _body(1)),
    "a wrong token": lambda order, token: Ask(order.lease, f"{token[:-1]}!", _body(1)),
    "no token": lambda order, _: Ask(order.lease, "", _body(1)),
    "another kind of credentials": lambda order, token: Ask(
        order.lease, "", _body(1), (("Authorization", f"Basic {token}"),)
    ),
    "an epoch of none": lambda order, token: Ask(order.lease, token, _body(0)),
    "an unknown field": lambda order, token: Ask(order.lease, token, _body(1, ', "x": 1')),
    "an infinite loss": lambda order, token: Ask(
        order.lease, token, _body(1, ', "loss": Infinity')
    ),
    "no JSON": lambda order, token: Ask(order.lease, token, "{"),
    "nothing": lambda order, token: Ask(order.lease, token, ""),
    "another address": lambda _, token: Ask("not-a-lease", token, _body(1)),
    "a key twice": lambda order, token: Ask(order.lease, token, _body(1, ', "epoch": 1')),
    "a key twice, once in disguise": lambda order, token: Ask(
        order.lease, token, _body(1, r', "\u0065poch": 1')
    ),
    "a phase with a colon": lambda order, token: Ask(
        order.lease, token, '{"epoch": 1, "phase": "train: warm"}'
    ),
    "half a character": lambda order, token: Ask(
        order.lease, token, r'{"epoch": 1, "phase": "\ud800"}'
    ),
    "a raw line break": lambda order, token: Ask(
        order.lease, token, '{"epoch": 1, "phase": "a\nb"}'
    ),
    "a byte order mark": lambda order, token: Ask(order.lease, token, "\ufeff" + _body(1)),
    "Latin-1": lambda order, token: Ask(
        order.lease, token, '{"epoch": 1, "phase": "é"}'.encode("latin-1")
    ),
    "a bomb": lambda order, token: Ask(order.lease, token, "[" * 5000),
    "a long one": lambda order, token: Ask(order.lease, token, _body(1) + " " * 5000),
    "one too long": lambda order, token: Ask(order.lease, token, _body(1) + " " * 9_000_000),
    "a packed one": lambda order, token: Ask(
        order.lease, token, _body(1), (("Content-Encoding", "gzip"),)
    ),
    "two hosts": lambda order, token: Ask(
        order.lease, token, _body(1), (("Host", "a"), ("Host", "b"))
    ),
    "two tokens": lambda order, token: Ask(
        order.lease, token, _body(1), (("Authorization", f"Bearer {token}"),)
    ),
    "huge headers": lambda order, token: Ask(
        order.lease, token, _body(1), (("X-Padding", "x" * 17_000),)
    ),
    "a token in the address": lambda order, token: Ask(
        order.lease, token, _body(1), query=f"?token={token}"
    ),
    "a NUL in the address": lambda order, token: Ask(order.lease, token, _body(1), query="?a=%00"),
}


def _body(epoch: int, more: str = "") -> str:
    return f'{{"epoch": {epoch}, "phase": "train"{more}}}'


def _answered(http: TestClient, kind: str, ask: Ask) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body; what differs from request to request left out."""
    headers = [("Content-Type", kind), *ask.more]
    if ask.token:
        headers.append(("Authorization", f"Bearer {ask.token}"))
    address = f"/v1/leases/{ask.lease}/renew{ask.query}"
    answer = http.post(address, content=ask.body, headers=headers)
    said = {name: text for name, text in answer.headers.items() if name != "x-request-id"}
    assert len(answer.headers["x-request-id"]) == 16
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
    say = Road.say

    async def noted(self: Road, scope: Any, send: Any, body: bytes) -> None:
        taken.append(body)
        await say(self, scope, send, body)

    monkeypatch.setattr(Road, "say", noted)

    status = _answered(http, SHORT, Ask(order.lease, volta.token, _body(order.epoch)))[0]

    assert status == 200
    assert len(taken) == 1
    assert _counted(http, 200) == 1.0


def test_a_refusal_on_the_shorter_road_is_counted_and_carries_its_request_s_id(
    http: TestClient, volta: Volunteer
) -> None:
    order = volta.claim()

    said = Progress(epoch=7, phase="train")
    answer = volta.send("POST", f"/v1/leases/{order.lease}/renew", said)

    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert _counted(http, answer.status_code) == 1.0


def _counted(http: TestClient, status: int) -> float:
    route = f'route="/v1/leases/{{lease}}/renew",status="{status}"}} '
    return float(http.get("/metrics").text.partition(route)[2].partition("\n")[0] or 0)


def test_a_flood_of_strange_tokens_meets_the_limit_on_either_road(
    hub: Hub, http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = volta.claim()
    monkeypatch.setattr(hub.limits, "_clock", lambda: 1e6)  # nothing is refilled meanwhile
    with pytest.raises(TooMany):
        _exhaust(hub.limits)

    for kind in (SHORT, WHOLE):
        asked = Ask(order.lease, f"{volta.token[:-1]}!", _body(1))
        assert _answered(http, kind, asked)[0] == 429


def _exhaust(limits: Limits) -> None:
    while True:
        limits.anonymous("testclient")


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_a_body_in_parts_or_late_goes_the_longer_road_whole(
    hub: Hub, volta: Volunteer, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = volta.claim()
    body = _body(order.epoch).encode()
    parts = [(body, True), (b" ", False)] if pause == 0 else [(body, False)]
    monkeypatch.setattr(renewing, "BODY_SECONDS", 0.01)
    heard: list[bytes] = []

    async def longer(_scope: Any, receive: Any, _send: Any) -> None:
        heard.append(await guards.whole(receive))

    app = Renewing(longer, hub, Metrics(hub), Identities())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _handed_over(app, order, volta, parts, pause)).result()

    assert heard == [b"".join(part for part, _ in parts)]


async def _handed_over(
    app: Renewing, order: Order, volta: Volunteer, parts: list[tuple[bytes, bool]], pause: float
) -> None:
    """Ask as a server does whose client sends its body like this."""
    waiting = iter(parts)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        body, more = next(waiting)
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(_message: Any) -> None:
        raise AssertionError("answered on the shorter road")

    headers = {"host": "hub", "content-type": SHORT, "content-length": "40"}
    headers["authorization"] = f"Bearer {volta.token}"
    await app(
        {
            "type": "http",
            "method": "POST",
            "path": f"/v1/leases/{order.lease}/renew",
            "query_string": b"",
            "client": ("testclient", 1),
            "scheme": "http",
            "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
        },
        receive,
        send,
    )


@pytest.mark.parametrize("odd", ['"step": 2147483648', '"phase": "a\\u0000b"'])
def test_what_no_database_holds_is_refused_before_it_keeps_others_from_being_written(
    hub: Hub, volta: Volunteer, odd: str
) -> None:
    order = volta.exploring()
    path, headers = f"/v1/leases/{order.lease}/renew", {"Authorization": f"Bearer {volta.token}"}
    body = '{"epoch": 1, ' + ("" if "phase" in odd else '"phase": "train", ') + odd + "}"

    answer = volta.http.post(path, content=body, headers=headers | {"Content-Type": SHORT})

    hub.heartbeats.flush()
    assert (answer.status_code, hub.heartbeats.waiting) == (422, 0)


@pytest.mark.parametrize("kind", [SHORT, WHOLE])
def test_an_owner_s_limit_holds_for_renewals_too(hub: Hub, volta: Volunteer, kind: str) -> None:
    order = volta.claim()
    with hub.database.work() as work:
        work.session.get_one(OwnerRow, "ada").per_minute = 3
    body = Progress(epoch=order.epoch, phase="train").model_dump_json()
    headers = {"Authorization": f"Bearer {volta.token}", "Content-Type": kind}

    path = f"/v1/leases/{order.lease}/renew"
    told = [volta.http.post(path, content=body, headers=headers).status_code for _ in range(5)]

    assert (told[0], told[-1]) == (200, 429)
