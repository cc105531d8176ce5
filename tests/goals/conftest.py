"""Data that every test of a goal reads and none writes: prepared once per worker."""

import pytest

from tests.goals import mini


@pytest.fixture(scope="session")
def goal(tmp_path_factory: pytest.TempPathFactory) -> mini.Mini:
    """tiny_gpt, shrunk."""
    return mini.make(tmp_path_factory.mktemp("goal"))
