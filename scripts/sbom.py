"""Write what is installed as a CycloneDX 1.5 bill of materials: names, versions, licences."""

import json
import sys
from importlib.metadata import distributions
from pathlib import Path


def components() -> list[dict[str, object]]:
    """Every installed distribution, by name."""
    found = {}
    for each in distributions():
        name, version = each.metadata["Name"], each.version
        licence = each.metadata.get("License-Expression") or each.metadata.get("License") or ""
        found[name.lower()] = {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name.lower().replace('_', '-')}@{version}",
            "licenses": [{"license": {"name": licence.splitlines()[0][:100]}}] if licence else [],
        }
    return [found[name] for name in sorted(found)]


def main() -> None:
    """Write the document to the path given."""
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components()}
    path.write_text(json.dumps(document, indent=1))
    sys.stdout.write(f"{len(document['components'])} components in {path}\n")


main()
