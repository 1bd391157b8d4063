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

In this twin `re` may still go back over a rest so short that it cannot take more than `_STEPS` steps: there
the two passes cost more than they save.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID, SafeUUID

from starlette.convertors import Convertor

from .template import Element, Template, compile_elements, match_regex, read_template

__all__ = ["PathMatcher", "element_match"]

Match = Callable[[str], dict[str, Any] | None]

_STEPS = 50_000

# The same as Starlette's regexes, but possessive: only the longest end. No `++`, which takes nothing as well on
# PyPy before 8.0.
_LONGEST = {
    "str": "[^/][^/]*+",
    "path": ".*+",
    "int": "[0-9][0-9]*+",
    "float": r"[0-9][0-9]*+(?:\.[0-9][0-9]*+)?+",
    "uuid": "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}
_LONGEST_AT = {kind: re.compile(regex).match for kind, regex in _LONGEST.items()}
_ANY_END = {"str": "[^/]+", "path": ".*", "int": "[0-9]+", "float": r"[0-9]+(?:\.[0-9]+)?"}


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
            self.match = element_match(template.elements)
        else:
            self.match = _literal_match(template.path_format)

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


class _Part(NamedTuple):
    """An element. A parameter with a choice of ends has `last`, the first character of the literal after it:
    `re` finds the ends faster if it is in the same group.
    """

    kind: str
    text: str
    forced: bool
    last: str


def _parts(elements: tuple[Element, ...]) -> Iterator[_Part]:
    last = ""
    for (kind, text, forced), after in zip(elements, [*elements[1:], None], strict=True):
        text = text[len(last) :] if kind == "literal" else text
        last = after.text[0] if after and after.kind == "literal" and not forced else ""
        yield _Part(kind, text, forced, last)


def _pattern(parts: Iterable[_Part]) -> str:
    return "".join(
        re.escape(part.text)
        if part.kind == "literal"
        else f"({_LONGEST[part.kind] if part.forced else _ANY_END[part.kind]}{re.escape(part.last)})"
        for part in parts
    )


def _value(name: str, part: _Part) -> str:
    if part.last:
        name += "[:-1]"
    return name if part.kind in ("str", "path") else f"{part.kind}({name})"


def element_match(elements: tuple[Element, ...], steps: int = _STEPS) -> Match:
    """A function with the template's names and conversions written out: a loop costs more than the match.

    `steps` is the most that `re` may take going back; with 0 the two passes do all that is not forced.
    """
    parts = tuple(_parts(elements))
    params = {f"value{i}": part for i, part in enumerate(part for part in parts if part.kind != "literal")}
    head = tuple(takewhile(lambda part: part.forced, parts))
    tail = parts[len(head) :]
    lines = [
        "def match(route_path, /):",
        "    found = find(route_path)",
        "    if found is None: return None",
        f"    {', '.join(params)} = found{'[1]' if len(params) == 1 else '.groups()'}",
    ]
    pattern = _pattern(head)
    if tail:
        chosen = [name for name, part in params.items() if part in tail]
        too_long = _short(sum(not part.forced for part in tail), steps) + 1
        pattern += f"(?:(?=(?s:.){{{too_long}}})|{_pattern(tail)}$)"
        lines += [
            f"    if {chosen[0]} is None:",
            "        ends = longest_ends(tail, route_path[found.end():])",
            "        if ends is None: return None",
            f"        {', '.join(chosen)}, = ends",
        ]
    else:
        pattern += "$"
    items = ", ".join(f"{part.text!r}: {_value(name, part)}" for name, part in params.items())
    lines += [f"    try: return {{{items}}}", "    except ValueError: return None"]
    namespace: dict[str, Any] = {
        "find": re.compile(pattern).match,
        "tail": tail,
        "longest_ends": _longest_ends,
        "int": int,
        "float": float,
        "uuid": _make_uuid,
    }
    exec("\n".join(lines), namespace)
    match: Match = namespace["match"]
    return match


def _short(free: int, steps: int) -> int:
    """The longest text over which `re` takes at most this many steps with this many ends to choose."""
    return int(steps ** (1 / (free + 1)))


# The slots of a UUID, which its own `__setattr__` refuses to set.
_set_int = UUID.__dict__["int"].__set__
_set_is_safe = UUID.__dict__["is_safe"].__set__
_new_uuid = UUID.__new__
_UNKNOWN = SafeUUID.unknown


def _make_uuid(text: str) -> UUID:
    """The same as `UUID(text)`, without its checks of a text that has been checked."""
    value = _new_uuid(UUID)
    _set_int(value, int(text.replace("-", ""), 16))
    _set_is_safe(value, _UNKNOWN)
    return value


def _longest_ends(parts: tuple[_Part, ...], text: str) -> list[str] | None:
    """The two passes: the text of each parameter with its `last`, or None if the parts do not match.

    A set of positions is an int; position p is the bit `len(text) - p`.
    """
    masks = _Masks(text)
    starts = 0b11 if text.endswith("\n") else 0b1
    accepted = []
    for part in reversed(parts):
        ends = masks.before(part.last, starts)
        accepted.append(ends)
        starts = _starts(part, ends, masks)
    if not starts >> len(text):
        return None
    values = []
    start = 0
    for part in parts:
        ends = accepted.pop()
        if part.kind == "literal":
            start += len(part.text)
            continue
        found = _LONGEST_AT[part.kind](text, start)
        assert found is not None  # the first pass found an end
        longest = found.end()
        ends >>= len(text) - longest
        if part.kind == "float" and "." in found[0]:
            ends &= ~(1 << longest - text.index(".", start) - 1)  # no end right after the dot
        end = longest + 1 - (ends & -ends).bit_length() + len(part.last)
        values.append(text[start:end])
        start = end
    return values


def _starts(part: _Part, ends: int, masks: "_Masks") -> int:
    """Where `part` can begin so that it has an end in `ends`."""
    match part.kind:
        case "str" | "int":
            return _one_or_more(masks.of_class(part.kind), ends)
        case "path":
            return _any_number(masks.of_class("path"), ends)
        case "float":
            digits = masks.of_class("int")
            fractions = masks.before(".", _one_or_more(digits, ends))
            return _one_or_more(digits, ends | fractions)
        case "uuid":
            return _uuid_starts(masks, ends)
        case _:
            return masks.before(part.text, ends)


def _any_number(mask: int, ends: int) -> int:
    # Adding lets a carry run from each end through the characters of the class before it.
    return (((ends & mask) + mask) ^ mask) | ends


def _one_or_more(mask: int, ends: int) -> int:
    return _any_number(mask, (ends & mask) << 1)


def _uuid_starts(masks: "_Masks", ends: int) -> int:
    digit = masks.of_class("uuid")
    for size in (12, 4, 4, 4, 8):
        for _ in range(size):
            ends = (ends & digit) << 1
        if size != 8:
            ends |= masks.before("-", ends)
    return ends


def _digits(characters: bytes) -> bytes:
    """From bytes to the digits of a mask: 1 for `characters` and 0 for all others."""
    return bytes(49 if byte in characters else 48 for byte in range(256))


# All but Latin-1 comes in as a question mark, which is of the same classes.
_ALL = bytes(range(256))
_CLASSES = {
    "str": _digits(_ALL.replace(b"/", b"")),
    "path": _digits(_ALL.replace(b"\n", b"")),
    "int": _digits(b"0123456789"),
    "uuid": _digits(b"0123456789abcdefABCDEF"),
}


class _Masks:
    """Which characters of a text belong to a class, as an int: character i is the bit `len(text) - 1 - i`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._bytes = text.encode("latin-1", "replace")
        self._masks: dict[str, int] = {}

    def of_class(self, name: str) -> int:
        if name not in self._masks:
            self._masks[name] = int(b"0" + self._bytes.translate(_CLASSES[name]), 2)
        return self._masks[name]

    def before(self, literal: str, ends: int) -> int:
        """Where `literal` begins that ends in `ends`."""
        for character in reversed(literal):
            ends = (ends & self._of_character(character)) << 1
        return ends

    def _of_character(self, character: str) -> int:
        if character not in self._masks:
            code, data = ord(character), self._bytes
            if character == "?" or code > 255:
                code, text = 0, self._text.replace("\0", " ").replace(character, "\0")
                data = text.encode("latin-1", "replace")
            table = b"0" * code + b"1" + b"0" * (255 - code)
            self._masks[character] = int(b"0" + data.translate(table), 2)
        return self._masks[character]
