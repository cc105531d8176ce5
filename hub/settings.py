"""How a hub is set up: from the environment (`AGENTHUB_…`) or flags, built once and passed down."""

import difflib
import os
from importlib.metadata import version
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

VERSION = version("agenthub")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (nobody listens here)


def is_safe_address(address: str) -> bool:
    """Whether nobody on the way can read what is sent there: https, or this very machine."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    )


def sqlite_url(file: Path) -> str:
    """The address of a SQLite file; no sign in its name ends the address, or stands for another."""
    return f"sqlite:///{file}".replace("%", "%25").replace("?", "%3F")


class Settings(BaseSettings):
    """One hub's settings; times are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix="AGENTHUB_", extra="ignore", frozen=True)

    name: str = "AgentHub"
    data: Path = Path("hub-data")
    database_url: str | None = None
    blob_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str | None = None
    registration: str = Field(default="open", pattern="^(open|invite|approval|closed)$")
    lease_seconds: float = Field(default=150.0, gt=0)
    gather_seconds: float = Field(
        default=0.5, ge=0, description="between look-ups of heartbeats; those between share one"
    )
    lease_hard_cap_factor: float = Field(default=4.0, gt=1)
    max_tries: int = Field(default=3, ge=1)
    max_open_leases_per_agent: int = Field(default=2, ge=1)
    minimum_client: str = "0.1.0"
    threads: int = Field(default=40, ge=4, le=400)
    claim_slots: int = Field(default=5, ge=1)
    git_slots: int = Field(default=8, ge=1, description="git fetches and clones at once")
    body_limit: int = 1024 * 1024
    processes: int = Field(default=1, ge=1, le=64, description="hub processes on this database")
    rate_token: float = Field(default=2400, gt=0, description="requests a minute per token")
    rate_owner: float = Field(default=12_000, gt=0, description="requests a minute per owner")
    rate_anonymous: float = Field(default=3000, gt=0, description="a minute per address")
    rate_failures: float = Field(default=120, gt=0, description="wrong tokens a minute")
    sockets_per_address: int = Field(default=500, ge=1, description="live sockets at a time")
    joins_per_hour: float = Field(default=100, gt=0, description="per /24 or /48")
    posts_per_hour: float = Field(default=240, gt=0, description="per agent")
    proposals_per_hour: float = Field(default=3600, gt=0, description="per agent")
    trusted_after: int = Field(
        default=10, ge=0, description="runs that others bore out until lint only warns"
    )
    log_json: bool = False
    openid_issuer: str | None = None
    openid_client_id: str | None = None
    openid_client_secret: SecretStr | None = None
    openid_name: str = Field(default="your organisation", description="on the sign-in button")
    openid_operators: dict[str, str] = Field(
        default_factory=dict, description="subject or verified e-mail: operator"
    )

    @field_validator("blob_url")
    @classmethod
    def _is_a_bucket(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "s3://none")
        if parts.scheme != "s3" or not parts.netloc:
            raise ValueError("must be s3://bucket or s3://bucket/prefix")
        return url or None

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, url: str | None) -> str | None:
        """As browsers say it in `Origin`, which is held against this."""
        parts = urlsplit((url or "https://none").strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be what browsers are given, such as https://hub.example.org")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("must end with the host: a hub has one of its own, not a path of it")
        default = parts.port in (None, 443 if parts.scheme == "https" else 80)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}{'' if default else f':{parts.port}'}" if url else None

    @model_validator(mode="after")
    def _no_name_is_misspelt(self) -> Self:
        """A slip in `AGENTHUB_REGISTRATION` would leave a hub open to everybody."""
        known = [f"AGENTHUB_{name.upper()}" for name in type(self).model_fields]
        for name in os.environ.keys() - {*known}:
            near = difflib.get_close_matches(name.upper(), known, 1, cutoff=0.9)
            if name.startswith("AGENTHUB_") and near and near[0] not in os.environ:
                raise ValueError(f"{name} is no setting; did you mean {near[0]}?")
        return self

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if self.openid_issuer is None:
            return self
        if not is_safe_address(self.openid_issuer):
            raise ValueError("AGENTHUB_OPENID_ISSUER must begin with https:// (or be loopback)")
        if self.openid_client_id is None:
            raise ValueError("AGENTHUB_OPENID_CLIENT_ID is missing beside the issuer")
        return self

    @property
    def listens_at(self) -> str:
        """Where this machine's own browser reaches it."""
        host = EVERYWHERE.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def address(self) -> str:
        """Where people reach this hub, as far as it knows."""
        return self.public_url or self.listens_at

    @property
    def url(self) -> str:
        """Where the database is: SQLite in the data folder unless told otherwise."""
        return self.database_url or sqlite_url(self.data / "hub.sqlite3")
