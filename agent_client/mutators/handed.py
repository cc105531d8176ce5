"""A proposal that came with the order: the hub merged experiments, or took a change back."""

from dataclasses import dataclass

from agent_client.mutators.base import Idea, NoIdea, Task
from protocol.work import WorkOrder


@dataclass(frozen=True)
class Handed:
    """Proposes what the hub prepared; asks no model and costs nothing."""

    order: WorkOrder
    mends: bool = False

    @property
    def name(self) -> str:
        """How the hub and the owner know it."""
        return "hub"

    def propose(self, task: Task) -> Idea:
        """Hand on the prepared files; raises NoIdea when the order came without."""
        made = self.order.prepared
        if made is None:
            raise NoIdea("The work order holds no prepared proposal.")
        return Idea(made.files, made.title, made.hypothesis, task.operator)
