"""Leaves a link to a folder, below which the result seems to lie."""

import os

os.symlink("/etc", "out")
os.symlink("out/hostname", "result.json")
