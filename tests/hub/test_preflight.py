"""What a proposed file may hold, to the character and to the byte."""

import pytest

from hub import preflight
from hub.preflight import MOST_LINES, FileTooLarge, NothingChanged, UnsafeText
from tests.builders import FILES, TRAIN, a_spec

STEERING = "\x00\x08\x0b\r\x1b\x7f\x84\x9b\x9f\u061c\u200b\u200f\u202e\u2067\ufeff"
HARMLESS = "\t ~é\x85\u2028π模"


def proposed(text: str, before: str = TRAIN) -> dict[str, str]:
    limits = {"file_bytes": 64 * 1024}
    return preflight.check(a_spec(limits=limits), FILES | {"train.py": before}, {"train.py": text})


@pytest.mark.parametrize("char", STEERING, ids=lambda char: f"U+{ord(char):04X}")
def test_what_steers_a_terminal_or_turns_a_line_around_is_refused_by_name(char: str) -> None:
    with pytest.raises(UnsafeText, match=f"holds U\\+{ord(char):04X};"):
        proposed(TRAIN + f"# here: {char} there\n")


def test_other_letters_and_ends_of_lines_pass() -> None:
    text = TRAIN + f"# {HARMLESS}\n#\n"

    assert proposed(text) == {"train.py": text}


def test_what_a_parent_holds_already_is_refused_in_its_child_too() -> None:
    with pytest.raises(UnsafeText, match="U\\+202E"):
        proposed(TRAIN + "# \u202e\nrate = 2\n", before=TRAIN + "# \u202e\nrate = 1\n")


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_file_may_be_as_large_as_the_goal_allows_counted_in_bytes(letter: str) -> None:
    most = 64 * 1024 - len("#")
    whole = "#" + letter * (most // len(letter.encode()))
    whole += "x" * (64 * 1024 - len(whole.encode()))

    assert proposed(whole) == {"train.py": whole}
    with pytest.raises(FileTooLarge):
        proposed(whole + "x")


@pytest.mark.parametrize("end", ["x\n", "x;x\n"])
def test_a_file_may_have_so_many_lines_and_statements_that_share_one(end: str) -> None:
    most = "x\n" * (MOST_LINES - end.count("\n") - end.count(";")) + end

    assert proposed(most) == {"train.py": most}
    with pytest.raises(FileTooLarge, match="lines"):
        proposed(most + "x\n")


def test_a_file_that_stays_as_it_was_is_no_change() -> None:
    with pytest.raises(NothingChanged):
        proposed(TRAIN)
