"""What operators do: one way in for every action, which is logged, previewed and undone alike."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import curation, goals, holds, moderation, people, plan, recount
from hub.among import among
from hub.desk import TABLES, ChangedSince, Desk, Effect, put_back
from hub.errors import HubError, NotFound
from hub.minds import Mind
from hub.ops_tables import ActionRow
from hub.tables import ExperimentRow, GoalRow
from hub.words import counted
from protocol import acts
from protocol.events import Curated
from protocol.operators import Acted, ActionEntry, Change, Planned, Preview

Rule = Callable[[Desk, Any], Effect]
MOST_CHANGES = 20


class NotUndoable(HubError):
    """This action cannot be undone; its log line says what was done."""

    code, status = "not_undoable", 409


class AlreadyUndone(HubError):
    """This action was undone before."""

    code, status = "already_undone", 409


def act(desk: Desk, said: acts.Act) -> Acted:
    """Do it, recompute what hangs on it, and write down who did what to what, and why."""
    effect = perform(desk, said)
    seq = _log(desk, said, effect)
    return Acted(
        seq=seq,
        action=said.action,
        object=effect.object,
        sentence=effect.sentence,
        secret=effect.secret,
        undoable=_undoable(said.action, effect.undoable and bool(desk.changes)),
    )


def _undoable(action: str, changed: bool) -> bool:
    return changed or action in ("goal.edit", "goal.brief")


def perform(desk: Desk, said: acts.Act) -> Effect:
    """The rule of an action, and the recounts that it asks for."""
    effect = RULES[type(said)](desk, said)
    recount.after(desk)
    return effect


def preview(desk: Desk, said: acts.Act, mind: Mind) -> Preview:
    """What an action would do; the caller takes the transaction back, and foresaw what it can."""
    champions = _champions(desk.work.session)
    before = plan.next_orders(desk.work, desk.settings, mind.copy())
    done = act(desk, said)
    desk.work.session.flush()
    crowned = _crowned(desk.work.session, champions)
    cascade = desk.counts() | ({"champions": len(crowned)} if crowned else {})
    cascade_changes = [*crowned, *_in_words(desk)][:MOST_CHANGES]
    after = plan.next_orders(desk.work, desk.settings, mind)
    return Preview(
        sentence=done.sentence,
        cascade=cascade,
        changes=cascade_changes,
        orders_before=before,
        orders_after=after,
    )


def next_orders(desk: Desk, mind: Mind) -> list[Planned]:
    """The next ten work orders as things stand."""
    return plan.next_orders(desk.work, desk.settings, mind)


def _log(desk: Desk, said: acts.Act, effect: Effect) -> int:
    seq = desk.work.announce(
        Curated(
            goal=effect.goal,
            operator=desk.by.name,
            action=said.action,
            object=effect.object,
            reason=said.reason,
        )
    )
    desk.work.session.add(
        ActionRow(
            seq=seq,
            at=desk.work.now,
            operator=desk.by.name,
            action=said.action,
            object=effect.object,
            concerns=effect.concerns,
            goal=effect.goal,
            reason=said.reason,
            sentence=effect.sentence[:400],
            changes=desk.packed() if effect.undoable else [],
            undoes=said.seq if isinstance(said, acts.Undo) else None,
        )
    )
    _show_changes(desk, seq)
    return seq


def _show_changes(desk: Desk, seq: int) -> None:
    """Readers of the tree's deltas see the experiments that changed."""
    ids = {key for one in desk.changes if one.table == "experiments" for key in one.keys}
    if ids:
        change = sa.update(ExperimentRow).where(among(col(ExperimentRow.id), ids))
        unread = {"synchronize_session": False}
        desk.work.session.execute(change.values(changed_seq=seq), execution_options=unread)


def undo(desk: Desk, said: acts.Undo) -> Effect:
    """Put back what an action changed."""
    row = desk.work.session.get(ActionRow, said.seq)
    if row is None:
        raise NotFound("There is no action with that number; the log lists them.")
    desk.not_own(row.concerns)
    if _undone_by(desk.work.session, [row.seq]):
        raise AlreadyUndone
    if row.action in ("goal.edit", "goal.brief"):
        return _undo_edit(desk, row, said.reason)
    if row.action in holds.HOLDING_BACK:
        whom = acts.RestoreOwner(owner=row.object, reason=said.reason)
        return moderation.restore_owner(desk, whom)
    if not row.changes:
        raise NotUndoable
    holds.must_be_last(desk.work.session, row)
    for change in holds.coming_back(desk.work.session, row):
        put_back(desk, [change], strict=not holds.heard_again(row, change))
    _follow(desk, row.changes, said.reason)
    return Effect(row.object, f"Undone: {row.sentence}"[:400], row.goal, row.concerns)


def _follow(desk: Desk, changes: Iterable[dict[str, Any]], reason: str) -> None:
    """What goes with a state that was put back."""
    for change in changes:
        match change["table"], change["column"]:
            case "goals", "state":
                goals.tell(desk.work, goals.find(desk.work.session, change["keys"][0]), reason)
            case "owners", "state":
                moderation.hold_again(desk, change["keys"][0])


def _undo_edit(desk: Desk, row: ActionRow, reason: str) -> Effect:
    made = int(row.sentence.split()[1])
    if not curation.stands(desk, row.object, made):
        raise ChangedSince
    return curation.put_version_back(desk, row.object, made - 1, reason)


def _undone_by(session: Session, seqs: list[int]) -> dict[int, int]:
    query = select(ActionRow.undoes, ActionRow.seq).where(col(ActionRow.undoes).in_(seqs))
    return {undone: seq for undone, seq in session.exec(query) if undone is not None}


