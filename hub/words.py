"""Words that sentences share."""


def counted(number: int, noun: str) -> str:
    """`1 run`, `3 runs`, `1,200 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
