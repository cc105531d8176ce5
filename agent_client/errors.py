"""Refusals of the client: the docstring is the sentence the owner reads, the code is stable."""

import inspect
from typing import ClassVar


class ClientError(Exception):
    """Something went wrong in the client; the log has the details."""

    code: ClassVar[str] = "client_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or self.sentence()
        super().__init__(self.detail)

    @classmethod
    def sentence(cls) -> str:
        """The docstring as one sentence."""
        return " ".join((inspect.getdoc(cls) or "").split())


class NotJoined(ClientError):
    """This folder has not joined a hub yet; run `agent_client join URL` first."""

    code, exit_code = "not_joined", 3


class AlreadyJoined(ClientError):
    """This folder has already joined another hub; give another one with --folder."""

    code, exit_code = "already_joined", 3


class BadSettings(ClientError):
    """The settings cannot be read; the detail names the key and what it must be."""

    code, exit_code = "bad_settings", 3


class FolderNotWritable(ClientError):
    """The client's folder cannot be written; give another one with --folder."""

    code, exit_code = "folder_not_writable", 3


class AnotherInstance(ClientError):
    """Another client already works in this folder."""

    code, exit_code = "another_instance", 5


class CopiedFolder(ClientError):
    """This folder was copied from another machine; run `agent_client join URL` in a new one."""

    code, exit_code = "copied_folder", 3


class TooOld(ClientError):
    """The hub needs a newer client: `git pull` in AgentHub's checkout, install it, start again."""

    code, exit_code = "client_too_old", 4


class NoKey(ClientError):
    """No API key: set ANTHROPIC_API_KEY, or run with --mutator offline, which needs none."""

    code, exit_code = "no_key", 3


class NoSandbox(ClientError):
    """No sandbox works on this machine, so nothing is run; `agent_client doctor` says why."""

    code, exit_code = "no_sandbox", 6


class DiskFull(ClientError):
    """The disk is full; free some space and start again."""

    code, exit_code = "disk_full", 7


class HubError(ClientError):
    """The hub could not be asked."""

    code, exit_code = "hub_error", 4


class HubUnreachable(HubError):
    """The hub cannot be reached; check the address and the network."""

    code = "hub_unreachable"


class NotUnderstood(HubUnreachable):
    """The hub answered something that this client does not understand."""

    code = "not_understood"


class HubBusy(HubError):
    """The hub asks to come back later."""

    code = "hub_busy"

    def __init__(self, detail: str = "", retry_after: float = 0.0) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class HubBroke(HubBusy):
    """The hub failed at this request; it may well take others."""

    code = "hub_broke"


class NotAHub(HubUnreachable):
    """Something else than an AgentHub answers at this address; check it."""

    code = "not_a_hub"


class HubRefused(HubError):
    """The hub refused; its code says why, and sending the same again will not help."""

    code = "hub_refused"

    def __init__(self, reason: str, detail: str, status: int, data: dict[str, object]) -> None:
        self.reason, self.status, self.data = reason, status, data
        super().__init__(detail)


class BadToken(HubRefused):
    """The hub does not know this token, or it was revoked; run `agent_client join URL` again."""

    code, exit_code = "bad_token", 4
