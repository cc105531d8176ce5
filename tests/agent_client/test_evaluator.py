"""The scorer's arithmetic and byte counts, against independent ones."""

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_client.evaluator import probes, scoring
from agent_client.evaluator.corpus import (
    Corpus,
    Tokenizer,
    build,
    parse_tokenizer,
    read_documents,
)
from agent_client.evaluator.refusal import DataBroken, Rejected
from hub import goal_files
from protocol.goals import Scoring

BYTES = tuple(bytes([byte]) for byte in range(256))
PAIRS = [base64.b64encode(one + other).decode() for one in BYTES for other in BYTES]
SPLIT = r" ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s+"
TEXTS = ["Grüße an Zoë, 12 and 30 make 42.", "a", 'He said: "naïve 🙂"\n\nand left.']


def a_tokenizer(merges: tuple[bytes, ...] = (), pattern: str = SPLIT) -> Tokenizer:
    tokens = [base64.b64encode(token).decode() for token in (*BYTES, *merges)]
    return parse_tokenizer(json.dumps({"tokens": tokens, "bos": len(tokens), "pattern": pattern}))


THREE = (
    a_tokenizer(pattern=r"[\s\S]"),
    a_tokenizer((b"an", b"and", "ü".encode(), b" a", b" an", b" and")),
    a_tokenizer((b"he", b" m", b"ak", b"ake", "ï".encode(), b"\n\n")),
)


def by_hand(tokenizer: Tokenizer, corpus: Corpus, logits: np.ndarray) -> float:
    """Bits per byte once more, token by token, in Python's own floats."""
    nats, total = [], 0
    for row in range(corpus.rows):
        for column, target in enumerate(corpus.targets[row]):
            size = len(tokenizer.bytes_of[target])
            if size:
                values = [float(value) for value in logits[row, column]]
                top = max(values)
                whole = math.fsum(math.exp(value - top) for value in values)
                nats.append(top + math.log(whole) - values[target])
                total += size
    return math.fsum(nats) / (math.log(2) * total)


@pytest.mark.parametrize("tokenizer", THREE, ids=["bytes", "merges", "other merges"])
def test_bits_per_byte_equal_an_independent_computation(tokenizer: Tokenizer) -> None:
    corpus = build(tokenizer, TEXTS, context=16)
    dice = np.random.default_rng(3)
    logits = dice.normal(0, 4, (corpus.rows, 16, tokenizer.size)).astype(np.float32)

    measured = scoring.score(corpus, scoring.nats(logits, corpus.targets)).bits_per_byte

    assert measured == pytest.approx(by_hand(tokenizer, corpus, logits), abs=1e-9)


@pytest.mark.parametrize("tokenizer", THREE, ids=["bytes", "merges", "other merges"])
@given(texts=st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=6))
@settings(max_examples=40)
def test_every_byte_of_every_text_counts_once(tokenizer: Tokenizer, texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() or "x" for text in texts]

    corpus = build(tokenizer, texts, context=8)

    assert int(corpus.byte_counts.sum()) == sum(len(text.encode()) for text in texts)
    by_text = np.bincount(corpus.documents.ravel(), weights=corpus.byte_counts.ravel())
    assert by_text.tolist() == [len(text.encode()) for text in texts]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tokens": ["YQ=="]}, "bos must follow"),
        ({"pattern": "(a+)+$"}, "splitting pattern"),
        ({"bos": 3}, "bos must follow"),
        ({"bos": float("inf")}, "bos must follow"),
        ({"bos": 256.0}, "bos must follow"),
        ({"tokens": PAIRS, "bos": len(PAIRS)}, "number below 65536"),
        ({"tokens": ["Y Q=="], "bos": 1}, "base64"),
    ],
)
def test_a_tokenizer_that_could_cheat_is_refused(change: dict[str, object], words: str) -> None:
    tokens = [base64.b64encode(token).decode() for token in BYTES]
    stored = {"tokens": tokens, "bos": 256, "pattern": SPLIT} | change

    with pytest.raises(ValueError, match=words):
        parse_tokenizer(json.dumps(stored))


def test_a_tokenizer_without_a_byte_or_with_a_token_twice_or_of_none_is_refused() -> None:
    tokens = [base64.b64encode(token).decode() for token in BYTES]
    for broken in (tokens[1:], [*tokens, tokens[0]], [*tokens, ""]):
        with pytest.raises(ValueError, match=r"bytes must|must differ"):
            parse_tokenizer(json.dumps({"tokens": broken, "bos": len(broken), "pattern": SPLIT}))


def test_a_tokenizer_that_loses_a_byte_is_refused_whatever_it_passed_before() -> None:
    loses = Tokenizer(bytes_of=(*BYTES, b""), pattern=r"[a-z]", bos=256)

    with pytest.raises(Rejected, match="do not spell") as refusal:
        build(loses, ["ab", "a1b"], context=4)

    assert refusal.value.probe == "tokenizer"


def test_large_logits_cost_what_they_say() -> None:
    logits = np.array([[[0.0, 3e38], [2000.0, 1999.0]]], dtype=np.float32)

    one, other = scoring.nats(logits, np.array([[1, 1]], dtype=np.int32))[0]

    assert (one, other) == (0.0, pytest.approx(math.log(1 + math.e), abs=1e-12))


@pytest.mark.parametrize("text", ["", '"a"\n""', '"a"\n3', '"a"\n{', "[]"])
def test_validation_texts_that_are_none_are_the_volunteer_s_to_mend(
    text: str, tmp_path: Path
) -> None:
    (tmp_path / "documents.jsonl").write_text(text)

    with pytest.raises(DataBroken, match="run prepare again"):
        read_documents(tmp_path / "documents.jsonl")


def test_draws_repeat_for_one_nonce_and_differ_for_another() -> None:
    one = scoring.draw("n", "x").integers(0, 2**60, 4).tolist()

    assert one == scoring.draw("n", "x").integers(0, 2**60, 4).tolist()
    assert one != scoring.draw("m", "x").integers(0, 2**60, 4).tolist()
    assert one != scoring.draw("n", "y").integers(0, 2**60, 4).tolist()


def test_texts_known_by_heart_open_a_gap_that_chance_does_not() -> None:
    dice = np.random.default_rng(1)
    seen, unseen = dice.normal(0.5, 0.05, 300), dice.normal(0.5, 0.05, 300)

    assert probes.hidden_gap(seen, unseen).passed
    assert not probes.hidden_gap(seen - 0.03, unseen).passed
    assert probes.hidden_gap(seen + 0.03, unseen).passed


def _scored_goals() -> Iterator[tuple[str, Scoring]]:
    for name in goal_files.library():
        scoring_rules = goal_files.from_library(name).spec.scoring
        if scoring_rules is not None:
            yield name, scoring_rules


@pytest.mark.parametrize(("name", "rules"), list(_scored_goals()))
def test_a_goal_probes_at_least_two_batches(name: str, rules: Scoring) -> None:
    assert rules.sealed_rows >= 2 * rules.batch_rows


def test_large_batches_shared_among_threads_cost_exactly_the_same() -> None:
    dice = np.random.default_rng(4)
    logits = dice.normal(0, 4, (9, 100, 10_000)).astype(np.float32)
    targets = dice.integers(0, 10_000, (9, 100)).astype(np.int32)

    together = scoring.nats(logits, targets)

    alone = [scoring.nats(logits[i : i + 1], targets[i : i + 1])[0] for i in range(len(logits))]
    assert (together == np.stack(alone)).all()
