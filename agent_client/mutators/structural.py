"""A few structural moves that apply to most PyTorch training files, by exact text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Move:
    """One rewrite: where its pattern occurs, `change` says what to write instead."""

    title: str
    why: str
    pattern: re.Pattern[str]
    change: str

    def apply(self, text: str) -> str | None:
        """The file after the move, or None when it does not apply."""
        after, count = self.pattern.subn(self.change, text)
        return after if count and after != text else None


def _move(title: str, why: str, pattern: str, change: str) -> Move:
    return Move(title, why, re.compile(pattern), change)


MOVES: Sequence[Move] = (
    _move(
        "activation: squared ReLU -> GELU",
        "A smooth activation passes gradient below zero, which helps short trainings.",
        r"F\.relu\(([^()]*(?:\([^()]*\))?[^()]*)\)\.square\(\)",
        r"F.gelu(\1)",
    ),
    _move(
        "activation: squared ReLU -> SiLU",
        "SiLU is smooth and keeps small negative signals that a squared ReLU drops.",
        r"F\.relu\(([^()]*(?:\([^()]*\))?[^()]*)\)\.square\(\)",
        r"F.silu(\1)",
    ),
    _move(
        "activation: GELU -> squared ReLU",
        "Squared ReLU is sparser and grows faster, which often learns more per token.",
        r"F\.gelu\(([^()]*(?:\([^()]*\))?[^()]*)\)",
        r"F.relu(\1).square()",
    ),
    _move(
        "optimizer: AdamW -> NAdam with decoupled decay",
        "Looking ahead along the momentum speeds up the first steps of a short run.",
        r"torch\.optim\.AdamW\(([^()]*(?:\([^()]*\))?[^()]*)\)",
        r"torch.optim.NAdam(\1, decoupled_weight_decay=True)",
    ),
    _move(
        "optimizer: eps 1e-8 -> 1e-10",
        "A smaller floor lets parameters with tiny gradients, such as rare tokens, move.",
        r"eps=1e-0?8\b",
        "eps=1e-10",
    ),
    _move(
        "warmdown: straight -> cosine-like square",
        "A decay that spends longer at small learning rates settles deeper.",
        r"return left \+ \(1 - left\) \* FINAL_LEARNING_RATE",
        "return left**2 + (1 - left**2) * FINAL_LEARNING_RATE",
    ),
    _move(
        "residual: scale the attention branch by 0.7",
        "A smaller branch keeps the stream near its input early on, which steadies training.",
        r"x = x \+ self\.attention\(",
        "x = x + 0.7 * self.attention(",
    ),
)


def applicable(text: str, allowed: Callable[[str], bool]) -> list[tuple[Move, str]]:
    """The moves that change this file and whose title is allowed, with the file after each."""
    found = []
    for move in MOVES:
        after = move.apply(text) if allowed(move.title) else None
        if after is not None:
            found.append((move, after))
    return found
