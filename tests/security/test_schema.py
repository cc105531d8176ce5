"""Schemathesis over the whole OpenAPI document, bounded: whatever is sent, never a 5xx."""

import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub import goals, tokens
from hub.app import create_app
from hub.core import open_hub
from hub.ops_tables import OperatorRow
from hub.settings import Settings
from tests.builders import FILES, NOON, a_spec
from tests.hub.volunteer import Volunteer

EXAMPLES = int(os.environ.get("AGENTHUB_SCHEMA_EXAMPLES", "6"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(1800)
def test_no_request_makes_the_hub_stumble(tmp_path: Path) -> None:
    loose = Settings(
        data=tmp_path / "hub",
        joins_per_hour=1e9,
        rate_token=1e9,
        rate_owner=1e9,
        rate_failures=1e9,
        rate_anonymous=1e9,
    )
    hub = open_hub(loose)
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec(), FILES)
        work.session.add(OperatorRow(name="grace", created_at=NOON))
        work.session.flush()
        operator = tokens.issue(work, "operator", "grace")
    app = create_app(hub)
    with TestClient(app, raise_server_exceptions=False) as http:
        agent = Volunteer.joined(http, "volta", "ada").token
        schema = schemathesis.openapi.from_dict(app.openapi())
        stumbles: list[str] = []
        for found in schema.get_all_operations():
            operation: Any = found
            _try(http, operation.ok(), [agent, operator], stumbles)

    assert stumbles == []


def _try(http: TestClient, operation: Any, said: list[str], stumbles: list[str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), token=st.sampled_from(said))
    def _once(case: Any, token: str) -> None:
        sent = case.as_transport_kwargs(base_url="http://testserver")
        headers = {**dict(sent.get("headers") or {}), "Authorization": f"Bearer {token}"}
        known = {key: sent[key] for key in ("params", "json", "content") if key in sent}
        answer = http.request(sent["method"], sent["url"], headers=headers, **known)
        if answer.status_code >= 500:
            stumbles.append(f"{sent['method']} {sent['url']} {known}: {answer.status_code}")

    _once()
