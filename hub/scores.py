"""What the hub believes of each experiment, kept up to date as runs arrive."""

import math
from statistics import fmean, stdev

from sqlmodel import Session, col, select

from hub.db import Work
from hub.tables import ExperimentRow, GoalRow, RunRow
from protocol.events import ScoreChanged
from protocol.experiments import Standing
from protocol.goals import GoalSpec


def after_run(
    work: Work, goal: GoalRow, spec: GoalSpec, experiment: ExperimentRow, run: RunRow
) -> None:
    """Update score, delta, standing and verdict of the experiment that a run was for."""
    runs = _counted(work.session, experiment.sha)
    readings = [reading for reading, _ in runs]
    experiment.n_owners = len({owner for _, owner in runs})
    if not readings:
        experiment.verdict = f"Failed: {run.failure}. {run.failure_detail}"[:300]
        return
    experiment.score = fmean(readings)
    experiment.score_sd = _spread(goal, readings)
    experiment.standing = Standing.CLAIMED.value
    _compare(work.session, experiment)
    experiment.kept = experiment.kept or _is_best(work.session, goal, experiment)
    experiment.verdict = sentence(spec, experiment)
    experiment.changed_seq = work.announce(
        ScoreChanged(
            goal=goal.slug,
            sha=experiment.sha,
            number=experiment.number,
            score=experiment.score,
            score_sd=experiment.score_sd,
            standing=experiment.standing,
            kept=experiment.kept,
        )
    )


def _counted(session: Session, sha: str) -> list[tuple[float, str]]:
    query = select(RunRow.metric, RunRow.owner).where(
        col(RunRow.experiment) == sha, col(RunRow.counted), col(RunRow.metric).is_not(None)
    )
    return [(metric, owner) for metric, owner in session.exec(query) if metric is not None]


def _spread(goal: GoalRow, readings: list[float]) -> float | None:
    if len(readings) > 1:
        return stdev(readings) / math.sqrt(len(readings))
    return goal.noise_sd


def _compare(session: Session, experiment: ExperimentRow) -> None:
    query = select(ExperimentRow).where(col(ExperimentRow.sha) == experiment.parent)
    parent = session.exec(query).first()
    if parent is None or parent.score is None or experiment.score is None:
        return
    experiment.delta = experiment.score - parent.score
    if experiment.score_sd is not None and parent.score_sd is not None:
        experiment.delta_sd = math.hypot(experiment.score_sd, parent.score_sd)


def _is_best(session: Session, goal: GoalRow, experiment: ExperimentRow) -> bool:
    better = col(ExperimentRow.score) < experiment.score
    if goal.direction == "max":
        better = col(ExperimentRow.score) > experiment.score
    query = select(ExperimentRow.sha).where(
        col(ExperimentRow.goal) == goal.slug, col(ExperimentRow.sha) != experiment.sha, better
    )
    return session.exec(query.limit(1)).first() is None


def sentence(spec: GoalSpec, experiment: ExperimentRow) -> str:
    """The verdict in words: value, delta to the parent, and how sure the hub is."""
    value = f"{experiment.score:.5f}"
    runs = "1 run" if experiment.n_runs == 1 else f"{experiment.n_runs} runs"
    if experiment.delta is None:
        return f"{value} ({runs})"
    gained = spec.metric.better(experiment.delta, 0.0)
    word = "better" if gained else "worse"
    if experiment.delta == 0:
        word = "different"
    spread = f" ± {experiment.delta_sd:.5f}" if experiment.delta_sd else ""
    noise = ""
    if experiment.delta_sd and abs(experiment.delta) < 2 * experiment.delta_sd:
        noise = ", within noise"
    return (
        f"{value}, {word} than its parent by {abs(experiment.delta):.5f}{spread} "
        f"({runs}, {experiment.standing}{noise})"
    )
