"""What the hub believes of each experiment, kept up to date as runs arrive.

Everything here is recomputed from the counted runs alone, so that a purge or a demotion leaves
exactly what a hub would believe that had never seen the runs that are gone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from hub import claims, columns, goals, minds, outcomes, trust, trust_records
from hub.among import among
from hub.belief import Belief
from hub.claims import FORGOTTEN, Told
from hub.db import Work
from hub.minds import Thoughts
from hub.tables import AgentRow, ExperimentRow, GoalRow, RunRow
from hub.trust import Record, Suspicion
from hub.verification import Verdict
from hub.words import counted, number
from protocol.events import Curated
from protocol.goals import GoalSpec

AT_ONCE = 100
"""Goals up to this many experiments are refitted within the report's own transaction."""
MATERIAL = 0.05
"""A score that moved by less than this share of the noise is not written again."""


@dataclass(frozen=True)
class _Change:
    """What a row is to say from now on; one that is `loud` has an event of its own."""

    sha: str
    number: int
    told: Told
    loud: bool


_made = SQLModel.metadata.tables["experiments"]
_UPDATE = (
    sa.update(ExperimentRow)
    .where(col(ExperimentRow.sha) == sa.bindparam("at_sha"))
    .values(
        {name: sa.bindparam(name) for name in Told.__dataclass_fields__}
        | {"changed_seq": sa.bindparam("at_seq")}
    )
)


def is_large(goal: GoalRow) -> bool:
    """Whether its belief is fitted in the background (ADR 0005)."""
    return goal.next_number > AT_ONCE


def refit(work: Work, goal: GoalRow) -> "list[SetAside]":
    """Fit the goal's belief and write exactly what it says; returns the devices set aside."""
    work.session.flush()
    thoughts = minds.think(work.session, goal)
    return write(work, goal, believe(work.session, goal, thoughts), least=0.0)


@dataclass(frozen=True)
class SetAside:
    """A device that the hub itself quarantined, and its runs that count no more.

    It may stand aside already, because of what it read in another goal.
    """

    agent: str
    runs: tuple[UUID, ...]
    before: str = "active"


@dataclass(frozen=True)
class Fitted:
    """A belief and what it says of each measured experiment, by sha."""

    told: dict[str, Told]
    noise_sd: float
    champion: str | None
    suspicions: tuple[Suspicion, ...] = ()
    earned: Mapping[tuple[str, str], Record] = field(default_factory=dict)


def believe(session: Session, goal: GoalRow, thoughts: Thoughts) -> Fitted:
    """What is thought of a goal as its rows should say it; only reads, so it may take its time."""
    crowned = thoughts.champion
    return Fitted(
        told=tell(thoughts, goals.spec(session, goal)),
        noise_sd=thoughts.belief.noise_sd,
        champion=None if crowned is None else thoughts.state.sha(crowned),
        suspicions=tuple(trust.suspicions(thoughts.state.snapshot, thoughts.belief)),
        earned=trust.earned(thoughts.state.snapshot, thoughts.belief),
    )


def tell(thoughts: Thoughts, spec: GoalSpec) -> dict[str, Told]:
    """What every measured experiment's row should say."""
    kept = _stairs(thoughts.belief)
    return {
        thoughts.state.sha(place): _one(
            thoughts.belief, place, thoughts.verdicts[place], place in kept, spec
        )
        for place in range(len(thoughts.belief.n))
        if thoughts.belief.n[place] > 0
    }


def _stairs(believed: Belief) -> set[int]:
    """The experiments that beat everything before them, by what is believed now."""
    kept, best = set(), math.inf
    for place in range(len(believed.n)):
        if believed.n[place] > 0 and believed.loss[place] < best:
            best = float(believed.loss[place])
            kept.add(place)
    return kept


