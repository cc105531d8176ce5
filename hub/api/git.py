"""Read-only smart HTTP: `git clone` and `git fetch <sha>` with a stock git client."""

import asyncio
import gzip
import os
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from hub import goals, refs
from hub.api.deps import TheHub
from hub.core import Hub
from hub.errors import Forbidden, NotFound

router = APIRouter(prefix="/git", tags=["git"], include_in_schema=False)
NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
MAX_REQUEST = 8 * 1024 * 1024
CHUNK = 64 * 1024


@router.get("/{goal}.git/info/refs")
async def advertise(goal: str, hub: TheHub, request: Request, service: str = "") -> Response:
    """What the repository has to offer; pushing is not one of those things."""
    if service != "git-upload-pack":
        raise Forbidden("This repository is read-only: propose experiments with agent_client.")
    await run_in_threadpool(_project, hub, goal)
    process = await _git(hub, goal, request, "--http-backend-info-refs")
    body, _ = await process.communicate()
    headline = b"# service=git-upload-pack\n"
    prefix = b"" if _protocol(request) == "version=2" else _line(headline) + b"0000"
    return Response(
        prefix + body,
        media_type="application/x-git-upload-pack-advertisement",
        headers=NO_CACHE,
    )


@router.post("/{goal}.git/git-upload-pack")
async def upload_pack(goal: str, hub: TheHub, request: Request) -> Response:
    """Send what a fetch wants."""
    await run_in_threadpool(_project, hub, goal)
    wants = await _body(request)
    process = await _git(hub, goal, request)
    assert process.stdin is not None
    process.stdin.write(wants)
    process.stdin.close()
    return StreamingResponse(
        _stream(process),
        media_type="application/x-git-upload-pack-result",
        headers=NO_CACHE,
    )


def _project(hub: Hub, slug: str) -> None:
    with hub.database.read() as session:
        refs.project(session, hub.git, goals.find(session, slug))


async def _body(request: Request) -> bytes:
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = await run_in_threadpool(_inflate, body)
    return body


def _inflate(body: bytes) -> bytes:
    import io

    with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
        plain = packed.read(MAX_REQUEST + 1)
    if len(plain) > MAX_REQUEST:
        raise NotFound("That is more than one fetch may ask for.")
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


async def _stream(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    try:
        while chunk := await process.stdout.read(CHUNK):
            yield chunk
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _line(payload: bytes) -> bytes:
    return f"{len(payload) + 4:04x}".encode() + payload
