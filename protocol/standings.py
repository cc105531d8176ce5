"""Who stands where: a goal's leaderboard with places, and why runs gave no result."""

from protocol.base import Page, Wire
from protocol.experiments import Experiment


class Ranked(Experiment):
    """An experiment with its place among those that were asked for.

    `rank_before` is its place without the experiments of the last 24 hours; null while it is one
    of them. `device_class` and `seconds` are those of its author's run.
    """

    rank: int
    rank_before: int | None = None
    device_class: str = ""
    seconds: float | None = None


class Ranking(Page):
    """A page of the leaderboard; `classes` are the classes of devices that worked on the goal."""

    experiments: list[Ranked]
    classes: list[str]


class Reason(Wire):
    """Why experiments ended without a result: how many did, and the newest of them."""

    failure: str
    experiments: int
    number: int
    sha: str
    detail: str = ""


class Categories(Wire):
    """Which kind of change each experiment is, as columns in order of number."""

    number: list[int]
    category: list[int]
    categories: list[str]


class Noise(Wire):
    """How much two runs of the same code differ by luck, and what that was learned from.

    `stated` is what the goal's rules say of it (null: nothing); `sd` what the hub reckons now.
    `repeated` experiments ran more than once, `runs` times together, on `devices` machines.
    """

    sd: float | None = None
    stated: float | None = None
    repeated: int = 0
    runs: int = 0
    devices: int = 0
