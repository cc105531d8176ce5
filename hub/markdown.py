"""Posts become HTML once, when written: Markdown without HTML, then an allow-list."""

from markdown_it import MarkdownIt
from nh3 import Cleaner

RENDERER = 1
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(
    ["table", "strikethrough"]
)
_TAGS = {
    *("p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "del", "s", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_cleaner = Cleaner(
    tags=_TAGS,
    attributes={"a": {"href", "title"}, "code": {"class"}, "th": {"align"}, "td": {"align"}},
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow noopener noreferrer ugc",
)


def render(text: str) -> str:
    """Render a post's Markdown to HTML that holds nothing active and loads nothing."""
    return _cleaner.clean(_markdown.render(text))
