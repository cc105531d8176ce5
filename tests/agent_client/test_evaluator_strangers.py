"""What a stranger's process and a stranger's files can try, and what becomes of it."""

import base64
import errno
import json
import os
import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from agent_client.evaluator import Submission, checkpoint, evaluate
from agent_client.evaluator.refusal import Rejected
from agent_client.evaluator.wire import Model
from hub import goal_files

VOCAB, SHAPE = 5, (2, 3)
GOOD = b"AHLG" + struct.pack("<IIIB", *SHAPE, VOCAB, 4) + np.ones((*SHAPE, VOCAB), "<f4").tobytes()


@contextmanager
def a_model_that(script: str, patience: float = 10.0) -> Iterator[Model]:
    """A process that runs `script` where `say(bytes)` answers and `hear(n)` reads."""
    head = (
        "import os, sys, time\n"
        "def say(b):\n    sys.stdout.buffer.write(b); sys.stdout.buffer.flush()\n"
        "def hear(n):\n    return sys.stdin.buffer.read(n)\n"
    )
    pipe = subprocess.PIPE
    running = subprocess.Popen([sys.executable, "-c", head + script], stdin=pipe, stdout=pipe)
    model = Model(running, VOCAB, patience)
    try:
        yield model
    finally:
        model.close()


def test_a_good_answer_becomes_logits() -> None:
    with a_model_that(f"say(b'AHOK'); hear(12 + 24); say({GOOD!r}); hear(1)") as model:
        model.ready()
        model.ask(np.zeros(SHAPE, dtype=np.int32))

        assert model.answer().shape == (*SHAPE, VOCAB)


def test_half_precision_answers_are_widened_exactly() -> None:
    half = struct.pack("<H", 0x3FC0) * (2 * 3 * VOCAB)  # 1.5 in bfloat16
    answer = b"AHLG" + struct.pack("<IIIB", *SHAPE, VOCAB, 2) + half
    with a_model_that(f"hear(12 + 24); say({answer!r}); hear(1)") as model:
        model.ask(np.zeros(SHAPE, dtype=np.int32))

        assert (model.answer() == 1.5).all()


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (GOOD[:4] + struct.pack("<IIIB", 9, 9, 9, 4), "of shape"),
        (GOOD[:4] + struct.pack("<IIIB", 2**31, 2**31, 2**31, 4), "of shape"),
        (GOOD[:4] + struct.pack("<IIIB", *SHAPE, VOCAB, 7), "number format"),
        (GOOD[:17] + struct.pack("<f", float("nan")) * 30, "NaN or infinity"),
        (GOOD[:17] + struct.pack("<f", float("inf")) * 30, "NaN or infinity"),
        (b"val_bpb: 0.1\n", "no logits"),
        (b"AHER" + struct.pack("<I", 2**31) + b"x" * 400, "failed: xxx"),
        (GOOD[:40], "ended before"),
    ],
)
def test_a_bad_answer_is_named(says: bytes, words: str) -> None:
    with a_model_that(f"hear(12 + 24); say({says!r})") as model:
        model.ask(np.zeros(SHAPE, dtype=np.int32))

        with pytest.raises(Rejected, match=words) as refusal:
            model.answer()

    assert refusal.value.probe == "answers"


def test_what_a_model_process_says_of_itself_can_be_reported_and_shown() -> None:
    """No report may hold a NUL: it could not be made, and that ended the client."""
    said = "\0\x1b[2Jboom\x9b1m\u202e".encode()
    answer = b"AHER" + struct.pack("<I", len(said)) + said

    with a_model_that(f"say({answer!r})") as model:
        model._running.wait(20)  # it cannot even be told to begin, and has said why
        with pytest.raises(Rejected) as refusal:
            model.ready()

    assert refusal.value.detail == "the model process failed: boom1m"
    assert len(Rejected("answers", "x" * 900).detail) == 500


def test_silence_and_deafness_end_at_the_deadline() -> None:
    with (
        a_model_that("time.sleep(60)", patience=0.3) as model,
        pytest.raises(Rejected, match="no answer within"),
    ):
        model.ready()
    with (
        a_model_that("time.sleep(60)", patience=0.3) as model,
        pytest.raises(Rejected, match="no answer within"),
    ):
        model.ask(np.zeros((512, 1024), dtype=np.int32))


@pytest.mark.timeout(20)
def test_a_process_that_leaves_its_pipe_half_full_ends_at_the_deadline() -> None:
    """There is room for a part of a batch: whoever waited to write all of it waited for ever."""
    hear_some = "os.read(0, 40_000); time.sleep(60)"
    with a_model_that(hear_some, patience=0.5) as model, pytest.raises(Rejected, match="within"):
        model.ask(np.zeros((512, 1024), dtype=np.int32))


