"""Moderation: flags, the review queue, and owners held back, banned and restored."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import agents, board, experiments, holds, sessions, work
from hub.board import Author
from hub.containment import POLICY
from hub.db import Work
from hub.desk import Desk, Effect, NoChange, put_back
from hub.errors import BodyChanged, HubError, NotFound
from hub.ops_tables import ActionRow, FlagRow
from hub.tables import (
    HELD_BACK,
    AgentRow,
    ExperimentRow,
    OrderRow,
    OwnerRow,
    PostRow,
    ReactionRow,
    RunRow,
    TokenRow,
)
from hub.words import counted
from protocol import acts
from protocol.operators import Flag, FlagDraft
from protocol.work import Kind


class AlreadyDecided(HubError):
    """This flag was decided before; undo that decision first."""

    code, status = "already_decided", 409


class NotHeldBack(HubError):
    """This owner is neither quarantined nor banned."""

    code, status = "not_held_back", 409


def find_owner(session: Session, name: str) -> OwnerRow:
    """An owner by name."""
    owner = session.get(OwnerRow, name)
    if owner is None:
        raise NotFound("There is no owner by that name; `hub owner list` shows them.")
    return owner


def raise_flag(unit: Work, identity: UUID, by: Author, draft: FlagDraft) -> FlagRow:
    """Point an operator at something; safe to send again.

    Raises:
        NotActive: who flags was set aside, or waits for approval.
    """
    known = unit.session.get(FlagRow, identity)
    if known is not None:
        same = known.object == draft.object or _is_short_for(known, draft.object)
        if (known.by, known.kind, same) != (by.name, draft.kind, True):
            raise BodyChanged
        return known
    board.must_be_heard(unit.session, by)
    name, concerns = _pointed_at(unit.session, draft.kind, draft.object)
    row = FlagRow(
        id=identity,
        kind=draft.kind,
        object=name,
        concerns=concerns,
        by=by.name,
        reason=draft.reason,
        created_at=unit.now,
    )
    unit.session.add(row)
    unit.session.flush()
    return row


def _is_short_for(known: FlagRow, name: str) -> bool:
    return known.kind == "experiment" and known.object.startswith(name)


def _pointed_at(session: Session, kind: str, name: str) -> tuple[str, str | None]:
    """What a flag points at by its full name, and whose it is; raises NotFound if it is not there.

    A short sha may be another experiment's as well by the time that an operator decides.
    """
    if kind == "experiment":
        row = experiments.find(session, name)
        return row.sha, row.owner
    if kind == "owner":
        return name, find_owner(session, name).name
    if kind == "agent":
        return name, agents.find(session, name).owner
    return name, board.writer_of(session, board.find(session, _uuid(name)))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("A post's id is a UUID; the board shows it.") from error


def view(row: FlagRow) -> Flag:
    """A flag as readers see it."""
    return Flag.model_validate(row.model_dump())


def find_flag(desk: Desk, identity: UUID) -> FlagRow:
    """A flag that waits, and that is this operator's to decide."""
    row = desk.work.session.get(FlagRow, identity)
    if row is None:
        raise NotFound("There is no such flag; the queue lists those that wait.")
    if row.state != "open":
        raise AlreadyDecided
    desk.not_own(row.concerns)
    return row


def uphold(desk: Desk, act: acts.UpholdFlag) -> Effect:
    """Agree with a flag, and act on what it points at."""
    flag = find_flag(desk, act.flag)
    _decide(desk, flag, "upheld")
    if flag.kind == "post":
        _hide_post(desk, board.find(desk.work.session, UUID(flag.object)), hidden=True)
    elif flag.kind == "experiment":
        row = experiments.find(desk.work.session, flag.object)
        desk.change(row, hidden=True, forbidden=True)
        desk.recounts.add(row.goal)
    elif (owner := find_owner(desk.work.session, flag.concerns or "")).state not in HELD_BACK:
        _hold_back(desk, owner, "quarantined", holds.taken(desk.work.session, but=owner.name))
        _hear_again(desk)
    sentence = f"Flag on {flag.kind} {flag.object[:12]} upheld."
    return Effect(str(flag.id), sentence, None, flag.concerns)


