"""PathMatcher: one path template against one path (pure twin).

A template of Starlette's own convertors is matched in time linear in the path, times the elements of the
template. Of all ways to match, a regex takes the one where the first parameter is longest, then the second,
and so on. Where every end is forced (see `Element`) that is a single walk from left to right: here a regex
whose repeats are all possessive, so that it never goes back. From the first element with a choice on, two
passes find the same answer without trying combinations:

1. From the last element to the first: the positions from which this element and all later ones match, out of
   those from which the later ones do. It takes one step per position: "one or more of a class" can begin at
   p if the character there is of the class, and either it can end at p + 1 or it can begin there as well.
2. From the first element to the last: the longest end from which the later ones match.

In this twin `re` may still go back over a path so short that it cannot take more than `_STEPS` steps: there
the two passes cost more than they save.
"""

import math
import re
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any
from uuid import UUID

from starlette.convertors import Convertor

from ._template import Element, Template, compile_elements, match_regex, read_template

__all__ = ["PathMatcher"]

Match = Callable[[str], dict[str, Any] | None]

_STEPS = 20_000

# The same as Starlette's regexes, but possessive: only the longest end.
_LONGEST = {
    "str": "[^/]++",
    "path": ".*+",
    "int": "[0-9]++",
    "float": r"[0-9]++(?:\.[0-9]++)?+",
    "uuid": "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}
_LONGEST_AT = {kind: re.compile(regex).match for kind, regex in _LONGEST.items()}
_ANY_END = {"str": "[^/]+", "path": ".*", "int": "[0-9]+", "float": r"[0-9]+(?:\.[0-9]+)?"}
_CONVERT: dict[str, Callable[[str], Any]] = {
    "str": str,
    "path": str,
    "int": int,
    "float": float,
    "uuid": UUID,
}


class PathMatcher:
    """One path template, ready to be matched: what `starlette.routing.compile_path` is for, and its answers.

    The convertors are those registered with Starlette when the matcher is made. A template of Starlette's own
    convertors is matched in linear time; one with any other convertor, or without a leading slash (a host),
    goes through Starlette's own regex.

    Parameters:
        path: the template, like `"/items/{item_id:int}"`.

    Attributes:
        path: the template as given.
        path_format: the template without convertors, like `"/items/{item_id}"`.
        param_convertors: Starlette's convertor for each parameter.
        path_regex: the regex that Starlette would match with, built when first asked for.

    Raises:
        ValueError: the template names an unknown convertor, or a parameter twice.
    """

    __slots__ = ("_elements", "_path_regex", "match", "param_convertors", "path", "path_format")

    match: Match
    """Match a path and convert its parameters.

    Takes the path below the scope's `root_path`. Returns a new dict of the converted parameters, or None
    where the path does not match. An int of more digits than Python converts
    (`sys.get_int_max_str_digits`) does not match, where Starlette raises. Raises what a custom convertor
    raises, and TypeError for what is not a str.
    """

    def __init__(self, path: str) -> None:
        template = read_template(path)
        self.path = path
        self.path_format: str = template.path_format
        self.param_convertors: dict[str, Convertor[Any]] = template.param_convertors
        self._elements = template.elements
        self._path_regex = template.path_regex
        if template.path_regex is not None:
            self.match = _regex_match(template)
        elif template.param_convertors:
            self.match = _element_match(template.elements)
        else:
            self.match = _literal_match(path)

    @property
    def path_regex(self) -> re.Pattern[str]:
        if self._path_regex is None:
            self._path_regex = compile_elements(self._elements)
        return self._path_regex

    def __repr__(self) -> str:
        return f"PathMatcher({self.path!r})"

    def __reduce__(self) -> tuple[type["PathMatcher"], tuple[str]]:
        return PathMatcher, (self.path,)


def _regex_match(template: Template) -> Match:
    def match(route_path: str, /) -> dict[str, Any] | None:
        return match_regex(template, route_path)

    return match


def _literal_match(literal: str) -> Match:
    before_newline = literal + "\n"

    def match(route_path: str, /) -> dict[str, Any] | None:
        if route_path == literal or route_path == before_newline:  # noqa: SIM109 (a tuple is slower)
            return {}
        if not isinstance(route_path, str):
            raise TypeError(f"route_path must be a str, not {type(route_path).__name__}")
        return None

    return match


def _element_match(elements: tuple[Element, ...]) -> Match:
    """A function with the template's names and conversions written out: a loop costs more than the match."""
    params = [element for element in elements if element.kind != "literal"]
    values = [f"value{index}" for index in range(len(params))]
    items = ", ".join(
        f"{name!r}: {value}" if kind in ("str", "path") else f"{name!r}: {kind}({value})"
        for (kind, name, _), value in zip(params, values, strict=True)
    )
    free = sum(not element.forced for element in elements)
    lines = [
        "def match(route_path, /):",
        f"    if len(route_path) > {_short(free)}: return match_long(route_path)" if free else "",
        "    found = find(route_path)",
        "    if found is None: return None",
        f"    {', '.join(values)} = found{'[1]' if len(values) == 1 else '.groups()'}",
        f"    try: return {{{items}}}",
        "    except ValueError: return None",
    ]
    namespace: dict[str, Any] = {**_CONVERT, "find": re.compile(_pattern(elements) + "$").match}
    if free:
        namespace["match_long"] = _long_match(elements)
    exec("\n".join(lines), namespace)
    match: Match = namespace["match"]
    return match


def _short(free: int) -> int:
    """The longest path over which `re` takes at most `_STEPS` steps with this many ends to choose."""
    return int((_STEPS * math.factorial(free + 1)) ** (1 / (free + 1)))


def _pattern(elements: Iterable[Element]) -> str:
    return "".join(
        re.escape(text) if kind == "literal" else f"({_LONGEST[kind] if forced else _ANY_END[kind]})"
        for kind, text, forced in elements
    )


def _long_match(elements: tuple[Element, ...]) -> Match:
    """The walk over the forced elements, then the two passes over the rest."""
    head = tuple(takewhile(lambda element: element.forced, elements))
    tail = elements[len(head) :]
    find_head = re.compile(_pattern(head)).match
    names = [(name, _CONVERT[kind]) for kind, name, _ in elements if kind != "literal"]

    def match(route_path: str, /) -> dict[str, Any] | None:
        found = find_head(route_path)
        if found is None:
            return None
        rest = _longest_ends(tail, route_path[found.end() :])
        if rest is None:
            return None
        values = (*found.groups(), *rest)
        try:
            return {name: convert(value) for (name, convert), value in zip(names, values, strict=True)}
        except ValueError:
            return None

    return match


def _longest_ends(elements: tuple[Element, ...], text: str) -> list[str] | None:
    """The two passes. A set of positions is an int, position p being the bit `len(text) - p`."""
    masks = _Masks(text)
    accepted = [0b11 if text.endswith("\n") else 0b1]
    for element in reversed(elements):
        accepted.append(_starts(element, accepted[-1], masks))
    if not accepted.pop() >> len(text):
        return None
    values = []
    start = 0
    for kind, literal, _ in elements:
        ends = accepted.pop()
        if kind == "literal":
            start += len(literal)
            continue
        found = _LONGEST_AT[kind](text, start)
        assert found is not None  # the first pass found an end
        longest = found.end()
        ends >>= len(text) - longest
        if kind == "float" and "." in found[0]:
            ends &= ~(1 << longest - text.index(".", start) - 1)  # no end right after the dot
        end = longest + 1 - (ends & -ends).bit_length()
        values.append(text[start:end])
        start = end
    return values


def _starts(element: Element, ends: int, masks: "_Masks") -> int:
    """Where `element` can begin so that it has an end in `ends`."""
    match element.kind:
        case "str" | "int":
            return _one_or_more(masks.of_class(element.kind), ends)
        case "path":
            return _any_number(masks.of_class("path"), ends)
        case "float":
            digits = masks.of_class("int")
            fractions = (_one_or_more(digits, ends) & masks.of_character(".")) << 1
            return _one_or_more(digits, ends | fractions)
        case "uuid":
            return _uuid_starts(masks, ends)
        case _:
            for character in reversed(element.text):
                ends = (ends & masks.of_character(character)) << 1
            return ends


def _any_number(mask: int, ends: int) -> int:
    # Adding lets a carry run from each end through the characters of the class before it.
    return (((ends & mask) + mask) ^ mask) | ends


def _one_or_more(mask: int, ends: int) -> int:
    return _any_number(mask, (ends & mask) << 1)


def _uuid_starts(masks: "_Masks", ends: int) -> int:
    digit, dash = masks.of_class("uuid"), masks.of_character("-")
    for size in (12, 4, 4, 4, 8):
        for _ in range(size):
            ends = (ends & digit) << 1
        if size != 8:
            ends |= (ends & dash) << 1
    return ends


def _table(characters: str, member: bytes = b"1", other: bytes = b"0") -> bytes:
    return bytes((member if chr(byte) in characters else other)[0] for byte in range(256))


# From bytes to the digits of a mask. All but Latin-1 comes in as a question mark: it is of the same classes.
_CLASSES = {
    "str": _table("/", b"0", b"1"),
    "path": _table("\n", b"0", b"1"),
    "int": _table("0123456789"),
    "uuid": _table("0123456789abcdefABCDEF"),
}
_NUL = _table("\0")


class _Masks:
    """Which characters of a text belong to a class, as an int: character i is the bit `len(text) - 1 - i`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bytes = text.encode("latin-1", "replace")
        self._masks: dict[str, int] = {}

    def of_class(self, name: str) -> int:
        if name not in self._masks:
            self._masks[name] = self._mask(self._bytes, _CLASSES[name])
        return self._masks[name]

    def of_character(self, character: str) -> int:
        if character not in self._masks:
            self._masks[character] = self._character(character)
        return self._masks[character]

    def _character(self, character: str) -> int:
        if character < "\x80" and character != "?":
            return self._mask(self._bytes, _table(character))
        text = self._text.replace("\0", "\1").replace(character, "\0")
        return self._mask(text.encode("latin-1", "replace"), _NUL)

    @staticmethod
    def _mask(text: bytes, digits: bytes) -> int:
        return int(b"0" + text.translate(digits), 2)
