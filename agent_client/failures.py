"""Naming how a run failed, from what is known at its end."""

import re
from collections.abc import Sequence

from agent_client.progress import Transcript
from protocol.runs import Failure

# The first pattern that fits names the failure; the order goes from sure to vague.
_SIGNS: Sequence[tuple[Failure, re.Pattern[str]]] = (
    (
        Failure.OOM,
        re.compile(
            r"OutOfMemoryError|CUDA out of memory|^MemoryError|Cannot allocate memory"
            r"|can't allocate memory|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED",
            re.MULTILINE,
        ),
    ),
    (Failure.SYNTAX, re.compile(r"^(SyntaxError|IndentationError|TabError)\b", re.MULTILINE)),
    (Failure.DISK, re.compile(r"No space left on device|Disk quota exceeded|File too large")),
    (
        Failure.PROCESSES,
        re.compile(r"can't start new thread|Resource temporarily unavailable|fork: retry"),
    ),
    (Failure.NAN, re.compile(r"^FAIL\b.*|loss is (?:nan|not a number)", re.MULTILINE)),
)
_ERROR = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*")
SENTENCES = {
    Failure.SYNTAX: "The code does not parse.",
    Failure.OOM: "It needed more memory than there is.",
    Failure.NAN: "The loss stopped being a number.",
    Failure.DIVERGED: "The loss rose to over three times its first value.",
    Failure.TIMEOUT: "It ran longer than this goal allows.",
    Failure.HANG: "It printed nothing for too long.",
    Failure.NO_METRIC: "It ended without the metric in its final block.",
    Failure.LOG_FLOOD: "It printed more than this goal allows.",
    Failure.DISK: "It wrote more than this goal allows.",
    Failure.PROCESSES: "It started more processes than this goal allows.",
    Failure.KILLED: "It was killed.",
    Failure.CRASH: "It crashed.",
    Failure.BAD_RESULT: "Its result cannot be used.",
    Failure.CHEAT: "It failed a probe of the trusted evaluation.",
}


def by_log(transcript: Transcript, status: int) -> tuple[Failure, str]:
    """Name the failure of a process that ended with a non-zero status by itself."""
    tail = "\n".join(transcript.log.last(60))
    for failure, sign in _SIGNS:
        found = sign.search(tail)
        if found is not None:
            return failure, explain(failure, last_error(transcript) or found[0])
    if status < 0:
        return Failure.KILLED, explain(Failure.KILLED, f"signal {-status}")
    return Failure.CRASH, explain(Failure.CRASH, last_error(transcript) or f"exit status {status}")


def last_error(transcript: Transcript) -> str:
    """The last line that looks like an exception, or the last line at all."""
    lines = [line for line in transcript.log.last(60) if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or [""])[-1].strip()


def without_metric(name: str, log: str) -> str:
    """What a run printed in its metric's place, where it did; nothing else says what to mend."""
    lines = [line.strip() for line in log.splitlines() if line.strip().startswith(f"{name}:")]
    return f"{lines[-1]!r} is no plain number below a last line of three dashes." if lines else ""


def explain(failure: Failure, fact: str = "") -> str:
    """One sentence for people, with the fact that shows it; at most 500 characters."""
    return f"{SENTENCES[failure]} {fact}".strip()[:500]
