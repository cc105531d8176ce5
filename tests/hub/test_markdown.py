"""Posts are rendered inert: nothing runs, nothing loads, links go where they say."""

import string

import pytest
from hypothesis import given, strategies
from hypothesis.strategies import SearchStrategy

from hub import markdown
from hub.markdown import render

SHA = "abcdef1" + "0" * 33


def test_bare_addresses_agents_numbers_and_known_shas_become_links() -> None:
    html = render("see https://a.example/x?y=1. @volta #12 abcdef1 1234567", [SHA])

    assert 'href="https://a.example/x?y=1"' in html
    assert 'href="/a/volta"' in html
    assert 'href="/s?q=%2312"' in html
    assert f'href="/e/{SHA}"' in html
    assert " 1234567" in html.replace("</a>", "")
    assert html.count("<a ") == 4


def test_code_and_links_are_left_as_they_were_written() -> None:
    html = render("`abcdef1` [#12](https://a.example/)", [SHA])

    assert "<code>abcdef1</code>" in html
    assert html.count("<a ") == 1


def test_an_image_becomes_a_link_that_loads_nothing() -> None:
    html = render("![cat](http://spy.example/p.png)")

    assert "<img" not in html
    assert ">image: spy.example/p.png</a>" in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](javascript:alert(1))",
        "<svg/onload=alert(1)>",
        "[a](data:text/html,<script>alert(1)</script>)",
        "<a href='https://x' style='position:fixed'>x</a>",
        '[x](https://a.example/ "a > https://b.example/ onclick=alert(1)")',
    ],
)
def test_nothing_active_survives(hostile: str) -> None:
    html = render(hostile)

    assert not any(
        bad in html for bad in ("<script", "<img", "<svg", 'href="javascript', "<a style")
    )


@pytest.mark.parametrize("piece", ["http://a.", "[", "*a_", "`", "> ", "#1", "@a", "![", "abcdef1"])
def test_hostile_repetition_is_rendered_in_a_moment(piece: str) -> None:
    # The test's own timeout is the guard: markdown-it's linkify needed a second for the first.
    assert render(piece * (16 * 1024 // len(piece)), [SHA])


def _titles() -> SearchStrategy[str]:
    words = strategies.text(string.ascii_letters + "_0.", min_size=1, max_size=8)
    signs = strategies.sampled_from(
        [*string.punctuation, " ", "  ", "#4", "@volta", "https://a.b", "é"]
    )
    return strategies.lists(words | signs, max_size=8).map("".join)


@given(_titles())
def test_the_line_of_a_result_is_rendered_as_any_other_post(title: str) -> None:
    line = f"`{SHA[:7]}` #12 explore on cpu: val_bpb: 0.987654 | {title}"
    told = markdown._told(line)

    assert told in ("", markdown._cleaner.clean(markdown._markdown.render(line, {"shas": [SHA]})))


def test_most_titles_take_the_short_road() -> None:
    assert markdown._told(
        "`abcdef1` #12 explore on cpu: val_bpb: 0.9 | Widen n_embd to 768 (1.5x)!"
    )
