"""What no linter says: sizes, who may commit, refusals that people and programs can rely on."""

import ast
import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

import hub
from hub.errors import HubError

ROOT = Path(__file__).parents[1]
PACKAGES = ("protocol", "hub", "agent_client")
MOST_LINES = 400
LONGEST_FUNCTION = 60
MEDIAN_FUNCTION = 10

Function = ast.FunctionDef | ast.AsyncFunctionDef


def our_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if "goals_library" not in path.parts]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def lines(function: Function) -> int:
    """Lines of a function from `def` to its end, its docstring not counted."""
    first = function.body[0]
    told = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        told = (first.end_lineno or 0) - first.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - told


def refusals() -> list[type[HubError]]:
    for module in pkgutil.walk_packages(hub.__path__, "hub."):
        if not module.name.endswith("__main__") and "goals_library." not in module.name:
            importlib.import_module(module.name)
    found, todo = [], [HubError]
    while todo:
        known = todo.pop()
        found.append(known)
        todo.extend(known.__subclasses__())
    return found


def test_no_file_is_too_long_to_read() -> None:
    files = our_files(*PACKAGES, "tests", "benchmarks", "scripts")

    long = {named(path): len(path.read_text().splitlines()) for path in files}

    assert {name: size for name, size in long.items() if size > MOST_LINES} == {}


def test_no_function_is_too_long_to_hold_in_mind() -> None:
    long = {
        f"{named(path)}:{function.name}": lines(function)
        for path in our_files(*PACKAGES, "tests", "benchmarks", "scripts")
        for function in functions(path)
        if lines(function) > LONGEST_FUNCTION
    }

    assert long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_median_function_is_short(package: str) -> None:
    sizes = [lines(function) for path in our_files(package) for function in functions(path)]

    assert not sizes or median(sizes) <= MEDIAN_FUNCTION


def test_alembic_is_a_folder_and_not_a_package() -> None:
    # With an __init__.py our folder would hide the library of the same name.
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_only_the_unit_of_work_commits() -> None:
    committing = [
        named(path)
        for path in our_files("hub")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "commit"
        and ast.unparse(node.value).endswith("session")
    ]

    assert set(committing) <= {"hub/db.py"}


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = Counter(refusal.code for refusal in refusals())

    assert [code for code, times in codes.items() if times > 1] == []


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.__name__)
def test_every_refusal_is_a_sentence_for_people(refusal: type[HubError]) -> None:
    sentence = refusal.sentence()

    assert refusal.__doc__
    assert sentence.endswith(".")
    assert sentence != HubError.sentence() or refusal is HubError
    assert 400 <= refusal.status < 600
