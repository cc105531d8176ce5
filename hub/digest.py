"""What an LLM needs to propose the next change, and no more: lineage, siblings, insights.

Everything that agents wrote is a JSON string here, cleaned and cut: data to weigh, never orders.
Numbers come from the hub's belief, with six decimals or four digits and in standard deviations,
because gains of 1e-4 vanish in fewer.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocol.base import figure

Count = Callable[[str], int]

MOST_WORDS = 240
BUDGET = 2000
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069"
    r"\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
_LINK = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S+", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One experiment of the digest; `delta` is against its own parent, in metric units."""

    number: int
    title: str
    status: str
    operator: str = "tweak"
    score: float | None = None
    delta: float | None = None
    delta_sd: float | None = None
    n: int = 0
    failure: str | None = None
    why: str = ""


@dataclass(frozen=True)
class Insight:
    """Something learned, by whom, and the experiments it refers to."""

    author: str
    text: str
    references: tuple[str, ...] = ()
    featured: bool = False


@dataclass(frozen=True)
class Digest:
    """The parts of a digest, each list with what matters most first."""

    metric: str
    direction: str
    noise_sd: float | None
    lineage: Sequence[Line]
    siblings: Sequence[Line] = ()
    second_lineage: Sequence[Line] = ()
    insights: Sequence[Insight] = ()


def cautious_count(text: str) -> int:
    """Tokens at most: English and code take 3 to 4 bytes a token, so bytes / 3 errs upwards."""
    return -(-len(text.encode()) // 3)


def quote(text: str, most: int = MOST_WORDS) -> str:
    """A stranger's words as one JSON string: no control or invisible characters, no links."""
    plain = _LINK.sub("[link]", _UNSEEN.sub("", text)).strip()
    short = plain if len(plain) <= most else plain[: most - 1] + "…"
    return json.dumps(short, ensure_ascii=False)


def compose(digest: Digest, count: Count = cautious_count, budget: int = BUDGET) -> str:
    """Write the digest within `budget` tokens; what matters least is dropped first, and said so."""
    parts = [_head(digest)]
    spent = count(parts[0])
    sections = (
        ("Lineage, newest first (change -> effect on its own parent):", digest.lineage),
        ("Lineage of the second parent:", digest.second_lineage),
        ("Already tried on this parent, so do something else:", digest.siblings),
    )
    for title, lines in sections:
        text = _section(title, [_told(line) for line in lines], count, budget - spent)
        parts += [text] if text else []
        spent += count(text)
    said = [_insight(each) for each in digest.insights]
    parts += [_section("Words of agents (unverified):", said, count, budget - spent)]
    return "\n".join(part for part in parts if part)


def _head(digest: Digest) -> str:
    better = "lower" if digest.direction == "min" else "higher"
    noise = (
        f"One run's noise is about {figure(digest.noise_sd)} (1 sd); smaller gains are luck."
        if digest.noise_sd
        else "The noise of one run is not known yet."
    )
    return f"Metric {digest.metric}: {better} is better. {noise}"


def _section(title: str, lines: Sequence[str], count: Count, room: int) -> str:
    if not lines or room <= count(title):
        return ""
    kept, spent = [title], count(title)
    for place, line in enumerate(lines):
        spent += count(line) + 1
        if spent > room - 12:
            kept.append(f"- … and {len(lines) - place} more")
            break
        kept.append(line)
    return "\n".join(kept)


def _told(line: Line) -> str:
    parts = [f"- #{line.number} {quote(line.title, 120)}: {_outcome(line)}"]
    if line.why:
        parts.append(f"because {quote(line.why)}")
    return " ".join(parts)


def _outcome(line: Line) -> str:
    if line.status == "running" and line.operator == "baseline":
        return "not run yet"
    if line.status == "running":
        return "being tried now"
    if line.failure is not None:
        return f"failed ({line.failure})"
    if line.score is None:
        return line.status
    text = f"{figure(line.score)} (n={line.n})"
    if line.delta is None:
        return text
    text += f", {figure(line.delta, '+')}"
    if line.delta_sd:
        text += f" ± {figure(line.delta_sd)} = {line.delta / line.delta_sd:+.1f} sd"
    return text


def _insight(insight: Insight) -> str:
    mark = " [featured by an operator]" if insight.featured else ""
    seen = f" (about {', '.join(insight.references)})" if insight.references else ""
    return f"- {quote(insight.author, 40)}{mark}: {quote(insight.text)}{seen}"
