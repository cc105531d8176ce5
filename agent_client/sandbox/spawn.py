"""Starting the supervisor: the run, a lifeline, and nothing else inherited."""

import marshal
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from agent_client.jail import meter
from agent_client.sandbox.gpus import devices
from agent_client.sandbox.job import Job, Limits, base_env
from agent_client.sandbox.running import Running, Wires

_PACKAGES = Path(__file__).parents[2]
_PROGRAM = (
    f"import sys; sys.path.append({str(_PACKAGES)!r}); "
    "from agent_client.jail.supervisor import main; main()"
)


def spawn(kind: str, job: Job, **more: object) -> Running:
    """Start a run behind one kind of walls; raises OSError if even the supervisor cannot start."""
    job.work_dir.joinpath(".cache").mkdir(exist_ok=True)
    spec = marshal.dumps(specification(kind, job) | more)
    order, lifeline = os.pipe()
    outcome, told = os.pipe()
    given = _filled_file(spec)
    try:
        supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, (given, order, told))],
            stdin=subprocess.DEVNULL if job.output == "lines" else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if job.output == "pipes" else subprocess.STDOUT,
            pass_fds=(given, order, told),
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError:
        os.close(lifeline)
        os.close(outcome)
        raise
    finally:
        for fd in (given, order, told):
            os.close(fd)
    return Running(supervisor, Wires(lifeline, outcome), job)


def specification(kind: str, job: Job) -> dict[str, Any]:
    """The run as the supervisor reads it; every path absolute and free of links."""
    work = job.work_dir.resolve(strict=True)
    return {
        "kind": kind,
        "argv": _command(job),
        "env": base_env(work) | dict(job.env),
        "work": str(work),
        "readable": _readable(job),
        "writable": [str(path.resolve(strict=True)) for path in job.writable],
        "devices": devices(job.gpus),
        "limits": _limits(job.limits),
        "grace": job.grace_seconds,
    }


def _command(job: Job) -> list[str]:
    """What runs: an environment that a link leads to is seen under its own name alone."""
    program, *rest = job.argv
    if Path(program).is_relative_to(sys.prefix):
        program = str(Path(sys.prefix).resolve() / Path(program).relative_to(sys.prefix))
    return [program, *rest]


def _readable(job: Job) -> list[str]:
    """What the job names, and its interpreter: the environment and the Python below it."""
    folders = {path.resolve(strict=True) for path in job.readable}
    if Path(job.argv[0]).is_relative_to(sys.prefix):
        folders |= {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    return sorted(str(folder) for folder in folders if not folder.is_relative_to("/usr"))


def _limits(limits: Limits) -> dict[str, float | None]:
    return {
        "wall": limits.wall_seconds,
        meter.MEMORY: limits.memory_bytes,
        meter.PROCESSES: limits.processes,
        meter.DISK: limits.disk_bytes,
        meter.FILES: limits.files,
        meter.CPU: limits.cpu_seconds,
    }


def _filled_file(content: bytes) -> int:
    """Memory to read from: a pipe would block a writer whose reader has not started yet."""
    fd = os.memfd_create("run")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
