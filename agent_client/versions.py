"""The version gate: the hub names the oldest client it takes and the newest there is."""

import re

from agent_client.errors import TooOld

UPGRADE = "run `git pull && pip install '.[train]'` in AgentHub's checkout"
"""No package of an index bears our name: whoever took it would be installed by every volunteer."""


def parse(text: str) -> tuple[int, ...]:
    """`1.2.10rc1` as (1, 2, 10): what counts for order here."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def check(mine: str, minimum: str, latest: str) -> str:
    """A sentence about another version than the hub's, or nothing; raises TooOld below the minimum.

    A hub that was set back to an older version is worked for as it is.
    """
    if minimum and parse(mine) < parse(minimum):
        raise TooOld(f"This client is {mine}, the hub needs {minimum}; {UPGRADE}, and start again.")
    if latest and parse(mine) < parse(latest):
        return f"Client {latest} is out (this is {mine}); {UPGRADE}."
    if latest and parse(mine) > parse(latest):
        return (
            f"The hub is older ({latest}) than this client ({mine}). Work goes on; a result that "
            "the hub does not understand is kept in journal/ as .refused."
        )
    return ""
