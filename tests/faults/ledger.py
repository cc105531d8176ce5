"""A volunteer that writes down what it sent and what was acknowledged, over a real socket."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import httpx

from protocol.runs import Receipt
from protocol.work import WorkReply
from tests.builders import Order, a_join, a_report, a_work_request, an_id
from tests.faults.hub_process import TOY

TRAIN = (TOY / "train.py").read_text()
RETRIES = 200
Body = dict[str, Any]
T = TypeVar("T")


class LeaseLost(Exception):
    """The lease went to another agent while the hub was away; there is nothing left to do."""


@dataclass
class Ledger:
    """Sends over `url`, which may lead through a proxy; `random` makes its changes."""

    url: str
    name: str
    owner: str
    random: Random
    token: str = ""
    sent: dict[UUID, Body] = field(default_factory=dict)
    receipts: dict[UUID, list[Receipt]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)

    def join(self) -> "Ledger":
        """Get a token."""
        answer = self.ask(
            "POST", "/v1/agents", a_join(self.name, self.owner).model_dump(mode="json")
        )
        self.token = answer.json()["token"]
        return self

    def ask(self, method: str, path: str, body: Body | None = None) -> httpx.Response:
        """One request on a connection of its own; raises TransportError when it breaks."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with httpx.Client(timeout=30, trust_env=False) as client:
            answer = client.request(method, self.url + path, json=body, headers=headers)
        self.statuses.append(answer.status_code)
        return answer

    def claim(self, **changes: Any) -> Order:
        """Ask for work once; raises when there is none."""
        body = a_work_request(**changes).model_dump(mode="json")
        reply = WorkReply.model_validate_json(_answered(self.ask("POST", "/v1/work", body)).content)
        assert reply.order is not None, reply.reason
        order = reply.order
        return Order(
            lease=order.lease,
            epoch=order.epoch,
            goal=order.goal,
            nonce=order.nonce,
            seed=order.seed,
            parent=order.parent,
            experiment=order.experiment,
            extra={"second_parent": order.second_parent},
        )

    def propose(self, order: Order) -> Order:
        """Make the order's experiment exist, unless it came with one."""
        if order.experiment is None:
            order.experiment = self.insist(*self.proposal(order)).json()["sha"]
        return order

    def proposal(self, order: Order) -> tuple[str, str, Body]:
        """A request that proposes another learning rate."""
        rate = f"LEARNING_RATE = {self.random.uniform(0.001, 0.1):.9f}"
        body = {
            "lease": str(order.lease),
            "epoch": order.epoch,
            "goal": order.goal,
            "parent": order.parent,
            "second_parent": order.extra.get("second_parent"),
            "files": {"train.py": TRAIN.replace("LEARNING_RATE = 0.02", rate)},
            "title": rate,
            "hypothesis": "A step of another size learns faster.",
            "mutator": "offline",
        }
        return "PUT", f"/v1/experiments/{an_id()}", body

    def finish(self, order: Order) -> UUID:
        """Write a result down as finished; `deliver` sends it."""
        report = a_report(order, metric=self.measured(order))
        identity = an_id()
        self.sent[identity] = report.model_dump(mode="json")
        return identity

    def measured(self, order: Order) -> float | None:
        """What a run is said to have measured: nothing here needs it to be true."""
        return round(self.random.uniform(0.5, 2.0), 6)

    def deliver(self, identity: UUID) -> httpx.Response:
        """Send a finished result once."""
        answer = self.ask("PUT", f"/v1/runs/{identity}", self.sent[identity])
        if answer.status_code == 200:
            receipt = Receipt.model_validate_json(answer.content)
            self.receipts.setdefault(identity, []).append(receipt)
        return answer

    def work_once(self) -> UUID:
        """Claim, propose, finish and deliver, each until it is acknowledged.

        Raises:
            LeaseLost: the hub was away for longer than the lease lasts.
        """
        identity = self.finish(self.propose(self.patiently(self.claim)))
        self.patiently(lambda: self.deliver(identity).raise_for_status())
        return identity

    def insist(self, method: str, path: str, body: Body | None = None) -> httpx.Response:
        """Send until the hub answers with other than an overload."""
        return self.patiently(lambda: _answered(self.ask(method, path, body)))

    def patiently(self, act: Callable[[], T]) -> T:
        """Try again after a broken connection or a 5xx, as every client must."""
        for attempt in range(RETRIES):
            try:
                return act()
            except (httpx.TransportError, httpx.HTTPStatusError) as problem:
                final = isinstance(problem, httpx.HTTPStatusError) and (
                    problem.response.status_code < 500
                )
                if final or attempt == RETRIES - 1:
                    raise
                time.sleep(0.05 + self.random.random() * 0.1)
        raise AssertionError


def _answered(answer: httpx.Response) -> httpx.Response:
    if answer.status_code >= 500:
        answer.raise_for_status()
    if answer.status_code == 409 and answer.json()["code"] == "stale_lease":
        raise LeaseLost
    assert answer.status_code == 200, answer.text
    return answer


def ledgers(url: str, seed: int, count: int = 2, kind: type[Ledger] = Ledger) -> list[Ledger]:
    """Volunteers of as many owners, with tokens."""
    made = []
    for _ in range(count):
        name = f"agent-{secrets.token_hex(6)}"
        made.append(kind(url, name, f"o{name[1:]}", Random(f"{seed}-{name}")).join())
    return made
