"""What a few letters may mean, while somebody types: newest titles first, goals, agents, numbers.

Nothing here reads more rows than it shows: words go through the full-text index from its new end.
"""

import re
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import search
from hub.search_query import Query, words_of
from hub.tables import AgentRow, ExperimentRow, GoalRow
from hub.words import number
from protocol.search import Suggestion, Suggestions

_SHA = re.compile(r"[0-9a-f]{4,40}")
_NUMBER = re.compile(r"#?(\d{1,9})")
KINDS = ("experiment", "agent", "goal")
SHORT = 7
"""Digits of a short sha; one in 27 of those holds no letter and looks like a number."""


def suggest(
    session: Session, text: str, kinds: Sequence[str] = KINDS, limit: int = 8
) -> Suggestions:
    """At most so many things that these letters begin, or that have words beginning with them."""
    wanted = text.strip().lower()
    found: list[Suggestion] = []
    if wanted and "goal" in kinds:
        found += _goals(session, wanted, limit)
    if wanted and "agent" in kinds:
        found += _agents(session, wanted.removeprefix("@"), limit)
    if wanted and "experiment" in kinds:
        found += map(_experiment, _experiments(session, wanted, limit))
    return Suggestions(query=text, suggestions=found[:limit])


def _goals(session: Session, start: str, limit: int) -> Iterator[Suggestion]:
    slug, title = col(GoalRow.slug), sa.func.lower(col(GoalRow.title))
    named = sa.or_(slug.startswith(start, autoescape=True), title.contains(start, autoescape=True))
    for row in session.exec(select(GoalRow).where(named).order_by(slug).limit(limit // 2)):
        yield Suggestion(
            kind="goal", text=row.title, detail=row.slug, path=f"/g/{row.slug}", insert=row.slug
        )


def _agents(session: Session, start: str, limit: int) -> Iterator[Suggestion]:
    name = col(AgentRow.name)
    named = select(AgentRow).where(name.startswith(start, autoescape=True))
    for row in session.exec(named.order_by(name).limit(limit // 2)):
        detail = f"an agent of {row.owner}"
        yield Suggestion(
            kind="agent", text=row.name, detail=detail, path=f"/a/{row.name}", insert=f"@{row.name}"
        )


def _experiment(row: ExperimentRow) -> Suggestion:
    outcome = row.failure or (number(row.score) if row.score is not None else row.status)
    return Suggestion(
        kind="experiment",
        text=row.title,
        detail=f"{row.goal} #{row.number}, {outcome}",
        path=f"/e/{row.sha[:SHORT]}",
        insert=f"#{row.sha[:SHORT]}",
    )


def _experiments(session: Session, text: str, limit: int) -> list[ExperimentRow]:
    shown = select(ExperimentRow).where(~col(ExperimentRow.hidden))
    newest = (col(ExperimentRow.created_at).desc(), col(ExperimentRow.number).desc())
    if (number := _NUMBER.fullmatch(text)) is not None:
        slugs = select(GoalRow.slug)  # by goal and number there is an index, by number alone none
        same = sa.and_(
            col(ExperimentRow.goal).in_(slugs), col(ExperimentRow.number) == int(number[1])
        )
        if found := session.exec(shown.where(same).order_by(*newest).limit(limit)).all():
            return list(found)
        if text.startswith("#") and len(number[1]) < SHORT:
            return []
    name = text.removeprefix("#")
    if _SHA.fullmatch(name):
        begins = col(ExperimentRow.sha).between(name, name + "g")
        if found := session.exec(shown.where(begins).order_by(*newest).limit(limit)).all():
            return list(found)
    words = words_of(name)
    if not words:
        return []
    chosen = search.newest(session, Query(words), 2 * limit)
    return list(session.exec(shown.where(chosen).order_by(*newest).limit(limit)).all())
