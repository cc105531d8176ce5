"""
Trains a GPT of about 50 million parameters for 300 seconds on one NVIDIA GPU; the one file that
experiments edit.

    python prepare.py && python train.py

The harness says where to read and write, what may be spent, and which seed to use:
    AGENTHUB_DATA    folder of prepare.py's data (default: data)
    AGENTHUB_OUT     folder for the checkpoint (default: out)
    AGENTHUB_SEED    seed of weights and data order (default: 0); never set one here
    AGENTHUB_BUDGET  seconds=300, tokens=500000000 or steps=950 (default: seconds=300)
    AGENTHUB_DEVICE  cuda or cpu (default: cuda where there is one)

Compilation is outside the budget, and everything learned while compiling is thrown away. A
checkpoint is out/model.safetensors and out/meta.json; a scorer has another process import this
file, call build_model(meta) and answer tokens with logits, so importing must not train.
"""

import bisect
import copy
import json
import math
import os
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from queue import Queue

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

import prepare

# -----------------------------------------------------------------------------
# What to change. One constant a line; numbers may be tuned, chapters below rewritten.

DEPTH = 8                        # transformer blocks
WIDTH = 512                      # channels of the residual stream
HEADS = 4                        # attention heads of WIDTH / HEADS = 128 channels
MLP_RATIO = 4                    # hidden channels of the MLP per channel of the stream
WINDOWS = "SSSL"                 # pattern over the blocks: S sees a short past, L all of it; the last is L
SHORT_WINDOW = 1024              # tokens of past that an S block sees
VALUE_EMBEDDING_EVERY = 2        # every so many blocks, tokens speak into the values directly
GATE_CHANNELS = 32               # channels of the stream that decide how loudly
ROTARY_BASE = 10000.0            # longest wavelength of the rotary embedding, in tokens
LOGIT_SOFTCAP = 15.0             # logits are squashed into (-15, 15)

TOKENS_PER_STEP = 524288         # tokens between two updates
DEVICE_ROWS = 64                 # rows of 2048 tokens in one forward pass; lower it when memory runs out
EMBEDDING_LEARNING_RATE = 0.6    # AdamW, token and value embeddings
HEAD_LEARNING_RATE = 0.004       # AdamW, the output matrix
SCALAR_LEARNING_RATE = 0.5       # AdamW, scalars of the residual stream (a hundredth for the stream itself)
MATRIX_LEARNING_RATE = 0.04      # Muon, attention and MLP
WEIGHT_DECAY = 0.2               # Muon's, falling to zero with the budget
ADAM_BETA1 = 0.8                 # memory of the gradient
ADAM_BETA2 = 0.95                # memory of its square
MUON_MOMENTUM = 0.95             # memory of Muon's gradient, reached over the first steps
MUON_MOMENTUM_START = 0.85
MUON_MOMENTUM_STEPS = 300
MUON_BETA2 = 0.95                # memory of each neuron's update size
WARMUP = 0.0                     # share of the budget in which the learning rates rise
WARMDOWN = 0.5                   # share of the budget in which they fall
FINAL_LEARNING_RATE = 0.0        # what they fall to, as a share

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "B200": 2250e12, "A100": 312e12, "4090": 165e12}  # dense bf16

# -----------------------------------------------------------------------------
# The model. B rows, T tokens, C channels, H heads, D channels of a head.

def norm(x):
    return F.rms_norm(x, (x.size(-1),))


def rotary(T, D, device):
    """Angles of every position: cos and sin, [T, D/2]."""
    speed = 1.0 / ROTARY_BASE ** (torch.arange(0, D, 2, device=device).float() / D)
    angle = torch.outer(torch.arange(T, device=device).float(), speed)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Turn each pair of channels by its position's angle. x: [B, H, T, D]."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat([a * cos + b * sin, b * cos - a * sin], dim=-1)


@lru_cache(maxsize=8)
def near_mask(T, window, device):
    """[T, T], true where the row may look: not ahead, and not further back than the window."""
    i = torch.arange(T, device=device)
    back = i[:, None] - i
    return (back >= 0) & (back < window)


