"""Validation text as rows of tokens: every document, every byte once, counted by the scorer."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent_client.evaluator.refusal import DataBroken, Rejected
from agent_client.evaluator.wire import Tokens

MAX_VOCAB = 65536
PATTERNS = frozenset(
    {
        r" ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s+",
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s",
        r"[\s\S]",
    }
)
"""Splitting patterns a submission may choose; a pattern of its own could hang the scorer."""


@dataclass(frozen=True)
class Tokenizer:
    """Byte strings by rank, the pattern that splits text first, and the token that opens a text."""

    bytes_of: tuple[bytes, ...]
    pattern: str
    bos: int

    @property
    def size(self) -> int:
        """How many tokens there are, BOS included; the model must answer with as many logits."""
        return len(self.bytes_of)

    def encode_all(self, documents: Sequence[str]) -> list[list[int]]:
        """Encode each document without its BOS."""
        import tiktoken

        ranks = {token: rank for rank, token in enumerate(self.bytes_of) if rank != self.bos}
        encoding = tiktoken.Encoding(
            "goal", pat_str=self.pattern, mergeable_ranks=ranks, special_tokens={}
        )
        return encoding.encode_ordinary_batch(list(documents), num_threads=1)


def parse_tokenizer(text: str) -> Tokenizer:
    """Read a tokenizer.json; raises ValueError unless it can encode every text in one way."""
    stored = json.loads(text)
    tokens = [base64.b64decode(token, validate=True) for token in stored["tokens"]]
    pattern = str(stored["pattern"])
    bos = stored["bos"] if isinstance(stored["bos"], int) else -1
    if bos != len(tokens) or len(tokens) >= MAX_VOCAB:
        raise ValueError(f"bos must follow the last token, and tokens number below {MAX_VOCAB}")
    if len(set(tokens)) != len(tokens) or b"" in tokens:
        raise ValueError("tokens must differ from one another and stand for at least one byte")
    if not {bytes([byte]) for byte in range(256)} <= set(tokens):
        raise ValueError("each of the 256 single bytes must be a token")
    if pattern not in PATTERNS:
        raise ValueError("the splitting pattern is not one that the scorer knows")
    return Tokenizer(bytes_of=(*tokens, b""), pattern=pattern, bos=bos)


@dataclass(frozen=True)
class Corpus:
    """Rows of `context` tokens with what follows each; arrays are [rows, context].

    `byte_counts` is zero where a target does not count (BOS and padding); `documents` says to
    which text a target belongs, so that sums by text can be made.
    """

    inputs: Tokens
    targets: Tokens
    byte_counts: NDArray[np.int64]
    documents: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.inputs.shape[0])


def build(tokenizer: Tokenizer, documents: Sequence[str], context: int) -> Corpus:
    """Lay all documents behind one another, each behind a BOS, and cut the stream into rows.

    Raises Rejected when the tokenizer loses or invents bytes.
    """
    encoded = tokenizer.encode_all(documents)
    _nothing_lost(tokenizer, documents, encoded)
    flat = np.array(
        [token for text in encoded for token in (tokenizer.bos, *text)] + [tokenizer.bos],
        dtype=np.int32,
    )
    owner = np.repeat(np.arange(len(encoded)), [len(text) + 1 for text in encoded])
    lengths = np.array([len(token) for token in tokenizer.bytes_of], dtype=np.int64)
    pad = -(len(flat) - 1) % context
    inputs = np.pad(flat[:-1], (0, pad), constant_values=tokenizer.bos)
    targets = np.pad(flat[1:], (0, pad), constant_values=tokenizer.bos)
    documents_of = np.pad(np.append(owner[1:], len(encoded) - 1), (0, pad), mode="edge")
    shape = (-1, context)
    return Corpus(
        inputs=inputs.reshape(shape),
        targets=targets.reshape(shape),
        byte_counts=lengths[targets].reshape(shape),
        documents=documents_of.reshape(shape),
    )


def read_documents(path: Path) -> list[str]:
    """Read one text per line, each a JSON string; raises DataBroken."""
    try:
        documents = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise DataBroken(f"{path.name} cannot be read ({error}); run prepare again") from error
    if not documents or not all(isinstance(text, str) and text for text in documents):
        raise DataBroken(f"{path.name} holds no texts, or empty ones; run prepare again")
    return documents


def _nothing_lost(
    tokenizer: Tokenizer, documents: Sequence[str], encoded: Sequence[Sequence[int]]
) -> None:
    for text, tokens in zip(documents, encoded, strict=True):
        if b"".join(tokenizer.bytes_of[token] for token in tokens) != text.encode():
            raise Rejected("tokenizer", "the tokens of a text do not spell that text")
