"""RouteIndex: which of many routes can match a path; reads what it may rely on out of each route."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from starlette.convertors import Convertor, FloatConvertor, IntegerConvertor, StringConvertor, UUIDConvertor
from starlette.routing import PARAM_REGEX, BaseRoute, Match, Mount, Route, WebSocketRoute

from ._starlette import ANSWERS_ALIKE
from .matching.implementation import PathMatcher, RouteTable
from .routing import APIWebSocketRoute

__all__ = ["RouteIndex", "build_table", "is_indexed", "serves"]

#: The classes whose `matches` is known, with the function itself: whoever overrides or patches it is asked instead.
_MATCHES: dict[type, Callable[..., Any]] = {
    kind: kind.matches for kind in (Route, WebSocketRoute, APIWebSocketRoute, Mount)
}

#: What the regexes of these stand for: some text, never empty, without a slash.
_ONE_SEGMENT = {kind.regex for kind in (StringConvertor, IntegerConvertor, FloatConvertor, UUIDConvertor)}

_TEXT, _CONVERT_TEXT = StringConvertor.regex, StringConvertor.convert


class RouteIndex:
    """The routes of a table that can match a path, found without asking the others.

    Args:
        routes: in the order in which they are to be asked. The index is of the routes as they are now: build
            another one after a change (`Router` does).
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._table = build_table(routes)

    def candidates(self, route_path: str) -> list[BaseRoute]:
        """The routes that can match `route_path`, for a request or a connection, in registration order.

        A superset of those that do: `matches` of the route decides. Routes about which nothing is known for certain
        (`Host`, classes of one's own, subclasses) are always among them.

        Args:
            route_path: the path below `root_path`, percent-decoded, as in the scope.
        """
        return self._table.candidates(route_path)


class _Known(NamedTuple):
    """What `RouteTable` needs to answer for a route in the place of the route's `matches`.

    It is the same answer as long as the route is of this `kind` with these `matches`, and, where they are `watched`,
    its regex and its convertors are still these.
    """

    match: Callable[[str], dict[str, Any] | None] | None
    names: tuple[tuple[int, str], ...] | None  # of the segments that are a parameter, where the tree proves the match
    kind: type[BaseRoute]
    matches: Callable[..., Any]
    watched: bool
    path_regex: re.Pattern[str] | None
    param_convertors: Mapping[str, Convertor[Any]] | None
    endpoint: Literal["endpoint", "_endpoint"]  # the attribute
    methods: bool  # whether the method of the request counts
    adds_route: bool  # whether the route itself is added to the scope
    longest: int  # for a longer path the route itself is asked


class _Row(NamedTuple):
    """A route for `RouteTable`, which says what the items mean."""

    route: BaseRoute
    segments: tuple[str | None, ...] | None = None
    below: bool = False
    known: _Known | None = None


def build_table(routes: Iterable[BaseRoute]) -> RouteTable:
    """A `RouteTable` of the routes as they are now."""
    return RouteTable(map(_row, routes), Match.NONE, Match.PARTIAL, Match.FULL)


def is_indexed(route: BaseRoute) -> bool:
    """Whether the route is found by its path; every other one is asked each time."""
    return _row(route).segments is not None


def serves(route: BaseRoute, scope_type: Literal["http", "websocket"]) -> bool:
    """Whether the route can match a scope of this type; only what is known for certain is left out."""
    if scope_type == "http":
        return not (_is_known(route) and type(route) in (WebSocketRoute, APIWebSocketRoute))
    return not (_is_known(route) and type(route) is Route)


def _is_known(route: BaseRoute) -> bool:
    kind = type(route)
    return _MATCHES.get(kind) is kind.matches and "matches" not in vars(route)


def _row(route: BaseRoute) -> _Row:
    template, convertors = _template(route) or (None, {})
    position = None if template is None else _segments(template, convertors)
    if template is None or position is None:
        return _Row(route)
    return _Row(route, *position, _known(route, template, convertors))


def _template(route: BaseRoute) -> tuple[str, Mapping[str, Convertor[Any]]] | None:
    """What `matches` of the route goes by, where that is certain: a template and its convertors."""
    if not _is_known(route):
        return None
    if isinstance(route, APIWebSocketRoute):
        return route._matcher.path, route._matcher.param_convertors
    path, path_regex, convertors = map(vars(route).get, ("path", "path_regex", "param_convertors"))
    if not (isinstance(path, str) and isinstance(path_regex, re.Pattern) and isinstance(convertors, dict)):
        return None
    template = f"{path}/{{path:path}}" if isinstance(route, Mount) else path
    # `matches` looks at the regex alone: the template counts for as much as it says the same.
    if path_regex.flags != re.UNICODE or path_regex.pattern != _pattern(template, convertors):
        return None
    return template, convertors


