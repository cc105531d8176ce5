"""Runs as readers see them: metrics, curve and log."""

import json
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session, col, select

from hub.blobs import Blobs
from hub.errors import NotFound
from hub.tables import RunRow
from protocol.runs import Curve, CurvePoint, Run


def find(session: Session, identity: UUID) -> RunRow:
    """A run by id."""
    row = session.get(RunRow, identity)
    if row is None:
        raise NotFound("There is no such run on this hub.")
    return row


def of(session: Session, sha: str) -> list[RunRow]:
    """An experiment's runs, oldest first."""
    query = select(RunRow).where(col(RunRow.experiment) == sha)
    return list(session.exec(query.order_by(col(RunRow.created_at), col(RunRow.id))).all())


def view(row: RunRow) -> Run:
    """A run as readers see it."""
    return Run.model_validate(row.model_dump())


def curve(blobs: Blobs, row: RunRow, points: int = 2000) -> Curve:
    """The learning curve in at most `points` points: each bucket keeps its lowest and highest."""
    raw = json.loads(blobs.get(row.curve_blob)) if row.curve_blob else []
    every = [CurvePoint(step=step, loss=loss, seconds=seconds) for step, loss, seconds in raw]
    return Curve(run=row.id, points=bucketed(every, points), total=len(every))


def bucketed(points: list[CurvePoint], most: int) -> list[CurvePoint]:
    """Thin a curve by min and max per bucket, the same way every time, ends included."""
    if len(points) <= most:
        return points
    buckets = max(1, (most - 2) // 2)
    inner = points[1:-1]
    kept = [points[0]]
    for index in range(buckets):
        part = inner[index * len(inner) // buckets : (index + 1) * len(inner) // buckets]
        if part:
            low, high = min(part, key=_loss), max(part, key=_loss)
            kept += sorted({low.step: low, high.step: high}.values(), key=lambda point: point.step)
    return [*kept, points[-1]]


def _loss(point: CurvePoint) -> float:
    return point.loss


@dataclass(frozen=True)
class LogPart:
    """Some lines of a log: `first` is the number of the first, counted from 1, of `total`."""

    text: str
    first: int
    total: int


def log_part(blobs: Blobs, row: RunRow, most: int, before: int | None = None) -> LogPart:
    """The last lines of a run's log, or the last of those before a line."""
    text = blobs.get(row.log_blob).decode() if row.log_blob is not None else ""
    lines = text.splitlines()
    end = len(lines) if before is None else min(len(lines), before - 1)
    start = max(0, end - most)
    return LogPart("\n".join(lines[start:end]), start + 1, len(lines))
