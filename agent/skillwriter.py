"""Skills written by a model: code out of ways through tasks, mended until it can be tried."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from agent.crossing import off
from agent.models.types import Message, Model, Sampling
from agent.synthesis import Told
from agent.transcript import CHARS_A_TOKEN, prompt
from envs.errors import ModelError, clip, one_line
from envs.types import Action, Frozen, ToolSpec
from memory.ledger import Ledger
from memory.text import strip_marked
from memory.types import Trajectory, Usage
from skills.calling import bound
from skills.checking import faults, mentioned, stubs_of
from skills.grammar import Grammar
from skills.pages import STUBS, of_pages, required, understood
from skills.program import TAKEN, read
from skills.sandbox import Sandbox
from skills.types import Draft, Shown, Skill
from skills.ways import commands, lettered
from skills.writing import SMALL

ROUNDS = 3
"""Replies for one kind of goal: the first, and those that mend it."""
WAYS = 3
"""Most ways that one prompt tells."""
KINDS = 12
"""Most kinds of goals that are asked for at once; the most frequent come first."""
REPLY = 1200
"""Most tokens of a reply."""
OBSERVED = 200
"""Most characters of an observation in a way that is told."""
WARMER = 0.3
"""What each further reply adds to the temperature, so that it is not the same again."""
Practise = Callable[[Draft, Shown], str]
"""Plays a draft on the task of a way that it was written from; what went wrong, or nothing."""


class Kind(Frozen):
    """Goals that are worded alike, and ways that reached them."""

    goal: str
    """The wording, with parameters in braces."""
    name: str
    """What the function is to be called."""
    parameters: tuple[str, ...] = ()
    """Its parameters, in the order of the wording."""
    ways: tuple[int, ...] = ()
    """Which ways are told."""


class Refusal(Frozen):
    """A kind of goal for which nothing was written that could be tried."""

    goal: str
    """The wording."""
    reason: str
    """What was wrong with the last reply, in one line."""


class Written:
    """Has a model write a function for each kind of goal, and mend it by what checks find.

    One prompt for a kind of goal: what may be called, what the sandbox's Python lacks, known
    skills, one to three ways and what failed before them. What the reply is lacking (it is read,
    type-checked and, with `practise`, played on the task of a way that it was written from) goes
    back to the model, `ROUNDS` replies at most. Goals that a known skill reaches are left out.
    What comes out is a draft: only trials on fresh tasks admit it (`skills/trials.py`).
    """

    def __init__(
        self,
        model: Model,
        *,
        sandbox: Sandbox,
        tools: Sequence[ToolSpec] = (),
        failed: Mapping[str, Trajectory] | None = None,
        practise: Practise | None = None,
        context: int = 8192,
        told: Told = lambda _line: None,
    ) -> None:
        self.name = model.name
        self.refusals: list[Refusal] = []
        """Kinds of goals for which nothing could be tried, of the latest call."""
        self._model = model
        self._sandbox = sandbox
        self._tools = tuple(tools)
        self._failed = dict(failed or {})
        self._practise = practise
        self._context = context
        self._told = told

    async def write(
        self, ways: Sequence[Shown], known: Sequence[Skill]
    ) -> tuple[list[Draft], Usage]:
        """A draft for each kind of goal that none of `known` reaches; raises `ModelError`."""
        self.refusals = []
        drafts, usage = [], Usage()
        for kind in kinds_of(ways, known, failed=self._failed):
            try:
                draft, spent = await self._draft(kind, ways, known)
            except ModelError:
                if not drafts:
                    raise
                break
            usage += spent
            drafts += [draft] if draft else []
            ended = "can be tried" if draft else f"nothing to try: {self.refusals[-1].reason}"
            self._told(f"{kind.name}: {ended}")
        return drafts, usage

    async def _draft(
        self, kind: Kind, ways: Sequence[Shown], known: Sequence[Skill]
    ) -> tuple[Draft | None, Usage]:
        head = self._asked(kind, ways, known)
        messages, usage, usable = head, Usage(), None
        reason = ""
        for number in range(ROUNDS):
            sampling = Sampling(max_tokens=REPLY, temperature=WARMER * number)
            reply = await self._model.reply(messages, sampling=sampling)
            usage += reply.usage
            code = code_of(reply.text)
            draft, found = await self._checked(kind, code, ways, known)
            usable = draft or usable
            if draft and not found:
                return draft, usage
            reason = found[-1] if found else reason
            said = clip("\n".join(found), most=int(self._context * CHARS_A_TOKEN / 4))
            messages = [
                *head,
                {"role": "assistant", "content": clip(reply.text, most=4 * REPLY)},
                {"role": "user", "content": prompt("skill_mend").replace("{faults}", said)},
            ]
        if usable is None:
            self.refusals.append(Refusal(goal=kind.goal, reason=one_line(reason)))
        return usable, usage

    async def _checked(
        self, kind: Kind, code: str, ways: Sequence[Shown], known: Sequence[Skill]
    ) -> tuple[Draft | None, list[str]]:
        """The draft, if the code can be tried; and what is wrong with it nevertheless."""
        if not code:
            return None, ["There is no code in it: answer with one ```python block."]
        found = await off(
            faults,
            self._sandbox,
            code,
            kind.name,
            parameters=kind.parameters,
            stubs=self._stubs(ways, known),
        )
        if found:
            return None, found
        draft = self._of(kind, code, ways, known)
        if not draft.requires:
            forms = "; ".join(self._forms(ways))
            return None, [f"It does nothing that can be done here, which is: {forms}"]
        if self._practise is not None:
            for number in kind.ways:
                wrong = await off(self._practise, draft, ways[number])
                if wrong:
                    return draft, [strip_marked(wrong)]
        return draft, []

    def _of(self, kind: Kind, code: str, ways: Sequence[Shown], known: Sequence[Skill]) -> Draft:
        calls = read(code, kind.name).calls
        used = [one for one in known if one.name in calls]
        own = (
            tuple(one.name for one in self._tools if one.name in calls)
            if self._tools
            else (*required(code), *mentioned(code, self._forms(ways)))
        )
        needs = (*own, *(form for one in used for form in one.requires))
        return Draft(
            name=kind.name,
            code=code,
            goals=(kind.goal,),
            requires=tuple(dict.fromkeys(needs)),
            uses=tuple(one.name for one in used),
            ways=kind.ways,
        )

    def _stubs(self, ways: Sequence[Shown], known: Sequence[Skill]) -> str:
        """Signatures of what may be called; where ways lead through pages, of `page` as well."""
        pages = not self._tools and any(of_pages(way.actions) for way in ways)
        return (STUBS if pages else "") + stubs_of(self._tools, known)

    def _forms(self, ways: Sequence[Shown]) -> tuple[str, ...]:
        """Forms of commands that were done in the ways, then of those offered; or tools' names."""
        if self._tools:
            return tuple(one.name for one in self._tools)
        grammar = Grammar(commands(ways))
        done = [action for way in ways for action in way.actions]
        known = (*done, *sorted(commands(ways)))
        return tuple(dict.fromkeys(grammar.parse(one).form for one in known))

    def _asked(self, kind: Kind, ways: Sequence[Shown], known: Sequence[Skill]) -> list[Message]:
        system = prompt("skill_write")
        head = ", ".join(f"{one}: str" for one in kind.parameters)
        parts = [
            f"The kind of goal: {kind.goal}",
            f"The signature: def {kind.name}({head}) -> bool:",
            f"What it may call:\n{self._stubs(ways, ())}",
        ]
        if known:
            lines = [f"def {one.signature}  # {clip(one.about, most=160)}" for one in known]
            parts.append("\n".join(["Tested functions that it may call as well:", *lines]))
        parts.append(f"Commands here, those of the examples first: {'; '.join(self._forms(ways))}")
        left = int((self._context - REPLY - 300) * CHARS_A_TOKEN) - len(system)
        left = max(600, left - sum(map(len, parts)))
        grammar = Grammar(commands(ways))
        for number, index in enumerate(kind.ways, start=1):
            way = shortened(ways[index], grammar)
            failed = self._failed.get(way.task.key)
            parts.append(example(number, way, kind, failed, most=left // len(kind.ways)))
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": strip_marked("\n\n".join(parts))},
        ]


def kinds_of(
    ways: Sequence[Shown], known: Sequence[Skill], *, failed: Mapping[str, Trajectory]
) -> list[Kind]:
    """Kinds of goals, the most frequent wording of each type of task; those reached are left out.

    Ways that a failure came before are told first, then short ones, with other words each.
    """
    kinds = _words(ways)
    goals = [goal for one in known for goal in one.goals]
    groups: dict[str, list[int]] = defaultdict(list)
    words: dict[int, dict[str, str]] = {}
    for number, way in enumerate(ways):
        if bound(goals, way.task.goal) is None:
            wording, words[number] = lettered(way.task.goal, kinds)
            groups[wording.replace("+}", "}")].append(number)
    found: dict[str, Kind] = {}
    names = {one.name for one in known}
    for wording, numbers in sorted(groups.items(), key=lambda one: (-len(one[1]), one[0])):
        tags = ways[numbers[0]].task.tags
        type_ = tags[0] if tags else wording
        if type_ in found:
            continue
        name = _name(wording, names)
        names.add(name)
        best = sorted(
            numbers, key=lambda n: (ways[n].task.key not in failed, len(ways[n].actions), n)
        )
        told = {tuple(words[n].values()): n for n in reversed(best)}
        chosen = [n for n in best if n in told.values()][:WAYS]
        letters = tuple(words[numbers[0]])
        for letter in letters:
            if any(" " in words[n][letter] for n in numbers):
                wording = wording.replace(f"{{{letter}}}", f"{{{letter}+}}")
        found[type_] = Kind(goal=wording, name=name, parameters=letters, ways=tuple(chosen))
    return list(found.values())[:KINDS]


def example(number: int, way: Shown, kind: Kind, failed: Trajectory | None, *, most: int) -> str:
    """A way as text of at most so many characters, and what failed before it."""
    given = bound((kind.goal,), way.task.goal) or {}
    values = ", ".join(f"{letter} = {value!r}" for letter, value in given.items())
    first = clip(one_line(way.first.observation), most=500)
    offers = clip("; ".join(way.first.admissible or ()), most=400)
    lines = [f"Example {number}: {way.task.goal} ({values})", first]
    lines += [f"Offered at first: {offers}"] if offers else []
    tail: list[str] = []
    if failed is not None:
        tail = ["The same was tried before in this way, which failed:"]
        last = [one for one in failed.steps if one.attempt == failed.attempts - 1]
        tail += _fit([_line(one.action, one.observation) for one in last], most // 3)
        tail.append("What solved it:")
    steps = [_line(a, s.observation) for a, s in zip(way.actions, way.steps, strict=True)]
    room = most - sum(len(line) + 1 for line in (*lines, *tail))
    return "\n".join([*lines, *tail, *_fit(steps, max(200, room))])


def shortened(way: Shown, grammar: Grammar) -> Shown:
    """A way without commands that name nothing and change nothing of what is offered.

    The last action always counts. Calls of tools are left as they are.
    """
    before = [way.first.admissible, *(step.admissible for step in way.steps)]
    kept = [
        at
        for at, (action, step) in enumerate(zip(way.actions, way.steps, strict=True))
        if at == len(way.actions) - 1
        or step.admissible is None
        or set(step.admissible) != set(before[at] or ())
        or grammar.parse(action).names
    ]
    return way.model_copy(
        update={
            "actions": tuple(way.actions[at] for at in kept),
            "steps": tuple(way.steps[at] for at in kept),
        }
    )


def code_of(reply: str) -> str:
    """The program in a reply: its longest fenced block, or all of it where it begins like code."""
    blocks = re.findall(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", reply, re.DOTALL)
    if blocks:
        return max(blocks, key=len).strip() + "\n"
    bare = reply.strip()
    return bare + "\n" if re.match(r"(def|import|from) \w+", bare) else ""


def failed_before(ledger: Ledger, ways: Sequence[Shown]) -> dict[str, Trajectory]:
    """The latest failed run for each task of `ways` that came before it was solved, by key."""
    found: dict[str, Trajectory] = {}
    for way in ways:
        runs = ledger.trajectories(task_key=way.task.key, split="train", limit=-1)
        solved = next((one.began for one in runs if one.id == way.run), "")
        for run in runs:
            lost = run.score is not None and not run.score.passed and not run.error
            if lost and run.steps and (not solved or run.began < solved):
                found.setdefault(way.task.key, run)
    return found


def _words(ways: Sequence[Shown]) -> set[str]:
    """What parameters of goals can stand for: kinds of names, or what tools were called with."""
    called = [_called(action) for way in ways for action in way.actions]
    if any(called):
        values = (value for one in called if one for value in one.arguments.values())
        return {value for value in values if isinstance(value, str) and value}
    if any(of_pages(way.actions) for way in ways):
        return _varying(ways)
    return set(Grammar(commands(ways)).kinds)


def _varying(ways: Sequence[Shown]) -> set[str]:
    """Texts of what was done to pages that the goal quotes, or that other ways of its type lack."""
    texts: dict[tuple[str, ...], list[set[str]]] = defaultdict(list)
    found: set[str] = set()
    for way in ways:
        done = [one for line in way.actions if (one := understood(line))]
        mine = {text for one in done for text in (one.name, one.value) if text}
        texts[way.task.tags[:1]].append(mine)
        found |= {text for text in mine if f'"{text}"' in way.task.goal}
    for some in texts.values():
        found |= set.union(*some) - set.intersection(*some)
    return found


def _called(action: str) -> Action | None:
    return Action.model_validate_json(action) if action.startswith('{"tool":') else None


def _line(action: str, observation: str) -> str:
    call = _called(action)
    if call is not None:
        inside = ", ".join(f"{key}={value!r}" for key, value in call.arguments.items())
        action = f"{call.tool}({inside})"
    return f"> {action}\n{clip(one_line(observation), most=OBSERVED)}"


def _fit(lines: list[str], most: int) -> list[str]:
    """The last lines that fit, and how many are missing."""
    kept = list(lines)
    while len(kept) > 1 and sum(len(line) + 1 for line in kept) > most:
        kept.pop(0)
    gone = len(lines) - len(kept)
    return [f"({gone} actions before)", *kept] if gone else kept


def _name(wording: str, taken: set[str]) -> str:
    """A name for the function, out of the words of a goal."""
    words = re.findall(r"[a-z]+", re.sub(r"\{\w+\+?\}", " ", wording.casefold()))
    told = [word for word in words if word not in SMALL] or words or ["do"]
    name = "_".join(dict.fromkeys(told))[:48].strip("_")
    free, number = name, 2
    while free in taken or free in TAKEN:
        free, number = f"{name}_{number}", number + 1
    return free
