"""Words that sentences share."""

SIZES = ("B", "KB", "MB", "GB", "TB")
SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def counted(number: int, noun: str) -> str:
    """`1 run`, `3 runs`, `1,200 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: float) -> str:
    """`12 B`, `2.0 KB`, as the board says it: a unit is 1024 of the one before."""
    unit = 0
    while number >= 1024 and unit < len(SIZES) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {SIZES[unit]}" if unit else f"{number:.0f} B"


def span(seconds: float) -> str:
    """`2 hours`, in the largest unit that there is one of."""
    length, unit = next((each for each in SPANS if seconds >= each[0]), SPANS[-1])
    return counted(int(seconds / length), unit)
