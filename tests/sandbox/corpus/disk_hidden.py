"""Writes into a folder that it then forbids everybody to open."""

import os
import time

os.mkdir("hidden")
os.chdir("hidden")
os.chmod(".", 0o300)
for number in range(200):
    with open(f"f{number}", "wb") as file:
        file.write(b"x" * (1 << 20))
    time.sleep(0.005)
time.sleep(30)
