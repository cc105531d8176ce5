"""Prints bytes that are no text: terminal escapes, a clipboard write, direction marks, zeros."""

import os
import sys

sys.stdout.write("\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\x1b[31mval_bpb: 0.1\u202e\u200b\x00\x9b31m\n")
sys.stdout.flush()
os.write(1, os.urandom(4096) + b"\n")
