"""RouteTable: many path templates -> the routes that can match one path, in registration order (pure twin)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["RouteTable"]


class _Node:
    """What is known after some whole segments of a path."""

    __slots__ = ("any", "below", "ends", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        #: Where one segment of any text but the empty one leads to.
        self.any: _Node | None = None
        #: The places of the templates that end here, and of those that take whatever is below.
        self.ends: list[int] = []
        self.below: list[int] = []


class RouteTable:
    """Routes in registration order, found by a tree over the segments of their templates.

    The templates share the nodes of their common beginning. A lookup walks the segments of the path, keeping all nodes
    that are still possible, and ends at the first segment that leads nowhere: a miss costs no scan. What it finds is a
    superset of what matches; each of these is then matched in turn. Nothing is remembered from lookup to lookup.

    Args:
        rows: `(route, segments, below, known)` for each route. `segments` are the texts of the template's segments,
            None for one that is or has a parameter; `below` is true where the template goes on with something that
            may cross slashes. `segments` is None for a route that has to be asked for every path. `known` is what
            `_Known` in index.py says, for a route that is matched here; None for one whose `matches` is asked.
        none: what `matches` returns as its first item for no match.
        partial: the same for a match but for the method.
        full: the same for a match.
    """

    def __init__(
        self,
        rows: Iterable[tuple[Any, Sequence[str | None] | None, bool, tuple[Any, ...] | None]],
        none: object,
        partial: object,
        full: object,
    ) -> None:
        self._none = none
        self._partial = partial
        self._full = full
        self._rows: list[tuple[Any, tuple[Any, ...] | None]] = []
        self._always: list[int] = []
        self._root = _Node()
        self._depth = 0
        for place, (route, segments, below, known) in enumerate(rows):
            self._rows.append((route, known))
            if segments is None:
                self._always.append(place)
                continue
            node = self._root
            for segment in segments:
                node = _child(node, segment)
            (node.below if below else node.ends).append(place)
            self._depth = max(self._depth, len(segments))

    def candidates(self, route_path: str) -> list[Any]:
        """The routes that can match `route_path`, a superset of those that do, in registration order."""
        return [self._rows[place][0] for place in self._places(self._split(route_path))]

    def find(
        self, scope: Mapping[str, Any], route_path: str, any_match: bool = False
    ) -> tuple[Any, Mapping[str, Any]] | None:
        """The route that Starlette's router would choose, and what it adds to the scope.

        Args:
            scope: of the request; it is not changed.
            route_path: the part of the scope's path that routes match.
            any_match: whether the first match that is not `none` is good enough.

        Returns:
            The first full match, else the first partial one, else None.

        Raises:
            Whatever `matches` of a route raises, at the turn at which it would in a scan.
        """
        first_partial = None
        segments = self._split(route_path)
        for place in self._places(segments):
            route, known = self._rows[place]
            answer = None if known is None else _answer(route, known, scope, route_path, segments)
            if answer is not None:
                is_match, is_partial, child_scope = answer
                if is_match and (any_match or not is_partial):
                    return route, child_scope
                if is_match:
                    first_partial = first_partial or (route, child_scope)
                continue
            path, root_path = scope["path"], scope.get("root_path")
            match, child_scope = route.matches(scope)
            if match is self._full or (any_match and match is not self._none):
                return route, child_scope
            if match is self._partial:
                first_partial = first_partial or (route, child_scope)
            if scope["path"] is not path or scope.get("root_path") is not root_path:
                # A route's own `matches` wrote another path into the scope: the later ones are asked about that.
                return self._scan(scope, place + 1, any_match, first_partial)
        return first_partial

    def _scan(
        self, scope: Mapping[str, Any], start: int, any_match: bool, first_partial: tuple[Any, Any] | None
    ) -> tuple[Any, Any] | None:
        for route, _ in self._rows[start:]:
            match, child_scope = route.matches(scope)
            if match is self._full or (any_match and match is not self._none):
                return route, child_scope
            if match is self._partial:
                first_partial = first_partial or (route, child_scope)
        return first_partial

    def _split(self, route_path: str) -> list[str]:
        # The first segment is what is before the first slash. Nothing in the tree is deeper than `_depth`: what is left
        # of a longer path stays one piece, which leads nowhere.
        return route_path.split("/", self._depth + 1)

    def _places(self, segments: list[str]) -> list[int]:
        found = self._always.copy()
        if len(segments) > 1 and not segments[0]:
            self._walk(segments, found)
        if len(found) > 1:
            found.sort()
        return found

    def _walk(self, segments: list[str], found: list[int]) -> None:
        last = len(segments) - 1
        node, place = self._root, 1
        waiting: list[tuple[_Node, int]] = []
        while True:
            if node.below:
                found += node.below
            segment = segments[place]
            child = node.literals.get(segment)
            other = node.any if segment else None
            if place == last:
                if child is not None:
                    found += child.ends
                if other is not None:
                    found += other.ends
                if segment[-1:] == "\n":
                    # `$` matches before a newline that ends the path.
                    child = node.literals.get(segment[:-1])
                    if child is not None:
                        found += child.ends
            else:
                place += 1
                if child is not None and other is not None:
                    waiting.append((other, place))
                following = child or other
                if following is not None:
                    node = following
                    continue
            if not waiting:
                return
            node, place = waiting.pop()


def _child(node: _Node, segment: str | None) -> _Node:
    if segment is None:
        node.any = node.any or _Node()
        return node.any
    child = node.literals.get(segment)
    if child is None:
        child = node.literals[segment] = _Node()
    return child


_NO_MATCH: tuple[bool, bool, dict[str, Any]] = (False, False, {})


def _answer(
    route: Any, known: tuple[Any, ...], scope: Mapping[str, Any], route_path: str, segments: list[str]
) -> tuple[bool, bool, dict[str, Any]] | None:
    """Whether the route matches, whether but for the method, and the child scope.

    None where the route is no longer what `known` says, so that it has to be asked.
    """
    match, names, kind, matches, watched, regex, convertors, endpoint, has_methods, adds_route, longest = known
    if type(route) is not kind or kind.matches is not matches or len(route_path) > longest:
        return None
    attributes = vars(route)
    if "matches" in attributes:
        return None
    if watched and (attributes.get("path_regex") is not regex or attributes.get("param_convertors") is not convertors):
        return None
    if names is None:
        params = match(route_path)
        if params is None:
            return _NO_MATCH
    else:
        # The way through the tree was all there is to match.
        params = {}
        for segment, name in names:
            params[name] = segments[segment]
    if "path_params" in scope:
        params = {**dict(scope["path_params"]), **params}
    child_scope = {"endpoint": attributes[endpoint], "path_params": params}
    if adds_route:
        child_scope["route"] = route
    if has_methods:
        methods = attributes["methods"]
        return True, bool(methods) and scope["method"] not in methods, child_scope
    return True, False, child_scope
