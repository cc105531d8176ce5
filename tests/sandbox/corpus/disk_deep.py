"""Digs: folder in folder in folder, deeper than any path may be long, and hides data there."""

import os

for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
with open("big", "wb") as file:
    for _ in range(200):
        file.write(b"x" * (1 << 20))
        file.flush()
while True:
    pass
