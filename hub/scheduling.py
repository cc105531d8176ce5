"""From rows to a decision: which goal, and what the frontier says is worth doing there."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import frontier, goals
from hub.db import Work
from hub.frontier import Asker
from hub.hot import Hot, HotQuery
from hub.minds import Mind, Thoughts
from hub.tables import AgentRow, ExperimentRow, GoalRow, GoalVersionRow, OrderRow
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
    open_now = _open(session)
    rows = [row for row, spec, _ in open_now if _asks(request, row) and _serves(request, spec)]
    held = {row.slug: leases for row, _, leases in open_now}
    return sorted(rows, key=lambda row: ((held[row.slug] + 1) / row.weight, row.slug))


def why_none(session: Session, request: WorkRequest) -> tuple[str, str]:
    """Code and sentence for an agent that no open goal can use, with what each goal asks for."""
    open_now = _open(session)
    if not open_now:
        return "no_goal", NO_GOAL
    needs = [_needs(row.slug, spec) for row, spec, _ in open_now if _asks(request, row)]
    if not needs:
        wanted, there = ", ".join(request.goals), ", ".join(row.slug for row, *_ in open_now)
        return "no_goal", f"None of your goals ({wanted}) is open here; open are: {there}."
    there = f"{request.device.kind} with {request.device.memory_mb} MB"
    return "device", f"No open goal can use your device ({there}): {'; '.join(needs)}."


def _needs(slug: str, spec: GoalSpec) -> str:
    return f"{slug} needs {' or '.join(spec.device.kinds)} with {spec.device.memory_mb} MB"


def _open(session: Session) -> list[tuple[GoalRow, GoalSpec, int]]:
    """The goals that hand out work, their rules, and how many leases are held of each."""
    rows = session.execute(_OPEN).all()
    return [(row, goals.understood(rules), leases) for row, rules, leases in rows]


_leased = (
    sa.select(sa.func.count())
    # Word for word as the index of them has it: by another, each goal would go through all leases.
    .where(col(OrderRow.goal) == GoalRow.slug, sa.literal_column("orders.state = 'leased'"))
    .correlate(GoalRow)
)
_version = GoalVersionRow
_OPEN = (
    sa.select(GoalRow, sa.cast(col(_version.spec), sa.Text), _leased.scalar_subquery())
    .where(col(_version.goal) == GoalRow.slug, col(_version.version) == GoalRow.version)
    .where(col(GoalRow.state) == "open", col(GoalRow.weight) > 0)
)


def _asks(request: WorkRequest, goal: GoalRow) -> bool:
    return not request.goals or goal.slug in request.goals


def _serves(request: WorkRequest, spec: GoalSpec) -> bool:
    device, rules = request.device, spec.device
    enough = not device.memory_mb or device.memory_mb >= rules.memory_mb
    return device.kind in rules.kinds and enough


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
    policy = goal.policy or frontier.DEFAULT
    return frontier.decide(thoughts.view, thoughts.verdicts, asker, policy=policy, seed=seed)


def _asker(session: Session, goal: GoalRow, agent: AgentRow, request: WorkRequest) -> Asker:
    connection = session.connection()
    warm = _WARM.all(connection, goal=goal.slug, agent=agent.name)
    refused = _REFUSED.value(connection, agent=agent.name)
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
    given_up = Counter[tuple[int, int]]()
    for tried in _UNMERGED.all(session.connection(), goal=goal.slug):
        if tried.parent in place and tried.second in place:
            given_up[place[tried.parent], place[tried.second]] += GIVEN_UP if tried.refused else 1
    return frozenset(pair for pair, count in given_up.items() if count >= GIVEN_UP)


class _Unmerged(NamedTuple):
    parent: str
    second: str
    refused: int


_made, _orders = (sa.inspect(each).local_table.c for each in (ExperimentRow, OrderRow))
_mine = sa.select(_made.sha).where(
    _made.goal == sa.bindparam("goal"), _made.agent == sa.bindparam("agent")
)
_WARM = HotQuery(_mine.order_by(_made.number.desc()).limit(WARM), str)
_last = sa.select(_orders.refused).where(_orders.agent == sa.bindparam("agent"))
_REFUSED = Hot(_last.order_by(_orders.claimed_at.desc()).limit(1))
_UNMERGED = HotQuery(
    sa.select(_orders.parent, _orders.second_parent, _orders.refused).where(
        _orders.goal == sa.bindparam("goal"),
        # Word for word as the index of them has it: a parameter could be anything.
        sa.text("kind = 'merge' AND experiment IS NULL"),
        sa.or_(_orders.refused > 0, _orders.ended_at.is_not(None)),
    ),
    _Unmerged,
)


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
