"""How well a model criticises answers: its own and others', apart.

After "Critique Ability of Large Language Models" (Luo et al. 2023, arXiv 2310.04815; catalogue row
criticbench). The paper labels 3,000 answers of several models in mathematics, code and questions;
here the questions are made by a program (`bench/evals/items.py`), which also labels the answers.
Others' answers are, for every question, one without a fault and one with a slip, written by that
program, or what another model answered (`Report.answers` of its own run). Own and others' answers
are shown in the same words, as somebody's. The self-check is the agent's own filter
(`agent/selfcheck.py`): own answers that the model finds wrong are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic import computed_field

from agent.models.types import Model
from agent.selfcheck import critique
from bench.evals.items import ASKED, Item, Kind, answered, items, right
from envs.errors import UserError
from envs.types import Frozen
from memory.intervals import newcombe, wilson
from memory.types import Usage

WHAT = "judges its own and others' answers, with the self-check as a filter"
PAPER = "Luo et al. 2023, Critique Ability of Large Language Models, arXiv 2310.04815"


class Answer(Frozen):
    """Somebody's answer to an item."""

    item: str
    """`Item.id`."""
    by: str
    """Model, or `program`."""
    text: str
    """The answer."""
    right: bool
    """Whether it is right; labelled by the program that made the item."""


class Judged(Frozen):
    """An answer, and what the model says about it."""

    answer: Answer
    """The answer."""
    kind: Kind
    """What the item is about."""
    called: bool
    """Whether the model calls it right."""


class Tally(Frozen):
    """Judgements counted: what it was, then what it was called."""

    right_right: int = 0
    """Right answers that were called right."""
    right_wrong: int = 0
    """Right answers that were called wrong."""
    wrong_right: int = 0
    """Wrong answers that were called right."""
    wrong_wrong: int = 0
    """Wrong answers that were called wrong."""

    @property
    def total(self) -> int:
        """Judgements."""
        return self.right_right + self.right_wrong + self.wrong_right + self.wrong_wrong

    @property
    def agreed(self) -> int:
        """Judgements that were true."""
        return self.right_right + self.wrong_wrong

    @computed_field
    @property
    def accuracy(self) -> float | None:
        """Share of true judgements; None without any."""
        return self.agreed / self.total if self.total else None

    @computed_field
    @property
    def balanced(self) -> float | None:
        """Mean of the share of right answers called right and of wrong ones called wrong.

        A model that calls everything wrong has 0.5 here, however many are wrong. None where all
        answers were right, or all wrong: then it can't be told from such a model.
        """
        right, wrong = self.right_right + self.right_wrong, self.wrong_right + self.wrong_wrong
        if not right or not wrong:
            return None
        return (self.right_right / right + self.wrong_wrong / wrong) / 2

    @computed_field
    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.agreed, self.total)


class Filtered(Frozen):
    """What the self-check does to the model's own answers."""

    answers: int
    """Own answers."""
    right: int
    """Of those, right ones."""
    kept: int
    """Answers that the self-check let pass."""
    kept_right: int
    """Of those, right ones."""


class Report(Frozen):
    """How well a model criticises."""

    model: str
    """Its name."""
    seed: int
    """Seed of the items."""
    items: int
    """Questions."""
    own: Tally
    """Judgements of its own answers."""
    others: Tally
    """Judgements of others' answers."""
    own_by_kind: dict[str, Tally]
    """The same by kind of question."""
    others_by_kind: dict[str, Tally]
    """The same by kind of question."""
    difference: tuple[float, float]
    """Newcombe's 95 % interval of own less others' accuracy."""
    selfcheck: Filtered | None
    """None: the filter was off."""
    answers: tuple[Answer, ...]
    """Its own answers, for another model to criticise."""
    usage: Usage
    """What it cost."""


async def criticise(
    model: Model,
    *,
    n: int,
    seed: int = 0,
    others: Sequence[Answer] = (),
    selfcheck: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Has the model answer `n` items, and judge its own and others' answers to them.

    Raises `UserError` for `others` that answer none of these items, `ModelError` when the model
    does not answer.
    """
    asked = items(n, seed=seed)
    foreign = labelled(asked, others) if others else program(asked)
    usage, own = Usage(), list[Answer]()
    steps = 2 * len(asked) + len(foreign)
    for item in asked:
        question = f"{item.question}\n\n{ASKED}"
        text, spent = await answered(model, [{"role": "user", "content": question}])
        usage += spent
        own.append(Answer(item=item.id, by=model.name, text=text, right=right(item, text)))
        progress(len(own), steps)
    by_id = {item.id: item for item in asked}
    judged: list[Judged] = []
    for answer in [*own, *foreign]:
        item = by_id[answer.item]
        said = await critique(model, question=item.question, answer=answer.text)
        usage += said.usage
        judged.append(Judged(answer=answer, kind=item.kind, called=said.answer == "right"))
        progress(len(own) + len(judged), steps)
    mine, theirs = judged[: len(own)], judged[len(own) :]
    one, two = tally(mine), tally(theirs)
    return Report(
        model=model.name,
        seed=seed,
        items=n,
        own=one,
        others=two,
        own_by_kind=_by_kind(mine),
        others_by_kind=_by_kind(theirs),
        difference=newcombe((one.agreed, two.agreed), (one.total, two.total)),
        selfcheck=filtered(mine) if selfcheck else None,
        answers=tuple(own),
        usage=usage,
    )


def program(asked: Iterable[Item]) -> list[Answer]:
    """For every item a right and a wrong answer, by the program that made it."""
    return [
        Answer(item=item.id, by="program", text=text, right=right(item, text))
        for item in asked
        for text in (item.right, item.wrong)
    ]


def labelled(asked: Iterable[Item], answers: Iterable[Answer]) -> list[Answer]:
    """Answers to these items, labelled anew by the program; others are left out."""
    by_id = {item.id: item for item in asked}
    found = [
        answer.model_copy(update={"right": right(by_id[answer.item], answer.text)})
        for answer in answers
        if answer.item in by_id
    ]
    if not found:
        raise UserError(
            "these answers are to other items",
            repair="take the same -n and --seed as for the run that gave them",
        )
    return found


def tally(judged: Iterable[Judged]) -> Tally:
    """Judgements counted."""
    counts = {"right_right": 0, "right_wrong": 0, "wrong_right": 0, "wrong_wrong": 0}
    for one in judged:
        was, called = ("right" if yes else "wrong" for yes in (one.answer.right, one.called))
        counts[f"{was}_{called}"] += 1
    return Tally(**counts)


def filtered(own: Sequence[Judged]) -> Filtered:
    """The self-check as a filter on own answers."""
    kept = [one for one in own if one.called]
    return Filtered(
        answers=len(own),
        right=sum(one.answer.right for one in own),
        kept=len(kept),
        kept_right=sum(one.answer.right for one in kept),
    )


def _by_kind(judged: Sequence[Judged]) -> dict[str, Tally]:
    kinds = sorted({one.kind for one in judged})
    return {kind: tally(one for one in judged if one.kind == kind) for kind in kinds}
