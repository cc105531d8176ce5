"""A volunteer for tests: speaks the protocol over HTTP and remembers its order."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from httpx2 import Client, Response

from protocol.work import Release, WorkReply
from tests.builders import Order, a_join, a_proposal, a_report, a_work_request, an_id

BUSY_TURNS = 100


@dataclass
class Volunteer:
    """One agent with its token."""

    http: Client
    name: str
    token: str

    @classmethod
    def joined(cls, http: Client, name: str, owner: str) -> "Volunteer":
        """Join and keep the token."""
        answer = http.post("/v1/agents", json=a_join(name, owner).model_dump(mode="json"))
        assert answer.status_code == 201, answer.text
        return cls(http, name, answer.json()["token"])

    def brings(self, name: str, owner: str) -> "Volunteer":
        """Another machine of the same owner joins, by the token of this one."""
        answer = self.send("POST", "/v1/agents", a_join(name, owner))
        assert answer.status_code == 201, answer.text
        return Volunteer(self.http, name, answer.json()["token"])

    def send(self, method: str, path: str, body: Any = None) -> Response:
        """One request with the token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        content = body.model_dump(mode="json") if body is not None else None
        return self.http.request(method, path, json=content, headers=headers)

    def ask(self, **changes: Any) -> WorkReply:
        """Ask for work; a hub that is busy is asked again, as every client does."""
        answer = self.send("POST", "/v1/work", a_work_request(**changes))
        for _ in range(BUSY_TURNS):
            if answer.status_code != 503:
                break
            answer = self.send("POST", "/v1/work", a_work_request(**changes))
        assert answer.status_code == 200, answer.text
        return WorkReply.model_validate(answer.json())

    def claim(self, **changes: Any) -> Order:
        """Ask for work and get some."""
        order = self.ask(**changes).order
        assert order is not None
        return Order(
            lease=order.lease,
            epoch=order.epoch,
            goal=order.goal,
            nonce=order.nonce,
            seed=order.seed,
            parent=order.parent,
            experiment=order.experiment,
            extra={
                "kind": order.kind.value,
                "why": order.why,
                "operator": order.operator,
                "second_parent": order.second_parent,
            },
        )

    def propose(self, order: Order, identity: UUID | None = None, **changes: Any) -> Response:
        """Register a proposal; an accepted one becomes the order's experiment."""
        body = a_proposal(order, **changes)
        answer = self.send("PUT", f"/v1/experiments/{identity or an_id()}", body)
        if answer.status_code == 200:
            order.experiment = answer.json()["sha"]
        return answer

    def report(self, order: Order, identity: UUID | None = None, **changes: Any) -> Response:
        """Report a run."""
        return self.send("PUT", f"/v1/runs/{identity or an_id()}", a_report(order, **changes))

    def exploring(self) -> Order:
        """Claim until an order wants a proposal, running what is asked for before."""
        order = self.claim()
        while order.parent is None:
            assert self.report(order, metric=0.9).status_code == 200
            order = self.claim()
        return order

    def release(self, order: Order, reason: str = "test") -> None:
        """Give a lease back."""
        said = Release(epoch=order.epoch, reason=reason)
        assert self.send("POST", f"/v1/leases/{order.lease}/release", said).status_code == 204

    def explore(self, learning_rate: float, metric: float | None) -> Order:
        """Claim, anchor first if asked, propose, report."""
        order = self.exploring()
        assert self.propose(order, learning_rate=learning_rate).status_code == 200
        assert self.report(order, metric=metric).status_code == 200
        return order
