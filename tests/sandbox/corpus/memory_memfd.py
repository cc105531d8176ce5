"""Fills anonymous files and maps none of them."""

import os

kept = []
for number in range(200):
    fd = os.memfd_create(str(number))
    os.write(fd, b"x" * (16 << 20))
    kept.append(fd)
