"""One training: started in a sandbox, watched line by line, ended on time, its failure named."""

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agent_client.failures import by_log, explain
from agent_client.processes import Allowance, Job, Launcher, Running, interpreter
from agent_client.progress import Transcript
from protocol.goals import GoalSpec
from protocol.runs import CurvePoint, Failure

POLL_SECONDS = 0.1
FIRST_WORD_SECONDS = 240.0
SILENCE_SECONDS = 180.0
MAX_UNBROKEN = 1 << 16
GO_FILE = ".go"
LIMITS = {"memory": Failure.OOM, "disk": Failure.DISK, "processes": Failure.PROCESSES}

# Imports what every training imports, then waits for the word; an orphan does not wait for ever.
WARM = f"""
import os, runpy, sys, time
for name in ("numpy", "torch", "torch.nn.functional", "tiktoken", "safetensors.torch"):
    try:
        __import__(name)
    except Exception:
        pass
born = os.getppid()
while not os.path.exists({GO_FILE!r}):
    if os.getppid() != born:
        sys.exit(3)
    time.sleep(0.02)
sys.argv = sys.argv[1:]
sys.path[0] = os.getcwd()
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Plan:
    """One run to do: the folder is laid out; `data` may be read; the budget is the goal's."""

    spec: GoalSpec
    folder: Path
    data: Path
    seed: int
    budget: str
    device: str = "cpu"
    visible_gpus: str = ""
    vram_mb: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run gave: a failure with its reason, or the numbers of its final block."""

    failure: Failure | None
    detail: str
    metrics: Mapping[str, float]
    curve: Sequence[CurvePoint]
    log: str
    seconds: float
    aborted: bool = False


@dataclass(frozen=True)
class Patience:
    """How long a silent run is believed; seconds. The first word may take longer: compilation."""

    first_word: float = FIRST_WORD_SECONDS
    silence: float = SILENCE_SECONDS


def environment(plan: Plan) -> dict[str, str]:
    """The whole environment of a run, built from nothing."""
    home = plan.folder
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(plan.spec.limits.threads),
        "XDG_CACHE_HOME": str(home / "caches"),
        "TORCHINDUCTOR_CACHE_DIR": str(home / "caches" / "inductor"),
        "TRITON_CACHE_DIR": str(home / "caches" / "triton"),
        "CUDA_CACHE_PATH": str(home / "caches" / "cuda"),
        "AGENTHUB_DATA": str(plan.data),
        "AGENTHUB_OUT": "out",
        "AGENTHUB_SEED": str(plan.seed),
        "AGENTHUB_BUDGET": plan.budget,
        "AGENTHUB_DEVICE": plan.device,
    }
    if plan.device == "cuda":
        found["CUDA_VISIBLE_DEVICES"] = plan.visible_gpus or "0"
        found["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    else:
        found["CUDA_VISIBLE_DEVICES"] = ""
    return found


def warmable(command: Sequence[str]) -> bool:
    """Whether a command is `python file.py ...`, which can be started ahead of its turn."""
    return len(command) >= 2 and command[0] == "python" and command[1].endswith(".py")


@dataclass
class Training:
    """A training that is started, perhaps still waiting for its turn."""

    plan: Plan
    running: Running
    warm: bool
    began: float
    transcript: Transcript = field(default_factory=Transcript)

    @classmethod
    def start(cls, launcher: Launcher, plan: Plan, warm: bool = False) -> "Training":
        """Start a run, or with `warm` only its imports; `watch` gives the word to go on."""
        warm = warm and warmable(plan.spec.commands.train)
        limits = plan.spec.limits
        command = interpreter(plan.spec.commands.train)
        argv = [command[0], "-c", WARM, *command[1:]] if warm else command
        allowance = Allowance(
            memory_mb=limits.memory_mb,
            disk_mb=limits.disk_mb,
            processes=limits.processes,
            seconds=plan.spec.timeout_seconds * (3 if warm else 1) + 60,
        )
        (plan.folder / "caches").mkdir(exist_ok=True)
        job = Job(
            argv, plan.folder, environment(plan), (plan.data,), allowance, plan.device == "cuda"
        )
        return cls(plan, launcher.start(job), warm, time.monotonic())

    def watch(
        self,
        patience: Patience,
        aborted: Callable[[], bool],
        seen: Callable[[Transcript, float], None],
    ) -> Outcome:
        """Follow the run to its end, whatever that is; `seen` hears of it a few times a second."""
        if self.warm:
            (self.plan.folder / GO_FILE).touch()
        self.began = time.monotonic()
        lines: queue.Queue[bytes | None] = queue.Queue(maxsize=10_000)
        over = threading.Event()
        reading = (self.running.stdout, lines, over)
        threading.Thread(target=_read, args=reading, daemon=True).start()
        watch = _Watch(self, patience, lines)
        verdict = watch.until_over(aborted, seen)
        self.running.kill()
        watch.drain()
        over.set()
        return self._outcome(verdict, watch)

    def abandon(self) -> None:
        """End a run that is not wanted any more."""
        self.running.kill()

    def _outcome(self, verdict: Failure | None, watch: "_Watch") -> Outcome:
        failure, detail = self._name(verdict, watch)
        transcript = self.transcript
        return Outcome(
            failure=failure,
            detail=detail,
            metrics=transcript.finite(),
            curve=tuple(transcript.curve),
            log=transcript.log.text(),
            seconds=watch.seconds,
            aborted=watch.aborted,
        )

    def _name(self, verdict: Failure | None, watch: "_Watch") -> tuple[Failure | None, str]:
        if verdict is not None:
            return verdict, explain(verdict, watch.fact)
        limit = LIMITS.get(self.running.limit)
        if limit is not None:
            return limit, explain(limit)
        if watch.status != 0:
            return by_log(self.transcript, watch.status)
        name = self.plan.spec.metric.name
        if name in self.transcript.metrics and name not in self.transcript.finite():
            return Failure.NAN, explain(Failure.NAN, f"{name} in the final block is no number.")
        return None, ""


@dataclass
class _Watch:
    """The state of following one run."""

    training: Training
    patience: Patience
    lines: "queue.Queue[bytes | None]"
    status: int = 0
    seconds: float = 0.0
    fact: str = ""
    aborted: bool = False
    heard_at: float = 0.0

    def until_over(
        self, aborted: Callable[[], bool], seen: Callable[[Transcript, float], None]
    ) -> Failure | None:
        """Wait for the end of the run, or name the reason to end it now."""
        while True:
            over = self._listen()
            self.seconds = time.monotonic() - self.training.began
            seen(self.training.transcript, self.seconds)
            trouble = self._trouble()
            if trouble is not None or over:
                return trouble
            if aborted():
                self.aborted, self.fact = True, "its owner stopped it"
                return Failure.KILLED

    def _listen(self) -> bool:
        """Take what was printed; says whether the run is over."""
        ends = time.monotonic() + POLL_SECONDS
        while (left := ends - time.monotonic()) > 0:
            try:
                line = self.lines.get(timeout=left)
            except queue.Empty:
                return self._ended()
            if line is None:
                self.status = self._status()
                return True
            self._take(line)
        return False

    def _take(self, line: bytes) -> None:
        self.heard_at = time.monotonic() - self.training.began
        self.training.transcript.take(line, self.heard_at)

    def _ended(self) -> bool:
        """A program may end and leave a child that holds the pipe open; its end still counts."""
        try:
            self.status = self.training.running.wait(0)
        except (TimeoutError, subprocess.TimeoutExpired):
            return False
        return True

    def _status(self) -> int:
        """The pipe is closed: the end is near, or the program only closed its own output."""
        try:
            return self.training.running.wait(5.0)
        except (TimeoutError, subprocess.TimeoutExpired):
            self.fact = "it closed its output and went on"
            return -9

    def _trouble(self) -> Failure | None:
        spec, transcript = self.training.plan.spec, self.training.transcript
        if transcript.bytes_seen > spec.limits.log_mb * 1024 * 1024:
            self.fact = f"over {spec.limits.log_mb} MB"
            return Failure.LOG_FLOOD
        if transcript.not_a_number:
            return Failure.NAN
        if transcript.diverged:
            return Failure.DIVERGED
        if self.seconds > spec.timeout_seconds:
            self.fact = f"over {spec.timeout_seconds:.0f} s"
            return Failure.TIMEOUT
        return self._hang()

    def _hang(self) -> Failure | None:
        spoke = self.training.transcript.bytes_seen > 0
        patience = self.patience.silence if spoke else self.patience.first_word
        if self.seconds - self.heard_at <= patience:
            return None
        self.fact = f"nothing for {patience:.0f} s"
        return Failure.HANG

    def drain(self) -> None:
        """Take what was printed before the end but not read yet, for at most a second."""
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            try:
                line = self.lines.get(timeout=0.05)
            except queue.Empty:
                continue
            if line is None:
                return
            self.training.transcript.take(line, self.seconds)


def _read(
    pipe: IO[bytes] | None, lines: "queue.Queue[bytes | None]", over: threading.Event
) -> None:
    """Cut what comes through a pipe into lines of bounded length; None marks the end."""
    try:
        while pipe is not None and (line := pipe.readline(MAX_UNBROKEN)):
            _put(lines, line.rstrip(b"\n"), over)
    except (OSError, ValueError):
        pass
    _put(lines, None, over)


def _put(lines: "queue.Queue[bytes | None]", line: bytes | None, over: threading.Event) -> None:
    """Wait for room, but not for a listener that is gone."""
    while not over.is_set():
        try:
            lines.put(line, timeout=0.5)
        except queue.Full:
            continue
        return
