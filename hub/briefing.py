"""Reads what the digest of a work order is made of: lineage, siblings, insights."""

from collections import Counter
from dataclasses import replace

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import digest, experiments, goals, prior, voices
from hub.digest import Digest, Insight, Line
from hub.experiments import Step
from hub.tables import AgentRow, ExperimentRow, GoalRow, OrderRow, OwnerRow, PostRow

ANCESTORS = 12
SIBLINGS = 60
INSIGHTS = 12
EACH = 3
"""Insights of one owner in a digest, besides featured ones."""
READ = 400
"""The newest insights among which those of different owners are looked for."""


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
    steps = experiments.lineage(session, row.sha, ANCESTORS)
    shas = [each.sha for each in steps]
    made = ExperimentRow
    query = select(made.sha).where(col(made.sha).in_(shas), col(made.hidden))
    hidden = set(session.exec(query))
    return [
        replace(_line(each), title=prior.TAKEN_OUT) if each.sha in hidden else _line(each)
        for each in steps
    ]


def _siblings(session: Session, parent: ExperimentRow) -> list[Line]:
    """Those being tried now first, then the newest; failed ones say how."""
    made = _made.c
    query = sa.select(*(made[name] for name in _TOLD)).where(
        made.goal == parent.goal, made.parent == parent.sha, ~made.hidden
    )
    running_first = (made.status != "running", made.number.desc())
    rows = session.execute(query.order_by(*running_first).limit(SIBLINGS))
    return [Line(*row) for row in rows]


_made = sa.inspect(ExperimentRow).local_table
_TOLD = (
    *("number", "title", "status", "operator", "score", "delta", "delta_sd", "n_runs", "failure"),
    "hypothesis",
)
"""The columns that a `Line` is made of, in its order; whole rows hold a patch and a message too."""


def _insights(session: Session, goal: GoalRow) -> list[Insight]:
    """Featured posts first, then the newest insights of this goal or of none.

    Nobody who is set aside is heard, and nobody fills the page: a flood is its owner's last few.
    """
    post = PostRow
    by_agent = (col(post.author_kind) == "agent") & (col(AgentRow.name) == col(post.author))
    by_human = (col(post.author_kind) == "human") & (col(OwnerRow.name) == col(post.author))
    query = (
        select(post, AgentRow.owner)
        .outerjoin(AgentRow, by_agent)
        .outerjoin(OwnerRow, by_human)
        .where(
            voices.heard(session),
            col(post.featured) | (col(post.kind) == "insight"),
            (col(post.goal) == goal.slug) | col(post.goal).is_(None),
            (col(post.author_kind) == "operator")
            | (col(AgentRow.state) == "active")
            | (col(OwnerRow.state) == "active"),
        )
    )
    newest = (col(post.featured).desc(), col(post.seq).desc())
    rows = session.exec(query.order_by(*newest).limit(READ)).all()
    said: Counter[str] = Counter()
    found = []
    for row, owner in rows:
        whose = f"operator {row.author}" if row.author_kind == "operator" else owner or row.author
        said[whose] += 1
        if row.featured or said[whose] <= EACH:
            found.append(_insight(row))
    return found[:INSIGHTS]


def _insight(row: PostRow) -> Insight:
    return Insight(
        author=row.author,
        text=row.body,
        references=tuple(f"#{sha[:7]}" for sha in row.references[:4]),
        featured=row.featured,
    )


def _line(row: Step) -> Line:
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
    )
