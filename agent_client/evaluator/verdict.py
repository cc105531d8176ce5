"""Measure a finished run without believing a word of it."""

import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent_client.evaluator import checkpoint, command, probes, scoring
from agent_client.evaluator.corpus import Corpus, Tokenizer, build, parse_tokenizer, read_documents
from agent_client.evaluator.refusal import DataBroken, Rejected
from agent_client.evaluator.wire import MODEL_PROCESS, Launch, Model
from protocol.goals import GoalSpec, Scoring, Source
from protocol.runs import Evaluation, ProbeResult

PRINTED_SLACK = 0.05
"""How much better than measured a printed metric may be before it counts as a lie."""


@dataclass(frozen=True)
class Submission:
    """A finished run: what the hub said its files are, and where it wrote its checkpoint.

    `files` holds the text of every file of the goal as the hub knows it, because training could
    write over those in its work folder; `scratch` is an empty folder that training never saw;
    `printed` is the metric in the run's own last block, if there was one.
    """

    files: Mapping[str, str]
    out: Path
    data: Path
    scratch: Path
    printed: float | None = None
    device: str = "cpu"
    patience: float = 120.0


def evaluate(spec: GoalSpec, run: Submission, launch: Launch, nonce: str) -> Evaluation:
    """Say what a run is worth; a run that cheats or cannot be scored gets a verdict, not an error.

    Raises DataBroken when it is the volunteer's validation data that is at fault.
    """
    started = time.monotonic()
    if spec.metric.source is Source.SELF_REPORTED:
        return _as_printed(spec, run)
    try:
        if spec.metric.source is Source.COMMAND:
            verdict = command.evaluate(spec, run.files, run.scratch, launch, nonce)
        else:
            verdict = _scored(spec, run, launch, nonce)
    except Rejected as reason:
        failed = ProbeResult(name=reason.probe, passed=False, detail=reason.detail)
        verdict = Evaluation(
            source=spec.metric.source.value, passed=False, failed_probe=failed.name, probes=[failed]
        )
    return verdict.model_copy(update={"seconds": time.monotonic() - started})


def _as_printed(spec: GoalSpec, run: Submission) -> Evaluation:
    if run.printed is None or not math.isfinite(run.printed):
        return Evaluation(source="self-reported", passed=False, failed_probe="printed")
    probe = _plausible(spec, run.printed)
    return Evaluation(
        source="self-reported",
        passed=probe.passed,
        metric=run.printed if probe.passed else None,
        failed_probe=None if probe.passed else probe.name,
        probes=[] if probe.passed else [probe],
    )


def _scored(spec: GoalSpec, run: Submission, launch: Launch, nonce: str) -> Evaluation:
    assert spec.scoring is not None
    tokenizer = _tokenizer(run, spec.scoring)
    corpora = [_corpus(run.data / "val", tokenizer, spec.scoring)]
    if spec.commands.hidden:
        corpora.append(_hidden(spec, run, launch, nonce, tokenizer))
    with ExitStack() as stack:
        # Three processes that start side by side; strangers' code runs in one at a time, for those
        # that live together find a way to talk, and then the probes tell nothing.
        models = []
        for name in "abc":
            models.append(_start(spec.scoring, run, launch, tokenizer.size, name))
            stack.callback(models[-1].close)
        full, by_corpus = _full_pass(models[0], corpora, spec.scoring, nonce)
        return _judge(spec, run, models[1:], full, list(zip(corpora, by_corpus, strict=True)))


def _judge(
    spec: GoalSpec,
    run: Submission,
    models: Sequence[Model],
    full: probes.Pass,
    scored: list[tuple[Corpus, scoring.Losses]],
) -> Evaluation:
    assert spec.scoring is not None
    found, correction = _probe(models, full, spec.scoring)
    val, losses = scored[0]
    total = scoring.score(val, losses)
    metric = total.bits_per_byte
    found += [
        probes.hidden_gap(
            scoring.bits_per_document(val, losses), scoring.bits_per_document(*unseen)
        )
        for unseen in scored[1:]
    ]
    found += [_plausible(spec, metric), _printed(spec, run.printed, metric)]
    failed = next((probe.name for probe in found if not probe.passed), None)
    per_byte = int((val.byte_counts > 0).sum()) / total.total_bytes / math.log(2)
    return Evaluation(
        source="scorer",
        passed=failed is None,
        failed_probe=failed,
        metric=metric,
        corrected=metric + correction * per_byte,
        loss_hash=full.commitment,
        probes=found,
    )


