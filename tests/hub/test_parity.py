"""What operators do at the browser and over the API they can do with `hub …`, and back.

The board offers what the API's own description lists (`tests/ui/test_operating.py` compares its
choices with these), and words the most usual actions by hand: those must be actions, too.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from hub import operators
from hub.cli.acting import PATHS
from hub.cli.reading import LISTS
from hub.cli.root import app
from hub.errors import HubError
from hub.words import number, size, span
from protocol import acts

DECIDED_ELSEWHERE = {
    "backup", "check", "copy-to", "restore", "serve", "top",
    "goal import", "goal list", "goal new", "goal show", "goal validate",
}  # fmt: skip
"""Commands about the machine or a goal's folder: they need the hub's disk and no desk."""


def leaves(command: Any, path: str = "") -> Iterator[str]:
    """Every command below a command; typer carries a click of its own, so no types here."""
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from leaves(each, f"{path} {name}".strip())
    else:
        yield path


def commands() -> set[str]:
    return set(leaves(typer.main.get_command(app)))


def api_actions(http: TestClient) -> set[str]:
    schemas = http.get("/v1/openapi.json").json()["components"]["schemas"]
    found = [schema.get("properties", {}).get("action", {}) for schema in schemas.values()]
    return {each["const"] for each in found if "const" in each}


def test_api_rules_and_commands_are_one_list(http: TestClient) -> None:
    assert api_actions(http) == set(acts.ACTS)
    assert {kind.model_fields["action"].default for kind in operators.RULES} == set(acts.ACTS)
    assert set(PATHS) == set(acts.ACTS)
    assert set(PATHS.values()) <= commands()


def test_every_list_of_the_api_is_a_command(http: TestClient) -> None:
    routes = http.get("/v1/openapi.json").json()["paths"]
    reads = {path.removeprefix("/v1/ops/") for path in routes if path.startswith("/v1/ops/")}
    shown = {
        "actions": "log", "actions.csv": "log", "queue": "queue", "plan": "plan",
        "health": "health", "tokens": "token list", "invites": "invite list",
        "owners": "owner list", "operators": "operator list", "notices": "notice list",
        "goals/{slug}/versions": "goal versions", "goals/{slug}/diff": "goal diff",
        "experiments/{sha}/findings": "experiment findings", "preview": "log",
        "folders": "goal list", "folders/{name}": "goal new", "folders/check": "goal validate",
    }  # fmt: skip

    assert reads == set(shown)
    assert set(shown.values()) <= commands()


def worded_by_hand() -> Iterator[tuple[str, set[str]]]:
    """Every action that a page of the board words itself, with the fields that it fills."""
    pages = sorted((Path(__file__).parents[2] / "board_ui" / "src").rglob("*.svelte"))
    for page in pages:
        for said in re.findall(r"act=\{\{ (.*?) \}\}", page.read_text("utf-8")):
            pairs = [part.split(":")[0].strip() for part in said.split(", ")]
            named = re.search(r'action: "([a-z.]+)"', said)
            if named:
                yield named.group(1), set(pairs) - {"action"}


def test_what_a_page_of_the_board_words_by_hand_is_an_action_with_its_fields() -> None:
    worded = list(worded_by_hand())

    assert len(worded) > 10
    for action, fields in worded:
        known = acts.ACTS[action].model_fields
        needed = {name for name, field in known.items() if field.is_required()}
        assert fields <= set(known), f"{action} knows no {fields - set(known)}"
        assert needed - {"reason"} <= fields, f"{action} wants {needed - fields}"


def test_whoever_may_write_at_the_browser_may_write_at_the_console(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path / "hub")]
    CliRunner().invoke(app, ["goal", "open", "fast_words", *data], catch_exceptions=False)
    words = ["post", "write", "discussion", "Moving house", "Back on **Monday**."]

    told = CliRunner().invoke(app, [*words, *data], catch_exceptions=False)

    assert told.exit_code == 0
    assert told.output.startswith("Posted in discussion, 'Moving house'")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["queue"], "There is no hub in"),
        (["owner", "ban", "ada", "-r", "a typing error"], "There is no hub in"),
        (["experiment", "pin", "zzz", "-r", "a typing error"], "'zzz' will not do: An experiment"),
        (["goal", "open", "fast_words", "--by", "nobody"], "There is no operator 'nobody'"),
    ],
)
def test_a_typing_error_is_named_and_begins_no_hub(
    tmp_path: Path, words: list[str], told: str
) -> None:
    answer = CliRunner().invoke(app, [*words, "--data", str(tmp_path / "typo")])

    assert isinstance(answer.exception, HubError)
    assert told in answer.exception.detail
    assert "nobody" in words or not (tmp_path / "typo").exists()


def test_health_is_told_in_units_and_words(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["goal", "open", "fast_words", "--data", str(tmp_path)])

    answer = CliRunner().invoke(app, ["health", "--data", str(tmp_path)])

    told = dict(re.split(r"  +", line, maxsplit=1) for line in answer.output.splitlines())
    assert re.fullmatch(r"\d+\.\d [KM]B", told["database"])
    assert re.fullmatch(r"\d+ seconds?", told["oldest order"])
    assert (told["clients"], told["posts frozen"]) == ("none", "no")
    assert "backup age" not in told
    assert "registration" in told


@pytest.mark.parametrize(
    ("many", "bytes_", "seconds"),
    [
        (0, "0 B", "0 seconds"),
        (1, "1 B", "1 second"),
        (7_300, "7.1 KB", "2 hours"),
        (200_000, "195.3 KB", "2 days"),
    ],
)
def test_sizes_and_spans_have_a_unit(many: float, bytes_: str, seconds: str) -> None:
    assert (size(many), span(many)) == (bytes_, seconds)


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        (0.0, "0.00000", "+0.00000"),
        (0.9876543, "0.98765", "+0.98765"),
        (-12.5, "-12.50000", "-12.50000"),
        (0.00001234, "1.23e-05", "+1.23e-05"),
    ],
)
def test_numbers_have_as_many_decimals_as_on_the_board(
    value: float, plain: str, signed: str
) -> None:
    assert (number(value), number(value, "+")) == (plain, signed)


def test_a_list_has_a_heading_and_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    def hub(*words: str) -> str:
        answer = CliRunner().invoke(app, [*words, "--data", str(tmp_path / "hub")])
        return answer.output

    hub("goal", "open", "fast_words")
    hub("notice", "write", "two\nlines \x1b[31mred \u202eback", "-r", "a test wants it")

    heading, notice = hub("notice", "list").splitlines()

    assert heading.split() == ["id", "goal", "by", "withdrawn_at", "text"]
    assert notice.endswith("two lines  [31mred  back")
    assert hub("queue") == "Nothing.\n"
    assert len(hub("log", "--action", "notice.write").splitlines()) == 2
    assert hub("log", "--operator", "grace") == "Nothing.\n"


def test_no_command_acts_behind_the_apis_back() -> None:
    reading = {*LISTS, "log", "goal versions", "goal diff", "experiment findings"}

    assert commands() - set(PATHS.values()) - reading - {"post write"} <= DECIDED_ELSEWHERE


@pytest.mark.parametrize("name", sorted(set(PATHS.values())))
def test_every_command_says_what_it_does_and_asks_why(name: str) -> None:
    told = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"})

    assert told.exit_code == 0
    assert "--reason" in told.output and "--preview" in told.output


def test_the_console_acts_previews_and_undoes(tmp_path: Path) -> None:
    def hub(*words: str) -> str:
        data = ["--data", str(tmp_path / "hub")]
        told = CliRunner().invoke(app, [*words, *data], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told.output

    hub("goal", "open", "fast_words")
    assert "Would do: fast_words is paused." in hub(
        "goal", "pause", "fast_words", "-r", "let me look", "--preview"
    )
    sequence = hub("goal", "pause", "fast_words", "-r", "a rest").split("[")[1].split("]")[0]
    hub("action", "undo", sequence, "-r", "rested")
    link = hub("operator", "add", "grace", "-r", "she is good at this")
    assert "/signin#code=ah_signin_" in link
    hub("owner", "list")
    assert re.search(r"\d\d-\d\d \d\d:\d\d:\d\d UTC  console", hub("log"))
    log = hub("log", "--json")
    assert log.count('"operator":"console"') == 4 and "ah_signin" not in log
    assert "open" in hub("goal", "show", "fast_words")
