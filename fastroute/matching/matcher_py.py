"""PathMatcher: one path template against one path (pure twin).

A template of Starlette's own convertors is matched in time linear in the path, times the elements of the template. Of
all ways to match, a regex takes the one in which the first parameter is longest, then the second, and so on. If every
end is forced (see `Element`), that is a single walk from left to right: here a regex whose repeats are all possessive,
so that it never goes back. From the first element with a choice of ends on, two passes find the same answer without
trying combinations:

1. From the last element to the first: the positions from which this element and all later ones match, given those
   from which the later ones do. It takes one step per position: "one or more of a class" can begin at p if the
   character there is of the class, and either it can end at p + 1 or it can begin there as well.
2. From the first element to the last: the longest end from which the later ones match.

In this twin `re` may still go back over a rest so short that it takes at most `_STEPS` steps: there the two passes
cost more than they save.
"""

import itertools
import linecache
import re
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, SafeUUID

from starlette.convertors import Convertor

from .template import BUILTIN_REGEXES, Element, Template, compile_elements, match_regex, read_template

__all__ = ["PathMatcher", "element_match"]

Match = Callable[[str], dict[str, Any] | None]

_STEPS = 50_000

# Starlette's regexes, made possessive so that they never backtrack. Written `x x*+`, not `x++`: on PyPy before 8.0
# that also matches the empty string.
_LONGEST = {
    "str": "[^/][^/]*+",
    "path": ".*+",
    "int": "[0-9][0-9]*+",
    "float": r"[0-9][0-9]*+(?:\.[0-9][0-9]*+)?+",
    "uuid": BUILTIN_REGEXES["uuid"],
}
_LONGEST_AT = {kind: re.compile(regex).match for kind, regex in _LONGEST.items()}
_ANY_END = {kind: regex.replace("(", "(?:") for kind, regex in BUILTIN_REGEXES.items()}


class PathMatcher:
    """One path template, ready to be matched, with the answers of `starlette.routing.compile_path`.

    The convertors are those registered with Starlette when the matcher is made. A template of Starlette's own
    convertors is matched in linear time; one with any other convertor, or without a leading slash (a host), goes
    through Starlette's own regex.

    Args:
        path: the template, like `"/items/{item_id:int}"`.

    Attributes:
        path: the template as given.
        path_format: the template without convertors, like `"/items/{item_id}"`.
        param_convertors: Starlette's convertor for each parameter.
        path_regex: the regex that Starlette would match with, built when it is first asked for.

    Raises:
        ValueError: the template names an unknown convertor, or a parameter twice.
    """

    __slots__ = ("__dict__", "_elements", "_path_regex", "param_convertors", "path", "path_format")

    def match(self, route_path: str, /) -> dict[str, Any] | None:
        """Match a path and convert its parameters.

        Args:
            route_path: the path below the scope's `root_path`.

        Returns:
            A new dict of the converted parameters, or None if the path does not match. An int of more digits than
            Python converts (`sys.get_int_max_str_digits`) does not match; Starlette raises there.

        Raises:
            TypeError: `route_path` is not a str.
            Exception: a custom convertor raised it.
        """
        raise AssertionError("each matcher has a function of its own in this place")

    def __init__(self, path: str) -> None:
        template = read_template(path)
        self.path = path
        self.path_format: str = template.path_format
        self.param_convertors: dict[str, Convertor[Any]] = template.param_convertors
        self._elements = template.elements
        self._path_regex = template.path_regex
        if template.path_regex is not None:
            match = _regex_match(template)
        elif template.param_convertors:
            match = element_match(template.elements)
        else:
            match = _literal_match(template.path_format)
        match.__doc__ = PathMatcher.match.__doc__
        vars(self)["match"] = match  # found before the method of the class, and called without it

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


class _Group(NamedTuple):
    """An element as it stands in the regex.

    A parameter with a choice of ends takes `last`, the first character of the literal after it, into its group: so
    `re` finds the ends faster.
    """

    kind: str
    text: str
    forced: bool
    last: str


def _groups(elements: tuple[Element, ...]) -> Iterator[_Group]:
    last = ""
    for (kind, text, forced), after in itertools.zip_longest(elements, elements[1:]):
        text = text[len(last) :] if kind == "literal" else text
        last = after.word[0] if after and after.kind == "literal" and not forced else ""
        yield _Group(kind, text, forced, last)


