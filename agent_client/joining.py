"""Joining a hub: everything is checked before a token is asked for and written down."""

import getpass
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_client import calibration, machine, settings, versions
from agent_client.errors import AlreadyJoined, BadSettings, BadToken, HubRefused
from agent_client.hub_api import Hub, check_address
from agent_client.sandbox import Sandbox
from agent_client.settings import Settings
from agent_client.setup import VERSION
from protocol.agents import Device, HubInfo, Joined, JoinRequest

NAMES_TRIED = 3
NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,30}")
VOLUNTEER = "volunteer"
NOBODY = frozenset({"root", "admin", "user", "nobody"})


@dataclass(frozen=True)
class Wish:
    """What the owner said on the command line; empty means choose for me.

    `token` is that of another agent of the same owner, which vouches for this one; `workers` are
    all of this machine's, among which its owner's money is divided.
    """

    url: str
    name: str = ""
    owner: str = ""
    invite: str | None = None
    goals: tuple[str, ...] = ()
    gpus: str = "auto"
    insecure_http: bool = False
    unsafe_no_sandbox: bool = False
    token: str = ""
    workers: int = 1


@dataclass(frozen=True)
class JoinedHub:
    """What came of it."""

    settings: Settings
    info: HubInfo
    advice: str
    state: str
    again: bool = False
    """Whether the folder had joined before; then its settings stay as they are."""


def join(folder: Path, wish: Wish, sandbox: Sandbox, tell: Callable[[str], None]) -> JoinedHub:
    """Join a hub and write the settings, readable by their owner alone.

    Raises BadSettings (also for a bad name), FolderNotWritable, HubUnreachable, TooOld, or
    HubRefused with the hub's own sentence (a taken name, a missing invite).
    """
    url = check_address(wish.url, wish.insecure_http)
    check_wish(wish)
    settings.make_folder(folder)
    if (folder / settings.CONFIG).exists() and (known := _again(folder, url)) is not None:
        return known
    with Hub.at(url, wish.token) as hub:
        return _ask(folder, wish, hub, sandbox, tell)


def check_wish(wish: Wish) -> None:
    """Refuse what no hub takes and no machine has; raises BadSettings naming the option."""
    for option, name in (("--name", wish.name), ("--owner", wish.owner)):
        if name and not NAME.fullmatch(name):
            raise BadSettings(
                f"{option} {name!r} cannot be a name: 2 to 31 small letters, digits and dashes, "
                "the first of them no dash."
            )
    settings.check_gpus(wish.gpus)


def greet(wish: Wish, fresh: bool) -> None:
    """Find out what keeps this client from the hub, before the sandbox is attacked for seconds.

    A folder that is not fresh has joined and keeps its settings: what is wished for is void.

    Raises HubUnreachable, NotAHub, TooOld, or HubRefused for a goal that the hub has not.
    """
    with Hub.at(check_address(wish.url, wish.insecure_http)) as hub:
        info = hub.info()
    if fresh:
        versions.check(VERSION, info.minimum_client, info.latest_client)
        _check_goals(wish, info)


def _ask(
    folder: Path, wish: Wish, hub: Hub, sandbox: Sandbox, tell: Callable[[str], None]
) -> JoinedHub:
    """Check what the hub wants, and ask for a token; the owner's limits in the folder stay."""
    again = (folder / settings.CONFIG).exists()
    info = hub.info()
    advice = versions.check(VERSION, info.minimum_client, info.latest_client)
    _check_goals(wish, info)
    goals = [hub.goal(name) for name in wish.goals or info.goals]
    device = machine.describe(wish.gpus, sandbox.name)
    gpu = settings.gpu_of(wish.gpus)
    found = calibration.fitness(folder, sandbox, device, goals, tell, gpu)
    for sentence in found.said:
        tell(sentence)
    joined = _register(wish, hub, found.device)
    said: dict[str, Any] = {
        "hub": check_address(wish.url, wish.insecure_http),
        "agent": joined.name,
        "owner": joined.owner,
        "token": joined.token,
        "goals": served(wish, found.fit, info.goals),
        "gpus": wish.gpus,
        "insecure_http": wish.insecure_http,
        "unsafe_no_sandbox": wish.unsafe_no_sandbox,
    }
    if again:
        made = settings.load(folder).model_copy(update=said)
    else:
        made = Settings(**said, limits=settings.limits_of_one(wish.workers))
    settings.save(folder, made)
    return JoinedHub(made, info, advice, joined.state)


def _register(wish: Wish, hub: Hub, device: Device) -> Joined:
    """Ask for a token; a name that we made up ourselves and the hub will not have is changed."""
    for attempt in range(NAMES_TRIED):
        owner, name = names(wish, getpass.getuser(), attempt, secrets.token_hex(3))
        request = JoinRequest(
            name=name, owner=owner, device=device, client_version=VERSION, invite=wish.invite
        )
        try:
            return hub.join(request)
        except HubRefused as problem:
            made_up = not (wish.owner and wish.name)
            if not made_up or problem.status not in (403, 409, 422) or attempt + 1 == NAMES_TRIED:
                raise
    raise AssertionError


def names(wish: Wish, user: str, attempt: int, chance: str) -> tuple[str, str]:
    """Owner and agent: what was wished for, else the name on this machine with chance added.

    The owner's gets some only where it is nobody's, or the hub would not have it plain; then the
    agent is called the same.
    """
    base = slug(user, VOLUNTEER)
    base = VOLUNTEER if base in NOBODY else base
    plain = attempt == 0 and base != VOLUNTEER
    owner = wish.owner or (base if plain else _with(base, chance))
    return owner, wish.name or (owner if owner.endswith(f"-{chance}") else _with(owner, chance))


def _with(base: str, chance: str) -> str:
    return f"{base[:20].rstrip('-')}-{chance}"


def _again(folder: Path, url: str) -> JoinedHub | None:
    """The folder has a token: keep it where the hub knows it, perhaps at a new address.

    None when its own hub knows it no more, which calls for a new one.
    """
    known = settings.load(folder)
    with Hub.at(url, known.token) as hub:
        info = hub.info()
        try:
            me = hub.me()
        except BadToken:
            if url == known.hub:
                return None
            raise AlreadyJoined(
                f"{folder} has already joined {known.hub} as {known.agent}, and {url} does not "
                "know it; give another --folder."
            ) from None
    moved = known.model_copy(update={"hub": url})
    settings.save(folder, moved)
    return JoinedHub(moved, info, "", me.state, again=True)


def served(wish: Wish, fit: Sequence[str], there: Sequence[str]) -> list[str]:
    """Those that fit this machine; nothing, which means every goal, where all may be had."""
    return [] if not wish.goals and set(fit) == set(there) else list(fit)


def _check_goals(wish: Wish, info: HubInfo) -> None:
    for goal in wish.goals:
        if goal not in info.goals:
            known = ", ".join(info.goals) or "none"
            detail = f"This hub has no open goal {goal!r}; its open goals: {known}."
            raise HubRefused("unknown_goal", detail, 404, {})


def slug(text: str, otherwise: str) -> str:
    """A name as the hub takes it: small letters, digits and dashes, at most 31 of them."""
    made = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:31]
    return made if len(made) >= 2 else otherwise
