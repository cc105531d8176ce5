"""Known holes in what we install: a found hole fails, a registry that cannot be asked does not.

`python -m scripts.audit` asks the registries; with reports of theirs as arguments it judges those.
What was not audited is said, because "nothing found" by somebody who could not look is a lie.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

PIP_AUDIT = (sys.executable, "-m", "pip_audit", "-f", "json", "--progress-spinner", "off")
NPM_AUDIT = ("npm", "audit", "--json", "--omit", "dev", "--prefix", "board_ui")
SERIOUS = ("high", "critical")
PATIENCE = 90


@dataclass(frozen=True)
class Judged:
    """What a report says: how many packages it looked at, which holes fail, and which are told."""

    looked_at: int
    holes: tuple[str, ...] = ()
    minor: tuple[str, ...] = ()


def judge(report: Any) -> Judged | None:
    """Read a report of pip-audit or npm; None when it is neither, or nobody could look."""
    if not isinstance(report, dict):
        return None
    if isinstance(report.get("dependencies"), list):
        return _python(report["dependencies"])
    if isinstance(report.get("vulnerabilities"), dict):
        return _npm(report)
    return None


def _python(packages: Sequence[dict[str, Any]]) -> Judged | None:
    """PyPI names no severity, so every hole in a Python package counts as serious."""
    looked_at = [each for each in packages if "vulns" in each]
    if not looked_at:
        return None
    return Judged(len(looked_at), tuple(_holes(looked_at)))


def _holes(packages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for each in packages:
        for hole in each["vulns"]:
            fixed = ", ".join(hole.get("fix_versions") or ()) or "no release yet"
            yield f"{each['name']} {each['version']}: {hole['id']}, mended in {fixed}"


def _npm(report: dict[str, Any]) -> Judged:
    found = {
        f"{name}: {said['severity']}": said["severity"] in SERIOUS
        for name, said in sorted(report["vulnerabilities"].items())
    }
    looked_at = report.get("metadata", {}).get("dependencies", {}).get("total", 0)
    holes = tuple(text for text, serious in found.items() if serious)
    return Judged(looked_at, holes, tuple(text for text in found if text not in holes))


def asked(argv: Sequence[str]) -> Any:
    """What a registry's own tool reports as JSON, or None."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE)
        return json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None


def python_report() -> Any:
    """Everything installed here; one package is tried first, because asking in vain takes long."""
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.txt"
        one.write_text(f"pip=={version('pip')}\n")
        alone = asked((*PIP_AUDIT, "--no-deps", "--disable-pip", "--timeout", "5", "-r", str(one)))
    if judge(alone) is None:
        return None
    return asked((*PIP_AUDIT, "--local", "--skip-editable"))


def npm_report() -> Any:
    """What the board is built from."""
    return asked(NPM_AUDIT) if shutil.which("npm") else None


def told(name: str, judged: Judged | None) -> bool:
    """Say what a report means; whether it is good enough."""
    if judged is None:
        print(f"{name}: nobody could be asked, so nothing is known; not audited")
        return True
    print(f"{name}: {judged.looked_at} looked at, {len(judged.holes)} with a serious hole")
    for each in (*judged.holes, *judged.minor):
        print(f"  {each}")
    return not judged.holes


def main(paths: Sequence[str]) -> int:
    """Judge the reports given, or ask for fresh ones; 1 when there is a serious hole."""
    if paths:
        reports = {path: json.loads(Path(path).read_text("utf-8")) for path in paths}
    else:
        reports = {"Python packages": python_report(), "npm packages": npm_report()}
    good = [told(name, judge(report)) for name, report in reports.items()]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
