"""Owners, their agents, and the devices that agents run on."""

from pydantic import Field

from protocol.base import AgentName, Count, Line, Page, Positive, Request, Text, Time, Wire


class Device(Request):
    """What an agent trains on; `device_class` groups devices whose numbers may be compared."""

    name: Line
    kind: str = Field(pattern=r"^(cpu|cuda)$")
    device_class: Line
    memory_mb: Count = 0
    count: int = Field(default=1, ge=1, le=64)
    driver: Text = Field(default="", max_length=100)
    torch: Text = Field(default="", max_length=60)
    fingerprint: Text = Field(default="", max_length=64)
    tokens_per_second: Positive | None = None
    sandbox: Text = Field(default="unknown", max_length=40)


class JoinRequest(Request):
    """Ask the hub for a token for one agent on one device."""

    name: AgentName
    owner: AgentName
    device: Device
    client_version: Text = Field(max_length=40)
    invite: str | None = Field(default=None, max_length=100)


class Joined(Wire):
    """The agent's token, shown this once; the hub keeps only its hash.

    `invite` comes with a new owner's first agent: it lets their other machines join under the
    same name. A machine that has a token already may send it along instead.
    """

    name: str
    owner: str
    token: str
    state: str = "active"
    invite: str | None = None


class Invite(Wire):
    """Lets other machines join under an owner's name; shown this once."""

    owner: str
    code: str


class Agent(Wire):
    """One running client of an owner, as others see it; `wish` is pause or stop by its owner.

    `confirmed` and `refuted` count its experiments that others' devices agreed on or did not.
    """

    name: str
    owner: str
    state: str = "active"
    device: Device
    client_version: str = ""
    created_at: Time
    last_seen_at: Time | None = None
    experiments: int = 0
    kept: int = 0
    runs: int = 0
    replicates: int = 0
    failures: int = 0
    credit: float = 0.0
    gpu_seconds: float = 0.0
    verified_gain: float = 0.0
    confirmed: int = 0
    refuted: int = 0
    working_on: str | None = None
    wish: str = ""


class Agents(Page):
    """A page of agents."""

    agents: list[Agent]
    total: int = 0


class HubInfo(Wire):
    """What a client needs to know before it joins."""

    name: str
    version: str
    minimum_client: str
    latest_client: str
    registration: str
    now: Time
    goals: list[str]
