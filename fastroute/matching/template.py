"""A path template, read once for both twins: what it is made of, and what it means through `re`."""

import re
import sys
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

__all__ = ["Element", "Template", "compile_elements", "kind_of", "match_regex", "read_template"]

Kind = Literal["literal", "str", "path", "int", "float", "uuid"]


class Element(NamedTuple):
    """A part of a template.

    `forced` says that at most one end can be right for a given start, so that no other needs to be tried: the
    longest. It is so for a literal and a uuid, at the end of the template, and before a literal that cannot
    begin inside what the parameter takes.
    """

    kind: Kind
    text: str  # of a literal; the name of a parameter
    forced: bool


class Template(NamedTuple):
    """What `read_template` found.

    Where only `re` gives Starlette's answer `path_regex` is set and `elements` is empty.
    `integers` names the parameters whose conversion can fail by Python's limit on digits and nothing else.
    """

    path_format: str
    param_convertors: dict[str, Convertor[Any]]
    integers: frozenset[str]
    elements: tuple[Element, ...]
    path_regex: re.Pattern[str] | None


# The convertors that the twins match by themselves. A Starlette with another regex, a patched class and a
# class that took over a name all differ from this table, and go through `re`.
_OWN: dict[type[Convertor[Any]], tuple[Kind, str, Any]] = {
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

_DIGITS = "0123456789"


def read_template(path: str) -> Template:
    """Read `path` as `starlette.routing.compile_path` does, with the convertors registered now.

    Raises ValueError for an unknown convertor, and for a name that two parameters share.
    """
    convertors: dict[str, Convertor[Any]] = {}
    parts: list[tuple[Kind | None, str]] = []
    path_format = ""
    end = 0
    for found in PARAM_REGEX.finditer(path):
        name, convertor_name = sys.intern(found[1]), (found[2] or ":str")[1:]
        if convertor_name not in CONVERTOR_TYPES:
            raise ValueError(
                f"Unknown convertor {convertor_name!r} of parameter {name!r} in path {path!r}: known are "
                f"{', '.join(CONVERTOR_TYPES)}; starlette.convertors.register_url_convertor adds one"
            )
        literal = path[end : found.start()]
        convertors[name] = CONVERTOR_TYPES[convertor_name]
        parts += [("literal", literal), (kind_of(convertors[name]), name)]
        path_format += f"{literal}{{{name}}}"
        end = found.end()
    parts.append(("literal", path[end:]))
    path_format += path[end:]

    integers = frozenset(text for kind, text in parts if kind == "int")
    repeated = len(parts) != 2 * len(convertors) + 1
    known: list[tuple[Kind, str]] = [(kind, text) for kind, text in parts if kind is not None]
    # A template of a host (no leading slash) means different things in different Starlettes.
    if repeated or len(known) < len(parts) or not path.startswith("/"):
        path_regex, path_format, convertors = compile_path(path)
        return Template(path_format, convertors, integers, (), path_regex)
    return Template(path_format, convertors, integers, _elements(known), None)


def kind_of(convertor: Convertor[Any]) -> Kind | None:
    """The kind of one of Starlette's own convertors, untouched; None for every other."""
    kind, regex, convert = _OWN.get(type(convertor), (None, None, None))
    untouched = convertor.regex == regex and getattr(convertor.convert, "__func__", None) is convert
    return kind if untouched else None


def _elements(parts: list[tuple[Kind, str]]) -> tuple[Element, ...]:
    parts = [(kind, text) for kind, text in parts if text]
    pairs = zip(parts, [*parts[1:], None], strict=True)
    return tuple(Element(kind, text, _is_forced(kind, after)) for (kind, text), after in pairs)


def _is_forced(kind: Kind, after: tuple[Kind, str] | None) -> bool:
    if kind in ("literal", "uuid") or after is None:
        return True
    if after[0] != "literal":
        return False
    first = after[1][0]
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
    regexes = {kind: regex for kind, regex, _ in _OWN.values()}
    parts = (re.escape(text) if kind == "literal" else f"(?P<{text}>{regexes[kind]})" for kind, text, _ in elements)
    return re.compile(f"^{''.join(parts)}$")


def match_regex(template: Template, route_path: str) -> dict[str, Any] | None:
    """Match as Starlette's routes do, but for an int of more digits than Python converts: no match."""
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
