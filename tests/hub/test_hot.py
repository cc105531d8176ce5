"""What runs past SQLAlchemy means what it would mean through it, on both databases."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from hub.core import Hub
from hub.hot import Hot, HotQuery
from hub.tables import OwnerRow, PostRow, blank
from tests.builders import NOON

_posts = SQLModel.metadata.tables["posts"]
NEW = Hot(sa.insert(_posts).inline(), columns=set(_posts.c.keys()) - {"seq"})


class Post(NamedTuple):
    """One value of each kind."""

    id: UUID
    body: str
    references: list[str]
    created_at: datetime
    hidden: bool
    parent: UUID | None
    seq: int


READ = HotQuery(
    sa.select(*(_posts.c[name] for name in Post._fields)).where(
        _posts.c.id == sa.bindparam("identity")
    ),
    Post,
)


def a_post(**changes: object) -> dict[str, object]:
    said = {"id": uuid4(), "channel": "results", "topic": "t", "author": "a", "author_kind": "hub"}
    more = {"body": "é # \u2028", "html": "", "references": ["a", 'b"'], "created_at": NOON}
    return {**blank(PostRow), **said, **more, **changes}


def test_values_of_every_kind_come_back_as_entities_have_them(hub: Hub) -> None:
    said = a_post(parent=uuid4(), hidden=True, created_at=datetime(2026, 1, 2, 3, 4, 5, 6, UTC))

    with hub.database.work() as work:
        NEW.run(work.connection, **said)

    with hub.database.read() as session:
        found = READ.first(session.connection(), identity=said["id"])
        entity = session.exec(select(PostRow).where(col(PostRow.id) == said["id"])).one()
    assert found is not None
    assert found._asdict() == {**{name: said[name] for name in Post._fields[:-1]}, "seq": found.seq}
    assert found._asdict() == {name: getattr(entity, name) for name in Post._fields}


def test_many_are_written_in_one_go_and_read_as_rows_or_as_a_value(hub: Hub) -> None:
    said = [a_post(body=str(number)) for number in range(3)]
    count = Hot(sa.select(sa.func.count()).select_from(_posts))

    with hub.database.work() as work:
        NEW.run_each(work.connection, said)

    with hub.database.read() as session:
        assert count.value(session.connection()) == 3
        assert READ.first(session.connection(), identity=uuid4()) is None
        rows = [READ.all(session.connection(), identity=each["id"]) for each in said]
    assert [row.body for (row,) in rows] == ["0", "1", "2"]


def test_an_expression_adds_to_what_stands_there(hub: Hub) -> None:
    owners = SQLModel.metadata.tables["owners"]
    more = Hot(
        sa.update(owners)
        .where(owners.c.name == sa.bindparam("who"))
        .values(credit=owners.c.credit + sa.bindparam("more"))
    )
    with hub.database.work() as work:
        work.session.add(OwnerRow(name="ada", credit=0.5, created_at=NOON))
        work.session.flush()

        more.run(work.connection, who="ada", more=0.25)

    with hub.database.read() as session:
        assert session.get_one(OwnerRow, "ada").credit == 0.75


def test_what_the_driver_raises_is_raised_as_sqlalchemy_would(hub: Hub) -> None:
    said = a_post()

    def twice() -> None:
        with hub.database.work() as work:
            NEW.run_each(work.connection, [said, said])

    with pytest.raises(sa.exc.IntegrityError):
        twice()

    with hub.database.read() as session:
        assert READ.first(session.connection(), identity=said["id"]) is None
