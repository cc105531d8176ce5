"""Leaves a socket, or else a folder, as its result."""

import os
import socket

try:
    socket.socket(socket.AF_UNIX).bind("result.json")
except OSError:
    os.mkdir("result.json")
