"""Operators' sessions in a real Chromium: one link, one cookie, and nobody else's pages."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, Route, expect

from hub import goals, tokens
from hub.ops_tables import OperatorRow
from tests.builders import FILES, a_spec
from tests.faults.hub_process import HubProcess
from tests.services.openid_server import CLIENT, SECRET, OpenIdServer, openid_server
from tests.ui.conftest import opened

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
HOURS = 3600
NEIGHBOUR, STRANGER = "http://127.0.0.1:9", "http://evil.example"
"""The same site on another port, whose pages the cookie reaches; and another site."""
TRAP = """<form method=post enctype=text/plain action="{url}/v1/ops/actions">
<input name='{{"action":"hub.posts","reason":"a trap","x":"' value='"}}'></form>
<button onclick="document.forms[0].submit()">Win a prize</button>"""


@dataclass
class Office:
    """A hub process, its operator grace's token, and its sign-in provider."""

    hub: HubProcess
    token: str
    provider: OpenIdServer

    def acts(self, action: str, **what: str) -> dict[str, Any]:
        """Act as grace."""
        body = {"action": action, "reason": "a test wants it", **what}
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.hub.url}/v1/ops/actions"
        answer = httpx.post(url, json=body, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def link(self) -> str:
        """A fresh sign-in link for grace."""
        return str(self.acts("operator.link", operator="grace")["secret"])


@pytest.fixture(scope="module")
def office(built_board: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One hub for all: every test signs in with a link of its own."""
    with openid_server() as provider:
        hub = HubProcess(tmp_path_factory.mktemp("office") / "hub")
        hub.settings = {
            "AGENTHUB_PUBLIC_URL": hub.url,
            "AGENTHUB_OPENID_ISSUER": provider.url,
            "AGENTHUB_OPENID_CLIENT_ID": CLIENT,
            "AGENTHUB_OPENID_CLIENT_SECRET": SECRET,
            "AGENTHUB_OPENID_NAME": "Example",
        }
        with opened(hub.data) as data, data.database.work() as work:
            goals.open_goal(work, data.git, a_spec(), FILES)
            row = OperatorRow(name="grace", email="grace@example.org", created_at=work.now)
            work.session.add(row)
            work.session.flush()
            token = tokens.issue(work, "operator", "grace")
        hub.start()
        yield Office(hub, token, provider)
        hub.kill()


@pytest.fixture
def profile(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Open a fresh browser profile."""
    opened: list[BrowserContext] = []

    def _open() -> BrowserContext:
        opened.append(browser.new_context())
        return opened[-1]

    yield _open
    for each in opened:
        each.close()


@pytest.fixture
def signed_in(office: Office, profile: Callable[[], BrowserContext]) -> Page:
    """A page on which grace has signed in by a link."""
    page = profile().new_page()
    follow(page, office.link())
    page.wait_for_url("**/ops")
    return page


def follow(page: Page, link: str) -> None:
    """Open a link as somebody does who finds it in the terminal."""
    page.goto(link)
    page.get_by_role("button", name="Sign in", exact=True).click()


def the_cookie(page: Page) -> dict[str, Any]:
    found = [dict(each) for each in page.context.cookies() if each["name"] == "agenthub"]
    assert len(found) == 1
    return found[0]


def whoami(page: Page, office: Office) -> int:
    """What the hub says to this browser's cookies."""
    return page.context.request.get(f"{office.hub.url}/v1/session").status


def test_a_link_signs_one_browser_in_once(
    office: Office, profile: Callable[[], BrowserContext]
) -> None:
    link, first, second = office.link(), profile().new_page(), profile().new_page()
    first.goto(link)
    first.wait_for_url(f"{office.hub.url}/signin")  # the code is gone from the address
    first.get_by_role("button", name="Sign in", exact=True).click()
    expect(first.get_by_role("navigation", name="Parts")).to_be_visible()

    follow(second, link)

    expect(second.get_by_role("alert")).to_contain_text("valid token")
    assert whoami(second, office) == 401 and whoami(first, office) == 200


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(
    signed_in: Page, office: Office
) -> None:
    cookie = the_cookie(signed_in)

    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/"
    assert 11 * HOURS < cookie["expires"] - time.time() < 13 * HOURS
    assert signed_in.evaluate("document.cookie") == ""


@pytest.mark.parametrize(("origin", "code"), [(NEIGHBOUR, 403), (STRANGER, 401)])
def test_another_pages_form_acts_for_nobody(
    signed_in: Page, office: Office, origin: str, code: int
) -> None:
    def _trap(route: Route) -> None:
        route.fulfill(content_type="text/html", body=TRAP.format(url=office.hub.url))

    page = signed_in.context.new_page()
    page.route(f"{origin}/**", _trap)
    page.goto(f"{origin}/")

    def _sprung(answer: Response) -> bool:
        return answer.url.endswith("/v1/ops/actions")

    with page.expect_response(_sprung) as sprung:
        page.get_by_role("button").click()

    assert sprung.value.status == code
    headers = {"Authorization": f"Bearer {office.token}"}
    log = httpx.get(f"{office.hub.url}/v1/ops/actions", headers=headers, timeout=60)
    assert "a trap" not in log.text


def test_signing_out_ends_a_stolen_copy_too(
    signed_in: Page, office: Office, profile: Callable[[], BrowserContext]
) -> None:
    thief = profile()
    thief.add_cookies([signed_in.context.cookies()[0]])  # type: ignore[list-item]
    stolen = thief.new_page()
    assert whoami(stolen, office) == 200

    signed_in.goto(f"{office.hub.url}/signin")
    signed_in.get_by_role("button", name="Sign out").click()
    expect(signed_in.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    assert whoami(stolen, office) == 401
    assert [each for each in signed_in.context.cookies() if each["name"] == "agenthub"] == []


def test_a_removed_operator_is_out_on_the_next_click(
    office: Office, profile: Callable[[], BrowserContext]
) -> None:
    page = profile().new_page()
    follow(page, str(office.acts("operator.add", operator="hopper")["secret"]))
    page.wait_for_url("**/ops")
    office.acts("operator.remove", operator="hopper")

    page.get_by_role("link", name="Log").click()

    expect(page.get_by_text("valid token").first).to_be_visible()
    assert whoami(page, office) == 401


def test_a_session_whose_time_is_over_is_out(signed_in: Page, office: Office) -> None:
    database = sqlite3.connect(office.hub.data / "hub.sqlite3", timeout=60)
    database.execute("update tokens set expires_at = '2020-01-01 00:00:00' where kind = 'session'")
    database.commit()
    database.close()

    assert whoami(signed_in, office) == 401


def test_the_provider_s_button_leads_there_and_back(
    office: Office, profile: Callable[[], BrowserContext]
) -> None:
    office.provider.email = "grace@example.org"
    page = profile().new_page()
    page.goto(f"{office.hub.url}/signin")
    page.get_by_role("link", name="Sign in with Example").click()
    page.wait_for_url("**/ops")

    expect(page.get_by_role("navigation", name="Parts")).to_be_visible()
    assert the_cookie(page)["sameSite"] == "Strict"


def test_a_stranger_comes_back_to_a_sentence(
    office: Office, profile: Callable[[], BrowserContext]
) -> None:
    office.provider.email = "mallory@example.org"
    page = profile().new_page()
    page.goto(f"{office.hub.url}/signin")
    page.get_by_role("link", name="Sign in with Example").click()

    expect(page.get_by_role("alert")).to_contain_text("no operator here")
    assert whoami(page, office) == 401
