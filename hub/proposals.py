"""Proposals: edited files pass every check and become commits of the tree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import SQLModel

from hub import containment, experiments, gitobjects, goals, leaks, policy_lint, preflight, prior
from hub.agents import Speaker
from hub.db import Database, Rule, Work
from hub.errors import HubError, NotFound, NotYours
from hub.experiments import StaleLease, conflict, digest
from hub.gitobjects import Grown
from hub.gitstore import Edit, GitStore, Patch, author_of, commit_object, edits
from hub.hot import Hot, HotQuery
from hub.likeness import Change
from hub.tables import ExperimentRow, blank
from protocol.events import ExperimentRegistered
from protocol.experiments import Proposal, Registered, Status
from protocol.work import Kind


class WrongParent(HubError):
    """The proposal's parent is not the one that the lease names."""

    code, status = "wrong_parent", 422


@dataclass(frozen=True)
class Ready:
    """A proposal that passed every check of its text, and what it comes down to."""

    body: str
    patch: Patch
    grown: Grown
    seen: Sequence[policy_lint.Seen]
    keys: prior.Keys
    change: Change
    siblings: Sequence[prior.Sibling]


class _Known(NamedTuple):
    """What an earlier proposal of the same id left."""

    id: UUID
    goal: str
    sha: str
    number: int
    agent: str | None
    body_digest: str


class _Order(NamedTuple):
    """What a proposal is held against of the order that it answers."""

    id: UUID
    goal: str
    kind: str
    state: str
    epoch: int
    agent: str | None
    parent: str | None
    second_parent: str | None
    brought: list[str]
    refused: int
    experiment: str | None


class _Parent(NamedTuple):
    """What an experiment takes from its parent and its goal."""

    sha: str
    number: int
    depth: int
    goal_version: int
    next_number: int


def propose(
    database: Database,
    git: GitStore,
    families: prior.Families,
    identity: UUID,
    who: Callable[[sa.Connection], Speaker],
    proposal: Proposal,
    *,
    trusted_after: int = 0,
) -> Rule[Registered]:
    """Check a proposal while others write; returns what is left to do in a transaction.

    `who` finds whoever proposes, in the same read as the rest.

    Raises:
        As `prepare` does, and the rule as `register` does.
    """
    with database.reading() as connection:
        by = who(connection)
        known = _KNOWN.first(connection, identity=identity)
        ready = None if known else prepare(connection, git, families, proposal)
    return lambda work: register(
        work, git, identity, by, proposal, ready, trusted_after=trusted_after
    )


def prepare(
    connection: sa.Connection, git: GitStore, families: prior.Families, proposal: Proposal
) -> Ready:
    """Everything about a proposal that needs no lock: parsing costs more than all the rest.

    Raises:
        WrongParent, ProtectedFile, FileTooLarge, UnsafeText, SyntaxBroken, NothingChanged,
        SecretFound: and what each says to do.
    """
    slug, parent = proposal.goal, proposal.parent
    spec = goals.rules(connection, slug)
    if _HERE.value(connection, goal=slug, parent=parent) is None:
        raise WrongParent
    files = git.tree_of(slug, parent)
    before = {path: file.text for path, file in files.items()}
    changed = preflight.check(spec, before, proposal.files)
    patch = {path: edits(before.get(path, ""), text) for path, text in sorted(changed.items())}
    leaks.refuse([("title", proposal.title), ("idea", proposal.hypothesis)])
    leaks.refuse((path, changed[path]) for path in patch if leaks.suspected(_added(patch[path])))
    return Ready(
        body=body_of(proposal),
        patch=patch,
        grown=gitobjects.grow(files, changed),
        seen=policy_lint.news(before, before | changed),
        keys=prior.keys(spec, before, before | changed),
        change=prior.change(patch, proposal.title, proposal.hypothesis),
        siblings=families.of(connection, slug, parent),
    )


