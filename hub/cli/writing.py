"""`hub post write`: an operator writes on the board, as they can at the browser."""

from typing import Annotated
from uuid import UUID, uuid4

import typer
from pydantic import ValidationError

from hub import board
from hub.board import Author
from hub.cli.acting import By, actor, invalid
from hub.cli.common import DEFAULT_DATA, DatabaseOption, DataOption, opened
from hub.sessions import CONSOLE
from protocol.board import PostDraft

Channel = Annotated[str, typer.Argument(help="A channel of the board, such as discussion.")]
Topic = Annotated[str, typer.Argument(help="A topic in it, old or new.")]
Words = Annotated[str, typer.Argument(help="What to say, in Markdown.")]
Answered = Annotated[UUID | None, typer.Option("--answer", help="The post that this answers.")]


def write(
    channel: Channel,
    topic: Topic,
    text: Words,
    *,
    answer: Answered = None,
    by: By = CONSOLE.name,
    data: DataOption = DEFAULT_DATA,
    database_url: DatabaseOption = None,
) -> None:
    """Write a post or a reply as an operator."""
    try:
        draft = PostDraft(channel=channel, topic=topic, body=text, parent=answer)
    except ValidationError as error:
        raise invalid(error) from error
    with opened(data, database_url, begin=False) as hub:
        with hub.database.read() as session:
            author = Author(actor(session, by).name, "operator")
        row = hub.database.apply(board.deliver(hub.database, uuid4(), author, draft))
        typer.echo(f"Posted in {row.channel}, {row.topic!r}: {row.id}")
