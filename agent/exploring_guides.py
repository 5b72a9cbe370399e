"""What is worth trying on a page that is new: weights of the possible actions, for an explorer.

`Relevance` asks no model: it knows goals, names and what an action brought about, and no word of
any site. `Asked` has a model pick, and falls back on relevance for the rest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.exploring_words import SIGNS, UNNAMED, labelled, naming, right_before, telling, within
from agent.models.types import Model, Sampling
from agent.reflectors.types import object_of, one_of
from agent.transcript import prompt
from envs.browser_dialogs import QUESTION
from envs.errors import clip
from envs.pages import PageAction, quote
from envs.pages_snapshot import CHECKS, FIELDS, TEXTS
from envs.types import Step
from memory.types import Usage
from skills.pages import understood

TOKENS = 120
"""Of a model's pick."""
SHOWN = 40
"""Actions that a model chooses from."""
MOST, LABELLED, PIECE, OTHER_ROW, IN_ROWS = 8.0, 3.0, 0.5, 0.1, 0.3
"""Weight of all texts for one field; factors: for a field that the goal speaks of, for a piece of
another text, for what stands in a row of which the goal doesn't speak, for what the goal doesn't
speak of and a row holds, one of many: a page's own links are fewer, and lead further."""
OTHERS, BEHIND, TURNS = 0.2, 2.5, 8.0
"""Factors: for a text that the goal gives to another field, for what may turn the pages of a table;
weight of turning them once more."""
BEHIND_MOST = 2
"""Buttons or links behind a table of which any may turn its pages."""
ROWS = 4
"""Rows from which on a table is one of many."""
SENDS_MOST = 3
"""Buttons side by side at the end of a form, of which any may send it (`Cancel`, `Save`)."""
AWAITED, BEGUN = 6.0, 2.0
"""Weights of an entry from which on a form is not sent before it is made; in one that was begun."""
MENU, MENU_MOST = 5.0, 12
"""Factor for what a menu holds that was opened just now; actions that one adds at most."""
GIVEN = FIELDS - CHECKS - {"radio"}
"""Roles of what a goal gives a text or a choice."""
NONE: frozenset[str] = frozenset()
ENTERS = ("fill", "select", "check", "type")
IDLE = ("wait", "back", "hover", "scroll", "type", "double-click", "uncheck", "drag")
ITEM = re.compile(r'^ *item ("(?:[^"\\]|\\.)*")', re.MULTILINE)
"""What is shown as something that can be clicked, though it has no role."""
ROW = re.compile(r"( *)row\b")
SPOT = re.compile(r' *([a-z]+ "(?:[^"\\]|\\.)*"(?: #\d+)?)')
CHOSEN = re.compile(r'^ *(tab "(?:[^"\\]|\\.)*"(?: #\d+)?) \[[^\]]*\bselected\b', re.MULTILINE)
"""Tabs that are in front already, however well the goal speaks of them."""


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
        entries: defaultdict[str, list[tuple[str, PageAction]]] = defaultdict(list)
        for line in possible:
            one = understood(line)
            if one and one.verb in ("fill", "select"):
                entries[str(one.spot)].append((line, one))
        for some in entries.values():  # many texts for one field don't make the field more likely
            for line, one in some:
                if any(one.value != o.value and within(one.value, o.value) for _, o in some):
                    weights[line] *= PIECE
            total = sum(weights[line] for line, _ in some)
            most = MOST * (LABELLED if labelled(some[0][1].name, moment.goal.casefold()) else 1.0)
            for line, _ in some:
                weights[line] = max(weights[line], 1e-6) * min(1.0, most / max(total, 1e-6))
        return weights


