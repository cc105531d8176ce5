"""A pack of git objects with its index, written after gitformat-pack.

libgit2 packs only what lies in a repository already, and a process of git's for each pack would
cost more than the pack. Blobs that share most of their text with another are written as what
differs, so that a hundred variants of one file take little more than one.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hub import overlap
from hub.gitobjects import GitObject

_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_OFS_DELTA = 6
BASES = 4
"""Whole blobs that a blob is held against, the newest first."""
_MOST_COPIED, _MOST_INSERTED = 0xFFFF, 0x7F


@dataclass(frozen=True)
class Pack:
    """The bytes of both files, and what they are called."""

    name: str
    data: bytes
    index: bytes


class _Entry(NamedTuple):
    sha: bytes
    crc: int
    offset: int


def pack(objects: Iterable[GitObject]) -> Pack:
    """A version 2 pack with a version 2 index; equal objects are written once."""
    unique = {each.sha: each for each in objects}
    parts = [struct.pack(">4sII", b"PACK", 2, len(unique))]
    at, entries, bases = len(parts[0]), list[_Entry](), dict[int, bytes]()
    for each in unique.values():
        part = _entry(each, at, bases)
        entries.append(_Entry(bytes.fromhex(each.sha), zlib.crc32(part), at))
        parts.append(part)
        at += len(part)
    checksum = _sha1(b"".join(parts))
    return Pack(checksum.hex(), b"".join([*parts, checksum]), _index(sorted(entries), checksum))


def _entry(each: GitObject, at: int, bases: dict[int, bytes]) -> bytes:
    """An object as the pack holds it from `at` on; what is written whole may be a base."""
    if each.kind == "blob":
        for where, base in reversed(bases.items()):
            head, tail = overlap.ends(base, each.body)
            if 2 * (head + tail) > len(each.body):
                changes = b"".join(_delta(base, each.body, head, tail))
                start = _head(_OFS_DELTA, len(changes)) + _distance(at - where)
                return start + zlib.compress(changes, 1)
        bases[at] = each.body
        while len(bases) > BASES:
            del bases[next(iter(bases))]
    return _head(_KINDS[each.kind], len(each.body)) + zlib.compress(each.body, 1)


def _delta(base: bytes, body: bytes, head: int, tail: int) -> Iterator[bytes]:
    """Both sizes, then: copy what both begin with, insert what differs, copy what both end with."""
    yield from (_size(len(base)), _size(len(body)))
    yield from _copies(0, head)
    middle = body[head : len(body) - tail]
    for start in range(0, len(middle), _MOST_INSERTED):
        piece = middle[start : start + _MOST_INSERTED]
        yield bytes([len(piece)]) + piece
    yield from _copies(len(base) - tail, tail)


def _copies(start: int, length: int) -> Iterator[bytes]:
    for at in range(start, start + length, _MOST_COPIED):
        size = min(_MOST_COPIED, start + length - at)
        yield struct.pack("<BIH", 0x80 | 0x0F | 0x30, at, size)


def _size(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    said = bytearray()
    while number > 0x7F:
        said.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*said, number])


def _head(kind: int, size: int) -> bytes:
    """A kind and the lowest four bits of a size, then the rest as `_size` does."""
    first, rest = kind << 4 | size & 15, size >> 4
    return bytes([first | 0x80]) + _size(rest) if rest else bytes([first])


def _distance(number: int) -> bytes:
    """Seven bits a byte, the highest first, each further byte counted from one."""
    said = [number & 0x7F]
    while number := number >> 7:
        number -= 1
        said.append(number & 0x7F | 0x80)
    return bytes(reversed(said))


def _index(entries: list[_Entry], checksum: bytes) -> bytes:
    counts = [0] * 256
    for each in entries:
        counts[each.sha[0]] += 1
    fan = [sum(counts[: first + 1]) for first in range(256)]
    body = b"".join(
        [
            struct.pack(">4sI256I", b"\xfftOc", 2, *fan),
            *(each.sha for each in entries),
            *(struct.pack(">I", each.crc) for each in entries),
            *(struct.pack(">I", each.offset) for each in entries),
            checksum,
        ]
    )
    return body + _sha1(body)


def _sha1(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()
