"""Proposals: edited files pass every check and become commits of the tree."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from hub import containment, experiments, goals, leaks, policy_lint, prior, statements
from hub.db import Database, Work
from hub.errors import HubError, NotFound, NotYours
from hub.experiments import conflict, digest, held
from hub.gitstore import CommitDraft, GitStore, author_of
from hub.likeness import Change
from hub.tables import AgentRow, ExperimentRow, GoalRow, OrderRow
from protocol.events import ExperimentRegistered
from protocol.experiments import Proposal, Registered, Status
from protocol.goals import GoalSpec
from protocol.work import Kind


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


class WrongParent(HubError):
    """The proposal's parent is not the one that the lease names."""

    code, status = "wrong_parent", 422


BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff")
_UNSAFE = re.compile(rf"[\x00-\x08\x0b-\x1f{''.join(sorted(BIDI))}]")

MOST_LINES = 5000
"""Reading code costs by its statements: a file within its bytes could keep the hub busy."""


@dataclass(frozen=True)
class Ready:
    """A proposal that passed every check of its text, and what it comes down to."""

    changed: Mapping[str, str]
    seen: Sequence[policy_lint.Seen]
    keys: prior.Keys
    change: Change


def propose(
    database: Database,
    git: GitStore,
    identity: UUID,
    by: AgentRow,
    proposal: Proposal,
    trusted_after: int = 0,
) -> Registered:
    """Check a proposal while others write, then register it in one short transaction.

    Raises:
        As `prepare` and `register` do.
    """
    with database.read() as session:
        known = session.get(ExperimentRow, identity) is not None
        ready = None if known else prepare(session, git, proposal)
    with database.work() as work:
        return register(work, git, identity, by, proposal, ready, trusted_after=trusted_after)


def prepare(session: Session, git: GitStore, proposal: Proposal) -> Ready:
    """Everything about a proposal that needs no lock: parsing costs more than all the rest.

    Raises:
        WrongParent, ProtectedFile, FileTooLarge, UnsafeText, SyntaxBroken, NothingChanged,
        SecretFound: and what each says to do.
    """
    goal = goals.find(session, proposal.goal)
    try:
        parent = experiments.find(session, proposal.parent, goal=goal.slug)
    except NotFound as error:
        raise WrongParent from error
    spec = goals.spec(session, goal)
    before = git.files(goal.slug, parent.sha)
    changed = preflight(spec, before, proposal.files)
    leaks.refuse([*changed.items(), ("title", proposal.title), ("idea", proposal.hypothesis)])
    said = f"{proposal.title} {proposal.hypothesis}"
    return Ready(
        changed,
        policy_lint.news(before, before | changed),
        prior.keys(spec, before, before | changed),
        prior.change(before, changed, said),
    )


def register(
    work: Work,
    git: GitStore,
    identity: UUID,
    by: AgentRow,
    proposal: Proposal,
    ready: Ready | None = None,
    *,
    trusted_after: int = 0,
) -> Registered:
    """Write a proposal as a commit; safe to send again.

    Raises:
        BodyChanged: the id was used with another body.
        StaleLease, NotYours, WrongParent, TriedBefore, PolicyRefused: and what each says to do.
    """
    body = digest(proposal.model_dump_json())
    known = work.session.get(ExperimentRow, identity)
    if known is not None:
        return _again(work, known, by, body)
    order = held(work, proposal.lease, proposal.epoch, by)
    parent = _parents(work.session, order, proposal)
    ready = ready or prepare(work.session, git, proposal)
    held_back = containment.gate(work, by, ready.seen, trusted_after)
    _refuse_repeats(work, order, ready.keys, parent, ready.change)
    row = _write(work, git, identity, by, proposal, parent=parent, changed=ready.changed)
    row.brought = order.brought
    row.body_digest, keys = body, ready.keys
    row.canonical, row.effect, row.change = keys.canonical, keys.effect, keys.change
    order.experiment = row.sha
    containment.record(work, row, ready.seen, held_back)
    return Registered(id=row.id, sha=row.sha, number=row.number)


def _refuse_repeats(
    work: Work, order: OrderRow, keys: prior.Keys, parent: ExperimentRow, change: Change
) -> None:
    """Answer with the earlier result; how often that happened is kept with the order."""
    earlier = prior.find(work.session, order.goal, keys)
    earlier = earlier or prior.alike(work.session, parent, change)
    if earlier is None and order.kind == Kind.EXPLORE.value:
        goal = work.session.get_one(GoalRow, order.goal)
        earlier = prior.elsewhere(work.session, goal, keys, order.refused)
    if earlier is None:
        return
    order.refused += 1
    work.keep_on_refusal = True
    raise prior.TriedBefore(earlier.sentence, earlier=earlier.model_dump(mode="json"))


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
    if text.count("\n") + text.count(";") > MOST_LINES:
        raise FileTooLarge(f"{path!r} is over {MOST_LINES} lines; make it smaller.")
    bad = set(_UNSAFE.findall(text))
    if bad:
        names = ", ".join(f"U+{ord(char):04X}" for char in sorted(bad))
        raise UnsafeText(f"{path!r} holds {names}; remove these characters (lines end in LF).")
    if path.endswith(".py"):
        _check_syntax(path, text)


def _check_syntax(path: str, text: str) -> None:
    try:
        statements.split(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" line {error.lineno}" if isinstance(error, SyntaxError) else ""
        what = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
        raise SyntaxBroken(f"{path}{where}: {what}. Mend it and propose again.") from error


def _again(work: Work, known: ExperimentRow, by: AgentRow, body: str) -> Registered:
    if known.agent != by.name:
        raise NotYours
    if known.body_digest != body:
        raise conflict(work, known.goal, "experiment", known.id, by)
    return Registered(id=known.id, sha=known.sha, number=known.number, duplicate=True)


def _parents(session: Session, order: OrderRow, proposal: Proposal) -> ExperimentRow:
    named = (order.parent, order.second_parent)
    if proposal.goal != order.goal or (proposal.parent, proposal.second_parent) != named:
        raise WrongParent
    return experiments.find(session, proposal.parent, goal=order.goal)


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
    message = commit_message(identity, proposal, by)
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


def commit_message(identity: UUID, proposal: Proposal, by: AgentRow) -> str:
    """Title, hypothesis and machine-readable trailers; the id keeps equal trees apart."""
    trailers = {
        "Experiment": str(identity),
        "Operator": proposal.operator.value,
        "Agent": by.name,
        "Owner": by.owner,
        "Mutator": proposal.mutator,
        "Model": proposal.model,
    }
    tail = "\n".join(f"{key}: {value}" for key, value in trailers.items() if value)
    body = proposal.hypothesis.strip()
    return "\n\n".join(part for part in (proposal.title, body, tail) if part) + "\n"
