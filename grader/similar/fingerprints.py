"""What an answer is known by: short pieces of its code that outlive new names and another order.

A piece is a few tokens in a row within one statement. Names that the student chose are numbered
from the piece's start, so that they can be exchanged; names that the task gave stay. Types,
docstrings, comments and layout are gone, ``x += 1`` is ``x = x + 1``, and the set of all pieces
does not know in which order the statements stood. Chosen names and lines of prose are pieces of
their own: whoever changes them loses nothing of the code's.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LENGTH = 5
"""The tokens of a piece of code."""

LIMIT = 20_000
"""The characters of an answer that are looked at; nobody writes as many for an exercise."""

Fingerprints = frozenset[str]
"""Pieces, each with its kind in front: ``code:``, ``name:`` or ``text:``."""

_CHOSEN = "chosen_"
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | [^\W\d]\w* | \d[\w.]*(?:(?<=e)[-+]\d+)?
    | \*\* | // | [=!<>]= | [^\w\s]""",
    re.VERBOSE,
)
_WORD = re.compile(r"\w+")
_USUAL = {"np": "numpy"}
_TOO_SHORT = 3


@dataclass(frozen=True)
class Given:
    """What the task fixed: the function's name and its parameters."""

    name: str
    parameters: tuple[str, ...]


def given_by(function: Callable[..., Any]) -> Given:
    """Return what a reference's signature fixes for its exercise."""
    return Given(function.__name__, tuple(inspect.signature(function).parameters))


def fingerprints(cells: Iterable[str], given: Given) -> Fingerprints:
    """Return the pieces of an answer that may lie in several cells."""
    texts = list(_cut(cells))
    trees = [_parse(text) for text in texts]
    names = _chosen_names([tree for tree in trees if tree], given)
    found = {f"name:{name}" for name in names if len(name) >= _TOO_SHORT}
    for text, tree in zip(texts, trees, strict=True):
        found |= {f"text:{line}" for line in _prose(text, tree)}
        statements = _statements(tree, names, given) if tree else None
        for tokens in _raw_statements(text, given) if statements is None else statements:
            found |= {f"code:{' '.join(piece)}" for piece in _pieces(tokens)}
    return frozenset(found)


def line_keys(text: str, given: Given) -> list[str]:
    """Return for each line of a text what it is known by, whatever its names and its layout."""
    tokens = ((line, _raw_tokens(line, given)) for line in text.splitlines())
    return [" ".join(_numbered(found) or _WORD.findall(line.lower())) for line, found in tokens]


def _cut(cells: Iterable[str]) -> Iterator[str]:
    left = LIMIT
    for cell in cells:
        yield cell[:left]
        left -= min(left, len(cell))


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # students' escapes and comparisons
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _chosen_names(trees: list[ast.Module], given: Given) -> set[str]:
    names: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names - {given.name, *given.parameters}


def _statements(tree: ast.Module, names: set[str], given: Given) -> list[list[str]] | None:
    """Return the tokens of each statement in the one form that all ways to write it share."""
    try:
        plain = _Plain(names, given).visit(tree)
        text = ast.unparse(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return [_TOKEN.findall(line) for line in text.splitlines()]


class _Plain(ast.NodeTransformer):
    """Takes from a program what can be changed without changing what it does."""

    def __init__(self, names: set[str], given: Given) -> None:
        self.given = given
        self.names = {name: f"{_CHOSEN}{name}" for name in names} | _USUAL

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            if alias.asname:
                self.names[alias.asname], alias.asname = alias.name.replace(".", "_"), None
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            if alias.asname:
                self.names[alias.asname], alias.asname = alias.name, None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name == self.given.name:
            written = [*node.args.posonlyargs, *node.args.args]
            renamed = zip((arg.arg for arg in written), self.given.parameters, strict=False)
            self.names |= {own: asked for own, asked in renamed if own != asked}
            node.args = ast.arguments([], [], None, [], [], None, [])
        node.name = self.names.get(node.name, node.name)
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self.names.get(node.arg, node.arg), None
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        old: Any = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.Assign([node.target], ast.BinOp(old, node.op, node.value), lineno=0)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return ast.Assign([node.target], node.value, lineno=0) if node.value else ast.Pass()

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if is_text else node


def _raw_statements(text: str, given: Given) -> Iterator[list[str]]:
    """Return the tokens of each line of a text that is not Python, or not yet."""
    yield from (tokens for line in text.splitlines() if (tokens := _raw_tokens(line, given)))


def _raw_tokens(line: str, given: Given) -> list[str]:
    tokens = _TOKEN.findall(line.partition("#")[0])
    return [
        _raw_name(token, before, given)
        for before, token in zip(["", *tokens], tokens, strict=False)
    ]


def _raw_name(token: str, before: str, given: Given) -> str:
    stays = before == "." or keyword.iskeyword(token) or token in (given.name, *given.parameters)
    if stays or not token.isidentifier():
        return token
    return _USUAL.get(token, f"{_CHOSEN}{token}")


def _pieces(tokens: Sequence[str]) -> Iterator[list[str]]:
    if tokens == ["pass"]:
        return
    framed = ["^", *tokens, "$"]
    for start in range(max(1, len(framed) - LENGTH + 1)):
        yield _numbered(framed[start : start + LENGTH])


def _numbered(tokens: Sequence[str]) -> list[str]:
    """Give the chosen names numbers in the order in which they come."""
    numbers: dict[str, str] = {}
    return [
        numbers.setdefault(token, f"<{len(numbers)}>") if token.startswith(_CHOSEN) else token
        for token in tokens
    ]


def _prose(text: str, tree: ast.Module | None) -> Iterator[str]:
    """Return the comments and the lines of texts that stand alone, as lower-case words."""
    lines = [line.partition("#")[2] for line in text.splitlines()]
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines += str(node.value.value).splitlines()
    for line in lines:
        words = _WORD.findall(line.lower())
        if len(words) >= _TOO_SHORT:
            yield " ".join(words)
