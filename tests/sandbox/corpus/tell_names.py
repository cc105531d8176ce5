"""Tells everything that says whose machine this is."""

import os
import socket
from pathlib import Path

print(socket.gethostname(), dict(os.environ))
for path in ("/etc/hostname", "/etc/passwd", "/etc/machine-id", "/proc/sys/kernel/hostname"):
    try:
        print(Path(path).read_text())
    except OSError as refused:
        print(path, refused)
