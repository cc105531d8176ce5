"""The command `agent_client`; `python -m agent_client` is the same."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while all of it is being loaded ends it without a word."""
    try:
        from agent_client import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
