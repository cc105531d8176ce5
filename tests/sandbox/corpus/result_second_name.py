"""Leaves a file with two names."""

import os

open("other", "w").close()
os.link("other", "result.json")
