"""What a page looks like on paper."""

import re
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]
COLOUR = re.compile(rb"[\d. ]+ (?:RG|rg)\b")
STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
PICTURE = re.compile(rb"/Subtype /Image\b[^>]*/ColorSpace (?!/DeviceGray)")


def inks(printed: bytes) -> tuple[set[bytes], int]:
    """The colours that a PDF draws with, and how many coloured pictures it holds."""
    colours: set[bytes] = set()
    for packed in STREAM.findall(printed):
        with suppress(zlib.error):
            colours |= set(COLOUR.findall(zlib.decompressobj().decompress(packed)))
    return colours, len(PICTURE.findall(printed))


def test_a_goal_is_printed_for_white_paper_whatever_the_screen_is(
    open_page: Callable[..., Page],
) -> None:
    pages = [open_page("/g/tiny_gpt", theme=theme) for theme in ("light", "dark")]
    for _ in ("light", "dark"):
        pages[1].keyboard.press("t")  # dark by choice as well, which outweighs what a system says

    light, dark = [inks(page.pdf(print_background=True)) for page in pages]

    assert light[0]
    assert dark == light
    assert light[1] == 0, "plots are drawn for the paper, and no picture of the screen"