@dataclass(frozen=True)
class Known:
    """What is the same for all actions of a moment."""

    items: frozenset[str]
    """Names, quoted, of what can be clicked without a role."""
    sends: frozenset[str]
    """Buttons, one of which sends the form in which the last field was filled."""
    early: frozenset[str]
    """Buttons behind fields that wait for what the goal names."""
    asked: bool
    """Whether nothing but a question stands there."""
    rows: frozenset[str]
    """What rows of tables hold, by role and name."""
    chosen: frozenset[str]
    """Tabs that are in front, by role and name."""
    owners: Mapping[str, frozenset[str]]
    """For a text, fields that the goal names right before it."""
    opened: bool
    """Whether the last action added a little to what is possible and took nothing: a menu."""
    behind: frozenset[str]
    """What follows on a table of whose rows the goal does not speak: it may lead to others."""
    onward: str
    """What was done last, if it led to others of the kind that stood there, none of which the goal
    speaks of: a page of a table was turned."""

    @classmethod
    def of(cls, moment: Moment, done: Sequence[PageAction]) -> Known:
        """Read off what stands there."""
        possible = moment.seen.admissible or ()
        sends = next((some for one in _entered(done) if (some := _closing(moment, one))), NONE)
        owners = _owners(possible, moment.goal.casefold())
        early: set[str] = set()
        waits = False
        for line in possible:
            waits = waits or _awaited(line, moment, done, owners)
            if waits and line.startswith("click button "):
                early |= sends if line in sends else {line}
                waits = False
        return cls(
            items=frozenset(ITEM.findall(moment.seen.observation)),
            sends=sends,
            early=frozenset(early),
            asked={line for line in possible if line.startswith("click ")} == QUESTION,
            rows=_in_rows(moment.seen.observation),
            chosen=frozenset(CHOSEN.findall(moment.seen.observation)),
            owners=owners,
            opened=_opened(moment),
            behind=_behind(possible, moment.goal.casefold()),
            onward=moment.done[-1] if done and _turned(moment) else "",
        )


def _weight(line: str, moment: Moment, done: Sequence[PageAction], known: Known) -> float:
    action = understood(line)
    if known.asked and action and action.verb == "click":
        return 6.0 if action.name == "OK" else 0.6  # whoever asks wants to know whether it is meant
    if line == known.onward:
        return TURNS
    if line in moment.done and line not in known.sends:
        return 0.02
    plain = action and action.role == "item" and quote(action.name) not in known.items
    if action is None or action.verb in IDLE or plain or str(action.spot) in known.chosen:
        return 0.1
    if any(_same(action, one) for one in done):
        return 0.1  # a part that was opened shows another sign now
    fresh = (MENU if known.opened else 2.0) if moment.done and line not in moment.before else 1.0
    if action.near:  # one of several that are alike: that of the row which the goal speaks of
        fresh *= 6.0 if within(action.near.casefold(), moment.goal.casefold()) else OTHER_ROW
    if action.verb in ("fill", "select"):
        return fresh * _given(action, known.owners) * _entering(action, moment.goal, done)
    if action.verb == "press":
        alone = 0.7 if known.sends else 4.0  # a field with no button behind it is sent so
        return alone if done and done[-1].verb == "fill" else 0.1
    if action.role in TEXTS:
        return 0.05
    named = naming(action.name, moment.goal, done)
    weight = fresh * named
    if named <= UNNAMED and not action.near and str(action.spot) in known.rows:
        weight *= IN_ROWS
    if line in known.behind:
        weight *= BEHIND
    if line in known.early:
        return 0.5 * weight
    if action.role == "button" and _entered(done):
        weight *= 12.0 if line in known.sends else 2.0
    return weight


def _in_rows(observation: str) -> frozenset[str]:
    """What stands in the rows of a page with many, as `link "Ann Lee"`."""
    held: set[str] = set()
    rows, depth = 0, -1
    for line in observation.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        if found := ROW.match(line):
            rows, depth = rows + 1, len(found[1])
        elif depth >= 0 and indent > depth:
            if spot := SPOT.match(line):
                held.add(spot[1])
        else:
            depth = -1
    return frozenset(held if rows >= ROWS else ())


def _owners(possible: Sequence[str], goal: str) -> Mapping[str, frozenset[str]]:
    some = [one for line in possible if (one := understood(line))]
    labels = {one.name.casefold() for one in some if one.role in GIVEN and one.name}
    values = {one.value.casefold() for one in some if one.verb in ("fill", "select")}
    found = {
        v: frozenset(label for label in labels if right_before(label, v, goal)) for v in values
    }
    return {value: some for value, some in found.items() if some}


def _turned(moment: Moment) -> bool:
    """Whether the last action is still possible and put rows, of none of which the goal speaks, in
    the place of others.
    """
    here = {one.near for line in moment.seen.admissible or () if (one := understood(line))}
    past = {one.near for line in moment.before if (one := understood(line))}
    spoken = any(near and within(near.casefold(), moment.goal.casefold()) for near in here)
    still = moment.done[-1] in (moment.seen.admissible or ())
    return still and not spoken and bool(here - past - {""}) and bool(past - here - {""})


