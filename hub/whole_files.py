"""Files that are there whole or not at all, whoever is killed and however full the disk is."""

import os
from pathlib import Path
from uuid import uuid4


def put(file: Path, content: bytes, mode: int = 0o644, durable: bool = False) -> None:
    """Write beside and rename; what was there before is replaced. `durable` survives a power cut.

    Raises:
        OSError: nothing was written, such as on a full disk.
    """
    written = file.with_name(f"tmp_{uuid4().hex}")
    try:
        handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            if durable:
                out.flush()
                os.fsync(out.fileno())
        written.replace(file)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
