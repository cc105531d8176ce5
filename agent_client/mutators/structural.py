"""A few structural moves for PyTorch trainings and for plain Python, by exact text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Every pattern here meets strangers' files, and `re` lets nobody else run while it searches: none
# may have two ways to read the same text, or each a bounded reach.
_DOCSTRING = re.compile(r'(?:\s++|#[^\n]*+\n)*+("""|\'\'\')(?:.|\n)*?\1\n')


@dataclass(frozen=True)
class Move:
    """One rewrite: where its pattern occurs, `change` says what to write instead.

    `imports` is put below the file's docstring when the new text needs it.
    """

    title: str
    why: str
    pattern: re.Pattern[str]
    change: str
    imports: str = ""

    def apply(self, text: str) -> str | None:
        """The file after the move, or None when it does not apply."""
        after, count = self.pattern.subn(self.change, text)
        if not count or after == text:
            return None
        return _importing(after, self.imports) if self.imports else after


def _importing(text: str, line: str) -> str:
    """The file with an import below its docstring, unless it is there."""
    if re.search(rf"(?m)^{re.escape(line)}$", text):
        return text
    docstring = _DOCSTRING.match(text)
    place = docstring.end() if docstring else 0
    return f"{text[:place]}\n{line}\n{text[place:]}" if place else f"{line}\n{text}"


def _move(title: str, why: str, pattern: str, change: str, imports: str = "") -> Move:
    return Move(title, why, re.compile(pattern, re.MULTILINE), change, imports)


MOVES: Sequence[Move] = (
    _move(
        "activation: squared ReLU -> GELU",
        "A smooth activation passes gradient below zero, which helps short trainings.",
        r"F\.relu\(([^()]*(?:\([^()]*\)[^()]*)?)\)\.square\(\)",
        r"F.gelu(\1)",
    ),
    _move(
        "activation: squared ReLU -> SiLU",
        "SiLU is smooth and keeps small negative signals that a squared ReLU drops.",
        r"F\.relu\(([^()]*(?:\([^()]*\)[^()]*)?)\)\.square\(\)",
        r"F.silu(\1)",
    ),
    _move(
        "activation: GELU -> squared ReLU",
        "Squared ReLU is sparser and grows faster, which often learns more per token.",
        r"F\.gelu\(([^()]*(?:\([^()]*\)[^()]*)?)\)",
        r"F.relu(\1).square()",
    ),
    _move(
        "optimizer: AdamW -> NAdam with decoupled decay",
        "Looking ahead along the momentum speeds up the first steps of a short run.",
        r"torch\.optim\.AdamW\(([^()]*(?:\([^()]*\)[^()]*)?)\)",
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
    _move(
        "counting: dict.get -> a test and +=",
        "A method call for every item costs more than a test and an addition in place.",
        r"^([ \t]*)(\w+)\[(\w+)\] = \2\.get\(\3, 0\) \+ 1$",
        r"\1if \3 in \2:\n\1    \2[\3] += 1\n\1else:\n\1    \2[\3] = 1",
    ),
    _move(
        "letters: two comparisons -> one look into a string",
        "One test of membership does the work of two comparisons of strings.",
        r"""(["'])a\1 <= (\w+) <= (["'])z\3""",
        r'\2 in "abcdefghijklmnopqrstuvwxyz"',
    ),
    _move(
        "ranking: sort everything -> only the first n",
        "Only a few items are asked for; a heap of that size spares sorting all the others.",
        r"sorted\((.{1,200}), key=(.{1,200})\)\[:(\w{1,60})\]",
        r"heapq.nsmallest(\3, \1, key=\2)",
        imports="import heapq",
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
