"""A source falls apart into its statements, and what is found in them is what is found in all."""

import ast
from pathlib import Path

import pytest

from hub import policy_lint, statements

GOALS = Path(policy_lint.__file__).parent / "goals_library"


@pytest.mark.parametrize("path", sorted(GOALS.glob("*/*.py")), ids=lambda path: path.parent.name)
def test_each_statement_parses_to_what_it_was_in_its_file(path: Path) -> None:
    source = path.read_text()

    found = statements.split(source)

    whole = ast.parse(source).body
    assert [ast.dump(ast.parse(each.text)) for each in found] == [
        ast.dump(ast.Module([node], [])) for node in whole
    ]


def test_decorators_columns_and_lines_are_kept() -> None:
    source = "a = 'é'; b = 2\n\n@one\n@two(3)\ndef f():\n    pass\nif a:\n    c = '''\nx'''\n"

    found = [(each.line, each.text) for each in statements.split(source)]

    assert found == [
        (1, "a = 'é'"),
        (1, "b = 2"),
        (3, "@one\n@two(3)\ndef f():\n    pass"),
        (7, "if a:\n    c = '''\nx'''"),
    ]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_kind_keep_the_places(ends: str) -> None:
    found = statements.split(ends.join(["\ufeff# é", "a = 1", "b = 2", ""]))

    assert [(each.line, each.text) for each in found] == [(2, "a = 1"), (3, "b = 2")]


@pytest.mark.parametrize("bad", ["(" * 300, "x = " + "- " * 300 + "1", "def f(:", "\x00", "\ud800"])
def test_what_should_not_be_parsed_is_refused(bad: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        statements.split(bad)


def test_a_name_means_what_the_whole_file_imports_it_as() -> None:
    before = "import os as quiet\nx = 1\n"
    after = before + "quiet.system('ls')\n"

    (found,) = policy_lint.news({"train.py": before}, {"train.py": after})

    assert (found.line, found.rule, found.detail) == (3, "process", "calls os.system")


def test_a_new_import_changes_what_old_statements_do() -> None:
    before = "x = system\n\n\ndef f():\n    system('ls')\n"
    after = "from os import system\n" + before

    found = policy_lint.news({"train.py": before}, {"train.py": after})

    assert (6, "process") in [(one.line, one.rule) for one in found]
