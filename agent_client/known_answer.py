"""A small training whose loss is known: does this device count right?

Weights and data come from formulas, not from a random generator, so that only the arithmetic of
this machine decides the loss. Found on CPUs with torch 2.13; the tolerance leaves room for another
order of additions, which is what GPUs and other versions differ in.
"""

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from agent_client.errors import ClientError
from agent_client.gpu import as_cuda_names
from agent_client.sandbox import Job, Limits, Sandbox
from protocol.agents import Device
from protocol.goals import GoalSpec, Source

LOSS, TOLERANCE = 3.513551, 0.005
"""In nats, after 10 steps. Float64 gives the same six decimals, bfloat16 products 0.0017 more."""

SECONDS = 300.0
_LOSS = re.compile(r"^loss: (\S+)$")

PROGRAM = """
import os, torch
from torch.nn.functional import cross_entropy, layer_norm, scaled_dot_product_attention
WIDTH, HEADS, VOCAB, ROWS, LENGTH, STEPS, RATE = 32, 4, 64, 8, 32, 10, 0.05
device = os.environ["AGENTHUB_DEVICE"]
torch.set_num_threads(1)

def wave(number, *shape):
    count = torch.Size(shape).numel()
    turns = torch.arange(count, dtype=torch.float64) * (1.0 + 0.1 * number) + number
    return (turns.sin() / shape[0] ** 0.5).float().view(shape).to(device).requires_grad_()

embedding, head = wave(0, VOCAB, WIDTH), wave(5, WIDTH, VOCAB)
mix, join = wave(1, WIDTH, 3 * WIDTH), wave(2, WIDTH, WIDTH)
up, down = wave(3, WIDTH, 4 * WIDTH), wave(4, 4 * WIDTH, WIDTH)
weights = [embedding, mix, join, up, down, head]
place = torch.arange(ROWS * (LENGTH + 1))
tokens = ((place * place * 31 + place * 7) % VOCAB).view(ROWS, LENGTH + 1).to(device)

def loss():
    x = embedding[tokens[:, :-1]]
    mixed = (layer_norm(x, (WIDTH,)) @ mix).view(ROWS, LENGTH, 3, HEADS, -1)
    y = scaled_dot_product_attention(*mixed.permute(2, 0, 3, 1, 4), is_causal=True)
    x = x + y.transpose(1, 2).reshape(x.shape) @ join
    x = x + (layer_norm(x, (WIDTH,)) @ up).relu() @ down
    return cross_entropy((layer_norm(x, (WIDTH,)) @ head).flatten(0, 1), tokens[:, 1:].flatten())

for step in range(STEPS):
    for weight, slope in zip(weights, torch.autograd.grad(loss(), weights)):
        weight.data -= RATE * slope
print(f"loss: {loss().item():.6f}", flush=True)
"""


class WrongAnswer(ClientError):
    """A small training with a known loss came out wrong, so no result of this device can count."""

    code, exit_code = "wrong_answer", 3


def wanted(goals: Iterable[GoalSpec], device: Device) -> bool:
    """Whether models are trained here: a goal in pure Python needs no torch to count right."""
    return bool(device.torch) and any(spec.metric.source is Source.SCORER for spec in goals)


def ask(sandbox: Sandbox, device: Device, gpu: str = "0") -> str:
    """Train behind walls and compare; a sentence that all is well, or WrongAnswer."""
    cuda = device.kind == "cuda"
    with tempfile.TemporaryDirectory(prefix="agenthub-") as folder:
        job = Job(
            [sys.executable, "-c", PROGRAM],
            Path(folder),
            env={
                "AGENTHUB_DEVICE": device.kind,
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": as_cuda_names(gpu) if cuda else "",
            },
            limits=Limits(SECONDS),
            gpus=(gpu,) if cuda else (),
        )
        with sandbox.start(job) as running:
            ended = running.wait(SECONDS + 60)
            lines = running.log.text().strip().splitlines()
    found = [match[1] for match in map(_LOSS.match, lines) if match]
    if not ended.ok or not found:
        last = lines[-1] if lines else ended.error or f"status {ended.status}"
        raise WrongAnswer(f"A small training with a known loss does not run here: {last[:300]}")
    return judge(float(found[-1]))


def judge(loss: float) -> str:
    """Compare a loss with the known one; NaN is wrong as well."""
    if abs(loss - LOSS) <= TOLERANCE:
        return f"Known answer: a small training came to {loss:.4f}, {LOSS:.4f} is right."
    raise WrongAnswer(
        f"{WrongAnswer.sentence()} It came to {loss:.4f}; {LOSS:.4f} is right, within {TOLERANCE}. "
        "Update torch and the driver, look at the machine's memory, or join with --gpus cpu."
    )
