"""Reads routes for a table: which facts about each are certain. `RouteIndex` is the public lookup."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeGuard

from starlette.convertors import Convertor, FloatConvertor, IntegerConvertor, StringConvertor, UUIDConvertor
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute

from .._starlette import ANSWERS_ALIKE, is_genuine, template_of
from ..matching.implementation import PathMatcher, RouteTable
from ..matching.rows import Row, Segment, Shortcut, Unchanged
from ..matching.template import Part, kind_of, parts, pattern
from ..routing import APIWebSocketRoute

__all__ = [
    "ANY_PATH",
    "PathShape",
    "RouteIndex",
    "build_table",
    "changed_table",
    "is_indexed",
    "relied_on",
    "serves",
    "shape_of",
]

#: The classes whose answers are known, with their function `matches`: if it is overridden or patched, it is asked.
_MATCHES: dict[type, Callable[..., Any]] = {
    cls: cls.matches for cls in (Route, WebSocketRoute, Mount) if is_genuine(cls, cls.matches)
}
# Nobody has patched it yet, and it is inherited from another module, the kernel.
_MATCHES[APIWebSocketRoute] = APIWebSocketRoute.matches

#: The regexes of these convertors match some text, never empty, without a slash.
_ONE_SEGMENT = {cls.regex for cls in (StringConvertor, IntegerConvertor, FloatConvertor, UUIDConvertor)}

#: The compiled twin keeps the numbers of text segments as the bits of one word.
_MOST_SEGMENTS = 64

_Convertors = Mapping[str, Convertor[Any]]

#: The segments of a template (see `Row`).
PathShape = tuple[Segment, ...]

#: The shape of every path.
ANY_PATH: PathShape = (...,)


class RouteIndex:
    """The routes of a table that can match a path, found without asking the others.

    It can be copied and pickled if its routes can. A copy is built from its routes as they are then.

    Args:
        routes: in the order in which they are to be asked. The index describes the routes as they are now: build
            another one after a change.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = tuple(routes)
        self._table = build_table(self._routes)

    def candidates(self, route_path: str) -> list[BaseRoute]:
        """The routes that can match `route_path`, for a request or a connection, in registration order.

        A superset of those that do: `matches` of the route decides. Routes about which nothing is certain (`Host`,
        your own classes, subclasses) are always among them.

        Args:
            route_path: the path below `root_path`, percent-decoded, as in the scope.
        """
        return self._table.candidates(route_path)

    def __reduce__(self) -> tuple[type["RouteIndex"], tuple[tuple[BaseRoute, ...]]]:
        return RouteIndex, (self._routes,)


def build_table(routes: Iterable[BaseRoute]) -> RouteTable:
    """A `RouteTable` of the routes as they are now."""
    return RouteTable(map(_row, routes), Match.NONE, Match.PARTIAL, Match.FULL)


def changed_table(table: RouteTable, start: int, stop: int, routes: Iterable[BaseRoute]) -> RouteTable:
    """The table with these routes in the place of its own from `start` up to `stop`, which stays as it is."""
    return table.replaced(start, stop, [_row(route) for route in routes])


def relied_on() -> tuple[Callable[..., Any], ...]:
    """The functions that a table relies on; after one of them was patched, every route is to be read again."""
    return tuple([cls.matches for cls in _MATCHES])  # type: ignore[attr-defined]  # they all have it


def is_indexed(route: BaseRoute) -> bool:
    """True if the route is found by its path; every other route is a candidate for every path."""
    return _row(route).segments not in (None, ANY_PATH)


def shape_of(route: object) -> PathShape | None:
    """The shape of the paths of a route, or of an object with the attributes of one; None if these do not prove it.

    The caller knows that `matches` goes by these attributes.
    """
    declared = _declared(route)
    return None if declared is None else _segments(*declared)


def serves(route: BaseRoute, scope_type: Literal["http", "websocket"]) -> bool:
    """True if the route can match a scope of this type, or if that is not certain."""
    other = (WebSocketRoute, APIWebSocketRoute) if scope_type == "http" else (Route,)
    return not (type(route) in other and _has_standard_matches(route))


def _has_standard_matches(route: BaseRoute) -> TypeGuard[Route | WebSocketRoute | Mount]:
    cls = type(route)
    # Some other object may do what a route does without a class that says so.
    return cls in _MATCHES and cls.matches is _MATCHES[cls] and "matches" not in vars(route)


def _row(route: BaseRoute) -> Row:
    certain = _template(route)
    segments = certain and _segments(*certain)
    if certain is None or segments is None:
        return Row(route)
    return Row(route, segments, _shortcut(route, *certain))