def _added(changes: list[Edit]) -> str:
    return "".join(text for _, _, text in changes)


def register(
    work: Work,
    git: GitStore,
    identity: UUID,
    by: Speaker,
    proposal: Proposal,
    ready: Ready | None,
    *,
    trusted_after: int = 0,
) -> Registered:
    """Write a proposal as a commit; safe to send again.

    Raises:
        BodyChanged: the id was used with another body.
        StaleLease, NotYours, WrongParent, TriedBefore, PolicyRefused: and what each says to do.
    """
    known = _KNOWN.first(work.connection, identity=identity)
    if known is not None:
        return _again(work, known, by, body_of(proposal))
    order = _held(work, proposal, by)
    parent = _placed(work, order, proposal)
    assert ready is not None, "a proposal that was known is known"
    held_back = containment.gate(work, by.owner, ready.seen, trusted_after)
    _refuse_repeats(work, order, ready)
    if order.experiment is not None:
        # Its report comes next, unless the agent dies before it is written down.
        experiments.abandon(work, order.id, "its agent mended it.")
    sha = _write(work, git, identity, by, proposal, ready, parent=parent, order=order)
    if ready.seen:
        containment.record(work, sha, by.owner, ready.seen, held_back)
    return Registered(id=identity, sha=sha, number=parent.next_number)


def _held(work: Work, proposal: Proposal, by: Speaker) -> _Order:
    order = _ORDER.first(work.connection, lease=proposal.lease)
    if order is None:
        raise NotFound("There is no such lease; ask for new work.")
    if order.epoch != proposal.epoch or order.state != "leased":
        raise StaleLease
    if order.agent != by.name:
        raise NotYours
    return order


def _refuse_repeats(work: Work, order: _Order, ready: Ready) -> None:
    """Answer with the earlier result; how often that happened is kept with the order."""
    family = (order.goal, str(order.parent))
    earlier = prior.find(work, order.goal, ready.keys)
    earlier = earlier or prior.alike(work, *family, ready.change, ready.siblings)
    if earlier is None and order.kind == Kind.EXPLORE.value:
        earlier = prior.elsewhere(work, order.goal, ready.keys, order.refused)
    if earlier is None:
        return
    _REFUSED.run(work.connection, lease=order.id)
    work.keep_on_refusal = True
    raise prior.TriedBefore(earlier.sentence, earlier=earlier.model_dump(mode="json"))


def body_of(proposal: Proposal) -> str:
    """The digest of a proposal's JSON, by which a retry is told from another body."""
    try:
        # The bytes that pydantic would write, in a quarter of the time.
        return digest(orjson.dumps(proposal.model_dump(mode="json")))
    except TypeError:  # a number of more than 64 bits
        return digest(proposal.model_dump_json().encode())


def _again(work: Work, known: _Known, by: Speaker, body: str) -> Registered:
    if known.agent != by.name:
        raise NotYours
    if known.body_digest != body:
        raise conflict(work, known.goal, "experiment", known.id, by)
    return Registered(id=known.id, sha=known.sha, number=known.number, duplicate=True)


def _placed(work: Work, order: _Order, proposal: Proposal) -> _Parent:
    named = (order.parent, order.second_parent)
    if proposal.goal != order.goal or (proposal.parent, proposal.second_parent) != named:
        raise WrongParent
    parent = _PARENT.first(work.connection, goal=order.goal, parent=proposal.parent)
    if parent is None:
        raise WrongParent
    return parent


