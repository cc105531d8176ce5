"""What the board's first page shows: the hub at a glance and a card per goal."""

from protocol.base import Page, Time, Wire
from protocol.events import AnyEnvelope
from protocol.goals import Direction, GoalState


class Improvement(Wire):
    """A step of the staircase: an experiment that was the best when it came."""

    sha: str
    number: int
    title: str
    agent: str | None
    at: Time
    score: float
    score_sd: float | None = None
    delta: float | None = None
    standing: str
    n_runs: int


class GoalCard(Wire):
    """One goal at a glance; `stairs` are its improvements, oldest first, at most 200."""

    name: str
    title: str
    question: str
    metric: str
    unit: str
    direction: Direction
    state: GoalState
    reason: str = ""
    baseline: float | None = None
    best: float | None = None
    verified_best: float | None = None
    champion: str | None = None
    gain: float | None = None
    noise_sd: float | None = None
    experiments: int = 0
    experiments_today: int = 0
    running: int = 0
    agents: int = 0
    replications_waiting: int = 0
    stairs: list[Improvement]


class Overview(Wire):
    """The hub at a glance; `seq` is the cursor to listen from."""

    name: str
    version: str
    seq: int
    agents_online: int
    experiments_last_hour: int
    gpu_hours_today: float
    goals: list[GoalCard]


class Title(Wire):
    """A node's label, fetched only for what is on the screen."""

    number: int
    sha: str
    title: str
    agent: str | None
    operator: str


class Effort(Wire):
    """What a goal's experiments cost, one entry for each experiment and class of device.

    Columns of equal length, in order of number: `seconds` of all runs there, and `device`, the
    index of the class in `classes`.
    """

    number: list[int]
    seconds: list[float]
    device: list[int]
    classes: list[str]


class Contribution(Wire):
    """What an agent gave to one goal; `confirmed` and `refuted` count its decided claims."""

    agent: str
    owner: str
    experiments: int = 0
    kept: int = 0
    verified_gain: float = 0.0
    confirmed: int = 0
    refuted: int = 0
    runs: int = 0
    replicates: int = 0
    seconds: float = 0.0


class Activity(Page):
    """A goal's events, newest first."""

    events: list[AnyEnvelope]
