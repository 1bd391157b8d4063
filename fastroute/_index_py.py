"""RouteTable: many path templates -> the routes that can match one path, in registration order (pure twin)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["RouteTable"]

#: Up to this many routes the tree costs more than it saves, so that all of them are candidates.
_SMALL = 3


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

    The templates share the nodes of their common beginning. A lookup walks the segments of the path once, keeping all
    nodes that are still possible, and ends at the first segment that leads nowhere: a miss costs no scan. What it
    finds is a superset of what matches; the route itself decides. Nothing is remembered from lookup to lookup.

    Args:
        rows: `(route, segments, below, known)` for each route. `segments` are the texts of the template's segments,
            None for one that is or has a parameter; `below` is true where the template goes on with something that
            may cross slashes. `segments` is None for a route that has to be asked for every path. `known` is for the
            compiled twin, which answers for routes of a known kind by itself; here the route does, by `matches`.
        none: what `matches` returns as its first item for no match.
        partial: the same for a match but for the method.
        full: the same for a match.
    """

    def __init__(
        self,
        rows: Iterable[tuple[Any, Sequence[str | None] | None, bool, Any]],
        none: object,
        partial: object,
        full: object,
    ) -> None:
        self._none = none
        self._partial = partial
        self._full = full
        self._routes: list[Any] = []
        self._always: list[int] = []
        self._root = _Node()
        self._depth = 0
        for place, (route, segments, below, _) in enumerate(rows):
            self._routes.append(route)
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
        return [self._routes[place] for place in self._places(route_path)]

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
        path, root_path = scope["path"], scope.get("root_path")
        places = iter(self._places(route_path))
        first_partial = None
        for place in places:
            route = self._routes[place]
            match, child_scope = route.matches(scope)
            if match is self._full or (any_match and match is not self._none):
                return route, child_scope
            if match is self._partial and first_partial is None:
                first_partial = route, child_scope
            if scope["path"] is not path or scope.get("root_path") is not root_path:
                # A route's own `matches` wrote another path into the scope: the later ones are asked about that.
                path, root_path = scope["path"], scope.get("root_path")
                places = iter(range(place + 1, len(self._routes)))
        return first_partial

    def _places(self, route_path: str) -> Sequence[int]:
        if len(self._routes) <= _SMALL:
            return range(len(self._routes))
        found = self._always.copy()
        if route_path[:1] == "/":
            # Nothing in the tree is deeper: what is left of a longer path stays one piece that leads nowhere.
            self._walk(route_path[1:].split("/", self._depth), found)
        if len(found) > 1:
            found.sort()
        return found

    def _walk(self, segments: list[str], found: list[int]) -> None:
        nodes = [self._root]
        last = segments.pop()
        for segment in segments:
            following = []
            for node in nodes:
                found += node.below
                child = node.literals.get(segment)
                if child is not None:
                    following.append(child)
                if node.any is not None and segment:
                    following.append(node.any)
            if not following:
                return
            nodes = following
        for node in nodes:
            found += node.below
            child = node.literals.get(last)
            if child is not None:
                found += child.ends
            if last[-1:] == "\n":
                # `$` matches before a newline that ends the path.
                child = node.literals.get(last[:-1])
                if child is not None:
                    found += child.ends
            if node.any is not None and last:
                found += node.any.ends


def _child(node: _Node, segment: str | None) -> _Node:
    if segment is None:
        node.any = node.any or _Node()
        return node.any
    child = node.literals.get(segment)
    if child is None:
        child = node.literals[segment] = _Node()
    return child
