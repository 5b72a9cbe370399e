"""The house rules that keep the listing a map. Each test names the rule it holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("agent", "bench", "distill", "envs", "memory", "server", "skills")

MAY_IMPORT: dict[str, set[str]] = {
    "envs": set(),
    "memory": {"envs.types", "envs.errors"},
    "skills": {"memory", "envs.types", "envs.errors", "envs.pages"},
    "distill": {"memory", "envs.types", "envs.errors"},
    "agent": {"skills", "distill", "memory", "envs"},
    "server": {"agent", "skills", "distill", "memory", "envs"},
    "bench": {"server", "agent", "skills", "distill", "memory", "envs"},
}
LATE = {
    "server/commands/bench.py": {"bench"},
    "server/commands/demo.py": {"bench"},
    "server/commands/evals.py": {"bench"},
    "server/commands/reflecting.py": {"bench"},
    "server/commands/strategies.py": {"bench"},
}
"""Files of the command line that may import a room that others may not, inside a function."""

VENDORS: dict[str, tuple[str, ...]] = {
    "langgraph": ("agent/graph.py",),
    "playwright": tuple(
        f"envs/{name}.py" for name in ("browser", "browser_acts", "browser_dialogs", "browser_tab")
    ),
    "PIL": ("envs/pages_shown.py",),
    "ray": ("bench/lab/onray.py",),
    "aiosqlite": ("agent/graph.py",),
    "filelock": ("agent/locking.py",),
    "openai": ("agent/models/client.py",),
    "xllamacpp": ("agent/models/llama.py",),
    "huggingface_hub": ("agent/models/pull.py",),
    "httpx2": ("agent/mcp_client.py", "agent/models/pull.py"),
    "chromadb": ("memory/index.py", "memory/served.py"),
    "psycopg": ("memory/postgres.py", "bench/servers.py"),
    "sentence_transformers": ("memory/embed.py",),
    "torch": (
        "memory/embed.py",
        *(f"distill/{name}.py" for name in ("bases", "batches", "composing", "lora", "losses")),
        *(f"distill/{name}.py" for name in ("peft_folder", "training")),
        "bench/distill/check_gguf.py",
        "bench/distill/serving_speed.py",
    ),
    "transformers": (
        *(f"distill/{name}.py" for name in ("bases", "lora", "peft_folder", "tokens", "training")),
        "bench/distill/check_gguf.py",
        "bench/distill/serving_speed.py",
    ),
    "peft": ("distill/lora.py", "distill/peft_folder.py"),
    "trl": ("distill/training.py", "bench/distill/training_speed.py"),
    "datasets": ("distill/training.py", "bench/distill/training_speed.py"),
    "safetensors": ("distill/batches.py", "distill/composing.py", "distill/peft_folder.py"),
    "gguf": ("distill/gguf.py",),
    "pydantic_monty": ("skills/sandbox.py",),
    "mcp": ("agent/mcp_client.py", "server/mcp.py"),
    "mcp_types": ("agent/mcp.py", "agent/mcp_client.py", "agent/mcp_words.py", "server/mcp.py"),
    "textworld": ("envs/textgames.py", "envs/fastpath.py"),
    "alfworld": ("envs/textgames.py", "envs/fastpath.py"),
    "fast_downward": ("envs/textgames.py", "envs/fastpath.py"),
    "gepa": ("agent/proposers/prompts.py",),
    "sqlite3": ("memory/schema.py",),
}
SERVER_VENDORS = ("fastapi", "starlette", "uvicorn", "typer", "rich")

LINES, FUNCTION, PARAMETERS = 400, 60, 8


@cache
def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    }


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Full names of what is imported, with the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or "", node
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def test_imports_point_one_way() -> None:
    broken = [
        f"{path} imports {name}"
        for path, tree in sources().items()
        for name, _ in imports(tree)
        if (room := path.partition("/")[0]) != (other := name.partition(".")[0])
        and other in ROOMS
        and "." in name
        and not any(under(name, allowed) for allowed in MAY_IMPORT[room] | LATE.get(path, set()))
        and not any(allowed.startswith(f"{name}.") for allowed in MAY_IMPORT[room])
    ]
    assert broken == []


def test_no_import_loops_between_modules() -> None:
    graph: dict[str, set[str]] = {}
    known = {p.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for p in sources()}
    for path, tree in sources().items():
        module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        top = ast.Module(body=[n for n in tree.body if not _typing_only(n)], type_ignores=[])
        graph[module] = {name for name, _ in imports(top) if name in known} - {module}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"import loop: {' -> '.join([*way, module])}"
        if module not in done:
            for other in graph[module]:
                visit(other, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def _typing_only(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def test_each_vendor_lives_in_one_file() -> None:
    strays = [
        f"{path} imports {name}"
        for path, tree in sources().items()
        if not path.startswith("bench/")
        for name, _ in imports(tree)
        for vendor, homes in VENDORS.items()
        if under(name, vendor) and path not in homes
    ]
    strays += [
        f"{path} imports {name}"
        for path, tree in sources().items()
        if not path.startswith(("server/", "bench/"))
        for name, _ in imports(tree)
        if any(under(name, vendor) for vendor in SERVER_VENDORS)
    ]
    assert strays == []


def test_only_vendors_are_imported_inside_functions() -> None:
    strays = [
        f"{path}:{node.lineno} imports {name} late"
        for path, tree in sources().items()
        for function in functions(tree)
        for name, node in imports(function)
        if not any(under(name, v) and path in homes for v, homes in VENDORS.items())
        and not (path.startswith("server/") and any(under(name, v) for v in SERVER_VENDORS))
        and not any(under(name, room) for room in LATE.get(path, set()))
    ]
    assert strays == []


def test_files_functions_and_constructors_stay_small() -> None:
    large = []
    for path, tree in sources().items():
        lines = len((ROOT / path).read_text("utf-8").splitlines())
        if lines > LINES:
            large.append(f"{path}: {lines} lines")
        for function in functions(tree):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > FUNCTION:
                large.append(f"{path}:{function.name}: {length} lines")
            arguments = function.args
            count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
            if function.name == "__init__" and count - 1 > PARAMETERS:
                large.append(f"{path}:{function.lineno}: {count - 1} parameters")
    assert large == []


def test_inits_hold_a_docstring_and_nothing_else() -> None:
    inits = {path: tree for path, tree in sources().items() if path.endswith("__init__.py")}
    assert {f"{room}/__init__.py" for room in ROOMS} <= set(inits)
    for path, tree in inits.items():
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, f"{path} holds more than a docstring"


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        path
        for path, tree in sources().items()
        if not path.startswith("bench/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert readers <= {"agent/settings.py"}


def test_everything_is_caught_only_at_the_boundary() -> None:
    broad = [
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
        and path != "envs/errors.py"
    ]
    assert broad == []


NODE_FILES = (
    "agent/nodes.py",
    "agent/solver.py",
    "agent/chatting.py",
    "agent/loops.py",
    "agent/transcript.py",
    "agent/verifier.py",
    "agent/selfcheck.py",
    "agent/reflector.py",
    "agent/reflectors/confidence.py",
    "agent/reflectors/contrast.py",
    "agent/reflectors/guideline.py",
    "agent/reflectors/instructor.py",
    "agent/reflectors/kinds.py",
    "agent/reflectors/reconsider.py",
    "agent/reflectors/rethinking.py",
    "agent/reflectors/retried.py",
    "agent/reflectors/structured.py",
    "agent/reflectors/types.py",
    "agent/anticipating.py",
    "agent/asking.py",
    "agent/lookahead.py",
    "agent/steering.py",
    "agent/budget.py",
    "agent/state.py",
    "agent/kit.py",
)
SECRET = ("score", "reward", "demonstrate", "_live", "_begin", "episode")


def test_no_node_of_a_running_graph_sees_a_score() -> None:
    seen = [
        f"{path}:{node.lineno} reads .{node.attr}"
        for path in NODE_FILES
        for node in ast.walk(sources()[path])
        if isinstance(node, ast.Attribute) and node.attr in SECRET
    ]
    imported = [
        f"{path} imports {name}"
        for path in NODE_FILES
        for name, _ in imports(sources()[path])
        if name.endswith((".Score", ".Episode", ".Stage", ".Step", ".Demonstrates"))
    ]
    assert seen + imported == []


def test_only_agent_calls_models() -> None:
    callers = [
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        if not path.startswith(("agent/", "bench/"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "reply"
        and isinstance(node.ctx, ast.Load)
    ]
    assert callers == []


@pytest.mark.parametrize("word", ["utils", "helpers", "common", "misc"])
def test_no_file_is_named_after_nothing(word: str) -> None:
    assert [path for path in sources() if Path(path).stem == word] == []
