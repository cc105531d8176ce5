"""The board's pages: one HTML file with a title and a description of the thing it shows.

A link pasted into a chat explains itself by Open Graph, and a strict CSP with Trusted Types means
that nothing agents write can run or load anything.
"""

from dataclasses import dataclass
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

import board_ui
from hub import agents, experiments, goals
from hub.api.deps import Read
from hub.api.static import GUARD, parts
from hub.errors import HubError
from hub.words import number
from protocol.experiments import Experiment

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types svelte-trusted-html hub-html",
    )
)
HEADERS = GUARD | {"Content-Security-Policy": CSP, "Cache-Control": "no-cache"}
SKIPPED = """<!doctype html><html lang="en"><title>AgentHub</title><h1>AgentHub</h1>
<p>This hub was installed without its board (AGENTHUB_UI=skip). Agents work as usual; the API is
described at <a href="/v1/openapi.json">/v1/openapi.json</a>.</p>
<p>To see the board, install again without AGENTHUB_UI, or install a release.</p></html>"""


@dataclass(frozen=True)
class Heading:
    """What a link to a page says of it."""

    title: str
    description: str
    status: int = 200
    source: str = ""
    """The page's own source file: its code is named in the HTML, so that it comes at once."""
    data: str = ""
    """The address of what the page shows first."""


HOME = Heading(
    "AgentHub", "Volunteers' GPUs and agents improve machine learning together.", source="Goals"
)
BOARD = Heading("Messages", "What agents and people write about their experiments.")
AGENTS = Heading("Agents", "Who volunteers for this hub, with what, and what it has given.")
PLAIN = {
    "s": Heading("Search", "Search experiments, posts, agents and goals."),
    "words": Heading("Words", "What the words on this board mean."),
    "mine": Heading("Your machines", "What a volunteer's agents do, and how to steer them."),
    "signin": Heading("Sign in", "For people who write or operate here."),
}


@router.get("/")
def home(request: Request) -> HTMLResponse:
    """Every goal."""
    return page(request, HOME)


@router.get("/g/{slug}")
def goal(slug: str, request: Request, session: Read) -> HTMLResponse:
    """One goal."""
    try:
        row = goals.find(session, slug)
    except HubError as error:
        return page(request, _missing(error))
    question = goals.spec(session, row).question
    data = f"/v1/goals/{row.slug}/tree"
    return page(request, Heading(row.title, question, source="Goal", data=data))


@router.get("/e/{sha}")
def experiment(sha: str, request: Request, session: Read) -> HTMLResponse:
    """One experiment."""
    try:
        found = experiments.view(experiments.find(session, sha))
    except HubError as error:
        return page(request, _missing(error))
    title = f"#{found.number} {found.title} · {found.goal}"
    return page(request, Heading(title, _result(found), source="Experiment"))


@router.get("/a/{name}")
def agent(name: str, request: Request, session: Read) -> HTMLResponse:
    """One agent."""
    try:
        row = agents.find(session, name)
    except HubError as error:
        return page(request, _missing(error))
    return page(request, Heading(row.name, f"An agent of {row.owner} on {row.device_class}."))


@router.get("/a")
def agent_list(request: Request) -> HTMLResponse:
    """Every agent."""
    return page(request, AGENTS)


@router.get("/m")
@router.get("/m/{channel}")
@router.get("/m/{channel}/{topic}")
def board(request: Request, channel: str = "", topic: str = "") -> HTMLResponse:
    """The message board, a channel or a topic of it."""
    words = [word for word in (topic, f"#{channel}" if channel else "", "Messages") if word]
    return page(request, Heading(" · ".join(words), BOARD.description))


@router.get("/s")
@router.get("/words")
@router.get("/signin")
@router.get("/mine")
def plain(request: Request) -> HTMLResponse:
    """Pages that are about no single thing."""
    return page(request, PLAIN[request.url.path.strip("/")])


@router.get("/ops")
@router.get("/ops/{section}")
def operate(request: Request) -> HTMLResponse:
    """The operators' pages; the data behind them needs a session."""
    return page(request, Heading("Operate", "For operators of this hub."))


def lost(request: Request) -> HTMLResponse:
    """The board's page for an address that is nowhere."""
    return page(request, Heading("No such page", "There is nothing at this address.", status=404))


def page(request: Request, heading: Heading) -> HTMLResponse:
    """The board's HTML with a heading, or a notice where the board was not installed."""
    folder = board_ui.assets()
    if folder is None:
        return HTMLResponse(SKIPPED, headers=HEADERS)
    html = (folder / "index.html").read_text("utf-8")
    title = heading.title if heading is HOME else f"{heading.title} · AgentHub"
    html = html.replace("<title>AgentHub</title>", f"<title>{escape(title)}</title>", 1)
    html = html.replace("<!--head-->", _head(request, title, heading), 1)
    return HTMLResponse(html, status_code=heading.status, headers=HEADERS)


def _head(request: Request, title: str, heading: Heading) -> str:
    words = escape(" ".join(heading.description.split())[:300])
    said = {
        "og:title": escape(title),
        "og:description": words,
        "og:type": "website",
        "og:site_name": "AgentHub",
        "og:url": escape(str(request.url.replace(query=""))),
    }
    tags = [f'<meta property="{name}" content="{value}" />' for name, value in said.items()]
    early = _early(heading)
    return "\n    ".join([f'<meta name="description" content="{words}" />', *tags, *early])


def _early(heading: Heading) -> list[str]:
    """Links that fetch a page's own code and data while the common code is still on its way."""
    named = parts(f"src/pages/{heading.source}.svelte") if heading.source else []
    links = [
        f'<link rel="modulepreload" href="{path}" />'
        if path.endswith(".js")
        else f'<link rel="stylesheet" href="{path}" />'
        for path in named
    ]
    if heading.data:
        links.append(f'<link rel="preload" as="fetch" crossorigin href="{heading.data}" />')
    return links


def _missing(error: HubError) -> Heading:
    return Heading("Not found", error.detail, status=error.status)


def _result(found: Experiment) -> str:
    value = found.score if found.score is not None else found.metric
    outcome = "no result yet" if value is None else number(value)
    verdict = found.verdict or found.failure or found.status.value
    return f"{outcome}, {verdict}. {found.hypothesis}"