def dismiss(desk: Desk, act: acts.DismissFlag) -> Effect:
    """Disagree with a flag."""
    flag = find_flag(desk, act.flag)
    _decide(desk, flag, "dismissed")
    if flag.by == POLICY:
        desk.change(experiments.find(desk.work.session, flag.object), forbidden=False)
    sentence = f"Flag on {flag.kind} {flag.object[:12]} dismissed."
    return Effect(str(flag.id), sentence, None, flag.concerns)


def _decide(desk: Desk, flag: FlagRow, state: str) -> None:
    desk.change(flag, state=state, decided_at=desk.work.now, decided_by=desk.by.name)


def hide_experiment(desk: Desk, act: acts.HideExperiment) -> Effect:
    """Take an experiment out of lists, or put it back."""
    row = experiments.find(desk.work.session, act.experiment)
    desk.not_own(row.owner if act.off else None)
    desk.change(row, hidden=not act.off)
    if not desk.changes:
        raise NoChange
    desk.recounts.add(row.goal)
    word = "shown" if act.off else "hidden"
    return Effect(row.sha, f"#{row.number} of {row.goal} {word}.", row.goal, row.owner)


def hide_post(desk: Desk, act: acts.HidePost) -> Effect:
    """Take a post off the board, or put it back."""
    post = board.find(desk.work.session, act.post)
    owner = board.writer_of(desk.work.session, post)
    desk.not_own(owner if act.off else None)
    _hide_post(desk, post, hidden=not act.off)
    if not desk.changes:
        raise NoChange
    word = "shown" if act.off else "hidden"
    return Effect(str(post.id), f"Post by {post.author} {word}.", post.goal, owner)


def _hide_post(desk: Desk, post: PostRow, hidden: bool) -> None:
    desk.change(post, hidden=hidden)


def approve_owner(desk: Desk, act: acts.ApproveOwner) -> Effect:
    """Let a waiting owner work."""
    owner = find_owner(desk.work.session, act.owner)
    desk.not_own(owner.name)
    if owner.state != "pending":
        raise NoChange
    desk.change(owner, state="active")
    desk.change_all(_agents(desk.work.session, owner.name), state="active")
    return Effect(owner.name, f"{owner.name} may work.", None, owner.name)


def limit_owner(desk: Desk, act: acts.LimitOwner) -> Effect:
    """Allow an owner so many requests a minute."""
    owner = find_owner(desk.work.session, act.owner)
    desk.not_own(owner.name)
    desk.change(owner, per_minute=act.per_minute or None)
    if not desk.changes:
        raise NoChange
    said = f"{counted(act.per_minute, 'request')} a minute" if act.per_minute else "the usual limit"
    return Effect(owner.name, f"{owner.name} has {said}.", None, owner.name)


def quarantine_owner(desk: Desk, act: acts.QuarantineOwner) -> Effect:
    """No more work for an owner, and none of their runs counts until they are restored."""
    owner = find_owner(desk.work.session, act.owner)
    others = holds.taken(desk.work.session, but=owner.name)
    runs = _hold_back(desk, owner, "quarantined", others)
    _hear_again(desk)
    sentence = f"{owner.name} is quarantined: {counted(runs, 'run')} taken out of the count."
    return Effect(owner.name, sentence, None, owner.name)


def ban_owner(desk: Desk, act: acts.BanOwner) -> Effect:
    """End an owner's tokens and recompute the hub as if they had never been here."""
    owner = find_owner(desk.work.session, act.owner)
    others = holds.taken(desk.work.session, but=owner.name)
    runs = _hold_back(desk, owner, "banned", others)
    made = _take_out(desk, owner, others)
    _hear_again(desk)
    gone = f"{counted(runs, 'run')} and {counted(made, 'experiment')}"
    sentence = f"{owner.name} is banned: {gone} taken out."
    return Effect(owner.name, sentence, None, owner.name)


