"""ExpeL: rules that were voted on, and the most similar solved tasks as examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from agent.models.types import Sampling
from agent.runner import Crew
from bench.arms.learning import (
    Thinker,
    asking,
    attempts,
    fitting,
    joined,
    line,
    nearest,
    object_of,
    room,
    solving,
    story,
    told,
    whole,
)
from bench.arms.reflexion import KEPT, Planner
from bench.arms.types import Desk, Note, Played
from bench.arms.worked import solved_text
from envs.errors import UserError, clip, one_line
from envs.types import Task
from memory.essence import essential
from memory.text import estimate_tokens
from memory.types import StepRecord, Trajectory, Usage

RULES = 20
"""So many rules are a full list, as in the paper's code."""
OVER = 5
"""So many more, and removing counts three times; then nothing is added."""
BEGIN, STRONG = 2, 3
"""Importance of a new rule, and what a removal takes off when the list is over full."""
OPERATIONS = 4
"""Operations of one extraction."""
TEXT = 200
"""Most characters of a rule."""
REPLY = 900
"""Most tokens of a reply; so long that the rules' lengths end it first."""
FULL = (
    "Focus on REMOVE rules first, and stop ADD rule unless the new rule is VERY insightful and "
    "different from EXISTING RULES. "
)
ASKED = "Below are the operations you do to the above list of EXISTING RULES:"
HEADER = Note(
    id="expel",
    text=(
        "The following are some experience you gather on a similar task of completing a household "
        "task by interacting in a household environment. Use these as references to help you "
        "perform this task:"
    ),
)
Rule = dict[str, Any]
"""`id`, `text`, `count` (importance), `runs`, `task_keys`."""


