"""Write what AgentHub is made of as a CycloneDX 1.5 bill: names, versions, licences."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

LOCK = Path(__file__).parents[1] / "board_ui" / "package-lock.json"


def installed() -> Iterator[dict[str, Any]]:
    """Every installed Python distribution."""
    for each in distributions():
        said = each.metadata.json
        licence = str(said.get("license_expression") or said.get("license") or "")
        yield component("pypi", str(said["name"]).lower().replace("_", "-"), each.version, licence)


def board(lock: Path = LOCK) -> Iterator[dict[str, Any]]:
    """What the board is built from and ships, by its lock file."""
    for path, said in json.loads(lock.read_text("utf-8"))["packages"].items():
        if path and not said.get("dev") and not said.get("link"):
            name = path.rpartition("node_modules/")[2]
            yield component("npm", name, said["version"], str(said.get("license") or ""))


def component(kind: str, name: str, version: str, licence: str) -> dict[str, Any]:
    """One part; `kind` is the registry it comes from."""
    first = licence.strip().partition("\n")[0][:100]
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:{kind}/{quote(name, safe='/')}@{version}",
        "licenses": [{"license": {"name": first}}] if first else [],
    }


def document() -> dict[str, Any]:
    """The whole bill, each part once, in order."""
    found = {each["purl"]: each for each in (*installed(), *board())}
    parts = [found[purl] for purl in sorted(found)]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": parts}


def main(path: Path) -> None:
    """Write the document to a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bill = document()
    path.write_text(json.dumps(bill, indent=1))
    print(f"{len(bill['components'])} components in {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
