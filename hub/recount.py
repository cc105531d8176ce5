"""Recount: what a goal's rows say of results, derived again from the runs that count.

After a purge or a restore the rows are what a hub would hold that saw just these runs: nothing is
subtracted, everything is computed anew. Large goals are believed anew in the background; here what
lost runs is told less at once, so that nothing that was taken out is shown meanwhile (ADR 0006).
"""

from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from hub import claims, outcomes, scores
from hub.among import among
from hub.db import Work
from hub.desk import Desk
from hub.scores import SetAside
from hub.tables import HELD_BACK, ExperimentRow, GoalRow, OwnerRow, RunRow


def after(desk: Desk) -> None:
    """Derive what hangs on the changes made at a desk; what that changes by itself is noted there.

    The hub sets devices aside by itself that read oddly now.
    """
    desk.work.session.flush()
    _credit(desk.work, _keys(desk, "owners"))
    for slug in sorted(desk.recounts):
        row = desk.work.session.get_one(GoalRow, slug)
        if scores.is_large(row):
            _begin(desk, row)
            continue
        for aside in goal(desk.work, slug):
            if aside.before == "active":
                desk.note("agents", "state", ("active", "quarantined"), [aside.agent])
            desk.note("runs", "counted", (True, False), aside.runs)


def goal(work: Work, slug: str) -> list[SetAside]:
    """Derive status, counters, scores and champion of a goal from its counted runs."""
    outcomes.derive(work, slug)
    work.session.flush()
    return scores.refit(work, work.session.get_one(GoalRow, slug))


def _begin(desk: Desk, row: GoalRow) -> None:
    """Derive what changed runs and experiments say, and withdraw what lost runs."""
    work = desk.work
    lost, concerned = _measured(desk, row.slug)
    if touched := lost | concerned | _family(desk, row.slug):
        outcomes.derive(work, row.slug, among(col(ExperimentRow.sha), touched))
    claims.withdraw(work, row, lost)


def _measured(desk: Desk, slug: str) -> tuple[set[str], set[str]]:
    """Experiments of a goal that lost runs at this desk, and those that got some."""
    moved = {one.old for one in desk.changes if (one.table, one.column) == ("runs", "experiment")}
    lost, concerned = set[str](moved), set[str]()
    query = select(RunRow.experiment, RunRow.counted).where(
        col(RunRow.goal) == slug, among(col(RunRow.id), _keys(desk, "runs"))
    )
    for sha, counted in desk.work.session.exec(query):
        (concerned if counted else lost).add(sha)
    return lost, concerned


def _family(desk: Desk, slug: str) -> set[str]:
    """Experiments that changed at this desk, and their parents, who may have a child less."""
    made = ExperimentRow
    query = select(made.sha, made.parent).where(
        col(made.goal) == slug, among(col(made.id), _keys(desk, "experiments"))
    )
    return {sha for pair in desk.work.session.exec(query) for sha in pair if sha is not None}


def _keys(desk: Desk, table: str) -> list[Any]:
    """The rows of a table that changed at a desk."""
    return list({key for one in desk.changes if one.table == table for key in one.keys})


def _credit(work: Work, owners: list[str]) -> None:
    """Honest work is credited whether or not it still counts; held back owners earn nothing."""
    query = (
        sa.select(col(RunRow.owner), sa.func.sum(col(RunRow.credit)))
        .where(col(RunRow.owner).in_(owners))
        .group_by(col(RunRow.owner))
    )
    earned = {str(name): credit for name, credit in work.session.execute(query)}
    for owner in work.session.exec(select(OwnerRow).where(col(OwnerRow.name).in_(owners))):
        owner.credit = 0.0 if owner.state in HELD_BACK else earned.get(owner.name, 0.0)
