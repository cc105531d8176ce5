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
    """One goal at a glance; `stairs` are its improvements, oldest first, at most 200.

    `owners_missing` says how many more owners must measure something here before any claim can be
    verified; 0 as soon as one is.
    """

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
    owners_missing: int = 0
    created_at: Time
    stairs: list[Improvement]


class GoalLine(Wire):
    """One goal in a line of a long list; `runs_today` are those of the last 24 hours."""

    name: str
    title: str
    metric: str
    direction: Direction
    state: GoalState
    baseline: float | None = None
    best: float | None = None
    verified_best: float | None = None
    experiments: int = 0
    runs_today: int = 0
    running: int = 0
    created_at: Time
    last_at: Time | None = None


class GoalLines(Page):
    """A page of goals."""

    goals: list[GoalLine]
    total: int


class Overview(Wire):
    """The hub at a glance: cards of its busiest goals, of `goals_total`; `seq` is the cursor."""

    name: str
    version: str
    seq: int
    agents_online: int
    experiments_last_hour: int
    gpu_hours_today: float
    goals_total: int = 0
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

    Columns of equal length, in order of number: `seconds` of all runs there, the `tokens` in
    millions that they said they trained on, and `device`, the index of the class in `classes`.
    """

    number: list[int]
    seconds: list[float]
    tokens: list[float]
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
