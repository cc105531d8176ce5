"""The real task as a surrogate: extra trees on 11,172 public five-minute trials on H200s.

Data: ../shared/data/autoresearch-hpo-trials.json.gz (ferreirafabio/autoresearch-automl, MIT). It is
not part of the project; where it is absent the benchmark says so and leaves this landscape out.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.swarm.landscapes import Design

TRIALS = Path("../shared/data/autoresearch-hpo-trials.json.gz")
TREES = 40
DEFAULT = {
    "DEPTH": 8.0,
    "ASPECT_RATIO": 64.0,
    "HEAD_DIM": 128.0,
    "DEVICE_BATCH_SIZE": 128.0,
    "TOTAL_BATCH_SIZE": 524288.0,
    "EMBEDDING_LR": 0.6,
    "UNEMBEDDING_LR": 0.004,
    "MATRIX_LR": 0.04,
    "SCALAR_LR": 0.5,
    "WEIGHT_DECAY": 0.2,
    "WARMUP_RATIO": 0.0,
    "WARMDOWN_RATIO": 0.5,
    "FINAL_LR_FRAC": 0.0,
    "WINDOW_PATTERN": 0.0,
}
WHOLE = ("DEPTH", "ASPECT_RATIO", "HEAD_DIM", "DEVICE_BATCH_SIZE", "TOTAL_BATCH_SIZE")
DIGITS = 4
"""People and models write learning rates with few digits, so ideas recur."""


@dataclass(frozen=True)
class Surrogate:
    """Fourteen constants; the truth is a forest's mean, crashes come from a second forest."""

    forest: Any
    failing: Any
    names: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    log: NDArray[np.bool_]
    name: str = "hpo"

    def root(self) -> Design:
        """The published defaults."""
        return dict(DEFAULT)

    def truth(self, design: Design) -> float:
        """Predicted val_bpb."""
        return float(
            np.mean([tree.tree_.predict(self._row(design)) for tree in self.forest.estimators_])
        )

    def crashes(self, design: Design, random: Generator) -> bool:
        """Out of memory where the trials say so, and one run in fifty by accident."""
        votes = [tree.tree_.predict(self._row(design))[0, -1] for tree in self.failing.estimators_]
        return bool(np.mean(votes) > 0.5 or random.random() < 0.02)

    def propose(self, design: Design, operator: str, random: Generator) -> Design:
        """One to three constants moved by a tenth of their range; bold ones jump more often."""
        many = int(random.integers(1, 4)) if operator != "tweak" else 1
        jump = 0.5 if operator == "bold" else 0.08
        change: Design = {}
        for place in random.choice(len(self.names), many, replace=False):
            name = self.names[place]
            change[name] = self._moved(int(place), design[name], jump, random)
        return change

    def _moved(self, place: int, value: float, jump: float, random: Generator) -> float:
        low, high = self.low[place], self.high[place]
        at = np.log(max(value, 1e-9)) if self.log[place] else value
        far = random.random() < jump
        moved = random.uniform(low, high) if far else at + random.normal(0, 0.1 * (high - low))
        moved = float(np.clip(moved, low, high))
        return self._written(place, float(np.exp(moved)) if self.log[place] else moved)

    def _written(self, place: int, value: float) -> float:
        name = self.names[place]
        if name == "WINDOW_PATTERN":
            return float(round(value))
        if name in ("DEVICE_BATCH_SIZE", "TOTAL_BATCH_SIZE"):
            return float(2 ** round(np.log2(value)))
        if name in WHOLE:
            return float(round(value / 8) * 8 if value > 16 else round(value))
        return float(f"{value:.{DIGITS - 2}g}")

    def _row(self, design: Design) -> NDArray[np.float32]:
        return np.array([[design[name] for name in self.names]], dtype=np.float32)


@cache
def trained() -> Surrogate | None:
    """The surrogate, or None where the trials are not at hand."""
    if not TRIALS.exists():
        return None
    from sklearn.ensemble import ExtraTreesRegressor

    rows = _rows()
    names = tuple(DEFAULT)
    patterns = sorted(
        {str(row["WINDOW_PATTERN"]) for row in rows}, key=lambda one: (one != "SSSL", one)
    )
    table = np.array([[_value(row, name, patterns) for name in names] for row in rows])
    failed = np.array([not row["success"] for row in rows])
    metric = np.array([float(row["val_bpb"]) for row in rows])
    usable = ~failed & (metric < 1.3)
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=0)
    failing = ExtraTreesRegressor(TREES // 2, min_samples_leaf=3, random_state=0)
    low, high = table[usable].min(axis=0), table[usable].max(axis=0)
    log = (low > 0) & (high / np.maximum(low, 1e-12) > 20)
    return Surrogate(
        forest=forest.fit(table[usable].astype(np.float32), metric[usable]),
        failing=failing.fit(table.astype(np.float32), failed.astype(float)),
        names=names,
        low=np.where(log, np.log(np.maximum(low, 1e-12)), low),
        high=np.where(log, np.log(np.maximum(high, 1e-12)), high),
        log=log,
    )


def _rows() -> list[dict[str, Any]]:
    with gzip.open(TRIALS, "rt") as file:
        methods = json.load(file)
    every = [row for seeds in methods.values() for trials in seeds.values() for row in trials]
    return [
        row for row in every if all(row.get(name) is not None for name in (*DEFAULT, "val_bpb"))
    ]


def _value(row: dict[str, Any], name: str, patterns: list[str]) -> float:
    return float(patterns.index(row[name])) if name == "WINDOW_PATTERN" else float(row[name])
