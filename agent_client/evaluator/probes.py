"""Questions an honest left-to-right model answers alike, and a cheating one cannot.

A full pass has been scored and its losses committed by hash. Each probe then asks a process that
has not seen those rows. `Pass.order` says in which batches and slots the rows travelled: a probe
keeps rows in their slots wherever it can, because the same shapes give the same bits.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_client.evaluator.scoring import Losses, draw, nats
from agent_client.evaluator.wire import Model, Tokens
from protocol.runs import ProbeResult

SIGMAS = 4.0
"""A gap this many standard errors wide happens once in 30,000 honest evaluations."""


@dataclass(frozen=True)
class Pass:
    """The full pass: its rows, in the order they were sent, and what each target cost."""

    inputs: Tokens
    targets: Tokens
    losses: Losses
    batch_rows: int
    nonce: str
    commitment: str

    def batches(self, rows: int, *words: str) -> NDArray[np.int64]:
        """Draw whole batches, at least `rows` rows of them: an array [batches, batch_rows]."""
        whole = max(1, len(self.inputs) // self.batch_rows)
        n = min(whole, math.ceil(rows / self.batch_rows))
        chosen = draw(self.nonce, self.commitment, *words).choice(whole, size=n, replace=False)
        slots = chosen[:, None] * self.batch_rows + np.arange(self.batch_rows)
        clipped: NDArray[np.int64] = slots % len(self.inputs)
        return clipped


@dataclass(frozen=True)
class Sealed:
    """What the sealed suffix showed; `mean_nats` corrects the score without bias."""

    result: ProbeResult
    mean_nats: float


def sealed_suffix(model: Model, full: Pass, rows: int, tolerance: float) -> Sealed:
    """Show true prefixes with foreign suffixes; what the past predicts must not have changed.

    The future is not in this process, so a model that peeked in the full pass cannot repeat its
    own answers here, even when it knows that it is being probed.
    """
    dice = draw(full.nonce, full.commitment, "sealed cuts")
    at_cut: list[float] = []
    before = 0.0
    for batch in full.batches(rows, "sealed"):
        cuts = dice.integers(1, full.inputs.shape[1], size=len(batch))
        forged = np.stack(
            [_forge(full, row, cut, dice) for row, cut in zip(batch, cuts, strict=True)]
        )
        model.ask(forged)
        difference = nats(model.answer(), full.targets[batch]) - full.losses[batch]
        for row, cut in zip(difference, cuts, strict=True):
            at_cut.append(float(row[cut - 1]))
            before = max(before, float(np.abs(row[:cut]).max()))
    mean = float(np.mean(at_cut))
    passed = before <= tolerance
    detail = f"{len(at_cut)} rows, largest change {before:.3g} nats, mean at the cut {mean:+.3g}"
    return Sealed(ProbeResult(name="sealed", passed=passed, detail=detail, value=before), mean)


def batch_independence(model: Model, full: Pass, rows: int, tolerance: float) -> ProbeResult:
    """Give rows other companions in other slots; their answers must not change."""
    dice = draw(full.nonce, full.commitment, "companions")
    worst = 0.0
    for batch in full.batches(rows, "batch"):
        keep = batch[: max(1, len(batch) // 2)]
        others = dice.choice(len(full.inputs), size=len(batch) - len(keep))
        mixed = np.concatenate([others, keep[::-1]])
        model.ask(full.inputs[mixed])
        losses = nats(model.answer(), full.targets[mixed])
        again = losses[len(others) :][::-1]
        worst = max(worst, float(np.abs(again - full.losses[keep]).max()))
    return _verdict("batch", worst, tolerance, "other companions changed an answer by")


def causality(model: Model, full: Pass, rows: int, tolerance: float) -> ProbeResult:
    """Change one row's future and look at every logit before it."""
    dice = draw(full.nonce, full.commitment, "futures")
    worst = 0.0
    for batch in full.batches(rows, "causality"):
        cut = int(dice.integers(1, full.inputs.shape[1]))
        model.ask(full.inputs[batch])
        before = model.answer()[:, :cut].copy()
        model.ask(np.stack([_forge(full, row, cut, dice) for row in batch]))
        worst = max(worst, float(np.abs(model.answer()[:, :cut] - before).max()))
    return _verdict("causality", worst, tolerance, "another future changed a logit by")


def repeat(model: Model, full: Pass, rows: int, tolerance: float) -> ProbeResult:
    """Ask the same twice; a model without memory says the same twice, and as in the full pass."""
    worst = 0.0
    for batch in full.batches(rows, "repeat"):
        for _ in range(2):
            model.ask(full.inputs[batch])
            losses = nats(model.answer(), full.targets[batch])
            worst = max(worst, float(np.abs(losses - full.losses[batch]).max()))
    return _verdict("repeat", worst, tolerance, "the same question changed its answer by")


def hidden_gap(seen: NDArray[np.float64], unseen: NDArray[np.float64]) -> ProbeResult:
    """Compare texts that could have leaked with texts made a moment ago, both in bits per byte.

    The two are draws of one distribution, so an honest model does equally well on both; one that
    learned the validation texts by heart does better on them than chance allows.
    """
    error = math.sqrt(seen.var(ddof=1) / len(seen) + unseen.var(ddof=1) / len(unseen))
    gap = float(unseen.mean() - seen.mean())
    detail = f"unseen texts cost {gap:+.4f} bits per byte more, standard error {error:.4f}"
    return ProbeResult(name="hidden", passed=gap <= SIGMAS * error, detail=detail, value=gap)


def _forge(full: Pass, row: int, cut: int, dice: np.random.Generator) -> Tokens:
    """Keep a row up to `cut` and go on with another row that differs there."""
    forged: Tokens = full.inputs[row].copy()
    for donor in dice.permutation(len(full.inputs)):
        if full.inputs[donor, cut] != forged[cut]:
            forged[cut:] = full.inputs[donor, cut:]
            return forged
    forged[cut:] = (forged[cut:] + 1) % 256
    return forged


def _verdict(name: str, worst: float, tolerance: float, words: str) -> ProbeResult:
    detail = f"{words} {worst:.3g} (allowed {tolerance:.3g})"
    return ProbeResult(name=name, passed=worst <= tolerance, detail=detail, value=worst)
