"""What two texts share at both ends, and the line edits that turn one into the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hub import gitstore, overlap

line = some.sampled_from(["a\n", "b\n", "\n", "ab\n", "\u2028\n", "\r\n"])
texts = some.builds(
    lambda lines, last: "".join(lines) + last,
    some.lists(line, max_size=8),
    some.sampled_from(["", "a"]),
)


@given(texts, texts)
def test_edits_turn_one_text_into_the_other(old: str, new: str) -> None:
    found = gitstore.edits(old, new)

    assert gitstore.apply(old, found) == new
    assert all(count or text for _, count, text in found)


@given(texts, texts)
def test_whole_lines_are_shared_and_none_twice(one: str, two: str) -> None:
    head, tail = overlap.lines(one, two)

    assert head + tail <= min(len(one), len(two))
    assert one[:head] == two[:head] and one[len(one) - tail :] == two[len(two) - tail :]
    for text in (one, two):
        assert one == two or all(
            at in (0, len(text)) or text[at - 1] == "\n" for at in (head, len(text) - tail)
        )


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        ("a\nb\nc\n", "a\nx\nc\n", (2, 2)),
        ("a\nb\n", "a\nn\nb\n", (2, 2)),
        ("same", "same", (4, 0)),
        ("a\nb", "a\nab", (2, 0)),
        ("", "a\n", (0, 0)),
    ],
)
def test_a_line_that_only_ends_alike_is_not_shared(
    one: str, two: str, found: tuple[int, int]
) -> None:
    assert overlap.lines(one, two) == found


def test_two_changes_far_apart_are_two_edits() -> None:
    old = "".join(f"line {n}\n" for n in range(100))
    new = old.replace("line 3\n", "third\n").replace("line 90\n", "")

    assert gitstore.edits(old, new) == [(3, 1, "third\n"), (90, 1, "")]
