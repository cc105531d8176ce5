"""Sign-in by OpenID Connect, against a provider that speaks the real wire, faults included."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import ValidationError

from hub import openid
from hub.app import create_app
from hub.cli.root import main
from hub.core import Hub, open_hub
from hub.ops_tables import OperatorRow
from hub.settings import Settings
from tests.builders import NOON, Clock
from tests.services.openid_server import CLIENT, SECRET, OpenIdServer, openid_server

OURS = "http://hub.example"
GRACE = "grace@example.org"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdServer]:
    with openid_server() as server:
        yield server


@pytest.fixture
def provider(running: OpenIdServer) -> OpenIdServer:
    """The provider with nothing wrong, on the hub's clock."""
    running.subject, running.email, running.email_verified = "248289761001", GRACE, True
    running.fault, running.clock = "", NOON.timestamp()
    running.key = running.key if running.key.kid == "first" else type(running)().key
    running.asked.clear()
    return running


@pytest.fixture
def known() -> dict[str, str]:
    """Whom the settings let in, by subject or address."""
    return {}


@pytest.fixture
def hub(
    tmp_path: Path, sqlite_url: str, clock: Clock, provider: OpenIdServer, known: dict[str, str]
) -> Iterator[Hub]:
    """A hub with the provider, and the operator grace who has an address there."""
    settings = Settings(
        data=tmp_path / "hub",
        database_url=sqlite_url,
        public_url=OURS,
        openid_issuer=provider.url,
        openid_client_id=CLIENT,
        openid_client_secret=SECRET,
        openid_name="Example",
        openid_operators=known,
    )
    hub = open_hub(settings, clock)
    with hub.database.work() as work:
        work.session.add(OperatorRow(name="grace", email="Grace@Example.org", created_at=NOON))
        work.session.add(OperatorRow(name="hopper", created_at=NOON))
    yield hub
    hub.database.dispose()


@pytest.fixture
def http(hub: Hub) -> Iterator[TestClient]:
    """A browser that does not follow redirects by itself."""
    with TestClient(create_app(hub), base_url=OURS, follow_redirects=False) as client:
        yield client


def leave(http: TestClient) -> str:
    """Begin, consent, and return the address that the provider sends the browser to."""
    begun = http.get("/v1/session/openid")
    assert begun.status_code == 303
    consented = httpx.get(begun.headers["location"], follow_redirects=False, timeout=60)
    return consented.headers["location"]


def walk(http: TestClient) -> Response:
    """The whole way and back."""
    return http.get(leave(http))


def ended(answer: Response) -> str:
    """Where the walk ended: `signed-in` or a refusal's code."""
    assert answer.status_code == 303
    page, _, said = answer.headers["location"].partition("#")
    assert page == "/signin"
    return str(said.removeprefix("refused="))


def test_whom_the_provider_vouches_for_is_signed_in(http: TestClient) -> None:
    answer = walk(http)

    assert ended(answer) == "signed-in"
    assert http.get("/v1/session").json()["operator"] == "grace"
    cookie = next(each for each in answer.headers.get_list("set-cookie") if "openid" not in each)
    assert "httponly" in cookie.lower() and "samesite=strict" in cookie.lower()


def test_what_leaves_the_hub_is_a_code_flow_with_pkce(http: TestClient) -> None:
    begun = http.get("/v1/session/openid")

    asked = {
        name: found[0]
        for name, found in parse_qs(urlsplit(begun.headers["location"]).query).items()
    }
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == OURS + openid.CALLBACK
    assert len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "max-age=600" in cookie


def test_the_host_of_a_request_never_chooses_where_the_browser_returns(http: TestClient) -> None:
    begun = http.get("/v1/session/openid", headers={"Host": "evil.example"})

    assert "evil.example" not in begun.headers["location"]


@pytest.mark.parametrize(
    "fault",
    ["nonce", "no nonce", "audience", "party", "no party", "issuer", "expired", "future", "hash",
     "no subject", "numbered", "none", "shared secret", "public key", "foreign key", "no token"],
)  # fmt: skip
def test_a_token_that_proves_nothing_opens_nothing(
    http: TestClient, provider: OpenIdServer, fault: str
) -> None:
    provider.fault = fault

    assert ended(walk(http)) == "bad_identity"
    assert http.get("/v1/session").status_code == 401


@pytest.mark.parametrize(
    ("fault", "code"),
    [("declined", "sign_in_declined"), ("mixed up", "sign_in_declined"), ("down", "provider_away")],
)
def test_a_refusal_on_the_way_says_which(
    http: TestClient, provider: OpenIdServer, fault: str, code: str
) -> None:
    provider.fault = fault

    assert ended(walk(http)) == code
    assert code in http.get("/v1/session/ways").json()["refusals"]


@pytest.mark.parametrize("fault", ["liar", "in the clear"])
def test_a_provider_that_is_somebody_else_is_not_asked(
    http: TestClient, provider: OpenIdServer, fault: str
) -> None:
    provider.fault = fault

    assert ended(http.get("/v1/session/openid")) == "provider_away"


def test_another_state_is_refused_before_the_provider_is_asked(
    http: TestClient, provider: OpenIdServer
) -> None:
    back = leave(http)

    assert ended(http.get(back.replace("state=", "state=x"))) == "sign_in_lost"
    assert "/token" not in provider.asked


