"""What *tried before?* matches by, derived again from every experiment's code.

A hub that judges code otherwise than the one before it hashes it otherwise: what older hubs filed
would be matched by nothing until it is derived anew.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import counters, goals, prior, rebuild
from hub.db import Work
from hub.gitobjects import Files
from hub.rebuild import Rebuilt
from hub.tables import ExperimentRow, GoalRow

_made = ExperimentRow


def wrong(session: Session, slug: str) -> dict[str, prior.Keys]:
    """What a goal's experiments should be matched by, where they are not; takes its time."""
    spec = goals.spec(session, session.get_one(GoalRow, slug))
    filed, found = _filed(session, slug), dict[str, prior.Keys]()
    for made in rebuild.goal(session, slug):
        if not isinstance(made, Rebuilt):
            continue  # nobody knows its files
        before = _texts(made.parent) if made.parent else None
        keys = prior.keys(spec, before, _texts(made.files))
        if filed[made.expected] != keys:
            found[made.expected] = keys
    return found


def mend(work: Work, slug: str, right: Mapping[str, prior.Keys]) -> None:
    """Set keys right, and let hubs hear of it that run meanwhile."""
    for sha, keys in right.items():
        work.session.execute(sa.update(_made).where(col(_made.sha) == sha).values(asdict(keys)))
    work.announce(counters.mended(slug))


def _filed(session: Session, slug: str) -> dict[Any, prior.Keys]:
    columns = (col(_made.sha), col(_made.canonical), col(_made.effect), col(_made.change))
    rows = session.execute(sa.select(*columns).where(col(_made.goal) == slug))
    return {sha: prior.Keys(*keys) for sha, *keys in rows}


def _texts(files: Files) -> dict[str, str]:
    return {path: file.text for path, file in files.items()}
