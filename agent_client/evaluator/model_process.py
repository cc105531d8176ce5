"""Answers tokens with logits: the one process that imports a stranger's train.py to score it.

Run inside the sandbox, by path, in a folder that holds train.py, the goal's protected files,
meta.json and model.safetensors, and nothing else. It never sees a target. Its peer is
agent_client.evaluator.wire, which describes the frames and believes none of them.
"""

import importlib.util
import json
import os
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def main() -> None:
    """Load the model when told to, say so, then answer batch after batch until stdin closes.

    Until then none of the stranger's code runs here: what another process was shown before cannot
    be told to it.
    """
    requests, answers = _own_pipes()
    try:
        _import_what_is_slow()
        if requests.read(4) != b"AHGO":
            return
        model = _load()
        answers.write(b"AHOK")
        answers.flush()
        _serve(model, requests, answers)
    except BaseException:
        text = traceback.format_exc()[-400:].encode("utf-8", "replace")
        answers.write(b"AHER" + struct.pack("<I", len(text)) + text)
        answers.flush()
        raise SystemExit(1) from None


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the pipes for frames; whatever train.py prints goes to stderr instead."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, answers


def _import_what_is_slow() -> None:
    import safetensors.torch  # noqa: F401
    import torch  # noqa: F401


def _load() -> "Callable[[torch.Tensor], torch.Tensor]":
    import torch
    from safetensors.torch import load_file

    device = os.environ.get("AGENTHUB_DEVICE", "cpu")
    train = _import_train()
    model: Any = train.build_model(json.loads(Path("meta.json").read_text()))
    model.load_state_dict(load_file("model.safetensors"))
    model = model.to(device).eval()

    def answer(tokens: "torch.Tensor") -> "torch.Tensor":
        with torch.no_grad():
            logits: torch.Tensor = model(tokens.to(device))
        return logits

    return answer


def _import_train() -> Any:
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - what import understands is a string
    spec = importlib.util.spec_from_file_location("train", "train.py")
    assert spec is not None
    assert spec.loader is not None
    train = importlib.util.module_from_spec(spec)
    sys.modules["train"] = train
    spec.loader.exec_module(train)
    return train


def _serve(
    answer: "Callable[[torch.Tensor], torch.Tensor]", requests: IO[bytes], answers: IO[bytes]
) -> None:
    import torch

    while head := requests.read(12):
        magic, rows, columns = struct.unpack("<4sII", head)
        assert magic == b"AHRQ"
        raw = bytearray(requests.read(4 * rows * columns))
        tokens = torch.frombuffer(raw, dtype=torch.int32).view(rows, columns).long()
        _write(answers, answer(tokens))


def _write(answers: IO[bytes], logits: "torch.Tensor") -> None:
    import torch

    logits = logits.detach().contiguous().cpu()
    narrow = logits.dtype is torch.bfloat16
    raw = logits.view(torch.int16) if narrow else logits.float()
    rows, columns, vocab = logits.shape
    answers.write(struct.pack("<4sIIIB", b"AHLG", rows, columns, vocab, 2 if narrow else 4))
    answers.write(raw.numpy().tobytes())
    answers.flush()


if __name__ == "__main__":
    main()
