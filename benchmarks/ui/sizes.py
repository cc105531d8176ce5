"""Bytes of the built board, gzipped: what a page loads before its first paint, and what follows."""

import gzip
import json
from pathlib import Path
from typing import Any

import board_ui

PAGES = ("Goals", "Goal", "Experiment", "Board", "Topic", "Agents", "Agent", "Search", "Ops")
SHARED = {
    **dict.fromkeys(("Board", "Topic", "Search"), "board"),
    **dict.fromkeys(("Agents", "Agent"), "people"),
}
"""Small pages that share a file, by its name in `vite.config.ts`."""


def sizes() -> dict[str, int]:
    """Sizes in bytes of the goal page's first view, of each page's, of late parts, and of all."""
    folder = built()
    first = {page: first_view(folder, f"src/pages/{page}.svelte") for page in PAGES}
    return {
        "goal page, first view, JS": total(folder, first["Goal"], ".js"),
        "goal page, first view, CSS": total(folder, first["Goal"], ".css"),
        "largest first view, JS": max(total(folder, files, ".js") for files in first.values()),
        "diff with colours": late(folder, "src/diff/Diff.svelte"),
        "plots": late(folder, "src/charts/Progress.svelte"),
        "tree": late(folder, "src/tree/Tree.svelte"),
        "operators": late(folder, "src/pages/Ops.svelte"),
        "composer": total(folder, composer(folder), ".js"),
        "everything": total(folder, {path.name for path in (folder / "assets").iterdir()}, ""),
    }


def built() -> Path:
    """The built board; fails where it was left out."""
    folder = board_ui.assets()
    assert folder is not None, "build the board first: make dev"
    return folder


def manifest(folder: Path) -> dict[str, Any]:
    """Which source became which file, and what each imports, as Vite wrote it down."""
    said: dict[str, Any] = json.loads((folder / "pages.json").read_text("utf-8"))
    return said


def first_view(folder: Path, page: str) -> set[str]:
    """Names of the files that a page needs at once: its own and the HTML's, with their imports."""
    parts = manifest(folder)
    shared = SHARED.get(Path(page).stem)
    named = (key for key, part in parts.items() if shared and part.get("name") == shared)
    return always(folder) | closure(parts, next(named, page))


def always(folder: Path) -> set[str]:
    """Names of the files that the HTML of every page asks for."""
    parts, html = manifest(folder), (folder / "index.html").read_text("utf-8")
    named = [key for key, part in parts.items() if part["file"] in html]
    return {"theme.js"}.union(*(closure(parts, key) for key in named))


def late(folder: Path, source: str) -> int:
    """Bytes of a part that comes when asked for, beyond what every page has."""
    return total(folder, closure(manifest(folder), source) - always(folder), ".js")


def composer(folder: Path) -> set[str]:
    """What somebody who writes loads beyond a topic's page."""
    topic = first_view(folder, "src/pages/Topic.svelte")
    return closure(manifest(folder), "src/posts/Composer.svelte") - topic


def closure(parts: dict[str, Any], start: str) -> set[str]:
    """A source's file and all that it imports at once; what it imports later is not followed."""
    seen: set[str] = set()
    found: set[str] = set()
    queue = [start]
    while queue:
        key = queue.pop()
        if key in seen:
            continue
        seen.add(key)
        part = parts[key]
        found |= {Path(name).name for name in (part["file"], *part.get("css", []))}
        queue += part.get("imports", [])
    return found


def total(folder: Path, names: set[str], suffix: str) -> int:
    """Gzipped bytes of the files of one kind."""
    return sum(_packed(folder, name) for name in names if name.endswith(suffix))


def _packed(folder: Path, name: str) -> int:
    path = folder / "theme.js" if name == "theme.js" else folder / "assets" / name
    return len(gzip.compress(path.read_bytes(), 9))


if __name__ == "__main__":
    print(json.dumps(sizes(), indent=2))
