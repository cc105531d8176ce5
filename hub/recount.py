"""Recount: what a goal's rows say of results, derived again from the runs that count.

After a purge or a restore the rows are what a hub would hold that saw just these runs: nothing is
subtracted, everything is computed anew.
"""

import sqlalchemy as sa
from sqlmodel import col, select

from hub import outcomes, scores
from hub.db import Work
from hub.scores import SetAside
from hub.tables import HELD_BACK, GoalRow, OwnerRow, RunRow


def goal(work: Work, slug: str) -> list[SetAside]:
    """Derive status, counters, credit, scores and champion of a goal from its counted runs.

    Returns the devices that the hub sets aside by itself, because they read oddly now.
    """
    outcomes.derive(work, slug)
    _credit(work, slug)
    work.session.flush()
    return scores.refit(work, work.session.get_one(GoalRow, slug))


def _credit(work: Work, slug: str) -> None:
    """Honest work is credited whether or not it still counts; held back owners earn nothing."""
    owners = select(RunRow.owner).where(col(RunRow.goal) == slug).distinct()
    names = list(work.session.exec(owners).all())
    query = (
        sa.select(col(RunRow.owner), sa.func.sum(col(RunRow.credit)))
        .where(col(RunRow.owner).in_(names))
        .group_by(col(RunRow.owner))
    )
    earned = {str(name): credit for name, credit in work.session.execute(query)}
    for owner in work.session.exec(select(OwnerRow).where(col(OwnerRow.name).in_(names))):
        owner.credit = 0.0 if owner.state in HELD_BACK else earned.get(owner.name, 0.0)
