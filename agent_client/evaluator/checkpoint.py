"""What a run left behind, copied without being trusted: plain files of bounded size, no pickle."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

from agent_client.evaluator.refusal import Rejected
from agent_client.sandbox import UnsafeFile, safe_read

WEIGHTS, META, TOKENIZER = "model.safetensors", "meta.json", "tokenizer.json"
META_BYTES = 64 * 1024
TOKENIZER_BYTES = 4 * 1024 * 1024
_HEADER_BYTES = 4 * 1024 * 1024


def lay_out(files: Mapping[str, str], folder: Path) -> None:
    """Write the goal's files as the hub knows them into a fresh folder."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def stage(out: Path, to: Path, max_checkpoint_mb: int) -> None:
    """Copy weights and meta into a fresh folder; raises Rejected with the probe `checkpoint`."""
    weights = read_plainly(out / WEIGHTS, max_checkpoint_mb * 2**20)
    meta = read_plainly(out / META, META_BYTES)
    _must_be_safetensors(weights)
    _must_be_json_object(meta)
    (to / WEIGHTS).write_bytes(weights)
    (to / META).write_bytes(meta)


def read_plainly(path: Path, limit: int) -> bytes:
    """Read a stranger's file: no link, no pipe, no device, one name only, not above `limit`.

    The folder that it lies in is the stranger's too, and may be a link to another run's.
    """
    folder, name = path.parent, path.name
    try:
        return safe_read(folder.parent, f"{folder.name}/{name}", limit)
    except UnsafeFile as refused:
        raise Rejected("checkpoint", refused.detail) from None
    except OSError as error:
        raise Rejected("checkpoint", f"{name} cannot be opened: {error.strerror}") from error


def _must_be_safetensors(content: bytes) -> None:
    """Refuse anything but safetensors: eight bytes of length, a JSON header, raw numbers."""
    refusal = Rejected("checkpoint", f"{WEIGHTS} is not in the safetensors format")
    if len(content) < 8:
        raise refusal
    (size,) = struct.unpack("<Q", content[:8])
    if size > min(_HEADER_BYTES, len(content) - 8):
        raise refusal
    try:
        header = json.loads(content[8 : 8 + size])
    except (ValueError, RecursionError):
        raise refusal from None
    if not isinstance(header, dict):
        raise refusal


def _must_be_json_object(content: bytes) -> None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Rejected("checkpoint", f"{META} is not a JSON object")
