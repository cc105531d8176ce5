"""A source falls apart into its statements, and what is found in them is what is found in all."""

import ast
import contextlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hub import novelty, policy_lint, preflight, statements

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


def test_of_a_changed_line_only_its_statement_differs() -> None:
    before = "a = 1\n\nb = 2\nc = 3\n\nd = 4\n"
    after = before.replace("c = 3", "c = 30")
    old, new = statements.split(before), statements.split(after, before)

    gone, come = statements.differing(old, new, statements.shared(after, before))

    assert [each.text for each in (*gone, *come)] == ["c = 3", "c = 30"]


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


@settings(max_examples=300)
@given(*[some.lists(piece, max_size=3)] * 4)
def test_what_lies_between_gives_what_the_whole_gives(
    head: list[str], old: list[str], new: list[str], tail: list[str]
) -> None:
    before, after = ("\n".join([*head, *middle, *tail]) for middle in (old, new))

    assert outcome(after, before) == outcome(after, None)


CALLS = ["import os", "from os import system as run", "run('x')", "os.system('x')", "rate = 1"]
code = some.one_of(piece, some.sampled_from(CALLS), some.sampled_from(CALLS))


def judged(before: str, after: str, like: str | None) -> tuple[object, ...]:
    """What the hub says of a change, with nothing remembered but how `after` is `like` another."""
    for each in (novelty.canonical, novelty._altered, novelty._meanings, novelty._places):
        each.cache_clear()
    outcome(after, like)
    old, new = {"train.py": before}, {"train.py": after}
    keys = novelty.effect_keys(old, new), novelty.change_keys(old, new)
    # Which of two equal statements is the new one is anybody's guess.
    seen = sorted((one.rule, one.detail) for one in policy_lint.news(old, new))
    return (novelty.canonical_tree(new), *keys, seen, preflight._lines(after, before))


@settings(max_examples=150)
@given(*[some.lists(code, max_size=3)] * 4)
def test_what_a_change_comes_down_to_is_the_same_however_it_was_split(
    head: list[str], old: list[str], new: list[str], tail: list[str]
) -> None:
    before, after = ("\n".join([*head, *middle, *tail]) for middle in (old, new))

    found = judged(before, after, like=before)

    assert found == judged(before, after, like=None) == judged(before, after, like="\n".join(tail))
    assert found[-1] == after.count("\n") + after.count(";")
    if before != after:
        told = [("train.py", novelty._hash(repr(altered(before, after))))]
        assert found[2] == novelty._hash(repr(told))


def altered(before: str, after: str) -> object:
    """What differs of all parts, each by its name and its turn."""
    turns, placed = Counter[tuple[str, str]](), dict[str, dict[str, str]]()
    for source in (before, after):
        for key, value in (part for each in novelty._meanings(source) for part in each.parts):
            turns[source, key] += 1
            placed.setdefault(source, {})[f"{key} {turns[source, key]}"] = value
    old, new = (placed.get(source, {}).items() for source in (before, after))
    return sorted(old - new), sorted(new - old)


@pytest.mark.parametrize("path", sorted(GOALS.glob("*/*.py")), ids=lambda path: path.parent.name)
def test_real_code_with_any_line_gone_gives_what_the_whole_gives(path: Path) -> None:
    before = path.read_text()
    lines = before.split("\n")

    for place in range(0, len(lines), 7):
        after = "\n".join(lines[:place] + lines[place + 1 :])
        assert outcome(after, before) == outcome(after, None)
