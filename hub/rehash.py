"""What *tried before?* matches by, derived again from every experiment's code.

A hub that judges code otherwise than the one before it hashes it otherwise: what older hubs filed
would be matched by nothing until it is derived anew.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import goals, prior, rebuild
from hub.db import Work
from hub.gitobjects import Files
from hub.rebuild import Rebuilt
from hub.tables import ExperimentRow, GoalRow

_made = ExperimentRow


def goal(work: Work, slug: str) -> int:
    """Set the keys of a goal's experiments right; returns how many were not."""
    changes = list(_wrong(work.session, slug))
    for sha, keys in changes:
        work.session.execute(sa.update(_made).where(col(_made.sha) == sha).values(asdict(keys)))
    return len(changes)


def _wrong(session: Session, slug: str) -> Iterator[tuple[str, prior.Keys]]:
    spec = goals.spec(session, session.get_one(GoalRow, slug))
    filed = _filed(session, slug)
    for made in rebuild.goal(session, slug):
        if not isinstance(made, Rebuilt):
            continue  # nobody knows its files
        before = _texts(made.parent) if made.parent else None
        keys = prior.keys(spec, before, _texts(made.files))
        if filed[made.expected] != keys:
            yield made.expected, keys


def _filed(session: Session, slug: str) -> dict[Any, prior.Keys]:
    columns = (col(_made.sha), col(_made.canonical), col(_made.effect), col(_made.change))
    rows = session.execute(sa.select(*columns).where(col(_made.goal) == slug))
    return {sha: prior.Keys(*keys) for sha, *keys in rows}


def _texts(files: Files) -> dict[str, str]:
    return {path: file.text for path, file in files.items()}
