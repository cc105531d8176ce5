"""Taking the owner's secrets and paths out of what strangers' code said, before it leaves."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from protocol.base import MAX_LOG_BYTES
from protocol.runs import Evaluation

MAX_DETAIL = 500


@dataclass(frozen=True)
class Censor:
    """Puts names in the place of secrets."""

    names: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, folder: Path, token: str) -> "Censor":
        """The censor of a client that works in a folder."""
        names = (
            (token, "[token]"),
            (str(folder.resolve()), "[folder]"),
            (os.path.expanduser("~"), "[home]"),  # noqa: PTH111  (Path.home must find one)
            (sys.prefix, "[python]"),
        )
        return cls(tuple((secret, name) for secret, name in names if len(secret) > 3))

    def text(self, said: str) -> str:
        """Words without secrets."""
        for secret, name in self.names:
            said = said.replace(secret, name)
        return said

    def detail(self, said: str) -> str:
        """A sentence; a name may be longer than its secret, and then the end is left out."""
        return self.text(said)[:MAX_DETAIL]

    def log(self, said: str) -> str:
        """A whole log; what is too long for a report by its names loses its beginning."""
        return self.text(said)[-MAX_LOG_BYTES:]

    def evaluation(self, seen: Evaluation) -> Evaluation:
        """An evaluation whose probes tell, in a stranger's traceback perhaps, of no owner."""
        probes = [
            probe.model_copy(update={"detail": self.detail(probe.detail)}) for probe in seen.probes
        ]
        return seen.model_copy(update={"probes": probes})
