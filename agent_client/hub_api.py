"""The hub over HTTP: the one file that knows httpx. Refusals come back as exceptions."""

import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from agent_client.backoff import TOO_MANY_FLOOR, asked_for, number
from agent_client.errors import (
    BadSettings,
    BadToken,
    HubBroke,
    HubBusy,
    HubRefused,
    HubUnreachable,
    NotAHub,
    NotUnderstood,
)
from protocol.agents import Agent, HubInfo, Joined, JoinRequest
from protocol.board import PostDraft
from protocol.experiments import Experiment, Experiments, Proposal, Registered
from protocol.goals import Goal
from protocol.owners import SignInCode
from protocol.runs import Receipt, RunReport
from protocol.work import Heard, Output, Progress, Release, Renewal, WorkReply, WorkRequest

MAX_REPLY_BYTES = 32 * 1024 * 1024
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
TOTAL_SECONDS = 120.0
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
BROKE, TOO_LARGE = 500, 413
NO_HUB_SAYS = "not_found"
"""The code with which no hub refuses to say what it is."""

LAST_PORT = 65535
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Reply = TypeVar("Reply", bound=BaseModel)


def check_address(url: str, insecure: bool = False) -> str:
    """The hub's base address; a token never travels over plain http except to this machine.

    Raises BadSettings for anything that is not such an address.
    """
    parts = _parsed(url)
    if parts is None:
        raise BadSettings(
            f"{url!r} is not an address such as https://hub.example.org; say it with its https://, "
            "or with http:// for a hub on this machine"
        )
    if parts.scheme == "http" and parts.host not in LOOPBACK and not insecure:
        raise BadSettings(
            f"{url} would send your token unencrypted; use https, or say --insecure-http"
        )
    return url.rstrip("/")


def _parsed(url: str) -> httpx.URL | None:
    try:
        parts = httpx.URL(url)
        sound = parts.scheme in ("http", "https") and parts.host and (parts.port or 1) <= LAST_PORT
    except (httpx.InvalidURL, UnicodeError):  # what a name in foreign letters gets wrong
        return None
    return parts if sound else None


@dataclass
class Latency:
    """How long one call took; `hub_ms` is the hub's own share where it says so."""

    call: str
    ms: float
    hub_ms: float | None


