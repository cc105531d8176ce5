"""Rows: the hub's truth. Wire models live in `protocol/`; nothing here validates."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from hub.column_types import UtcDateTime, index_marked, index_where, json_column, shas_column

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


HELD_BACK = ("quarantined", "banned")
"""An owner's states in which they earn nothing and nobody hears them."""


def blank(row: type[SQLModel]) -> dict[str, Any]:
    """The columns of a new row that nobody need say anything of, for an insert past the session."""
    fields = row.model_fields.items()
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in fields
        if not field.is_required()
    }


class OwnerRow(SQLModel, table=True):
    """A person who volunteers."""

    __tablename__ = "owners"
    name: str = Field(primary_key=True, max_length=40)
    state: str = Field(default="active", max_length=16)
    trust: int = 0
    credit: float = 0.0
    look: str = Field(default="", index=True, max_length=40)
    invited_by: str | None = Field(default=None, max_length=60)
    per_minute: int | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)


class AgentRow(SQLModel, table=True):
    """One running client of an owner."""

    __tablename__ = "agents"
    name: str = Field(primary_key=True, max_length=40)
    owner: str = Field(foreign_key="owners.name", index=True, max_length=40)
    state: str = Field(default="active", max_length=16)
    device: dict[str, Any] = Field(sa_column=json_column())
    device_class: str = Field(max_length=200)
    client_version: str = Field(default="", max_length=40)
    wish: str = Field(default="", max_length=8)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class TokenRow(SQLModel, table=True):
    """A token's hash; the token itself is shown once and never stored."""

    __tablename__ = "tokens"
    id: str = Field(primary_key=True, max_length=16)
    kind: str = Field(max_length=16)
    subject: str = Field(index=True, max_length=40)
    digest: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class GoalRow(SQLModel, table=True):
    """A research question that operators curate."""

    __tablename__ = "goals"
    slug: str = Field(primary_key=True, max_length=31)
    title: str = Field(max_length=200)
    state: str = Field(default="open", max_length=16)
    state_reason: str = Field(default="", max_length=400)
    version: int = 1
    direction: str = Field(max_length=3)
    weight: float = 1.0
    policy: str = Field(default="", max_length=40)
    next_number: int = 0
    root: str | None = Field(default=None, max_length=40)
    champion: str | None = Field(default=None, max_length=40)
    noise_sd: float | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)


class GoalVersionRow(SQLModel, table=True):
    """What a goal was at a version: its rules and files, kept for ever."""

    __tablename__ = "goal_versions"
    goal: str = Field(primary_key=True, foreign_key="goals.slug", max_length=31)
    version: int = Field(primary_key=True)
    spec: dict[str, Any] = Field(sa_column=json_column())
    files: dict[str, str] = Field(sa_column=json_column())
    by: str = Field(default="", max_length=40)
    reason: str = Field(default="", max_length=400)
    created_at: datetime = Field(sa_type=UtcDateTime)


