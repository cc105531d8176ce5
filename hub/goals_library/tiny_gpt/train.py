"""
Trains a very small GPT on little stories; the one file that experiments edit.

    python prepare.py && python train.py        20 to 30 seconds of training on two CPU cores

The harness says where to read and write, what may be spent, and which seed to use:
    AGENTHUB_DATA    folder of prepare.py's data (default: data)
    AGENTHUB_OUT     folder for the checkpoint (default: out)
    AGENTHUB_SEED    seed of weights and data order (default: 0); never set one here
    AGENTHUB_BUDGET  tokens=250000, seconds=25 or steps=244 (default: tokens=250000)
    AGENTHUB_DEVICE  cpu or cuda (default: cuda where there is one)

A checkpoint is out/model.safetensors and out/meta.json. A scorer that never imports this file in
its own process has another one call build_model(meta), load the weights, and answer tokens with
logits; so importing this file must not train.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

import prepare

# -----------------------------------------------------------------------------
# What to change. One constant a line; numbers may be tuned, chapters below rewritten.

DEPTH = 4                       # transformer blocks
WIDTH = 64                      # channels of the residual stream
HEADS = 2                       # attention heads; WIDTH / HEADS must be even
MLP_RATIO = 4                   # hidden channels of the MLP per channel of the stream
ROTARY_BASE = 10000.0           # longest wavelength of the rotary embedding, in tokens
TIED_EMBEDDINGS = False         # share one table between the input and the output
LOGIT_SOFTCAP = 15.0            # logits are squashed into (-15, 15)
EMBEDDING_STD = 0.5             # spread of the token embeddings at the start

BATCH_ROWS = 4                  # rows of 256 tokens in one step
EMBEDDING_LEARNING_RATE = 0.01  # AdamW, token embeddings
HEAD_LEARNING_RATE = 0.002      # AdamW, the output matrix
MATRIX_LEARNING_RATE = 0.004    # AdamW, attention and MLP
WEIGHT_DECAY = 0.0              # of the matrices
ADAM_BETA1 = 0.8                # memory of the gradient
ADAM_BETA2 = 0.95               # memory of its square
GRADIENT_CLIP = 1.0             # largest norm of one step's gradient
WARMUP = 0.0                    # share of the budget in which the learning rates rise
WARMDOWN = 0.1                  # share of the budget in which they fall
FINAL_LEARNING_RATE = 0.0       # what they fall to, as a share

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
    return torch.cat([a * cos + b * sin, b * cos - a * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x, cos, sin):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = norm(rotate(q, cos, sin)), norm(rotate(k, cos, sin))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, MLP_RATIO * width, bias=False)
        self.down = nn.Linear(MLP_RATIO * width, width, bias=False)

    def forward(self, x):
        return self.down(F.relu(self.up(x)).square())


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention, self.mlp = Attention(width, heads), MLP(width)

    def forward(self, x, cos, sin):
        x = x + self.attention(norm(x), cos, sin)
        return x + self.mlp(norm(x))


class GPT(nn.Module):
    def __init__(self, vocab, depth, width, heads):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.head = None if TIED_EMBEDDINGS else nn.Linear(width, vocab, bias=False)
        self.head_dim = width // heads
        self.init_weights(width)

    def init_weights(self, width):
        """Each block starts as the identity; the untied head starts at zero, so the first loss is ln(vocab)."""
        for block in self.blocks:
            for matrix in (block.attention.qkv, block.mlp.up):
                nn.init.uniform_(matrix.weight, -math.sqrt(3 / width), math.sqrt(3 / width))
            for matrix in (block.attention.out, block.mlp.down):
                nn.init.zeros_(matrix.weight)
        nn.init.normal_(self.embedding.weight, std=0.02 if TIED_EMBEDDINGS else EMBEDDING_STD)
        if self.head is not None:
            nn.init.zeros_(self.head.weight)

    def forward(self, tokens):
        """[B, T] -> logits [B, T, vocab], where logits[:, t] see tokens[:, :t + 1] only."""
        cos, sin = rotary(tokens.size(1), self.head_dim, tokens.device)
        x = norm(self.embedding(tokens))
        for block in self.blocks:
            x = block(x, cos, sin)
        weight = self.embedding.weight if self.head is None else self.head.weight
        logits = F.linear(norm(x), weight)
        return LOGIT_SOFTCAP * torch.tanh(logits / LOGIT_SOFTCAP)


def build_model(meta):
    """The model that meta.json describes, before its weights are loaded."""
    return GPT(meta["vocab"], meta["depth"], meta["width"], meta["heads"])

# -----------------------------------------------------------------------------
# The optimizer and its schedule.

def build_optimizer(model):
    matrices = [p for block in model.blocks for p in block.parameters()]
    groups = [
        dict(params=[model.embedding.weight], lr=EMBEDDING_LEARNING_RATE, weight_decay=0.0),
        dict(params=matrices, lr=MATRIX_LEARNING_RATE, weight_decay=WEIGHT_DECAY),
    ]
    if model.head is not None:
        groups.append(dict(params=[model.head.weight], lr=HEAD_LEARNING_RATE, weight_decay=0.0))
    optimizer = torch.optim.AdamW(groups, betas=(ADAM_BETA1, ADAM_BETA2), eps=1e-8)
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def learning_rate_share(done):
    """Share of the peak learning rates when this share of the budget is spent."""
    if done < WARMUP:
        return done / WARMUP
    if done < 1 - WARMDOWN:
        return 1.0
    left = max(0.0, 1 - done) / WARMDOWN
    return left + (1 - left) * FINAL_LEARNING_RATE

# -----------------------------------------------------------------------------
# The data: rows of CONTEXT + 1 tokens in an order that the seed decides, round after round.

def batches(tokens, seed, device):
    """Yields x and y, [BATCH_ROWS, CONTEXT] each; y is x moved by one token."""
    T, order = prepare.CONTEXT, torch.Generator().manual_seed(seed)
    rows = torch.from_numpy(tokens.astype("int64"))
    n = (len(rows) - 1) // T
    while True:
        for chosen in torch.randperm(n, generator=order).split(BATCH_ROWS):
            x = torch.stack([rows[i * T:(i + 1) * T] for i in chosen.tolist()])
            y = torch.stack([rows[i * T + 1:(i + 1) * T + 1] for i in chosen.tolist()])
            yield x.to(device), y.to(device)


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

def main():
    began = time.perf_counter()
    seed = int(os.environ.get("AGENTHUB_SEED", "0"))
    device = os.environ.get("AGENTHUB_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    out = Path(os.environ.get("AGENTHUB_OUT", "out"))
    torch.manual_seed(seed)

    meta = dict(vocab=prepare.load_tokenizer().size, depth=DEPTH, width=WIDTH, heads=HEADS)
    model = build_model(meta).to(device)
    optimizer = build_optimizer(model)
    n_params = sum(p.numel() for p in model.parameters())
    print(f"{n_params / 1e6:.2f} M parameters on {device}, seed {seed}", flush=True)

    tokens = steps = 0
    data = batches(prepare.load_train_tokens(), seed, device)
    budget = Budget(os.environ.get("AGENTHUB_BUDGET", "tokens=250000"))
    while (done := budget.done(tokens, steps)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_share(done)
        x, y = next(data)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
        optimizer.step()
        tokens, steps = tokens + x.numel(), steps + 1
        if steps % 10 == 0:
            report(steps, done, loss.item(), tokens / (time.perf_counter() - budget.start))
    training_seconds = time.perf_counter() - budget.start

    save(model, meta, out)
    model.eval()
    with torch.no_grad():
        val_bpb = prepare.evaluate_bpb(lambda x: model(x.to(device))) if prepare.val_is_visible() else None
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0.0
    print("---")
    if val_bpb is not None:  # hidden in the swarm: there the scorer says it
        print(f"val_bpb: {val_bpb:.6f}")
    print(f"training_seconds: {training_seconds:.1f}")
    print(f"total_seconds: {time.perf_counter() - began:.1f}")
    print(f"peak_vram_mb: {peak:.1f}")
    print(f"total_tokens_M: {tokens / 1e6:.3f}")
    print(f"num_steps: {steps}")
    print(f"num_params_M: {n_params / 1e6:.3f}")
    print(f"depth: {DEPTH}")


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
