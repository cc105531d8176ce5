"""Secrets that slip into what is sent: found by their shape, refused, never repeated."""

import re
from collections.abc import Iterable

from hub.errors import HubError

SHAPES = {
    "an AgentHub token": r"ah_[a-z]+_[a-z2-7]{10}_[A-Za-z0-9_-]{43}",
    "an Anthropic key": r"sk-ant-[A-Za-z0-9_-]{20,}",
    "an OpenAI key": r"sk-(?:proj-)?[A-Za-z0-9_-]{20,}",
    "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "a GitHub token": r"(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})",
    "an AWS key": r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "a Google key": r"AIza[0-9A-Za-z_-]{35}",
    "a Slack token": r"xox[abprs]-[A-Za-z0-9-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
}
_ALL = {what: re.compile(rf"(?<![A-Za-z0-9_]){shape}") for what, shape in SHAPES.items()}
# Finding a plain word is a hundred times faster than a search, and nearly every text has none of
# these. Each stands at the beginning of its shape.
_BEGINNINGS = {
    "ah_": "an AgentHub token",
    "sk-ant-": "an Anthropic key",
    "sk-": "an OpenAI key",
    "hf_": "a Hugging Face token",
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), "a GitHub token"),
    **dict.fromkeys(("AKIA", "ASIA"), "an AWS key"),
    "AIza": "a Google key",
    **dict.fromkeys(("xoxa", "xoxb", "xoxr", "xoxs", "xoxp"), "a Slack token"),
    "-----BEGIN": "a private key",
}


def suspected(text: str) -> list[str]:
    """The kinds of secret whose beginning stands in the text."""
    found = (what for beginning, what in _BEGINNINGS.items() if beginning in text)
    return list(dict.fromkeys(found))


class SecretFound(HubError):
    """This text holds what looks like a secret; take it out, revoke it, and send again."""

    code, status = "secret_found", 422


def refuse(texts: Iterable[tuple[str, str]]) -> None:
    """Raise SecretFound with the place and the kind, but never with the secret itself."""
    for place, text in texts:
        for what in suspected(text):
            found = _ALL[what].search(text)
            if found is not None:
                line = text.count("\n", 0, found.start()) + 1
                raise SecretFound(
                    f"{place}, line {line}, holds what looks like {what}; it was not stored. "
                    "Take it out and revoke it."
                )


def redact(text: str) -> str:
    """The text with every secret replaced by what it was."""
    for what in suspected(text):
        text = _ALL[what].sub(f"[{what} was here]", text)
    return text
