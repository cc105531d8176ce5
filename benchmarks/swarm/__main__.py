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
OTHERS = ("expected-improvement", "thompson")
Runs = dict[str, dict[int, Tally]]


def settings(workers: int) -> list[Setting]:
    """The default, the baselines, other policies, and the default with one part taken away.

    Baselines train what they like but exact duplicates; with objections they also have the hub's
    memory of changes that did not gain elsewhere.
    """
    return [
        Setting("default", DEFAULT, workers),
        *[Setting(name, name, workers, objections=False) for name in BASELINES],
        *[Setting(name, name, workers) for name in OTHERS],
        Setting("greedy with objections", "greedy", workers),
        *_ablations(workers),
    ]


def _ablations(workers: int) -> list[Setting]:
    return [
        Setting("without merging", DEFAULT, workers, switches=Switches(merge=False)),
        Setting("without belief", DEFAULT, workers, belief=False),
        Setting("without objections", DEFAULT, workers, objections=False),
        Setting("without any dedup", DEFAULT, workers, dedup=False, objections=False),
        Setting("were readings without noise", DEFAULT, workers, noise=0.0),
    ]


def one(job: tuple[str, int, int, int]) -> tuple[str, int, Tally]:
    """One run; module-level, so that it can be sent to another process."""
    land, workers, place, seed = job
    setting = settings(workers)[place]
    return setting.name, seed, Swarm(landscape(land, seed), setting, seed).run()


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
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 256])
    parser.add_argument("--land", nargs="+", default=["ideas", "hpo"])
    parser.add_argument("--only", nargs="+", help="settings by name; all where none is named")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="continued where it stopped")
    said = parser.parse_args()
    lands = [land for land in said.land if land == "ideas" or trained() is not None]
    if "hpo" in said.land and "hpo" not in lands:
        print("hpo is left out: ../shared/data/autoresearch-hpo-trials.json.gz is not here.")
    for land in lands:
        for workers in said.workers:
            _table(land, workers, said)


def _table(land: str, workers: int, said: argparse.Namespace) -> None:
    stem = said.results / f"swarm-{land}-{workers}"
    start, runs = time.monotonic(), _earlier(stem.with_suffix(".json"))
    wanted = {
        place: setting.name
        for place, setting in enumerate(settings(workers))
        if not said.only or setting.name in said.only
    }
    with ProcessPoolExecutor(said.jobs) as pool:
        for seed in range(said.first, said.first + said.seeds):
            left = [place for place, name in wanted.items() if seed not in runs.get(name, {})]
            for name, _, tally in pool.map(one, [(land, workers, place, seed) for place in left]):
                runs.setdefault(name, {})[seed] = tally
            _keep(stem, land, workers, runs)
            if time.monotonic() - start > said.minutes * 60:
                break
    print(stem.with_suffix(".md").read_text(), flush=True)


def _keep(stem: Path, land: str, workers: int, runs: Runs) -> None:
    """Write the record after every seed: an interrupted bake-off goes on where it stopped."""
    stem.parent.mkdir(exist_ok=True)
    record = {
        "land": land,
        "workers": workers,
        "machine": _machine(),
        "runs": {
            name: {seed: asdict(t) for seed, t in all_.items()} for name, all_ in runs.items()
        },
    }
    stem.with_suffix(".json").write_text(json.dumps(record, separators=(",", ":")) + "\n")
    stem.with_suffix(".md").write_text(report.table(land, workers, runs, _machine()))


def _earlier(path: Path) -> Runs:
    """What an earlier portion of the same bake-off has done."""
    if not path.exists():
        return {}
    runs = json.loads(path.read_text())["runs"]
    return {
        name: {int(seed): Tally.of(told) for seed, told in all_.items()}
        for name, all_ in runs.items()
    }


def _machine() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} cores (shared), Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
