"""What a hub bears that holds very many rows: shown with few, because the rule is what counts."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import col

from hub import db
from hub.core import Hub
from hub.tables import ExperimentRow
from tests.hub import forest
from tests.hub.operating import Curator


@pytest.fixture
def named(hub: Hub) -> Iterator[list[int]]:
    """How many values each statement named."""
    seen: list[int] = []

    def _look(_c: Any, _cursor: Any, statement: str, values: Any, _ctx: Any, many: bool) -> None:
        if not many and not statement.startswith("INSERT"):
            seen.append(len(values))

    engines = {hub.database.writer, hub.database.reader}
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", _look)
    yield seen
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", _look)


def test_no_statement_names_more_rows_than_a_database_takes(
    hub: Hub, http: TestClient, named: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "PART", 30)
    count = 40
    forest.grow(hub, count)
    with hub.database.work() as work:
        theirs = sa.update(ExperimentRow).where(col(ExperimentRow.owner) == "gaia")
        work.session.execute(theirs.values(second_parent=ExperimentRow.parent))
    grace = Curator.of(hub, http)

    tree = http.get("/v1/goals/toy/tree").json()
    banned = grace.acts("owner.ban", owner="gaia")["seq"]

    changed = sa.select(sa.func.count()).where(col(ExperimentRow.changed_seq) == banned)
    with hub.database.read() as session:
        assert session.execute(changed).scalar() == count
    assert tree["second_parent"].count(0) == 1
    assert max(named) <= 30 + 2
