"""A source falls apart into its statements, and what is found in them is what is found in all."""

import ast
import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

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


ODD = {
    "nothing": "",
    "a comment": "# only this",
    "no line feed at the end": "a = 1\nb = 2",
    "branches": "if a:\n    b\nelif c:\n    d\nelse:\n    e\nf = 1\n",
    "troubles": "try:\n    a\nexcept A:\n    b\nelse:\n    c\nfinally:\n    d\nf = 1\n",
    "a string with lines at the margin": 'a = """\nb = 1\ndef f():\n"""\nc = 2\n',
    "a long string": 'a = """\n' + "b = 1\n" * 200 + '"""\nc = 2\n',
    "a line that goes on": "a = 1 + \\\n2\nb = 3\n",
    "brackets with lines at the margin": "a = [\n1,\n2]\nb = (\nc\n)\nd = 4\n",
    "comments inside": "def f():\n    a\n# no indentation\n    b\nc = 1\n",
    "several on a line": "a = 1; b = 2;\nif c: d; e\nf = 3\n",
    "decorators": "@a\n# why\n@b(\n1)\nclass C:\n    pass\n@d\nasync def e(): ...\n",
    "names that begin like branches": "elsewhere = 1\nexcepted = 2\nmatch = 3\n",
    "a match": "match a:\n    case 1:\n        b\ncase = 4\n",
    "form feeds and tabs": "a = 1\n\x0c\nb = 2\nif c:\n\td = 3\n",
}


@pytest.mark.parametrize("source", ODD.values(), ids=ODD)
def test_piece_by_piece_gives_what_the_whole_gives(source: str) -> None:
    assert statements.split(source) == statements._parsed(source)


@pytest.mark.parametrize(
    "bad", ["else:\n    a\n", "if a:\nb\n", "@a\n", "a = 1\n  b = 2\n", "def f():\n", "a = (\n"]
)
def test_pieces_that_only_look_whole_are_refused_as_the_whole_is(bad: str) -> None:
    with pytest.raises(SyntaxError) as whole:
        ast.parse("x = 1\n" + bad)

    with pytest.raises(SyntaxError) as found:
        statements.split("x = 1\n" + bad)

    assert (found.value.lineno, found.value.msg) == (whole.value.lineno, whole.value.msg)


def test_a_changed_statement_is_the_only_one_that_is_parsed_again() -> None:
    source = "".join(f"name_{number} = {number}\n" for number in range(100))
    statements.split(source)
    before = statements._parsed_once.cache_info().misses

    statements.split(source.replace("= 50", "= 51"))

    assert statements._parsed_once.cache_info().misses == before + 1


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


WHOLE = [source.removesuffix("\n") for source in ODD.values()]
WHOLE += ["x = '''\nz = 2'''; z = 2", "y = (1,\n2); z = 2", "z = 2", "z = 2; z = 2", "if x: y"]
PIECES = ["@a", "\\", "a = 1 \\", '"""', "'''", "x = 1; y = '''", "'''; z = 2", "    return"]
piece = some.one_of(*[some.sampled_from(WHOLE)] * 4, some.sampled_from([*PIECES, "else: z"]))


def outcome(source: str, like: str | None) -> object:
    statements._kept.cache_clear()
    if like is not None:
        with contextlib.suppress(*statements.UNREADABLE):
            statements.split(like)
    try:
        return statements.split(source, like)
    except statements.UNREADABLE as error:
        return type(error), str(error)


@settings(max_examples=1000, deadline=None)
@given(*[some.lists(piece, max_size=3)] * 4)
def test_what_lies_between_gives_what_the_whole_gives(
    head: list[str], old: list[str], new: list[str], tail: list[str]
) -> None:
    before, after = ("\n".join([*head, *middle, *tail]) for middle in (old, new))

    assert outcome(after, before) == outcome(after, None)


@pytest.mark.parametrize("path", sorted(GOALS.glob("*/*.py")), ids=lambda path: path.parent.name)
def test_real_code_with_any_line_gone_gives_what_the_whole_gives(path: Path) -> None:
    before = path.read_text()
    lines = before.split("\n")

    for place in range(0, len(lines), 7):
        after = "\n".join(lines[:place] + lines[place + 1 :])
        assert outcome(after, before) == outcome(after, None)
