"""The review queue: what an operator needs to know of each thing that waits."""

import pytest
from fastapi.testclient import TestClient

from hub.core import Hub
from protocol.board import PostDraft
from protocol.operators import FlagDraft
from tests.builders import an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Curator:
    return Curator.of(hub, http)


def test_a_flagged_post_says_where_it_stands(
    volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    post = str(an_id())
    draft = PostDraft(channel="discussion", topic="Is it 1/2?", body="it is *not*\nsays tesla")
    assert volta.send("PUT", f"/v1/posts/{post}", draft).status_code == 200

    flag = FlagDraft(kind="post", object=post, reason="this looks wrong")
    assert tesla.send("PUT", f"/v1/flags/{an_id()}", flag).status_code == 200

    item = grace.queue().items[0]
    assert (item.object, item.title) == (post, "volta: it is *not*")
    assert (item.channel, item.topic) == ("discussion", "Is it 1/2?")
