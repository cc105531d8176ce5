"""`make soak`: hubs and clients are killed, frozen and cut off at random; then all must add up.

With `--hubs 3` as many processes serve one PostgreSQL, whose connections are cut as well.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.builders import Order
from tests.faults.client_process import ClientProcess, eventually
from tests.faults.hub_process import TOY, HubProcess, a_data_folder_with_the_toy
from tests.faults.invariants import Site, violations
from tests.faults.ledger import LeaseLost, Ledger, ledgers
from tests.services.postgres import PostgresServer, postgres_server
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
    """Hubs behind bad networks, clients and volunteers with ledgers, and a hammer."""

    random: Random
    hubs: Sequence[HubProcess]
    proxies: Sequence[FaultProxy]
    clients: Sequence[ClientProcess]
    ledgers: Sequence[Ledger]
    postgres: PostgresServer | None = None
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
        sites = [Site(each.data, self.ledgers, self.clients) for each in self.hubs]
        broken = [line for site in sites for line in violations(site)]
        return list(dict.fromkeys(self.troubles + broken))

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
            self._kill_a_hub,
            self._kill_a_hub,
            self._restart_a_hub,
            self._freeze_a_hub,
            self._kill_a_client,
            self._kill_a_client,
            self._freeze_a_client,
            self._partition,
            self._lose_replies,
            *([self._lose_the_database] if self.postgres else []),
        ]

    def _kill_a_hub(self) -> None:
        hub = self.random.choice(self.hubs)
        hub.kill()
        hub.start()

    def _restart_a_hub(self) -> None:
        hub = self.random.choice(self.hubs)
        hub.stop()
        hub.start()

    def _freeze_a_hub(self) -> None:
        hub = self.random.choice(self.hubs)
        hub.freeze()
        time.sleep(self.random.uniform(0.5, 3))
        hub.thaw()

    def _lose_the_database(self) -> None:
        assert self.postgres is not None
        self.postgres.cut()

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
        proxy = self.random.choice(self.proxies)
        proxy.partition()
        time.sleep(self.random.uniform(0.5, 4))
        proxy.heal()

    def _lose_replies(self) -> None:
        count = self.random.randrange(1, 6)
        self.random.choice(self.proxies).plan(
            *(Fault(drop_reply_after=self.random.randrange(300)),) * count
        )

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
        if self.postgres is None:
            self.hubs[0].stop()
        else:
            _bring_home(self.hubs)

    def _stop(self, client: ClientProcess) -> None:
        try:
            code = client.stop()
        except subprocess.TimeoutExpired:
            self.troubles.append(f"{client.name} did not stop; {_last_words(client)}")
            client.kill()
            return
        if code:
            self.troubles.append(f"{client.name} ended with {code}")


def _bring_home(hubs: Sequence[HubProcess]) -> None:
    """Stop the hubs, and put beside each log what the invariants read.

    That is PostgreSQL's rows as a file, and the commits as each hub gives them to whoever fetches:
    what the others wrote it makes only when somebody asks.
    """
    folder = hubs[0].data.parent
    hubs[0].run("backup", str(folder / "all.tar"))
    copy = HubProcess(folder / "copy")
    copy.run("restore", str(folder / "all.tar"))
    shas = Site(copy.data).column("SELECT sha FROM experiments")
    for each in hubs:
        fetched = folder / "toy.git"
        subprocess.run(("git", "init", "-q", "--bare", str(fetched)), check=True)
        fetch = ("git", "-C", str(fetched), "fetch", "-q", "--stdin", f"{each.url}/git/toy.git")
        subprocess.run(fetch, input="\n".join(shas), text=True, check=True)
        each.stop()
        shutil.rmtree(each.data / "git" / "toy.git", ignore_errors=True)
        (each.data / "git").mkdir(exist_ok=True)
        fetched.rename(each.data / "git" / "toy.git")
        shutil.copy(copy.data / "hub.sqlite3", each.data)


def _last_words(client: ClientProcess) -> str:
    return f"its last words: {client.log.read_text(errors='replace')[-2000:]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; 0 means that nothing is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--hubs", type=int, default=1, help="more than one: on PostgreSQL")
    said = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="agenthub-soak-") as name:
        return _soak(Path(name), said.minutes, said.seed, said.hubs)


def _soak(folder: Path, minutes: float, seed: int, hubs: int) -> int:
    with contextlib.ExitStack() as at_end:
        postgres = at_end.enter_context(postgres_server()) if hubs > 1 else None
        served = _several(folder, hubs, postgres) if postgres else [_one(folder)]
        for hub in served:
            hub.start()
            at_end.callback(hub.kill)
        proxies = [at_end.enter_context(fault_proxy(hub.port)) for hub in served]
        clients = list(_clients(folder, proxies))
        for client in clients:
            at_end.callback(client.kill)
        honest = ledgers(proxies[0].url, seed, kind=Honest)
        honest[1].url = proxies[-1].url
        soak = Soak(Random(seed), served, proxies, clients, honest, postgres)
        print(f"Soaking for {minutes:g} minutes with seed {seed} ...", flush=True)
        broken = soak.run(minutes * 60)
        _report(soak, broken)
        return 1 if broken else 0


def _one(folder: Path) -> HubProcess:
    data = a_data_folder_with_the_toy(folder)
    return HubProcess(data, settings={"AGENTHUB_LEASE_SECONDS": LEASE})


def _several(folder: Path, count: int, postgres: PostgresServer) -> list[HubProcess]:
    """Hubs with a data folder each, on one database and the same blobs."""
    settings = {
        "AGENTHUB_LEASE_SECONDS": LEASE,
        "AGENTHUB_DATABASE_URL": postgres.fresh_database(),
    }
    made = [HubProcess(folder / f"hub{number}", settings=settings) for number in range(count)]
    (folder / "blobs").mkdir()
    for each in made:
        each.data.mkdir()
        (each.data / "blobs").symlink_to(folder / "blobs")
    made[0].run("goal", "open", str(TOY))
    return made


def _clients(folder: Path, proxies: Sequence[FaultProxy]) -> Iterator[ClientProcess]:
    """Two, each at another hub where there are several."""
    for proxy, name in zip((proxies[0], proxies[-1]), ("soak0", "soak1"), strict=True):
        yield ClientProcess(folder / name, proxy.url, name, f"owner-{name}").join()


def _report(soak: Soak, broken: Sequence[str]) -> None:
    runs = len(Site(soak.hubs[0].data).rows("SELECT id FROM runs"))
    for blow, times in sorted(soak.blows.items()):
        print(f"{times:5d}  {blow}")
    print(f"{runs:5d}  runs on the hub")
    print(f"{len(broken):5d}  violations")
    for line in broken:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
