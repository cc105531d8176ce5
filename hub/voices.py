"""What others say of posts: reactions counted, and flags that set a post aside until reviewed.

Nothing that an owner says who is held back counts.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub.ops_tables import FlagRow
from hub.tables import AgentRow, ExperimentRow, OwnerRow, PostRow, ReactionRow
from protocol.board import Reactions

FLAGS = 3
"""So many trusted accounts set a post aside; an operator then decides."""
TRUSTED = 1
"""How much trust an account's flag needs: others bore out what its devices measured."""
WEIGHTS = {"useful": 1, "reproduced": 1, "doubtful": -1}


def tallies(session: Session, posts: Sequence[UUID]) -> dict[UUID, Reactions]:
    """How many accounts said what, by post."""
    query = (
        sa.select(col(ReactionRow.post), col(ReactionRow.kind), sa.func.count())
        .where(col(ReactionRow.post).in_(posts), col(ReactionRow.counted))
        .group_by(col(ReactionRow.post), col(ReactionRow.kind))
    )
    found: dict[UUID, dict[str, int]] = {}
    for post, kind, count in session.execute(query):
        found.setdefault(post, {})[kind] = count
    return {post: Reactions.model_validate(counts) for post, counts in found.items()}


def nets() -> sa.Subquery:
    """By post: how many found it useful or reproduced it, less those who doubt it."""
    weight = sa.case(WEIGHTS, value=col(ReactionRow.kind), else_=0)
    query = sa.select(col(ReactionRow.post), sa.func.sum(weight).label("net"))
    return query.where(col(ReactionRow.counted)).group_by(col(ReactionRow.post)).subquery()


def heard(session: Session) -> Any:
    """Condition: posts that readers see, neither hidden nor set aside by flags.

    Nor the hub's own, which tell titles, of experiments that were hidden.
    """
    seen = sa.and_(col(PostRow.hidden).is_(False), _of_no_hidden)
    aside = set_aside(session)
    return sa.and_(seen, col(PostRow.id).not_in(aside)) if aside else seen


_hidden = sa.select(col(ExperimentRow.sha)).where(col(ExperimentRow.hidden))
_of_no_hidden = sa.or_(col(PostRow.kind) != "result", col(PostRow.experiment).not_in(_hidden))


def set_aside(session: Session) -> list[UUID]:
    """Posts that wait unseen for an operator, because enough trusted accounts flagged them.

    It is so for as long as the flags are open: whoever dismisses them puts the post back.
    """
    raised = session.execute(_OFTEN).all()
    accounts = _trusted(session, {by for _, by in raised})
    against: dict[str, set[str]] = {}
    for post, by in raised:
        if by in accounts:
            against.setdefault(post, set()).add(accounts[by])
    return [UUID(post) for post, whose in against.items() if len(whose) >= FLAGS]


_open = (col(FlagRow.kind) == "post", col(FlagRow.state) == "open")
_flagged = sa.select(col(FlagRow.object)).where(*_open).group_by(col(FlagRow.object))
_OFTEN = sa.select(col(FlagRow.object), col(FlagRow.by)).where(
    *_open, col(FlagRow.object).in_(_flagged.having(sa.func.count() >= FLAGS))
)


def _trusted(session: Session, names: set[str]) -> dict[str, str]:
    """Whose account a name is, of those that are trusted.

    An agent and an owner may be called alike; then both must be, so that nobody borrows trust by
    choosing a name.
    """
    if not names:
        return {}
    rows = session.exec(select(OwnerRow).where(col(OwnerRow.trust) >= TRUSTED)).all()
    trusted = {row.name for row in rows if row.state == "active"}
    query = select(AgentRow.name, AgentRow.owner).where(col(AgentRow.name).in_(names))
    agents = dict(session.exec(query).all())
    known = select(OwnerRow.name).where(col(OwnerRow.name).in_(names))
    owners = set(session.exec(known).all())
    found = {}
    for name in names:
        whose = {agents.get(name), name if name in owners else None} - {None}
        if whose and whose <= trusted:
            found[name] = str(agents.get(name, name))
    return found
