"""ACE: a playbook of bullets that grows by small additions, each with its own counters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from agent.models.types import Sampling
from bench.arms.learning import (
    Thinker,
    asking,
    attempts,
    closest,
    fitting,
    joined,
    line,
    object_of,
    room,
    story,
    told,
    whole,
)
from bench.arms.types import Desk, Note, Played
from envs.errors import UserError, one_line
from envs.types import Task
from memory.types import Usage

SECTIONS = {
    "strategies_and_insights": "str",
    "common_mistakes_to_avoid": "err",
    "problem_solving_heuristics": "prob",
    "context_clues_and_indicators": "ctx",
    "others": "misc",
}
"""Sections of the playbook and what their bullets' ids begin with, as in the released code; its
sections for formulas and code are left out."""
REFLECTED = {
    "reasoning": 240,
    "error_identification": 160,
    "root_cause_analysis": 160,
    "correct_approach": 200,
    "key_insight": 200,
}
"""Fields of a reflection and the most characters of each."""
CONTENT, REASON = 220, 160
"""Most characters of a bullet, and of the reasoning that stands before the additions."""
ADDITIONS = 2
"""Most additions of one curation."""
REPLY = 900
"""Most tokens of a reply; so long that the fields' lengths end it first."""
LISTED = 6000
"""Most characters of the playbook in a curator's prompt."""
HEADER = Note(
    id="ace",
    text=(
        "Read the playbook carefully and apply relevant strategies and insights. Pay attention to "
        "common mistakes listed in the playbook and avoid them. Playbook:"
    ),
)
Bullet = dict[str, Any]
"""`id`, `section`, `content`, `helpful`, `harmful`, `runs`, `task_keys`."""


class ACE(Thinker):
    """Agentic Context Engineering: generator, reflector and curator around one playbook.

    1. The generator (the solver) acts with the playbook in its system prompt. 2. The reflector, a
    model, reads the run, what the environment said of it and the bullets that stood in the
    prompt; it says what went wrong, why, and what to remember, and tags each bullet as helpful,
    harmful or neutral, which moves that bullet's counters. 3. The curator, a model, reads the
    reflection and the playbook, and gives additions only, never the whole playbook again; each
    becomes a bullet with an id of its own. 4. Grow and refine: a new bullet that says the same as
    an old one (cosine of `same` or more) goes into it; above `most` bullets the worst are dropped.
    """

    paper: ClassVar[str] = "Zhang et al. 2025, Agentic Context Engineering, arXiv 2510.04618"
    differs: ClassVar[str] = (
        "The PyPI package ace-framework (0.7.1; by others than the authors) is not driven: what it "
        "declares pulls 80 packages (litellm, browser-use, boto3 ...) and sets openai back from "
        "3.52 to 2.54, huggingface_hub from 2 to 1.16 and pydantic from 2.14 to 2.13. Without "
        "these its roles import and could be handed our model, but its agent answers in one call "
        "instead of acting, and its replies have no bounded lengths, without which small models "
        "do not end. So this is the published algorithm, with the prompts of the authors' code "
        "(ace-agent/ace) for learning without ground truth, shortened and turned to text worlds; "
        "of the curator's operations ADD alone, as released. The generator does not name what it "
        "used: all that stood in its prompt count as used. One round of reflection, one epoch. "
        "Bullets that say the same are joined without a model: the older words stay, counters are "
        "summed. Of the playbook, as much stands in the prompt as the budget of all arms holds, "
        "by helpful less harmful, then latest first; the paper shows all. What the curator wrote "
        "goes back to all runs in its prompt, those of the playbook's bullets included."
    )
    learns: ClassVar[bool] = True

    def __init__(
        self, desk: Desk, *, think: bool = True, most: int = 60, same: float = 0.9
    ) -> None:
        super().__init__(desk, think=think)
        self._most = whole(most, name="most", low=1, high=1000)
        if not isinstance(same, (int, float)) or not 0 < same <= 1:
            raise UserError(f"option same = {same!r} does not fit", repair="give 0.9, or up to 1")
        self._same = float(same)
        self._bullets: list[Bullet] = []
        self._next = 1

    async def notes(self, task: Task) -> tuple[Note, ...]:
        """The playbook's best bullets that fit the budget, under its header."""
        shown = self._shown(task)
        return (HEADER, *map(_note, shown)) if shown else ()

    async def learn(self, played: Played) -> Usage:
        """Reflects and curates: two calls. Raises `ModelError`, then unchanged."""
        run = played.trajectory
        if run.error or not run.steps:
            return Usage()
        shown = self._shown(played.task)
        reflection, tags, spent = await self._reflect(played, shown)
        bullets = counted(self._bullets, tags)
        listed = _listed(bullets)
        additions, usage = await self._curate(run.goal, reflection, listed)
        runs = joined([run.id], *(bullet["runs"] for bullet in listed))
        keys = joined([played.task.key], *(bullet["task_keys"] for bullet in listed))
        grown, following = bullets, self._next
        for given in additions:
            content = one_line(str(given["content"]))
            if content:
                id_ = f"{SECTIONS[given['section']]}-{following:05d}"
                following += 1
                new = {"id": id_, "section": given["section"], "content": content}
                source = {"helpful": 0, "harmful": 0, "runs": runs, "task_keys": keys}
                grown = self._grown(grown, {**new, **source})
        self._bullets, self._next = refined(grown, most=self._most), following
        return spent + usage

    def dump(self) -> dict[str, Any]:
        """The playbook, in the order in which it grew, and the number of the next bullet."""
        return {"bullets": self._bullets, "next": self._next}

    def load(self, kept: dict[str, Any]) -> None:
        """Takes up a playbook."""
        self._bullets = list(kept.get("bullets", ()))
        self._next = int(kept.get("next", 1))

    def fixed(self) -> frozenset[str]:
        """The line that stands before the playbook."""
        return frozenset({HEADER.id})

    def _shown(self, task: Task) -> list[Bullet]:
        """What stands in the prompt for a task; the same while nothing is learned."""
        usable = [bullet for bullet in self._bullets if task.key not in bullet["task_keys"]]
        order = _ranked(usable)
        fit = {note.id for note in fitting([HEADER, *map(_note, order)], tokens=self._budget)}
        return [bullet for bullet in order if f"ace:{bullet['id']}" in fit]

    @property
    def _budget(self) -> int:
        return self.desk.note_tokens

    async def _reflect(
        self, played: Played, shown: Sequence[Bullet]
    ) -> tuple[str, Mapping[str, str], Usage]:
        """The reflection as text, the tags by bullet id, and what it took."""
        run, system = played.trajectory, told("ace_reflect")
        used = "\n".join(map(_line, shown)) or "(No bullets used by generator)"
        feedback = "The task was solved." if played.passed else "The task was NOT solved in time."
        end = (
            f"Environment Feedback:\n{feedback}\n\n"
            f"Part of Playbook that's used by the agent:\n{used}"
        )
        head = f"Task:\n{run.goal}\n\nAgent's Trace:\n"
        most = room(self.desk.settings.model.context, system, head, end, reply=REPLY)
        trace = story(run.first_observation, attempts(run)[-1], most=most)
        tag = {"enum": ["helpful", "harmful", "neutral"]}
        tags = object_of({bullet["id"]: tag for bullet in shown})
        fields = {name: line(most_) for name, most_ in REFLECTED.items()}
        reply = await self.desk.model.reply(
            asking(system, f"{head}{trace}\n\n{end}"),
            schema=object_of({**fields, "bullet_tags": tags} if shown else fields),
            sampling=Sampling(max_tokens=REPLY),
        )
        data = reply.data or {}
        said = [f"{name}: {one_line(str(data.get(name, '')))}" for name in REFLECTED]
        return "\n".join(said), data.get("bullet_tags", {}), reply.usage

    async def _curate(
        self, goal: str, reflection: str, listed: Sequence[Bullet]
    ) -> tuple[list[Mapping[str, Any]], Usage]:
        playbook = "\n".join(map(_line, listed)) or "(empty)"
        content = (
            f"Recent Reflection:\n{reflection}\n\nCurrent Playbook:\n{playbook}\n\n"
            f"Task Context:\n{goal}"
        )
        addition = object_of(
            {
                "type": {"enum": ["ADD"]},
                "section": {"enum": list(SECTIONS)},
                "content": line(CONTENT),
            }
        )
        additions = {"type": "array", "items": addition, "maxItems": ADDITIONS}
        reply = await self.desk.model.reply(
            asking(told("ace_curate"), content),
            schema=object_of({"reasoning": line(REASON), "operations": additions}),
            sampling=Sampling(max_tokens=REPLY),
        )
        return (reply.data or {}).get("operations", []), reply.usage

    def _grown(self, bullets: Sequence[Bullet], new: Bullet) -> list[Bullet]:
        """`bullets` with `new` at their end, or in the one that says the same."""
        texts = [bullet["content"] for bullet in bullets]
        place, likeness = closest(self.desk, new["content"], texts)
        if likeness < self._same:
            return [*bullets, new]
        old = bullets[place]
        both = {
            **old,
            "helpful": old["helpful"] + new["helpful"],
            "harmful": old["harmful"] + new["harmful"],
            "runs": joined(old["runs"], new["runs"]),
            "task_keys": joined(old["task_keys"], new["task_keys"]),
        }
        return [both if bullet is old else bullet for bullet in bullets]


