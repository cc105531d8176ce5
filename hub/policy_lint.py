"""What a proposal's code would do, read from its syntax tree before anybody runs it.

A filter and a help for reviewers, never the boundary: that is the sandbox. Only what is new
against the parent is reported, since a goal's own files read data and environment by design.
"""

import ast
import functools
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hub import statements
from hub.statements import Statement

Level = Literal["deny", "review", "note"]
Told = tuple[str, Level, str]
"""A rule, how bad it is, and what was seen."""

HARMLESS = frozenset(
    [
        *("__future__", "abc", "argparse", "array", "bisect", "collections", "contextlib"),
        *("copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools"),
        *("heapq", "itertools", "json", "math", "numbers", "operator", "os", "pathlib", "queue"),
        *("random", "re", "statistics", "string", "struct", "sys", "textwrap", "threading"),
        *("time", "types", "typing", "warnings", "numpy", "safetensors", "torch", "triton"),
        "einops",
    ]
)
DANGEROUS = frozenset(
    [
        *("asyncio", "builtins", "cffi", "code", "codeop", "ctypes", "curses", "ftplib", "http"),
        *("imaplib", "importlib", "marshal", "mmap", "multiprocessing", "paramiko", "pdb", "pip"),
        *("poplib", "pty", "requests", "resource", "runpy", "shelve", "shutil", "signal"),
        *("smtplib", "socket", "socketserver", "ssl", "subprocess", "telnetlib", "urllib"),
        *("webbrowser", "xmlrpc", "aiohttp", "httpx", "kernels"),
    ]
)
DYNAMIC = frozenset({"eval", "exec", "compile", "__import__", "breakpoint"})
NAMESPACES = frozenset({"globals", "locals", "vars"})
INNARDS = frozenset(
    [
        *("__builtins__", "__globals__", "__subclasses__", "__code__", "__closure__"),
        *("__loader__", "__bases__", "__mro__", "f_back", "f_globals", "f_locals", "tb_frame"),
        *("gi_frame", "cr_frame", "_getframe", "settrace", "setprofile", "get_objects"),
        *("get_referrers", "meta_path", "path_hooks"),
    ]
)
PROCESS = re.compile(
    r"^os\.(system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork\w*|kill\w*|set\w+|chroot|mkfifo|"
    r"mknod|symlink|link|chmod|chown|unlink|remove|removedirs|rename|replace|rmdir|putenv|abort|_exit)$"
)
DOWNLOADS = re.compile(
    r"(^torch\.hub\.|load_state_dict_from_url$|hf_hub_download$|from_pretrained$)"
)
UNSAFE_LOAD = re.compile(r"^(torch|np|numpy)\.load$")
SEEDS = re.compile(r"(^|\.)(manual_seed(_all)?|seed)$")
PLACES = re.compile(r"(^[~/]|\.\.[/\\]|/proc/|/etc/|\.ssh|169\.254\.|^https?:|^file:|^\\\\)")
FILES = frozenset({"open", "Path", "read_text", "write_text", "read_bytes", "write_bytes"})


@dataclass(frozen=True, order=True)
class Seen:
    """One thing to know about a file: a rule, how bad it is, where, and what."""

    path: str
    line: int
    rule: str
    level: Level
    detail: str


def news(before: Mapping[str, str], after: Mapping[str, str]) -> list[Seen]:
    """What the files `after` do that none of the files `before` did, by line.

    Statements that both have say the same in both, unless names stand for something else now.
    """
    allowed = HARMLESS | _modules(before)
    known: Counter[tuple[str, str]] = Counter()
    seen: list[Seen] = []
    for path, text in sorted(after.items()):
        was = before.get(path, "")
        if not path.endswith(".py") or was == text:
            continue
        old, new, names = _differing(was, text)
        known.update(_key(one) for one in _told(path, old, _names(was), allowed))
        seen += _told(path, new, names, allowed)
    found = []
    for one in seen:
        if known[_key(one)] > 0:
            known[_key(one)] -= 1
        else:
            found.append(one)
    return sorted(found)


def _differing(was: str, text: str) -> tuple[Sequence[Statement], Sequence[Statement], "Aliases"]:
    """The statements that need a look (all, if names stand for something else now); new names."""
    old, new = _statements(was), _statements(text)
    gone, come = statements.differing(old, new, statements.shared(text, was))
    imports = any("import" in each.text for each in (*gone, *come))
    names = _names(text if imports else was)
    return (gone, come, names) if names == _names(was) else (old, new, names)


def _key(seen: Seen) -> tuple[str, str]:
    return seen.rule, seen.detail


def _modules(files: Mapping[str, str]) -> frozenset[str]:
    """The goal's own modules, and what its files import already."""
    python = [path for path in files if path.endswith(".py")]
    own = {path.removesuffix(".py").rpartition("/")[2] for path in python}
    return frozenset(own.union(*(_tops(files[path]) for path in python)))


@functools.lru_cache(maxsize=256)
def _tops(text: str) -> frozenset[str]:
    """The packages that a file imports."""
    imports = (name for each in _statements(text) for _, name in _brought(each.text).imports)
    return frozenset(name.partition(".")[0] for name in imports)


@functools.lru_cache(maxsize=256)
def _names(text: str) -> "Aliases":
    """What the names of a file stand for that it imports."""
    brought = [_brought(each.text) for each in _statements(text) if "import" in each.text]
    return frozenset({name: of for each in brought for name, of in each.aliases}.items())


def _told(
    path: str, found: Sequence[Statement], names: "Aliases", allowed: frozenset[str]
) -> Iterator[Seen]:
    """What statements of a file do, by line: what they import depends on what is allowed."""
    for each in found:
        above = each.line - 1
        imports = _brought(each.text).imports
        told = [(line, one) for line, name in imports for one in _import(name, allowed)]
        for line, (rule, level, detail) in (*told, *_does(each.text, names)):
            yield Seen(path, above + line, rule, level, detail[:200])


