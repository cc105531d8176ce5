"""Whole tables for spreadsheets and notebooks: plain columns, plain rows, nothing that runs."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import agents
from hub import runs as reported
from hub.column_types import UtcDateTime
from hub.tables import AgentRow, ExperimentRow, GoalRow, RunRow

MOST = 10_000
"""Rows of one answer; `after` goes on from there."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_made, _run = ExperimentRow, RunRow
EXPERIMENTS = (
    *("number", "sha", "parent", "second_parent", "title", "operator", "agent", "owner"),
    *("mutator", "model", "status", "failure", "standing", "kept", "metric", "score", "score_sd"),
    *("delta", "delta_sd", "n_runs", "n_owners", "n_children", "depth", "created_at"),
    *("finished_at", "verdict", "hypothesis"),
)
RUNS = (
    *("id", "experiment", "agent", "owner", "kind", "failure", "metric", "seconds", "budget"),
    *("seed", "device_class", "session", "client_version", "late", "counted", "credit"),
    *("started_at", "created_at"),
)
AGENTS = (
    *("name", "owner", "state", "device", "client_version", "created_at", "last_seen_at"),
    *("experiments", "kept", "runs", "replicates", "failures", "credit", "gpu_seconds"),
    "working_on",
)


@dataclass(frozen=True)
class Sheet:
    """Columns by name, and rows in their order."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def csv(self) -> bytes:
        """RFC 4180 with a header line; a cell that a spreadsheet would run is written as text."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([inert(cell) for cell in row] for row in self.rows)
        return out.getvalue().encode()

    def json(self) -> bytes:
        """A list with one object for each row."""
        named = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return orjson.dumps(named, option=orjson.OPT_UTC_Z)


def inert(cell: object) -> object:
    """A cell as a spreadsheet may have it: text that begins like a formula is quoted."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def leaderboard(session: Session, goal: GoalRow, verified_only: bool = False) -> Sheet:
    """A goal's experiments by score, the best first."""
    score = col(_made.score)
    query = _experiments(goal).where(score.is_not(None))
    if verified_only:
        query = query.where(col(_made.standing) == "verified")
    order = score.asc() if goal.direction == "min" else score.desc()
    return _sheet(session, EXPERIMENTS, query.order_by(order, col(_made.number)))


def experiments(session: Session, goal: GoalRow, after: int = -1) -> Sheet:
    """A goal's experiments by number, those after a number."""
    query = _experiments(goal).where(col(_made.number) > after)
    return _sheet(session, EXPERIMENTS, query.order_by(col(_made.number)))


def _experiments(goal: GoalRow) -> sa.Select[Any]:
    columns = [getattr(_made, name) for name in EXPERIMENTS]
    return sa.select(*columns).where(col(_made.goal) == goal.slug, ~col(_made.hidden))


def runs(session: Session, goal: GoalRow, after: UUID | None = None, skip: int = 0) -> Sheet:
    """A goal's runs as they came in, those after a run; runs of hidden experiments are left out."""
    columns = [getattr(_run, name) for name in RUNS]
    query = (
        sa.select(*columns)
        .join(_made, col(_made.sha) == col(_run.experiment))
        .where(col(_run.goal) == goal.slug, ~col(_made.hidden))
        .order_by(col(_run.created_at), col(_run.id))
    )
    if after is not None:
        query = query.where(_come_after(reported.find(session, after)))
    return _sheet(session, RUNS, query.offset(skip))


def _come_after(last: RunRow) -> sa.ColumnElement[bool]:
    """What came in after a run, which may be hidden by now."""
    when, name = sa.literal(last.created_at, UtcDateTime()), sa.literal(last.id, sa.Uuid())
    return sa.tuple_(col(_run.created_at), col(_run.id)) > sa.tuple_(when, name)


def volunteers(session: Session, now: datetime, after: str = "") -> Sheet:
    """Agents by name, those after a name, with what they have done."""
    query = select(AgentRow).where(col(AgentRow.name) > after).order_by(col(AgentRow.name))
    found = agents.views(session, session.exec(query.limit(MOST)).all(), now)
    rows = [each.model_dump(mode="json") | {"device": each.device.name} for each in found]
    return Sheet(AGENTS, [_cells(row, AGENTS) for row in rows])


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    return [row[name] for name in columns]


def _sheet(session: Session, columns: Sequence[str], query: sa.Select[Any]) -> Sheet:
    return Sheet(columns, [tuple(row) for row in session.execute(query.limit(MOST))])
