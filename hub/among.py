"""Rows whose column has one of many values: named in one statement, however many they are.

Parts of five hundred (`db.parts`) cost a statement each, and who takes out a hundred thousand runs
keeps all other writers waiting meanwhile.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Unpacked(FunctionElement[str]):
    """The elements of a JSON list as rows with one column, `value`."""

    inherit_cache = True
    name = "unpacked"


@compiles(_Unpacked, "sqlite")
def _on_sqlite(element: _Unpacked, compiler: Any, **more: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **more)})"


@compiles(_Unpacked, "postgresql")
def _on_postgresql(element: _Unpacked, compiler: Any, **more: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **more)} AS JSON))"


def among(column: Any, values: Iterable[UUID | str | int]) -> sa.ColumnElement[bool]:
    """Condition: a column has one of these values, or of what they read as text."""
    kind = column.type
    if isinstance(kind, sa.Uuid):
        # As SQLite keeps them; PostgreSQL reads either form.
        values = (str(value).replace("-", "") for value in values)
    each = _Unpacked(sa.literal(orjson.dumps(list(values)).decode(), sa.Text)).table_valued("value")
    found: sa.ColumnElement[bool] = column.in_(sa.select(sa.cast(each.c.value, kind)))
    return found
