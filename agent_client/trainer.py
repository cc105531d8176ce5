"""One training: started in a sandbox, watched line by line, ended on time, its failure named."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent_client.errors import ClientError
from agent_client.failures import by_log, explain
from agent_client.gpu import as_cuda_names
from agent_client.progress import Transcript
from agent_client.sandbox import Exit, Job, Running, Sandbox
from agent_client.walls import interpreter, walls
from protocol.goals import GoalSpec
from protocol.runs import CurvePoint, Failure

POLL_SECONDS = 0.1
GO_FILE = ".go"
WAITS_AT_MOST = 4 * 3600.0
REASONS = {
    "timeout": Failure.TIMEOUT,
    "cpu": Failure.TIMEOUT,
    "memory": Failure.OOM,
    "disk": Failure.DISK,
    "files": Failure.DISK,
    "full disk": Failure.DISK,
    "processes": Failure.PROCESSES,
    "log": Failure.LOG_FLOOD,
}

# Imports the slow libraries that the goal's files import, then waits for the word before any line
# of train.py runs.
WARM = f"""
import glob, os, re, runpy, sys, time
said = "\\n".join(open(path, errors="replace").read() for path in glob.glob("*.py"))
for name in ("numpy", "torch", "torch.nn.functional", "tiktoken", "safetensors.torch"):
    if not re.search(r"^ *(import|from) .*\\b" + name.partition(".")[0] + r"\\b", said, re.M):
        continue
    try:
        __import__(name)
    except Exception:
        pass
while not os.path.exists({GO_FILE!r}):
    time.sleep(0.02)
most = os.environ.pop("AGENTHUB_VRAM_MB", "")
if most:
    import torch
    whole = torch.cuda.get_device_properties(0).total_memory / 2**20
    torch.cuda.set_per_process_memory_fraction(min(1.0, float(most) / whole))
sys.argv = sys.argv[1:]
sys.path[0] = os.getcwd()
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class SandboxBroken(ClientError):
    """The sandbox could not start this run; `agent_client doctor` says more."""

    code, exit_code = "sandbox_broken", 6


@dataclass(frozen=True)
class Plan:
    """One run to do: the folder is laid out; `data` may be read; the budget is the goal's."""

    spec: GoalSpec
    folder: Path
    data: Path
    seed: int
    budget: str
    device: str = "cpu"
    gpu: str = "0"
    vram_mb: int | None = None

    @property
    def gpus(self) -> Sequence[str]:
        """The GPU devices to pass through."""
        return (self.gpu,) if self.device == "cuda" else ()


@dataclass(frozen=True)
class Outcome:
    """What a run gave: a failure with its reason, or the numbers of its final block.

    With `no_room` or `aborted` it says nothing about the run: the machine or its owner ended it.
    """

    failure: Failure | None
    detail: str
    metrics: Mapping[str, float]
    curve: Sequence[CurvePoint]
    log: str
    seconds: float
    aborted: bool = False
    no_room: bool = False


@dataclass(frozen=True)
class Patience:
    """How long a silent run is believed; seconds. The first word may take longer: compilation."""

    first_word: float = 240.0
    silence: float = 180.0