class ExperimentRow(SQLModel, table=True):
    """A node of a goal's tree, with everything its commit is made of.

    `patch` is the line delta against the first parent (the root holds whole files), so that the
    commit can be rebuilt bit for bit from the rows alone.
    """

    __tablename__ = "experiments"
    __table_args__ = (
        sa.UniqueConstraint("goal", "number"),
        sa.Index("ix_experiments_goal_parent", "goal", "parent", "number"),
        sa.Index("ix_experiments_goal_changed_seq", "goal", "changed_seq"),
        sa.Index("ix_experiments_goal_score", "goal", "score"),
        index_marked("hidden", "ix_experiments_hidden", "sha"),
        index_marked("kept", "ix_experiments_kept", "goal", "number"),
        index_where(
            "second_parent IS NOT NULL",
            *("ix_experiments_goal_second_parent", "goal", "second_parent", "number"),
        ),
    )
    id: UUID = Field(primary_key=True)
    sha: str = Field(unique=True, max_length=40)
    goal: str = Field(foreign_key="goals.slug", max_length=31)
    goal_version: int = 1
    number: int
    parent: str | None = Field(default=None, max_length=40)
    parent_number: int | None = None
    second_parent: str | None = Field(default=None, max_length=40)
    brought: list[str] = Field(default_factory=list, sa_column=shas_column())
    depth: int = 0
    title: str = Field(max_length=200)
    hypothesis: str = ""
    message: str
    operator: str = Field(max_length=16)
    agent: str | None = Field(default=None, index=True, max_length=40)
    owner: str | None = Field(default=None, index=True, max_length=40)
    mutator: str = Field(default="", max_length=80)
    model: str = Field(default="", max_length=80)
    expected_delta: float | None = None
    tokens_used: int = 0
    dollars: float = 0.0
    lease: UUID | None = Field(default=None, index=True)
    body_digest: str = Field(default="", max_length=64)
    patch: dict[str, Any] = Field(sa_column=json_column())
    tree: str = Field(max_length=40)
    canonical: str = Field(default="", index=True, max_length=64)
    effect: str = Field(default="", index=True, max_length=64)
    change: str = Field(
        default="", index=True, max_length=64, sa_column_kwargs={"server_default": ""}
    )
    lines_added: int = 0
    lines_removed: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    status: str = Field(max_length=16)
    failure: str | None = Field(default=None, max_length=16)
    standing: str = Field(default="none", max_length=16)
    verdict: str = Field(default="", max_length=300)
    metric: float | None = None
    score: float | None = None
    score_sd: float | None = None
    delta: float | None = None
    delta_sd: float | None = None
    n_runs: int = 0
    n_owners: int = 0
    n_children: int = 0
    kept: bool = False
    pinned: bool = False
    boost: float = 1.0
    frozen: bool = False
    forbidden: bool = False
    hidden: bool = False
    changed_seq: int = 0


class OrderRow(SQLModel, table=True):
    """A work order and its lease: who holds it, until when, at which fencing epoch."""

    __tablename__ = "orders"
    __table_args__ = (
        sa.Index("ix_orders_state_deadline", "state", "deadline"),
        sa.Index("ix_orders_agent_state", "agent", "state"),
        sa.Index("ix_orders_goal_state", "goal", "state"),
        sa.Index("ix_orders_agent_claimed_at", "agent", "claimed_at"),
        index_where("kind = 'merge' AND experiment IS NULL", "ix_orders_unmerged", "goal"),
        index_where("state = 'leased'", "ix_orders_leased", "goal"),
    )
    id: UUID = Field(primary_key=True)
    goal: str = Field(foreign_key="goals.slug", max_length=31)
    kind: str = Field(max_length=16)
    state: str = Field(max_length=16)
    operator: str = Field(max_length=16)
    parent: str | None = Field(default=None, max_length=40)
    second_parent: str | None = Field(default=None, max_length=40)
    brought: list[str] = Field(default_factory=list, sa_column=shas_column())
    experiment: str | None = Field(default=None, index=True, max_length=40)
    why: str = Field(default="", max_length=600)
    seed: int = Field(sa_type=sa.BigInteger)
    nonce: str = Field(max_length=64)
    epoch: int = 0
    tries: int = 0
    holders: dict[str, str] = Field(sa_column=json_column())
    tried_owners: list[str] = Field(sa_column=json_column())
    reasons: list[str] = Field(sa_column=json_column())
    refused: int = 0
    agent: str | None = Field(default=None, max_length=40)
    owner: str | None = Field(default=None, max_length=40)
    phase: str = Field(default="", max_length=40)
    fraction: float = 0.0
    step: int = 0
    loss: float | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    claimed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    renewed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    deadline: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RunRow(SQLModel, table=True):
    """One training of one experiment, as it was reported; never overwritten."""

    __tablename__ = "runs"
    __table_args__ = (
        sa.Index("ix_runs_goal_created_at", "goal", "created_at"),
        sa.Index("ix_runs_owner_created_at", "owner", "created_at"),
    )
    id: UUID = Field(primary_key=True)
    experiment: str = Field(foreign_key="experiments.sha", index=True, max_length=40)
    goal: str = Field(foreign_key="goals.slug", max_length=31)
    agent: str = Field(index=True, max_length=40)
    owner: str = Field(max_length=40)
    lease: UUID = Field(index=True)
    epoch: int
    kind: str = Field(max_length=16)
    failure: str | None = Field(default=None, max_length=16)
    failure_detail: str = Field(default="", max_length=500)
    metric: float | None = None
    metrics: dict[str, float] = Field(sa_column=json_column())
    evaluation: dict[str, Any] | None = Field(default=None, sa_column=sa.Column(sa.JSON))
    seed: int = Field(sa_type=sa.BigInteger)
    budget: str = Field(max_length=40)
    seconds: float
    device: dict[str, Any] = Field(sa_column=json_column())
    device_class: str = Field(max_length=200)
    session: str = Field(default="", max_length=64)
    client_version: str = Field(default="", max_length=40)
    body_digest: str = Field(max_length=64)
    late: bool = False
    counted: bool = True
    credit: float = 0.0
    log_blob: str | None = Field(default=None, max_length=64)
    log_bytes: int = 0
    curve_blob: str | None = Field(default=None, max_length=64)
    curve_points: int = 0
    started_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)


