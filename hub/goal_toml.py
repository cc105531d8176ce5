"""A goal's rules as the text of a goal.toml, for people to go on with."""

import json
from pathlib import Path
from typing import Any

from hub.errors import HubError
from protocol.goals import GoalSpec


class FolderTaken(HubError):
    """That folder is there and not empty; choose another, so that nothing is overwritten."""

    code, status = "folder_taken", 409


def dumps(spec: GoalSpec) -> str:
    """Write goal.toml with what differs from the defaults; reading it gives the same spec."""
    said: dict[str, Any] = spec.model_dump(mode="json", exclude_defaults=True)
    plain = {key: value for key, value in said.items() if not isinstance(value, dict | list)}
    tables = {key: value for key, value in said.items() if isinstance(value, dict)}
    lists = {key: value for key, value in said.items() if isinstance(value, list)}
    lines = _pairs(plain)
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_pairs({k: v for k, v in table.items() if not _rows(v)})]
        lines += _arrays({f"{name}.{key}": value for key, value in table.items() if _rows(value)})
    return "\n".join([*lines, *_arrays(lists)]) + "\n"


def write_folder(folder: Path, spec: GoalSpec, texts: dict[str, str]) -> None:
    """Write a goal's folder; raises FolderTaken rather than overwrite anything."""
    if folder.exists() and any(folder.iterdir()):
        raise FolderTaken(f"{folder} is not empty; choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts, "goal.toml": dumps(spec)}.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def _rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _arrays(lists: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, rows in lists.items():
        for row in rows:
            lines += ["", f"[[{name}]]", *_pairs(row)]
    return lines


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]


def _value(value: object) -> str:
    # JSON's strings, numbers, booleans and flat lists are TOML's too, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