@lru_cache(maxsize=8)
def near_blocks(T, window, device):
    """The same for the compiled kernel, which skips blocks that nobody may look at."""
    from torch.nn.attention.flex_attention import create_block_mask
    near = lambda b, h, q, k: (q >= k) & (q - k < window)
    return create_block_mask(near, None, None, T, T, device=device)


def attend(q, k, v, window, blocks):
    """Causal attention over at most `window` tokens of past; all are [B, H, T, D]."""
    T = q.size(2)
    if window >= T:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if blocks is not None:
        from torch.nn.attention.flex_attention import flex_attention
        return flex_attention(q, k, v, block_mask=blocks)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=near_mask(T, window, q.device))


class Attention(nn.Module):
    def __init__(self, width, heads, speaks):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(min(GATE_CHANNELS, width), heads, bias=False) if speaks else None

    def forward(self, x, spoken, angles, window, blocks):
        B, T, C = x.shape
        split = lambda y: y.view(B, T, self.heads, -1).transpose(1, 2)
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        if self.gate is not None:
            loud = 2 * torch.sigmoid(self.gate(x[..., :self.gate.in_features]))   # [B, T, H]
            v = v + loud.transpose(1, 2).unsqueeze(-1).to(v.dtype) * split(spoken.to(v.dtype))
        q, k = norm(rotate(q, *angles)).to(v.dtype), norm(rotate(k, *angles)).to(v.dtype)
        y = attend(q, k, v, window, blocks)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, MLP_RATIO * width, bias=False)
        self.down = nn.Linear(MLP_RATIO * width, width, bias=False)

    def forward(self, x):
        return self.down(F.relu(self.up(x)).square())


class Block(nn.Module):
    def __init__(self, width, heads, speaks):
        super().__init__()
        self.attention, self.mlp = Attention(width, heads, speaks), MLP(width)

    def forward(self, x, spoken, angles, window, blocks):
        x = x + self.attention(norm(x), spoken, angles, window, blocks)
        return x + self.mlp(norm(x))


