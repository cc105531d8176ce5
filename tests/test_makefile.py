"""What `make` is told to run exists, and so do the parts of `make bench`."""

import importlib.util
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS

RUN = re.compile(r"python -m ([a-z_.]+)")
NAMED = RUN.findall(Path("Makefile").read_text())


@pytest.mark.parametrize("name", [*NAMED, *(part[0] for part in PARTS.values())])
def test_a_module_that_make_runs_can_be_run(name: str) -> None:
    found = importlib.util.find_spec(name)

    assert found is not None
    package = found.submodule_search_locations is not None
    assert not package or importlib.util.find_spec(f"{name}.__main__") is not None
