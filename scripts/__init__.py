"""What the Makefile runs: set-up in shell, the demo in Python."""