@pytest.mark.timeout(20)
def test_who_comes_after_the_deadline_is_not_waited_for() -> None:
    with a_model_that("time.sleep(60)", patience=-1.0) as model, pytest.raises(Rejected):
        model.ready()


def test_a_process_that_is_gone_is_named() -> None:
    with a_model_that("sys.exit(3)") as model:
        with pytest.raises(Rejected, match="ended"):
            model.ready()
        model._running.wait(20)
        with pytest.raises(Rejected, match="takes no tokens"):
            model.ask(np.zeros(SHAPE, dtype=np.int32))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    header = b"{}"
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (folder / "meta.json").write_text("{}")
    return folder


def test_plain_weights_are_copied(out: Path, tmp_path: Path) -> None:
    checkpoint.stage(out, tmp_path, max_checkpoint_mb=1)

    for name in ("model.safetensors", "meta.json"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def _socket(weights: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(weights))


DEEP = b"[" * 200_000
STRANGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda weights: None,
    "link": lambda weights: weights.symlink_to("/etc/hostname"),
    "pipe": os.mkfifo,
    "hard link": lambda weights: os.link(weights.with_name("meta.json"), weights),
    "socket": _socket,
    "folder": Path.mkdir,
    "pickle": lambda weights: weights.write_bytes(pickle.dumps(Payload())),
    "huge": lambda weights: weights.write_bytes(struct.pack("<Q", 2) + b"{}" + bytes(2 * 2**20)),
    "liar": lambda weights: weights.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
    "short": lambda weights: weights.write_bytes(b"7 bytes"),
    "no object": lambda weights: weights.write_bytes(struct.pack("<Q", 2) + b"[]"),
    "deep": lambda weights: weights.write_bytes(struct.pack("<Q", len(DEEP)) + DEEP),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_checkpoint_is_refused(out: Path, tmp_path: Path, kind: str) -> None:
    (out / "model.safetensors").unlink()
    STRANGE[kind](out / "model.safetensors")

    with pytest.raises(Rejected) as refusal:
        checkpoint.stage(out, tmp_path, max_checkpoint_mb=1)

    assert refusal.value.probe == "checkpoint"


def test_no_words_of_a_checkpoint_are_read_beyond_a_bound(out: Path, tmp_path: Path) -> None:
    (out / "meta.json").write_text(json.dumps({"x": "x" * checkpoint.META_BYTES}))
    with pytest.raises(Rejected, match=r"meta\.json"):
        checkpoint.stage(out, tmp_path, max_checkpoint_mb=8)

    (out / "meta.json").write_text("{}")
    header = json.dumps({"x": "x" * (4 << 20)}).encode()
    (out / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(Rejected, match="safetensors format"):
        checkpoint.stage(out, tmp_path, max_checkpoint_mb=8)


@pytest.mark.parametrize("meta", ["[]", "not json", "[" * 50_000, '"x"'])
def test_a_strange_meta_is_refused(out: Path, tmp_path: Path, meta: str) -> None:
    (out / "meta.json").write_text(meta)

    with pytest.raises(Rejected, match="not a JSON object"):
        checkpoint.stage(out, tmp_path, max_checkpoint_mb=1)


def test_a_model_that_cannot_be_started_leaves_none_of_the_others_behind(tmp_path: Path) -> None:
    """They kept their memory, on the GPU too, for as long as a measurement may take."""
    goal = goal_files.from_library("tiny_gpt")
    val = tmp_path / "data" / "val"
    val.mkdir(parents=True)
    (val / "documents.jsonl").write_text('"a text"\n')
    tokens = [base64.b64encode(bytes([byte])).decode() for byte in range(256)]
    (val / "tokenizer.json").write_text(
        json.dumps({"tokens": tokens, "bos": 256, "pattern": r"[\s\S]"})
    )
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    (out / "meta.json").write_text("{}")
    spec = goal.spec.model_copy(
        update={"commands": goal.spec.commands.model_copy(update={"hidden": []})}
    )
    run = Submission(goal.texts, out, tmp_path / "data", tmp_path / "scratch")
    started: list[subprocess.Popen[bytes]] = []

    def launch(argv: list[str], folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        if started:
            raise OSError(errno.ENOSPC, "No space left on device")
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(["sleep", "60"], stdin=pipe, stdout=pipe))
        return started[0]

    try:
        with pytest.raises(OSError, match="No space"):
            evaluate(spec, run, launch, "a nonce")

        assert started[0].poll() is not None
    finally:
        started[0].kill()
        started[0].wait()
