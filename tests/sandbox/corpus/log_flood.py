"""Prints three hundred megabytes."""

for _ in range(300 << 10):
    print("x" * 1023)
