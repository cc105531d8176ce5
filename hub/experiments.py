"""Experiments: proposals become commits; the tree is read by sha, lineage, children and columns."""

import ast
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import goals
from hub.db import Work
from hub.errors import Ambiguous, BodyChanged, HubError, NotFound, NotYours
from hub.gitstore import CommitDraft, GitStore, author_of
from hub.tables import AgentRow, ExperimentRow, GoalRow, OrderRow
from protocol.events import Conflict, ExperimentRegistered
from protocol.experiments import Experiment, Proposal, Registered, Standing, Status
from protocol.goals import GoalSpec


class StaleLease(HubError):
    """This lease has gone to another agent or has ended; ask for new work."""

    code, status = "stale_lease", 409


class ProtectedFile(HubError):
    """Only the goal's editable files may change; leave the others as they are."""

    code, status = "protected_file", 422


class FileTooLarge(HubError):
    """A proposed file is larger than the goal allows; make it smaller."""

    code, status = "file_too_large", 413


class UnsafeText(HubError):
    """A proposed file holds control or invisible direction characters; remove them."""

    code, status = "unsafe_text", 422


class SyntaxBroken(HubError):
    """A proposed Python file does not parse; mend it before it costs anybody's GPU."""

    code, status = "syntax_error", 422


class NothingChanged(HubError):
    """The proposal equals its parent; change something."""

    code, status = "nothing_changed", 422


class TriedBefore(HubError):
    """This change was tried before; the earlier result is in `data`, so learn from it."""

    code, status = "tried_before", 409


class WrongParent(HubError):
    """The proposal's parent is not the one that the lease names."""

    code, status = "wrong_parent", 422


BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff")


def register(
    work: Work, git: GitStore, identity: UUID, by: AgentRow, proposal: Proposal
) -> Registered:
    """Preflight a proposal and write it as a commit; safe to send again.

    Raises:
        BodyChanged: the id was used with another body.
        StaleLease, NotYours, WrongParent, ProtectedFile, FileTooLarge, UnsafeText, SyntaxBroken,
        NothingChanged, TriedBefore: and what each says to do.
    """
    body = digest(proposal.model_dump_json())
    known = work.session.get(ExperimentRow, identity)
    if known is not None:
        return _again(work, known, by, body)
    order = held(work, proposal.lease, proposal.epoch, by)
    goal = goals.find(work.session, order.goal)
    parent = _parents(work.session, order, proposal)
    spec = goals.spec(work.session, goal)
    changed = preflight(spec, git.files(goal.slug, parent.sha), proposal.files)
    row = _write(work, git, identity, by, proposal, parent=parent, changed=changed)
    row.body_digest = body
    order.experiment = row.sha
    return Registered(id=row.id, sha=row.sha, number=row.number)


def preflight(
    spec: GoalSpec, parent: Mapping[str, str], files: Mapping[str, str]
) -> dict[str, str]:
    """The files that really differ from the parent's, once each has passed every check."""
    for path, text in files.items():
        _check_file(spec, path, text)
    changed = {path: text for path, text in files.items() if parent.get(path) != text}
    if not changed:
        raise NothingChanged
    return changed


def _check_file(spec: GoalSpec, path: str, text: str) -> None:
    if path not in spec.files.editable:
        allowed = ", ".join(spec.files.editable)
        raise ProtectedFile(f"{path!r} may not change; this goal's editable files: {allowed}.")
    if len(text.encode()) > spec.limits.file_bytes:
        raise FileTooLarge(f"{path!r} is over {spec.limits.file_bytes} bytes; make it smaller.")
    bad = {char for char in text if char in BIDI or (char < " " and char not in "\n\t")}
    if bad:
        names = ", ".join(f"U+{ord(char):04X}" for char in sorted(bad))
        raise UnsafeText(f"{path!r} holds {names}; remove these characters (lines end in LF).")
    if path.endswith(".py"):
        _check_syntax(path, text)


