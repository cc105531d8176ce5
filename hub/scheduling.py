"""From rows to a decision: which goal, and what the frontier says is worth doing there."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import frontier, goals
from hub.db import Work
from hub.frontier import Asker
from hub.minds import Mind, Thoughts
from hub.tables import AgentRow, ExperimentRow, GoalRow, OrderRow
from protocol.experiments import Operator
from protocol.goals import GoalSpec
from protocol.work import Kind, WorkRequest

NO_GOAL: Final = "No goal is open on this hub now; operators open them."
NOTHING: Final = "Nothing here needs this device now; other owners' runs are awaited."
WARM = 20
GIVEN_UP = 2
"""So many agents may fail to write a merge before it is left alone."""


def open_goals(session: Session, request: WorkRequest) -> list[GoalRow]:
    """The open goals that this device can serve, the one with the least work per weight first."""
    query = select(GoalRow).where(col(GoalRow.state) == "open", col(GoalRow.weight) > 0)
    if request.goals:
        query = query.where(col(GoalRow.slug).in_(request.goals))
    rows = [row for row in session.exec(query).all() if _serves(request, goals.spec(session, row))]
    held = _held(session)
    return sorted(rows, key=lambda row: ((held.get(row.slug, 0) + 1) / row.weight, row.slug))


def why_none(session: Session, request: WorkRequest) -> tuple[str, str]:
    """Code and sentence for an agent that no open goal can use, with what each goal asks for."""
    query = select(GoalRow).where(col(GoalRow.state) == "open", col(GoalRow.weight) > 0)
    rows = session.exec(query).all()
    if not rows:
        return "no_goal", NO_GOAL
    mine = [row for row in rows if not request.goals or row.slug in request.goals]
    if not mine:
        wanted, there = ", ".join(request.goals), ", ".join(row.slug for row in rows)
        return "no_goal", f"None of your goals ({wanted}) is open here; open are: {there}."
    needs = [_needs(row.slug, goals.spec(session, row)) for row in mine]
    there = f"{request.device.kind} with {request.device.memory_mb} MB"
    return "device", f"No open goal can use your device ({there}): {'; '.join(needs)}."


def _needs(slug: str, spec: GoalSpec) -> str:
    return f"{slug} needs {' or '.join(spec.device.kinds)} with {spec.device.memory_mb} MB"


def _serves(request: WorkRequest, spec: GoalSpec) -> bool:
    device, rules = request.device, spec.device
    enough = not device.memory_mb or device.memory_mb >= rules.memory_mb
    return device.kind in rules.kinds and enough


def _held(session: Session) -> dict[str, int]:
    query = sa.select(col(OrderRow.goal), sa.func.count()).where(col(OrderRow.state) == "leased")
    return dict(session.execute(query.group_by(col(OrderRow.goal))).all())


def ponder(session: Session, mind: Mind, request: WorkRequest) -> None:
    """Think ahead what a claim by this device may need to know of large goals."""
    for goal in open_goals(session, request):
        mind.ponder(session, goal)


def choose(
    work: Work, mind: Mind, agent: AgentRow, request: WorkRequest, open_goals: Sequence[GoalRow]
) -> OrderRow | None:
    """What is worth doing now for this agent, written down as an order; None where nothing is."""
    work.session.flush()
    for goal in open_goals:
        thoughts = mind.of(work.session, goal)
        order = decide(work.session, thoughts, goal, agent, request, now=work.now)
        if order is not None:
            return put(work, order)
    return None


def decide(
    session: Session,
    thoughts: Thoughts,
    goal: GoalRow,
    agent: AgentRow,
    request: WorkRequest,
    *,
    now: datetime,
) -> OrderRow | None:
    """Ask the frontier on behalf of an agent; nothing is written."""
    seed = secrets.randbelow(2**31)
    asker = replace(
        _asker(session, goal, agent, request), barred=barred(session, goal, thoughts.state.place)
    )
    asked = _ask(thoughts, goal, asker, seed)
    if asked is None and asker.after_refusals:
        # Nothing to repeat or merge: a fresh try is better than a GPU that waits for ever.
        asked = _ask(thoughts, goal, replace(asker, after_refusals=0), seed)
    if asked is None:
        return None
    sha = thoughts.state.sha
    wish = Wish(
        Kind(asked.kind),
        Operator(asked.operator),
        asked.why,
        parent=None if asked.parent is None else sha(asked.parent),
        second_parent=None if asked.second is None else sha(asked.second),
        brought=[sha(place) for place in asked.others],
        experiment=None if asked.node is None else sha(asked.node),
        seed=seed,
    )
    return new_order(now, goal, wish)


def _ask(thoughts: Thoughts, goal: GoalRow, asker: Asker, seed: int) -> frontier.Order | None:
    return frontier.ask(
        thoughts.state.snapshot,
        thoughts.belief,
        thoughts.verdicts,
        asker,
        champion=thoughts.champion,
        policy=goal.policy or frontier.DEFAULT,
        seed=seed,
    )


def _asker(session: Session, goal: GoalRow, agent: AgentRow, request: WorkRequest) -> Asker:
    made = select(ExperimentRow.sha).where(
        col(ExperimentRow.goal) == goal.slug, col(ExperimentRow.agent) == agent.name
    )
    warm = session.exec(made.order_by(col(ExperimentRow.number).desc()).limit(WARM)).all()
    last = select(OrderRow.refused).where(col(OrderRow.agent) == agent.name)
    refused = session.exec(last.order_by(col(OrderRow.claimed_at).desc()).limit(1)).first()
    return Asker(
        owner=agent.owner,
        agent=agent.name,
        device=agent.name,
        device_class=request.device.device_class,
        period=request.session,
        can_mutate=request.can_mutate,
        warm=frozenset(warm),
        after_refusals=refused or 0,
    )


def barred(session: Session, goal: GoalRow, place: Mapping[str, int]) -> frozenset[tuple[int, int]]:
    """Merges that turned out to be nothing new, or that two agents gave up."""
    order = OrderRow
    query = sa.select(col(order.parent), col(order.second_parent), col(order.refused)).where(
        col(order.goal) == goal.slug,
        col(order.kind) == Kind.MERGE.value,
        col(order.experiment).is_(None),
        sa.or_(col(order.refused) > 0, col(order.ended_at).is_not(None)),
    )
    given_up = Counter[tuple[int, int]]()
    for parent, second, refused in session.execute(query):
        if parent in place and second in place:
            given_up[place[parent], place[second]] += GIVEN_UP if refused else 1
    return frozenset(pair for pair, count in given_up.items() if count >= GIVEN_UP)


@dataclass(frozen=True)
class Wish:
    """What should be done: `parent` for something new, `experiment` for a run as it is."""

    kind: Kind
    operator: Operator
    why: str
    parent: str | None = None
    second_parent: str | None = None
    brought: Sequence[str] = ()
    experiment: str | None = None
    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))


def new_order(now: datetime, goal: GoalRow, wish: Wish) -> OrderRow:
    """An order that any agent may claim, once it is put among the goal's."""
    return OrderRow(
        id=UUID(bytes=secrets.token_bytes(16), version=4),
        goal=goal.slug,
        kind=wish.kind.value,
        state="open",
        operator=wish.operator.value,
        parent=wish.parent,
        second_parent=wish.second_parent,
        brought=list(wish.brought),
        experiment=wish.experiment,
        why=wish.why[:600],
        seed=wish.seed,
        nonce=secrets.token_hex(16),
        holders={},
        tried_owners=[],
        reasons=[],
        created_at=now,
    )


def put(work: Work, order: OrderRow) -> OrderRow:
    """Add an order to the goal's open ones."""
    work.session.add(order)
    work.session.flush()
    return order
