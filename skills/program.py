"""Reads the source of a skill without running it: what it is called, what it calls, what is wrong.

A skill is one public function with constants, imports and private functions (`_name`) beside it.
Nothing here is a guard: that is the sandbox. These are the rules by which skills fit together.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from envs.errors import Refused, clip, one_line
from skills.sandbox import LONGEST_CODE

MODULES = frozenset(
    """bisect collections copy functools itertools json math random re typing
    """.split()  # noqa: SIM905
)
"""What a skill may import: what the sandbox has, less clocks, files and processes."""
HOST = frozenset(("act", "offered", "seen", "goal", "page"))
"""What text environments give skills; no skill can take these names."""
HIDDEN = frozenset(
    """breakpoint compile delattr eval exec exit getattr globals input locals open quit setattr
    vars""".split()  # noqa: SIM905
)
"""What would keep code from being read, or belongs to a terminal."""
TAKEN = HOST | MODULES | frozenset(dir(builtins))
HARMLESS = frozenset("dict float frozenset int list range re.compile set str tuple".split())  # noqa: SIM905
"""What a constant may be made with."""
LONGEST_ABOUT = 1024

Definition = ast.FunctionDef | ast.Assign | ast.AnnAssign


class Parameter(NamedTuple):
    """A parameter of a skill."""

    name: str
    """Its name."""
    type: str = ""
    """Its annotation as it stands in the code; empty: none."""
    default: str = ""
    """Its default as it stands in the code; empty: it must be given."""


class Program(NamedTuple):
    """What the source of a skill says."""

    name: str
    """Its public function."""
    signature: str
    """`name(thing: str) -> bool`."""
    about: str
    """First paragraph of its docstring, on one line."""
    parameters: tuple[Parameter, ...]
    """In order."""
    functions: tuple[str, ...]
    """All functions that it defines at its top, in order."""
    calls: frozenset[str]
    """Names that it calls and does not define: host functions, skills, built-ins."""


@lru_cache(maxsize=256)
def read(code: str, name: str) -> Program:
    """What `code` says of its function `name`. Raises `Refused` for what is no skill."""
    if found := problems(code, name):
        raise Refused(f"skill {clip(name)!r} can't be taken: {found[0]}", repair="mend its code")
    tree = ast.parse(code)
    main = next(one for one in _functions(tree) if one.name == name)
    answer = f" -> {ast.unparse(main.returns)}" if main.returns else ""
    return Program(
        name=name,
        signature=f"{name}({ast.unparse(main.args)}){answer}",
        about=_about(main),
        parameters=tuple(_parameters(main.args)),
        functions=tuple(one.name for one in _functions(tree)),
        calls=frozenset(_called(tree) - _bound(tree)),
    )


def problems(code: str, name: str) -> list[str]:
    """Why `code` is not a skill of this name; one line each, none for one that is."""
    if len(code) > LONGEST_CODE:
        return [f"{len(code)} characters of code, at most {LONGEST_CODE} are read"]
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return [f"it does not parse: {one_line(error.msg)} (line {error.lineno or 1})"]
    except ValueError as error:
        return [f"it does not parse: {one_line(str(error))}"]
    except (RecursionError, MemoryError):
        return ["it is nested too deeply to be read"]
    try:
        return [*_at_top(tree, name), *_inside(tree)]
    except RecursionError:
        return ["it is nested too deeply to be read"]


@lru_cache(maxsize=1024)
def fingerprint(code: str) -> str:
    """The same for code that does the same in other words; for this Python, not to be stored.

    Names of the code's own functions, parameters and variables don't count, nor do docstrings,
    comments, annotations, the order of its functions and what is never called. Constants do.
    Raises `Refused` for what can't be read.
    """
    try:
        tree = ast.parse(code)
        public = [one for one in _functions(tree) if not one.name.startswith("_")]
        shapes = _Shapes(tree).of([one.name for one in public])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"code can't be read: {one_line(str(error))}", repair="mend it") from None
    return hashlib.sha256("\n".join(shapes).encode(errors="replace")).hexdigest()


def joined(code: str, others: Sequence[tuple[str, str]]) -> str:
    """One program of a skill's code and `others`, which it calls: (name, code) of each.

    Its own code comes first, so that line numbers hold. What the others have at their tops beside
    themselves gets names of its own (comments are lost). Raises `Refused` for what is no skill,
    and where a name stands for two things.
    """
    names = [name for name, _ in others]
    for name in sorted(
        (_bound(ast.parse(code)) & set(names)) | {n for n in names if names.count(n) > 1}
    ):
        raise Refused(f"{name!r} stands for two things in one skill", repair="rename one of them")
    return "\n\n".join([code.rstrip("\n"), *(_enclosed(its, name) for name, its in others)]) + "\n"


def _enclosed(code: str, name: str) -> str:
    """`code` with every name at its top but `name` made its own."""
    read(code, name)
    tree = ast.parse(code)
    own = {old: f"{old}__{name}" for old in _bound(tree) - {name}}
    return ast.unparse(_Renamed(own).visit(tree))


def _at_top(tree: ast.Module, name: str) -> Iterator[str]:
    """What is wrong with the statements at the top."""
    public = [one.name for one in _functions(tree) if not one.name.startswith("_")]
    if name in TAKEN:
        yield f"{name!r} is the name of something else already"
    if public.count(name) != 1:
        yield f"it defines {'no' if name not in public else 'more than one'} function {name}()"
    for other in public:
        if other != name:
            yield f"a second public function, {other}(); begin its name with an underscore"
    for number, one in enumerate(tree.body):
        at = f"(line {one.lineno})"
        if isinstance(one, ast.Assign | ast.AnnAssign):
            yield from _constant(one)
        elif isinstance(one, ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{one.name!r} is no plain function {at}"
        elif isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and number == 0:
            continue
        elif not isinstance(one, ast.FunctionDef | ast.Import | ast.ImportFrom):
            yield f"it does something outside of a function {at}"


def _constant(one: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = one.targets if isinstance(one, ast.Assign) else [one.target]
    for target in targets:
        if not isinstance(target, ast.Name):
            yield f"a constant needs one plain name (line {one.lineno})"
        elif target.id in TAKEN:
            yield f"{target.id!r} is the name of something else already (line {one.lineno})"
        elif target.id[0].islower():
            yield f"write the constant {target.id!r} in capitals (line {one.lineno})"
    for node in ast.walk(one.value) if one.value else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) not in HARMLESS:
            yield f"a constant calls {clip(ast.unparse(node.func))}() (line {one.lineno})"


def _inside(tree: ast.Module) -> Iterator[str]:
    """What is wrong anywhere."""
    top = _bound(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(node)
        elif isinstance(node, ast.Name | ast.Attribute):
            word = node.id if isinstance(node, ast.Name) else node.attr
            if "__" in word or (isinstance(node, ast.Name) and word in HIDDEN):
                yield f"it uses {word}, which skills don't have (line {node.lineno})"
        elif isinstance(node, ast.Global):
            yield f"it uses `global`; return what others need (line {node.lineno})"
        elif isinstance(node, ast.ClassDef | ast.AsyncFunctionDef) and node not in tree.body:
            yield f"{node.name!r} is no plain function (line {node.lineno})"
        elif isinstance(node, ast.arg) and node.arg in top:
            yield f"parameter {node.arg!r} hides what stands at the top (line {node.lineno})"
    for one in _functions(tree):
        if one.args.vararg or one.args.kwarg:
            yield f"{one.name}() takes any arguments; name them (line {one.lineno})"


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        names = [f"{'.' * node.level}{node.module or ''}"]
        if any(alias.name == "*" for alias in node.names):
            yield f"it imports * from {names[0]}; name what it needs (line {node.lineno})"
    else:
        names = [alias.name for alias in node.names]
    for name in names:
        if name not in MODULES:
            able = ", ".join(sorted(MODULES))
            yield f"it imports {clip(name)!r}; a skill has {able} (line {node.lineno})"


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [one for one in tree.body if isinstance(one, ast.FunctionDef)]


def _imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    return [one for one in tree.body if isinstance(one, ast.Import | ast.ImportFrom)]


def _defined(tree: ast.Module) -> dict[str, Definition]:
    """Functions and constants at the top, by name; the last of a name counts."""
    found: dict[str, Definition] = {one.name: one for one in _functions(tree)}
    for one in tree.body:
        if isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            found |= {target.id: one for target in targets if isinstance(target, ast.Name)}
    return found


def _bound(tree: ast.Module) -> set[str]:
    """Names at the top, imported ones included."""
    imported = {alias.asname or alias.name for one in _imports(tree) for alias in one.names}
    return _defined(tree).keys() | imported


def _called(tree: ast.AST) -> set[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {function.id for function in calls if isinstance(function, ast.Name)}


def _about(main: ast.FunctionDef) -> str:
    paragraph = (ast.get_docstring(main) or "").strip().split("\n\n")[0]
    return clip(one_line(paragraph), most=LONGEST_ABOUT)


def _parameters(args: ast.arguments) -> Iterator[Parameter]:
    plain = [*args.posonlyargs, *args.args]
    defaults: Sequence[ast.expr | None] = [None] * (len(plain) - len(args.defaults))
    pairs = zip(plain, [*defaults, *args.defaults], strict=True)
    for one, default in (*pairs, *zip(args.kwonlyargs, args.kw_defaults, strict=True)):
        kind = ast.unparse(one.annotation) if one.annotation else ""
        yield Parameter(one.arg, kind, ast.unparse(default) if default else "")


class _Renamed(ast.NodeTransformer):
    """Names at the top get others, wherever they stand."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._names.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> ast.AST:
        node.asname = self._names.get(node.asname or node.name, node.asname)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = self._names.get(node.name, node.name) if node.name else None
        return self.generic_visit(node)