class GPT(nn.Module):
    def __init__(self, vocab, depth, width, heads):
        super().__init__()
        speaks = [depth > 1 and (depth - 1 - i) % VALUE_EMBEDDING_EVERY == 0 for i in range(depth)]
        self.embedding = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads, s) for s in speaks)
        self.values = nn.ModuleDict({str(i): nn.Embedding(vocab, width) for i, s in enumerate(speaks) if s})
        self.head = nn.Linear(width, vocab, bias=False)
        self.keep = nn.Parameter(torch.ones(depth))         # how much of the stream each block is given
        self.again = nn.Parameter(torch.full((depth,), 0.1))  # and how much of the first embedding
        self.head_dim = width // heads
        self.init_weights(width)

    @torch.no_grad()
    def init_weights(self, width):
        """Each block starts as the identity, and all tokens about equally likely."""
        spread = math.sqrt(3 / width)   # a uniform spread of standard deviation 1 / sqrt(width)
        self.embedding.weight.normal_(std=1.0)
        self.head.weight.normal_(std=0.001)
        for block in self.blocks:
            for matrix in (block.attention.q, block.attention.k, block.attention.v, block.mlp.up):
                matrix.weight.uniform_(-spread, spread)
            for matrix in (block.attention.out, block.mlp.down):
                matrix.weight.zero_()
            if block.attention.gate is not None:
                block.attention.gate.weight.zero_()
        for table in self.values.values():
            table.weight.uniform_(-spread, spread)

    def windows(self, T):
        kinds = [WINDOWS[i % len(WINDOWS)] for i in range(len(self.blocks) - 1)] + ["L"]
        return [SHORT_WINDOW if kind == "S" else T for kind in kinds]

    def forward(self, tokens, targets=None, blocks=None):
        """[B, T] -> logits [B, T, vocab], or the mean loss where targets [B, T] are given."""
        T = tokens.size(1)
        angles = rotary(T, self.head_dim, tokens.device)
        x = norm(self.embedding(tokens))
        x = first = x.bfloat16() if x.is_cuda else x    # the stream itself: half the memory traffic
        for i, (block, window) in enumerate(zip(self.blocks, self.windows(T))):
            spoken = self.values[str(i)](tokens) if str(i) in self.values else None
            x = block(self.keep[i] * x + self.again[i] * first, spoken, angles, window, blocks)
        logits = self.head(norm(x)).float()
        logits = LOGIT_SOFTCAP * torch.tanh(logits / LOGIT_SOFTCAP)
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Bfloat16Answers(nn.Module):
    """The model as the scorer asks it on a GPU: in the precision it was trained in."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens):
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=tokens.is_cuda):
            logits = self.model(tokens)
        return logits.bfloat16() if tokens.is_cuda else logits


def build_model(meta):
    """The model that meta.json describes, before its weights are loaded."""
    return Bfloat16Answers(GPT(meta["vocab"], meta["depth"], meta["width"], meta["heads"]))

# -----------------------------------------------------------------------------
# The optimizers: Muon for the matrices of the blocks, AdamW for everything else.

# Polar Express (arXiv 2505.16932): five odd polynomials that bring singular values towards one.
POLAR = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
]


def orthogonal(g):
    """The nearest semi-orthogonal matrix of each in a stack, roughly. g: [N, rows, columns]."""
    x = g.bfloat16() if g.is_cuda else g.float()
    wide = x.size(-2) > x.size(-1)
    x = x.mT if wide else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in POLAR:
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if wide else x


def muon_update(g, momentum, size, beta, beta2):
    """Momentum, orthogonalised; each neuron's step then evened out (NorMuon, arXiv 2510.05491)."""
    momentum.lerp_(g, 1 - beta)
    update = orthogonal(g.lerp(momentum, beta)).float()
    before = update.norm(dim=(-2, -1), keepdim=True)
    size.lerp_(update.square().mean(dim=-1, keepdim=True), 1 - beta2)
    update = update / (size.sqrt() + 1e-8)
    return update * (before / (update.norm(dim=(-2, -1), keepdim=True) + 1e-8))


class Muon:
    """One stack per shape, so that a shape costs one batched product."""

    def __init__(self, matrices, compiled):
        self.stacks, self.steps = [], 0
        self.update = torch.compile(muon_update, dynamic=False) if compiled else muon_update
        for shape in sorted({p.shape for p in matrices}):
            mine = [p for p in matrices if p.shape == shape]
            self.stacks.append((mine, torch.zeros(len(mine), *shape, device=mine[0].device),
                                torch.zeros(len(mine), shape[0], 1, device=mine[0].device)))

    @torch.no_grad()
    def step(self, share, decay):
        """One update at this share of the peak learning rate, with this weight decay."""
        ramp = min(1.0, self.steps / MUON_MOMENTUM_STEPS)
        beta = MUON_MOMENTUM_START + ramp * (MUON_MOMENTUM - MUON_MOMENTUM_START)
        self.steps += 1
        for params, momentum, size in self.stacks:
            update = self.update(torch.stack([p.grad for p in params]), momentum, size, beta, MUON_BETA2)
            rows, columns = params[0].shape
            rate = share * MATRIX_LEARNING_RATE * max(1.0, rows / columns) ** 0.5
            for p, u in zip(params, update):
                u = u.to(p.dtype)
                agree = (u * p) >= 0    # decay only what the gradient wants smaller too
                p.sub_(rate * (u + decay * p * agree))


