"""`hub`: serve a hub and curate it."""

import gc
import sys


def main() -> None:
    """Run the command; a refusal is one sentence on standard error and exit code 1.

    Ctrl-C while all of it is being loaded ends it without a word.
    """
    # What is loaded stays: to look through it again and again is a fifth of what loading takes.
    gc.disable()
    try:
        from hub.cli import root
    except KeyboardInterrupt:
        sys.exit(130)

    gc.freeze()
    gc.enable()
    root.main()
