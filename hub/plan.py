"""The next work orders: found by handing them out and taking all of it back."""

from sqlmodel import Session, col, select

from hub import work
from hub.db import Work
from hub.minds import Mind
from hub.settings import Settings
from hub.tables import AgentRow, ExperimentRow, GoalRow, OrderRow, OwnerRow
from protocol.agents import Device
from protocol.operators import Planned
from protocol.work import WorkRequest

ORDERS = 10
AGENTS = 10
STAND_IN = "nobody-yet"


def foresee(session: Session, mind: Mind) -> Mind:
    """What a rehearsal needs to know of large goals: thought out before others wait for its end.

    The hub's own mind must not remember what is taken back, so this is a copy.
    """
    handing_out = col(GoalRow.state) == "open", col(GoalRow.weight) > 0
    for goal in session.exec(select(GoalRow).where(*handing_out)):
        mind.ponder(session, goal)
    return mind.copy()


def next_orders(unit: Work, settings: Settings, mind: Mind, count: int = ORDERS) -> list[Planned]:
    """What would be handed out next, if the agents seen last asked in turn; nothing is kept."""
    with unit.connection.begin_nested() as savepoint:
        rehearsal = Work(unit.connection, unit.now)
        askers = _askers(rehearsal)
        turns = [askers[turn % len(askers)] for turn in range(count)]
        planned = [_ask(rehearsal, settings, mind, asker) for asker in turns]
        rehearsal.close()
        savepoint.rollback()
    return [one for one in planned if one is not None]


def _askers(unit: Work) -> list[AgentRow]:
    query = select(AgentRow).where(col(AgentRow.state) == "active", col(AgentRow.wish) == "")
    recent = (col(AgentRow.last_seen_at).desc().nulls_last(), col(AgentRow.name))
    return list(unit.session.exec(query.order_by(*recent).limit(AGENTS)).all()) or [_stand_in(unit)]


def _stand_in(unit: Work) -> AgentRow:
    device = Device(name="any", kind="cuda", device_class="any")
    owner = OwnerRow(name=STAND_IN, look=STAND_IN, created_at=unit.now)
    agent = AgentRow(
        name=STAND_IN,
        owner=STAND_IN,
        device=device.model_dump(mode="json"),
        device_class="any",
        created_at=unit.now,
    )
    unit.session.add(owner)
    unit.session.flush()
    unit.session.add(agent)
    unit.session.flush()
    return agent


def _ask(unit: Work, settings: Settings, mind: Mind, agent: AgentRow) -> Planned | None:
    """Claim as this agent would with empty hands: what it holds counts as pending, not as its."""
    for held in _held(unit.session, agent.name):
        held.agent = STAND_IN
    unit.session.flush()
    device = Device.model_validate(agent.device)
    given = work.claim(unit, settings, mind, agent, WorkRequest(device=device))
    return _told(unit.session, given) if isinstance(given, OrderRow) else None


def _held(session: Session, agent: str) -> list[OrderRow]:
    query = select(OrderRow).where(col(OrderRow.agent) == agent, col(OrderRow.state) == "leased")
    return list(session.exec(query).all())


def _told(session: Session, order: OrderRow) -> Planned:
    sha = order.experiment or order.parent
    query = select(ExperimentRow).where(col(ExperimentRow.sha) == sha)
    row = session.exec(query).first()
    return Planned(
        goal=order.goal,
        kind=order.kind,
        parent=order.parent,
        experiment=order.experiment,
        number=row.number if row else None,
        title=row.title if row else "",
        why=order.why,
    )
