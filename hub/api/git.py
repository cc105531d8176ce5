"""Read-only smart HTTP: `git clone` and `git fetch <sha>` with a stock git client."""

import asyncio
import contextlib
import gzip
import io
import os
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from hub import goals, refs
from hub.api.deps import TheHub
from hub.core import Hub
from hub.errors import Forbidden, HubError, TooLarge
from hub.gitstore import Unreadable

router = APIRouter(prefix="/git", tags=["git"], include_in_schema=False)
NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
MAX_REQUEST = 8 * 1024 * 1024
CHUNK = 64 * 1024
SEAT_SECONDS, SEAT_TURNS = 2.0, 40
FETCH_SECONDS = 900.0
"""A fetch that takes longer is cut off: its reader keeps a seat from others."""
Pipes = tuple[asyncio.StreamWriter, asyncio.StreamReader]


class GitBusy(HubError):
    """Too many fetch from this hub's git at this moment; try again after the time given."""

    code, status = "git_busy", 503
    retry_after = 5.0


class WrongEncoding(HubError):
    """Send the body as it is, or packed with gzip."""

    code, status = "wrong_encoding", 415


class BadGzip(HubError):
    """This body is not what gzip makes; send it again, or unpacked."""

    code, status = "bad_gzip", 400


@dataclass
class Seat:
    """One of the few places for git processes; what was started in it ends with the request."""

    process: asyncio.subprocess.Process | None = None

    async def run(self, hub: Hub, goal: str, request: Request, *flags: str) -> Pipes:
        """Start `git upload-pack` for this request."""
        self.process = process = await _git(hub, goal, request, *flags)
        assert process.stdin is not None
        assert process.stdout is not None
        return process.stdin, process.stdout

    async def end(self) -> int:
        """Leave nothing running, whoever hung up first; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        return await self.process.wait()


async def _seat(hub: TheHub) -> AsyncIterator[Seat]:
    """A clone is a process that reads the whole repository: a few at a time, others come back."""
    for _ in range(SEAT_TURNS):
        if hub.git_slots.acquire(blocking=False):
            break
        await asyncio.sleep(SEAT_SECONDS / SEAT_TURNS)
    else:
        raise GitBusy
    seat = Seat()
    try:
        yield seat
    finally:
        await seat.end()
        hub.git_slots.release()


# The default scope ends once the whole answer has been sent, or its reader has gone.
ASeat = Annotated[Seat, Depends(_seat)]


@router.get("/{goal}.git/info/refs")
async def advertise(
    goal: str, hub: TheHub, request: Request, seat: ASeat, service: str = ""
) -> Response:
    """What the repository has to offer; pushing is not one of those things."""
    if service != "git-upload-pack":
        raise Forbidden("This repository is read-only: propose experiments with agent_client.")
    await run_in_threadpool(_project, hub, goal)
    wants, answer = await seat.run(hub, goal, request, "--http-backend-info-refs")
    wants.close()
    body = await answer.read()
    if not body:
        raise Unreadable
    headline = b"# service=git-upload-pack\n"
    prefix = b"" if _protocol(request) == "version=2" else _line(headline) + b"0000"
    return Response(
        prefix + body,
        media_type="application/x-git-upload-pack-advertisement",
        headers=NO_CACHE,
    )


@router.post("/{goal}.git/git-upload-pack")
async def upload_pack(goal: str, hub: TheHub, request: Request, seat: ASeat) -> Response:
    """Send what a fetch wants."""
    await run_in_threadpool(_project, hub, goal)
    asked = await _body(request)
    wants, answer = await seat.run(hub, goal, request)
    wants.write(asked)
    wants.close()
    return StreamingResponse(
        _stream(answer),
        media_type="application/x-git-upload-pack-result",
        headers=NO_CACHE,
    )


def _project(hub: Hub, slug: str) -> None:
    with hub.database.read() as session:
        refs.project(session, hub.git, goals.find(session, slug))


async def _body(request: Request) -> bytes:
    body, packing = await request.body(), request.headers.get("content-encoding", "")
    if packing in ("", "identity"):
        return body
    if packing != "gzip":
        raise WrongEncoding
    return await run_in_threadpool(_inflate, body)


def _inflate(body: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            plain = packed.read(MAX_REQUEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadGzip from error
    if len(plain) > MAX_REQUEST:
        raise TooLarge("That is more than one fetch may ask for.")
    return plain


def _protocol(request: Request) -> str:
    asked = request.headers.get("git-protocol", "")
    return asked if asked == "version=2" else ""


async def _git(hub: Hub, goal: str, request: Request, *flags: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "GIT_PROTOCOL": _protocol(request),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "HOME": str(hub.git.root),
    }
    return await asyncio.create_subprocess_exec(
        "git",
        "upload-pack",
        "--stateless-rpc",
        *flags,
        str(hub.git.path(goal)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )


async def _stream(answer: asyncio.StreamReader) -> AsyncIterator[bytes]:
    deadline = time.monotonic() + FETCH_SECONDS
    while chunk := await answer.read(CHUNK):
        if time.monotonic() > deadline:
            raise TimeoutError
        yield chunk


def _line(payload: bytes) -> bytes:
    return f"{len(payload) + 4:04x}".encode() + payload
