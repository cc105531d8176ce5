"""Prints a hundred megabytes without a line's end."""

import sys

for _ in range(100):
    sys.stdout.write("x" * (1 << 20))
    sys.stdout.flush()