class ExpeL(Thinker):
    """Gathers runs with retries, keeps a list of rules by vote, and shows similar solved tasks.

    1. Gather: train tasks are tried again after a failure, with Reflexion's plans, and without
    rules or examples (`gather`). 2. Extract rules: a model sees a failed and the successful
    attempt at the same task, or a handful of successes of different tasks, and the rules so far,
    and does at most four operations. ADD puts in a rule with importance 2; EDIT rewrites one and
    adds 1; AGREE adds 1; REMOVE takes off 1, or 3 when the list is over full; at 0 a rule goes.
    3. In a new task, tried once, the prompt holds all rules, most important first, and the `k`
    solved tasks of its type whose words are closest to it.
    """

    paper: ClassVar[str] = "Zhao et al. 2023, ExpeL, arXiv 2308.10144"
    differs: ClassVar[str] = (
        "Rules are extracted after each train task, as pairs and handfuls come up, not once after "
        "all; a handful is 4 successes where the paper has 8, and one that is not full is left; at "
        "most 2 extractions a task. Two retries where the paper has three. Operations come as "
        "JSON and go by the rule's number where the code goes by its words too; a list that is "
        "over full by 5 takes no more rules. What a model wrote goes back to all runs in its "
        "prompt, those of the rules that stood there included. At most half of the prompt budget "
        "that all arms have goes to solved tasks, without steps that did not help and shortened "
        "where they don't fit; the paper shows two whole. No annotated examples stand beside "
        "them. MiniLM embeds goals, the paper's code embeds goal and room by all-mpnet-base-v2."
    )
    learns: ClassVar[bool] = True

    def __init__(
        self, desk: Desk, *, think: bool = True, retries: int = 2, k: int = 2, chunk: int = 4
    ) -> None:
        super().__init__(desk, think=think)
        self._retries = whole(retries, name="retries", low=0, high=KEPT)
        self._k = whole(k, name="k", low=0, high=10)
        self._chunk = whole(chunk, name="chunk", low=2, high=20)
        self._rules: list[Rule] = []
        self._solved: list[dict[str, Any]] = []
        self._waiting: list[str] = []
        self._made = 0

    def gather(self, crew: Crew) -> Crew:
        """Who plays train tasks: Reflexion, with retries."""
        crew = self.crew(crew)
        if not self._retries:
            return crew
        planner = Planner(self.desk.model, context=self.desk.settings.model.context)
        return replace(solving(crew, retries=self._retries), reflector=planner)

    async def notes(self, task: Task) -> tuple[Note, ...]:
        """Rules and similar solved tasks; nothing on train tasks, where runs are gathered."""
        if task.split == "train":
            return ()
        rules = [_note(rule) for rule in self._rules if task.key not in rule["task_keys"]]
        budget = self.desk.note_tokens
        examples = self._examples(task, tokens=budget // 2 if rules else budget)
        left = budget - sum(estimate_tokens(note.text) for note in examples)
        fit = fitting([HEADER, *rules], tokens=left)
        return (*(fit if len(fit) > 1 else ()), *examples)

    async def learn(self, played: Played) -> Usage:
        """Keeps a success; extracts rules: two calls at most. Raises `ModelError`, then unchanged.

        Raises `UserError` for a failed run that was not tried again: `gather` has to play these.
        """
        run, tried = played.trajectory, attempts(played.trajectory)
        if run.error or not tried:
            return Usage()
        if self._retries and not played.passed and run.attempts == 1 and run.stop == "limit":
            raise UserError(
                f"ExpeL was to learn from run {run.id}, which was not tried again",
                repair="let `gather` play its train tasks, or set the option retries to 0",
            )
        if not played.passed:
            return Usage()
        solved = [*self._solved, _kept(played, tried[-1])]
        waiting = [*self._waiting, run.id]
        due = len(waiting) >= self._chunk
        rules, made, spent = [dict(rule) for rule in self._rules], self._made, Usage()
        for failed in tried[:-1][-1 if due else -2 :]:
            runs = {run.id: played.task.key}
            asked = self._compare(rules, run, tried[-1], failed)
            rules, made, usage = await self._extract(rules, made, *asked, runs=runs)
            spent += usage
        if due:
            told_ = [entry for entry in solved if entry["run"] in waiting]
            runs = {entry["run"]: entry["task_key"] for entry in told_}
            asked = self._successes(rules, told_)
            rules, made, usage = await self._extract(rules, made, *asked, runs=runs)
            spent, waiting = spent + usage, []
        self._solved, self._waiting, self._rules, self._made = solved, waiting, rules, made
        return spent

    def dump(self) -> dict[str, Any]:
        """Rules, solved tasks, the ids of those not yet extracted from, and a counter."""
        return {
            "rules": self._rules,
            "solved": self._solved,
            "waiting": self._waiting,
            "made": self._made,
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up what `dump` gave."""
        self._rules = list(kept.get("rules", ()))
        self._solved = list(kept.get("solved", ()))
        self._waiting = list(kept.get("waiting", ()))
        self._made = int(kept.get("made", 0))

    def fixed(self) -> frozenset[str]:
        """The line that stands before the rules."""
        return frozenset({HEADER.id})

    def _examples(self, task: Task, *, tokens: int) -> tuple[Note, ...]:
        """The `k` closest solved tasks of its type that fit, each in its shortest way."""
        kind = task.tags[0] if task.tags else ""
        shortest: dict[str, dict[str, Any]] = {}
        for entry in sorted(self._solved, key=lambda entry: len(entry["steps"])):
            if entry["type"] == kind and entry["task_key"] != task.key:
                shortest.setdefault(entry["task_key"], entry)
        known = list(shortest.values())
        order = nearest(self.desk, task.goal, [entry["goal"] for entry in known])
        notes: list[Note] = []
        for place in order:
            if len(notes) == self._k:
                break
            share = tokens // (self._k - len(notes))
            note = self._example(known[place], tokens=share)
            if estimate_tokens(note.text) <= tokens:
                notes.append(note)
                tokens -= estimate_tokens(note.text)
        return tuple(notes)

    def _example(self, entry: dict[str, Any], *, tokens: int) -> Note:
        steps = [StepRecord(index=n, **step) for n, step in enumerate(entry["steps"])]
        text = solved_text(
            entry["goal"], entry["first"], essential(steps), think=self.think, tokens=tokens
        )
        run, key = entry["run"], entry["task_key"]
        return Note(id=f"expel:{run}", text=text, runs=(run,), task_keys=(key,))

    def _compare(
        self,
        rules: Sequence[Rule],
        run: Trajectory,
        success: Sequence[StepRecord],
        failed: Sequence[StepRecord],
    ) -> tuple[str, str]:
        system = f"{told('expel_compare')}\n\n{told('expel_operations')}"
        head = f"Here are the two previous trials to compare and critique:\nTRIAL TASK:\n{run.goal}"
        end = _existing(rules)
        most = room(self.desk.settings.model.context, system, head, end, reply=REPLY) // 2
        won = story("SUCCESSFUL TRIAL:", success, most=most)
        lost = story("FAILED TRIAL:", failed, most=most)
        return system, "\n\n".join([head, won, lost, end])

    def _successes(
        self, rules: Sequence[Rule], entries: Sequence[dict[str, Any]]
    ) -> tuple[str, str]:
        system = f"{told('expel_success')}\n\n{told('expel_operations')}"
        head, end = "Here are the trials:", _existing(rules)
        most = room(self.desk.settings.model.context, system, head, end, reply=REPLY)
        trials = [
            story(
                entry["goal"],
                [StepRecord(index=n, **step) for n, step in enumerate(entry["steps"])],
                most=most // len(entries) - 2,
            )
            for entry in entries
        ]
        return system, "\n\n".join([head, *trials, end])

    async def _extract(
        self,
        rules: list[Rule],
        made: int,
        system: str,
        content: str,
        *,
        runs: Mapping[str, str],
    ) -> tuple[list[Rule], int, Usage]:
        """The rules after one extraction; what it writes goes back to `runs` and to all rules."""
        reply = await self.desk.model.reply(
            asking(system, content),
            schema=_schema(len(rules)),
            sampling=Sampling(max_tokens=REPLY),
        )
        source = {
            "runs": joined(runs, *(rule["runs"] for rule in rules)),
            "task_keys": joined(runs.values(), *(rule["task_keys"] for rule in rules)),
        }
        operations = (reply.data or {}).get("operations", ())
        return *voted(rules, operations, made=made, source=source), reply.usage


def voted(
    rules: Sequence[Rule],
    operations: Iterable[Mapping[str, Any]],
    *,
    made: int,
    source: Mapping[str, list[str]],
) -> tuple[list[Rule], int]:
    """`rules` after `operations` as the paper's code does them, and how many were ever made.

    First come removals, then votes, edits and additions; one for each rule. What says the same as
    a rule is not added, and as an edit counts as a vote. `source` is where new words come from.
    """
    kept = [dict(rule) for rule in rules]
    full = len(kept) >= RULES + OVER
    chosen: list[tuple[str, int, str]] = []
    for given in list(operations)[:OPERATIONS]:
        name, number = given["operation"], int(given["rule"]) - 1
        text = one_line(str(given["text"]))
        same = next((n for n, rule in enumerate(kept) if text and rule["text"] in text), None)
        if name == "EDIT" and same is not None:
            name, number = "AGREE", same
        touched = {place for what, place, _ in chosen if what != "ADD"}
        known = 0 <= number < len(kept) and number not in touched
        adds = name == "ADD" and text and same is None and not full
        if adds or (name != "ADD" and known and (name != "EDIT" or text)):
            chosen.append((name, number, text))
    for name, number, _text in chosen:
        if name == "REMOVE":
            kept[number]["count"] -= STRONG if full else 1
        elif name in ("AGREE", "EDIT"):
            kept[number]["count"] += 1
    for name, number, text in chosen:
        if name == "EDIT":
            kept[number].update(text=text, **source)
        elif name == "ADD" and all(rule["text"] != text for rule in kept):
            made += 1
            kept.append({"id": f"rule-{made}", "text": text, "count": BEGIN, **source})
    left = [rule for rule in kept if rule["count"] > 0]
    return sorted(left, key=lambda rule: -rule["count"]), made


def _kept(played: Played, steps: Sequence[StepRecord]) -> dict[str, Any]:
    run = played.trajectory
    return {
        "goal": run.goal,
        "run": run.id,
        "task_key": played.task.key,
        "type": run.task_type,
        "first": run.first_observation,
        "steps": [
            {
                "action": step.action,
                "observation": clip(one_line(step.observation), most=300),
                "thought": clip(step.thought, most=160),
            }
            for step in steps
        ],
    }


def _existing(rules: Sequence[Rule]) -> str:
    listed = "\n".join(f"{number}. {rule['text']}" for number, rule in enumerate(rules, start=1))
    full = FULL if len(rules) >= RULES else ""
    return f"Here are the EXISTING RULES:\n{listed}\n\n{full}{ASKED}"


def _note(rule: Rule) -> Note:
    return Note(
        id=f"expel:{rule['id']}",
        text=f"- {rule['text']}",
        runs=tuple(rule["runs"]),
        task_keys=tuple(rule["task_keys"]),
    )


def _schema(rules: int) -> dict[str, Any]:
    names = ["ADD", "EDIT", "AGREE", "REMOVE"] if rules else ["ADD"]
    operation = object_of(
        {
            "operation": {"enum": names},
            "rule": {"enum": list(range(rules + 1))},
            "text": line(TEXT),
        }
    )
    operations = {"type": "array", "items": operation, "minItems": 1, "maxItems": OPERATIONS}
    return object_of({"operations": operations})
