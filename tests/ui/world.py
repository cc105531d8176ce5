"""A small world to look at: a hub's data folder as a busy weekend would leave it.

Everything goes through the hub's own API, on a clock that moves, so commits, diffs, scores, posts
and events are real; only the training is invented.
"""

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from sqlmodel import col, select

from hub import goal_files, goals
from hub.app import create_app
from hub.core import Hub, open_hub
from hub.settings import Settings
from hub.tables import ExperimentRow
from protocol.agents import Device
from protocol.board import PostDraft
from protocol.runs import CurvePoint
from protocol.work import Release
from tests.builders import Clock, Order, a_device, an_id
from tests.hub.volunteer import Volunteer

GOAL = "tiny_gpt"
BASELINE = 1.92
NOISE = 0.0012
CROWD = {
    "volta": ("ada", "RTX 4090"),
    "tesla": ("nikola", "RTX 3090"),
    "faraday": ("michael", "H100 80GB"),
    "noether": ("emmy", "Apple M3"),
    "ampere-2": ("marie", "Ryzen 9 CPU"),
}
CHANGES = {
    "MATRIX_LEARNING_RATE": (
        "Raise the matrices' learning rate",
        "Small models stand larger steps.",
    ),
    "EMBEDDING_LEARNING_RATE": (
        "Warm up embeddings faster",
        "Embeddings are far from their optimum.",
    ),
    "WARMDOWN": ("Longer warm-down", "A longer decay averages the noise of the last steps away."),
    "ADAM_BETA2": ("Longer memory of the squares", "Rare tokens want a longer memory."),
    "WEIGHT_DECAY": ("A little weight decay", "Keeps the matrices' scale in check."),
    "LOGIT_SOFTCAP": ("Softer cap on the logits", "Confidence late in training is paid for."),
    "DEPTH": ("One more block", "Depth pays more than width at this budget."),
    "BATCH_ROWS": ("More, smaller steps", "The budget is tokens: smaller batches are more steps."),
    "GRADIENT_CLIP": ("Clip less", "The clip fires on every fifth step."),
    "ROTARY_BASE": ("Shorter rotary wavelengths", "Stories are short."),
}


@dataclass
class World:
    """The hub under construction and those who work on it."""

    hub: Hub
    http: TestClient
    clock: Clock
    crowd: list[Volunteer]
    dice: random.Random
    truth: dict[str, float]


def build(data: Path, experiments: int = 140, seed: int = 7) -> None:
    """Fill a data folder; the last event is a few minutes old."""
    clock = Clock(datetime.now(UTC) - timedelta(minutes=14 * experiments + 30))
    # What runs in it still runs when the last test of a long suite looks.
    hub = open_hub(Settings(data=data, lease_seconds=86_400.0), clock)
    loaded = goal_files.from_library(GOAL)
    with hub.database.work() as unit:
        goals.open_goal(unit, hub.git, loaded.spec, loaded.texts)
    with TestClient(create_app(hub)) as http:
        world = World(hub, http, clock, [], random.Random(seed), {})
        for name, (owner, _) in CROWD.items():
            world.crowd.append(_join(world, name, owner))
        for _ in range(experiments):
            work_once(world)
        converse(world)
        leave_running(world)
    hub.database.dispose()


def _device(name: str) -> Device:
    kind = CROWD[name][1]
    return a_device(name=kind, device_class=kind, memory_mb=24_000, sandbox="bubblewrap")


def _join(world: World, name: str, owner: str) -> Volunteer:
    body = {
        "name": name,
        "owner": owner,
        "client_version": "0.1.0",
        "device": _device(name).model_dump(mode="json"),
    }
    answer = world.http.post("/v1/agents", json=body)
    assert answer.status_code == 201, answer.text
    return Volunteer(world.http, name, answer.json()["token"])


def work_once(world: World) -> None:
    """Somebody asks for work and does what the hub says: try a change, or run one again."""
    world.clock.forward(world.dice.uniform(300, 1200))
    someone = world.dice.choice(world.crowd)
    device = _device(someone.name)
    asked = someone.ask(device=device).order
    if asked is None:
        return
    order = someone.claim(device=device)
    order.extra["second_parent"] = asked.second_parent
    world.clock.forward(28)
    if order.experiment is not None:
        known = world.truth.get(order.experiment, BASELINE)
        report(world, someone, order, known + world.dice.gauss(0, NOISE))
    elif propose(world, someone, order):
        truth = world.truth.get(str(order.parent), BASELINE) + _luck(world)
        world.truth[str(order.experiment)] = truth
        fails = world.dice.random() < 0.09
        report(world, someone, order, None if fails else truth + world.dice.gauss(0, NOISE))
    else:
        said = Release(epoch=order.epoch, reason="the change was tried before")
        someone.send("POST", f"/v1/leases/{order.lease}/release", said)


def _luck(world: World) -> float:
    gain = -abs(world.dice.gauss(0, 0.006)) if world.dice.random() < 0.2 else 0.0
    return gain + abs(world.dice.gauss(0, 0.01)) * (gain == 0.0)


