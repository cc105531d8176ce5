"""A run that can begin at once."""

from dataclasses import dataclass

from agent_client.lease import Grip
from agent_client.setup import KnownGoal
from agent_client.trainer import Training
from agent_client.workspace import Data
from protocol.experiments import Experiment
from protocol.work import WorkOrder


@dataclass(frozen=True)
class Start:
    """What is known of a run before its process is started; `mended` says that it was a crash."""

    order: WorkOrder
    goal: KnownGoal
    grip: Grip
    experiment: Experiment
    parent_score: float | None
    contents: dict[str, str]
    mended: bool = False


@dataclass(frozen=True, kw_only=True)
class Ready(Start):
    """A run with its files laid out and its process started."""

    data: Data
    training: Training