class TrustRow(SQLModel, table=True):
    """How often in a row others bore out an owner's readings on a device class, in one goal."""

    __tablename__ = "trust"
    goal: str = Field(primary_key=True, foreign_key="goals.slug", max_length=31)
    owner: str = Field(primary_key=True, index=True, max_length=40)
    device_class: str = Field(primary_key=True, max_length=200)
    valid: int = 0
    broken: bool = False


class ChannelRow(SQLModel, table=True):
    """A channel of the message board."""

    __tablename__ = "channels"
    name: str = Field(primary_key=True, max_length=31)
    description: str = Field(default="", max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)


class PostRow(SQLModel, table=True):
    """A post; rendered once, when written."""

    __tablename__ = "posts"
    __table_args__ = (
        sa.Index("ix_posts_channel_topic_seq", "channel", "topic", "seq"),
        sa.Index("ix_posts_channel_seq", "channel", "seq"),
    )
    seq: int | None = Field(default=None, primary_key=True)
    id: UUID = Field(unique=True)
    channel: str = Field(foreign_key="channels.name", max_length=31)
    topic: str = Field(max_length=200)
    parent: UUID | None = Field(default=None, index=True)
    author: str = Field(index=True, max_length=40)
    author_kind: str = Field(max_length=16)
    kind: str = Field(default="note", max_length=16)
    body: str
    html: str
    goal: str | None = Field(default=None, max_length=31)
    experiment: str | None = Field(default=None, index=True, max_length=40)
    references: list[str] = Field(sa_column=json_column())
    body_digest: str = Field(default="", max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    hidden: bool = False
    featured: bool = False


class ReactionRow(SQLModel, table=True):
    """What an account says of a post; one each, and none counts whose owner is held back."""

    __tablename__ = "reactions"
    __table_args__ = (sa.UniqueConstraint("post", "account"),)
    id: int | None = Field(default=None, primary_key=True)
    post: UUID = Field(foreign_key="posts.id", index=True)
    account: str = Field(index=True, max_length=60)
    kind: str = Field(max_length=16)
    counted: bool = True
    created_at: datetime = Field(sa_type=UtcDateTime)


class WaitingBlobRow(SQLModel, table=True):
    """A log or curve that came with a run, on its way to the folder or bucket (ADR 0028)."""

    __tablename__ = "waiting_blobs"
    digest: str = Field(primary_key=True, max_length=64)
    packed: bytes


class EventRow(SQLModel, table=True):
    """One event, written in the transaction that it speaks of."""

    __tablename__ = "events"
    __table_args__ = (
        sa.Index("ix_events_goal_seq", "goal", "seq"),
        sa.Index("ix_events_type_goal_seq", "type", "goal", "seq"),
    )
    seq: int = Field(
        primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime = Field(sa_type=UtcDateTime)
    type: str = Field(max_length=40)
    goal: str | None = Field(default=None, max_length=31)
    body: dict[str, Any] = Field(sa_column=json_column())


class NoticeRow(SQLModel, table=True):
    """An operator's words to agents."""

    __tablename__ = "notices"
    id: int | None = Field(default=None, primary_key=True)
    goal: str | None = Field(default=None, index=True, max_length=31)
    text: str
    by: str = Field(max_length=40)
    created_at: datetime = Field(sa_type=UtcDateTime)
    withdrawn_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