def build_optimizers(model, compiled):
    gates = [b.attention.gate.weight for b in model.blocks if b.attention.gate is not None]
    gated = {id(p) for p in gates}
    matrices = [p for b in model.blocks for p in b.parameters() if id(p) not in gated]
    scale = (WIDTH / 768) ** -0.5   # narrower tables learn faster
    adam = torch.optim.AdamW([
        dict(params=[model.embedding.weight, *model.values.parameters()], lr=EMBEDDING_LEARNING_RATE * scale),
        dict(params=[model.head.weight, *gates], lr=HEAD_LEARNING_RATE * scale),
        dict(params=[model.again], lr=SCALAR_LEARNING_RATE),
        dict(params=[model.keep], lr=SCALAR_LEARNING_RATE * 0.01),
    ], betas=(ADAM_BETA1, ADAM_BETA2), eps=1e-10, weight_decay=0.0, fused=model.head.weight.is_cuda)
    for group in adam.param_groups:
        group["peak"] = group["lr"]
    return adam, Muon(matrices, compiled)


def learning_rate_share(done):
    """Share of the peak learning rates when this share of the budget is spent."""
    if done < WARMUP:
        return done / WARMUP
    if done < 1 - WARMDOWN:
        return 1.0
    left = max(0.0, 1 - done) / WARMDOWN
    return left + (1 - left) * FINAL_LEARNING_RATE

# -----------------------------------------------------------------------------
# The data: whole stories or articles, packed so that rows begin with a BOS and little is cut off.

def documents(tokens, seed):
    """(length, start) of every document, in an order that the seed decides, round after round."""
    starts = np.flatnonzero(tokens == prepare.load_tokenizer().bos)
    lengths = np.diff(np.append(starts, len(tokens)))
    order = np.random.default_rng(seed)
    while True:
        for i in order.permutation(len(starts)):
            yield int(lengths[i]), int(starts[i])


def packed_rows(tokens, seed, waiting=1000):
    """Rows of CONTEXT + 1 tokens: always the longest waiting document that still fits."""
    T, stream = prepare.CONTEXT + 1, documents(tokens, seed)
    pool = sorted(next(stream) for _ in range(waiting))
    while True:
        row, filled = np.empty(T, dtype=np.int64), 0
        while filled < T:
            i = bisect.bisect_right(pool, (T - filled, math.inf)) - 1
            length, start = pool.pop(max(i, 0))     # nothing fits: cut the shortest
            n = min(length, T - filled)
            row[filled:filled + n] = tokens[start:start + n]
            filled += n
            bisect.insort(pool, next(stream))
        yield row


def batches(tokens, seed, device):
    """x and y, [DEVICE_ROWS, CONTEXT] each, made ahead by a thread while the GPU works."""
    ready, rows = Queue(maxsize=8), packed_rows(tokens, seed)

    def produce():
        while True:
            batch = torch.from_numpy(np.stack([next(rows) for _ in range(DEVICE_ROWS)]))
            ready.put(batch.pin_memory() if device == "cuda" else batch)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        batch = ready.get().to(device, non_blocking=True)
        yield batch[:, :-1].contiguous(), batch[:, 1:].contiguous()


class Budget:
    """How much of the run is spent, in the unit that the harness counts in."""

    def __init__(self, text):
        self.unit, amount = text.split("=")
        self.amount = float(amount)
        self.start = time.perf_counter()

    def done(self, tokens, steps):
        spent = {"tokens": tokens, "steps": steps, "seconds": time.perf_counter() - self.start}
        return spent[self.unit] / self.amount

# -----------------------------------------------------------------------------
# Training.

def one_step(model, optimizers, data, accumulate, done, blocks, device):
    adam, muon = optimizers
    total = 0.0
    for _ in range(accumulate):
        x, y = next(data)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = model(x, y, blocks)
        (loss / accumulate).backward()
        total += loss.detach() / accumulate
    share = learning_rate_share(done)
    for group in adam.param_groups:
        group["lr"] = group["peak"] * share
    adam.step()
    muon.step(share, WEIGHT_DECAY * max(0.0, 1 - done))
    model.zero_grad(set_to_none=True)
    return total


def compile_ahead(model, run, data, accumulate, blocks, device):
    """Compile by training for three steps, then forget them: the budget buys all that is learned."""
    before = copy.deepcopy(model.state_dict())
    optimizers = build_optimizers(model, compiled=True)
    for _ in range(3):
        one_step(run, optimizers, data, accumulate, 0.0, blocks, device)
    model.load_state_dict(before)
    torch.cuda.synchronize()


