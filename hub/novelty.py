"""Tried before? Three questions, cheapest first, answered before any GPU time is spent.

1. Is the code the same once comments, docstrings, layout and constant arithmetic are set aside?
2. Is it the same change of the same parent: the same statements altered to the same effect?
3. Do diff and hypothesis read like those of an earlier experiment?

Strangers' source is parsed and never run; whatever cannot be parsed falls back to its tokens.
"""

import ast
import functools
import hashlib
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hub import overlap, statements

MAX_FOLDED = 10**18
"""Larger results of constant arithmetic stay as written: 9**9**9 must not be computed."""

OBJECTIONS = 2
"""So often under one lease the hub objects to what was tried on other parents."""

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_TOKENS = re.compile(r"#[^\n]*|\w+|[^\w\s]")


@functools.lru_cache(maxsize=256)
def canonical(source: str) -> str:
    """Hash of what the code says: equal for edits that change nothing; never raises."""
    return _hash("tree " + " ".join(each.whole for each in _meanings(source) if each.whole))


def canonical_tree(files: Mapping[str, str]) -> str:
    """Hash of several files together; files that are not Python count as they are."""
    parts = [
        f"{path}\0{canonical(text) if path.endswith('.py') else _hash(text)}"
        for path, text in sorted(files.items())
    ]
    return _hash("\n".join(parts))


def effect_key(parent: str, child: str) -> str:
    """Hash of the parent's meaning and of what the child alters; never raises.

    Statements are told apart by their path of enclosing functions and classes, and by the name
    they assign to, so that the same constant set to the same value is the same effect.
    """
    return _hash(repr((canonical(parent), *_altered(parent, child))))


def change_key(parent: str, child: str) -> str:
    """Hash of what the child alters, whatever else the parent holds; never raises."""
    return _hash(repr(_altered(parent, child)))


