"""What operators see: answers to their actions, the log, the review queue, tokens and people."""

from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from protocol.acts import Reason
from protocol.base import Page, Request, Text, Time, Wire
from protocol.goals import MAX_FILES, GoalSpec


class Acted(Wire):
    """What was done; `secret` (a token, an invite or a sign-in link) is shown this once."""

    seq: int
    action: str
    object: str
    sentence: str
    secret: str | None = None
    undoable: bool = False


class Planned(Wire):
    """A work order that the hub would hand out next."""

    goal: str
    kind: str
    parent: str | None = None
    experiment: str | None = None
    number: int | None = None
    title: str = ""
    why: str = ""


class Change(Wire):
    """One thing that an action would change, before and after in words."""

    what: str
    before: str
    after: str


class Preview(Wire):
    """What an action would do, without doing it.

    `cascade` counts what would change, by kind (runs, experiments, champions, tokens, leases);
    `changes` lists the most important of them; `orders_before` and `orders_after` are the next
    ten work orders without and with the action.
    """

    sentence: str
    cascade: dict[str, int] = Field(default_factory=dict)
    changes: list[Change] = Field(default_factory=list)
    orders_before: list[Planned] = Field(default_factory=list)
    orders_after: list[Planned] = Field(default_factory=list)


class ActionEntry(Wire):
    """A line of the append-only log: who did what to what, when and why."""

    seq: int
    at: Time
    operator: str
    action: str
    object: str
    goal: str | None = None
    reason: str
    sentence: str = ""
    undoable: bool = False
    undone_by: int | None = None


class Actions(Page):
    """A page of the log, the newest first."""

    actions: list[ActionEntry]


class FlagDraft(Request):
    """Say that something is wrong with a post, an experiment, an agent or an owner."""

    kind: Literal["post", "experiment", "agent", "owner"]
    object: str = Field(min_length=2, max_length=40, pattern=r"^[0-9a-z-]+$")
    reason: Reason


class Flag(Wire):
    """A flag as raised; an operator decides."""

    id: UUID
    kind: str
    object: str
    reason: str
    by: str
    state: str
    created_at: Time


class Waiting(StrEnum):
    """Why something waits for an operator."""

    FLAG = "flag"
    HELD = "held"
    OWNER = "owner"
    DISPUTE = "dispute"
    QUARANTINE = "quarantine"


class QueueItem(Wire):
    """One thing that waits for a decision, and the actions that decide it.

    `approve` and `reject` are complete but for their reason: send either to /v1/ops/actions. A
    post's `channel` and `topic` say where it stands.
    """

    waiting: Waiting
    key: str
    kind: str
    object: str
    channel: str = ""
    topic: str = ""
    title: str
    detail: str = ""
    by: str = ""
    since: Time
    approve: dict[str, Any] | None = None
    reject: dict[str, Any] | None = None
    hide: dict[str, Any] | None = None


class Queue(Wire):
    """Everything that waits, the oldest first; `last_review_at` is the newest decision."""

    items: list[QueueItem]
    last_review_at: Time | None = None


class TokenInfo(Wire):
    """A token without its secret."""

    id: str
    kind: str
    subject: str
    created_at: Time
    last_used_at: Time | None = None
    expires_at: Time | None = None
    revoked_at: Time | None = None


class InviteInfo(Wire):
    """An invite without its secret."""

    id: str
    owner: str | None
    by: str
    uses_left: int
    created_at: Time
    expires_at: Time
    revoked_at: Time | None = None


class OwnerInfo(Wire):
    """An owner as operators see them."""

    name: str
    state: str
    trust: int
    credit: float
    per_minute: int | None = None
    invited_by: str | None = None
    agents: int = 0
    runs: int = 0
    experiments: int = 0
    created_at: Time


class OperatorInfo(Wire):
    """An operator."""

    name: str
    owner: str | None = None
    state: str
    created_at: Time
    last_seen_at: Time | None = None


class NoticeInfo(Wire):
    """A notice, withdrawn ones included."""

    id: int
    goal: str | None
    text: str
    by: str
    created_at: Time
    withdrawn_at: Time | None = None


class GoalVersion(Wire):
    """One version of a goal."""

    version: int
    by: str
    reason: str
    created_at: Time


class GoalDiff(Wire):
    """What changed between two versions of a goal, as unified diff lines by file.

    The rules appear as the file `goal.json`.
    """

    goal: str
    base: int
    version: int
    files: dict[str, list[str]]


class FolderName(Wire):
    """A goal's files that an operator may begin with: of the library, or of this hub."""

    name: str
    title: str
    of: Literal["library", "hub"]


class GoalTexts(Wire):
    """A goal's folder: the text of `goal.toml` and of every file that it names."""

    files: dict[str, str]


class GoalDraft(Request):
    """A goal's folder that is not open yet."""

    files: dict[str, Text] = Field(min_length=1, max_length=MAX_FILES)


class GoalCheck(Wire):
    """What `hub goal validate` says of a folder, for a look before it is opened.

    `problems` keep it from being opened and name file and line; `notes` are worth knowing.
    """

    problems: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    spec: GoalSpec | None = None
    files: dict[str, str] = Field(default_factory=dict)
    brief_html: str = ""


class Finding(Wire):
    """What the policy found in a proposal: `level` is `deny`, `review` or `note`."""

    rule: str
    level: str
    path: str
    line: int
    detail: str


class Findings(Wire):
    """The policy's findings on an experiment; `held` says that others may not run it yet."""

    experiment: str
    held: bool
    findings: list[Finding]


class SignIn(Request):
    """Trade a one-time link's code for a session cookie."""

    code: str = Field(min_length=20, max_length=120)


class SignInWays(Wire):
    """How operators may sign in beside one-time links: `provider` is the button's name, if any.

    `refusals` are the sentences behind the codes that the sign-in page may be sent back with.
    """

    provider: str | None
    refusals: dict[str, str]


class Session(Wire):
    """Who is signed in; send `csrf` as X-CSRF-Token with everything that changes something.

    An operator, a volunteer (`owner`), or one person who is both.
    """

    operator: str | None = None
    owner: str | None = None
    csrf: str
    expires_at: Time
    waiting: int = 0


class Health(Wire):
    """How the hub is, for its operators; sizes are bytes, ages seconds."""

    version: str
    schema_revision: str
    database_bytes: int
    disk_free_bytes: int
    events: int
    open_orders: int
    oldest_order_seconds: float
    leases: int
    parked: int
    agents_online: int
    clients: dict[str, int] = Field(default_factory=dict)
    registration: str
    posts_frozen: bool