@dataclass
class Hub:
    """One hub, asked as one agent (or as nobody, before joining).

    `recent` calls are timed; `clock` is what the hub's own clock said with its latest answer, to
    the second.
    """

    http: httpx.Client
    recent: deque[Latency] = field(default_factory=lambda: deque(maxlen=200))
    clock: datetime | None = None

    @classmethod
    def at(cls, url: str, token: str = "", transport: httpx.BaseTransport | None = None) -> "Hub":
        """A hub at an address; a transport may be given in place of the network."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT, transport=transport, trust_env=False
        )
        return cls(client)

    @property
    def address(self) -> str:
        """Where the hub is asked."""
        return str(self.http.base_url).rstrip("/")

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def latency(self) -> float | None:
        """The median of recent calls in milliseconds."""
        found = sorted(one.ms for one in list(self.recent))
        return found[len(found) // 2] if found else None

    def info(self) -> HubInfo:
        """What the hub is and which clients it takes; raises NotAHub when this is none."""
        try:
            return self._get("/v1/hub", HubInfo)
        except (NotUnderstood, HubRefused) as problem:
            if isinstance(problem, HubRefused) and problem.reason != NO_HUB_SAYS:
                raise
            raise NotAHub(
                f"Something answers at {self.address}, but it is no AgentHub; check the address."
            ) from None

    def join(self, request: JoinRequest) -> Joined:
        """Ask for a token; it is shown this once."""
        return self._send("POST", "/v1/agents", Joined, request)

    def goal(self, name: str) -> Goal:
        """A goal's rules and files, with their text."""
        return self._get(f"/v1/goals/{name}", Goal, {"files": "true"})

    def me(self) -> Agent:
        """The agent whose token this is; raises BadToken when the hub does not know it."""
        return self._get("/v1/me", Agent)

    def sign_in_code(self) -> SignInCode:
        """Ask for a code that signs this agent's owner in on the hub's pages, once."""
        return _read(self._ask("POST", "/v1/me/link"), SignInCode)

    def work(self, request: WorkRequest) -> WorkReply:
        """Ask for something to do."""
        return self._send("POST", "/v1/work", WorkReply, request)

    def renew(self, lease: UUID, progress: Progress) -> Renewal:
        """Keep a lease alive, and say where its run is."""
        return self._send("POST", f"/v1/leases/{lease}/renew", Renewal, progress)

    def tell(self, lease: UUID, output: Output) -> Heard:
        """Let people watch what a run prints."""
        return self._send("POST", f"/v1/leases/{lease}/output", Heard, output)

    def release(self, lease: UUID, said: Release) -> None:
        """Give a lease back, so that another agent can have the work at once."""
        self._ask("POST", f"/v1/leases/{lease}/release", body=said)

    def files(self, sha: str) -> dict[str, str]:
        """The text of an experiment's files."""
        reply = self._ask("GET", f"/v1/experiments/{sha}/files")
        return {path: str(text) for path, text in _json(reply).items()}

    def experiment(self, sha: str) -> Experiment:
        """One experiment."""
        return self._get(f"/v1/experiments/{sha}", Experiment)

    def newest(self, goal: str, limit: int = 200) -> list[Experiment]:
        """A goal's newest experiments."""
        page = self._get(f"/v1/goals/{goal}/experiments", Experiments, {"limit": limit})
        return page.experiments

    def children(self, sha: str, limit: int = 1000) -> list[Experiment]:
        """What was tried on an experiment."""
        page = self._get(f"/v1/experiments/{sha}/children", Experiments, {"limit": limit})
        return page.experiments

    def propose(self, identity: UUID, proposal: Proposal) -> Registered:
        """Register a proposal; the hub refuses one that was tried before or breaks the rules."""
        return self._send("PUT", f"/v1/experiments/{identity}", Registered, proposal)

    def report(self, identity: UUID, report: RunReport) -> Receipt:
        """Hand in a run; safe to send again."""
        return self._send("PUT", f"/v1/runs/{identity}", Receipt, report)

    def post(self, identity: UUID, draft: PostDraft) -> None:
        """Write on the board; safe to send again."""
        self._ask("PUT", f"/v1/posts/{identity}", body=draft)

    def send_raw(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PUT a journalled body as it was written down; returns the hub's reply."""
        return _json(self._ask("PUT", path, raw=dict(body)))

    def _get(
        self, path: str, kind: type[Reply], query: Mapping[str, str | int] | None = None
    ) -> Reply:
        return _read(self._ask("GET", path, query=query), kind)

    def _send(self, method: str, path: str, kind: type[Reply], body: BaseModel) -> Reply:
        return _read(self._ask(method, path, body=body), kind)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | None = None,
        raw: dict[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        said = body.model_dump(mode="json") if body is not None else raw
        began = time.monotonic()
        try:
            reply = self._bounded(method, path, said, query)
        except (httpx.HTTPError, OSError) as problem:
            where = f"({self.address}: {_short(problem)})"
            raise HubUnreachable(f"{HubUnreachable.sentence()} {where}") from None
        self._note(method, path, began, reply)
        if reply.is_success:
            return reply
        raise _refusal(reply)

    def _bounded(
        self, method: str, path: str, said: Any, query: Mapping[str, str | int] | None
    ) -> httpx.Response:
        """One exchange with a bound on its size and on its whole duration."""
        ends = time.monotonic() + TOTAL_SECONDS
        with self.http.stream(method, path, json=said, params=query) as reply:
            content = bytearray()
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > MAX_REPLY_BYTES or time.monotonic() > ends:
                    raise httpx.ReadError("the reply is too large or too slow")
            headers = [
                pair for pair in reply.headers.multi_items() if pair[0] != "content-encoding"
            ]
            return httpx.Response(reply.status_code, headers=headers, content=bytes(content))

    def _note(self, method: str, path: str, began: float, reply: httpx.Response) -> None:
        with suppress(ValueError, TypeError):
            self.clock = parsedate_to_datetime(reply.headers.get("date", ""))
        share = reply.headers.get("server-timing", "").partition("dur=")[2]
        took = (time.monotonic() - began) * 1000
        self.recent.append(Latency(f"{method} {path}", took, number(share)))


def _read(reply: httpx.Response, kind: type[Reply]) -> Reply:
    try:
        return kind.model_validate_json(reply.content)
    except ValidationError as problem:
        raise NotUnderstood(
            f"The hub answered something that is no {kind.__name__}: {problem.errors()[0]['msg']}"
        ) from None


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        said = reply.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise NotUnderstood("The hub answered something that is not JSON.")
    return said


def _refusal(reply: httpx.Response) -> Exception:
    """An error reply as an exception: worth another try, or final.

    Each refusal of a hub has a code. What has none is said by another: a proxy that does not find
    its hub for a minute answers 404, and no finished run is given up for that. Only that a body is
    too large for it is final.
    """
    try:
        said = _json(reply)
    except HubUnreachable:
        said = {}
    detail = str(said.get("detail") or said.get("title") or f"HTTP {reply.status_code}")
    if reply.status_code in TRY_AGAIN:
        busy = HubBroke if reply.status_code == BROKE else HubBusy
        return busy(detail, _retry_after(reply))
    code = str(said.get("code") or ("too_large" if reply.status_code == TOO_LARGE else ""))
    if not code:
        return NotUnderstood(f"What answers in the hub's place is no AgentHub: {detail}.")
    data = said.get("data")
    facts = data if isinstance(data, dict) else {}
    kind = BadToken if reply.status_code == 401 else HubRefused
    return kind(code, detail, reply.status_code, facts)


def _retry_after(reply: httpx.Response) -> float:
    text = reply.headers.get("retry-after", "")
    return TOO_MANY_FLOOR if reply.status_code == 429 and not text else asked_for(text)


def _short(problem: Exception) -> str:
    if "WRONG_VERSION_NUMBER" in str(problem):
        return "it speaks http, not https"
    return str(problem).splitlines()[0][:160] if str(problem) else type(problem).__name__
