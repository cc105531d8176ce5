"""Goals measured by a protected command of their own, in a process of its own."""

import math
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from agent_client.evaluator import checkpoint
from agent_client.evaluator.refusal import Rejected
from agent_client.evaluator.wire import Launch
from protocol.goals import GoalSpec
from protocol.runs import Evaluation, ProbeResult

OUTPUT_BYTES = 64 * 1024
TIMEOUT_SECONDS = 600.0
_PAIR = re.compile(r"^([a-z][a-z0-9_]{0,39}): (\S+)$")


def evaluate(
    spec: GoalSpec, files: Mapping[str, str], scratch: Path, launch: Launch, nonce: str
) -> Evaluation:
    """Run the goal's evaluate command in a fresh folder and read the block it ends with.

    `failed: <probe>` in the block says that the command caught a cheat or a wrong answer.
    """
    folder = scratch / "evaluate"
    checkpoint.lay_out(files, folder)
    said = last_block(run(spec.commands.evaluate, folder, launch, {"AGENTHUB_NONCE": nonce}))
    if "failed" in said:
        raise Rejected(said["failed"][:40], f"the evaluation said: {said}")
    metric = _number(said.get(spec.metric.name, ""))
    if not spec.metric.plausible(metric):
        raise Rejected("plausible", f"{metric:.6g} against bounds {spec.metric.bounds_said}")
    probe = ProbeResult(name="command", passed=True, detail=f"{spec.metric.name} measured")
    return Evaluation(source="command", passed=True, metric=metric, probes=[probe])


def run(argv: Sequence[str], folder: Path, launch: Launch, env: dict[str, str]) -> str:
    """Run a protected command of the goal to its end and return what it printed."""
    python = [sys.executable, *argv[1:]] if argv[0] == "python" else list(argv)
    running = launch(python, folder, env)
    alarm = threading.Timer(TIMEOUT_SECONDS, running.kill)
    alarm.start()
    try:
        if running.stdin is not None:
            running.stdin.close()
        text = b"" if running.stdout is None else _everything(running.stdout)
        status = running.wait(60)
    finally:
        alarm.cancel()
        running.kill()
        if running.stdout is not None:
            running.stdout.close()
    if status != 0:
        raise Rejected("command", f"{' '.join(argv)} ended with status {status}: {text[-200:]!r}")
    return text.decode("utf-8", "replace")


def _everything(said: IO[bytes]) -> bytes:
    """Read to the end: what a command means to say comes last, so none of it may be cut off."""
    text = b""
    while piece := said.read(OUTPUT_BYTES):
        text += piece
        if len(text) > OUTPUT_BYTES:
            raise Rejected("command", f"it printed over {OUTPUT_BYTES} bytes")
    return text


def last_block(text: str) -> dict[str, str]:
    """Read the `key: value` lines behind the last line that is `---`."""
    lines = text.splitlines()
    start = max((i for i, line in enumerate(lines) if line == "---"), default=len(lines))
    found = (_PAIR.match(line) for line in lines[start + 1 :])
    return {pair[1]: pair[2] for pair in found if pair}


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Rejected("command", f"the evaluate command gave no finite number but {text!r}")
    return value
