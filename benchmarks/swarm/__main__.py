"""`make bench-swarm`: policies side by side at equal budget, paired seeds, results committed."""

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from benchmarks.swarm import report
from benchmarks.swarm.engine import Setting, Swarm, Tally
from benchmarks.swarm.landscapes import EditBag, Landscape
from benchmarks.swarm.surrogate import trained
from hub.frontier import DEFAULT, Switches

RESULTS = Path("benchmarks/results")
BASELINES = ("greedy", "rank-puct", "independent")


def settings(workers: int) -> list[Setting]:
    """The default, the baselines, and the default with one part at a time taken away."""
    plain = [Setting(name, name, workers) for name in BASELINES]
    return [
        Setting("default", DEFAULT, workers),
        *plain,
        *_ablations(workers),
    ]


def _ablations(workers: int) -> list[Setting]:
    return [
        Setting("without merging", DEFAULT, workers, switches=Switches(merge=False)),
        Setting("without belief", DEFAULT, workers, belief=False),
        Setting("without dedup", DEFAULT, workers, dedup=False),
    ]


def one(job: tuple[str, int, int, int]) -> tuple[str, int, str, int, Tally]:
    """One run; module-level, so that it can be sent to another process."""
    land, workers, place, seed = job
    setting = settings(workers)[place]
    return land, workers, setting.name, seed, Swarm(landscape(land, seed), setting, seed).run()


def landscape(name: str, seed: int) -> Landscape:
    """A landscape; the edit bag is drawn anew with each seed, the surrogate is one."""
    if name == "ideas":
        return EditBag.drawn(seed)
    found = trained()
    if found is None:
        raise SystemExit("The surrogate needs ../shared/data/autoresearch-hpo-trials.json.gz.")
    return found


def main() -> None:
    """Run what fits into the time given: seed after seed, so that all settings stay paired."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 256])
    parser.add_argument("--land", nargs="+", default=["ideas", "hpo"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0)
    said = parser.parse_args()
    lands = [land for land in said.land if land == "ideas" or trained() is not None]
    if "hpo" in said.land and "hpo" not in lands:
        print("hpo is left out: ../shared/data/autoresearch-hpo-trials.json.gz is not here.")
    for land in lands:
        for workers in said.workers:
            _table(land, workers, said)


def _table(land: str, workers: int, said: argparse.Namespace) -> None:
    start, many = time.monotonic(), len(settings(workers))
    runs: dict[str, dict[int, Tally]] = {}
    with ProcessPoolExecutor(said.jobs) as pool:
        for seed in range(said.seeds):
            jobs = [(land, workers, place, seed) for place in range(many)]
            for _, _, name, _, tally in pool.map(one, jobs):
                runs.setdefault(name, {})[seed] = tally
            if time.monotonic() - start > said.minutes * 60:
                break
    stem = RESULTS / f"swarm-{land}-{workers}"
    record = {
        "land": land,
        "workers": workers,
        "machine": _machine(),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "runs": {
            name: {seed: asdict(t) for seed, t in told.items()} for name, told in runs.items()
        },
    }
    RESULTS.mkdir(exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(record, separators=(",", ":")) + "\n")
    stem.with_suffix(".md").write_text(report.table(land, workers, runs, _machine()))
    print(stem.with_suffix(".md").read_text(), flush=True)


def _machine() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} cores (shared), Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