def _behind(possible: Sequence[str], goal: str) -> frozenset[str]:
    some = [(line, one) for line in possible if (one := understood(line)) and one.role]
    near = [number for number, (_, one) in enumerate(some) if one.near]
    rows = {some[number][1].near.casefold() for number in near}
    if len(rows) < ROWS or any(within(row, goal) for row in rows):
        return frozenset()
    next_ = some[near[-1] + 1 :][:BEHIND_MOST]
    return frozenset(line for line, one in next_ if one.role in ("button", "link"))


def _entered(done: Sequence[PageAction]) -> tuple[PageAction, ...]:
    """What was entered into last, if something was: choosing from a list that was opened counts,
    which may be called after what was chosen then.
    """
    if done and _enters(done[-1]):
        return (done[-1],)
    opened = len(done) > 1 and done[-2].verb == "click" and done[-2].role in ("combobox", "item")
    if not (opened and done[-1].verb == "click" and done[-1].role in ("option", "item")):
        return ()
    return done[-2], done[-2].model_copy(update={"name": done[-1].name})


def _same(action: PageAction, past: PageAction) -> bool:
    """Whether both click what is called alike but for signs round the name (an arrow)."""
    bare = SIGNS.sub("", past.name)
    named = bare and SIGNS.sub("", action.name) == bare and action.name != past.name
    return bool(named) and (action.verb, action.role) == (past.verb, past.role)


def _opened(moment: Moment) -> bool:
    possible = set(moment.seen.admissible or ())
    lost = [one for one in moment.before - possible if one.startswith("click ")]
    return bool(moment.done) and not lost and 0 < len(possible - moment.before) <= MENU_MOST


def _enters(action: PageAction) -> bool:
    return action.verb in ENTERS or action.role == "radio"


def _awaited(
    line: str,
    moment: Moment,
    done: Sequence[PageAction],
    owners: Mapping[str, frozenset[str]],
) -> bool:
    """Whether it enters what the goal names, into a field that nothing was entered into; in a form
    that was begun, into an empty one what may be a name, a date or a number.
    """
    one = understood(line)
    if one is None or one.verb not in ("fill", "select"):
        return False
    weight = _entering(one, moment.goal, done) * _given(one, owners)
    shown = rf"^ *{re.escape(str(one.spot))}(?: \[[^\]]*\])*$"
    begun = weight >= BEGUN and one.verb == "fill" and bool(_entered(done))
    return weight >= AWAITED or (begun and bool(re.search(shown, moment.seen.observation, re.M)))


def _given(action: PageAction, owners: Mapping[str, frozenset[str]]) -> float:
    """Less for a text that the goal gives to another field."""
    mine = owners.get(action.value.casefold(), NONE)
    return OTHERS if mine and action.name.casefold() not in mine else 1.0


def _closing(moment: Moment, last: PageAction) -> frozenset[str]:
    """The first buttons behind the field of an action, in reading order: forms end with some."""
    past = False
    found: list[str] = []
    for line in moment.seen.admissible or ():
        one = understood(line)
        past = past or bool(one and str(one.spot) == str(last.spot))
        if past and one and one.verb == "click" and one.role == "button":
            found.append(line)
        elif found:
            break
    return frozenset(found[:SENDS_MOST])


def _entering(action: PageAction, goal: str, done: Sequence[PageAction]) -> float:
    same = [one for one in done if one.verb == action.verb and str(one.spot) == str(action.spot)]
    if same:
        return 0.03
    value, low = action.value.casefold(), goal.casefold()
    if action.verb == "select":
        return 8.0 if within(value, low) else 0.2
    told = " " in value or (telling(action.value) and not low.startswith(value))
    weight = 6.0 if f'"{value}"' in low else 2.0 if told else 1.0
    if any(
        value in (one.value.casefold(), one.near.casefold(), one.name.casefold()) for one in done
    ):
        weight *= 0.1  # it was entered, or what it names was opened
    label = action.name.casefold()
    if label and right_before(label, value, low):
        weight *= 6.0  # the goal names the field right before what belongs there
    elif labelled(label, low):
        weight *= LABELLED
    return weight


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
