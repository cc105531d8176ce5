"""What is said of an experiment: by its row, by events, and by the title that it may hold.

A claim is said when it is reported, less is said when runs are taken out; what is believed of a
goal says the rest (`hub.scores`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from hub.among import among
from hub.db import Work
from hub.experiments import Reported
from hub.hot import Hot
from hub.tables import ExperimentRow, GoalRow
from protocol.events import ChampionChanged, ScoreChanged
from protocol.experiments import Standing

_made = SQLModel.metadata.tables["experiments"]


@dataclass(frozen=True)
class Told:
    """What a row should say."""

    score: float | None
    score_sd: float | None
    delta: float | None
    delta_sd: float | None
    n_owners: int
    kept: bool
    standing: str
    verdict: str


FORGOTTEN = Told(
    score=None,
    score_sd=None,
    delta=None,
    delta_sd=None,
    n_owners=0,
    kept=False,
    standing=Standing.NONE.value,
    verdict="None of its runs counts any more.",
)
LESS = replace(
    FORGOTTEN,
    standing=Standing.CLAIMED.value,
    verdict="Some of its runs count no more; what is left of them is judged in a moment.",
)


def claim(work: Work, made: Reported, metric: float, sd: float | None) -> None:
    """Score an experiment by its first reading until its goal, a large one, is fitted again."""
    event = ScoreChanged(
        goal=made.goal,
        sha=made.sha,
        number=made.number,
        score=metric,
        score_sd=sd,
        standing=Standing.CLAIMED.value,
        kept=False,
    )
    seq = work.announce(event)
    _CLAIM.run(work.connection, at_sha=made.sha, score=metric, score_sd=sd, at_seq=seq)


_CLAIM = Hot(
    sa.update(_made)
    .where(_made.c.sha == sa.bindparam("at_sha"))
    .values(
        score=sa.bindparam("score"),
        score_sd=sa.bindparam("score_sd"),
        standing=Standing.CLAIMED.value,
        changed_seq=sa.bindparam("at_seq"),
    )
)


def withdraw(work: Work, goal: GoalRow, shas: Iterable[str]) -> None:
    """Let experiments that lost runs be claimed by the first reading that is left, or by none.

    Until their goal, a large one, is fitted again, less is said of them than is known and never
    more: the title falls to nobody if its holder lost a run or may not hold it any longer.
    """
    work.session.flush()
    lost = set(shas)
    if lost:
        _tell_less(work, goal, among(_made.c.sha, lost))
    if goal.champion is not None and (goal.champion in lost or _barred(work, goal.champion)):
        crown(work, goal, None, None)


def _tell_less(work: Work, goal: GoalRow, these: sa.ColumnElement[bool]) -> None:
    """Write rows, and announce those that readers see: what was hidden is gone for them anyway."""
    left, made = _made.c.metric.is_not(None), _made.c
    known = sa.or_(left, made.score.is_not(None)), sa.not_(made.hidden)
    query = sa.select(made.sha, made.number, made.metric).order_by(made.number)
    loud = work.connection.execute(query.where(these, *known)).all()
    # Readers ask what came after an event: a change without one would reach nobody.
    loud = loud or work.connection.execute(query.where(these).limit(1)).all()
    words = {
        name: sa.case((left, getattr(LESS, name)), else_=getattr(FORGOTTEN, name))
        for name in ("standing", "verdict")
    }
    numbers = {"score": made.metric, "score_sd": sa.case((left, goal.noise_sd))}
    told = {**vars(FORGOTTEN), **words, **numbers, "changed_seq": work.next_seq}
    work.connection.execute(sa.update(_made).where(these).values(told))
    work.session.expire_all()
    for sha, count, metric in loud:
        announce(work, goal, (sha, count), _less(metric, goal.noise_sd))


def _barred(work: Work, sha: str) -> bool:
    out = sa.or_(_made.c.hidden, _made.c.forbidden)
    return bool(work.connection.execute(sa.select(out).where(_made.c.sha == sha)).scalar())


def _less(metric: float | None, sd: float | None) -> Told:
    return FORGOTTEN if metric is None else replace(LESS, score=metric, score_sd=sd)


def announce(work: Work, goal: GoalRow, which: tuple[str, int], told: Told) -> int:
    """Tell what is said of an experiment, given by its sha and number."""
    sha, count = which
    return work.announce(
        ScoreChanged(
            goal=goal.slug,
            sha=sha,
            number=count,
            score=told.score,
            score_sd=told.score_sd,
            standing=told.standing,
            kept=told.kept,
        )
    )


def crown(work: Work, goal: GoalRow, champion: str | None, score: float | None) -> None:
    """The champion is the best verified experiment, or nobody."""
    if champion == goal.champion:
        return
    goal.champion = champion
    query = select(ExperimentRow.number).where(col(ExperimentRow.sha) == (champion or ""))
    work.announce(
        ChampionChanged(
            goal=goal.slug,
            sha=champion,
            number=work.session.exec(query).first(),
            score=score,
        )
    )
