"""Copies of a skill with one thing wrong, to see whether its trials would tell.

A trial set that passes them can't tell a right skill from a wrong one. The alterations are the
usual ones of mutation testing (DeMillo, Lipton and Sayward 1978): a condition turned round, a
statement left out, a constant altered, a loop cut short, an early return.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator


def mutants(code: str, *, most: int, seed: int = 0) -> list[tuple[str, str]]:
    """At most `most` altered copies, each with what was altered, a fixed sample for each `seed`.

    Raises `SyntaxError` for code that does not parse.
    """
    tree = ast.parse(code)
    plain = ast.unparse(tree)
    found = {}
    for told, altered in _altered(tree):
        text = ast.unparse(ast.fix_missing_locations(altered))
        if text != plain:
            found.setdefault(text, told)
    rows = sorted((told, text) for text, told in found.items())
    random.Random(seed).shuffle(rows)
    return rows[:most]


def _altered(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    spots = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    for number, node in enumerate(spots):
        for told, change in _changes(node):
            fresh = copy.deepcopy(tree)
            again = [one for one in ast.walk(fresh) if hasattr(one, "lineno")][number]
            change(again)
            yield f"{told} (line {getattr(node, 'lineno', 0)})", fresh
    for number, node in enumerate(ast.walk(tree)):
        for field, at in _statements(node):
            fresh = copy.deepcopy(tree)
            parent = list(ast.walk(fresh))[number]
            body = getattr(parent, field)
            line = body[at].lineno
            body[at] = ast.copy_location(ast.Pass(), body[at])
            yield f"a statement left out (line {line})", fresh


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[..., None]]]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield "a condition turned round", _negated
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value} turned round", _turned
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"{node.value} made one less", _less
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.strip():
        yield f"{node.value[:20]!r} altered", _garbled


def _negated(node: ast.If | ast.While | ast.IfExp) -> None:
    node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)


def _turned(node: ast.Constant) -> None:
    node.value = not node.value


def _less(node: ast.Constant) -> None:
    if isinstance(node.value, int):
        node.value = node.value - 1


def _garbled(node: ast.Constant) -> None:
    node.value = f"un{node.value}"


def _statements(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Statements that may go: calls, and assignments that something was looked up for."""
    for field in ("body", "orelse"):
        body = getattr(node, field, None)
        if isinstance(body, list) and not isinstance(node, ast.Module):
            for at, one in enumerate(body):
                called = isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)
                if called or isinstance(one, ast.If | ast.For | ast.While):
                    yield field, at
