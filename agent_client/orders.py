"""Work orders in the words of those who need them: the state file, the hub, a mutator."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from agent_client.hub_api import Hub
from agent_client.mutators.base import Idea, NoIdea, Task, Tried
from agent_client.settings import Settings
from agent_client.setup import VERSION, KnownGoal
from agent_client.state import Held, Memory
from protocol.agents import Device
from protocol.experiments import Experiment, Operator, Proposal
from protocol.work import WorkOrder, WorkRequest


def work_request(settings: Settings, device: Device, memory: Memory) -> WorkRequest:
    """What the hub is told with each question for work."""
    return WorkRequest(
        device=device,
        goals=settings.goals,
        client_version=VERSION,
        session=memory.session,
    )


def task_on(
    goal: KnownGoal, contents: Mapping[str, str], device: Device, known: Sequence[Tried]
) -> Task:
    """What a mutator is asked to change; the order adds which kind of change."""
    return Task(
        spec=goal.spec,
        brief=goal.brief,
        files={path: contents[path] for path in goal.spec.files.editable if path in contents},
        operator=Operator.TWEAK,
        seed=0,
        device=f"{device.name} ({device.kind})",
        tried=known,
    )


def history(hub: Hub, goal: str, parent: str) -> list[Tried]:
    """What was tried on a parent, then what is newest elsewhere in the goal; the newest last."""
    siblings = hub.children(parent)
    known = {each.sha for each in siblings}
    others = [each for each in hub.newest(goal) if each.sha not in known]
    found = [tried(each, sibling=True) for each in siblings]
    return found + [
        tried(each, sibling=False)
        for each in reversed(others)
        if each.operator is not Operator.BASELINE
    ]


def folder_of(order: WorkOrder) -> str:
    """The name of the folder of its run; the same work may come again while that still trains."""
    return f"{order.lease}.{order.epoch}"


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
    """What registers an idea under its order; raises NoIdea when its words are none for a hub."""
    assert order.parent is not None
    try:
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
    except ValidationError as problem:
        error = problem.errors()[0]
        raise NoIdea(f"{'.'.join(map(str, error['loc']))}: {error['msg']}") from None


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
