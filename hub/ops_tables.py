"""Rows of operators' work: who they are, what they did, what waits for them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from hub.column_types import UtcDateTime


class OperatorRow(SQLModel, table=True):
    """A person who curates the hub; `owner` names them as a volunteer, if they are one."""

    __tablename__ = "operators"
    name: str = Field(primary_key=True, max_length=40)
    owner: str | None = Field(default=None, max_length=40)
    email: str | None = Field(default=None, unique=True, max_length=200)
    state: str = Field(default="active", max_length=16)
    created_at: datetime = Field(sa_type=UtcDateTime)


class InviteRow(SQLModel, table=True):
    """An invite's hash; without an owner it admits a new one."""

    __tablename__ = "invites"
    id: str = Field(primary_key=True, max_length=16)
    owner: str | None = Field(default=None, index=True, max_length=40)
    by: str = Field(max_length=60)
    digest: str = Field(max_length=64)
    uses_left: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ActionRow(SQLModel, table=True):
    """A line of the operators' log; triggers refuse to change or delete one.

    `changes` is what undo needs: per table and column, the value before and after and the keys.
    """

    __tablename__ = "actions"
    __table_args__ = (sa.Index("ix_actions_object", "object"),)
    seq: int = Field(
        primary_key=True, sa_type=sa.BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime = Field(sa_type=UtcDateTime)
    operator: str = Field(index=True, max_length=40)
    action: str = Field(max_length=40)
    object: str = Field(max_length=64)
    concerns: str | None = Field(default=None, max_length=40)
    goal: str | None = Field(default=None, max_length=31)
    reason: str = Field(max_length=400)
    sentence: str = Field(max_length=400)
    changes: list[dict[str, Any]] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    undoes: int | None = Field(default=None, unique=True, sa_type=sa.BigInteger)


class FlagRow(SQLModel, table=True):
    """Somebody, or the policy, says that something is wrong; an operator decides."""

    __tablename__ = "flags"
    __table_args__ = (sa.Index("ix_flags_state_created_at", "state", "created_at"),)
    id: UUID = Field(primary_key=True)
    kind: str = Field(max_length=16)
    object: str = Field(index=True, max_length=40)
    concerns: str | None = Field(default=None, max_length=40)
    by: str = Field(max_length=40)
    reason: str = Field(max_length=400)
    state: str = Field(default="open", max_length=16)
    created_at: datetime = Field(sa_type=UtcDateTime)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decided_by: str | None = Field(default=None, max_length=40)


class FindingRow(SQLModel, table=True):
    """One thing that the policy saw in a proposal."""

    __tablename__ = "findings"
    id: int | None = Field(default=None, primary_key=True)
    experiment: str = Field(foreign_key="experiments.sha", index=True, max_length=40)
    rule: str = Field(max_length=40)
    level: str = Field(max_length=8)
    path: str = Field(max_length=200)
    line: int
    detail: str = Field(max_length=200)


class ValueRow(SQLModel, table=True):
    """What holds for the whole hub: who may join, whether posts are taken, the signing key."""

    __tablename__ = "hub_values"
    name: str = Field(primary_key=True, max_length=40)
    value: str = Field(max_length=200)
