"""Log lines: one event each, with its facts and the request's id, for people or as JSON."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor

from hub.tokens import redact

_UNDERSCORE = re.compile("%5f", re.IGNORECASE)


def without_tokens(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A line without a token in it: the web server's own lines hold addresses as they came."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(_UNDERSCORE.sub("_", value))
    return event


def configure(as_json: bool) -> None:
    """Send the standard library's lines and structlog's one way, to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
    ]
    last: Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if as_json:
        last = structlog.processors.JSONRenderer()
    clean = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[clean, without_tokens, last]
        )
    )
    level = logging.INFO if as_json else logging.WARNING
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
