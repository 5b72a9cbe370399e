"""TextWorld's PDDL games without its waiting times, and with the same output.

The stock path parses every command template anew at each step, deep-copies contexts, copies a
library of 33 MB for each game, and runs Fast Downward's translation four times before the first
command. Here texts are parsed once per process, the answers of queries are kept until a fact that
they read has changed, libraries are reused, and a translation is made once and kept on disk.

Like `textgames.py`, and unlike all other files, this one imports TextWorld, private names
included; it is imported only when the versions are those that it was written for.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, NamedTuple

import fast_downward
from alfworld.agents.utils.misc import Demangler
from fast_downward.translate.pddl.conditions import Atom as InitAtom
from fast_downward.translate.pddl.f_expression import Assign
from textworld.envs.pddl.logic import _parse_and_convert as parse_logic
from textworld.envs.pddl.textgen import (
    ConditionalSymbol,
    CSGUnknownSymbolError,
    EvalSymbol,
    NonterminalSymbol,
    TerminalSymbol,
)
from textworld.envs.pddl.textgen import _parse_and_convert as parse_text
from textworld.generator.game import EntityInfo
from textworld.logic import Placeholder, Proposition, Rule, State, Type, TypeHierarchy, Variable

from envs.keep import keep

FORMAT = b"1"
"""Part of the key of stored translations; another shape needs another format."""
TASK = re.compile(r'("task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*)("(?:[^"\\]|\\.)*")')
"""The one rule of a grammar that differs between games."""
NOTHING = "Nothing happens."

_LIBRARIES: list[Any] = []


class Translation(NamedTuple):
    """What Fast Downward makes of a domain and a problem."""

    sas: str
    """The task in its own format."""
    actions: dict[str, list[list[str]]]
    """Parameters of each action: names and types."""
    types: list[list[Any]]
    """Names and supertypes."""
    objects: dict[str, str]
    """Names and types."""
    facts: list[list[Any]]
    """What holds at first: predicates and arguments."""


class Context(NamedTuple):
    """What a text is derived under."""

    mapping: dict[Any, Any]
    """Placeholders and the variables that they stand for."""
    names: dict[str, Any]
    """The same by name, as entities."""


class Move(NamedTuple):
    """Something that can be done: operator, number of its effects, rule of its text."""

    operator: int
    effects: int
    feedback: str
    context: Context


class Fact(NamedTuple):
    """A fact as the expert reads it; sorts, so that the expert plays the same in every process."""

    name: str
    names: tuple[str, ...]


class World(State):
    """The facts of a game and the library that changes them."""

    def __init__(self, translation: Translation, *, library: Any) -> None:
        # As textworld.envs.pddl.logic.PddlState does: the parent's own wants another logic.
        self._facts = defaultdict(set)
        self._vars_by_name = {}
        self._vars_by_type = defaultdict(set)
        self._var_counts = Counter()
        self._logic = SimpleNamespace(types=_hierarchy(json.dumps(translation.types)))
        self._objects = translation.objects
        self._library = library
        self._changes: Counter[str] = Counter()
        self._answers: dict[Any, tuple[tuple[int, ...], list[Any]]] = {}
        library.load_sas(translation.sas.encode())
        for name, arguments in translation.facts:
            self.add_fact(self._proposition(name, arguments))
        atoms = (fast_downward.Atom * library.get_state_size())()
        library.get_state(atoms)
        read = [self._read(atom) for atom in atoms]
        self.add_facts([fact for fact in read if not fact.is_negation])

    def add_fact(self, prop: Proposition) -> None:
        """Answers that depend on its name are asked anew."""
        self._changes[prop.name] += 1
        super().add_fact(prop)

    def remove_fact(self, prop: Proposition) -> None:
        """Answers that depend on its name are asked anew."""
        self._changes[prop.name] += 1
        super().remove_fact(prop)

    def ask(self, expression: str, mapping: dict[Any, Any]) -> list[Any]:
        """All mappings under which the expression holds. Not to be changed by the caller."""
        rule, read = _query(expression)
        changes = tuple([self._changes[name] for name in read])
        key = (expression, tuple(mapping.items()))
        known = self._answers.get(key)
        if known is None or known[0] != changes:
            known = (changes, list(self.all_assignments(rule, mapping)))
            self._answers[key] = known
        return known[1]

    def do(self, move: Move) -> None:
        """Does it."""
        effects = (fast_downward.Atom * move.effects)()
        self._library.apply_operator(move.operator, effects)
        for effect in effects:
            fact = self._read(effect)
            self.remove_fact(fact.negate())
            self.add_fact(fact)

    def operators(self) -> Any:
        """Everything that can be done now, as the library lists it."""
        found = (fast_downward.Operator * self._library.get_applicable_operators_count())()
        self._library.get_applicable_operators(found)
        return found

    def won(self) -> bool:
        """Whether the goal is reached."""
        return bool(self._library.check_goal())

    def _read(self, atom: Any) -> Proposition:
        """`Atom name(a, b)` or `NegatedAtom name(a, b)`."""
        sort, rest = atom.name.split(" ", 1)
        name, arguments = rest.split("(", 1)
        parts = [part for part in arguments[:-1].split(", ") if part]
        return self._proposition(f"not_{name}" if sort == "NegatedAtom" else name, parts)

    def _proposition(self, name: str, arguments: Sequence[str]) -> Proposition:
        return Proposition(name, [Variable(arg, self._objects[arg]) for arg in arguments])


class FastGame:
    """One game. `data` is what a game file holds. With `facts`, states list them, sorted."""

    def __init__(self, data: dict[str, Any], *, cache: Path | None, facts: bool = False) -> None:
        self._templates, self._rules = _logic(data["grammar"])
        self._translation = translate(data["pddl_domain"], data["pddl_problem"], cache=cache)
        self._list_facts = facts
        self._library: Any = _LIBRARIES.pop() if _LIBRARIES else fast_downward.load_lib()
        self._moves: dict[str, Move] = {}
        self._known: dict[int, tuple[str, str, Move]] = {}
        self._new: World | None = World(self._translation, library=self._library)
        self._world = self._new
        self._entities = _entities(self._world)

    def reset(self) -> dict[str, Any]:
        """Begins anew; returns `feedback`, `admissible_commands`, `won` and, if asked, `facts`."""
        self._world = self._new or World(self._translation, library=self._library)
        self._new = None
        return self._state(self._derive("#intro#", Context({}, {})))

    def step(self, command: str) -> dict[str, Any]:
        """Does one command; returns as `reset` does."""
        move = self._moves.get(command.strip())
        if move is None:
            return self._state(NOTHING)
        self._world.do(move)
        return self._state(self._derive(move.feedback, move.context))

    def close(self) -> None:
        """Gives the library to the next game; may be called twice."""
        if self._library is not None:
            _LIBRARIES.append(self._library)
            self._library = None

    def _state(self, feedback: str) -> dict[str, Any]:
        self._moves = {}
        for operator in self._world.operators():
            template, move = self._move(operator)
            command = self._derive(template, move.context)
            self._moves.setdefault(command, move)
        state = {
            "feedback": feedback,
            "admissible_commands": sorted(self._moves),
            "won": self._world.won(),
        }
        if self._list_facts:
            state["facts"] = sorted(
                Fact(fact.name, tuple(self._entities[var.name].name for var in fact.arguments))
                for fact in self._world.facts
            )
        return state

    def _move(self, operator: Any) -> tuple[str, Move]:
        number = operator.id
        name = operator.name
        known = self._known.get(number)
        if known is None or known[0] != name:
            action, *arguments = name.split()
            template, feedback = self._templates[action]
            mapping = {
                Placeholder(ph.strip("?"), sort): Variable(argument, sort)
                for (ph, sort), argument in zip(
                    self._translation.actions[action], arguments, strict=False
                )
            }
            context = self._context(mapping)
            known = (name, template, Move(number, operator.nb_effect_atoms, feedback, context))
            self._known[number] = known
        return known[1], known[2]

    def _context(self, mapping: dict[Any, Any]) -> Context:
        return Context(mapping, {ph.name: self._entities[var.name] for ph, var in mapping.items()})

    def _derive(self, text: str, context: Context) -> str:
        return "".join(self._words(_symbols(text), context))

    def _words(self, symbols: Sequence[Any], context: Context) -> Iterator[str]:
        for symbol in symbols:
            yield from self._word(symbol, context)

    def _word(self, symbol: Any, context: Context) -> Iterator[str]:
        if isinstance(symbol, TerminalSymbol):
            yield str(symbol.symbol)
        elif isinstance(symbol, NonterminalSymbol):
            yield from self._words(self._chosen(symbol.symbol, context), context)
        elif isinstance(symbol, EvalSymbol):
            # The same trust as in the stock path: a game file is a program.
            yield str(eval(_code(symbol.expression), {}, context.names))  # noqa: S307
        elif isinstance(symbol, ConditionalSymbol):
            for inner in self._contexts(symbol, context):
                yield from self._word(symbol.expression, inner)
        else:
            yield from self._list(symbol.symbol, context)

    def _list(self, item: Any, context: Context) -> Iterator[str]:
        contexts = self._contexts(item, context)
        if not contexts:
            yield from self._words(self._chosen("list_empty", context), context)
        for number, inner in enumerate(contexts):
            if number:
                last = number == len(contexts) - 1
                name = "list_last_separator" if last else "list_separator"
                yield from self._words(self._chosen(name, context), context)
            yield from self._word(item.expression, inner)

    def _contexts(self, symbol: Any, context: Context) -> list[Context]:
        if not symbol.given:
            return [context]
        found = self._world.ask(symbol.given, context.mapping)
        return [self._context({**context.mapping, **mapping}) for mapping in found]

    def _chosen(self, name: str, context: Context) -> Sequence[Any]:
        """The first rule of this name whose condition holds."""
        if name not in self._rules:
            raise CSGUnknownSymbolError(NonterminalSymbol(name))
        for condition, symbols in self._rules[name]:
            if not condition or self._world.ask(condition, context.mapping):
                return symbols
        raise LookupError(f"no rule of {name!r} applies")


Templates = Mapping[str, tuple[str, str]]
Rules = Mapping[str, Sequence[tuple[str, Sequence[Any]]]]


def _logic(grammar: str) -> tuple[Templates, Rules]:
    """Template and feedback of each action, and the rules of texts."""
    found = TASK.findall(grammar)
    if len(found) != 1:
        return _parsed(grammar)
    templates, rules = _parsed(TASK.sub(r'\1"TASK"', grammar))
    return templates, {**rules, "task": [("", _symbols(json.loads(found[0][1])))]}


@lru_cache(maxsize=16)
def _parsed(grammar: str) -> tuple[Templates, Rules]:
    parsed: Any = parse_logic(grammar, rule_name="pddlStart")
    actions, texts = parsed
    templates = {name: (act.template, act.feedback_rule) for name, act in actions.items()}
    rules = {
        name: [(rule.condition, tuple(rule.rhs)) for rule in choices]
        for name, choices in texts._rules.items()
    }
    return templates, rules


@lru_cache(maxsize=4096)
def _symbols(text: str) -> Sequence[Any]:
    return tuple(parse_text(text, rule_name="symbols"))


@lru_cache(maxsize=1024)
def _query(expression: str) -> tuple[Rule, tuple[str, ...]]:
    """The rule, and the names of the predicates that it reads."""
    rule = Rule.parse_conjunctive_query(expression)
    return rule, tuple({predicate.name for predicate in rule.preconditions})


@lru_cache(maxsize=1024)
def _code(expression: str) -> CodeType:
    return compile(expression.strip(), "<grammar>", "eval")


@lru_cache(maxsize=16)
def _hierarchy(types: str) -> TypeHierarchy:
    """Types as JSON: names and supertypes. Read only, so games share it."""
    hierarchy = TypeHierarchy()
    for name, supertypes in json.loads(types):
        with suppress(ValueError):  # Named twice: the first counts, as in the stock path.
            hierarchy.add(Type(name, supertypes))
    return hierarchy


def _entities(world: World) -> dict[str, Any]:
    """Everything that a fact speaks of, named as ALFWorld names it."""
    infos: dict[str, Any] = {
        var.name: EntityInfo(var.name, var.type) for f in world.facts for var in f.arguments
    }
    demangler = Demangler(game_infos=infos)
    for info in infos.values():
        info.name = demangler.demangle_alfred_name(info.id)
        info.definite = "the"
        info.indefinite = "a"
    return infos


def translate(domain: str, problem: str, *, cache: Path | None) -> Translation:
    """The translation, from the folder `cache` where it is known; else made, and put there."""
    key = hashlib.sha256(b"\0".join((FORMAT, domain.encode(), problem.encode()))).hexdigest()
    path = cache / key[:2] / f"{key}.z" if cache else None
    if path is not None:
        try:
            return Translation(**json.loads(zlib.decompress(path.read_bytes())))
        except (OSError, ValueError, TypeError, zlib.error):
            pass  # Absent, unreadable or damaged: made anew.
    task, sas = _translated(domain, problem)
    objects = {thing.name: thing.type_name for thing in task.objects}
    made = Translation(
        sas=sas,
        actions={a.name: [[p.name, p.type_name] for p in a.parameters] for a in task.actions},
        types=[[sort.name, list(sort.supertype_names)] for sort in task.types],
        objects=objects,
        facts=[fact for fact in map(_initial, task.init) if fact],
    )
    if path is not None:
        with suppress(OSError):  # A folder that can't be written only costs time.
            keep(path, zlib.compress(json.dumps(made._asdict()).encode()))
    return made


def _translated(domain: str, problem: str) -> Any:
    """Task and SAS. Half a million objects: without the collector it takes 0.7 of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return fast_downward.pddl2sas(domain, problem)
    finally:
        if collects:
            gc.enable()


def _initial(atom: Any) -> list[Any] | None:
    """A fact of the start as the stock path reads it; None for those that it leaves out."""
    if isinstance(atom, InitAtom):
        return None if atom.predicate == "=" else [atom.predicate, list(atom.args)]
    if isinstance(atom, Assign) and atom.fluent.symbol != "total-cost":
        name = str(atom.expression.value)
        return None if name.isdigit() else [name, list(atom.fluent.args)]
    return None
