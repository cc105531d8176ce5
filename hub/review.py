"""The review queue: everything that waits for an operator, with the actions that decide it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub.containment import POLICY
from hub.ops_tables import ActionRow, FindingRow, FlagRow
from hub.tables import AgentRow, ExperimentRow, OwnerRow, PostRow
from protocol.experiments import Standing
from protocol.operators import Finding, Findings, Queue, QueueItem, Waiting

MOST = 200


def queue(session: Session) -> Queue:
    """Flags, held proposals, waiting and quarantined owners, disputes; the oldest first."""
    items = [*_flags(session), *_owners(session), *_devices(session), *_disputes(session)]
    newest = session.execute(sa.select(sa.func.max(col(ActionRow.at)))).scalar()
    return Queue(items=sorted(items, key=_since)[:MOST], last_review_at=newest)


def waiting(session: Session) -> int:
    """How many things wait."""
    return len(queue(session).items)


def _since(item: QueueItem) -> datetime:
    return item.since


def _flags(session: Session) -> list[QueueItem]:
    query = select(FlagRow).where(col(FlagRow.state) == "open")
    rows = session.exec(query.order_by(col(FlagRow.created_at)).limit(MOST)).all()
    named = [row.object for row in rows]
    posts, titles = _posts(session, named), _titles(session, named)
    for name, post in posts.items():
        titles[name] = f"{post.author}: {post.body.splitlines()[0][:120]}"
    return [_flagged(row, titles.get(row.object), posts.get(row.object)) for row in rows]


def _flagged(row: FlagRow, title: str | None, post: PostRow | None) -> QueueItem:
    held = row.by == POLICY
    agree = {"action": "flag.uphold", "flag": str(row.id)}
    return QueueItem(
        waiting=Waiting.HELD if held else Waiting.FLAG,
        key=f"flag:{row.id}",
        kind=row.kind,
        object=row.object,
        channel=post.channel if post else "",
        topic=post.topic if post else "",
        title=title or row.object,
        detail=row.reason,
        by=row.by,
        since=row.created_at,
        approve={"action": "flag.dismiss", "flag": str(row.id)},
        reject=agree,
        hide=agree if row.kind in ("post", "experiment") else None,
    )


def _titles(session: Session, named: list[str]) -> dict[str, str]:
    """What flagged experiments are called."""
    made = select(ExperimentRow.sha, ExperimentRow.goal, ExperimentRow.number, ExperimentRow.title)
    return {
        sha: f"{goal} #{number}: {title}"
        for sha, goal, number, title in session.exec(made.where(col(ExperimentRow.sha).in_(named)))
    }


def _posts(session: Session, named: list[str]) -> dict[str, PostRow]:
    as_text = sa.cast(col(PostRow.id), sa.String)
    found = session.exec(select(PostRow).where(as_text.in_(_ids(named))))
    return {str(post.id): post for post in found}


def _ids(named: list[str]) -> list[str]:
    """UUIDs as PostgreSQL and as SQLite write them."""
    return [*named, *(name.replace("-", "") for name in named)]


def _owners(session: Session) -> list[QueueItem]:
    query = select(OwnerRow).where(col(OwnerRow.state).in_(("pending", "quarantined")))
    return [_owner(row) for row in session.exec(query.limit(MOST))]


def _owner(row: OwnerRow) -> QueueItem:
    pending = row.state == "pending"
    return QueueItem(
        waiting=Waiting.OWNER if pending else Waiting.QUARANTINE,
        key=f"owner:{row.name}",
        kind="owner",
        object=row.name,
        title=f"{row.name} {'wants to join' if pending else 'is quarantined'}",
        since=row.created_at,
        approve=_of("owner.approve" if pending else "owner.restore", owner=row.name),
        reject=_of("owner.ban", owner=row.name),
    )


def _devices(session: Session) -> list[QueueItem]:
    """Devices that were set aside, by an operator or by the hub, while their owners work on."""
    query = (
        select(AgentRow)
        .join(OwnerRow, col(OwnerRow.name) == col(AgentRow.owner))
        .where(col(AgentRow.state) == "quarantined", col(OwnerRow.state) == "active")
    )
    return [
        QueueItem(
            waiting=Waiting.QUARANTINE,
            key=f"agent:{row.name}",
            kind="agent",
            object=row.name,
            title=f"{row.name} of {row.owner} is set aside",
            since=row.last_seen_at or row.created_at,
            approve=_of("agent.restore", agent=row.name),
            reject=_of("owner.quarantine", owner=row.owner),
        )
        for row in session.exec(query.limit(MOST))
    ]


def _disputes(session: Session) -> list[QueueItem]:
    query = select(ExperimentRow).where(
        col(ExperimentRow.standing) == Standing.DISPUTED.value, ~col(ExperimentRow.hidden)
    )
    return [
        QueueItem(
            waiting=Waiting.DISPUTE,
            key=f"experiment:{row.sha}",
            kind="experiment",
            object=row.sha,
            title=f"{row.goal} #{row.number}: {row.title}",
            detail=row.verdict,
            by=row.agent or "",
            since=row.finished_at or row.created_at,
            approve=_of("experiment.replicate", experiment=row.sha),
            reject=_of("experiment.forbid", experiment=row.sha),
            hide=_of("experiment.hide", experiment=row.sha),
        )
        for row in session.exec(query.limit(MOST))
    ]


def _of(action: str, **what: Any) -> dict[str, Any]:
    return {"action": action, **what}


def findings(session: Session, sha: str) -> Findings:
    """What the policy saw in an experiment, and whether that holds it back."""
    rows = session.exec(select(FindingRow).where(col(FindingRow.experiment) == sha)).all()
    held = select(FlagRow.id).where(
        col(FlagRow.object) == sha, col(FlagRow.by) == POLICY, col(FlagRow.state) == "open"
    )
    return Findings(
        experiment=sha,
        held=session.exec(held).first() is not None,
        findings=[Finding.model_validate(row.model_dump()) for row in rows],
    )
