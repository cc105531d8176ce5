"""Leaves a link to a key as its result."""

import os

os.symlink("/etc/hostname", "result.json")
