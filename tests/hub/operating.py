"""An operator for tests: acts over HTTP with a token of their own."""

from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from hub import tokens
from hub.core import Hub
from hub.ops_tables import OperatorRow
from protocol.operators import Preview, Queue
from tests.builders import NOON


@dataclass
class Curator:
    """One operator with a token."""

    http: TestClient
    token: str

    @classmethod
    def of(
        cls, hub: Hub, http: TestClient, name: str = "grace", owner: str | None = None
    ) -> "Curator":
        """Make somebody an operator."""
        with hub.database.work() as work:
            work.session.add(OperatorRow(name=name, owner=owner, created_at=NOON))
            work.session.flush()
            return cls(http, tokens.issue(work, "operator", name))

    def send(self, method: str, path: str, **more: Any) -> Response:
        """One request with the token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, f"/v1/ops/{path}", headers=headers, **more)

    def tries(self, action: str, **what: Any) -> Response:
        """Act, come what may."""
        body = {"action": action, "reason": "a test wants it", **what}
        return self.send("POST", "actions", json=body)

    def acts(self, action: str, **what: Any) -> dict[str, Any]:
        """Act, and be allowed to."""
        answer = self.tries(action, **what)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def previews(self, action: str, **what: Any) -> Preview:
        """See what an action would do."""
        body = {"action": action, "reason": "a test wants it", **what}
        answer = self.send("POST", "preview", json=body)
        assert answer.status_code == 200, answer.text
        return Preview.model_validate(answer.json())

    def queue(self) -> Queue:
        """What waits."""
        return Queue.model_validate(self.send("GET", "queue").json())
