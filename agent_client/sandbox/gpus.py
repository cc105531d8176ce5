"""Which device files a GPU run needs.

From public reports, never tried on a card here: NVIDIA's control, memory and numbered nodes, MIG
capabilities, and WSL's. The nodes must exist before; inside, nothing can create them.
"""

from collections.abc import Sequence
from pathlib import Path

_ALWAYS = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps", "dxg")


def devices(gpus: Sequence[str], folder: Path = Path("/dev")) -> list[str]:
    """The existing device paths for these GPUs, given by number or ("all",); none for no GPU."""
    if not gpus:
        return []
    numbers = [path.name[6:] for path in folder.glob("nvidia[0-9]*")]
    chosen = numbers if "all" in gpus else [number for number in gpus if number in numbers]
    names = [*_ALWAYS, *(f"nvidia{number}" for number in chosen)]
    return [str(folder / name) for name in names if (folder / name).exists()]


def present(folder: Path = Path("/dev")) -> list[str]:
    """The GPUs of this machine by the names of their device files."""
    return sorted(path.name for path in [*folder.glob("nvidia[0-9]*"), *folder.glob("dxg")])