def _template(route: BaseRoute) -> tuple[list[Part], _Convertors] | None:
    """The template that decides about the route, and its convertors; None if they are not certain."""
    return _declared(route) if _has_standard_matches(route) else None


def _declared(route: Any) -> tuple[list[Part], _Convertors] | None:
    """The template and the convertors of the route; None if its regex does not say the same."""
    if isinstance(route, APIWebSocketRoute):
        return parts(route._matcher.path), route._matcher.param_convertors
    path, path_regex, convertors = map(vars(route).get, ("path", "path_regex", "param_convertors"))
    if not (isinstance(path, str) and isinstance(path_regex, re.Pattern) and isinstance(convertors, dict)):
        return None
    template = parts(template_of(route))
    # `matches()` uses only the regex; trust the template only if it compiles to that very regex.
    names = [part.word for part in template if part.convertor is not None]
    if names != list(convertors) or path_regex.flags != re.UNICODE:
        return None
    return (template, convertors) if path_regex.pattern == pattern(template, convertors) else None


def _segments(template: Sequence[Part], convertors: _Convertors) -> PathShape | None:
    """The shape of the paths of a template; None if not even the literal beginning of the template is certain."""
    if not template or not template[0].source.startswith("/"):
        return None
    segments: list[str | None] = []
    segment: str | None = ""
    for word, convertor, _ in template:
        if convertor is None:
            first, *others = word.split("/")
            segment = None if segment is None else segment + first
            for other in others:
                # The routes of a table share most of their segments.
                segments.append(segment and sys.intern(segment))
                segment = other
        elif convertors[word].regex in _ONE_SEGMENT:
            segment = None
        else:
            return (*segments[1:], ...) if _is_whole(convertors[word].regex) else None
    return (*segments[1:], segment and sys.intern(segment))


def _is_whole(regex: str) -> bool:
    """True if a group around the regex ends at its end: `a)|(b` would cut the whole template into alternatives."""
    try:
        re.compile(regex)
    except re.error:
        return False
    return True


def _text_segments(template: Sequence[Part], convertors: _Convertors) -> tuple[tuple[int, str], ...] | None:
    """Number and name of each segment that is a parameter; None if one is more than that, or not a plain `str`."""
    found: list[tuple[int, str]] = []
    number = 0
    for position, (word, convertor, _) in enumerate(template):
        if convertor is None:
            number += word.count("/")
            continue
        before, after = (
            template[position - 1].source,
            template[position + 1].source if template[position + 1 :] else "/",
        )
        fills_the_segment = before.endswith("/") and after.startswith("/")
        if not fills_the_segment or kind_of(convertors[word]) != "str" or number >= _MOST_SEGMENTS:
            return None
        found.append((number, word))
    return tuple(found)


def _match(template: Sequence[Part], convertors: _Convertors) -> Callable[[str], dict[str, Any] | None] | None:
    """A function that matches the template with these convertors; None if others are registered by now."""
    try:
        matcher = PathMatcher("".join(part.source for part in template))
    except ValueError:
        return None
    same = all(matcher.param_convertors[name] is convertor for name, convertor in convertors.items())
    return matcher.match if same else None


def _shortcut(route: BaseRoute, template: Sequence[Part], convertors: _Convertors) -> Shortcut | None:
    text_segments = _text_segments(template, convertors)
    if isinstance(route, APIWebSocketRoute):
        # Its regex and its convertors cannot be assigned.
        unchanged = Unchanged(type(route), _MATCHES[APIWebSocketRoute], None, None, longest_path=sys.maxsize)
        match = route._matcher.match if text_segments is None else None
        return Shortcut(
            unchanged, match, text_segments or (), endpoint="_endpoint", checks_method=False, adds_route=True
        )
    match = _match(template, convertors) if text_segments is None else None
    can_answer = ANSWERS_ALIKE and (text_segments is not None or match is not None)
    if not can_answer or not isinstance(route, Route | WebSocketRoute):
        return None
    # Starlette raises if an int has more digits than Python converts; `PathMatcher` does not match then.
    has_int = any(type(convertor) is IntegerConvertor for convertor in convertors.values())
    longest_path = sys.int_info.str_digits_check_threshold if has_int else sys.maxsize
    unchanged = Unchanged(type(route), _MATCHES[type(route)], route.path_regex, convertors, longest_path)
    return Shortcut(
        unchanged,
        match,
        text_segments or (),
        endpoint="endpoint",
        checks_method=isinstance(route, Route),
        adds_route=False,
    )
