"""Reads what the digest of a work order is made of: lineage, siblings, insights."""

from sqlmodel import Session, col, select

from hub import digest, experiments, goals
from hub.digest import Digest, Insight, Line
from hub.experiments import Step
from hub.tables import ExperimentRow, GoalRow, OrderRow, PostRow

ANCESTORS = 12
SIBLINGS = 60
INSIGHTS = 12


def brief(session: Session, goal: GoalRow, order: OrderRow) -> str:
    """The digest of an order; empty for a run of an experiment as it is."""
    if order.parent is None:
        return ""
    parent = experiments.find(session, order.parent)
    spec = goals.spec(session, goal)
    second = experiments.find(session, order.second_parent) if order.second_parent else None
    return digest.compose(
        Digest(
            metric=spec.metric.name,
            direction=goal.direction,
            noise_sd=goal.noise_sd,
            lineage=_lineage(session, parent),
            second_lineage=_lineage(session, second) if second else (),
            siblings=_siblings(session, parent),
            insights=_insights(session, goal),
        )
    )


def _lineage(session: Session, row: ExperimentRow) -> list[Line]:
    return [_line(each) for each in experiments.lineage(session, row, ANCESTORS)]


def _siblings(session: Session, parent: ExperimentRow) -> list[Line]:
    """Those being tried now first, then the newest; failed ones say how."""
    query = select(ExperimentRow).where(
        col(ExperimentRow.goal) == parent.goal, col(ExperimentRow.parent) == parent.sha
    )
    running_first = (col(ExperimentRow.status) != "running", col(ExperimentRow.number).desc())
    rows = session.exec(query.order_by(*running_first).limit(SIBLINGS)).all()
    return [_line(row, why=row.hypothesis) for row in rows]


def _insights(session: Session, goal: GoalRow) -> list[Insight]:
    """Featured posts first, then the newest insights of this goal or of none."""
    query = select(PostRow).where(
        col(PostRow.hidden).is_(False),
        col(PostRow.featured) | (col(PostRow.kind) == "insight"),
        (col(PostRow.goal) == goal.slug) | col(PostRow.goal).is_(None),
    )
    newest = (col(PostRow.featured).desc(), col(PostRow.seq).desc())
    rows = session.exec(query.order_by(*newest).limit(INSIGHTS)).all()
    return [
        Insight(
            author=row.author,
            text=row.body,
            references=tuple(f"#{sha[:7]}" for sha in row.references[:4]),
            featured=row.featured,
        )
        for row in rows
    ]


def _line(row: ExperimentRow | Step, why: str = "") -> Line:
    return Line(
        number=row.number,
        title=row.title,
        status=row.status,
        operator=row.operator,
        score=row.score,
        delta=row.delta,
        delta_sd=row.delta_sd,
        n=row.n_runs,
        failure=row.failure,
        why=why,
    )
