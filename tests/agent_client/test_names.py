"""The names that a volunteer gets who chose none."""

import re

import pytest

from agent_client import joining
from agent_client.errors import BadSettings, HubRefused
from agent_client.hub_api import Hub
from agent_client.joining import Wish, check_wish, names, served
from protocol.agents import Joined, JoinRequest
from tests.builders import a_device


@pytest.mark.parametrize(
    ("user", "attempt", "said"),
    [
        ("ada", 0, ("ada", "ada-a1b2c3")),
        ("ada", 1, ("ada-a1b2c3", "ada-a1b2c3")),
        ("root", 0, ("volunteer-a1b2c3", "volunteer-a1b2c3")),
        ("", 0, ("volunteer-a1b2c3", "volunteer-a1b2c3")),
        ("Ada Lovelace", 0, ("ada-lovelace", "ada-lovelace-a1b2c3")),
        ("nineteen-letters-ab-and-more", 1, ("nineteen-letters-ab-a1b2c3",) * 2),
    ],
)  # fmt: skip
def test_what_was_added_by_chance_is_added_once(
    user: str, attempt: int, said: tuple[str, str]
) -> None:
    assert names(Wish("http://localhost:8000"), user, attempt, "a1b2c3") == said


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish("u", name="A_B"), "--name 'A_B' cannot be a name: 2 to 31 small letters"),
        (Wish("u", owner="-ada"), "--owner '-ada' cannot be a name"),
        (Wish("u", gpus="first"), "--gpus 'first' is none of auto, all, cpu"),
    ],
)
def test_a_wish_that_no_hub_takes_is_refused_by_its_option(wish: Wish, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        check_wish(wish)


def test_what_was_wished_for_is_kept() -> None:
    assert names(Wish("u", name="volta", owner="ada"), "root", 1, "a1b2c3") == ("ada", "volta")
    assert names(Wish("u", owner="ada"), "root", 0, "a1b2c3") == ("ada", "ada-a1b2c3")


def test_every_name_is_one_that_the_hub_takes() -> None:
    for user in ("x", "-", "ünïcode", "a" * 80, "a b" * 30, "root"):
        for attempt in (0, 1):
            for name in names(Wish("u"), user, attempt, "a1b2c3"):
                assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,30}", name), name


@pytest.mark.parametrize(
    ("wished", "fit", "kept"),
    [
        ((), ("a", "b"), []),
        ((), ("a",), ["a"]),
        (("a", "b"), ("a",), ["a"]),
        (("a", "b"), ("a", "b"), ["a", "b"]),
    ],
    ids=["every goal", "all that fit", "what fits of those wished for", "those wished for"],
)
def test_no_goal_is_asked_for_that_does_not_fit_this_machine(
    wished: tuple[str, ...], fit: tuple[str, ...], kept: list[str]
) -> None:
    assert served(Wish("http://hub", goals=wished), fit, ["a", "b"]) == kept


class Refusing(Hub):
    """A hub that takes no name, and notes which it was asked for."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[str] = []

    def join(self, request: JoinRequest) -> Joined:
        """Refuse it."""
        self.asked.append(request.name)
        raise HubRefused("refused", "Another one.", self.status, {})


@pytest.mark.parametrize(
    ("wish", "status", "asked"),
    [
        (Wish(""), 409, joining.NAMES_TRIED),
        (Wish("", name="volta"), 409, joining.NAMES_TRIED),
        (Wish("", name="volta", owner="ada"), 409, 1),
        (Wish(""), 400, 1),
    ],
    ids=["made up", "half of it", "wished for", "not the name's fault"],
)
def test_another_name_is_tried_where_we_made_it_up_and_it_is_at_fault(
    wish: Wish, status: int, asked: int
) -> None:
    hub = Refusing(status)

    with pytest.raises(HubRefused):
        joining._register(wish, hub, a_device())

    assert len(hub.asked) == asked
