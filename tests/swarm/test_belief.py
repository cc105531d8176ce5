"""Belief: scores with their uncertainty, from readings that differ by device, day and luck."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.linalg import inv

from hub import belief, trust
from hub.belief_solver import Problem, Spreads, is_dense, solve
from hub.belief_table import Table
from hub.snapshot import Node, Reading, Snapshot
from tests.swarm.states import LEVEL, a_crowd, a_goal, a_random_goal, a_reading


def test_no_run_at_all_is_no_score() -> None:
    found = belief.fit(Snapshot(nodes=(Node("root", 0),)))

    assert np.isnan(found.score[0])
    assert found.best is None


def test_one_run_is_a_score_with_an_honest_spread() -> None:
    found = belief.fit(a_goal(LEVEL))

    score, sd, n = found.of(0)
    assert score == pytest.approx(LEVEL)
    assert sd > found.noise_sd
    assert n == 1


@pytest.mark.parametrize("least", [1.0, 1e-6])
def test_the_solver_agrees_with_dense_algebra(least: float) -> None:
    snapshot, _ = a_random_goal(40, 5, seed=3)
    table = Table.of(snapshot)
    faith = np.geomspace(least, 1.0, 40)
    problem = table.problem(np.linspace(0.5, 2, 40), np.linspace(-1, 1, 40), faith)
    spreads = Spreads(noise=1.1, step=4.0, drift=3.0, root=30.0, offsets=(60.0, 1.5, 2.5))

    found = solve(problem, spreads)

    mean, covariance = densely(problem, spreads)
    assert found.mean == pytest.approx(mean[:40], abs=1e-6)
    assert found.sd == pytest.approx(np.sqrt(np.diag(covariance)[:40]))
    assert found.offset == pytest.approx(mean[40:-1], abs=1e-6)
    assert found.drift == pytest.approx(mean[-1], abs=1e-6)
    inner = np.flatnonzero(problem.parent >= 0)
    step = np.zeros((len(inner), len(mean)))
    step[np.arange(len(inner)), inner] = 1
    step[np.arange(len(inner)), problem.parent[inner]] = -1
    assert found.step_sd[inner] ** 2 == pytest.approx(np.diag(step @ covariance @ step.T))
    step[:, -1] = -1
    assert found.surprise_sd[inner] ** 2 == pytest.approx(np.diag(step @ covariance @ step.T))


def test_a_reading_s_offset_is_judged_by_the_other_readings_alone() -> None:
    snapshot, _ = a_random_goal(30, 4, seed=4)
    table = Table.of(snapshot)
    problem = table.problem(np.ones(30), np.zeros(30))
    spreads = Spreads(noise=1.0, step=4.0, drift=3.0, root=30.0, offsets=(60.0, 1.5, 2.5))

    found = solve(problem, spreads)

    others = np.arange(1, 30)
    without = replace(
        problem,
        node=problem.node[others],
        value=problem.value[others],
        columns=problem.columns[others],
    )
    left = solve(without, spreads)
    columns = problem.columns[0][problem.columns[0] >= 0]
    assert found.rest[0] == pytest.approx(left.offset[columns].sum(), abs=1e-6)


def test_large_goals_are_solved_sparsely_to_the_same_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot, _ = a_random_goal(300, 20)
    table = Table.of(snapshot)
    problem = table.problem(np.ones(300), np.zeros(300))
    spreads = Spreads(noise=1.0, step=4.0, drift=3.0, root=30.0, offsets=(60.0, 1.5, 2.5))
    exact = solve(problem, spreads)

    monkeypatch.setattr("hub.belief_solver.DENSE", 1)
    found = solve(problem, spreads)

    assert found.mean == pytest.approx(exact.mean, abs=1e-3)
    assert found.drift == pytest.approx(exact.drift, abs=1e-3)
    assert np.median(found.sd / exact.sd) == pytest.approx(1, abs=0.15)


def test_a_goal_of_few_runs_on_very_many_devices_is_no_work_of_minutes() -> None:
    # 0.08 s of processor, 1 s and 6 s to fit densely; what a large goal always was stays dense.
    sizes = [(2_000, 130), (2_000, 1_000), (100_000, 80), (2_000, 2_400)]

    assert [is_dense(*size) for size in sizes] == [True, True, True, False]


def test_scores_are_nearer_to_the_truth_than_readings_and_say_how_near() -> None:
    snapshot, truth = a_random_goal(400, 40, seed=5)

    found = belief.fit(snapshot)

    raw = np.array([one.value for one in snapshot.readings])
    error, off = found.score - truth, raw - truth
    assert np.std(error) < 0.75 * np.std(off)
    assert 0.7 < np.std((error - error.mean()) / found.sd) < 1.4


def test_many_children_do_not_say_surely_where_a_parent_is_that_was_run_once() -> None:
    found = [belief.fit(snapshot) for snapshot in map(a_crowd, range(20))]

    off = np.array([(one.score[0] - LEVEL) / one.sd[0] for one in found])
    assert 0.6 < np.sqrt(np.mean(off**2)) < 1.4


def test_the_best_of_many_lucky_readings_is_not_believed() -> None:
    random = np.random.default_rng(1)
    rerolls = LEVEL + random.normal(0, 3.7e-4, 60)

    found = belief.fit(a_goal(LEVEL, *map(float, rerolls), noise_sd=3.7e-4))

    assert found.score[found.best] > rerolls.min() + 2e-4


def test_a_device_that_reads_low_gives_nobody_an_advantage() -> None:
    nodes = (Node("root", 0), Node("a", 1, 0, owner="ada"), Node("b", 2, 0, owner="bo"))
    steady = [a_reading(0, LEVEL, "ada"), a_reading(1, LEVEL - 2e-3, "ada")]
    low = [a_reading(0, LEVEL - 5e-3, "bo"), a_reading(2, LEVEL - 6e-3, "bo")]

    found = belief.fit(Snapshot(nodes=nodes, readings=tuple(steady + low)))

    assert found.best == 1
    assert found.devices["bo-gpu"].mean < found.devices["ada-gpu"].mean


def test_unlike_device_classes_are_compared_by_what_both_measured() -> None:
    nodes = (Node("root", 0), Node("a", 1, 0), Node("b", 2, 0))
    big = [Reading(0, 1.0, "ada", "x", "p", "H100"), Reading(1, 0.998, "ada", "x", "p", "H100")]
    small = [Reading(0, 1.2, "bo", "y", "q", "T4"), Reading(2, 1.19, "bo", "y", "q", "T4")]

    found = belief.fit(Snapshot(nodes=nodes, readings=(*big, *big, *small)))

    assert found.classes["T4"].mean == pytest.approx(0.2, abs=0.005)
    assert found.best == 2


def test_to_maximise_mirrors_to_minimise() -> None:
    values = (-0.3, -0.302, -0.299)

    down = belief.fit(a_goal(*values))
    up = belief.fit(a_goal(*[-value for value in values], direction="max"))

    assert up.score == pytest.approx(-down.score)
    assert up.delta[1:] == pytest.approx(-down.delta[1:])
    assert up.best == down.best == 1


def test_ties_and_zeros_and_failures_are_defined() -> None:
    found = belief.fit(a_goal(0.0, 0.0, None, 0.0))

    assert np.isfinite(found.score[[0, 1, 3]]).all()
    assert np.isnan(found.score[2])
    assert np.isfinite(found.loss).all()


def test_a_goal_where_everything_crashes_has_no_scores() -> None:
    found = belief.fit(a_goal(None, None, None))

    assert np.isnan(found.score).all()


def test_one_node_may_have_thousands_of_children() -> None:
    random = np.random.default_rng(2)

    found = belief.fit(a_goal(LEVEL, *map(float, LEVEL + random.normal(0, 4e-4, 12_707))))

    assert np.isfinite(found.score).all()


def test_the_same_readings_give_the_same_belief() -> None:
    snapshot, _ = a_random_goal(50, 5)

    assert (belief.fit(snapshot).score == belief.fit(snapshot).score).all()


def densely(problem: Problem, spreads: Spreads) -> tuple[np.ndarray, np.ndarray]:
    """The posterior, the usual step last, by inverting the whole precision matrix."""
    size, width = len(problem.parent), len(problem.kind)
    precision = np.zeros((size + width + 1, size + width + 1))
    right = np.zeros(size + width + 1)
    for node, up in enumerate(problem.parent):
        row = np.zeros(size + width + 1)
        row[node] = 1
        weight = 1 / spreads.root**2
        if up >= 0:
            row[[up, -1]] = -1
            weight = problem.weight[node] / spreads.step**2
        precision += weight * np.outer(row, row)
        right += weight * problem.shift[node] * row
    prior = 1 / np.array([*np.array(spreads.offsets)[problem.kind], spreads.drift]) ** 2
    precision[size:, size:] += np.diag(prior)
    sure = problem.precision(spreads.noise)
    read = zip(problem.node, problem.value, problem.columns, sure, strict=True)
    for node, value, columns, each in read:
        row = np.zeros(size + width + 1)
        row[node] = 1
        row[size + columns[columns >= 0]] = 1
        precision += np.outer(row, row) * each
        right += value * row * each
    covariance = inv(precision)
    return covariance @ right, covariance


def a_goal_whose_devices_agree(seed: int, noise: float) -> Snapshot:
    """Three hundred changes of no effect run once each, twenty of them twice more, elsewhere."""
    random = np.random.default_rng(seed)
    nodes = [Node("root", 0), *(Node(f"n{one}", one, (one - 1) // 2) for one in range(1, 300))]
    runs = [(node, node % 4) for node in range(300)]
    runs += [(15 * one, (15 * one + 1 + more) % 4) for one in range(20) for more in range(2)]
    readings = [
        a_reading(node, LEVEL + float(random.normal(0, noise)), f"owner{who}", f"p{node % 2}")
        for node, who in runs
    ]
    return Snapshot(nodes=tuple(nodes), readings=tuple(readings))


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_learned_from_repeats_and_honest_devices_stand(seed: int) -> None:
    snapshot = a_goal_whose_devices_agree(seed, noise=1e-3)

    found = belief.fit(snapshot)

    assert found.noise_sd == pytest.approx(1e-3, rel=0.35)
    assert trust.suspicions(snapshot, found)[0].z < 5 < trust.QUARANTINE


@pytest.mark.parametrize("noise_sd", [2e-4, None])
def test_a_confirmed_jump_among_changes_of_no_effect_is_no_noise(noise_sd: float | None) -> None:
    """The first change that helps much, as when a goal starts from a poor learning rate."""
    luck = np.random.default_rng(0).normal(0, 1.6e-4, 23)
    start = a_goal(*[LEVEL + float(one) for one in luck[:21]], LEVEL - 0.03, noise_sd=noise_sd)
    again = [a_reading(0, LEVEL + float(luck[21]), "bo")]
    again += [a_reading(21, LEVEL - 0.03 + float(luck[22]), "bo")]

    found = belief.fit(replace(start, readings=(*start.readings, *again)))

    assert found.noise_sd == pytest.approx(1.8e-4, rel=0.25)
    assert found.delta[21] == pytest.approx(-0.03, abs=4e-4)


@pytest.mark.parametrize("gap", [1e-2, 5e-2, 0.3])
def test_what_another_class_of_device_reads_otherwise_is_no_noise(gap: float) -> None:
    """A slower card trains less in five minutes: the starting point reads worse there by far."""
    snapshot, _ = a_random_goal(40, 4)
    slower = Reading(0, LEVEL + gap, "eve", "t4", "p", "T4")

    found = belief.fit(replace(snapshot, readings=(*snapshot.readings, slower)))

    before = belief.fit(snapshot)
    assert found.noise_sd == pytest.approx(before.noise_sd, rel=0.05)
    assert found.step_sd == pytest.approx(before.step_sd, rel=0.05)


def test_what_other_rules_of_measuring_read_otherwise_is_no_gain() -> None:
    """As when the budget of a run was doubled: the starting point tells by how much."""
    snapshot = a_goal(*[LEVEL + 1e-3 * place for place in range(6)])
    nodes = (*snapshot.nodes, Node("n6", 6, 0, owner="ada"))
    later = [a_reading(0, LEVEL - 0.1), a_reading(6, LEVEL - 0.1 + 2e-3)]
    under = tuple(replace(one, era="rules of version 2") for one in later)

    found = belief.fit(replace(snapshot, nodes=nodes, readings=(*snapshot.readings, *under)))

    assert found.delta[6] == pytest.approx(2e-3, abs=5e-4)
