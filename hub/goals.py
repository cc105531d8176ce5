"""Goals: opening them with their baseline, editing them by version, and telling them to readers."""

import functools
from collections.abc import Mapping
from uuid import UUID, uuid5

import orjson
import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col

from hub import gitobjects, goal_files, prior
from hub.db import Work
from hub.errors import HubError, NotFound
from hub.gitstore import GitStore, author_of, commit_object
from hub.hot import Hot
from hub.markdown import render
from hub.tables import ChannelRow, ExperimentRow, GoalRow, GoalVersionRow, OrderRow
from protocol.events import ExperimentRegistered, GoalChanged
from protocol.experiments import Operator, Status
from protocol.goals import Goal, GoalSpec, GoalState

ROOT_IDS = UUID("6f1d6c4e-4d7a-5d0c-9d27-a9e0c0ffee00")


class GoalExists(HubError):
    """A goal by that name is here already; edit it, or choose another name."""

    code, status = "goal_exists", 409


def find(session: Session, slug: str) -> GoalRow:
    """A goal by name."""
    goal = session.get(GoalRow, slug)
    if goal is None:
        raise NotFound(f"There is no goal {slug!r} on this hub; `hub goal list` shows them.")
    return goal


def version(session: Session, slug: str, number: int) -> GoalVersionRow:
    """What a goal was at a version."""
    row = session.get(GoalVersionRow, (slug, number))
    if row is None:
        raise NotFound(f"Goal {slug!r} has no version {number}.")
    return row


def spec(session: Session, goal: GoalRow) -> GoalSpec:
    """The goal's rules as they stand now; the goal's files, which are large, stay unread."""
    session.flush()
    said = _SPEC.value(session.connection(), goal=goal.slug, version=goal.version)
    if said is None:
        raise NotFound(f"Goal {goal.slug!r} has no version {goal.version}.")
    return _understood(said)


def understood(rules: object) -> GoalSpec:
    """What the rules that a goal's version holds mean, as a column's value or as its text."""
    return _understood(rules if isinstance(rules, str) else orjson.dumps(rules))


def rules(connection: sa.Connection, slug: str) -> GoalSpec:
    """The committed rules of a goal by its name: what proposals and reports ask for each time.

    Raises:
        NotFound: there is no such goal.
    """
    said = _RULES.value(connection, goal=slug)
    if said is None:
        raise NotFound(f"There is no goal {slug!r} on this hub; `hub goal list` shows them.")
    return _understood(said)


_kept, _goals = SQLModel.metadata.tables["goal_versions"].c, SQLModel.metadata.tables["goals"].c
_SPEC = Hot(
    sa.select(sa.cast(_kept.spec, sa.Text)).where(
        _kept.goal == sa.bindparam("goal"), _kept.version == sa.bindparam("version")
    )
)
_RULES = Hot(
    sa.select(sa.cast(_kept.spec, sa.Text)).where(
        _goals.slug == sa.bindparam("goal"),
        _kept.goal == _goals.slug,
        _kept.version == _goals.version,
    )
)


@functools.lru_cache(maxsize=256)
def _understood(rules: str | bytes) -> GoalSpec:
    """Every heartbeat asks for the rules, and they hardly ever change."""
    return GoalSpec.model_validate_json(rules)


def open_goal(
    work: Work, git: GitStore, spec: GoalSpec, files: Mapping[str, str], by: str = "operator"
) -> GoalRow:
    """Create a goal, its repository, its channels and its baseline experiment, number 0."""
    if work.session.get(GoalRow, spec.name) is not None:
        raise GoalExists
    goal = GoalRow(
        slug=spec.name,
        title=spec.title,
        direction=spec.metric.direction.value,
        next_number=1,
        created_at=work.now,
    )
    work.session.add(goal)
    work.session.flush()
    _remember(work, goal, spec, files, by, reason="opened")
    _open_channels(work)
    root = _baseline(work, git, spec, files)
    goal.root = root.sha
    work.announce(GoalChanged(goal=goal.slug, state=goal.state, version=1, reason="opened"))
    root.changed_seq = work.announce(
        ExperimentRegistered(
            goal=goal.slug, sha=root.sha, number=0, parent=None, agent=None, title=root.title
        )
    )
    return goal