class _Shapes:
    """Definitions without what does not count, in the order in which they are reached."""

    def __init__(self, tree: ast.Module) -> None:
        self._defined = _defined(tree)
        self._names: dict[str, str] = {}
        for one in _imports(tree):
            whence = f"{one.module}." if isinstance(one, ast.ImportFrom) else ""
            for alias in one.names:
                self._names[alias.asname or alias.name] = f"import {whence}{alias.name}"
        self._reached: list[str] = []

    def of(self, names: Sequence[str]) -> list[str]:
        """Texts that are equal where the definitions do the same."""
        for name in names:
            self._reach(name)
        # `_reached` grows while it is gone through
        return [self._text(self._defined[name]) for name in self._reached]

    def _reach(self, name: str) -> str:
        if name not in self._names:
            self._names[name] = f"top {len(self._reached)}"
            self._reached.append(name)
        return self._names[name]

    def _text(self, one: Definition) -> str:
        local = _Local(one)
        for node in local.walk():
            if isinstance(node, ast.Name) and node.id not in local.names:
                known = node.id in self._defined or node.id in self._names
                node.id = self._reach(node.id) if known else node.id
        return ast.dump(local.plain())


class _Local:
    """One definition with everything inside it, as a copy; its own names become numbers."""

    def __init__(self, one: Definition) -> None:
        kept = (
            one if isinstance(one, ast.FunctionDef) else ast.Expr(one.value or ast.Constant(None))
        )
        self._root = _Bare().visit(ast.parse(ast.unparse(kept)).body[0])
        self.names: dict[str, str] = {}
        for node in ast.walk(self._root):
            for name in _binds(node, inside=node is not self._root):
                self.names.setdefault(name, f"own {len(self.names)}")

    def walk(self) -> Iterator[ast.AST]:
        """Its nodes, always in the same order."""
        return ast.walk(self._root)

    def plain(self) -> ast.AST:
        """It, with numbers for its names."""
        if isinstance(self._root, ast.FunctionDef):
            self._root.name = ""
        for node in self.walk():
            for field in ("id", "arg", "name"):
                word = getattr(node, field, None)
                if isinstance(word, str) and not isinstance(node, ast.keyword | ast.alias):
                    setattr(node, field, self.names.get(word, word))
        return self._root


class _Bare(ast.NodeTransformer):
    """Takes annotations and docstrings away."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.Assign([node.target], self.visit(node.value), lineno=0)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return node


def _binds(node: ast.AST, *, inside: bool) -> Iterator[str]:
    """Names that a node makes in its function."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif (
        isinstance(node, ast.FunctionDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar)
        and inside
        and node.name
    ):
        yield node.name