@dataclass(frozen=True)
class Asked:
    """Which lines of the log somebody wants."""

    operator: str | None = None
    action: str | None = None
    about: str | None = None
    goal: str | None = None


def log(
    session: Session, asked: Asked = Asked(), before: int | None = None, limit: int = 100
) -> list[ActionEntry]:
    """The log, the newest first."""
    query = select(ActionRow)
    wanted = {
        ActionRow.operator: asked.operator,
        ActionRow.action: asked.action,
        ActionRow.object: asked.about,
        ActionRow.goal: asked.goal,
    }
    for column, value in wanted.items():
        if value is not None:
            query = query.where(col(column) == value)
    if before is not None:
        query = query.where(col(ActionRow.seq) < before)
    rows = session.exec(query.order_by(col(ActionRow.seq).desc()).limit(limit)).all()
    undone = _undone_by(session, [row.seq for row in rows])
    return [_entry(row, undone.get(row.seq)) for row in rows]


def _entry(row: ActionRow, undone_by: int | None) -> ActionEntry:
    return ActionEntry(
        **row.model_dump(include={"seq", "at", "operator", "action", "object", "goal", "reason"}),
        sentence=row.sentence,
        undoable=undone_by is None and _undoable(row.action, bool(row.changes)),
        undone_by=undone_by,
    )


def _champions(session: Session) -> dict[str, str | None]:
    return dict(session.exec(select(GoalRow.slug, GoalRow.champion)).all())


def _crowned(session: Session, before: dict[str, str | None]) -> list[Change]:
    after = _champions(session)
    numbers = _numbers(session, [*before.values(), *after.values()])
    return [
        Change(
            what=f"champion of {goal}",
            before=numbers.get(before.get(goal), "none"),
            after=numbers.get(champion, "none"),
        )
        for goal, champion in sorted(after.items())
        if champion != before.get(goal)
    ]


def _numbers(session: Session, shas: list[str | None]) -> dict[str | None, str]:
    query = select(ExperimentRow.sha, ExperimentRow.number).where(col(ExperimentRow.sha).in_(shas))
    return {sha: f"#{number}" for sha, number in session.exec(query)}


def _in_words(desk: Desk) -> list[Change]:
    return [
        Change(
            what=_what(desk.work.session, one),
            before=_told(one["column"], one["old"]),
            after=_told(one["column"], one["new"]),
        )
        for one in desk.packed()[:MOST_CHANGES]
    ]


def _what(session: Session, change: dict[str, Any]) -> str:
    """`3 runs counted`, `experiment #7 hidden`, `state of goal toy`."""
    column, whom = change["column"], _whom(session, change["table"], change["keys"])
    if column.endswith("_at") or isinstance(change["new"], bool):
        return f"{whom} {column.removesuffix('_at')}"
    return f"{column.replace('_', ' ')} of {whom}"


def _whom(session: Session, table: str, keys: list[str]) -> str:
    noun = TABLES[table].__name__.removesuffix("Row").lower()
    if len(keys) > 1:
        return counted(len(keys), noun)
    found = session.get(ExperimentRow, UUID(keys[0])) if table == "experiments" else None
    return f"{noun} #{found.number}" if found else f"{noun} {keys[0]}"


def _told(column: str, value: Any) -> str:
    """What stood there, as people say it: `yes`, `no`, `none`, or the value itself."""
    if column.endswith("_at") or isinstance(value, bool):
        said = "yes" if value else "no"
        return f"{value[:16].replace('T', ' ')} UTC" if isinstance(value, str) else said
    return "none" if value in (None, "") else str(value)


RULES: dict[type[acts.Act], Rule] = {
    acts.CreateGoal: curation.create_goal,
    acts.EditGoal: curation.edit_goal,
    acts.EditBrief: curation.edit_brief,
    acts.PauseGoal: curation.pause_goal,
    acts.ResumeGoal: curation.resume_goal,
    acts.CloseGoal: curation.close_goal,
    acts.WeighGoal: curation.weigh_goal,
    acts.PinExperiment: curation.pin,
    acts.BoostExperiment: curation.boost,
    acts.FreezeExperiment: curation.freeze,
    acts.ForbidExperiment: curation.forbid,
    acts.HideExperiment: moderation.hide_experiment,
    acts.ReplicateExperiment: curation.replicate,
    acts.MergeExperiment: curation.merge,
    acts.ClearExperiment: curation.clear,
    acts.HidePost: moderation.hide_post,
    acts.FeaturePost: curation.feature,
    acts.WriteNotice: curation.write_notice,
    acts.WithdrawNotice: curation.withdraw_notice,
    acts.ApproveOwner: moderation.approve_owner,
    acts.LimitOwner: moderation.limit_owner,
    acts.QuarantineOwner: moderation.quarantine_owner,
    acts.BanOwner: moderation.ban_owner,
    acts.RestoreOwner: moderation.restore_owner,
    acts.QuarantineAgent: moderation.quarantine_agent,
    acts.RestoreAgent: moderation.restore_agent,
    acts.IssueToken: people.issue_token,
    acts.RotateToken: people.rotate_token,
    acts.RevokeToken: people.revoke_token,
    acts.CreateInvite: people.create_invite,
    acts.RevokeInvite: people.revoke_invite,
    acts.AddOperator: people.add_operator,
    acts.LinkOperator: people.link_operator,
    acts.KeyOperator: people.key_operator,
    acts.RemoveOperator: people.remove_operator,
    acts.SetRegistration: people.set_registration,
    acts.FreezePosts: people.freeze_posts,
    acts.UpholdFlag: moderation.uphold,
    acts.DismissFlag: moderation.dismiss,
    acts.Undo: undo,
}