def _pattern(groups: Iterable[_Group]) -> str:
    return "".join(
        re.escape(group.text)
        if group.kind == "literal"
        else f"({_LONGEST[group.kind] if group.forced else _ANY_END[group.kind]}{re.escape(group.last)})"
        for group in groups
    )


def _value(name: str, group: _Group) -> str:
    if group.last:
        name += "[:-1]"
    return name if group.kind in ("str", "path") else f"{group.kind}({name})"


def element_match(elements: tuple[Element, ...], steps: int = _STEPS) -> Match:
    r"""Write the function that matches elements, one of them a parameter: a loop over them costs more than the match.

    For `/items/{id:int}/{file}-{version}` it is this function, shown in tracebacks as well:

        def match(route_path, /):
            found = find(route_path)
            if found is None: return None
            value0, value1, value2 = found.groups()
            if value1 is None:  # the rest is too long for `re`
                ends = longest_ends(tail, route_path[found.end():])
                if ends is None: return None
                value1, value2, = ends
            try: return {'id': int(value0), 'file': value1[:-1], 'version': value2}
            except ValueError: return None  # more digits than Python converts

    `find` matches this regex. The id is forced, the file has a choice of ends: from there on either the rest has 224
    characters or more, and the two passes match it, or `re` matches it.

        /items/([0-9][0-9]*+)/(?:(?=(?s:.){224})|([^/]+\-)([^/][^/]*+)$)

    Args:
        elements: of a template, as `read_template` gives them.
        steps: the most steps that `re` may take going back; with 0 the two passes match everything that is not forced.
    """
    groups = tuple(_groups(elements))
    params = {f"value{i}": group for i, group in enumerate(group for group in groups if group.kind != "literal")}
    head = tuple(itertools.takewhile(lambda group: group.forced, groups))
    tail = groups[len(head) :]
    lines = [
        "def match(route_path, /):",
        "    found = find(route_path)",
        "    if found is None: return None",
        f"    {', '.join(params)} = found{'[1]' if len(params) == 1 else '.groups()'}",
    ]
    pattern = _pattern(head)
    if tail:
        chosen = [name for name, group in params.items() if group in tail]
        too_long = _short(sum(not group.forced for group in tail), steps) + 1
        pattern += f"(?:(?=(?s:.){{{too_long}}})|{_pattern(tail)}$)"
        lines += [
            f"    if {chosen[0]} is None:  # the rest is too long for `re`",
            "        ends = longest_ends(tail, route_path[found.end():])",
            "        if ends is None: return None",
            f"        {', '.join(chosen)}, = ends",
        ]
    else:
        pattern += "$"
    items = ", ".join(f"{group.text!r}: {_value(name, group)}" for name, group in params.items())
    lines += [
        f"    try: return {{{items}}}",
        "    except ValueError: return None  # more digits than Python converts",
    ]
    namespace: dict[str, Any] = {
        "find": re.compile(pattern).match,
        "tail": tail,
        "longest_ends": _longest_ends,
        # Found sooner here than among the builtins.
        "int": int,
        "float": float,
        "uuid": _make_uuid,
    }
    return _define(lines, namespace, _source(elements))


_numbers = itertools.count()


def _define(lines: list[str], namespace: dict[str, Any], template: str) -> Match:
    # A template may hold characters that no file name can: NUL and lone surrogates.
    filename = f"<fastroute match {next(_numbers)} of {ascii(template)[1:-1]}>"
    source = "\n".join(lines) + "\n"
    exec(compile(source, filename, "exec"), namespace)
    # The function is not in its own namespace: so it is freed with the matcher, without the garbage collector.
    match: Match = namespace.pop("match")
    # linecache drops entries of files that do not exist, unless they have no modification time. Kept, this one shows
    # the generated lines in tracebacks.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    weakref.finalize(match, linecache.cache.pop, filename, None).atexit = False
    return match


def _source(elements: Iterable[Element]) -> str:
    return "".join(text if kind == "literal" else f"{{{text}:{kind}}}" for kind, text, _ in elements)


def _short(choices: int, steps: int) -> int:
    """The longest text over which `re` takes at most this many steps, if so many elements have a choice of ends."""
    return int(steps ** (1 / (choices + 1)))


# The slots of a UUID; its own `__setattr__` refuses to set them.
_set_int = UUID.__dict__["int"].__set__
_set_is_safe = UUID.__dict__["is_safe"].__set__
_new_uuid = UUID.__new__
_UNKNOWN = SafeUUID.unknown


