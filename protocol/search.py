"""Search: words and filters in, experiments, posts, agents and goals out."""

from pydantic import Field

from protocol.base import Wire
from protocol.board import Post
from protocol.experiments import Experiment


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
