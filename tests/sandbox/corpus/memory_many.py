"""Eight processes take memory at once, as fast as they can."""

import os

for _ in range(3):
    os.fork()
kept = []
while True:
    kept.append(bytearray(b"x") * (16 << 20))
