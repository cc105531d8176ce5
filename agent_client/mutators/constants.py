"""Named constants at the top of a Python file: finding them, and changing one byte-exactly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

Value = int | float | bool


@dataclass(frozen=True)
class Constant:
    """`NAME = value` at the top level of a file."""

    name: str
    value: Value


def _literal(node: cst.BaseExpression) -> Value | None:
    """The value of a number or a boolean, signed or not; None for anything else."""
    match node:
        case cst.Name(value="True" | "False" as text):
            return text == "True"
        case cst.UnaryOperation(operator=cst.Minus(), expression=inner):
            value = _literal(inner)
            return None if value is None or isinstance(value, bool) else -value
        case cst.Integer() | cst.Float():
            found: Value = node.evaluated_value
            return found
    return None


def _assigned(statement: cst.BaseStatement) -> tuple[str, cst.BaseExpression] | None:
    """`NAME = expression` in capitals, else None."""
    match statement:
        case (
            cst.SimpleStatementLine(
                body=[
                    cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))], value=value)
                ]
            )
            | cst.SimpleStatementLine(
                body=[
                    cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression() as value)
                ]
            )
        ) if name.isupper():
            return name, value
    return None


def find(text: str) -> list[Constant]:
    """Every named number and switch of a file, in order; raises ParserSyntaxError."""
    found = []
    for statement in cst.parse_module(text).body:
        pair = _assigned(statement) if isinstance(statement, cst.BaseStatement) else None
        value = _literal(pair[1]) if pair else None
        if pair is not None and value is not None:
            found.append(Constant(pair[0], value))
    return found


def assign(text: str, name: str, value: Value) -> str:
    """The file with one constant changed and every other byte as it was."""
    module = cst.parse_module(text)
    body = [_with(statement, name, value) for statement in module.body]
    return module.with_changes(body=body).code


def _with(
    statement: cst.SimpleStatementLine | cst.BaseCompoundStatement, name: str, value: Value
) -> cst.SimpleStatementLine | cst.BaseCompoundStatement:
    pair = _assigned(statement)
    if pair is None or pair[0] != name or _literal(pair[1]) is None:
        return statement
    return statement.with_deep_changes(
        pair_owner(statement), value=cst.parse_expression(show(value))
    )


def pair_owner(statement: cst.CSTNode) -> cst.CSTNode:
    """The assignment inside a statement line."""
    assert isinstance(statement, cst.SimpleStatementLine)
    return statement.body[0]


def show(value: Value) -> str:
    """A value as one would write it."""
    if isinstance(value, bool | int):
        return str(value)
    return repr(float(f"{value:.4g}"))


def neighbours(constant: Constant) -> Sequence[Value]:
    """Values worth trying instead, by what kind of number it is; the nearest first."""
    if isinstance(constant.value, bool):
        return (not constant.value,)
    if isinstance(constant.value, int):
        return _whole(constant.value)
    return _real(constant.name, constant.value)


def _whole(value: int) -> Sequence[Value]:
    """Small counts move by one, sizes by factors that keep them divisible."""
    if value <= 0:
        return ()
    if value < 8:
        steps = (value + 1, value - 1, value + 2, value * 2)
    else:
        steps = (value * 2, value // 2, value * 3 // 2, value * 3 // 4)
    return tuple(step for step in dict.fromkeys(steps) if step > 0 and step != value)


def _real(name: str, value: float) -> Sequence[Value]:
    if value == 0.0:
        return _from_zero(name)
    if "BETA" in name and 0 < value < 1:
        steps = [1 - (1 - value) * factor for factor in (0.5, 2.0, 0.7, 1.5)]
        return tuple(float(f"{step:.4g}") for step in steps if 0 < step < 1)
    factors = (1.4, 0.7, 2.0, 0.5, 1.2, 0.85, 3.0, 0.33)
    return tuple(float(f"{value * factor:.3g}") for factor in factors if math.isfinite(value))


def _from_zero(name: str) -> Sequence[Value]:
    """What a switched-off share or strength usually is when it is on."""
    if "DECAY" in name:
        return 0.01, 0.1, 0.03
    return 0.05, 0.1, 0.02, 0.2