@functools.lru_cache(maxsize=64)
def _altered(parent: str, child: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    old, new = _meanings(parent), _meanings(child)
    head, tail = overlap.ends(old, new)
    there, behind = _places(parent), len(old) - tail
    gone, come = _placed(old[head:behind]), _placed(new[head : len(new) - tail])
    before, after = dict[str, str](), dict[str, str]()
    for key in {*gone, *come}:
        stood = there.get(key, [])
        above = [value for place, value in stood if place < head]
        within = [value for _, value in come.get(key, [])]
        below = [value for place, value in stood if place >= behind]
        # What stands at the same place twice is told apart by its turn.
        before |= {f"{key} {turn}": value for turn, (_, value) in enumerate(stood, 1)}
        after |= {f"{key} {turn}": each for turn, each in enumerate([*above, *within, *below], 1)}
    return sorted(before.items() - after.items()), sorted(after.items() - before.items())


@functools.lru_cache(maxsize=64)
def _places(source: str) -> Mapping[str, list[tuple[int, str]]]:
    return _placed(_meanings(source))


def _placed(meanings: Sequence["_Meaning"]) -> Mapping[str, list[tuple[int, str]]]:
    """The hashes of all parts of a name, each with its statement's number."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, each in enumerate(meanings):
        for key, value in each.parts:
            found.setdefault(key, []).append((number, value))
    return found


def effect_keys(parent: Mapping[str, str], child: Mapping[str, str]) -> str:
    """Hash of what several files alter together."""
    changed = sorted(path for path in {*parent, *child} if parent.get(path) != child.get(path))
    parts = [(path, effect_key(parent.get(path, ""), child.get(path, ""))) for path in changed]
    return _hash(repr((canonical_tree(parent), parts)))


def change_keys(parent: Mapping[str, str], child: Mapping[str, str]) -> str:
    """Hash of what several files alter together, whatever else the parent holds."""
    changed = sorted(path for path in {*parent, *child} if parent.get(path) != child.get(path))
    parts = [(path, change_key(parent.get(path, ""), child.get(path, ""))) for path in changed]
    return _hash(repr(parts))


def objects(gain: float | None, sd: float, refused: int) -> bool:
    """Whether to object to a change that was made to another parent and gained this there.

    None: it failed there or is still running. What surely gained is welcome everywhere; and as
    elsewhere it may be another matter, who proposes it a third time is let through.
    """
    return refused < OBJECTIONS and not (gain is not None and gain > sd)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class _Meaning:
    """A statement's hash (none if it does nothing), and its parts' hashes by their place."""

    whole: str
    parts: tuple[tuple[str, str], ...]


# A popular parent comes with every proposal on it.
@functools.lru_cache(maxsize=256)
def _meanings(source: str) -> tuple[_Meaning, ...]:
    """What each statement of a source means; what is no Python is one statement of its lines."""
    try:
        found, known = statements.split(source), statements.shared(source)
        if known is None:
            return tuple(_meaning(each.text) for each in found)
        old, middle = _meanings(known.like), found[known.head : len(found) - known.tail]
        new = (_meaning(each.text) for each in middle)
        return (*old[: known.head], *new, *old[len(old) - known.tail :])
    except statements.UNREADABLE:
        lines = tuple((f"line {n}", _tokens(line)) for n, line in enumerate(source.splitlines()))
        return (_Meaning(_hash("tokens " + _tokens(source)), lines),)


def _meaning(text: str) -> _Meaning:
    return _remembered(text) if len(text) <= statements.SHORT else _look(text)


def _look(text: str) -> _Meaning:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = _Plain().visit(ast.parse(text))
        whole = _hash(ast.dump(plain)) if plain.body else ""
        return _Meaning(whole, tuple(_parts(plain)))
    except (*statements.UNREADABLE, OverflowError):
        tokens = _hash("tokens " + _tokens(text))
        return _Meaning(tokens, (("whole", tokens),))


_remembered = functools.lru_cache(maxsize=statements.REMEMBERED)(_look)


def _tokens(source: str) -> str:
    found = (match[0] for match in _TOKENS.finditer(source))
    return " ".join(token for token in found if not token.startswith("#"))


class _Plain(ast.NodeTransformer):
    """Drops docstrings and type comments, folds arithmetic of constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A bare string or number does nothing."""
        if isinstance(node.value, ast.Constant):
            return None
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """-1 is a constant too."""
        self.generic_visit(node)
        value = _number(node.operand)
        if value is not None and isinstance(node.op, ast.USub):
            return ast.Constant(-value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """2 * 3 is 6; what would be huge, or raise, stays."""
        self.generic_visit(node)
        folded = _folded(node)
        return node if folded is None else ast.Constant(folded)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """1.0 and 1e0 are one number; 1 and 1.0 are not."""
        return ast.Constant(node.value)


def _folded(node: ast.BinOp) -> float | None:
    left, right = _number(node.left), _number(node.right)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Pow):
        return _power(left, right)
    if type(node.op) not in _OPERATORS:
        return None
    try:
        result = _OPERATORS[type(node.op)](left, right)
    except (ArithmeticError, ValueError):
        return None
    return result if abs(result) <= MAX_FOLDED else None


def _power(base: float, exponent: float) -> float | None:
    if abs(exponent) > 64 or abs(base) > 1024 or (base < 0 and exponent != int(exponent)):
        return None
    try:
        result = base**exponent
    except ArithmeticError:
        return None
    return (
        float(result)
        if isinstance(result, float)
        else (int(result) if abs(result) <= MAX_FOLDED else None)
    )


def _number(node: ast.AST) -> float | None:
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return None
    if not isinstance(node.value, int | float) or abs(node.value) > MAX_FOLDED:
        return None
    return node.value


def _parts(plain: ast.AST) -> Iterator[tuple[str, str]]:
    """Each simple statement's hash by its place; the tree is taken apart on the way."""
    for path, node in _walk(plain, ""):
        yield f"{path}{_assigned(node)}", _hash(ast.dump(node))


def _walk(node: ast.AST, path: str) -> Iterator[tuple[str, ast.stmt]]:
    for child in getattr(node, "body", []):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _walk(child, f"{path}{child.name}/")
            child.body = []
        yield path, child


def _assigned(node: ast.stmt) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [ast.dump(target) for target in targets if isinstance(target, ast.AST)]
    name = getattr(node, "name", "")
    return f"{type(node).__name__} {name}{names}"