def _full_pass(
    model: Model, corpora: Sequence[Corpus], rules: Scoring, nonce: str
) -> tuple[probes.Pass, list[scoring.Losses]]:
    """Score all rows in an order the nonce decides; returns them as sent, and by corpus again."""
    inputs, targets = scoring.joined(corpora)
    order = scoring.draw(nonce, "order").permutation(len(inputs))
    model.ready()
    losses = scoring.answer_rows(model, inputs[order], targets[order], rules.batch_rows)
    model.close()
    back = np.empty_like(losses)
    back[order] = losses
    full = probes.Pass(
        inputs=inputs[order],
        targets=targets[order],
        losses=losses,
        batch_rows=rules.batch_rows,
        nonce=nonce,
        commitment=scoring.commit(back),
    )
    return full, np.split(back, np.cumsum([corpus.rows for corpus in corpora])[:-1])


def _probe(
    models: Sequence[Model], full: probes.Pass, rules: Scoring
) -> tuple[list[ProbeResult], float]:
    sealing, asked = models
    sealing.ready()
    sealed = probes.sealed_suffix(sealing, full, rules.sealed_rows, rules.tolerance)
    sealing.close()
    asked.ready()
    # The most telling name first: a model with a memory fails all four, a peeking one the last two.
    behaviour = [
        probe(asked, full, rules.probe_rows, rules.tolerance)
        for probe in (probes.repeat, probes.batch_independence, probes.causality)
    ]
    return [*behaviour, sealed.result], sealed.mean_nats


def _start(rules: Scoring, run: Submission, launch: Launch, vocab: int, name: str) -> Model:
    """Start a model process in a folder with the code, the weights and nothing else."""
    folder = run.scratch / f"model-{name}"
    checkpoint.lay_out(run.files, folder)
    checkpoint.stage(run.out, folder, rules.max_checkpoint_mb)
    shutil.copyfile(MODEL_PROCESS, folder / "_model_process.py")
    argv = [sys.executable, "_model_process.py"]
    return Model(launch(argv, folder, {"AGENTHUB_DEVICE": run.device}), vocab, run.patience)


def _tokenizer(run: Submission, rules: Scoring) -> Tokenizer:
    """The submission's own tokenizer where the goal allows one, else the goal's."""
    own = run.out / checkpoint.TOKENIZER
    if rules.own_tokenizer and (own.exists() or own.is_symlink()):
        try:
            return parse_tokenizer(
                checkpoint.read_plainly(own, checkpoint.TOKENIZER_BYTES).decode()
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Rejected("tokenizer", f"tokenizer.json is refused: {error}") from error
    try:
        return parse_tokenizer((run.data / "val" / checkpoint.TOKENIZER).read_text("utf-8"))
    except (OSError, ValueError, KeyError) as error:
        raise DataBroken(f"val/tokenizer.json cannot be used ({error}); run prepare") from error


def _corpus(folder: Path, tokenizer: Tokenizer, rules: Scoring) -> Corpus:
    return build(tokenizer, read_documents(folder / "documents.jsonl"), rules.context)


def _hidden(
    spec: GoalSpec, run: Submission, launch: Launch, nonce: str, tokenizer: Tokenizer
) -> Corpus:
    """Have the goal's own generator make texts that did not exist while the run trained."""
    assert spec.scoring is not None
    folder = run.scratch / "hidden"
    checkpoint.lay_out({name: run.files[name] for name in spec.files.protected}, folder)
    seed = int(scoring.draw(nonce, "hidden").integers(2**31, 2**62))
    command.run(
        spec.commands.hidden,
        folder,
        launch,
        {"AGENTHUB_DATA": "data", "AGENTHUB_HIDDEN": str(seed)},
    )
    return _corpus(folder / "data" / "hidden", tokenizer, spec.scoring)


def _plausible(spec: GoalSpec, metric: float) -> ProbeResult:
    detail = f"{metric:.6g} against bounds {spec.metric.bounds_said}"
    return ProbeResult(
        name="plausible", passed=spec.metric.plausible(metric), detail=detail, value=metric
    )


def _printed(spec: GoalSpec, printed: float | None, metric: float) -> ProbeResult:
    """Training has not seen the validation data, so a number it prints can only be made up."""
    if printed is None:
        return ProbeResult(name="printed", passed=True, detail="no metric was printed")
    lies = spec.metric.better(printed, than=metric)
    lies = lies and abs(printed - metric) > PRINTED_SLACK * abs(metric)
    detail = f"train.py printed {printed:.6g}, the scorer measured {metric:.6g}"
    value = printed if math.isfinite(printed) else None
    return ProbeResult(
        name="printed", passed=not lies and value is not None, detail=detail, value=value
    )
