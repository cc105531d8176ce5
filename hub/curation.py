"""Curation: operators shape goals, the tree and what agents are told."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import board, experiments, goal_files, goals, scheduling
from hub.containment import POLICY
from hub.desk import Desk, Effect, NoChange
from hub.errors import HubError, NotFound
from hub.ops_tables import FlagRow
from hub.scheduling import Wish
from hub.tables import ExperimentRow, GoalRow, NoticeRow, RunRow
from hub.words import counted
from protocol import acts
from protocol.experiments import Operator
from protocol.goals import GoalSpec, GoalState
from protocol.work import Kind


class DirectionFixed(HubError):
    """A goal's name, metric and direction stay as they are; open another goal instead."""

    code, status = "direction_fixed", 409


class FilesMissing(HubError):
    """Every file that the rules name needs a text; the detail lists what is missing."""

    code, status = "files_missing", 422


class NotOneGoal(HubError):
    """Only experiments of one goal can be merged, and not one with itself."""

    code, status = "not_one_goal", 422


class NotHeld(HubError):
    """This experiment is not held back; nothing needs clearing."""

    code, status = "not_held", 409


def create_goal(desk: Desk, act: acts.CreateGoal) -> Effect:
    """Open a goal."""
    _must_be_whole(act.spec, act.files)
    goals.open_goal(desk.work, desk.git, act.spec, act.files, by=desk.by.name)
    sentence = f"Opened {act.spec.name}: {act.spec.title}"
    return Effect(act.spec.name, sentence, act.spec.name, undoable=False)


def edit_goal(desk: Desk, act: acts.EditGoal) -> Effect:
    """Give a goal its next version."""
    goal = goals.find(desk.work.session, act.goal)
    current = goals.spec(desk.work.session, goal)
    same = (act.spec.name, act.spec.metric.name, act.spec.metric.direction)
    if same != (goal.slug, current.metric.name, current.metric.direction):
        raise DirectionFixed
    version = goals.version(desk.work.session, goal.slug, goal.version)
    files = {**version.files, **act.files}
    _must_be_whole(act.spec, files)
    kept = {path: text for path, text in files.items() if path in act.spec.everything}
    if (current, version.files) == (act.spec, kept):
        raise NoChange
    return _next_version(desk, goal, act.spec, kept, act.reason)


def edit_brief(desk: Desk, act: acts.EditBrief) -> Effect:
    """Rewrite the brief and leave the rest."""
    goal = goals.find(desk.work.session, act.goal)
    spec = goals.spec(desk.work.session, goal)
    files = goals.version(desk.work.session, goal.slug, goal.version).files
    if files.get(spec.brief) == act.text:
        raise NoChange
    return _next_version(desk, goal, spec, {**files, spec.brief: act.text}, act.reason)


def _next_version(
    desk: Desk, goal: GoalRow, spec: GoalSpec, files: dict[str, str], reason: str
) -> Effect:
    goals.edit(desk.work, goal, spec, files, by=desk.by.name, reason=reason)
    return Effect(goal.slug, f"Version {goal.version} of {goal.slug}.", goal.slug)


def stands(desk: Desk, slug: str, made: int) -> bool:
    """Whether a goal still is what a version made it, or is so again."""
    goal = goals.find(desk.work.session, slug)
    then, now = (goals.version(desk.work.session, slug, number) for number in (made, goal.version))
    return (then.spec, then.files) == (now.spec, now.files)


def put_version_back(desk: Desk, slug: str, before: int, reason: str) -> Effect:
    """Undo an edit: the version before it becomes the goal's next one."""
    goal = goals.find(desk.work.session, slug)
    old = goals.version(desk.work.session, slug, before)
    spec = GoalSpec.model_validate(old.spec)
    return _next_version(desk, goal, spec, dict(old.files), reason)


