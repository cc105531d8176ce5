"""Runs the one migration history on SQLite and on PostgreSQL."""

from typing import Any

from alembic import context

from hub import ops_tables, tables


def _render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Write our own column types by their module, or the next run fails with NameError."""
    if kind == "type" and type(item).__module__ == tables.__name__:
        autogen_context.imports.add("from hub import tables")
        return f"tables.{item!r}" if "(" in repr(item) else f"tables.{type(item).__name__}()"
    if kind == "type" and type(item).__name__ == "AutoString":
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


def _ours(name: str | None, _kind: str, _parents: Any) -> bool:
    """Leave the full-text index out: hub.search makes it, on each database in its own way."""
    return not (name or "").startswith(("search_", "ix_search_"))


def _run() -> None:
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=ops_tables.SQLModel.metadata,
        render_as_batch=True,
        render_item=_render_item,
        compare_type=True,
        include_name=_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


_run()
