"""A path template, read once for both twins: the parts it is written in, and the elements that the twins match."""

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from starlette.convertors import (
    CONVERTOR_TYPES,
    Convertor,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)
from starlette.routing import PARAM_REGEX, compile_path

__all__ = [
    "BUILTIN_REGEXES",
    "Element",
    "Part",
    "Template",
    "compile_elements",
    "kind_of",
    "match_regex",
    "parts",
    "pattern",
    "read_template",
]

ElementKind = Literal["literal", "str", "path", "int", "float", "uuid"]


class Part(NamedTuple):
    """A part of a template: a literal text, or a parameter such as `{item_id:int}`."""

    word: str  # the text of a literal, or the name of a parameter
    convertor: str | None  # the name of the parameter's convertor; None for a literal
    source: str  # the part as it is written in the template


class Element(NamedTuple):
    """A part of a template whose convertors are all Starlette's own.

    `forced` is true if the longest end is right whenever one is, so that no other needs to be tried. That is so for a
    literal and a uuid, at the end of the template, and before a literal that cannot begin inside the text that the
    parameter takes.
    """

    kind: ElementKind
    word: str  # the text of a literal, or the name of a parameter
    forced: bool


class Template(NamedTuple):
    """A template that `read_template` has read.

    If only `re` gives Starlette's answer, `path_regex` is set and `elements` is empty.
    `integers` names the parameters whose conversion fails only for more digits than Python converts.
    """

    path_format: str
    param_convertors: dict[str, Convertor[Any]]
    integers: frozenset[str]
    elements: tuple[Element, ...]
    path_regex: re.Pattern[str] | None


# The convertors that the twins match by themselves. If a Starlette has another regex, a class is patched or a class
# took over a name, the convertor differs from this table and goes through `re`.
_BUILTIN: dict[type[Convertor[Any]], tuple[ElementKind, str, Any]] = {
    StringConvertor: ("str", "[^/]+", StringConvertor.convert),
    PathConvertor: ("path", ".*", PathConvertor.convert),
    IntegerConvertor: ("int", "[0-9]+", IntegerConvertor.convert),
    FloatConvertor: ("float", r"[0-9]+(\.[0-9]+)?", FloatConvertor.convert),
    UUIDConvertor: (
        "uuid",
        "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
        UUIDConvertor.convert,
    ),
}

#: The regex of each convertor that the twins match by themselves.
BUILTIN_REGEXES: dict[str, str] = {kind: regex for kind, regex, _ in _BUILTIN.values()}

_DIGITS = "0123456789"


def parts(path: str) -> list[Part]:
    """Split a template into its literals, none of them empty, and its parameters, in order.

    The only reader of Starlette's template syntax: `/a/{b:int}` is the literal `/a/` and the parameter `b`. Braces
    that make no parameter are literal text. No convertor is looked up.
    """
    found: list[Part] = []
    end = 0
    for parameter in PARAM_REGEX.finditer(path):
        if literal := path[end : parameter.start()]:
            found.append(Part(literal, None, literal))
        name, convertor = parameter.groups(":str")
        found.append(Part(sys.intern(name), convertor[1:], parameter[0]))
        end = parameter.end()
    if literal := path[end:]:
        found.append(Part(literal, None, literal))
    return found


def pattern(template: Iterable[Part], convertors: Mapping[str, Convertor[Any]]) -> str:
    """The regex that `starlette.routing.compile_path` builds from these parts and from the convertors by name."""
    groups = (
        re.escape(word) if convertor is None else f"(?P<{word}>{convertors[word].regex})"
        for word, convertor, _ in template
    )
    return f"^{''.join(groups)}$"


def read_template(path: str) -> Template:
    """Read `path` as `starlette.routing.compile_path` does, with the convertors registered now.

    Raises:
        ValueError: a convertor is unknown, or two parameters share a name.
    """
    found = parts(path)
    parameters = [part for part in found if part.convertor is not None]
    convertors = {part.word: _registered(part, path) for part in parameters}
    kinds: dict[str, ElementKind | None] = {name: kind_of(convertor) for name, convertor in convertors.items()}
    integers = frozenset([name for name, kind in kinds.items() if kind == "int"])
    elements = _elements(found, kinds)
    repeated = len(convertors) < len(parameters)
    # A template of a host (no leading slash) means different things in different Starlettes.
    if elements is None or repeated or not path.startswith("/"):
        path_regex, path_format, convertors = compile_path(path)
        return Template(path_format, convertors, integers, (), path_regex)
    path_format = "".join([word if convertor is None else f"{{{word}}}" for word, convertor, _ in found])
    return Template(path_format, convertors, integers, elements, None)


def _registered(part: Part, path: str) -> Convertor[Any]:
    if part.convertor not in CONVERTOR_TYPES:
        raise ValueError(
            f"Unknown convertor {part.convertor!r} of parameter {part.word!r} in path {path!r}: known are "
            f"{', '.join(CONVERTOR_TYPES)}; starlette.convertors.register_url_convertor adds one"
        )
    return CONVERTOR_TYPES[part.convertor]


def kind_of(convertor: Convertor[Any]) -> ElementKind | None:
    """The kind of one of Starlette's own convertors that nobody has changed; None for every other convertor."""
    kind, regex, convert = _BUILTIN.get(type(convertor), (None, None, None))
    unchanged = convertor.regex == regex and getattr(convertor.convert, "__func__", None) is convert
    return kind if unchanged else None


def _elements(template: list[Part], kinds: Mapping[str, ElementKind | None]) -> tuple[Element, ...] | None:
    """The elements of a template; None if one of its convertors has no kind."""
    found: list[Element] = []
    after = None
    for part in reversed(template):
        kind = "literal" if part.convertor is None else kinds[part.word]
        if kind is None:
            return None
        found.append(Element(kind, part.word, kind == "literal" or _is_forced(kind, after)))
        after = part
    found.reverse()
    return tuple(found)


def _is_forced(kind: ElementKind, after: Part | None) -> bool:
    if kind == "uuid" or after is None:
        return True
    if after.convertor is not None:
        return False
    first = after.word[0]
    match kind:
        case "str":
            return first == "/"
        case "path":
            return first == "\n"
        case "int":
            return first not in _DIGITS
        case _:
            return first not in _DIGITS + "."


def compile_elements(elements: tuple[Element, ...]) -> re.Pattern[str]:
    """The regex that `starlette.routing.compile_path` builds."""
    groups = (
        re.escape(word) if kind == "literal" else f"(?P<{word}>{BUILTIN_REGEXES[kind]})" for kind, word, _ in elements
    )
    return re.compile(f"^{''.join(groups)}$")


def match_regex(template: Template, route_path: str) -> dict[str, Any] | None:
    """Match as Starlette's routes do, except that an int of more digits than Python converts does not match."""
    assert template.path_regex is not None
    found = template.path_regex.match(route_path)
    if found is None:
        return None
    params: dict[str, Any] = found.groupdict()
    for name, value in params.items():
        try:
            params[name] = template.param_convertors[name].convert(value)
        except ValueError:
            if name in template.integers:
                return None
            raise
    return params
