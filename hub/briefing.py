"""Reads what the digest of a work order is made of: lineage, siblings, insights."""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from hub import digest, experiments, goals, prior, voices
from hub.digest import Digest, Insight, Line
from hub.experiments import Step
from hub.hot import HotQuery
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
    spec, second = goals.spec(session, goal), order.second_parent
    return digest.compose(
        Digest(
            metric=spec.metric.name,
            direction=goal.direction,
            noise_sd=goal.noise_sd,
            lineage=_lineage(session, order.parent),
            second_lineage=_lineage(session, second) if second else (),
            siblings=_siblings(session, goal, order.parent),
            insights=_insights(session, goal),
        )
    )


def _lineage(session: Session, sha: str) -> list[Line]:
    steps = experiments.lineage(session, sha, ANCESTORS)
    hidden = set(session.scalars(_HIDDEN, {"shas": [each.sha for each in steps]}))
    return [
        replace(_line(each), title=prior.TAKEN_OUT) if each.sha in hidden else _line(each)
        for each in steps
    ]


_made = sa.inspect(ExperimentRow).local_table.c
_HIDDEN = sa.select(_made.sha).where(
    _made.sha.in_(sa.bindparam("shas", expanding=True)), _made.hidden
)


def _siblings(session: Session, goal: GoalRow, parent: str) -> list[Line]:
    """Those being tried now first, then the newest; failed ones say how."""
    return _SIBLINGS.all(session.connection(), goal=goal.slug, parent=parent)


_TOLD = (
    *("number", "title", "status", "operator", "score", "delta", "delta_sd", "n_runs", "failure"),
    "hypothesis",
)
"""The columns that a `Line` is made of, in its order; whole rows hold a patch and a message too."""
_SIBLINGS = HotQuery(
    sa.select(*(_made[name] for name in _TOLD))
    .where(
        _made.goal == sa.bindparam("goal"),
        _made.parent == sa.bindparam("parent"),
        ~_made.hidden,
    )
    .order_by(_made.status != "running", _made.number.desc())
    .limit(SIBLINGS),
    Line,
)


def _insights(session: Session, goal: GoalRow) -> list[Insight]:
    """Featured posts first, then the newest insights of this goal or of none.

    Nobody who is set aside is heard, and nobody fills the page: a flood is its owner's last few.
    """
    rows = _SAID.all(session.connection(), goal=goal.slug)
    aside = set(voices.set_aside(session)) if rows else set()
    said: Counter[str] = Counter()
    found = []
    for row in rows:
        if row.id in aside:
            continue
        operator = row.author_kind == "operator"
        whose = f"operator {row.author}" if operator else row.owner or row.author
        said[whose] += 1
        if row.featured or said[whose] <= EACH:
            found.append(_insight(row))
    return found[:INSIGHTS]


class _Said(NamedTuple):
    """The columns of a post that matter here, and the owner of the agent who wrote it."""

    id: UUID
    author_kind: str
    author: str
    body: str
    references: list[str]
    featured: bool
    owner: str | None


_post, _agent, _owner = (sa.inspect(each).local_table for each in (PostRow, AgentRow, OwnerRow))
_by_agent = (_post.c.author_kind == "agent") & (_agent.c.name == _post.c.author)
_by_human = (_post.c.author_kind == "human") & (_owner.c.name == _post.c.author)
_SAID = HotQuery(
    sa.select(*(_post.c[name] for name in _Said._fields[:-1]), _agent.c.owner)
    .select_from(_post.outerjoin(_agent, _by_agent).outerjoin(_owner, _by_human))
    .where(
        ~_post.c.hidden,
        _post.c.featured | (_post.c.kind == "insight"),
        (_post.c.goal == sa.bindparam("goal")) | _post.c.goal.is_(None),
        (_post.c.author_kind == "operator")
        | (_agent.c.state == "active")
        | (_owner.c.state == "active"),
    )
    .order_by(_post.c.featured.desc(), _post.c.seq.desc())
    .limit(READ),
    _Said,
)


def _insight(row: _Said) -> Insight:
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
