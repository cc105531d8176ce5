"""A goal's orders that are open or leased: read once, and then followed by the events of the goal.

Ten thousand agents hold as many. To read them all takes longer than all else that a claim does, and
others wait for the writer meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from hub import columns
from hub.hot import HotQuery
from hub.snapshot import Pending
from hub.tables import EventRow, GoalRow, OrderRow
from protocol.events import ExperimentRegistered, LeaseClaimed, LeaseEnded

STANDING = ("open", "leased")
MANY = 500
"""Events after which all orders are read anew: that costs no more than to ask for each."""


class _Order(NamedTuple):
    """The columns of an order that a `Pending` is made of."""

    id: UUID
    state: str
    kind: str
    owner: str | None
    operator: str
    agent: str | None
    parent: str | None
    second_parent: str | None
    experiment: str | None
    brought: list[str]

    def pending(self, place: Mapping[str, int]) -> Pending:
        """The same as positions of a snapshot."""
        return Pending(
            kind=self.kind,
            owner=self.owner or "",
            parent=place.get(self.parent or ""),
            second=place.get(self.second_parent or ""),
            node=place.get(self.experiment or ""),
            operator=self.operator,
            agent=self.agent or "",
            brought=tuple(place[each] for each in self.brought if each in place),
        )

    def placed(self, place: Mapping[str, int]) -> bool:
        """Whether each experiment that it names has a position."""
        named = (self.parent, self.second_parent, self.experiment, *self.brought)
        return all(sha is None or sha in place for sha in named)


@dataclass(frozen=True)
class _Standing:
    """All orders as of an event `heard`, after the operators' action `acted`.

    `early` name experiments that were younger than the snapshot of so many `places`.
    """

    heard: int
    acted: int
    places: int
    known: Mapping[UUID, Pending]
    early: Mapping[UUID, _Order]

    @cached_property
    def pending(self) -> tuple[Pending, ...]:
        return tuple(self.known.values())


@dataclass
class Leases:
    """Each goal's standing orders; positions are those of its newest snapshot.

    A position never changes, because experiments are kept for ever and in their order.
    """

    _kept: dict[str, _Standing] = field(default_factory=dict)
    _behind: set[str] = field(default_factory=set)

    def now(self, session: Session, goal: GoalRow, place: Mapping[str, int]) -> tuple[Pending, ...]:
        """The orders as this transaction sees them; nothing of it is kept, it may be taken back."""
        standing = self._follow(session, goal, place)
        if standing is not self._kept.get(goal.slug):
            self._behind.add(goal.slug)
        return standing.pending

    def keep(self, session: Session, goal: GoalRow, place: Mapping[str, int]) -> None:
        """Follow what `now` had to follow; the session must see only what is committed."""
        if goal.slug in self._behind or goal.slug not in self._kept:
            self._behind.discard(goal.slug)
            self._kept[goal.slug] = self._follow(session, goal, place)

    def _follow(self, session: Session, goal: GoalRow, place: Mapping[str, int]) -> _Standing:
        session.flush()
        kept, acted = self._kept.get(goal.slug), columns.newest_act(session, goal.slug)
        # Operators end, order and take back without an event for each order.
        if kept is None or kept.acted != acted or len(place) < kept.places:
            return _read(session, goal, place, acted)
        said = {"goal": goal.slug, "after": kept.heard}
        told = _TOLD.all(session.connection(), **said)
        if len(told) > MANY:
            return _read(session, goal, place, acted)
        if told or (kept.early and len(place) > kept.places):
            return _followed(session, kept, told, place)
        return kept


class _Told(NamedTuple):
    """An event by which an order may have changed."""

    seq: int
    type: str
    body: str


def _read(session: Session, goal: GoalRow, place: Mapping[str, int], acted: int) -> _Standing:
    # First the number and then the rows: what comes between is only looked at twice.
    heard = columns.newest(session, goal.slug)
    orders = _STANDING.all(session.connection(), goal=goal.slug)
    known = {each.id: each.pending(place) for each in orders}
    early = {each.id: each for each in orders if not each.placed(place)}
    return _Standing(heard, acted, len(place), known, early)


def _followed(
    session: Session, kept: _Standing, told: list[_Told], place: Mapping[str, int]
) -> _Standing:
    known, early = dict(kept.known), dict(kept.early)
    for order in [*kept.early.values(), *_changed(session.connection(), told)]:
        known.pop(order.id, None)
        early.pop(order.id, None)
        if order.state in STANDING:
            known[order.id] = order.pending(place)
            if not order.placed(place):
                early[order.id] = order
    heard = max((each.seq for each in told), default=kept.heard)
    return _Standing(heard, kept.acted, len(place), known, early)


def _changed(connection: sa.Connection, told: list[_Told]) -> Iterator[_Order]:
    """The orders that events tell of, as they are now."""
    bodies = [(each.type, orjson.loads(each.body)) for each in told]
    for lease in {body["lease"] for kind, body in bodies if kind != REGISTERED}:
        yield from _ONE.all(connection, lease=UUID(lease))
    for sha in {body["sha"] for kind, body in bodies if kind == REGISTERED}:
        yield from _MAKING.all(connection, sha=sha)


REGISTERED = ExperimentRegistered.model_fields["type"].default
_TELLING = [REGISTERED, *(each.model_fields["type"].default for each in (LeaseClaimed, LeaseEnded))]
_orders, _events = (sa.inspect(each).local_table.c for each in (OrderRow, EventRow))
_all = sa.select(*(_orders[name] for name in _Order._fields))
# As rows, not as entities: there may be ten thousand.
_STANDING = HotQuery(
    _all.where(
        _orders.goal == sa.bindparam("goal"), sa.or_(*(_orders.state == each for each in STANDING))
    ),
    _Order,
)
_ONE = HotQuery(_all.where(_orders.id == sa.bindparam("lease")), _Order)
_MAKING = HotQuery(_all.where(_orders.experiment == sa.bindparam("sha")), _Order)
_TOLD = HotQuery(
    sa.select(_events.seq, _events.type, sa.cast(_events.body, sa.Text)).where(
        sa.or_(*(_events.type == each for each in _TELLING)),
        _events.goal == sa.bindparam("goal"),
        _events.seq > sa.bindparam("after"),
    ),
    _Told,
)