def _write(
    work: Work,
    git: GitStore,
    identity: UUID,
    by: Speaker,
    proposal: Proposal,
    ready: Ready,
    *,
    parent: _Parent,
    order: _Order,
) -> str:
    parents = [sha for sha in (proposal.parent, proposal.second_parent) if sha]
    author, message = author_of(by.name, by.owner), commit_message(identity, proposal, by)
    commit = commit_object(ready.grown.tree, parents, author, message, work.now)
    objects = [*ready.grown.objects, commit]
    written = partial(git.promise, order.goal, commit.sha, ready.grown.files, objects)
    work.after_commit.append(written)
    event = ExperimentRegistered(
        goal=order.goal,
        sha=commit.sha,
        number=parent.next_number,
        parent=parent.sha,
        agent=by.name,
        title=proposal.title,
    )
    seq = work.announce(event)
    connection = work.connection
    said = {
        **_BLANK,
        **_said(proposal),
        **vars(ready.keys),
        "id": identity,
        "sha": commit.sha,
        "goal": order.goal,
        "goal_version": parent.goal_version,
        "number": parent.next_number,
        "parent": parent.sha,
        "parent_number": parent.number,
        "second_parent": proposal.second_parent,
        "brought": order.brought,
        "depth": parent.depth + 1,
        "message": message,
        "agent": by.name,
        "owner": by.owner,
        "lease": order.id,
        "body_digest": ready.body,
        "patch": ready.patch,
        "tree": ready.grown.tree,
        "lines_added": _lines(ready.patch, lambda edit: edit[2].count("\n")),
        "lines_removed": _lines(ready.patch, lambda edit: edit[1]),
        "created_at": work.now,
        "status": Status.RUNNING.value,
        "changed_seq": seq,
    }
    _NEW.run(connection, **said)
    _NUMBERED.run(connection, of=order.goal)
    _ANOTHER_CHILD.run(connection, above=parent.sha, seq=seq)
    _TRIED.run(connection, lease=order.id, made=commit.sha)
    return commit.sha


def _said(proposal: Proposal) -> dict[str, Any]:
    return {
        "title": proposal.title,
        "hypothesis": proposal.hypothesis,
        "operator": proposal.operator.value,
        "mutator": proposal.mutator,
        "model": proposal.model,
        "expected_delta": proposal.expected_delta,
        "tokens_used": proposal.tokens_used,
        "dollars": proposal.dollars,
    }


def _lines(patch: Patch, count: Callable[[Edit], int]) -> int:
    return sum(count(edit) for changes in patch.values() for edit in changes)


_tables = SQLModel.metadata.tables
_made, _orders, _goals = _tables["experiments"], _tables["orders"], _tables["goals"]
_this_order = _orders.c.id == sa.bindparam("lease")
_parent = sa.and_(_made.c.sha == sa.bindparam("parent"), _made.c.goal == sa.bindparam("goal"))
_HERE = Hot(sa.select(_made.c.number).where(_parent))
_KNOWN = HotQuery(
    sa.select(*(_made.c[name] for name in _Known._fields)).where(
        _made.c.id == sa.bindparam("identity")
    ),
    _Known,
)
_ORDER = HotQuery(
    sa.select(*(_orders.c[name] for name in _Order._fields)).where(_this_order), _Order
)
_PARENT = HotQuery(
    sa.select(_made.c.sha, _made.c.number, _made.c.depth, _goals.c.version, _goals.c.next_number)
    .join(_goals, _made.c.goal == _goals.c.slug)
    .where(_parent),
    _Parent,
)
_NEW = Hot(sa.insert(_made), columns=_made.c.keys())
_BLANK = blank(ExperimentRow)
_NUMBERED = Hot(
    sa.update(_goals)
    .where(_goals.c.slug == sa.bindparam("of"))
    .values(next_number=_goals.c.next_number + 1)
)
_ANOTHER_CHILD = Hot(
    sa.update(_made)
    .where(_made.c.sha == sa.bindparam("above"))
    .values(n_children=_made.c.n_children + 1, changed_seq=sa.bindparam("seq"))
)
_TRIED = Hot(sa.update(_orders).where(_this_order).values(experiment=sa.bindparam("made")))
_REFUSED = Hot(sa.update(_orders).where(_this_order).values(refused=_orders.c.refused + 1))


def commit_message(identity: UUID, proposal: Proposal, by: Speaker) -> str:
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
