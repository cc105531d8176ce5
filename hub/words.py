"""Words that sentences share."""

SIZES = ("B", "KB", "MB", "GB", "TB")
SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def counted(many: int, noun: str) -> str:
    """`1 run`, `3 runs`, `1,200 runs`."""
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {noun}s"


def number(value: float, sign: str = "") -> str:
    """A metric as the board writes it: 5 decimals, or 3 digits where they would say little.

    `sign` is `+` for differences.
    """
    kind = ".3g" if 0 < abs(value) < 0.0001 else ".5f"
    return f"{value:{sign}{kind}}"


def size(many: float) -> str:
    """`12 B`, `2.0 KB`, as the board says it: a unit is 1024 of the one before."""
    unit = 0
    while many >= 1024 and unit < len(SIZES) - 1:
        many, unit = many / 1024, unit + 1
    return f"{many:.1f} {SIZES[unit]}" if unit else f"{many:.0f} B"


def span(seconds: float) -> str:
    """`2 hours`, in the largest unit that there is one of."""
    length, unit = next((each for each in SPANS if seconds >= each[0]), SPANS[-1])
    return counted(int(seconds / length), unit)
