"""What the board weighs: the first view stays small, heavy parts come when they are asked for."""

import urllib.request
from pathlib import Path

import pytest

from benchmarks.ui import sizes
from tests.ui.conftest import ServedHub

KB = 1024
BUDGET = {
    "goal page, first view, JS": 60 * KB,
    "goal page, first view, CSS": 8 * KB,
    "largest first view, JS": 60 * KB,
    "diff with colours": 8 * KB,
    "operators": 25 * KB,
    "composer": 10 * KB,
    "everything": 190 * KB,
}


def test_every_part_stays_within_its_budget(built_board: Path) -> None:
    found = sizes.sizes()

    assert {name: found[name] for name in BUDGET if found[name] > BUDGET[name]} == {}


@pytest.mark.parametrize("part", ["charts/Progress", "tree/Tree", "diff/Diff"])
def test_plots_trees_and_diffs_are_no_part_of_the_first_view(built_board: Path, part: str) -> None:
    parts = sizes.manifest(built_board)

    first = sizes.first_view(built_board, "src/pages/Goal.svelte")

    assert Path(parts[f"src/{part}.svelte"]["file"]).name not in first


def test_a_page_names_its_own_code_and_data_in_its_html(
    built_board: Path, hub_process: ServedHub
) -> None:
    with urllib.request.urlopen(f"{hub_process.url}/g/tiny_gpt", timeout=10) as answer:
        html = answer.read().decode()

    page = sizes.manifest(built_board)["src/pages/Goal.svelte"]["file"]
    assert f'<link rel="modulepreload" href="/{page}" />' in html
    assert '<link rel="preload" as="fetch" crossorigin href="/v1/goals/tiny_gpt/tree" />' in html
