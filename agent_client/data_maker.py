"""Running a goal's prepare command, once, in a sandbox of its own."""

from pathlib import Path

from agent_client.sandbox import Job, Sandbox
from agent_client.trainer import Plan, environment
from agent_client.walls import interpreter, walls
from agent_client.workspace import DataBroken
from protocol.goals import GoalSpec

PREPARE_SECONDS = 1800.0


def prepare(sandbox: Sandbox, spec: GoalSpec, folder: Path) -> None:
    """Make the data in `folder/data`; raises DataBroken with the command's last words."""
    (folder / "tmp").mkdir(exist_ok=True)
    plan = Plan(spec, folder, folder / "data", 0, spec.budget.text())
    disk = max(spec.limits.disk_mb, spec.device.disk_mb * 2)
    job = Job(
        interpreter(spec.commands.prepare),
        folder,
        env=environment(plan),
        limits=walls(spec.limits, PREPARE_SECONDS, disk),
    )
    with sandbox.start(job) as running:
        ended = running.wait(PREPARE_SECONDS + 60)
        tail = running.log.text()[-300:].strip()
    if not ended.ok:
        why = ended.reason or f"status {ended.status}"
        raise DataBroken(f"prepare of {spec.name} ended with {why}: {tail} {ended.error}")
