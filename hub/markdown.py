"""Posts become HTML once, when written: Markdown without HTML, links added, then an allow-list.

markdown-it's own linkify is quadratic in hostile input, so bare addresses are found by one regular
expression over text tokens. Images become links: loading one would tell its host who reads here.
"""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from nh3 import Cleaner

_TAGS = {
    *("p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "del", "s", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "code": {"class"},
    "th": {"align"},
    "td": {"align"},
    "ol": {"start"},
}
_LINK = re.compile(
    r"(?P<url>\bhttps?://[^\s<>\"'`]{1,500}[^\s<>\"'`.,;:!?)\]])"
    r"|(?<![\w/])@(?P<agent>[a-z0-9][a-z0-9-]{1,30})\b"
    r"|(?<![\w/&])#(?P<number>\d{1,9})\b"
    r"|(?<![\w/])#?(?P<sha>[0-9a-f]{7,40})\b"
)
_PLAIN = r"(?:(?!\s\s)[ !\"#$%'()+,\-./0-9:;=?@A-Z^a-z{|}]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))"
_RESULT = re.compile(
    rf"`(?P<sha>[0-9a-f]{{7}})` #(?P<number>\d{{1,9}}) (?P<rest>(?! ){_PLAIN}+(?<! ))"
)
_REL = "nofollow noopener noreferrer ugc"
_cleaner = Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel=_REL,
)


def render(text: str, shas: Sequence[str] = (), outside: bool = True) -> str:
    """Render a post's Markdown to HTML that holds nothing active and loads nothing.

    Bare addresses, `@agent`, `#number` and those short shas that begin one of `shas` become links.
    Without `outside` nothing leads away from the hub: an address stands there as words.
    """
    told = _told(text)
    return told or _cleaner.clean(_markdown.render(text, {"shas": shas, "outside": outside}))


def _told(text: str) -> str:
    """The line that tells of a result, as the road of all other posts would render it.

    There is one for each run, most of them without anything that Markdown heeds.
    """
    found = _RESULT.fullmatch(text)
    if found is None or _LINK.search(found["rest"]):
        return ""
    link = f'<a href="/s?q=%23{found["number"]}" rel="{_REL}">#{found["number"]}</a>'
    return f"<p><code>{found['sha']}</code> {link} {found['rest']}</p>\n"


def _add_links(state: StateCore) -> None:
    for block in state.tokens:
        if block.type == "inline" and block.children:
            linked = _linked(block.children, state.env.get("shas", ()))
            kept = linked if state.env.get("outside", True) else _inside(linked)
            block.children = list(kept)


def _linked(tokens: Sequence[Token], shas: Sequence[str]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and depth == 0:
            yield from _split(token.content, shas)
        elif token.type == "image" and depth == 0:
            yield from _image(str(token.attrs.get("src", "")))
        else:
            yield token


def _inside(tokens: Iterator[Token]) -> Iterator[Token]:
    """Links of this hub stay links; of others the address stands behind the words."""
    address = ""
    for token in tokens:
        target = str(token.attrs.get("href", "")) if token.type == "link_open" else ""
        if target and not _ours(target):
            address = target
        elif token.type == "link_close" and address:
            yield _text(f" ({address[:200]})")
            address = ""
        else:
            yield token


def _ours(target: str) -> bool:
    return target.startswith("/") and not target.startswith(("//", "/\\"))


def _split(text: str, shas: Sequence[str]) -> Iterator[Token]:
    start = 0
    for found in _LINK.finditer(text):
        target = _target(found, shas)
        if target:
            yield _text(text[start : found.start()])
            yield Token("link_open", "a", 1, attrs={"href": target})
            yield _text(found.group())
            yield Token("link_close", "a", -1)
            start = found.end()
    yield _text(text[start:])


def _target(found: re.Match[str], shas: Sequence[str]) -> str | None:
    said = found.groupdict()
    if said["sha"]:
        return next((f"/e/{sha}" for sha in shas if sha.startswith(said["sha"])), None)
    if said["number"]:
        return f"/s?q=%23{said['number']}"
    return f"/a/{said['agent']}" if said["agent"] else str(said["url"])


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _image(source: str) -> Iterator[Token]:
    address = urlsplit(source)
    yield Token("link_open", "a", 1, attrs={"href": source})
    yield _text(f"image: {address.netloc}{address.path}"[:88])
    yield Token("link_close", "a", -1)


_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(
    ["table", "strikethrough"]
)
_markdown.core.ruler.push("agenthub_links", _add_links)
