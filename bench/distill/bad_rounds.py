"""`python -m bench.distill.bad_rounds OUT [--rows 24 --steps 10 --n 20]`: rounds that went wrong.

In a home of its own (OUT) the student that comes along is promoted, and two others are trained from
it on an expert's ways through generated houses: `poisoned`, whose every answer is another one than
the expert's, at the rate of any round; and `overheated`, whose rows are right and whose learning
rate is fifty times that. Then `journeyman models promote` judges both as it judges any student. It
has to refuse them; what it says, and what the ledger keeps of it, is printed. Exit status 1 where
one of them was let in. A second call goes on with what is there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agent.gate import Decision
from agent.models.pull import EMBEDDED, find
from agent.models.students import SHIPPED, student, weights_of
from agent.promotion import current, enlist, promote, students
from agent.settings import Settings, load
from agent.transcript import prompt
from agent.worlds import open_env
from distill.adapters import Adapter, Registry
from distill.bases import prepared, sha256_of
from distill.plan import Plan
from distill.rows import Row, rows, told_first
from distill.rows_expert import expert_runs
from distill.rows_turns import said
from distill.training import LoraTrainer
from envs.errors import Missing
from memory.ledger import Ledger

CHAMPION = f"{SHIPPED}alfworld"
ENV = "household:real"
RATE, HEAT = 3e-4, 50
"""Learning rate of a round, and how many times that is too much."""
WRONG = "look"
"""What is never the way to go on."""


def poisoned(row: Row, *, wrong: str = WRONG) -> Row:
    """The row with every turn that is learnt from saying the wrong action."""
    turns = [
        {**turn, "content": said(wrong)} if turn.get("weight") else turn for turn in row.messages
    ]
    return row.model_copy(update={"messages": tuple(turns)})


def shown(settings: Settings, *, env: str, most: int) -> list[Row]:
    """The expert's ways, asked as a student is."""
    world = open_env(env, settings)
    try:
        runs = expert_runs(world, world.tasks("train"), most=most, seconds=time.time())
    finally:
        world.close()
    told = [told_first(row, prompt("student")) for row in rows(runs)]
    return [row for row in told if isinstance(row, Row)]


def made(
    ledger: Ledger, settings: Settings, name: str, found: Sequence[Row], *, plan: Plan
) -> None:
    """A student from the champion, trained on these rows; nothing where it is there."""
    registry = Registry(settings.home / "adapters")
    if name not in {one.id for one in registry.listed().adapters}:
        file = find(EMBEDDED, home=settings.home)
        if file is None:
            raise Missing("no base is installed", repair=f"journeyman models pull {EMBEDDED}")
        parent = student(CHAMPION, home=settings.home)
        base = prepared(file, cache=settings.home / "cache" / "bases")
        trainer = LoraTrainer(base=base, plan=plan, told=told, base_sha256=sha256_of(file))
        out = settings.home / "training" / name
        done = trainer.train(found, out=out, parent=weights_of(parent))
        adapter = Adapter(
            id=name,
            base=parent.base,
            licence=parent.licence,
            rows=done.manifest.rows_sha256,
            parents=(parent.id,),
            manifest=done.manifest,
        )
        registry.add(adapter, weights=done.weights)
    if name not in students(ledger):
        enlist(ledger, registry.get(name))


def refused(home: Path, name: str, *, env: str, n: int) -> bool:
    """Has the command judge a student, and prints what it says; whether it kept it out."""
    command = ["env", f"JOURNEYMAN_HOME={home}", sys.executable, "-m", "server.cli"]
    asked = ["models", "promote", name, "--env", env, "-n", str(n), "--no-skills", "--json"]
    began = time.perf_counter()
    done = subprocess.run([*command, *asked], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        sys.exit(f"error: models promote ended with {done.returncode}")
    found = json.loads(done.stdout)
    decision, change = found["decision"], found["change"]
    told(f"{name}: {'LET IN' if decision['promote'] else 'refused'}, by {decision['failed']}")
    for reason in decision["reasons"]:
        told(f"  {reason}")
    told(f"  in the ledger: {change['decision']} as {change['id']}: {change['reason']}")
    told(f"  {time.perf_counter() - began:.0f} s")
    return not decision["promote"]


def told(line: str) -> None:
    """A line of progress."""
    print(line, flush=True)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.distill.bad_rounds")
    parser.add_argument("out", type=Path, help="folder of the home that is made")
    parser.add_argument("--env", default=ENV, help="where the expert plays, and the gate")
    parser.add_argument("--rows", type=int, default=24, help="ways of the expert")
    parser.add_argument("--steps", type=int, default=10, help="of the optimiser, two rows each")
    parser.add_argument("--n", type=int, default=20, help="val tasks that the gate plays")
    parser.add_argument("--no-gate", action="store_true", help="only make the two students")
    asked = parser.parse_args()
    settings = load(home=str(asked.out.resolve()))
    settings.home.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(settings.home / "ledger.db")
    champion = student(CHAMPION, home=settings.home)
    if current(ledger) is None:
        why = Decision(promote=True, reasons=("it comes with the installation",))
        promote(ledger, champion, why, home=settings.home)
    found = shown(settings, env=asked.env, most=asked.rows)
    before = champion.manifest.plan if champion.manifest else Plan()
    update = {"batch": 2, "together": 2, "schedule": "constant", "warmup": 0.0, "save_steps": 100}
    update |= {"rate": RATE, "epochs": 2 * asked.steps / len(found)}
    plan = before.model_copy(update=update)
    hot = plan.model_copy(update={"rate": HEAT * RATE})
    made(ledger, settings, "poisoned", [poisoned(row) for row in found], plan=plan)
    made(ledger, settings, "overheated", found, plan=hot)
    ledger.close()
    if not asked.no_gate:
        kept_out = [
            refused(settings.home, name, env=asked.env, n=asked.n)
            for name in ("poisoned", "overheated")
        ]
        sys.exit(0 if all(kept_out) else 1)


if __name__ == "__main__":
    main()