def test_another_browsers_answer_is_refused(http: TestClient) -> None:
    back = leave(http)
    other = TestClient(http.app, base_url=OURS, follow_redirects=False)

    assert ended(other.get(back)) == "sign_in_lost"
    other.get("/v1/session/openid")
    assert ended(other.get(back)) == "sign_in_lost"


def test_a_forged_attempt_is_refused(http: TestClient) -> None:
    back = leave(http)
    sealed = openid.seal("guess", openid.Attempt("s", "n", "v", NOON.timestamp() + 60))
    http.cookies.clear()
    http.cookies.set("agenthub-openid", sealed)

    assert ended(http.get(back)) == "sign_in_lost"


def test_a_code_works_once(http: TestClient) -> None:
    back = leave(http)
    cookie = http.cookies["agenthub-openid"]
    assert ended(http.get(back)) == "signed-in"

    http.cookies.clear()
    http.cookies.set("agenthub-openid", cookie)

    assert ended(http.get(back)) == "sign_in_declined"
    assert http.get("/v1/session").status_code == 401


def test_an_attempt_lasts_ten_minutes(http: TestClient, clock: Clock) -> None:
    back = leave(http)
    clock.forward(601)

    assert ended(http.get(back)) == "sign_in_lost"


def test_new_keys_are_fetched_when_the_old_do_not_fit(
    http: TestClient, provider: OpenIdServer
) -> None:
    assert ended(walk(http)) == "signed-in"
    provider.fault = "rotated"

    assert ended(walk(http)) == "signed-in"
    assert provider.asked.count("/keys") == 2


def test_a_provider_that_takes_its_secret_in_the_form(
    http: TestClient, provider: OpenIdServer
) -> None:
    provider.fault = "post"

    assert ended(walk(http)) == "signed-in"


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_nobody_verified_is_nobody(
    http: TestClient, provider: OpenIdServer, verified: object
) -> None:
    provider.email_verified = verified

    assert ended(walk(http)) == "not_an_operator"


def test_a_stranger_with_an_account_is_no_operator(
    http: TestClient, provider: OpenIdServer
) -> None:
    provider.email = "mallory@example.org"

    assert ended(walk(http)) == "not_an_operator"


def test_a_removed_operator_stays_out(http: TestClient, hub: Hub) -> None:
    with hub.database.work() as work:
        work.session.get_one(OperatorRow, "grace").state = "removed"

    assert ended(walk(http)) == "not_an_operator"


@pytest.mark.parametrize(
    ("known", "subject", "email", "who"),
    [
        ({"7f3a": "hopper"}, "7f3a", None, "hopper"),
        ({"Amazing@Example.org": "hopper"}, "x", "amazing@example.org", "hopper"),
        ({"7f3a": "nobody"}, "7f3a", None, None),
        ({"7f3a": "hopper"}, "7f3a", GRACE, None),  # two operators at once
        (
            {"mallory@example.org": "hopper"},
            "mallory@example.org",
            None,
            None,
        ),  # a subject like an address
    ],
)
def test_settings_let_operators_in_by_subject_or_address(
    http: TestClient, provider: OpenIdServer, subject: str, email: str | None, who: str | None
) -> None:
    provider.subject, provider.email_verified = subject, email is not None
    provider.email = email or GRACE

    assert ended(walk(http)) == ("signed-in" if who else "not_an_operator")
    assert who is None or http.get("/v1/session").json()["operator"] == who


def test_signing_out_ends_it_and_links_still_work(http: TestClient, hub: Hub) -> None:
    assert ended(walk(http)) == "signed-in"
    headers = {"Origin": OURS, "X-CSRF-Token": http.get("/v1/session").json()["csrf"]}

    assert http.delete("/v1/session", headers=headers).status_code == 204
    assert http.get("/v1/session").status_code == 401
    assert http.get("/v1/session/ways").json()["provider"] == "Example"


def test_nothing_of_the_walk_reaches_the_log(
    http: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    back = leave(http)
    http.get(back)
    told = "".join(capsys.readouterr())

    secrets = [found[0] for found in parse_qs(urlsplit(back).query).values()]
    assert [each for each in (*secrets[:2], SECRET) if each in told] == []


@pytest.mark.parametrize(
    "said",
    [
        {"openid_issuer": "http://accounts.example.org", "openid_client_id": "x"},
        {"openid_issuer": "file:///etc/passwd", "openid_client_id": "x"},
        {"openid_issuer": "https://accounts.example.org"},
    ],
)
def test_settings_that_are_not_safe_are_refused(said: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="AGENTHUB_OPENID"):
        Settings.model_validate(said)


def test_a_hub_without_a_provider_says_so(tmp_path: Path, sqlite_url: str) -> None:
    hub = open_hub(Settings(data=tmp_path / "hub", database_url=sqlite_url))
    with TestClient(create_app(hub), follow_redirects=False) as http:
        assert ended(http.get("/v1/session/openid")) == "no_provider"
        assert ended(http.get("/v1/session/openid/callback")) == "no_provider"
        assert http.get("/v1/session/ways").json()["provider"] is None


def test_a_setting_that_is_not_safe_is_one_sentence_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGENTHUB_OPENID_ISSUER", "http://accounts.example.org")
    monkeypatch.setenv("AGENTHUB_OPENID_CLIENT_SECRET", SECRET)
    monkeypatch.setattr("sys.argv", ["hub", "queue", "--data", str(tmp_path)])

    with pytest.raises(SystemExit, match="1"):
        main()

    told = capsys.readouterr().err
    assert "must begin with https://" in told and "bad_setting" in told
    assert len(told.splitlines()) == 1 and SECRET not in told
