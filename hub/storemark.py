"""Which store holds a hub's logs and curves: a blob in it whose name the database knows.

Several processes on one database that keep blobs in folders of their own would each miss what the
others keep, and nobody would see it before a log is asked for.
"""

import logging
import secrets

from hub.blobs import BlobMissing, Blobs, StoreAway
from hub.db import Database
from hub.errors import HubError, StorageFull
from hub.ops_tables import ValueRow

log = logging.getLogger(__name__)
MARK = "blob_store"


class OtherStore(HubError):
    """Not here does this hub keep its logs and curves: name their store (`AGENTHUB_BLOB_URL`, or
    the folder `blobs`), move them here whole, or give them up with `hub check --repair`."""

    code, status = "other_store", 409


def settle(database: Database, blobs: Blobs) -> None:
    """Mark the store of a hub that has none, or see that this is it; one that is away may be.

    Raises:
        OtherStore: it is not.
    """
    try:
        if _mark(database) is None:
            move(database, blobs, anew=False)
        check(database, blobs)
    except (StoreAway, StorageFull) as error:
        log.warning("blobs.unmarked", extra={"reason": error.code})


def check(database: Database, blobs: Blobs) -> None:
    """See that this is the hub's store, if it has one.

    Raises:
        OtherStore: it is not.
    """
    if (mark := _mark(database)) is None:
        return
    try:
        blobs.get(mark)
    except BlobMissing as error:
        raise OtherStore from error


def move(database: Database, blobs: Blobs, anew: bool = True) -> None:
    """Take this as the hub's store; unless `anew`, only if no other process was first."""
    mark = blobs.put(f"A hub's logs and curves: {secrets.token_hex(16)}\n".encode())
    with database.work() as work:
        row = work.session.get(ValueRow, MARK)
        if row is None:
            work.session.add(ValueRow(name=MARK, value=mark))
        elif anew:
            row.value = mark


def _mark(database: Database) -> str | None:
    with database.read() as session:
        row = session.get(ValueRow, MARK)
        return None if row is None else row.value
