"""Work orders in the words of those who need them: the state file, the hub, a mutator."""

from agent_client.mutators.base import Idea, Tried
from agent_client.state import Held
from protocol.experiments import Experiment, Proposal
from protocol.work import WorkOrder


def held(order: WorkOrder, experiment: str | None = None, attempts: int = 1) -> Held:
    """A lease as state.json keeps it."""
    return Held(
        lease=order.lease,
        epoch=order.epoch,
        goal=order.goal,
        kind=order.kind.value,
        experiment=experiment or order.experiment,
        attempts=attempts,
    )


def proposal(order: WorkOrder, idea: Idea, files: dict[str, str], mutator: str) -> Proposal:
    """What registers an idea under its order."""
    assert order.parent is not None
    return Proposal(
        lease=order.lease,
        epoch=order.epoch,
        goal=order.goal,
        parent=order.parent,
        second_parent=order.second_parent,
        files=files,
        title=idea.title,
        hypothesis=idea.hypothesis,
        operator=idea.operator,
        mutator=mutator,
        model=idea.model,
        expected_delta=idea.expected_delta,
        tokens_used=idea.usage.tokens,
        dollars=idea.usage.dollars,
    )


def tried(each: Experiment, sibling: bool) -> Tried:
    """An experiment as a mutator hears of it."""
    return Tried(
        title=each.title,
        status=each.status,
        sibling=sibling,
        delta=each.delta,
        delta_sd=each.delta_sd,
        kept=each.kept,
        failure=each.failure,
    )