def _one(believed: Belief, place: int, verdict: Verdict, kept: bool, spec: GoalSpec) -> Told:
    score, sd, runs = believed.of(place)
    delta, delta_sd = _finite(believed.delta[place]), _finite(believed.delta_sd[place])
    said = sentence(spec, score, delta, delta_sd, runs)
    return Told(
        score=score,
        score_sd=sd,
        delta=delta,
        delta_sd=delta_sd,
        n_owners=verdict.owners,
        kept=kept,
        standing=verdict.state,
        verdict=f"{said}. {verdict.sentence}"[:300],
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def write(
    work: Work,
    goal: GoalRow,
    fitted: Fitted,
    least: float = MATERIAL,
    as_of: int | None = None,
) -> list[SetAside]:
    """Write the scores, standings and verdicts that changed, and crown the champion.

    A score or spread that moved by less than `least` of the noise is left as it is: on a large
    goal every run moves every score a little. `as_of` is the newest event that a belief fitted
    earlier knew of: what was first measured since keeps its claim until it is fitted. Where
    operators acted since, it may have heard what they took out: what changed since is left as it
    is, and nobody is crowned, trusted or set aside on its word.
    """
    stale = _is_stale(work.session, goal, as_of)
    goal.noise_sd = fitted.noise_sd or None
    work.session.flush()
    near = least * fitted.noise_sd
    _tell(work, goal, list(_changes(work.connection, _rows(goal), fitted, near, as_of, stale)))
    if stale:
        return []
    champion = fitted.champion
    claims.crown(work, goal, champion, fitted.told[champion].score if champion else None)
    trust_records.write(work, goal.slug, fitted.earned)
    if fitted.suspicions and fitted.suspicions[0].z > trust.QUARANTINE:
        return _quarantine(work, goal, fitted.suspicions[0])
    return []


def due(session: Session, goal: GoalRow, fitted: Fitted, as_of: int) -> list[str]:
    """The experiments whose rows are to say something else; others write while they are found."""
    stale, near = _is_stale(session, goal, as_of), MATERIAL * fitted.noise_sd
    changes = _changes(session.connection(), _rows(goal), fitted, near, as_of, stale)
    return [each.sha for each in changes]


def write_some(work: Work, goal: GoalRow, fitted: Fitted, as_of: int, shas: Sequence[str]) -> None:
    """Write what is due of some experiments, ahead of `write`, which does the rest."""
    stale, near = _is_stale(work.session, goal, as_of), MATERIAL * fitted.noise_sd
    rows = _rows(goal).where(among(_made.c.sha, shas))
    _tell(work, goal, list(_changes(work.connection, rows, fitted, near, as_of, stale)))


def _is_stale(session: Session, goal: GoalRow, as_of: int | None) -> bool:
    return as_of is not None and columns.newest_act(session, goal.slug) > as_of


def _tell(work: Work, goal: GoalRow, changes: Sequence[_Change]) -> None:
    """Write rows, and announce those that are loud."""
    loud = [each for each in changes if each.loud]
    if not any(each.event.goal == goal.slug for each in work.announced):
        # Readers ask what came after an event: a change without one would reach nobody.
        loud = loud or list(changes[:1])
    if changes:
        at = {"at_seq": work.next_seq}
        rows = [{"at_sha": each.sha, **vars(each.told), **at} for each in changes]
        work.connection.execute(_UPDATE, rows)
    work.session.expire_all()
    for each in loud:
        claims.announce(work, goal, (each.sha, each.number), each.told)


def _quarantine(work: Work, goal: GoalRow, worst: Suspicion) -> list[SetAside]:
    """Set the oddest device aside, one a pass, and believe again without its readings."""
    agent = work.session.get(AgentRow, worst.device)
    theirs = (col(RunRow.agent) == worst.device, col(RunRow.goal) == goal.slug, col(RunRow.counted))
    measured = work.session.exec(select(RunRow.id, RunRow.experiment).where(*theirs)).all()
    runs = tuple(run for run, _ in measured)
    if agent is None or not runs:
        return []
    before = agent.state
    agent.state = "quarantined" if before == "active" else before
    work.session.execute(sa.update(RunRow).where(*theirs).values(counted=False))
    ran = sa.select(col(RunRow.experiment)).where(*theirs[:2])
    outcomes.derive(work, goal.slug, col(ExperimentRow.sha).in_(ran))
    work.announce(
        Curated(
            goal=goal.slug,
            operator="hub",
            action="agent.quarantine",
            object=agent.name,
            reason=worst.sentence,
        )
    )
    aside = SetAside(agent.name, runs, before)
    if is_large(goal):
        # The event that was just announced has the believer fit it again.
        claims.withdraw(work, goal, {sha for _, sha in measured})
        return [aside]
    return [aside, *refit(work, goal)]


_Said = tuple[str, int, int, str, bool, int, float | None, float | None, float | None]


def _changes(
    connection: sa.Connection,
    rows: sa.Select[*_Said],
    fitted: Fitted,
    least: float,
    as_of: int | None,
    stale: bool,
) -> Iterator[_Change]:
    """The rows that are to say something else, in the order they were made."""
    for sha, count, seq, standing, kept, owners, *numbers in connection.execute(rows):
        new = fitted.told.get(sha, FORGOTTEN)
        unknown = as_of is not None and seq > as_of
        if (unknown and stale) or (new is FORGOTTEN and (numbers[0] is None or unknown)):
            continue
        heard = (standing, kept, owners) != (new.standing, new.kept, new.n_owners)
        if heard or _moved(numbers, [new.score, new.score_sd, new.delta], least):
            yield _Change(sha, count, new, loud=heard or numbers[0] is None)


def _moved(old: Sequence[float | None], new: Sequence[float | None], least: float) -> bool:
    return any(
        (before is None) != (after is None)
        or (before is not None and after is not None and abs(before - after) > least)
        for before, after in zip(old, new, strict=True)
    )


def _rows(goal: GoalRow) -> sa.Select[*_Said]:
    made = _made.c
    numbers = (made.score, made.score_sd, made.delta)
    told = (made.standing, made.kept, made.n_owners, *numbers)
    return (
        sa.select(made.sha, made.number, made.changed_seq, *told)
        .where(made.goal == goal.slug)
        .order_by(made.number)
    )


def sentence(
    spec: GoalSpec, score: float, delta: float | None, delta_sd: float | None, runs: int
) -> str:
    """The verdict in words: value, delta to the parent, and how sure the hub is."""
    told = counted(runs, "run")
    if delta is None:
        return f"{number(score)} ({told})"
    word = "better" if spec.metric.better(delta, 0.0) else "worse"
    spread = f" ± {number(delta_sd)}" if delta_sd else ""
    noise = ", within noise" if delta_sd and abs(delta) < 2 * delta_sd else ""
    return (
        f"{number(score)}, {word} than its parent by {number(abs(delta))}{spread} ({told}{noise})"
    )
