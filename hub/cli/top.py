"""`hub top`: goals, champions, runs under way and last results, live in a terminal."""

import time
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hub.errors import HubError
from hub.words import number

ROWS = 8


class HubAway(HubError):
    """No hub answers there; give its address as in `hub top http://127.0.0.1:8000`."""

    code, status = "hub_away", 503


def top(
    url: Annotated[str, typer.Argument(help="The hub's address.")] = "http://127.0.0.1:8000",
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one look and end.")] = False,
) -> None:
    """Watch a hub from a terminal; Ctrl-C ends it."""
    console = Console()
    with _at(url) as http:
        screen = look(http)
        if once:
            console.print(screen)
            return
        with Live(screen, console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(_looked(http, screen), refresh=True)


def _at(url: str) -> httpx.Client:
    try:
        return httpx.Client(base_url=url, timeout=10)
    except (httpx.InvalidURL, UnicodeError) as error:  # that is no address at all
        raise HubAway from error


def look(http: httpx.Client) -> Group:
    """One look at the hub; raises HubAway when nobody answers."""
    overview = _read(http, "/v1/overview")
    running = _read(http, "/v1/leases")
    parts: list[Any] = [_strip(overview), _running(running)]
    for goal in overview["goals"]:
        newest = _read(http, f"/v1/goals/{goal['name']}/experiments?limit={ROWS}")
        parts.append(_results(goal, newest["experiments"]))
    return Group(*parts)


def _looked(http: httpx.Client, before: Group) -> Group:
    """A fresh look, or the last one with a word that the hub is away."""
    try:
        return look(http)
    except HubAway:
        return Group(Text("The hub does not answer; trying again.", style="yellow"), before)


def _read(http: httpx.Client, path: str) -> Any:
    try:
        answer = http.get(path)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise HubAway from error


def _strip(said: dict[str, Any]) -> Text:
    return Text(
        f"{said['name']} {said['version']}   {said['agents_online']} agents online   "
        f"{said['experiments_last_hour']} runs in the last hour   "
        f"{said['gpu_hours_today']:.1f} device hours today",
        style="bold",
    )


def _running(leases: list[dict[str, Any]]) -> Table:
    table = Table(title=f"Running: {len(leases)}", title_justify="left", expand=True)
    for name in ("agent", "goal", "work", "phase", "done", "step", "loss"):
        table.add_column(name)
    for lease in leases[:ROWS]:
        loss = "" if lease["loss"] is None else f"{lease['loss']:.4f}"
        done = f"{lease['fraction']:.0%}"
        cells = (lease["agent"], lease["goal"], lease["kind"], lease["phase"] or "starting")
        table.add_row(*(_plain(cell) for cell in cells), done, str(lease["step"]), loss)
    return table


def _results(goal: dict[str, Any], rows: list[dict[str, Any]]) -> Table:
    best = goal["verified_best"] if goal["verified_best"] is not None else goal["best"]
    word = "champion" if goal["verified_best"] is not None else "best claim"
    title = f"{goal['name']}: {word} {_number(best)}, baseline {_number(goal['baseline'])}"
    table = Table(title=Text(title), title_justify="left", expand=True)
    for name in ("#", "change", goal["metric"], "delta", "standing", "agent"):
        table.add_column(name)
    for row in rows:
        delta = "" if row["delta"] is None else number(row["delta"], "+")
        table.add_row(
            str(row["number"]),
            _plain(row["title"]),
            _number(row["score"]),
            delta,
            _standing(row),
            _plain(row["agent"] or "hub"),
        )
    return table


def _standing(row: dict[str, Any]) -> str:
    if row["failure"] or row["status"] == "finished":
        return str(row["failure"] or row["standing"])
    unrun = row["operator"] == "baseline" and row["status"] == "running"
    return "not run yet" if unrun else str(row["status"])


def _number(value: float | None) -> str:
    return "-" if value is None else number(value)


def _plain(words: str) -> Text:
    """Agents' words as text: no markup, and no control characters that would move the cursor."""
    return Text("".join(char for char in words if char.isprintable()))