def quarantine_agent(desk: Desk, act: acts.QuarantineAgent) -> Effect:
    """Set one device aside."""
    agent = agents.find(desk.work.session, act.agent)
    desk.not_own(agent.owner)
    if agent.state != "active":
        raise NoChange
    desk.change(agent, state="quarantined")
    theirs = [row for row in _leases(desk.work.session, agent.owner) if row.agent == agent.name]
    _end_leases(desk, theirs, "Its device is quarantined.")
    others = holds.taken(desk.work.session, but=agent.owner)
    runs = _uncount(desk, col(RunRow.agent) == agent.name, others)
    sentence = f"{agent.name} is set aside: {counted(runs, 'run')} taken out of the count."
    return Effect(agent.name, sentence, None, agent.owner)


def restore_agent(desk: Desk, act: acts.RestoreAgent) -> Effect:
    """Let a device work again; what it measured when it was odd stays out."""
    agent = agents.find(desk.work.session, act.agent)
    desk.not_own(agent.owner)
    owner = find_owner(desk.work.session, agent.owner)
    if agent.state == "active" or owner.state != "active":
        raise NoChange
    desk.change(agent, state="active")
    return Effect(agent.name, f"{agent.name} works again.", None, agent.owner)


def restore_owner(desk: Desk, act: acts.RestoreOwner) -> Effect:
    """Put back all that quarantine and ban took; ended tokens and leases stay ended."""
    owner = find_owner(desk.work.session, act.owner)
    desk.not_own(owner.name)
    if owner.state not in ("quarantined", "banned"):
        raise NotHeldBack
    others = holds.taken(desk.work.session, but=owner.name)
    for action in holds.standing(desk.work.session, owner.name):
        lasting = [one for one in action.changes if one["table"] not in ("tokens", "orders")]
        put_back(desk, [holds.lasting(one, others) for one in lasting], strict=False)
    if owner.state in HELD_BACK:
        desk.change(owner, state="active")
    ran = select(RunRow.goal).where(col(RunRow.owner) == owner.name).distinct()
    desk.recounts |= set(desk.work.session.exec(ran))
    sentence = f"{owner.name} is back, and their runs count again."
    return Effect(owner.name, sentence, None, owner.name)


def hold_again(desk: Desk, name: str) -> None:
    """What came while an owner was free goes with them: an undoing holds them back as before."""
    session, owner = desk.work.session, find_owner(desk.work.session, name)
    if owner.state == "pending":
        joined = [agent for agent in _agents(session, name) if agent.state == "active"]
        desk.change_all(joined, state=owner.state)
        _end_leases(desk, _leases(session, name), "Its owner waits for approval.")
    elif owner.state in HELD_BACK:
        others = holds.taken(session, but=name)
        _silence(desk, owner, others)
        if owner.state == "banned":
            _take_out(desk, owner, others)
        _hear_again(desk)


def _hold_back(desk: Desk, owner: OwnerRow, state: str, others: set[holds.Place]) -> int:
    desk.not_own(owner.name)
    if owner.state == state:
        raise NoChange
    desk.change(owner, state=state)
    return _silence(desk, owner, others)


def _silence(desk: Desk, owner: OwnerRow, others: set[holds.Place]) -> int:
    """Nothing of an owner's works or counts; returns how many runs did."""
    session = desk.work.session
    desk.change_all(_agents(session, owner.name), state=owner.state)
    _end_leases(desk, _leases(session, owner.name), f"Its owner is {owner.state}.")
    desk.change_where(ReactionRow, col(ReactionRow.account) == owner.name, counted=False)
    theirs = col(RunRow.owner) == owner.name
    # For their credit, should none of them count.
    desk.recounts |= set(session.exec(select(RunRow.goal).where(theirs).distinct()))
    return _uncount(desk, theirs, others)


def _uncount(desk: Desk, which: sa.ColumnElement[bool], others: set[holds.Place]) -> int:
    """Take runs out of the count; returns how many did count."""
    counting = select(RunRow.goal).where(which, col(RunRow.counted)).distinct()
    desk.recounts |= set(desk.work.session.exec(counting))
    return holds.take(desk, RunRow, which, ("counted", False), others)


