"""A goal's folder at the browser: begun from another, checked as the command line does, opened."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import goal_files, goal_new, goal_toml
from hub.core import Hub
from tests.hub.operating import Curator

MISPELLED = goal_toml.dumps(goal_new.skeleton("my_goal")[0]).replace(
    '"python", "train.py"', '"python", "trian.py"'
)


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Curator:
    return Curator.of(hub, http)


def folder(grace: Curator, name: str, of: str = "library") -> dict[str, str]:
    answer = grace.send("GET", f"folders/{name}", params={"of": of})
    assert answer.status_code == 200, answer.text
    files: dict[str, str] = answer.json()["files"]
    return files


def check(grace: Curator, files: dict[str, str]) -> dict[str, Any]:
    answer = grace.send("POST", "folders/check", json={"files": files})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_every_folder_that_is_offered_passes_its_own_check(grace: Curator) -> None:
    offered = grace.send("GET", "folders").json()

    found = {
        each["name"]: check(grace, folder(grace, each["name"], each["of"])) for each in offered
    }

    assert {"toy", "skeleton", *goal_files.library()} <= found.keys()
    assert {name: told["problems"] for name, told in found.items()} == {name: [] for name in found}


def test_a_checked_folder_is_opened_as_it_is(http: TestClient, grace: Curator) -> None:
    files = folder(grace, "skeleton")
    files["goal.toml"] = files["goal.toml"].replace('"my_goal"', '"curve"')
    told = check(grace, files | {"notes.txt": "left behind"})
    assert any("notes.txt" in note for note in told["notes"])

    grace.acts("goal.create", spec=told["spec"], files=told["files"])

    assert http.get("/v1/goals/curve").json()["state"] == "open"
    assert folder(grace, "curve", "hub")["train.py"] == files["train.py"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"train.py": "def broken(:\n"}, "train.py:1: does not parse"),
        ({"train.py": None}, "train.py is named in goal.toml but is not here"),
        ({"goal.toml": None}, "goal.toml is missing"),
        ({"goal.toml": "name = 3\n"}, "goal.toml:1: name"),
        ({"goal.toml": "= ="}, "goal.toml: "),
        ({"train.py": "x = '" + "a" * 300_000 + "'"}, "the limit is"),
        ({"train.py": "x = 1\r\n"}, "train.py holds U+000D"),
        ({"goal.toml": MISPELLED}, "commands.train runs trian.py, which is no file of this goal"),
        ({"train.py": "x = 1\n" * 5001}, "train.py is over 5000 lines"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    grace: Curator, change: dict[str, str | None], said: str
) -> None:
    files = {k: v for k, v in (folder(grace, "skeleton") | change).items() if v is not None}

    problems = check(grace, files)["problems"]

    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize("text", ["def x(:\n", "x = 1\r\n"])
def test_a_baseline_that_does_not_parse_or_that_no_change_fits_opens_no_goal(
    grace: Curator, text: str
) -> None:
    files = folder(grace, "skeleton")
    spec = check(grace, files)["spec"]

    refused = grace.tries("goal.create", spec=spec, files=files | {"train.py": text})

    assert (refused.status_code, refused.json()["code"]) == (422, "goal_invalid")


def test_the_brief_is_shown_as_it_will_read_and_inert(grace: Curator) -> None:
    files = folder(grace, "skeleton") | {"program.md": "# Do **this** <script>alert(1)</script>"}

    html = check(grace, files)["brief_html"]

    assert "<strong>this</strong>" in html and "<script" not in html


@pytest.mark.parametrize(
    ("file", "text"), [("goal.toml", "x = " + "[" * 10_000), ("train.py", "x = " + "-" * 100_000)]
)
def test_what_is_nested_too_deeply_is_a_mistake_like_any(
    grace: Curator, file: str, text: str
) -> None:
    told = check(grace, folder(grace, "skeleton") | {file: text})

    assert [each.partition(":")[0] for each in told["problems"]] == [file]
