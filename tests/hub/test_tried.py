"""Tried before? Ideas and patches find what came of the like, on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import patches
from hub.core import Hub
from tests.builders import FILES, TRAIN, a_proposal
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

PATCH = """diff --git a/train.py b/train.py
--- a/train.py
+++ b/train.py
@@ -1,2 +1,2 @@
-LEARNING_RATE = 0.1
+LEARNING_RATE = {rate}
 DEPTH = 2
"""


@pytest.fixture
def history(volta: Volunteer) -> list[str]:
    """A larger step was better, a much larger one crashed, a deeper model did nothing; shas."""
    shas = [str(volta.explore(rate, metric).experiment) for rate, metric in ((0.2, 0.8), (9, None))]
    order = volta.exploring()
    deeper = a_proposal(
        order,
        files={"train.py": TRAIN.replace("DEPTH = 2", "DEPTH = 3")},
        title="A deeper model",
        hypothesis="Depth pays more than width.",
    )
    answer = volta.propose(order, files=deeper.files, title=deeper.title)
    assert answer.status_code == 200, answer.text
    assert volta.report(order, metric=0.9).status_code == 200
    return [*shas, str(order.experiment)]


def tried(http: TestClient, text: str, **more: Any) -> dict[str, Any]:
    answer = http.post("/v1/tried", json={"text": text, **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_idea_finds_the_nearest_with_what_came_of_it(
    http: TestClient, history: list[str]
) -> None:
    found = tried(http, "Would a deeper model help, with more depth?")

    assert (found["patch"], found["hint"]) == (False, "")
    first = found["nearest"][0]
    assert (first["experiment"]["sha"], first["level"]) == (history[2], "near")
    assert first["experiment"]["title"] == "A deeper model"
    assert "worse than its parent" in first["sentence"] or "within noise" in first["sentence"]


def test_failures_are_found_and_say_that_they_failed(http: TestClient, history: list[str]) -> None:
    found = tried(http, "learning rate to 9")

    failed = next(each for each in found["nearest"] if each["experiment"]["sha"] == history[1])
    assert failed["sentence"].endswith("it failed (crash).")


@pytest.mark.parametrize("rate", ["0.2", "0.20  # larger", "2 / 10"])
def test_a_patch_that_does_the_same_is_named_first_whatever_it_reads_like(
    http: TestClient, history: list[str], rate: str
) -> None:
    found = tried(http, PATCH.format(rate=rate), goal="toy")

    assert found["patch"]
    first = found["nearest"][0]
    assert (first["experiment"]["sha"], first["level"], first["likeness"]) == (
        history[0], "code", 1.0,
    )  # fmt: skip
    assert len({each["experiment"]["sha"] for each in found["nearest"]}) == len(found["nearest"])


def test_a_patch_that_fits_nowhere_still_finds_what_reads_like_it(
    http: TestClient, history: list[str]
) -> None:
    patch = PATCH.format(rate="0.5").replace(" DEPTH = 2", " WIDTH = 7")

    found = tried(http, patch)

    assert found["nearest"][0]["level"] == "near"
    assert found["nearest"][0]["experiment"]["title"].startswith("Learning rate")


def test_what_nobody_tried_says_so_and_a_wrong_goal_is_refused(
    http: TestClient, history: list[str]
) -> None:
    assert "Nothing like it was tried in toy" in tried(http, "quantum foam", goal="toy")["hint"]
    assert http.post("/v1/tried", json={"text": "x", "goal": "nope"}).status_code == 404
    assert http.post("/v1/tried", json={"text": ""}).status_code == 422


def test_what_is_hidden_is_not_told(hub: Hub, http: TestClient, history: list[str]) -> None:
    grace = Curator.of(hub, http)
    for sha in history:
        grace.acts("experiment.hide", experiment=sha)

    assert tried(http, "learning rate deeper model")["nearest"] == []
    assert tried(http, PATCH.format(rate="0.2"))["nearest"] == []


@pytest.mark.parametrize(
    "text",
    [
        '" OR *',
        "@@ -1 +1 @@",
        "+++ b/../../etc/passwd\n@@ -1 +1 @@\n-x\n+y",
        "+" * 60_000,
        "\u202e漢字",
    ],
)
def test_no_text_breaks_it(http: TestClient, history: list[str], text: str) -> None:
    assert http.post("/v1/tried", json={"text": text}).status_code == 200


def test_a_patch_is_laid_where_its_lines_stand_even_when_they_moved() -> None:
    moved = {"train.py": "# one more line\n" + FILES["train.py"]}

    laid = patches.lay(patches.parse(PATCH.format(rate="0.3")), moved)

    assert laid == {"train.py": moved["train.py"].replace("0.1", "0.3")}
    assert patches.lay(patches.parse(PATCH.format(rate="0.3")), {"train.py": "other\n"}) is None
