"""How good it is to have begun so: the share of attempts through a prefix that reach the goal.

After "ReST-MCTS*: LLM Self-Training via Process Reward Guided Tree Search" (Zhang et al. 2024,
arXiv 2406.03816; catalogue row rest-mcts): traces whose every step has a high value train the
policy, and prefixes with their values train a value model. Attempts at a task are a tree: those
that did the same and saw the same so far are at one node. What differs: the tree is what was
recorded, not grown for the purpose, so a node's value is as exact as its `visits` are many; the
paper weighs a step by its distance to the goal as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from distill.rows import Row, Valued, origin_of, quotes
from distill.rows import rows as solved
from distill.rows_groups import Try, tries
from distill.rows_turns import Turn, spoken, turns_of
from memory.types import Trajectory

HIGH = 0.5
"""Least value of each step of a trace that trains the policy."""


@dataclass(slots=True)
class Node:
    """A beginning."""

    depth: int
    """Steps done."""
    tries: list[Try] = field(default_factory=list)
    """Attempts that began so."""

    @property
    def value(self) -> float:
        """Share of them that reached the goal."""
        return sum(one.won for one in self.tries) / len(self.tries)


class Tree:
    """The nodes of attempts, by what was asked, seen and done."""

    def __init__(self, found: Iterable[Try]) -> None:
        self.nodes: dict[str, Node] = {}
        for one in found:
            for depth, name in enumerate(_names(one)):
                self.nodes.setdefault(name, Node(depth)).tries.append(one)

    def values(self, one: Try) -> list[float]:
        """Values along an attempt: before its first step, after it, after the next ..."""
        return [self.nodes[name].value for name in _names(one)]


def rows(
    trajectories: Sequence[Trajectory],
    *,
    high: float = HIGH,
    held_out_keys: Collection[str] = (),
) -> Iterator[Row]:
    """Rows (see `distill.rows.rows`) of successes in which every step has a value of `high`."""
    found = tries(trajectories, held_out_keys=held_out_keys)
    tree = Tree(found)
    good = [one.run for one in found if one.won and min(tree.values(one)[1:]) >= high]
    yield from solved(good, held_out_keys=held_out_keys)


def values(
    trajectories: Iterable[Trajectory], *, held_out_keys: Collection[str] = ()
) -> Iterator[Valued]:
    """Every node with its value, each once, in the words of the first attempt through it.

    Left out are nodes of attempts in whose words a recalled lesson stands; they count in values.
    """
    words: dict[int, tuple[list[Turn], bool, list[int]]] = {}
    for node in Tree(tries(trajectories, held_out_keys=held_out_keys)).nodes.values():
        one = node.tries[0]
        if id(one) not in words:
            turns, rebuilt = spoken(one.run, one.steps)
            if quotes(turns, one.run.steps):
                turns = []
            words[id(one)] = (turns, rebuilt, turns_of(turns, steps=len(one.steps)))
        turns, rebuilt, places = words[id(one)]
        if not turns:
            continue
        end = places[node.depth] if node.depth < len(places) else len(turns)
        told = turns[:end]
        if told[-1].get("role") == "assistant":
            told = [*told, {"role": "user", "content": one.steps[node.depth - 1].observation}]
        others = sorted({other.run.id for other in node.tries} - {one.run.id})
        yield Valued(
            messages=tuple(told),
            value=node.value,
            visits=len(node.tries),
            metadata=origin_of(
                one.run, steps=node.depth, rebuilt=rebuilt, made="value", others=tuple(others)
            ),
        )


def _names(one: Try) -> Iterator[str]:
    """A name for each node along an attempt; the same for attempts that are there."""
    run = one.run
    digest = hashlib.sha256(repr((run.env, run.task_key, run.goal, run.first_observation)).encode())
    yield digest.hexdigest()
    for step in one.steps:
        digest.update(repr((step.action, step.observation)).encode())
        yield digest.hexdigest()
