"""Bits per byte from logits, by the scorer's own arithmetic."""

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_client.evaluator.corpus import Corpus
from agent_client.evaluator.wire import Logits, Model, Tokens

Losses = NDArray[np.float64]
_AT_ONCE = 64  # tokens whose float64 logits stay in a core's cache: half the time of whole rows
_WORTH_THREADS = 1 << 23


def nats(logits: Logits, targets: Tokens) -> Losses:
    """Return -ln p(target) at every place: float64 [rows, columns].

    The log-softmax is ours, in float64, so numbers that are no log-probabilities gain nothing.
    Rows are shared among threads where there is enough to do; numpy lets them run side by side.
    """
    if logits.size < _WORTH_THREADS:
        rows = [_row_nats(*pair) for pair in zip(logits, targets, strict=True)]
    else:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            rows = list(pool.map(_row_nats, logits, targets))
    return np.stack(rows)


def _row_nats(logits: Logits, targets: Tokens) -> Losses:
    losses = np.empty(len(targets), dtype=np.float64)
    for start in range(0, len(targets), _AT_ONCE):
        wanted = targets[start : start + _AT_ONCE]
        x = logits[start : start + _AT_ONCE].astype(np.float64)
        x -= x.max(axis=-1, keepdims=True)
        chosen = x[np.arange(len(wanted)), wanted]
        np.exp(x, out=x)
        losses[start : start + _AT_ONCE] = np.log(x.sum(axis=-1)) - chosen
    return losses


def answer_rows(model: Model, inputs: Tokens, targets: Tokens, batch_rows: int) -> Losses:
    """Score rows in batches of one shape; the next batch is asked for before this one is scored."""
    padded = -len(inputs) % batch_rows
    batches = np.concatenate([inputs, inputs[:1].repeat(padded, axis=0)])
    found: list[Losses] = []
    starts = range(0, len(batches), batch_rows)
    model.ask(batches[:batch_rows])
    for start in starts:
        logits = model.answer()
        if start + batch_rows < len(batches):
            model.ask(batches[start + batch_rows : start + 2 * batch_rows])
        found.append(nats(logits[: len(inputs) - start], targets[start : start + batch_rows]))
    return np.concatenate(found)


@dataclass(frozen=True)
class Score:
    """Sums over everything that counts; `bits_per_byte` is the metric."""

    nats: float
    total_bytes: int

    @property
    def bits_per_byte(self) -> float:
        """Return nats / (ln 2 * bytes)."""
        return self.nats / (math.log(2) * self.total_bytes)


def score(corpus: Corpus, losses: Losses) -> Score:
    """Sum the losses of all targets that stand for bytes, exactly rounded whatever their order."""
    counted = corpus.byte_counts > 0
    return Score(
        nats=math.fsum(losses[counted].tolist()), total_bytes=int(corpus.byte_counts.sum())
    )


def bits_per_document(corpus: Corpus, losses: Losses) -> NDArray[np.float64]:
    """Return bits per byte of each document on its own."""
    counted = corpus.byte_counts > 0
    owner = corpus.documents[counted]
    sums = np.bincount(owner, weights=losses[counted])
    sizes = np.bincount(owner, weights=corpus.byte_counts[counted].astype(np.float64))
    bits: NDArray[np.float64] = sums / (math.log(2) * sizes)
    return bits


def commit(losses: Losses) -> str:
    """Hash the losses of the full pass; probes are drawn only after this is fixed."""
    return hashlib.sha256(np.ascontiguousarray(losses, dtype="<f8").tobytes()).hexdigest()


def draw(nonce: str, *words: str) -> np.random.Generator:
    """Make a random generator that anybody with the same nonce and words makes again."""
    digest = hashlib.sha256("\0".join((nonce, *words)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def joined(corpora: Sequence[Corpus]) -> tuple[Tokens, Tokens]:
    """Stack the rows of several corpora, so that a model cannot tell them apart."""
    return (
        np.concatenate([corpus.inputs for corpus in corpora]),
        np.concatenate([corpus.targets for corpus in corpora]),
    )
