"""The built board: files read once into memory, compressed once, cached for ever by their hash."""

import gzip
import json
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Response

import board_ui
from hub.errors import NotFound

router = APIRouter(include_in_schema=False)
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
GUARD = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
SMALL = 400  # bytes below which gzip only costs
_NEVER = re.compile(r"q=0(\.0*)?")


@dataclass(frozen=True)
class Asset:
    """One file of the board, plain and compressed."""

    body: bytes
    packed: bytes | None
    media_type: str


@lru_cache(maxsize=2)
def load(folder: Path, _built_at: int) -> Mapping[str, Asset]:
    """Every file below a folder by its relative path; read again when it was built again."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _asset(path) for path in files}


def parts(source: str) -> list[str]:
    """Addresses of the scripts and styles that only one page of the board uses, by its source."""
    folder = board_ui.assets()
    files = load(folder, _built(folder)) if folder else {}
    if "pages.json" not in files:
        return []
    page = json.loads(files["pages.json"].body).get(source, {})
    return [f"/{name}" for name in [page["file"], *page.get("css", [])]] if page else []


def unpacks(accepted: str) -> bool:
    """Whether a reader takes gzip, by its Accept-Encoding; who says `gzip;q=0` does not."""
    said = [each.partition(";") for each in accepted.replace(" ", "").lower().split(",")]
    return any(name == "gzip" and not _NEVER.fullmatch(weight) for name, _, weight in said)


def _built(folder: Path) -> int:
    return (folder / "index.html").stat().st_mtime_ns


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    packed = gzip.compress(body, 9, mtime=0) if len(body) > SMALL else None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(body, packed, "text/javascript" if path.suffix == ".js" else kind)


@router.get("/assets/{name}")
def asset(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """A bundled file; its name holds its hash, so browsers may keep it."""
    return _serve(f"assets/{name}", accept_encoding, FOR_EVER)


@router.get("/theme.js")
def theme(accept_encoding: Annotated[str, Header()] = "") -> Response:
    """The script that sets the theme before the first paint."""
    return _serve("theme.js", accept_encoding, ASK_AGAIN)


@router.get("/icon.svg")
def icon(accept_encoding: Annotated[str, Header()] = "") -> Response:
    """The board's icon."""
    return _serve("icon.svg", accept_encoding, ASK_AGAIN)


def _serve(path: str, accepted: str, lifetime: str) -> Response:
    folder = board_ui.assets()
    found = load(folder, _built(folder)).get(path) if folder else None
    if found is None:
        raise NotFound(f"The board has no file {path!r}; reload the page if the hub was updated.")
    headers = GUARD | {"Cache-Control": lifetime, "Vary": "Accept-Encoding"}
    body = found.body
    if found.packed is not None and unpacks(accepted):
        headers["Content-Encoding"], body = "gzip", found.packed
    return Response(body, media_type=found.media_type, headers=headers)
