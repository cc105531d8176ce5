"""How many times each fault is tried: SEEDS in the environment, few in everyday tests."""

import os

import pytest

SEEDS = int(os.environ.get("SEEDS", "1"))
every_seed = pytest.mark.parametrize("seed", range(SEEDS))
