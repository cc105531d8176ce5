"""People: operators, tokens, invites, and who may join or post at all."""

from datetime import timedelta

from hub import agents, invites, sessions, tokens, values
from hub.desk import Desk, Effect, NoChange
from hub.errors import Forbidden, HubError, NotFound
from hub.moderation import find_owner
from hub.ops_tables import OperatorRow, ValueRow
from hub.sessions import CONSOLE
from hub.words import counted
from protocol import acts

LINK = "{url}/signin#code={code}"


class OperatorExists(HubError):
    """There is an operator by that name; mint a new link with `hub operator link`."""

    code, status = "operator_exists", 409


class OnlyAgents(HubError):
    """Only tokens of agents can be rotated; operators get a new link or token instead."""

    code, status = "only_agents", 409


def add_operator(desk: Desk, act: acts.AddOperator) -> Effect:
    """Make somebody an operator."""
    row = desk.work.session.get(OperatorRow, act.operator)
    if act.operator in agents.RESERVED or (row is not None and row.state == "active"):
        raise OperatorExists
    if row is None:
        row = OperatorRow(name=act.operator, created_at=desk.work.now)
        desk.work.session.add(row)
    row.state, row.owner, row.email = "active", act.owner, act.email
    desk.work.session.flush()
    sentence = f"{row.name} is an operator; the link signs in once, within 15 minutes."
    return Effect(row.name, sentence, secret=_link(desk, row.name), undoable=False)


def link_operator(desk: Desk, act: acts.LinkOperator) -> Effect:
    """Mint a new sign-in link."""
    _only_self_or_console(desk, act.operator)
    _at_work(desk, act.operator)
    sentence = f"A link for {act.operator}: it signs in once, within 15 minutes."
    return Effect(act.operator, sentence, secret=_link(desk, act.operator), undoable=False)


def _link(desk: Desk, name: str) -> str:
    return LINK.format(url=desk.settings.address, code=sessions.link(desk.work, name))


def key_operator(desk: Desk, act: acts.KeyOperator) -> Effect:
    """Mint an operator's token for scripts."""
    _only_self_or_console(desk, act.operator)
    row = _at_work(desk, act.operator)
    token = tokens.issue(desk.work, "operator", row.name, timedelta(days=act.days))
    sentence = f"A token for {row.name}, good for {counted(act.days, 'day')}."
    return Effect(row.name, sentence, secret=token, undoable=False)


def _at_work(desk: Desk, name: str) -> OperatorRow:
    """An operator who was not removed: a key minted for one would open the door to who returns."""
    row = sessions.find(desk.work.session, name)
    if row.state != "active":
        raise NotFound(f"{name} is no operator any more; `hub operator add` makes them one again.")
    return row


def _only_self_or_console(desk: Desk, name: str) -> None:
    """Who could mint another's key could act in their name, and the log would lie."""
    if desk.by != CONSOLE and desk.by.name != name:
        raise Forbidden("Only they themselves, or the console of the hub's machine, may do that.")


def remove_operator(desk: Desk, act: acts.RemoveOperator) -> Effect:
    """End an operator's sessions and tokens."""
    row = sessions.find(desk.work.session, act.operator)
    if row.state != "active":
        raise NoChange
    row.state = "removed"
    ended = sessions.end_all(desk.work, row.name)
    sentence = f"{row.name} is no operator any more; {counted(len(ended), 'token')} ended."
    return Effect(row.name, sentence, undoable=False)


def issue_token(desk: Desk, act: acts.IssueToken) -> Effect:
    """Mint a token for an agent."""
    agent = agents.find(desk.work.session, act.agent)
    desk.not_own(agent.owner)
    lifetime = timedelta(days=act.days) if act.days else None
    token = tokens.issue(desk.work, act.scope, agent.name, lifetime)
    sentence = f"A token for {agent.name} as {act.scope}."
    return Effect(agent.name, sentence, None, agent.owner, token, undoable=False)


def rotate_token(desk: Desk, act: acts.RotateToken) -> Effect:
    """Mint a token beside an old one, which ends after the overlap; it lasts as long as that would.

    One that has ended is not made anew: it was ended for a reason.
    """
    old = tokens.find(desk.work.session, act.token)
    if old.kind not in ("agent", "verifier"):
        raise OnlyAgents
    desk.not_own(agents.find(desk.work.session, old.subject).owner)
    left = None if old.expires_at is None else old.expires_at - desk.work.now
    if old.revoked_at is not None or (left is not None and left <= timedelta()):
        raise NotFound(f"Token {old.id} has ended; issue another for {old.subject} instead.")
    end = desk.work.now + timedelta(minutes=act.overlap_minutes)
    old.expires_at = min(old.expires_at or end, end)
    token = tokens.issue(desk.work, old.kind, old.subject, left)
    sentence = (
        f"A new token for {old.subject}; {old.id} ends in {counted(act.overlap_minutes, 'minute')}."
    )
    return Effect(old.subject, sentence, secret=token, undoable=False)


def revoke_token(desk: Desk, act: acts.RevokeToken) -> Effect:
    """End a token at once."""
    row = tokens.find(desk.work.session, act.token)
    if row.revoked_at is not None:
        raise NoChange
    desk.change(row, revoked_at=desk.work.now)
    return Effect(row.id, f"Token {row.id} of {row.subject} has ended.", undoable=False)


def create_invite(desk: Desk, act: acts.CreateInvite) -> Effect:
    """Mint an invite."""
    if act.owner is not None:
        find_owner(desk.work.session, act.owner)
        desk.not_own(act.owner)
    lifetime = timedelta(days=act.days)
    code = invites.create(desk.work, act.owner, desk.by.name, act.uses, lifetime)
    whom = f"for {act.owner}" if act.owner else "for a new owner"
    sentence = f"An invite {whom}: {counted(act.uses, 'use')}, {counted(act.days, 'day')}."
    return Effect(tokens.parse(code, "invite"), sentence, secret=code, undoable=False)


def revoke_invite(desk: Desk, act: acts.RevokeInvite) -> Effect:
    """End an invite at once."""
    row = invites.find(desk.work.session, act.invite)
    if row.revoked_at is not None:
        raise NoChange
    desk.change(row, revoked_at=desk.work.now)
    return Effect(row.id, f"Invite {row.id} has ended.")


def set_registration(desk: Desk, act: acts.SetRegistration) -> Effect:
    """Say who may join."""
    before = values.registration(desk.work.session, desk.settings)
    if before == act.policy:
        raise NoChange
    _set(desk, values.REGISTRATION, before, act.policy)
    return Effect(values.REGISTRATION, f"Registration is {act.policy}; it was {before}.")


def freeze_posts(desk: Desk, act: acts.FreezePosts) -> Effect:
    """Close the board to agents, or open it."""
    before = "frozen" if values.posts_frozen(desk.work.session) else "open"
    after = "open" if act.off else "frozen"
    if before == after:
        raise NoChange
    _set(desk, values.POSTS, before, after)
    return Effect(values.POSTS, f"The board is {after} to agents' posts.")


def _set(desk: Desk, name: str, before: str, after: str) -> None:
    row = desk.work.session.get(ValueRow, name)
    if row is None:
        row = ValueRow(name=name, value=before)
        desk.work.session.add(row)
        desk.work.session.flush()
    desk.change(row, value=after)
