"""Write what is installed as a CycloneDX 1.5 bill of materials: names, versions, licences."""

import json
import sys
from importlib.metadata import distributions
from pathlib import Path


def components() -> list[dict[str, object]]:
    """Every installed distribution, by name."""
    found: dict[str, dict[str, object]] = {}
    for each in distributions():
        said = each.metadata.json
        name = str(said["name"])
        licence = str(said.get("license_expression") or said.get("license") or "")
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{each.version}"
        known = [{"license": {"name": licence.splitlines()[0][:100]}}] if licence.strip() else []
        found[name.lower()] = {
            "type": "library",
            "name": name,
            "version": each.version,
            "purl": purl,
            "licenses": known,
        }
    return [found[name] for name in sorted(found)]


def main() -> None:
    """Write the document to the path given."""
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = components()
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": parts}
    path.write_text(json.dumps(document, indent=1))
    sys.stdout.write(f"{len(parts)} components in {path}\n")


main()
