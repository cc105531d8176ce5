"""A real hub process with a small world, and a real Chromium that counts what it should not do."""

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

import board_ui
from hub.core import Hub, open_hub
from hub.settings import Settings
from tests.services import cradle
from tests.services.chromium import FLAGS
from tests.services.ports import free_port
from tests.ui import enemy, world

expect.set_options(timeout=30_000)  # a machine that runs other tests as well may be slow
AXE = Path("board_ui/node_modules/axe-core/axe.min.js")


@dataclass
class ServedHub:
    """A hub process that can be killed and started again on the same port."""

    data: Path
    port: int
    process: cradle.Born | None = None

    @property
    def url(self) -> str:
        """Where the board is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and wait until the hub answers."""
        command = ["hub", "serve", "--data", str(self.data), "--port", str(self.port)]
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = cradle.bear(command, os.environ, log)
        for _ in range(600):
            try:
                self.get("/healthz")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the hub did not answer within a minute")

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> dict[str, object]:
        """Read JSON from the API."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            said: dict[str, object] = json.load(answer)
            return said


@dataclass
class Watched:
    """What a browser did that the board must never make it do."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def built_board() -> Path:
    """The board's built pages."""
    folder = board_ui.assets()
    if folder is None:
        pytest.skip("the board is not built: this checkout was installed with AGENTHUB_UI=skip")
    return folder


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that nobody changes; tests that write take a copy."""
    data = tmp_path_factory.mktemp("world") / "hub"
    world.build(data, experiments=24)
    return data


@contextmanager
def served(data: Path) -> Iterator[ServedHub]:
    """A hub process over a data folder, killed at the end."""
    hub = ServedHub(data, free_port())
    hub.start()
    try:
        yield hub
    finally:
        hub.kill()


@pytest.fixture(scope="session")
def hub_process(built_board: Path, small_world: Path) -> Iterator[ServedHub]:
    """One hub for all tests that only read."""
    with served(small_world) as hub:
        yield hub


@pytest.fixture(scope="module")
def own_world(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small world that a module's tests may change."""
    return Path(shutil.copytree(small_world, tmp_path_factory.mktemp("own") / "hub"))


@pytest.fixture(scope="session")
def hostile(
    built_board: Path, small_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedHub]:
    """A hub in the middle of work, whose words were written by an enemy."""
    data = Path(shutil.copytree(small_world, tmp_path_factory.mktemp("hostile") / "hub"))
    with opened(data) as hub:
        enemy.write_into(hub)
    with served(data) as process:
        yield process


@contextmanager
def opened(data: Path) -> Iterator[Hub]:
    """A world without a server, to put something into it."""
    hub = open_hub(Settings(data=data))
    try:
        yield hub
    finally:
        hub.database.dispose()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        flags = [flag for flag in FLAGS if not flag.startswith("--headless")]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def watched() -> Watched:
    """The list of sins, empty at first."""
    return Watched()


@pytest.fixture
def open_page(
    browser: Browser, hub_process: ServedHub, watched: Watched
) -> Iterator[Callable[..., Page]]:
    """Open a path of the board in a fresh profile and wait until its panels are filled."""
    contexts = []

    def _open(path: str, theme: str = "light", width: int = 1280, at: str = "") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        watch(page, at or hub_process.url, watched)
        page.goto((at or hub_process.url) + path)
        settle(page)
        return page

    yield _open
    for context in contexts:
        context.close()


def watch(page: Page, origin: str, watched: Watched) -> None:
    """Write down console errors, requests that leave the origin, and dialogs."""
    inside = (origin, origin.replace("http", "ws"), "data:", "blob:")
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on(
        "console",
        lambda said: watched.errors.append(said.text) if said.type == "error" else None,
    )
    page.on(
        "request",
        lambda request: (
            watched.outside.append(request.url) if not request.url.startswith(inside) else None
        ),
    )

    def _dismiss(dialog: Dialog) -> None:
        watched.dialogs.append(str(dialog))
        dialog.dismiss()

    page.on("dialog", _dismiss)


def settle(page: Page) -> None:
    """Wait until something is shown and no panel is loading."""
    page.wait_for_selector("main h1, main h2", state="attached", timeout=60_000)
    # Not wait_for_function: it evaluates strings in the page, which the page's own CSP forbids.
    expect(page.locator("[aria-busy=true]")).to_have_count(0, timeout=60_000)
