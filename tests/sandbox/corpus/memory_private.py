"""Takes memory of its own, 16 MiB at a time, and touches it."""

kept = []
while True:
    kept.append(bytearray(b"x") * (16 << 20))