def counted(bullets: Iterable[Bullet], tags: Mapping[str, str]) -> list[Bullet]:
    """`bullets` with their counters moved by the reflector's tags; neutral moves none."""
    return [
        {**bullet, tag: bullet[tag] + 1}
        if (tag := tags.get(bullet["id"], "")) in ("helpful", "harmful")
        else dict(bullet)
        for bullet in bullets
    ]


def refined(bullets: Sequence[Bullet], *, most: int) -> list[Bullet]:
    """At most `most` bullets: those with the least helpful less harmful go, the oldest first."""
    kept = {bullet["id"] for bullet in _ranked(bullets)[:most]}
    return [bullet for bullet in bullets if bullet["id"] in kept]


def _ranked(bullets: Sequence[Bullet]) -> list[Bullet]:
    """Best first: helpful less harmful, then the latest."""
    latest = list(reversed(bullets))
    return sorted(latest, key=lambda bullet: bullet["harmful"] - bullet["helpful"])


def _listed(bullets: Sequence[Bullet]) -> list[Bullet]:
    """What of the playbook stands in the curator's prompt: the best, as much as there is room."""
    listed: list[Bullet] = []
    left = LISTED
    for bullet in _ranked(bullets):
        left -= len(_line(bullet)) + 1
        if left < 0:
            break
        listed.append(bullet)
    return listed


def _line(bullet: Bullet) -> str:
    """A bullet as the playbook has it."""
    counters = f"helpful={bullet['helpful']} harmful={bullet['harmful']}"
    return f"[{bullet['id']}] {counters} :: {bullet['content']}"


def _note(bullet: Bullet) -> Note:
    return Note(
        id=f"ace:{bullet['id']}",
        text=_line(bullet),
        runs=tuple(bullet["runs"]),
        task_keys=tuple(bullet["task_keys"]),
    )