def _check_syntax(path: str, text: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" line {error.lineno}" if isinstance(error, SyntaxError) else ""
        what = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
        raise SyntaxBroken(f"{path}{where}: {what}. Mend it and propose again.") from error


def held(work: Work, lease: UUID, epoch: int, by: AgentRow) -> OrderRow:
    """The order that this agent still holds at this epoch, locked.

    Raises:
        StaleLease: it ended, or went to somebody else at a later epoch.
        NotYours: it is another agent's.
    """
    order = work.session.get(OrderRow, lease, with_for_update=True)
    if order is None:
        raise NotFound("There is no such lease; ask for new work.")
    if order.epoch != epoch or order.state != "leased":
        raise StaleLease
    if order.agent != by.name:
        raise NotYours
    return order


def digest(text: str) -> str:
    """A body's hash, to tell a retry from another body under the same id."""
    return hashlib.sha256(text.encode()).hexdigest()


def _again(work: Work, known: ExperimentRow, by: AgentRow, body: str) -> Registered:
    if known.agent != by.name:
        raise NotYours
    if known.body_digest != body:
        raise conflict(work, known.goal, "experiment", known.id, by)
    return Registered(id=known.id, sha=known.sha, number=known.number, duplicate=True)


def conflict(work: Work, goal: str | None, what: str, identity: UUID, by: AgentRow) -> HubError:
    """Write down that an id came again with another body; the caller raises what this returns."""
    work.announce(Conflict(goal=goal, what=what, id=identity, agent=by.name))
    work.keep_on_refusal = True
    return BodyChanged()


def _parents(session: Session, order: OrderRow, proposal: Proposal) -> ExperimentRow:
    named = (order.parent, order.second_parent)
    if proposal.goal != order.goal or (proposal.parent, proposal.second_parent) != named:
        raise WrongParent
    return find(session, proposal.parent, goal=order.goal)


def _write(
    work: Work,
    git: GitStore,
    identity: UUID,
    by: AgentRow,
    proposal: Proposal,
    *,
    parent: ExperimentRow,
    changed: Mapping[str, str],
) -> ExperimentRow:
    goal = work.session.get_one(GoalRow, parent.goal, with_for_update=True)
    message = commit_message(proposal, by)
    parents = (parent.sha, *([proposal.second_parent] if proposal.second_parent else []))
    draft = CommitDraft(parents, changed, *author_of(by.name, by.owner), message, work.now)
    written = git.write(goal.slug, draft)
    patch = git.patch(goal.slug, parent.sha, written.sha)
    added = sum(text.count("\n") for edits in patch.values() for _, _, text in edits)
    row = ExperimentRow(
        id=identity,
        sha=written.sha,
        goal=goal.slug,
        goal_version=goal.version,
        number=goal.next_number,
        parent=parent.sha,
        parent_number=parent.number,
        second_parent=proposal.second_parent,
        depth=parent.depth + 1,
        message=message,
        agent=by.name,
        owner=by.owner,
        patch=patch,
        tree=written.tree,
        lines_added=added,
        lines_removed=sum(count for edits in patch.values() for _, count, _ in edits),
        created_at=work.now,
        status=Status.RUNNING.value,
        **proposal.model_dump(
            mode="json",
            include={
                "title",
                "hypothesis",
                "operator",
                "mutator",
                "model",
                "expected_delta",
                "tokens_used",
                "dollars",
            },
        ),
    )
    row.lease = proposal.lease
    goal.next_number += 1
    parent.n_children += 1
    work.session.add(row)
    work.session.flush()
    row.changed_seq = parent.changed_seq = _announce(work, row)
    return row


def _announce(work: Work, row: ExperimentRow) -> int:
    return work.announce(
        ExperimentRegistered(
            goal=row.goal,
            sha=row.sha,
            number=row.number,
            parent=row.parent,
            agent=row.agent,
            title=row.title,
        )
    )


def commit_message(proposal: Proposal, by: AgentRow) -> str:
    """Title, hypothesis and machine-readable trailers."""
    trailers = {
        "Operator": proposal.operator.value,
        "Agent": by.name,
        "Owner": by.owner,
        "Mutator": proposal.mutator,
        "Model": proposal.model,
    }
    tail = "\n".join(f"{key}: {value}" for key, value in trailers.items() if value)
    body = proposal.hypothesis.strip()
    return "\n\n".join(part for part in (proposal.title, body, tail) if part) + "\n"


def find(session: Session, name: str, goal: str | None = None) -> ExperimentRow:
    """An experiment by full or short sha, or by `goal` and number written as `#12`.

    Raises:
        NotFound: nothing begins with these digits.
        Ambiguous: several do; `data` lists them.
    """
    query = select(ExperimentRow)
    if goal is not None:
        query = query.where(col(ExperimentRow.goal) == goal)
    if name.startswith("#") and name[1:].isdecimal():
        query = query.where(col(ExperimentRow.number) == int(name[1:]))
    elif len(name) == 40:
        query = query.where(col(ExperimentRow.sha) == name)
    else:
        query = query.where(col(ExperimentRow.sha).between(name, name + "g"))
    rows = session.exec(query.limit(5)).all()
    if not rows:
        raise NotFound(f"There is no experiment {name}; short shas need at least 4 digits.")
    if len(rows) > 1:
        raise Ambiguous(choices=[f"{row.sha[:12]} {row.goal} #{row.number}" for row in rows])
    return rows[0]


def view(row: ExperimentRow) -> Experiment:
    """An experiment as readers see it."""
    return Experiment.model_validate(row.model_dump(exclude={"patch", "message"}))


def views(rows: Sequence[ExperimentRow]) -> list[Experiment]:
    """Many of them."""
    return [view(row) for row in rows]


def lineage(session: Session, row: ExperimentRow, limit: int = 10_000) -> list[ExperimentRow]:
    """From the experiment up to the root by first parents, itself first, in one query."""
    made = ExperimentRow
    start = (
        sa.select(col(made.sha), col(made.parent), sa.literal(0).label("up"))
        .where(col(made.sha) == row.sha)
        .cte("line", recursive=True)
    )
    line = start.union_all(
        sa.select(col(made.sha), col(made.parent), start.c.up + 1)
        .join(start, col(made.sha) == start.c.parent)
        .where(start.c.up < limit)
    )
    query = select(made).join(line, col(made.sha) == line.c.sha).order_by(line.c.up)
    return list(session.exec(query).all())


def children(
    session: Session, row: ExperimentRow, after: int | None, limit: int
) -> list[ExperimentRow]:
    """Experiments whose first or second parent this is, by number after a cursor."""
    made = ExperimentRow
    parents = sa.or_(col(made.parent) == row.sha, col(made.second_parent) == row.sha)
    query = select(made).where(col(made.goal) == row.goal, parents)
    if after is not None:
        query = query.where(col(made.number) > after)
    return list(session.exec(query.order_by(col(made.number)).limit(limit)).all())


def best(
    session: Session, goal: GoalRow, limit: int, verified_only: bool = False
) -> list[ExperimentRow]:
    """The best experiments by score in the goal's direction; hidden ones are left out."""
    score = col(ExperimentRow.score)
    query = select(ExperimentRow).where(
        col(ExperimentRow.goal) == goal.slug, score.is_not(None), ~col(ExperimentRow.hidden)
    )
    if verified_only:
        query = query.where(col(ExperimentRow.standing) == Standing.VERIFIED.value)
    order = score.asc() if goal.direction == "min" else score.desc()
    return list(session.exec(query.order_by(order, col(ExperimentRow.number)).limit(limit)).all())


def subtree(session: Session, row: ExperimentRow, limit: int) -> list[ExperimentRow]:
    """The experiment and everything that descends from it by first parents, nearest first."""
    made = ExperimentRow
    below = (
        sa.select(col(made.sha), sa.literal(0).label("down"))
        .where(col(made.sha) == row.sha)
        .cte("below", recursive=True)
    )
    below = below.union_all(
        sa.select(col(made.sha), below.c.down + 1)
        .join(below, col(made.parent) == below.c.sha)
        .where(col(made.goal) == row.goal)
    )
    query = select(made).join(below, col(made.sha) == below.c.sha)
    query = query.order_by(below.c.down, col(made.number)).limit(limit)
    return list(session.exec(query).all())


def leaves(session: Session, goal: GoalRow, before: int | None, limit: int) -> list[ExperimentRow]:
    """Experiments without children, newest first before a cursor."""
    made = ExperimentRow
    query = select(made).where(col(made.goal) == goal.slug, col(made.n_children) == 0)
    if before is not None:
        query = query.where(col(made.number) < before)
    return list(session.exec(query.order_by(col(made.number).desc()).limit(limit)).all())
