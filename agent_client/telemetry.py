"""What the owner sees: a live line on a terminal, plain lines elsewhere, and status.json."""

import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agent_client.sandbox import clean
from protocol.base import figure
from protocol.work import Kind

STATUS = "status.json"
LOG = "client.log"
SUMMARY_SECONDS = 120.0
STATUS_SECONDS = 1.0


@dataclass(frozen=True)
class Now:
    """What the client does at this moment; times in seconds, `eta` None while unknown."""

    phase: str = "starting"
    reason: str = ""
    goal: str = ""
    experiment: str = ""
    title: str = ""
    step: int = 0
    fraction: float = 0.0
    loss: float | None = None
    eta: float | None = None
    proposing: str = ""
    unsent: int = 0
    hub: str = ""
    hub_ms: float | None = None
    duty: float | None = None
    overhead: float | None = None
    runs: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Finished:
    """One finished run, as the summary shows it."""

    number: int
    sha: str
    parent: str
    title: str
    kind: str
    name: str
    """The metric's: one session may work for several goals."""
    metric: float | None
    delta: float | None
    failure: str
    seconds: float

    def line(self) -> str:
        """The run as one line."""
        outcome = (
            f"{self.name} {figure(self.metric)}" if self.metric is not None else f"{self.failure}"
        )
        delta = f" ({figure(self.delta, '+')} against its parent)" if self.delta is not None else ""
        return (
            f"#{self.number} {self.kind}: {outcome}{delta} in {self.seconds:.0f} s | {self.title}"
        )


@dataclass
class Duty:
    """How much of the time the device trained or measured, since its first run began."""

    clock: Callable[[], float] = time.monotonic
    began: float | None = None
    busy: float = 0.0
    training: float = 0.0
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    _ended: float | None = None

    def start(self) -> None:
        """A training begins."""
        now = self.clock()
        self.began = now if self.began is None else self.began
        if self._ended is not None:
            self.gaps.append(now - self._ended)

    def end(self, training: float, measuring: float = 0.0) -> None:
        """A training and its measurement ended."""
        self.training += training
        self.busy += training + measuring
        self._ended = self.clock()

    @property
    def span(self) -> float:
        """Seconds from the first training's start to the last one's end."""
        return 0.0 if self.began is None or self._ended is None else self._ended - self.began

    @property
    def cycle(self) -> float | None:
        """The busy share of that span."""
        return None if self.span <= 0 else min(1.0, self.busy / self.span)

    @property
    def overhead(self) -> float | None:
        """Median seconds between two runs in which the device waited."""
        return sorted(self.gaps)[len(self.gaps) // 2] if self.gaps else None


@dataclass
class Telemetry:
    """Tells the owner what happens; safe to call from several threads."""

    folder: Path
    console: Console
    now: Now = field(default_factory=Now)
    finished: deque[Finished] = field(default_factory=lambda: deque(maxlen=1000))
    _live: Live | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _written: float = 0.0
    _summed: float = field(default_factory=time.monotonic)

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """Show a live line while the client works, where there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self._render(), console=self.console, refresh_per_second=4) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def say(self, line: str) -> None:
        """One line that stays, where the output takes it: none is worth a run."""
        with self._lock, contextlib.suppress(OSError):
            self.console.print(self._readable(line), markup=False, highlight=False, soft_wrap=True)

    def _readable(self, text: str) -> str:
        """Strangers' words: without what steers a terminal, in letters that this one has."""
        known = self.console.encoding
        return clean(text).encode(known, "replace").decode(known)

    def update(self, **what: Any) -> None:
        """Change what is shown; the status file follows about once a second."""
        with self._lock:
            words = {
                key: self._readable(each) for key, each in what.items() if isinstance(each, str)
            }
            before, self.now = self.now, replace(self.now, **{**what, **words})
            changed = (before.phase, before.reason) != (self.now.phase, self.now.reason)
            if changed and not self.console.is_terminal:
                self._plain()
            if self._live is not None:
                self._live.update(self._render())
            self._write(changed)
            self._summary()

    def wait(self, reason: str, **what: Any) -> None:
        """Nothing runs now, and why; what ran before is over and is no longer named."""
        self.update(phase="waiting", reason=reason, experiment="", title="", **what)

    def _plain(self) -> None:
        said = f"{self.now.phase}: {self.now.reason}" if self.now.reason else self.now.phase
        where = " ".join(part for part in (self.now.experiment, self.now.title) if part)
        self.say(f"[{self.now.goal or '-'}] {said}{' | ' + where if where else ''}")

    def _write(self, changed: bool) -> None:
        now = time.monotonic()
        if not changed and now - self._written < STATUS_SECONDS:
            return
        self._written = now
        said = {**asdict(self.now), "pid": os.getpid(), "at": time.time()}
        beside = self.folder / f".{STATUS}.tmp"
        with contextlib.suppress(OSError):  # a full disk must not stop a run
            beside.write_text(json.dumps(said))
            beside.replace(self.folder / STATUS)

    def _summary(self) -> None:
        if time.monotonic() - self._summed < SUMMARY_SECONDS:
            return
        self._summed = time.monotonic()
        duty = "" if self.now.duty is None else f", device busy {self.now.duty:.0%}"
        runs = f"{self.now.runs} run{'' if self.now.runs == 1 else 's'}"
        self.say(f"{runs}, {self.now.failed} failed, {self.now.unsent} unsent{duty}")

    def done(self, run: Finished) -> None:
        """A run is finished and written down."""
        run = replace(run, title=self._readable(run.title))
        with self._lock:
            self.finished.append(run)
            self.say(run.line())

    def _render(self) -> Group:
        now = self.now
        head = Text.assemble((now.phase, "bold cyan"), " ", now.reason, " ", now.title[:60])
        parts: list[Text | ProgressBar] = [head]
        if now.phase == "training":
            loss = "-" if now.loss is None else f"{now.loss:.4f}"
            eta = "-" if now.eta is None else f"{now.eta:.0f} s left"
            parts.append(Text(f"{now.experiment} step {now.step} | loss {loss} | {eta}"))
            parts.append(ProgressBar(total=1.0, completed=now.fraction, width=50))
        if now.proposing:
            parts.append(Text(f"next: {now.proposing}", style="dim"))
        return Group(*parts)

    def table(self) -> Table:
        """Every finished run of this session."""
        table = Table("experiment", "parent", "change", "metric", "delta", "work")
        for run in self.finished:
            table.add_row(
                f"#{run.number} {run.sha[:7]}",
                run.parent[:7] or "-",
                run.title,
                "-" if run.metric is None else f"{run.name} {figure(run.metric)}",
                "-" if run.delta is None else figure(run.delta, "+"),
                run.failure or ("baseline" if run.kind == Kind.ANCHOR else run.kind),
            )
        return table


def log_to(folder: Path) -> None:
    """Send the log to a rotating file in the client's folder, one JSON object a line."""
    handler = RotatingFileHandler(folder / LOG, maxBytes=2_000_000, backupCount=3, delay=True)
    root = logging.getLogger("agent_client")
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
