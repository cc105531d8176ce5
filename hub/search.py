"""Posts and experiments by their words, newest first, with filters."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlmodel import Session, col, select

from hub import board, experiments, voices
from hub.column_types import UtcDateTime
from hub.errors import HubError, Invalid
from hub.search_index import vector
from hub.search_query import HasKey, Query, composed, condition, parse
from hub.tables import AgentRow, ExperimentRow, GoalRow, PostRow
from protocol.base import in_utc
from protocol.search import Found

MOST_RANKED = 5000
TIERS = ("useful", "plain", "doubtful")


# Table and column names below are constants of this module.
# ruff: noqa: S608


def search(
    session: Session, text: str, now: datetime, cursor: str | None = None, limit: int = 20
) -> Found:
    """Everything that fits, grouped; with a cursor, the next page of that cursor's group.

    Raises:
        BadFilter: with a hint at what to write instead.
    """
    query = parse(text, now)
    group, after = _opened(cursor)
    found: dict[str, Any] = {"query": text, "words": query.words}
    if group in ("", "e"):
        found |= _experiments(session, query, after, limit)
    if group in ("", "p") and query.for_posts:
        found |= _posts(session, query, after, limit)
    if not group:
        found |= _names(session, composed(text).strip(), limit)
        found["hint"] = "" if found["experiments"] else _hint(session, query)
    return Found(**found)


def _experiments(session: Session, query: Query, after: list[str], limit: int) -> dict[str, Any]:
    chosen = _matching(session, query)
    made = ExperimentRow
    key = sa.tuple_(col(made.created_at), col(made.id))
    if after:
        stamp = sa.literal(datetime.fromisoformat(after[0]), UtcDateTime())
        chosen = chosen.where(key < sa.tuple_(stamp, sa.literal(UUID(after[1]), sa.Uuid())))
    newest_first = (col(made.created_at).desc(), col(made.id).desc())
    # By their ids: whole rows of all that a common word finds would be sorted with their patches.
    page = col(made.id).in_(chosen.order_by(*newest_first).limit(limit))
    rows = session.exec(select(made).where(page).order_by(*newest_first)).all()
    last = [rows[-1].created_at.isoformat(), str(rows[-1].id)] if len(rows) == limit else None
    return {
        "experiments": _jump(session, query) or experiments.views(rows),
        "experiments_cursor": _closed("e", last),
    }


def _matching(session: Session, query: Query, without: str = "") -> sa.Select[Any]:
    """The ids of experiments that fit."""
    chosen = sa.select(col(ExperimentRow.id)).where(~col(ExperimentRow.hidden))
    if query.words:
        chosen = chosen.where(_contains(session, "experiments", query))
    for name, value in query.filters.items():
        if name != without:
            chosen = chosen.where(condition(name, value, query))
    return chosen


def _contains(session: Session, table: str, query: Query) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        # By where a row is: to look up the key of each, and the row by that, took five times more.
        index = f"SELECT rowid FROM search_{table} WHERE search_{table} MATCH :words"
        return sa.text(f"{table}.rowid IN ({index})").bindparams(words=_prefixes(query))
    words = " & ".join(f"{word}:*" for word in query.words)
    return sa.text(f"{vector(table)} @@ to_tsquery('simple', :words)").bindparams(words=words)


def newest(session: Session, query: Query, limit: int) -> Any:
    """Condition: the newest experiments whose title or hypothesis holds all words.

    Both databases stop as soon as they have so many, however many there are.
    """
    made = ExperimentRow
    if session.get_bind().dialect.name == "sqlite":
        index = "SELECT key FROM search_experiments WHERE search_experiments MATCH :words"
        rows = sa.text(f"{index} ORDER BY rowid DESC LIMIT :most")
        bound = rows.bindparams(words=_prefixes(query), most=limit)
        return col(made.sha).in_(bound.columns(sa.column("key", sa.String)))
    holds = select(made.sha).where(_contains(session, "experiments", query))
    return col(made.sha).in_(holds.order_by(col(made.created_at).desc()).limit(limit))


def nearest(session: Session, words: Sequence[str], limit: int) -> list[ExperimentRow]:
    """Experiments that share words with a text, those with most and rarest first."""
    made = ExperimentRow
    shown = select(made).where(~col(made.hidden))
    if not words:
        return []
    if session.get_bind().dialect.name == "sqlite":
        index = "SELECT key FROM search_experiments WHERE search_experiments MATCH :words"
        rows = sa.text(f"{index} ORDER BY rank LIMIT :most")
        bound = rows.bindparams(words=" OR ".join(f'"{word}"' for word in words), most=limit)
        chosen = col(made.sha).in_(bound.columns(sa.column("key", sa.String)))
        return list(session.exec(shown.where(chosen)).all())
    # PostgreSQL reads a row to rank it: of very many it ranks the newest.
    asked = {"words": " | ".join(words)}
    matches = sa.text(f"{vector('experiments')} @@ to_tsquery('simple', :words)")
    rank = sa.text(f"ts_rank({vector('experiments')}, to_tsquery('simple', :words)) DESC")
    recent = select(made.sha).where(matches.bindparams(**asked))
    recent = recent.order_by(col(made.created_at).desc()).limit(MOST_RANKED)
    ranked = shown.where(col(made.sha).in_(recent)).order_by(rank.bindparams(**asked))
    return list(session.exec(ranked.limit(limit)).all())


def _prefixes(query: Query) -> str:
    return " ".join(f'"{word}"*' for word in query.words)


def _posts(session: Session, query: Query, after: list[str], limit: int) -> dict[str, Any]:
    """What readers found useful or reproduced comes first, what they doubt last; newest within.

    Three steps and no finer order: many accounts buy no more than a place among the useful.
    """
    tier, before = (int(after[0]), int(after[1])) if after else (0, None)
    chosen = _said(session, query)
    rows: list[PostRow] = []
    while True:
        part = chosen.where(_in_tier(tier))
        if before is not None:
            part = part.where(col(PostRow.seq) < before)
        newest = part.order_by(col(PostRow.seq).desc()).limit(limit - len(rows))
        rows += session.exec(newest).all()
        if len(rows) == limit or tier == len(TIERS) - 1:
            break
        tier, before = tier + 1, None
    last = [str(tier), str(rows[-1].seq)] if len(rows) == limit else None
    return {"posts": board.views(session, rows), "posts_cursor": _closed("p", last)}


def _said(session: Session, query: Query) -> Any:
    chosen = select(PostRow).where(voices.heard(session))
    if query.words:
        chosen = chosen.where(_contains(session, "posts", query))
    if query.since is not None:
        chosen = chosen.where(col(PostRow.created_at) >= query.since)
    for name, column in (("goal", PostRow.goal), ("agent", PostRow.author)):
        if name in query.filters:
            chosen = chosen.where(col(column) == query.filters[name])
    return chosen


def _in_tier(tier: int) -> Any:
    """Few posts have reactions, so each step is a look-up among those."""
    nets = voices.nets()
    judged = {
        "useful": sa.select(nets.c.post).where(nets.c.net > 0),
        "plain": sa.select(nets.c.post).where(nets.c.net != 0),
        "doubtful": sa.select(nets.c.post).where(nets.c.net < 0),
    }[TIERS[tier]]
    among = col(PostRow.id).in_(judged)
    return ~among if TIERS[tier] == "plain" else among


def _jump(session: Session, query: Query) -> list[Any]:
    """A sha or a number within a goal jumps straight to its experiment."""
    if len(query.words) != 1 or set(query.filters) - {"goal"}:
        return []
    word = query.words[0]
    number = f"#{word}" if word.isdecimal() and "goal" in query.filters else ""
    if not number and not (len(word) >= 7 and all(char in "0123456789abcdef" for char in word)):
        return []
    try:
        row = experiments.find(session, number or word, query.filters.get("goal"))
    except HubError:
        return []
    return [experiments.view(row)]


def _names(session: Session, text: str, limit: int) -> dict[str, Any]:
    if not text or ":" in text:
        return {}
    start = text.lower()
    agents = select(AgentRow.name).where(col(AgentRow.name).startswith(start, autoescape=True))
    title = sa.func.lower(col(GoalRow.title)).contains(start, autoescape=True)
    slug = col(GoalRow.slug).startswith(start, autoescape=True)
    goals = select(GoalRow.slug).where(sa.or_(slug, title))
    return {
        "agents": list(session.exec(agents.order_by(col(AgentRow.name)).limit(limit))),
        "goals": list(session.exec(goals.order_by(col(GoalRow.slug)).limit(limit))),
    }


def _hint(session: Session, query: Query) -> str:
    counts = {name: _count(session, query, without=name) for name in query.filters}
    name = max(counts, key=lambda each: counts[each], default="")
    if not name or not counts[name]:
        return "Nothing fits; try fewer or shorter words." if query.words else ""
    many = "1000 or more" if counts[name] >= 1000 else str(counts[name])
    return f"Without `{name}:{query.filters[name]}` there would be {many}."


def _count(session: Session, query: Query, without: str) -> int:
    some = _matching(session, query, without).limit(1000).subquery()
    return int(session.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def _closed(group: str, last: list[str] | None) -> str | None:
    if last is None:
        return None
    return base64.urlsafe_b64encode("|".join([group, *last]).encode()).decode()


def _opened(cursor: str | None) -> tuple[str, list[str]]:
    if cursor is None:
        return "", []
    try:
        group, *last = base64.urlsafe_b64decode(cursor.encode()).decode().split("|")
        if group == "e":
            in_utc(datetime.fromisoformat(last[0]))
            UUID(last[1])
        else:
            _ = TIERS[int(last[0])], int(last[1])
    except (ValueError, IndexError) as error:
        raise Invalid("This cursor is not one that the hub gave.") from error
    return group, last


@compiles(HasKey, "sqlite")
def _has_key_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    patch, path = element.clauses
    quoted = "'$.\"' || replace(" + compiler.process(path, **kw) + ", '\"', '') || '\"'"
    return f"json_type({compiler.process(patch, **kw)}, {quoted}) IS NOT NULL"


@compiles(HasKey, "postgresql")
def _has_key_postgres(element: Any, compiler: Any, **kw: Any) -> str:
    patch, path = element.clauses
    return f"({compiler.process(patch, **kw)} -> {compiler.process(path, **kw)}) IS NOT NULL"