def edit(
    work: Work, goal: GoalRow, spec: GoalSpec, files: Mapping[str, str], by: str, reason: str
) -> GoalRow:
    """Give a goal new rules or a new brief; agents see them on their next order."""
    goal.version += 1
    goal.title = spec.title
    _remember(work, goal, spec, files, by, reason)
    tell(work, goal, reason)
    return goal


def set_state(work: Work, goal: GoalRow, state: GoalState, reason: str) -> GoalRow:
    """Pause, resume or close a goal; running leases may still finish."""
    goal.state = state.value
    goal.state_reason = reason
    tell(work, goal, reason)
    return goal


# Every visit of a goal's page shows its brief, which changes a few times in its life.
_rendered = functools.lru_cache(maxsize=32)(render)


def view_with_files(session: Session, goal: GoalRow) -> Goal:
    """The same with the text of its files, and its brief as HTML."""
    return view(session, goal, with_files=True)


def view(session: Session, goal: GoalRow, with_files: bool = False) -> Goal:
    """A goal as the hub tells it."""
    current = version(session, goal.slug, goal.version)
    rules = GoalSpec.model_validate(current.spec)
    made = ExperimentRow
    shown = sa.case((~col(made.hidden), col(made.score)))
    count, runs, best = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(col(made.n_runs)), 0),
            (sa.func.min if goal.direction == "min" else sa.func.max)(shown),
        ).where(col(made.goal) == goal.slug)
    ).one()
    busy = sa.select(sa.func.count(sa.distinct(col(OrderRow.agent)))).where(
        col(OrderRow.goal) == goal.slug, col(OrderRow.state) == "leased"
    )
    return Goal(
        name=goal.slug,
        version=goal.version,
        state=GoalState(goal.state),
        reason=goal.state_reason,
        spec=rules,
        files=goal_files.listed(rules, current.files, with_files),
        brief_html=_rendered(current.files.get(rules.brief, "")) if with_files else "",
        baseline=goal.root,
        champion=goal.champion,
        experiments=count,
        runs=runs,
        agents=session.execute(busy).scalar_one(),
        best=best,
        created_at=goal.created_at,
        updated_at=current.created_at,
    )


def _remember(
    work: Work, goal: GoalRow, spec: GoalSpec, files: Mapping[str, str], by: str, reason: str
) -> None:
    work.session.add(
        GoalVersionRow(
            goal=goal.slug,
            version=goal.version,
            spec=spec.model_dump(mode="json"),
            files=dict(files),
            by=by,
            reason=reason,
            created_at=work.now,
        )
    )


def _open_channels(work: Work) -> None:
    for name, description in {
        "results": "What every run gave, posted by the hub.",
        "discussion": "Ideas, questions and findings.",
        "insights": "What the swarm has learned, with references.",
        "ops": "Words of the hub's operators.",
    }.items():
        if work.session.get(ChannelRow, name) is None:
            work.session.add(ChannelRow(name=name, description=description, created_at=work.now))


def _baseline(work: Work, git: GitStore, spec: GoalSpec, files: Mapping[str, str]) -> ExperimentRow:
    git.create(spec.name)
    message = f"Baseline of {spec.name}\n\n{spec.question.strip()}\n"
    grown = gitobjects.grow({}, files)
    commit = commit_object(grown.tree, (), author_of(None, None), message, work.now)
    git.write(spec.name, [*grown.objects, commit])
    row = ExperimentRow(
        id=uuid5(ROOT_IDS, commit.sha),
        sha=commit.sha,
        goal=spec.name,
        number=0,
        title="baseline",
        hypothesis=spec.question.strip(),
        message=message,
        operator=Operator.BASELINE.value,
        patch={"files": dict(files)},
        canonical=prior.keys(spec, None, files).canonical,
        tree=grown.tree,
        created_at=work.now,
        status=Status.RUNNING.value,
        verdict="Waiting for its first run.",
    )
    work.session.add(row)
    work.session.flush()
    return row


def tell(work: Work, goal: GoalRow, reason: str) -> None:
    """Let everybody know what a goal's state and version are now."""
    work.announce(
        GoalChanged(goal=goal.slug, state=goal.state, version=goal.version, reason=reason)
    )
