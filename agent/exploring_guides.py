"""What is worth trying on a page that is new: weights of the possible actions, for an explorer.

`Relevance` asks no model: it knows goals, names and what an action brought about, and no word of
any site. `Asked` has a model pick, and falls back on relevance for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.models.types import Model, Sampling
from agent.reflectors.types import object_of, one_of
from agent.transcript import prompt
from envs.errors import clip
from envs.pages import PageAction, quote
from envs.types import Step
from memory.types import Usage
from skills.pages import understood

TOKENS = 120
"""Of a model's pick."""
SHOWN = 40
"""Actions that a model chooses from."""
QUESTION = frozenset(('click button "OK"', 'click button "Cancel"'))
"""All that can be clicked while a page waits for an answer (`envs/browser_dialogs.py`)."""
AWAITED = 6.0
"""Weight of an entry from which on a form is not sent before it is made."""
ENTERS = ("fill", "select", "check", "type")
IDLE = ("wait", "back", "hover", "scroll", "type", "double-click", "uncheck", "drag")
WORD = re.compile(r"[^\W_][\w'-]*")
ITEM = re.compile(r'^ *item ("(?:[^"\\]|\\.)*")', re.MULTILINE)
"""What is shown as something that can be clicked, though it has no role."""
COMMON = frozenset(
    """a an and any as at button by click enter field fields for from has have in into it its link
    of on or press select submit text that the then this to use with""".split()  # noqa: SIM905
)


class Moment(Protocol):
    """Where an explorer is."""

    @property
    def goal(self) -> str:
        """What is asked."""
        ...

    @property
    def seen(self) -> Step:
        """What stands there."""
        ...

    @property
    def done(self) -> Sequence[str]:
        """What was done so far."""
        ...

    @property
    def before(self) -> frozenset[str]:
        """What was possible before the last action."""
        ...


class Guide(Protocol):
    """Says what is worth trying."""

    name: str

    async def weigh(self, moment: Moment) -> Mapping[str, float]:
        """Weights above 0 of the possible actions; they need not add up to anything."""
        ...


class Relevance:
    """By what actions have to do with the goal, with each other, and with what just appeared."""

    name = "relevance"

    async def weigh(self, moment: Moment) -> Mapping[str, float]:
        """Every possible action has a weight."""
        done = [one for line in moment.done if (one := understood(line))]
        possible = moment.seen.admissible or ()
        known = Known.of(moment, done)
        weights = {line: _weight(line, moment, done, known) for line in possible}
        fields: dict[str, float] = {}
        for line in possible:  # many texts for one field don't make the field more likely
            one = understood(line)
            if one and one.verb in ("fill", "select"):
                fields[str(one.spot)] = fields.get(str(one.spot), 0.0) + weights[line]
        for line in possible:
            one = understood(line)
            if one and one.verb in ("fill", "select") and fields[str(one.spot)] > 0:
                best = max(weights[line], 1e-6)
                weights[line] = best * min(1.0, 8.0 / fields[str(one.spot)])
        return weights


@dataclass(frozen=True)
class Known:
    """What is the same for all actions of a moment."""

    items: frozenset[str]
    """Names, quoted, of what can be clicked without a role."""
    sends: str
    """What sends the form in which the last field was filled."""
    early: bool
    """Whether another field before it waits for what the goal names."""
    asked: bool
    """Whether nothing but a question stands there."""

    @classmethod
    def of(cls, moment: Moment, done: Sequence[PageAction]) -> Known:
        """Read off what stands there."""
        possible = moment.seen.admissible or ()
        sends = _closing(moment, done[-1]) if done and done[-1].verb in ENTERS else ""
        fields = possible[: possible.index(sends)] if sends else ()
        return cls(
            items=frozenset(ITEM.findall(moment.seen.observation)),
            sends=sends,
            early=any(_awaited(line, moment.goal, done) for line in fields),
            asked={line for line in possible if line.startswith("click ")} == QUESTION,
        )