def _take_out(desk: Desk, owner: OwnerRow, others: set[holds.Place]) -> int:
    """End an owner's tokens and hide all that they made; returns how many experiments."""
    session = desk.work.session
    names = [agent.name for agent in _agents(session, owner.name)]
    # Of agents by their kind: an operator may be called like one.
    theirs = sa.or_(
        sa.and_(col(TokenRow.subject).in_(names), col(TokenRow.kind).in_(("agent", "verifier"))),
        col(TokenRow.subject) == sessions.OWNERS + owner.name,
    )
    alive = session.exec(select(TokenRow).where(theirs, col(TokenRow.revoked_at).is_(None))).all()
    desk.change_all(alive, revoked_at=desk.work.now)
    made = col(ExperimentRow.owner) == owner.name
    desk.change_where(ExperimentRow, made, hidden=True, forbidden=True)
    count = select(ExperimentRow.goal, sa.func.count()).where(made).group_by(ExperimentRow.goal)
    goals = dict(session.exec(count).all())
    desk.recounts |= goals.keys()
    # Others' runs of these experiments say something of their devices, so they go too.
    ran = col(RunRow.experiment).in_(select(ExperimentRow.sha).where(made))
    _uncount(desk, ran, others)
    holds.take(desk, PostRow, board.of_owner(owner.name), ("hidden", True), others)
    return sum(goals.values())


def _hear_again(desk: Desk) -> None:
    """Count devices again that the hub set aside by itself: what they were held against may go.

    The recount that follows sets those aside again that read oddly without it.
    """
    session, concerned = desk.work.session, set(desk.recounts)
    banned = select(OwnerRow.name).where(col(OwnerRow.state) == "banned")
    gone = select(ExperimentRow.sha).where(col(ExperimentRow.owner).in_(banned))
    for agent in _set_aside_by_the_hub(session):
        silent = sa.and_(
            col(RunRow.agent) == agent.name,
            ~col(RunRow.counted),
            col(RunRow.experiment).not_in(gone),
        )
        in_goals = set(session.exec(select(RunRow.goal).where(silent).distinct()))
        if in_goals & concerned:
            desk.change(agent, state="active")
            desk.change_where(RunRow, silent, counted=True)
            desk.recounts |= in_goals


def _set_aside_by_the_hub(session: Session) -> list[AgentRow]:
    """Quarantined devices of active owners which no operator put there."""
    aside = select(AgentRow).join(OwnerRow, col(OwnerRow.name) == col(AgentRow.owner))
    found = session.exec(
        aside.where(col(AgentRow.state) == "quarantined", col(OwnerRow.state) == "active")
    ).all()
    return [agent for agent in found if _last_decision(session, agent.name) != "agent.quarantine"]


def _last_decision(session: Session, agent: str) -> str | None:
    """The newest decision on a device that was not undone."""
    decided = select(ActionRow).where(
        col(ActionRow.object) == agent,
        col(ActionRow.action).in_(("agent.quarantine", "agent.restore", "action.undo")),
    )
    undone: set[int | None] = set()
    for row in session.exec(decided.order_by(col(ActionRow.seq).desc())):
        if row.seq in undone:
            continue
        if row.undoes is None:
            return row.action
        undone.add(row.undoes)
    return None


def _end_leases(desk: Desk, orders: Sequence[OrderRow], reason: str) -> None:
    """End leases at once; what anybody may do waits for somebody else."""
    for order in orders:
        work.end(desk.work, order, "released", reason)
        if order.kind in (Kind.REPLICATE.value, Kind.ANCHOR.value):
            order.state = "open"


def _agents(session: Session, owner: str) -> Sequence[AgentRow]:
    return session.exec(select(AgentRow).where(col(AgentRow.owner) == owner)).all()


def _leases(session: Session, owner: str) -> Sequence[OrderRow]:
    query = select(OrderRow).where(col(OrderRow.owner) == owner, col(OrderRow.state) == "leased")
    return session.exec(query.with_for_update()).all()