def environment(plan: Plan) -> dict[str, str]:
    """What a run's environment holds beyond the sandbox's own, which is built from nothing."""
    caches = plan.folder / ".cache"
    found = {
        "TMPDIR": str(plan.folder / "tmp"),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(plan.spec.limits.threads),
        # Threads that spin while they wait for each other starve beside any other program: at a
        # load of 14 on 2 cores 30 steps of tiny_gpt took 13 s without spinning and over 60 s with.
        "GOMP_SPINCOUNT": "0",
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "AGENTHUB_DATA": str(plan.data),
        "AGENTHUB_OUT": "out",
        "AGENTHUB_SEED": str(plan.seed),
        "AGENTHUB_BUDGET": plan.budget,
        "AGENTHUB_DEVICE": plan.device,
        "CUDA_VISIBLE_DEVICES": "",
    }
    if plan.device == "cuda":
        found["CUDA_VISIBLE_DEVICES"] = as_cuda_names(plan.gpu)
        found["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    if plan.vram_mb is not None and plan.device == "cuda":
        found["AGENTHUB_VRAM_MB"] = str(plan.vram_mb)
    return found


def give_the_word(folder: Path) -> None:
    """Let a waiting run go on; what lies there under that name is not followed."""
    with suppress(FileExistsError):
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        os.close(os.open(folder / GO_FILE, flags, 0o644))


def warmable(command: Sequence[str]) -> bool:
    """Whether a command is `python file.py ...`, which can be started ahead of its turn."""
    return len(command) >= 2 and command[0] == "python" and command[1].endswith(".py")


@dataclass
class Training:
    """A training that is started, perhaps still waiting for its turn."""

    plan: Plan
    running: Running
    warm: bool
    transcript: Transcript = field(default_factory=Transcript)

    @classmethod
    def start(cls, sandbox: Sandbox, plan: Plan, warm: bool = False) -> "Training":
        """Start a run, or with `warm` only its imports; `watch` gives the word to go on."""
        warm = warm and warmable(plan.spec.commands.train)
        command = interpreter(plan.spec.commands.train)
        argv = [command[0], "-c", WARM, *command[1:]] if warm else command
        seconds = plan.spec.timeout_seconds + 60 + (WAITS_AT_MOST if warm else 0)
        job = Job(
            argv,
            plan.folder,
            readable=(plan.data,),
            env=environment(plan),
            limits=walls(plan.spec.limits, seconds),
            gpus=plan.gpus,
        )
        return cls(plan, sandbox.start(job), warm)

    def watch(
        self,
        patience: Patience,
        aborted: Callable[[], bool],
        seen: Callable[[Transcript, float], None],
    ) -> Outcome:
        """Follow the run to its end, whatever that is; `seen` hears of it a few times a second.

        Raises SandboxBroken when the run could not even be started.
        """
        if self.warm:
            self._insist_that_it_waits()
            give_the_word(self.plan.folder)
        watch = _Watch(self.plan, self.running, self.transcript, patience)
        verdict = watch.until_over(aborted, seen)
        self.abandon()
        watch.drain()
        failure, detail = self._name(verdict, watch)
        return Outcome(
            failure=failure,
            detail=detail,
            metrics=self.transcript.finite(),
            curve=tuple(self.transcript.curve),
            log=self.transcript.log.text(),
            seconds=watch.seconds,
            aborted=watch.aborted,
            no_room=watch.ended is not None and watch.ended.no_room,
        )

    def _insist_that_it_waits(self) -> None:
        """What ended before its turn, for whatever reason, says nothing about the run's code."""
        with suppress(TimeoutError):
            ended = self.running.wait(0)
            why = ended.error or ended.reason or f"status {ended.status}"
            raise SandboxBroken(f"A run that was made ready ended before its turn ({why}).")

    def abandon(self) -> None:
        """End a run that is over or not wanted any more."""
        self.running.close()

    def _name(self, verdict: Failure | None, watch: "_Watch") -> tuple[Failure | None, str]:
        if verdict is not None:
            return verdict, explain(verdict, watch.fact)
        ended = watch.ended
        assert ended is not None
        if ended.reason == "setup":
            raise SandboxBroken(f"{SandboxBroken.sentence()} ({ended.error})")
        limit = None if ended.reason is None else REASONS.get(ended.reason, Failure.KILLED)
        if limit is not None:
            return limit, explain(limit, ended.error)
        if ended.status != 0:
            return by_log(self.transcript, ended.status)
        name = self.plan.spec.metric.name
        if name in self.transcript.metrics and name not in self.transcript.finite():
            return Failure.NAN, explain(Failure.NAN, f"{name} in the final block is no number.")
        return None, ""


@dataclass
class _Watch:
    """The state of following one run."""

    plan: Plan
    running: Running
    transcript: Transcript
    patience: Patience
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    heard_at: float = 0.0
    fact: str = ""
    aborted: bool = False
    ended: Exit | None = None

    def until_over(
        self, aborted: Callable[[], bool], seen: Callable[[Transcript, float], None]
    ) -> Failure | None:
        """Wait for the end of the run, or name the reason to end it now."""
        while True:
            self._listen()
            self.seconds = time.monotonic() - self.began
            seen(self.transcript, self.seconds)
            trouble = self._trouble()
            if trouble is not None or self.ended is not None:
                return trouble
            if aborted():
                self.aborted, self.fact = True, "its owner stopped it"
                return Failure.KILLED

    def _listen(self) -> None:
        """Take what was printed; when the output is closed, wait for the end instead."""
        ends = time.monotonic() + POLL_SECONDS
        try:
            for line in self.running.lines(POLL_SECONDS):
                self._take(line)
                if time.monotonic() > ends:
                    return
            self.ended = self.running.wait(POLL_SECONDS)
        except TimeoutError:
            return

    def _take(self, line: str) -> None:
        self.heard_at = time.monotonic() - self.began
        self.transcript.take(line, self.heard_at)

    def _trouble(self) -> Failure | None:
        if self.transcript.not_a_number:
            return Failure.NAN
        if self.transcript.diverged:
            return Failure.DIVERGED
        if self.seconds > self.plan.spec.timeout_seconds:
            self.fact = f"over {self.plan.spec.timeout_seconds:.0f} s"
            return Failure.TIMEOUT
        return self._hang()

    def _hang(self) -> Failure | None:
        patience = self.patience.silence if self.heard_at else self.patience.first_word
        if self.ended is not None or self.seconds - self.heard_at <= patience:
            return None
        self.fact = f"nothing for {patience:.0f} s"
        return Failure.HANG

    def drain(self) -> None:
        """Take what was printed before the end but not read yet, for at most a second."""
        ends = time.monotonic() + 1.0
        try:
            for line in self.running.lines(0.2):
                self.transcript.take(line, self.seconds)
                if time.monotonic() > ends:
                    return
        except TimeoutError:
            return
