"""Named constants at the top of a Python file: finding them, and changing one byte-exactly."""

import ast
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Value = int | float | bool
MAX_NAME = 60
MAX_NUMBER = 1e15
"""What is larger is no knob of a training, and may be more than a float or a text can hold."""

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class Constant:
    """`NAME = value` at the top level of a file."""

    name: str
    value: Value


def _literal(node: ast.expr | None) -> Value | None:
    """The value of a number or a boolean, signed or not; None for anything else."""
    match node:
        case ast.Constant(value=bool() as switch):
            return switch
        case ast.Constant(value=int() | float() as number):
            return number if number <= MAX_NUMBER else None
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
            value = _literal(operand)
            return None if value is None or isinstance(value, bool) else -value
    return None


def _assigned(text: str) -> Iterator[tuple[Constant, ast.expr]]:
    """Each `NAME = literal` in capitals, and where its literal stands."""
    for statement in _parsed(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=node):
                found = node
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as node):
                found = node
            case _:
                continue
        value = _literal(found)
        if value is not None and name.isupper() and len(name) <= MAX_NAME:
            yield Constant(name, value), found


def _parsed(text: str) -> ast.Module:
    """Python's own parser: it refuses what is nested too deeply, where others run out of stack.

    Raises SyntaxError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as problem:
        raise SyntaxError(str(problem)) from None


def find(text: str) -> list[Constant]:
    """Every named number and switch of a file, in order; raises SyntaxError."""
    return [constant for constant, _ in _assigned(text)]


def assign(text: str, name: str, value: Value) -> str:
    """The file with one constant changed and every other byte as it was."""
    lines = _LINE.findall(text.encode())
    places = [node for constant, node in _assigned(text) if constant.name == name]
    for node in reversed(places):
        assert node.end_lineno is not None
        first, last = node.lineno - 1, node.end_lineno - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + show(value).encode() + after]
    return b"".join(lines).decode()


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