def _make_uuid(text: str) -> UUID:
    """The same as `UUID(text)`, without its checks: the text has been checked."""
    value = _new_uuid(UUID)
    _set_int(value, int(text.replace("-", ""), 16))
    _set_is_safe(value, _UNKNOWN)
    return value


def _longest_ends(groups: tuple[_Group, ...], text: str) -> list[str] | None:
    """The two passes: the text of each parameter with its `last`, or None if the groups do not match.

    A set of positions is an int; position p is the bit `len(text) - p`.
    """
    masks = _Masks(text)
    starts = 0b11 if text.endswith("\n") else 0b1
    accepted = []
    for group in reversed(groups):
        ends = masks.before(group.last, starts)
        accepted.append(ends)
        starts = _starts(group, ends, masks)
    if not starts >> len(text):
        return None
    values = []
    start = 0
    for group, ends in zip(groups, reversed(accepted), strict=True):
        if group.kind == "literal":
            start += len(group.text)
            continue
        found = _LONGEST_AT[group.kind](text, start)
        assert found is not None  # the first pass found an end
        if group.kind == "float" and "." in found[0]:
            ends &= ~(1 << len(text) - text.index(".", start) - 1)  # no end right after the dot
        end = _largest_end(ends, len(text), found.end()) + len(group.last)
        values.append(text[start:end])
        start = end
    return values


def _largest_end(ends: int, size: int, longest: int) -> int:
    """The largest position in `ends` up to `longest`. Position p is the bit `size - p`, so it is the lowest set bit."""
    ends >>= size - longest
    return longest + 1 - (ends & -ends).bit_length()


def _starts(group: _Group, ends: int, masks: "_Masks") -> int:
    """The positions at which `group` can begin so that it has an end in `ends`."""
    match group.kind:
        case "str" | "int":
            return _one_or_more(masks.of_class(group.kind), ends)
        case "path":
            return _any_number(masks.of_class("path"), ends)
        case "float":
            digits = masks.of_class("int")
            fractions = masks.before(".", _one_or_more(digits, ends))
            return _one_or_more(digits, ends | fractions)
        case "uuid":
            return _uuid_starts(masks, ends)
        case _:
            return masks.before(group.text, ends)


def _any_number(mask: int, ends: int) -> int:
    """The positions from which any number of characters of a class lead to an end.

    Adding lets a carry run from each end through the characters of the class before it. For digits in the text
    `a11b` with position 3 as the only end:

        ends             0b00010    position p is the bit 4 - p
        mask             0b00110    characters 1 and 2 are digits; a character has the bit of the position after it
        sum of the two   0b01000    the carry has run to position 1
        sum ^ mask       0b01110    positions 1, 2 and 3
    """
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
    """A table from bytes to the digits of a mask: 1 for `characters` and 0 for all others."""
    return bytes(49 if byte in characters else 48 for byte in range(256))


# Everything outside Latin-1 is encoded as a question mark, which is in the same classes.
_ALL = bytes(range(256))
_CLASSES = {
    "str": _digits(_ALL.replace(b"/", b"")),
    "path": _digits(_ALL.replace(b"\n", b"")),
    "int": _digits(b"0123456789"),
    "uuid": _digits(b"0123456789abcdefABCDEF"),
}


class _Masks:
    """The characters of a text, never empty, that belong to a class, as an int: character i is bit `len(text) - 1 - i`.

    Each byte of the text becomes a binary digit, and `int` reads all of them at once. For the class `int`:

        a11b  ->  b"0110"  ->  0b0110
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._bytes = text.encode("latin-1", "replace")
        self._masks: dict[str, int] = {}

    def of_class(self, name: str) -> int:
        if name not in self._masks:
            self._masks[name] = int(self._bytes.translate(_CLASSES[name]), 2)
        return self._masks[name]

    def before(self, literal: str, ends: int) -> int:
        """The positions at which `literal` begins so that it ends in `ends`."""
        for character in reversed(literal):
            ends = (ends & self._of_character(character)) << 1
        return ends

    def _of_character(self, character: str) -> int:
        if character not in self._masks:
            code, data = ord(character), self._bytes
            if character == "?" or code > 255:
                # The encoded text has a question mark for other characters as well: NUL stands for this one alone.
                code, text = 0, self._text.replace("\0", " ").replace(character, "\0")
                data = text.encode("latin-1", "replace")
            table = b"0" * code + b"1" + b"0" * (255 - code)
            self._masks[character] = int(data.translate(table), 2)
        return self._masks[character]