def _statements(text: str) -> Sequence[Statement]:
    try:
        return statements.split(text)
    except statements.UNREADABLE:
        return ()  # a parent that does not parse knows nothing


@dataclass(frozen=True, slots=True)
class _Brought:
    """What a statement imports, by line, and what each imported name stands for."""

    imports: tuple[tuple[int, str], ...]
    aliases: tuple[tuple[str, str], ...]


def _brought(text: str) -> _Brought:
    return _brought_once(text) if len(text) <= statements.SHORT else _look_for_imports(text)


def _look_for_imports(text: str) -> _Brought:
    if "import" not in text:
        return _Brought((), ())
    nodes = list(ast.walk(_tree(text)))
    imports = tuple(
        (getattr(node, "lineno", 0), name) for node in nodes for name in _imported(node)
    )
    return _Brought(imports, tuple(_aliases(nodes).items()))


_brought_once = functools.lru_cache(maxsize=statements.REMEMBERED)(_look_for_imports)
Aliases = frozenset[tuple[str, str]]


def _does(text: str, aliases: Aliases) -> Sequence[tuple[int, Told]]:
    """What a statement does, given what the names of its file stand for."""
    short = len(text) <= statements.SHORT
    return _does_once(text, aliases) if short else _look_at(text, aliases)


def _look_at(text: str, aliases: Aliases) -> Sequence[tuple[int, Told]]:
    names = dict(aliases)
    return tuple(
        (getattr(node, "lineno", 0), told)
        for node in ast.walk(_tree(text))
        for told in _see(node, names)
    )


_does_once = functools.lru_cache(maxsize=statements.REMEMBERED)(_look_at)


def _tree(text: str) -> ast.Module:
    """The tree of one statement; its file has been parsed before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _aliases(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """What each imported name stands for, so that `from os import system as s` is seen."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                found[each.asname or each.name.partition(".")[0]] = (
                    each.name if each.asname else each.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                found[each.asname or each.name] = f"{node.module or ''}.{each.name}"
    return found


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."]
    return []


def _see(node: ast.AST, aliases: Mapping[str, str]) -> Iterator[Told]:
    if isinstance(node, ast.Call):
        yield from _call(node, _dotted(node.func, aliases), aliases)
    if isinstance(node, ast.Attribute | ast.Name):
        yield from _name(node, aliases)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
        yield from _patch(node, aliases)


def _import(name: str, allowed: frozenset[str]) -> Iterator[Told]:
    top = name.partition(".")[0]
    if top not in allowed:
        yield "import", "deny" if top in DANGEROUS else "review", f"imports {name}"


def _call(node: ast.Call, name: str, aliases: Mapping[str, str]) -> Iterator[Told]:
    short = name.rpartition(".")[2]
    if PROCESS.match(name):
        yield "process", "deny", f"calls {name}"
    if DOWNLOADS.search(name):
        yield "network", "deny", f"calls {name}"
    if UNSAFE_LOAD.match(name) and not _says(node, "weights_only", True):
        yield "load", "review", f"calls {name} without weights_only=True"
    if SEEDS.search(name) and any(isinstance(each, ast.Constant) for each in node.args):
        yield "seed", "review", f"sets a seed with {name}"
    if name in ("setattr", "delattr"):
        theirs = bool(node.args) and _root(node.args[0]) in aliases
        yield "patch", "deny" if theirs else "note", f"calls {name}"
    if short in FILES:
        yield from _file(node, short)
    if name == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], ast.Constant):
        yield "dynamic", "review", "calls getattr with a computed name"


def _file(node: ast.Call, short: str) -> Iterator[Told]:
    texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
    away = [text for text in texts if isinstance(text, str) and PLACES.search(text)]
    if away:
        yield "file", "deny", f"reaches for {away[0]!r}"
    elif short == "open":
        yield "file", "note", "opens a file"


def _name(node: ast.Attribute | ast.Name, aliases: Mapping[str, str]) -> Iterator[Told]:
    name = node.attr if isinstance(node, ast.Attribute) else node.id
    if name in INNARDS:
        yield "innards", "deny", f"uses {name}"
    if isinstance(node, ast.Name) and name in DYNAMIC and name not in aliases:
        yield "dynamic", "deny", f"uses {name}"
    if isinstance(node, ast.Name) and name in NAMESPACES:
        yield "dynamic", "review", f"uses {name}"
    if _dotted(node, aliases) == "sys.modules":
        yield "innards", "deny", "uses sys.modules"


def _patch(
    node: ast.Assign | ast.AugAssign | ast.Delete, aliases: Mapping[str, str]
) -> Iterator[Told]:
    """Giving an imported module another function is how timers and losses are faked."""
    targets = [node.target] if isinstance(node, ast.AugAssign) else node.targets
    for target in targets:
        if isinstance(target, ast.Attribute) and _root(target) in aliases:
            name = _dotted(target, aliases)
            harmless = name.startswith(("torch.backends.", "torch._dynamo.", "torch._inductor."))
            yield "patch", "note" if harmless else "deny", f"assigns {name}"
        if isinstance(target, ast.Subscript) and _dotted(target.value, aliases) == "os.environ":
            yield "environment", "review", "writes os.environ"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ".".join(reversed(parts))
    return ".".join([aliases.get(node.id, node.id), *reversed(parts)])


def _says(node: ast.Call, name: str, value: object) -> bool:
    return any(
        each.arg == name and isinstance(each.value, ast.Constant) and each.value.value is value
        for each in node.keywords
    )
