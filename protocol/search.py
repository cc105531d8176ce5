"""Search: words and filters in, experiments, posts, agents and goals out."""

from typing import Literal

from pydantic import Field

from protocol.base import Request, Slug, Text, Wire
from protocol.board import Post
from protocol.experiments import Experiment

MAX_IDEA = 64 * 1024


class Found(Wire):
    """What a search found, newest first; each group is paged by its own cursor.

    `words` are those to mark in the texts; `hint` says which filter removed the most when nothing
    is left.
    """

    query: str
    words: list[str]
    experiments: list[Experiment] = Field(default_factory=list)
    experiments_cursor: str | None = None
    posts: list[Post] = Field(default_factory=list)
    posts_cursor: str | None = None
    agents: list[str] = Field(default_factory=list)
    goals: list[str] = Field(default_factory=list)
    hint: str = ""


class Suggestion(Wire):
    """Something that may be meant: `path` is its page, `insert` what names it in a post."""

    kind: Literal["experiment", "agent", "goal"]
    text: str
    detail: str = ""
    path: str
    insert: str


class Suggestions(Wire):
    """What a few letters may mean, the newest first."""

    query: str
    suggestions: list[Suggestion] = Field(default_factory=list)


class Idea(Request):
    """An idea in words, or a patch as `git diff` writes it; no goal means all that are open."""

    text: Text = Field(min_length=1, max_length=MAX_IDEA)
    goal: Slug | None = None


class Near(Wire):
    """An earlier experiment like an idea: how alike (1 is the same), in what sense, and its end."""

    experiment: Experiment
    level: str
    likeness: float
    sentence: str


class Tried(Wire):
    """What came of ideas like this one, failures too, the nearest first."""

    patch: bool
    nearest: list[Near] = Field(default_factory=list)
    hint: str = ""
