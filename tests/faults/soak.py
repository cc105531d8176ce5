"""`make soak`: hub and clients are killed, frozen and cut off at random; then all must add up."""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.builders import Order
from tests.faults.client_process import ClientProcess, eventually
from tests.faults.hub_process import HubProcess, a_data_folder_with_the_toy
from tests.faults.invariants import Site, violations
from tests.faults.ledger import LeaseLost, Ledger, ledgers
from tests.services.proxy import Fault, FaultProxy, fault_proxy

LEASE = "5"
PAUSE = (1.0, 6.0)
"""Seconds between two blows, at least and at most."""


class Honest(Ledger):
    """A volunteer that really runs the toy, without its pauses.

    After minutes of made-up readings a hub sets aside whoever disagrees with most of them.
    """

    def measured(self, order: Order) -> float | None:
        """The score that the order's code prints for the order's seed; None if it crashes."""
        code = self.insist("GET", f"/v1/experiments/{order.experiment}/files/train.py").text
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "train.py").write_text(code)
            (Path(folder) / "prepare.py").write_text("SECONDS_PER_STEP = 0.0\n")
            printed = subprocess.run(
                [sys.executable, "train.py"],
                cwd=folder,
                env={"AGENTHUB_SEED": str(order.seed)},
                capture_output=True,
                text=True,
                check=False,
            ).stdout
        _, found, score = printed.partition("score: ")
        return float(score.split()[0]) if found else None


@dataclass
class Soak:
    """A hub behind a bad network, clients and volunteers with ledgers, and a hammer."""

    random: Random
    hub: HubProcess
    proxy: FaultProxy
    clients: Sequence[ClientProcess]
    ledgers: Sequence[Ledger]
    blows: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    troubles: list[str] = field(default_factory=list)

    def run(self, seconds: float) -> list[str]:
        """Hammer for so long, let everything recover and return what is broken."""
        workers = [threading.Thread(target=self._work, args=(each,)) for each in self.ledgers]
        for worker in workers:
            worker.start()
        for client in self.clients:
            client.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.random.uniform(*PAUSE))
            self._blow()
        self._recover(workers)
        site = Site(self.hub.data, self.ledgers, self.clients)
        return self.troubles + violations(site)

    def _work(self, ledger: Ledger) -> None:
        while not self.over.is_set():
            try:
                with contextlib.suppress(LeaseLost):
                    ledger.work_once()
            except Exception as problem:  # whatever ends a volunteer is a finding
                self.troubles.append(f"{ledger.name} gave up: {problem!r}")
                return
            time.sleep(self.random.random())

    def _blow(self) -> None:
        blow = self.random.choice(self._hammers())
        self.blows[blow.__name__.strip("_").replace("_", " ")] += 1
        blow()

    def _hammers(self) -> list[Callable[[], None]]:
        return [
            self._kill_the_hub,
            self._kill_the_hub,
            self._restart_the_hub,
            self._freeze_the_hub,
            self._kill_a_client,
            self._kill_a_client,
            self._freeze_a_client,
            self._partition,
            self._lose_replies,
        ]

    def _kill_the_hub(self) -> None:
        self.hub.kill()
        self.hub.start()

    def _restart_the_hub(self) -> None:
        self.hub.stop()
        self.hub.start()

    def _freeze_the_hub(self) -> None:
        self.hub.freeze()
        time.sleep(self.random.uniform(0.5, 3))
        self.hub.thaw()

    def _kill_a_client(self) -> None:
        client = self.random.choice(self.clients)
        client.kill()
        client.start()

    def _freeze_a_client(self) -> None:
        client = self.random.choice(self.clients)
        client.signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(1, 7))
        client.signal(signal.SIGCONT)

    def _partition(self) -> None:
        self.proxy.partition()
        time.sleep(self.random.uniform(0.5, 4))
        self.proxy.heal()

    def _lose_replies(self) -> None:
        count = self.random.randrange(1, 6)
        self.proxy.plan(*(Fault(drop_reply_after=self.random.randrange(300)),) * count)

    def _recover(self, workers: Sequence[threading.Thread]) -> None:
        self.over.set()
        for worker in workers:
            worker.join()
        for client in self.clients:
            if not client.running:
                self.troubles.append(f"{client.name} had ended by itself; {_last_words(client)}")
                client.start()
        eventually(lambda: not any(client.unsent() for client in self.clients))
        for client in self.clients:
            self._stop(client)
        self.hub.stop()

    def _stop(self, client: ClientProcess) -> None:
        try:
            code = client.stop()
        except subprocess.TimeoutExpired:
            self.troubles.append(f"{client.name} did not stop; {_last_words(client)}")
            client.kill()
            return
        if code:
            self.troubles.append(f"{client.name} ended with {code}")


def _last_words(client: ClientProcess) -> str:
    return f"its last words: {client.log.read_text(errors='replace')[-2000:]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; 0 means that nothing is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    said = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="agenthub-soak-") as name:
        return _soak(Path(name), said.minutes, said.seed)


def _soak(folder: Path, minutes: float, seed: int) -> int:
    hub = HubProcess(a_data_folder_with_the_toy(folder), settings={"AGENTHUB_LEASE_SECONDS": LEASE})
    hub.start()
    with fault_proxy(hub.port) as proxy:
        names = [f"soak{number}" for number in range(2)]
        clients = [ClientProcess(folder / n, proxy.url, n, f"owner-{n}").join() for n in names]
        soak = Soak(Random(seed), hub, proxy, clients, ledgers(proxy.url, seed, kind=Honest))
        print(f"Soaking for {minutes:g} minutes with seed {seed} ...", flush=True)
        try:
            broken = soak.run(minutes * 60)
        finally:
            for client in clients:
                client.kill()
            hub.kill()
    _report(soak, broken)
    return 1 if broken else 0


def _report(soak: Soak, broken: Sequence[str]) -> None:
    runs = len(Site(soak.hub.data).rows("SELECT id FROM runs"))
    for blow, times in sorted(soak.blows.items()):
        print(f"{times:5d}  {blow}")
    print(f"{runs:5d}  runs on the hub")
    print(f"{len(broken):5d}  violations")
    for line in broken:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
