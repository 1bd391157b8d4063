"""The set of strings that a template matches, as an automaton: does one template match everything that another does?

A template of Starlette's own convertors is a regular expression over a few sets of characters, so this can be decided
and not only tried. Any other template has no `Language`, and nothing is claimed about it.
"""

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from starlette.convertors import Convertor

from ..matching.template import kind_of, parts, pattern

__all__ = ["ANY", "Language", "Undecided", "escapee", "example", "language"]

_DIGITS = "0123456789"
_HEX = "0123456789abcdefABCDEF"


class Characters(NamedTuple):
    """The characters of a step: those named, or all but those named."""

    named: str
    negated: bool = False

    def include(self, character: str) -> bool:
        return (character in self.named) is not self.negated


class Language:
    """A nondeterministic automaton: `steps` and `skips` by state, from state 0 to `accepting`."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[Characters, int]]] = [[]]
        self.skips: list[list[int]] = [[]]
        self.accepting: frozenset[int] = frozenset()
        self.named: set[str] = set()

    def _state(self) -> int:
        self.steps.append([])
        self.skips.append([])
        return len(self.steps) - 1

    def step(self, state: int, characters: Characters) -> int:
        """A new state that is reached over one of the characters."""
        after = self._state()
        self.steps[state].append((characters, after))
        self.named.update(characters.named)
        return after

    def repeat(self, state: int, characters: Characters) -> None:
        self.steps[state].append((characters, state))
        self.named.update(characters.named)

    def join(self, *states: int) -> int:
        """A new state that is reached from each of the given ones over nothing."""
        after = self._state()
        for state in states:
            self.skips[state].append(after)
        return after

    def end(self, state: int) -> None:
        # `$` of a regex is also before one newline at the end.
        self.accepting = frozenset({state, self.step(state, Characters("\n"))})

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        found, waiting = set[int](), list(states)
        while waiting:
            state = waiting.pop()
            if state not in found:
                found.add(state)
                waiting += self.skips[state]
        return frozenset(found)

    def start(self) -> frozenset[int]:
        return self.closure([0])

    def after(self, states: frozenset[int], character: str) -> frozenset[int]:
        """The states after one more character."""
        return self.closure(
            target for state in states for characters, target in self.steps[state] if characters.include(character)
        )


def _literal(automaton: Language, state: int, text: str) -> int:
    for character in text:
        state = automaton.step(state, Characters(character))
    return state


def _some(automaton: Language, state: int, characters: Characters) -> int:
    state = automaton.step(state, characters)
    automaton.repeat(state, characters)
    return state


def _str(automaton: Language, state: int) -> int:
    return _some(automaton, state, Characters("/", negated=True))


def _path(automaton: Language, state: int) -> int:
    state = automaton.join(state)
    automaton.repeat(state, Characters("\n", negated=True))
    return state


def _int(automaton: Language, state: int) -> int:
    return _some(automaton, state, Characters(_DIGITS))


def _float(automaton: Language, state: int) -> int:
    whole = _int(automaton, state)
    fraction = _int(automaton, automaton.step(whole, Characters(".")))
    return automaton.join(whole, fraction)


def _uuid(automaton: Language, state: int) -> int:
    for size in (8, 4, 4, 4, 12):
        for _ in range(size):
            state = automaton.step(state, Characters(_HEX))
        if size != 12:
            state = automaton.join(state, automaton.step(state, Characters("-")))
    return state


class _Builtin(NamedTuple):
    """How one of Starlette's own convertors is built into an automaton, and an example; "" if any text is one."""

    build: Callable[[Language, int], int]
    example: str


_BUILTIN = {
    "str": _Builtin(_str, ""),
    "path": _Builtin(_path, "x/y"),
    "int": _Builtin(_int, "1"),
    "float": _Builtin(_float, "1.5"),
    "uuid": _Builtin(_uuid, "00000000-0000-4000-8000-000000000000"),
}


def language(path: str, param_convertors: Mapping[str, Convertor[Any]], regex: re.Pattern[str]) -> Language | None:
    """The strings that `regex`, made from the template `path`, matches; None if they are not known for certain.

    Upper and lower case are told apart, even if the regex (of a host) ignores case.
    """
    template = parts(path)
    # The regex decides, and a route can be given another one.
    if regex.pattern != pattern(template, param_convertors):
        return None
    automaton, state = Language(), 0
    for word, convertor, _ in template:
        if convertor is None:
            state = _literal(automaton, state, word)
            continue
        kind = kind_of(param_convertors[word])
        if kind is None:
            return None
        state = _BUILTIN[kind].build(automaton, state)
    automaton.end(state)
    return automaton


def _anything() -> Language:
    automaton = Language()
    automaton.repeat(0, Characters("", negated=True))
    automaton.accepting = frozenset({0})
    return automaton


ANY = _anything()


def example(path: str, param_convertors: Mapping[str, Convertor[Any]], filling: str = "x") -> str:
    """A string that a template of Starlette's own convertors matches; `filling` stands for each `str`."""
    return "".join(
        word if convertor is None else _BUILTIN[kind_of(param_convertors[word]) or "str"].example or filling
        for word, convertor, _ in parts(path)
    )


class Undecided(Exception):
    """It would take too long."""


_MOST_STATES = 2_000


def escapee(inner: Language, outer: Language, *, ordinary: bool = False) -> str | None:
    """A shortest string that `inner` matches and `outer` does not; None if there is none.

    Args:
        ordinary: only strings that begin with a slash and have no newline count.

    Raises:
        Undecided: it would take too long to tell.
    """
    alphabet = _alphabet(inner.named | outer.named, ordinary)
    first = (inner.start(), outer.start())
    path_to: dict[tuple[frozenset[int], frozenset[int]], str] = {first: ""}
    waiting = deque([first])
    while waiting:
        here = waiting.popleft()
        in_inner, in_outer = here
        path = path_to[here]
        if in_inner & inner.accepting and not in_outer & outer.accepting and not (ordinary and not path):
            return path
        if len(path_to) > _MOST_STATES:
            raise Undecided
        for character in "/" if ordinary and not path else alphabet:
            after = (inner.after(in_inner, character), outer.after(in_outer, character))
            if after[0] and after not in path_to:
                path_to[after] = path + character
                waiting.append(after)
    return None


def _alphabet(named: set[str], ordinary: bool) -> list[str]:
    """Every character that a step names, and one that stands for all the others: no step can tell these apart."""
    other = next(character for character in map(chr, range(ord("a"), sys.maxunicode)) if character not in named)
    return sorted((named | {other}) - ({"\n"} if ordinary else set()))