def _pattern(template: str, convertors: Mapping[str, Convertor[Any]]) -> str | None:
    """The regex that `starlette.routing.compile_path` builds, if these are the convertors of this template."""
    pieces = PARAM_REGEX.split(template)
    if pieces[1::3] != list(convertors):
        return None
    parameters = [f"(?P<{name}>{convertor.regex})" for name, convertor in convertors.items()]
    literals = [re.escape(literal) for literal in pieces[::3]]
    return f"^{''.join(map(''.join, zip(literals, [*parameters, '$'], strict=True)))}"


def _segments(template: str, convertors: Mapping[str, Convertor[Any]]) -> tuple[tuple[str | None, ...], bool] | None:
    """The whole segments of a template, and whether it goes on with something that may cross slashes.

    None where not even the literal beginning of the template is certain.
    """
    literals = PARAM_REGEX.split(template)[::3]
    if not literals[0].startswith("/"):
        return None
    segments: list[str | None] = []
    segment: str | None = ""
    for literal, convertor in zip(literals, [*convertors.values(), None], strict=True):
        first, *others = literal.split("/")
        segment = None if segment is None else segment + first
        for other in others:
            segments.append(segment)
            segment = other
        if convertor is None:
            break
        if convertor.regex not in _ONE_SEGMENT:
            return (tuple(segments[1:]), True) if _is_whole(convertor.regex) else None
        segment = None
    return (*segments[1:], segment), False


def _match(template: str, convertors: Mapping[str, Convertor[Any]]) -> Callable[[str], dict[str, Any] | None] | None:
    """What matches the template with just these convertors; None where others are registered by now."""
    try:
        matcher = PathMatcher(template)
    except ValueError:
        return None
    same = all(matcher.param_convertors[name] is convertor for name, convertor in convertors.items())
    return matcher.match if same else None


def _names(template: str, convertors: Mapping[str, Convertor[Any]]) -> tuple[tuple[int, str], ...] | None:
    """The places of the segments that are a parameter of plain text, if there is no other kind of parameter."""
    found: list[tuple[int, str]] = []
    for place, segment in enumerate(template.split("/")):
        pieces = PARAM_REGEX.split(segment)
        if len(pieces) == 1:
            continue
        # The compiled twin keeps the places as the bits of a word.
        if pieces[::3] != ["", ""] or not _is_plain(convertors[pieces[1]]) or place >= 64:
            return None
        found.append((place, pieces[1]))
    return tuple(found)


def _is_plain(convertor: Convertor[Any]) -> bool:
    """Whether it is Starlette's `str`, and nobody has patched it."""
    convert = getattr(convertor.convert, "__func__", None)
    return type(convertor) is StringConvertor and convertor.regex == _TEXT and convert is _CONVERT_TEXT


def _is_whole(regex: str) -> bool:
    """Whether a group around the regex ends where it should: `a)|(b` would make an alternative of the whole."""
    try:
        re.compile(regex)
    except re.error:
        return False
    return True


def _known(route: BaseRoute, template: str, convertors: Mapping[str, Convertor[Any]]) -> _Known | None:
    names = _names(template, convertors)
    if isinstance(route, APIWebSocketRoute):
        return _Known(
            match=route._matcher.match,
            names=names,
            kind=APIWebSocketRoute,
            matches=_MATCHES[APIWebSocketRoute],
            watched=False,  # they cannot be assigned
            path_regex=None,
            param_convertors=None,
            endpoint="_endpoint",
            methods=False,
            adds_route=True,
            longest=sys.maxsize,
        )
    match = None if names is not None else _match(template, convertors)
    known = ANSWERS_ALIKE and (names is not None or match is not None)
    if not known or not isinstance(route, Route | WebSocketRoute):
        return None
    # Starlette raises where an int has more digits than Python converts, `PathMatcher` does not match there.
    has_int = any(type(convertor) is IntegerConvertor for convertor in convertors.values())
    return _Known(
        match=match,
        names=names,
        kind=type(route),
        matches=_MATCHES[type(route)],
        watched=True,
        path_regex=route.path_regex,
        param_convertors=convertors,
        endpoint="endpoint",
        methods=isinstance(route, Route),
        adds_route=False,
        longest=sys.int_info.str_digits_check_threshold if has_int else sys.maxsize,
    )
