"""What a session was played with: enough to repeat it, and to see that two sessions differ."""

from __future__ import annotations

import hashlib
import inspect
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from agent.models.resolve import describe, sha256_of
from agent.settings import ModelSettings, Settings
from bench.arms.registry import kind_of
from bench.lab.types import Experiment
from envs.errors import UserError
from envs.types import Task

ROOT = Path(__file__).parents[2]
ROOMS = ("agent", "bench", "distill", "envs", "memory", "skills")
"""Rooms whose code can change what a cell brings."""
LOCK = "requirements.lock"
PACKAGES = (
    "alfworld", "chromadb", "langgraph", "numpy", "openai", "pydantic", "scipy",
    "sentence-transformers", "statsmodels", "textworld", "torch", "xllamacpp",
)  # fmt: skip


def manifest(
    experiment: Experiment, settings: Settings, tasks: Sequence[Task], *, command: str
) -> dict[str, Any]:
    """The manifest of a session that begins now. Its id is the hash of all but the time.

    `settings` are those that all arms share. Of the models only those that an arm names count.
    """
    code, files = code_hash(ROOT)
    named = {arm.model for arm in experiment.arms}
    models = {label: one for label, one in experiment.models.items() if label in named}
    whole = {
        "experiment": _hash(experiment.model_dump_json().encode()),
        "tasks": _hash("\n".join(f"{t.env} {t.split} {t.id} {t.key}" for t in tasks).encode()),
        "code": code,
        "files": files,
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--", *ROOMS)),
        "lock": _file_hash(ROOT / LOCK),
        "arms": own_arms(experiment),
        "models": {label: model_of(m, settings) for label, m in models.items()},
        "settings": settings.model_dump(mode="json", include={"solver", "memory", "budget"}),
        "seeds": list(experiment.seeds),
        "machine": machine(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "command": command,
    }
    digest = _hash(repr(sorted((k, str(v)) for k, v in whole.items())).encode())
    return {"id": digest, "began": datetime.now(UTC).isoformat(timespec="seconds"), **whole}


def check_same(
    earlier: Sequence[Mapping[str, Any]],
    now: Mapping[str, Any],
    *,
    known: Experiment | None,
    experiment: Experiment,
) -> list[str]:
    """Notes on what differs from earlier sessions of the table.

    An experiment may grow: more arms, seeds, tasks. Raises `UserError` where new rows would not
    belong to the old ones: another model, prompt budget or step limit, other options of an arm.
    """
    differs = "" if known is None else _differs(known, experiment)
    for one in earlier:
        for label, model in one["models"].items():
            if label in now["models"] and now["models"][label] != model:
                differs = f"model {label!r}"
    if differs:
        raise UserError(
            f"the table of {experiment.name!r} was begun with another {differs}",
            repair="move its folder away, or go back to what it was begun with",
        )
    return sorted(
        {
            f"rows of {one['began']} were played with other {part}"
            for one in earlier
            for part in ("code", "arms", "lock", "packages", "settings", "machine")
            if one.get(part) != now[part]
        }
    )


def grown(known: Experiment | None, now: Experiment) -> Experiment:
    """`now` with all that the table has rows of besides: other arms, seeds, task sets, models.

    What was there first stays first, so that arms without chance keep to the seed that they have.
    """
    if known is None:
        return now
    arms = {arm.name: arm for arm in (*known.arms, *now.arms)}
    sets = {asked.name: asked for asked in now.measure}
    for asked in known.measure:
        most = max(asked.n, sets.get(asked.name, asked).n)
        sets[asked.name] = asked.model_copy(update={"n": most})
    return now.model_copy(
        update={
            "arms": tuple(arms.values()),
            "seeds": tuple(dict.fromkeys((*known.seeds, *now.seeds))),
            "measure": tuple(sets.values()),
            "models": {**known.models, **now.models},
            "learn": now.learn or known.learn,
        }
    )


def _differs(known: Experiment, now: Experiment) -> str:
    """What of two forms of an experiment does not belong together; empty when one grew."""
    for part in ("learn", "order", "checkpoints", "note_tokens", "steps"):
        old, new = getattr(known, part), getattr(now, part)
        if old != new and not (part == "learn" and None in (old, new)):
            return part
    arms = {arm.name: arm for arm in known.arms}
    for arm in now.arms:
        old = arms.get(arm.name, arm)
        if (old.kind, old.model, old.options) != (arm.kind, arm.model, arm.options):
            return f"arm {arm.name!r}"
    return ""


def own_arms(experiment: Experiment) -> dict[str, str]:
    """Hash of the source of each arm that is not of this laboratory, by kind."""
    kinds = {arm.kind: kind_of(arm) for arm in experiment.arms if ":" in arm.kind}
    return {kind: _file_hash(Path(inspect.getfile(found))) for kind, found in sorted(kinds.items())}


def model_of(model: ModelSettings, settings: Settings) -> dict[str, Any]:
    """Name and hash of a model file, or address and name of a server's model."""
    chosen = describe(model, home=settings.home)
    sha256 = sha256_of(chosen.file) if chosen.file else ""
    return {
        "name": chosen.name,
        "origin": chosen.origin,
        "sha256": sha256,
        "context": model.context,
        "threads": model.threads or 1,
        "server": chosen.base_url,
    }


def machine() -> dict[str, Any]:
    """What the session ran on, without names."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "processor": _processor(),
    }


def code_hash(root: Path) -> tuple[str, int]:
    """Hash over all code and prompts that can change a row, and the number of files."""
    total, count = hashlib.sha256(), 0
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".py", ".md") and path.is_file():
                total.update(f"{path.relative_to(root).as_posix()}\n".encode())
                total.update(path.read_bytes())
                count += 1
    return total.hexdigest()[:16], count


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _file_hash(path: Path) -> str:
    return _hash(path.read_bytes()) if path.is_file() else ""


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
