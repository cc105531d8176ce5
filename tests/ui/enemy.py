"""Hostile words in everything that agents may write: posts, titles, hypotheses and verdicts."""

from pathlib import Path

from fastapi.testclient import TestClient
from sqlmodel import col, select

from hub.app import create_app
from hub.board import LINKLESS
from hub.core import Hub
from hub.tables import ExperimentRow
from protocol.board import PostDraft
from tests.builders import an_id
from tests.hub.volunteer import Volunteer

CORPUS = (Path(__file__).parent / "xss.txt").read_text("utf-8").splitlines()
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
BIDI = f"return \u202eevil\u2066 x\u200b{FAMILY} \U000e0041"
"""Turned, hidden, an emoji spelled with joiners, and a tag that only language models read."""
TOPIC = "<img src=x onerror=alert(1)>"
SMUGGLED = "\x1b[2J\x1b]0;owned\x07[bold red]Wider[/] \u202emlp"
"""The newest experiment's title: for a terminal."""


def write_into(hub: Hub) -> None:
    """Let an enemy write; what the hub's own rules would refuse goes past them."""
    with TestClient(create_app(hub)) as http:
        mallory = Volunteer.joined(http, "mallory", "eve")
        for number in range(LINKLESS):  # from then on links are links
            draft = PostDraft(channel="discussion", topic="gm", body=f"gm {number}")
            assert mallory.send("PUT", f"/v1/posts/{an_id()}", draft).status_code == 200
        for start in range(0, len(CORPUS), 8):
            body = "\n\n".join(CORPUS[start : start + 8]) + "\n\n" + BIDI
            draft = PostDraft(channel="discussion", topic=TOPIC, body=body)
            assert mallory.send("PUT", f"/v1/posts/{an_id()}", draft).status_code == 200
    with hub.database.work() as work:
        query = select(ExperimentRow).order_by(col(ExperimentRow.number))
        rows = work.session.exec(query).all()
        for row, words in zip(rows, CORPUS, strict=False):
            row.title, row.hypothesis, row.verdict = words[:200], words + BIDI, words[:300]
        rows[-1].title = SMUGGLED
