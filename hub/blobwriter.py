"""Logs and curves are committed with their run, and reach the folder or bucket a moment later."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import sqlalchemy as sa

from hub.background import Background
from hub.blobs import Blobs, Packed, StoreAway, unpack
from hub.db import Database
from hub.errors import HubError, StorageFull
from hub.hot import Hot, HotQuery
from hub.tables import WaitingBlobRow

log = logging.getLogger(__name__)
AT_ONCE = 8
"""Blobs that are under way to a bucket at the same time."""
MOST = 200
"""Blobs that are read into memory at once."""
LONGEST_PAUSE = 30.0


def add(connection: sa.Connection, packed: Iterable[Packed]) -> None:
    """Have blobs kept with whatever else the transaction writes."""
    for each in packed:
        _ADD.run(connection, digest=each.digest, packed=each.data, same=each.digest)


@dataclass
class FollowedBlobs(Blobs):
    """A store together with what is still on its way there."""

    database: Database
    store: Blobs

    def keep(self, packed: Packed) -> None:
        """Store at once."""
        self.store.keep(packed)

    def get(self, digest: str) -> bytes:
        """Read back; what is not on its way has arrived, or was never there."""
        with self.database.reading() as connection:
            packed = _ONE.first(connection, digest=digest)
        return self.store.get(digest) if packed is None else unpack(packed)

    def close(self) -> None:
        """Let the store's connections go."""
        self.store.close()


@dataclass
class BlobWriter(Background):
    """Moves what is on its way, twice a second; more rarely while the store refuses."""

    database: Database
    store: Blobs
    interval: float = 0.5
    _pause: float = 0.5

    def turn(self) -> bool:
        """Move what is there; False if some of it was not taken."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            while waiting := self._some():
                kept = list(threads.map(self._kept, waiting))
                gone = [
                    {"digest": each.digest}
                    for each, done in zip(waiting, kept, strict=True)
                    if done
                ]
                with self.database.work() as work:
                    _REMOVE.run_each(work.connection, gone)
                if not all(kept):
                    return False
        return True

    def waiting(self) -> int:
        """Blobs on their way."""
        with self.database.reading() as connection:
            return int(_COUNT.value(connection))

    def _some(self) -> list[Packed]:
        with self.database.reading() as connection:
            return _SOME.all(connection)

    def _kept(self, packed: Packed) -> bool:
        if self.stopping:
            return False  # it stays in the database for the next start
        try:
            self.store.keep(packed)
        except (StoreAway, StorageFull):
            return False
        return True

    def once(self) -> float:
        """A turn, and a longer pause after each that the store refused."""
        try:
            taken = self.turn()
        except HubError as error:
            log.warning("blobs.wait", extra={"reason": error.code})
            taken = False
        self._pause = self.interval if taken else min(2 * self._pause, LONGEST_PAUSE)
        return self._pause


_blobs = WaitingBlobRow.metadata.tables["waiting_blobs"]
_digest = sa.bindparam("digest", type_=sa.String)
_same = sa.exists().where(_blobs.c.digest == sa.bindparam("same", type_=sa.String))
_new = sa.select(_digest, sa.bindparam("packed", type_=sa.LargeBinary)).where(~_same)
_ADD = Hot(sa.insert(_blobs).from_select(["digest", "packed"], _new))
_ONE = HotQuery(
    sa.select(_blobs.c.digest, _blobs.c.packed).where(_blobs.c.digest == _digest), Packed
)
_SOME = HotQuery(sa.select(_blobs.c.digest, _blobs.c.packed).limit(MOST), Packed)
_COUNT = Hot(sa.select(sa.func.count()).select_from(_blobs))
_REMOVE = Hot(sa.delete(_blobs).where(_blobs.c.digest == _digest))