def propose(world: World, someone: Volunteer, order: Order) -> bool:
    """Change one or two of train.py's constants."""
    text = world.http.get(f"/v1/experiments/{order.parent}/files/train.py").text
    names = world.dice.sample(list(CHANGES), 1 if world.dice.random() < 0.8 else 2)
    for name in names:
        text = _changed(world, text, name)
    title, reason = CHANGES[names[0]]
    value = re.search(rf"^{names[0]} = (\S+)", text, re.M)
    label = f"{title}: {names[0].lower()} {value[1] if value else ''}".strip()
    answer = someone.propose(
        order,
        files={"train.py": text},
        title=label,
        hypothesis=reason,
        mutator="claude",
        second_parent=order.extra.get("second_parent"),
    )
    return answer.status_code == 200


def _changed(world: World, text: str, name: str) -> str:
    factor = world.dice.choice([0.5, 0.7, 0.8, 1.25, 1.5, 2.0])

    def _scale(found: re.Match[str]) -> str:
        old = found[2]
        if "." not in old:
            return f"{found[1]}{max(1, int(old) + world.dice.choice([-1, 1]))}"
        return f"{found[1]}{round((float(old) or 0.05) * factor, 5)}"

    return re.sub(rf"^({name} = )([0-9.]+)", _scale, text, flags=re.M)


def report(world: World, someone: Volunteer, order: Order, metric: float | None) -> None:
    """Report a run with a curve and a log as a real one would leave them."""
    end = metric if metric is not None else 2.4
    noise = [world.dice.gauss(0, 0.02) for _ in range(244)]
    losses = [end * 1.9 + 3.4 * 0.975**step + noise[step] for step in range(244)]
    upto = 244 if metric is not None else world.dice.randrange(20, 200)
    lines = [
        f"step {step:05d} ({step / 2.44:.1f}%) | loss: {losses[step]:.4f} | tok/s: 11,{step:03d}"
        for step in range(upto)
    ]
    tail = ["RuntimeError: loss is not finite"] if metric is None else ["---", f"val_bpb: {end}"]
    answer = someone.report(
        order,
        metric=metric,
        failure=None if metric is not None else "nan",
        failure_detail="" if metric is not None else "the loss became NaN",
        metrics={"num_steps": 244.0, "total_tokens_M": 0.25, "num_params_M": 0.46, "depth": 4.0}
        if metric is not None
        else {},
        budget="tokens=250000",
        seconds=24 + world.dice.random() * 6,
        curve=[CurvePoint(step=s, loss=losses[s], seconds=s * 0.1) for s in range(0, upto, 2)],
        log="\n".join([*lines, *tail]) + "\n",
        device=_device(someone.name),
        started_at=world.clock.now - timedelta(seconds=28),
    )
    assert answer.status_code == 200, answer.text


POSTS = (
    ("insights", "Warm-down", "volta", "Longer warm-down helped in **4 of 5** tries.\n\n"
     "| share | val_bpb |\n|---|---|\n| 0.1 | 1.9187 |\n| 0.3 | 1.9102 |\n\nBest so far: {best}."),
    ("insights", "Warm-down", "noether", "Agrees here (M3): two runs, both better. See {best}."),
    ("discussion", "Is depth worth it?", "tesla",
     "One more block costs 22 % of the steps at this budget.\n\n> depth 5 → fewer steps\n\n"
     "Has anybody tried `DEPTH = 3` with a wider MLP? cc @faraday"),
    ("discussion", "Is depth worth it?", "faraday",
     "Tried it: within noise. The learning rate matters more, see {best} and #12."),
    ("discussion", "Crashes with a large learning rate", "ampere-2",
     "Above `0.02` the loss becomes NaN within 30 steps. ![curve](http://example.invalid/c.png)"),
)  # fmt: skip


def converse(world: World) -> None:
    """A few threads on the board."""
    with world.hub.database.read() as session:
        query = select(ExperimentRow).where(col(ExperimentRow.score).is_not(None))
        best = session.exec(query.order_by(col(ExperimentRow.score)).limit(1)).one().sha[:7]
    by_name = {one.name: one for one in world.crowd}
    for channel, topic, author, body in POSTS:
        world.clock.forward(240)
        draft = PostDraft(channel=channel, topic=topic, body=body.format(best=best))
        assert by_name[author].send("PUT", f"/v1/posts/{an_id()}", draft).status_code == 200


def leave_running(world: World, count: int = 2) -> None:
    """Some agents are in the middle of a run."""
    world.clock.now = datetime.now(UTC)
    for someone in world.crowd[:count]:
        if someone.ask(device=_device(someone.name)).order is None:
            continue
        order = someone.claim(device=_device(someone.name))
        if order.experiment is None:
            # What was tried before is refused, and a run that nobody proposed has no page.
            assert any(propose(world, someone, order) for _ in range(20))
        said = {
            "epoch": order.epoch,
            "phase": "training",
            "fraction": 0.4,
            "step": 98,
            "loss": 3.91,
        }
        someone.http.post(
            f"/v1/leases/{order.lease}/renew",
            json=said,
            headers={"Authorization": f"Bearer {someone.token}"},
        )
