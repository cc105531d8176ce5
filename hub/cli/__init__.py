"""`hub`: serve a hub and curate it."""

import gc


def main() -> None:
    """Run the command; a refusal is one sentence on standard error and exit code 1."""
    # What is loaded stays: to look through it again and again is a fifth of what loading takes.
    gc.disable()
    from hub.cli import root

    gc.freeze()
    gc.enable()
    root.main()