def _weight(line: str, moment: Moment, done: Sequence[PageAction], known: Known) -> float:
    action = understood(line)
    if known.asked and action and action.verb == "click":
        return 6.0 if action.name == "OK" else 0.6  # whoever asks wants to know whether it is meant
    if line in moment.done:
        return 0.02
    plain = action and action.role == "item" and quote(action.name) not in known.items
    if action is None or action.verb in IDLE or plain:
        return 0.1
    fresh = 2.0 if moment.done and line not in moment.before else 1.0
    if action.verb in ("fill", "select"):
        return fresh * _entering(action, moment.goal, done)
    if action.verb == "press":
        alone = 0.7 if known.sends else 4.0  # a field with no button behind it is sent so
        return alone if done and done[-1].verb == "fill" else 0.1
    if action.role == "textbox":
        return 0.05
    weight = fresh * _naming(action.name, moment.goal, done)
    if action.near:  # one of several that are alike: that of the row which the goal speaks of
        weight *= 6.0 if _within(action.near.casefold(), moment.goal.casefold()) else 0.3
    if action.role == "button" and done and done[-1].verb in ENTERS:
        weight *= 2.0 if line != known.sends else 0.5 if known.early else 12.0
    return weight


def _awaited(line: str, goal: str, done: Sequence[PageAction]) -> bool:
    """Whether it enters what the goal names, into a field that nothing was entered into."""
    one = understood(line)
    entry = one and one.verb in ("fill", "select")
    return bool(one and entry and _entering(one, goal, done) >= AWAITED)


def _closing(moment: Moment, last: PageAction) -> str:
    """The first button behind the field of an action, in reading order: forms end with one."""
    past = False
    for line in moment.seen.admissible or ():
        one = understood(line)
        past = past or bool(one and str(one.spot) == str(last.spot))
        if past and one and one.verb == "click" and one.role == "button":
            return line
    return ""


def _entering(action: PageAction, goal: str, done: Sequence[PageAction]) -> float:
    same = [one for one in done if one.verb == action.verb and str(one.spot) == str(action.spot)]
    if same:
        return 0.03
    value, low = action.value.casefold(), goal.casefold()
    if action.verb == "select":
        return 8.0 if _within(value, low) else 0.2
    weight = 6.0 if f'"{value}"' in low else 2.0 if " " in value or _telling(action.value) else 1.0
    if any(one.value.casefold() == value for one in done):
        weight *= 0.1
    label = action.name.casefold()
    if label and re.search(rf"{re.escape(label)}\W+(?:\w+\W+)?{re.escape(value)}", low):
        weight *= 6.0  # the goal names the field right before what belongs there
    elif label and any(_within(word, low) for word in WORD.findall(label) if word not in COMMON):
        weight *= 3.0
    return weight


def _naming(name: str, goal: str, done: Sequence[PageAction]) -> float:
    """By how much of a name the goal speaks of, and how much of the goal that is."""
    low, name = goal.casefold(), name.casefold()
    words = [word for word in WORD.findall(name) if word not in COMMON]
    if not words:
        return 3.0 if name and f'"{name}"' in low else 0.6
    if f'"{name}"' in low:
        return 10.0
    told = {word for one in done for word in WORD.findall(f"{one.name} {one.value}".casefold())}
    hits = [word for word in words if _within(word, low) or _within(_other(word), low)]
    new = [word for word in hits if word not in told]
    if not hits:
        return 0.6
    whole = 3.0 if _within(name, low) else 1.0
    return 0.6 + whole * (3.0 * len(new) + 1.0 * (len(hits) - len(new))) * len(hits) / len(words)


def _within(word: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _other(word: str) -> str:
    """A word of many as of one, and the other way round; short ones as they are."""
    return word if len(word) < 4 else word[:-1] if word.endswith("s") else f"{word}s"


def _telling(value: str) -> bool:
    return any(letter.isdigit() or letter.isupper() or letter == "@" for letter in value)


class Asked:
    """A model picks what it would try; what it does not pick keeps a small weight."""

    name = "model"

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plain = Relevance()
        self.usage = Usage()
        """What asking consumed so far."""

    async def weigh(self, moment: Moment) -> Mapping[str, float]:
        """Relevance, and most of the weight on what the model picked."""
        weights = dict(await self._plain.weigh(moment))
        shown = sorted(weights, key=lambda line: -weights[line])[:SHOWN]
        if not shown:
            return weights
        told = (
            f"Task: {moment.goal}",
            f"Done: {'; '.join(moment.done) or 'nothing yet'}",
            f"The page:\n{clip(moment.seen.observation, most=3000)}",
            "Possible:\n" + "\n".join(shown),
        )
        reply = await self._model.reply(
            [
                {"role": "system", "content": prompt("explore")},
                {"role": "user", "content": "\n\n".join(told)},
            ],
            schema=object_of(action=one_of(shown)),
            sampling=Sampling(max_tokens=TOKENS),
        )
        self.usage = self.usage + reply.usage
        picked = str((reply.data or {}).get("action", ""))
        if picked in weights:
            weights[picked] += 2.0 * sum(weights.values())
        return weights
