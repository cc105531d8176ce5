"""What goes over the wire is written down; a change shows as a diff of these files."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from hub.app import create_app
from hub.core import open_hub
from hub.settings import Settings
from protocol.events import Envelope

HERE = Path(__file__).parent
pytestmark = pytest.mark.golden


def assert_as_written(name: str, schema: dict[str, Any]) -> None:
    """Compare with the file, or write it when GOLDEN=write asks for it."""
    path = HERE / name
    text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert path.read_text() == text, f"{name} changed: run `make golden` and review its diff"


def test_the_http_api_is_as_written(tmp_path: Path) -> None:
    hub = open_hub(Settings(data=tmp_path))

    document = create_app(hub).openapi()

    hub.database.dispose()
    document["info"].pop("version")
    assert_as_written("openapi.json", document)


def test_the_events_are_as_written() -> None:
    assert_as_written("events.json", TypeAdapter(Envelope).json_schema())
