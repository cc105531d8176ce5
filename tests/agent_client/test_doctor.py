"""What the client says of a machine on which it cannot work."""

import pytest

from agent_client import doctor
from agent_client.build import prove
from agent_client.errors import NoSandbox
from agent_client.sandbox import Job, Running


class NowhereToTry:
    """Walls that cannot even be tried: the folder for temporary files is full."""

    name, strength = "walls", 1

    def available(self) -> str | None:
        """It would say, had it a folder."""
        return None

    def start(self, job: Job) -> Running:
        """Never."""
        raise OSError(28, "No space left on device", "/tmp/agenthub-1")


def test_a_sandbox_that_cannot_be_tried_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "backends", lambda: [NowhereToTry()])

    with pytest.raises(NoSandbox, match="No space left"):
        prove(NowhereToTry())
    found = list(doctor._sandbox())

    assert [each.grade for each in found] == [doctor.BAD, doctor.BAD]
    assert "No space left" in found[0].said