def _must_be_whole(spec: GoalSpec, files: dict[str, str]) -> None:
    missing = [path for path in spec.everything if path not in files]
    if missing:
        raise FilesMissing(f"No text for: {', '.join(missing)}.")
    if problems := list(goal_files.wrong_with(spec, files)):
        raise goal_files.GoalInvalid(problems)


def pause_goal(desk: Desk, act: acts.PauseGoal) -> Effect:
    """Hand out no new work."""
    return _set_state(desk, act.goal, GoalState.PAUSED, act.reason)


def resume_goal(desk: Desk, act: acts.ResumeGoal) -> Effect:
    """Hand out work again."""
    return _set_state(desk, act.goal, GoalState.OPEN, act.reason)


def close_goal(desk: Desk, act: acts.CloseGoal) -> Effect:
    """End a goal."""
    return _set_state(desk, act.goal, GoalState.CLOSED, act.reason)


def _set_state(desk: Desk, slug: str, state: GoalState, reason: str) -> Effect:
    goal = goals.find(desk.work.session, slug)
    if goal.state == state.value:
        raise NoChange
    desk.change(goal, state=state.value, state_reason=reason)
    goals.set_state(desk.work, goal, state, reason)
    return Effect(slug, f"{slug} is {state.value}.", slug)


def weigh_goal(desk: Desk, act: acts.WeighGoal) -> Effect:
    """Give a goal its share of the swarm."""
    goal = goals.find(desk.work.session, act.goal)
    _must_change(desk, goal, weight=act.weight)
    return Effect(goal.slug, f"{goal.slug} weighs {act.weight:g}.", goal.slug)


def pin(desk: Desk, act: acts.PinExperiment) -> Effect:
    """Keep an experiment among the parents."""
    word = "unpinned" if act.off else "pinned"
    return _mark(desk, act.experiment, word, favour=not act.off, pinned=not act.off)


def boost(desk: Desk, act: acts.BoostExperiment) -> Effect:
    """Multiply an experiment's chance."""
    favour = act.factor > 1
    return _mark(desk, act.experiment, f"boosted by {act.factor:g}", favour, boost=act.factor)


def freeze(desk: Desk, act: acts.FreezeExperiment) -> Effect:
    """Stop work below an experiment and everything that descends from it."""
    top = experiments.find(desk.work.session, act.experiment)
    desk.not_own(top.owner if act.off else None)
    family = _family(top)
    desk.change_where(ExperimentRow, col(ExperimentRow.sha).in_(family), frozen=not act.off)
    if not desk.changes:
        raise NoChange
    count = sa.select(sa.func.count()).select_from(family.subquery())
    below = desk.work.session.execute(count).scalar_one() - 1
    word = "thawed" if act.off else "frozen"
    return _effect(top, f"{word}, with {counted(below, 'descendant')}")


def forbid(desk: Desk, act: acts.ForbidExperiment) -> Effect:
    """Never choose an experiment as a parent."""
    word = "allowed" if act.off else "forbidden"
    return _mark(desk, act.experiment, word, favour=act.off, forbidden=not act.off)


def clear(desk: Desk, act: acts.ClearExperiment) -> Effect:
    """Let others run and build on what the policy held back."""
    row = experiments.find(desk.work.session, act.experiment)
    desk.not_own(row.owner)
    flags = _policy_flags(desk.work.session, row.sha)
    if not flags:
        raise NotHeld
    desk.change_all(flags, state="dismissed", decided_at=desk.work.now, decided_by=desk.by.name)
    desk.change(row, forbidden=False)
    return _effect(row, "cleared for others")


def _policy_flags(session: Session, sha: str) -> list[FlagRow]:
    query = select(FlagRow).where(
        col(FlagRow.object) == sha, col(FlagRow.by) == POLICY, col(FlagRow.state) == "open"
    )
    return list(session.exec(query).all())


