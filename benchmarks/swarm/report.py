"""Tables of a bake-off: means, paired differences with 95 % intervals, promotions."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks.swarm.engine import MARKS, Tally

Runs = Mapping[str, Mapping[int, Tally]]


def table(land: str, workers: int, runs: Runs, machine: str) -> str:
    """One landscape at one number of workers, as Markdown."""
    seeds = sorted(set.intersection(*[set(told) for told in runs.values()]))
    lines = [
        f"# {land}, {workers} workers, {len(seeds)} paired seeds ({seeds[0]} to {seeds[-1]})",
        "",
        f"True val_bpb of the experiment each policy would recommend (lower is better). {machine}.",
        "",
        "| policy | " + " | ".join(f"{mark}" for mark in MARKS) + " | default better by, at 100 | "
        "at 200 | at 300 |",
        "|" + "---|" * (len(MARKS) + 4),
        *[_row(name, runs, seeds) for name in runs],
        "",
        "Differences are paired by seed, in 0.001 bpb, ± half of a 95 % interval.",
        "",
        "| policy | reported minus true at 300 | promotions | false | taken back | false |"
        " raw minima promoted | false | duplicates trained | refused as tried | objected |"
        " explore / replicate / anchor / merge / ablate |"
        " true gains by explore / merge, in 0.001 bpb |",
        "|" + "---|" * 13,
        *[_checks(name, [told[seed] for seed in seeds]) for name, told in runs.items()],
        "",
    ]
    return "\n".join(lines)


def _row(name: str, runs: Runs, seeds: list[int]) -> str:
    means = [f"{_truth(runs[name], seeds, mark).mean():.5f}" for mark in MARKS]
    gaps = [
        _interval(_truth(runs[name], seeds, mark) - _truth(runs["default"], seeds, mark))
        for mark in MARKS[1:]
    ]
    return f"| {name} | " + " | ".join([*means, *gaps]) + " |"


def _truth(told: Mapping[int, Tally], seeds: list[int], mark: int) -> NDArray[np.float64]:
    return np.array([told[seed].truth[mark] for seed in seeds])


def _interval(gaps: NDArray[np.float64]) -> str:
    if len(gaps) < 2 or not gaps.any():
        return "0"
    half = student.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return f"{gaps.mean() * 1e3:+.2f} ± {half * 1e3:.2f}"


def _checks(name: str, runs: list[Tally]) -> str:
    bias = np.mean([run.reported[MARKS[-1]] - run.truth[MARKS[-1]] for run in runs])
    kinds = [
        f"{np.mean([run.kinds.get(kind, 0) for run in runs]):.0f}"
        for kind in ("explore", "replicate", "anchor", "merge", "ablate")
    ]
    true, raw = sum(run.promotions for run in runs), sum(run.raw_promotions for run in runs)
    false, back = sum(run.false_promotions for run in runs), sum(run.demotions for run in runs)
    raw_false = sum(run.false_raw_promotions for run in runs)
    return (
        f"| {name} | {bias * 1e3:+.2f}e-3 | {true} | {false} ({_share(false, true)}) | "
        f"{back} | {sum(run.false_demotions for run in runs)} | {raw} | "
        f"{raw_false} ({_share(raw_false, raw)}) | {sum(run.duplicates for run in runs)} | "
        f"{np.mean([run.refused for run in runs]):.1f} | "
        f"{np.mean([run.objected for run in runs]):.1f} | {' / '.join(kinds)} | "
        f"{' / '.join(_gained(runs, kind) for kind in ('explore', 'merge'))} |"
    )


def _gained(runs: list[Tally], kind: str) -> str:
    return f"{1e3 * np.mean([run.gains.get(kind, 0.0) for run in runs]):.1f}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
