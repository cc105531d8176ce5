"""Tried before: equal meaning is found, unequal meaning is not, hostile source does no harm."""

import pytest

from hub import novelty

SOURCE = '''"""Trains."""
DEPTH = 4
RATE = 0.004


def step(x):
    """One step."""
    return x * RATE
'''


@pytest.mark.parametrize(
    "same",
    [
        SOURCE.replace('"""One step."""', "# quietly"),
        SOURCE.replace("RATE = 0.004", "RATE   =  4e-3  # larger"),
        SOURCE.replace("DEPTH = 4", "DEPTH = 2 * 2"),
        SOURCE.replace('"""Trains."""', '"""Trains, faster."""'),
    ],
)
def test_comments_layout_and_arithmetic_change_nothing(same: str) -> None:
    assert novelty.canonical(same) == novelty.canonical(SOURCE)


@pytest.mark.parametrize(
    "other",
    [
        SOURCE.replace("DEPTH = 4", "DEPTH = 5"),
        SOURCE.replace("x * RATE", "RATE * x"),
        SOURCE.replace("DEPTH = 4", "DEPTH = 4.0"),
        SOURCE.replace("DEPTH = 4", "DEPTH = '4'"),
    ],
)
def test_another_meaning_is_another_hash(other: str) -> None:
    assert novelty.canonical(other) != novelty.canonical(SOURCE)


def test_the_same_change_of_the_same_parent_is_one_effect() -> None:
    plain = SOURCE.replace("DEPTH = 4", "DEPTH = 6")
    dressed = SOURCE.replace("DEPTH = 4", "DEPTH = 3 * 2  # deeper").replace("Trains", "Trains on")

    assert novelty.effect_key(SOURCE, plain) == novelty.effect_key(SOURCE, dressed)
    assert novelty.effect_key(SOURCE, plain) != novelty.effect_key(plain, SOURCE)


@pytest.mark.parametrize(
    "hostile",
    [
        "x = " + "(" * 5000 + ")" * 5000,
        "x = " + "-" * 100_000 + "1",
        "x = 9 ** 9 ** 9 ** 9",
        "x = 'a' * 10**12",
        "x = " + "9" * 100_000,
        "x = 1" + " + 1" * 20_000,
        "x = 1 / 0",
        "x = (-8) ** 0.5",
        "\x00",
        "def f(:",
        "x = '\ud800'",
        "if 1:\n" + "".join(" " * depth + "if 1:\n" for depth in range(1, 300)),
        "a" + ".b" * 50_000,
        "a" + "[0]" * 50_000,
        "lambda: " * 20_000 + "1",
        "not " * 50_000 + "x",
        "",
    ],
)
def test_hostile_source_has_a_hash_and_does_no_harm(hostile: str) -> None:
    assert len(novelty.canonical(hostile)) == 64
    assert len(novelty.effect_key(SOURCE, hostile)) == 64
    assert novelty.canonical(hostile) == novelty.canonical(hostile)
