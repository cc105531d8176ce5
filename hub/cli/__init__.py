"""`hub`: serve a hub and curate it."""

from hub.cli.root import main

__all__ = ["main"]