def replicate(desk: Desk, act: acts.ReplicateExperiment) -> Effect:
    """Ask other owners, or its own where one verifies, to run an experiment again."""
    row = experiments.find(desk.work.session, act.experiment)
    goal = goals.find(desk.work.session, row.goal)
    author = row.owner
    if goals.spec(desk.work.session, goal).verification.alone:
        author = None  # whose own repeats are evidence
    desk.not_own(author)
    why = f"The hub's operators ask for #{row.number} to be run again: {act.reason}"
    for _ in range(act.times):
        wish = Wish(Kind.REPLICATE, Operator(row.operator), why, experiment=row.sha)
        order = scheduling.new_order(desk.work.now, goal, wish)
        order.tried_owners = [author] if author else []
        scheduling.put(desk.work, order)
    sentence = f"{counted(act.times, 'replication')} of #{row.number} ordered."
    return Effect(row.sha, sentence, row.goal, row.owner, undoable=False)


def merge(desk: Desk, act: acts.MergeExperiment) -> Effect:
    """Count a duplicate's runs for the experiment that it repeats."""
    row = experiments.find(desk.work.session, act.experiment)
    into = experiments.find(desk.work.session, act.into)
    if row.goal != into.goal or row.sha == into.sha:
        raise NotOneGoal
    desk.not_own(into.owner)
    runs = desk.work.session.exec(select(RunRow).where(col(RunRow.experiment) == row.sha)).all()
    desk.change_all(runs, experiment=into.sha)
    desk.change(row, hidden=True, forbidden=True)
    desk.recounts.add(row.goal)
    return _effect(row, f"merged into #{into.number} with {counted(len(runs), 'run')}")


def feature(desk: Desk, act: acts.FeaturePost) -> Effect:
    """Put a post among the insights."""
    post = board.find(desk.work.session, act.post)
    owner = board.writer_of(desk.work.session, post)
    desk.not_own(None if act.off else owner)
    _must_change(desk, post, featured=not act.off)
    word = "no longer featured" if act.off else "featured"
    return Effect(str(post.id), f"Post by {post.author} {word}.", post.goal, owner)


def write_notice(desk: Desk, act: acts.WriteNotice) -> Effect:
    """Tell agents something with every order."""
    if act.goal is not None:
        goals.find(desk.work.session, act.goal)
    row = NoticeRow(goal=act.goal, text=act.text, by=desk.by.name, created_at=desk.work.now)
    desk.work.session.add(row)
    desk.work.session.flush()
    return Effect(str(row.id), f"Notice {row.id} goes out to agents.", act.goal, undoable=False)


def withdraw_notice(desk: Desk, act: acts.WithdrawNotice) -> Effect:
    """Stop telling a notice."""
    row = desk.work.session.get(NoticeRow, act.notice)
    if row is None:
        raise NotFound("There is no notice with that number; `hub notice list` shows them.")
    if row.withdrawn_at is not None:
        raise NoChange
    desk.change(row, withdrawn_at=desk.work.now)
    return Effect(str(row.id), f"Notice {row.id} is withdrawn.", row.goal)


def _mark(desk: Desk, sha: str, word: str, favour: bool, **values: Any) -> Effect:
    """Set columns of an experiment; nobody does their own a favour."""
    row = experiments.find(desk.work.session, sha)
    desk.not_own(row.owner if favour else None)
    _must_change(desk, row, **values)
    return _effect(row, word)


def _must_change(desk: Desk, row: Any, **values: Any) -> None:
    desk.change(row, **values)
    if not desk.changes:
        raise NoChange


def _effect(row: ExperimentRow, word: str) -> Effect:
    return Effect(row.sha, f"#{row.number} of {row.goal} {word}.", row.goal, row.owner)


def _family(top: ExperimentRow) -> sa.Select[str]:
    """The shas of an experiment and of all that descends from it by first parents."""
    made = sa.inspect(ExperimentRow).local_table
    family = sa.select(made.c.sha).where(made.c.sha == top.sha).cte(recursive=True)
    children = made.c.goal == top.goal, made.c.parent == family.c.sha
    return sa.select(family.union(sa.select(made.c.sha).where(*children)).c.sha)
