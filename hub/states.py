"""A goal's rows as one snapshot: what the pure functions of belief and scheduling take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from hub import eras, goals
from hub.eras import Eras
from hub.hot import HotQuery
from hub.snapshot import Failure, Node, Pending, Reading, Rules, Snapshot
from hub.tables import EventRow, ExperimentRow, GoalRow, OrderRow, RunRow
from protocol.goals import GoalSpec
from protocol.work import Kind


@dataclass(frozen=True)
class State:
    """A snapshot, and how its positions and the experiments' shas translate."""

    snapshot: Snapshot
    place: Mapping[str, int]

    def sha(self, place: int) -> str:
        """The experiment at a position."""
        return self.snapshot.nodes[place].key


def read(session: Session, goal: GoalRow) -> State:
    """Everything that is known of a goal now, but for its open leases: `hub.leases` has those."""
    session.flush()
    nodes, known = _nodes(session.connection(), goal), eras.of(session, goal)
    place = {node.key: position for position, node in enumerate(nodes)}
    snapshot = Snapshot(
        rules=rules(goals.spec(session, goal)),
        nodes=nodes,
        readings=_readings(session, goal, place, known),
        failures=_failures(session, goal, place),
        goal=goal.slug,
        era=known.now,
    )
    return State(snapshot, place)


def rules(spec: GoalSpec) -> Rules:
    """What belief and verification need of a goal's rules."""
    policy = spec.verification
    return Rules(
        direction=spec.metric.direction.value,
        noise_sd=policy.noise_sd,
        owners=policy.owners,
        alpha=policy.alpha,
        beta=policy.beta,
        min_gain=policy.min_gain,
        max_runs=policy.max_runs,
    )


def _nodes(connection: sa.Connection, goal: GoalRow) -> tuple[Node, ...]:
    # Of the table: a hundred thousand rows pass through nothing that entities would need.
    made = sa.inspect(ExperimentRow).local_table.c
    query = (
        sa.select(
            made.sha,
            made.number,
            made.parent,
            made.second_parent,
            made.operator,
            made.owner,
            made.agent,
            made.status,
            made.title,
            made.mutator,
            made.pinned,
            made.boost,
            made.frozen,
            sa.or_(made.forbidden, made.hidden),
            made.change,
            sa.cast(made.brought, sa.Text),
        )
        .where(made.goal == goal.slug)
        .order_by(made.number)
    )
    place: dict[str | None, int] = {}
    nodes: list[Node] = []
    for sha, number, parent, second, *rest, change, brought in connection.execute(query):
        # Nearly none brought any, and a hundred thousand times JSON takes a second.
        shas = [] if brought == "[]" else orjson.loads(brought)
        sides = tuple(place[each] for each in shas if each in place)
        place[sha] = len(nodes)
        said = (*rest, sides, change)
        nodes.append(Node(sha, number, place.get(parent), place.get(second), *said))
    return tuple(nodes)


def marked_anew(session: Session, goal: GoalRow, state: State, after: int) -> State:
    """The state with operators' marks on what has changed since an event as they stand now."""
    made = sa.inspect(ExperimentRow).local_table.c
    marks = (made.pinned, made.boost, made.frozen, sa.or_(made.forbidden, made.hidden))
    changed = sa.select(made.sha, *marks).where(made.goal == goal.slug, made.changed_seq > after)
    nodes = list(state.snapshot.nodes)
    for sha, pinned, boost, frozen, forbidden in session.connection().execute(changed):
        place = state.place.get(sha)
        if place is not None:
            marked = {"pinned": pinned, "boost": boost, "frozen": frozen, "forbidden": forbidden}
            nodes[place] = replace(nodes[place], **marked)
    return replace(state, snapshot=replace(state.snapshot, nodes=tuple(nodes)))


def _readings(
    session: Session, goal: GoalRow, place: Mapping[str, int], known: Eras
) -> tuple[Reading, ...]:
    run, order = RunRow, OrderRow
    said = [col(run.owner), col(run.agent), col(run.session), col(run.device_class), col(run.kind)]
    # A run is made under the rules that its work was handed out with; where that went to another
    # since, only the run itself says when.
    handed_out = sa.case((col(order.epoch) == col(run.epoch), col(order.claimed_at)))
    when = sa.func.coalesce(handed_out, col(run.started_at))
    query = (
        sa.select(col(run.experiment), col(run.metric), when if known.changed else sa.null(), *said)
        .where(col(run.goal) == goal.slug, col(run.counted), col(run.metric).is_not(None))
        .order_by(col(run.created_at), col(run.id))
    )
    if known.changed:
        query = query.outerjoin(order, col(order.id) == col(run.lease))
    found = session.execute(query).all()
    read = [Reading(place[sha], metric, *rest) for sha, metric, _, *rest in found if sha in place]
    if not known.changed:
        return tuple(read)
    times = [at for sha, _, at, *_ in found if sha in place]
    return tuple(replace(one, era=known.at(at)) for one, at in zip(read, times, strict=True))


def _failures(session: Session, goal: GoalRow, place: Mapping[str, int]) -> tuple[Failure, ...]:
    run = RunRow
    query = sa.select(col(run.experiment), col(run.owner), col(run.agent)).where(
        col(run.goal) == goal.slug, col(run.counted), col(run.metric).is_(None)
    )
    rows = session.execute(query.order_by(col(run.created_at), col(run.id)))
    return tuple(Failure(place[sha], *who) for sha, *who in rows if sha in place)


def repeats(
    session: Session, goal: GoalRow, place: Mapping[str, int], after: int
) -> tuple[int, tuple[Pending, ...]]:
    """Repeats that were reported after an event, as if still under way, and the event they end at.

    Whose they were is left out: who is at work is told by the leases.
    """
    found = _REPORTED.all(session.connection(), goal=goal.slug, after=after)
    told = [orjson.loads(one.body) for one in found]
    ran = [(one["kind"], place.get(one["sha"])) for one in told if one["kind"] in _AGAIN]
    known = [Pending(kind=kind, owner="", node=node) for kind, node in ran if node is not None]
    return max((one.seq for one in found), default=after), tuple(known)


class _Reported(NamedTuple):
    seq: int
    body: str


_AGAIN = (Kind.REPLICATE.value, Kind.ANCHOR.value)
_events = sa.inspect(EventRow).local_table.c
_REPORTED = HotQuery(
    sa.select(_events.seq, sa.cast(_events.body, sa.Text)).where(
        _events.goal == sa.bindparam("goal"),
        _events.seq > sa.bindparam("after"),
        _events.type == "run.reported",
    ),
    _Reported,
)