def main():
    began = time.perf_counter()
    seed = int(os.environ.get("AGENTHUB_SEED", "0"))
    device = os.environ.get("AGENTHUB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    out = Path(os.environ.get("AGENTHUB_OUT", "out"))
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")

    meta = dict(vocab=prepare.load_tokenizer().size, depth=DEPTH, width=WIDTH, heads=HEADS)
    answers = build_model(meta).to(device)
    model = answers.model
    n_params = sum(p.numel() for p in model.parameters())
    tables = sum(p.numel() for p in [model.embedding.weight, *model.values.parameters()])
    reach = sum(min(w, prepare.CONTEXT) for w in model.windows(prepare.CONTEXT))
    flops = 6 * (n_params - tables) + 12 * WIDTH * reach // 2   # a token's forward and backward pass
    print(f"{n_params / 1e6:.2f} M parameters on {device}, {flops / 1e6:.0f} MFLOP a token, seed {seed}", flush=True)

    accumulate = max(1, TOKENS_PER_STEP // (DEVICE_ROWS * prepare.CONTEXT))
    data = batches(prepare.load_train_tokens(), seed, device)
    on_gpu = device == "cuda"
    short = on_gpu and SHORT_WINDOW < prepare.CONTEXT
    blocks = near_blocks(prepare.CONTEXT, SHORT_WINDOW, device) if short else None
    run = torch.compile(model, dynamic=False) if on_gpu else model
    if on_gpu:
        compile_ahead(model, run, data, accumulate, blocks, device)
    optimizers = build_optimizers(model, compiled=on_gpu)

    tokens = steps = 0
    budget = Budget(os.environ.get("AGENTHUB_BUDGET", "seconds=300"))
    while (done := budget.done(tokens, steps)) < 1:
        loss = one_step(run, optimizers, data, accumulate, done, blocks, device)
        tokens, steps = tokens + accumulate * DEVICE_ROWS * prepare.CONTEXT, steps + 1
        if steps % 10 == 0 or steps == 1:
            report(steps, done, float(loss), tokens / (time.perf_counter() - budget.start))
    if on_gpu:
        torch.cuda.synchronize()
    training_seconds = time.perf_counter() - budget.start

    save(answers, meta, out)
    answers.eval()
    with torch.no_grad():
        val_bpb = prepare.evaluate_bpb(lambda x: answers(x.to(device))) if prepare.val_is_visible() else None
    print("---")
    if val_bpb is not None:  # hidden in the swarm: there the scorer says it
        print(f"val_bpb: {val_bpb:.6f}")
    print(f"training_seconds: {training_seconds:.1f}")
    print(f"total_seconds: {time.perf_counter() - began:.1f}")
    print(f"peak_vram_mb: {torch.cuda.max_memory_allocated() / 2**20 if on_gpu else 0:.1f}")
    print(f"total_tokens_M: {tokens / 1e6:.3f}")
    print(f"num_steps: {steps}")
    print(f"num_params_M: {n_params / 1e6:.3f}")
    print(f"depth: {DEPTH}")
    if peak := peak_flops(on_gpu):
        print(f"mfu_percent: {100 * flops * tokens / training_seconds / peak:.2f}")


def peak_flops(on_gpu):
    name = torch.cuda.get_device_name() if on_gpu else ""
    return next((flops for part, flops in PEAK_FLOPS.items() if part in name), 0.0)


def report(steps, done, loss, speed):
    print(f"step {steps:05d} ({done:.1%}) | loss: {loss:.4f} | tok/s: {speed:,.0f}", flush=True)
    if not math.isfinite(loss):
        sys.exit("FAIL: the loss is not a number any more; nothing learned after this would count")


def save(model, meta, out):
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, out / "model.safetensors")
    (out / "meta.json").write_text(json.dumps(meta))


if __name__ == "__main__":
    main()
