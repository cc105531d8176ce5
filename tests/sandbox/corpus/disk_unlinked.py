"""Writes files that have no name any more."""

import os
import time

kept = []
for number in range(200):
    file = open(f"f{number}", "wb")
    os.unlink(file.name)
    file.write(b"x" * (1 << 20))
    file.flush()
    kept.append(file)
    time.sleep(0.005)
time.sleep(30)
