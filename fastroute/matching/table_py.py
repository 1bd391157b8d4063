"""RouteTable: many path templates -> the routes that can match one path, in registration order (pure twin)."""

from collections.abc import Iterable, Mapping
from typing import Any

from .rows import Row, Shortcut, Unchanged

__all__ = ["RouteTable"]


class _Node:
    """The templates that are still possible after some whole segments of a path."""

    __slots__ = ("any", "below", "ends", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        #: The node after one segment of any text except the empty one.
        self.any: _Node | None = None
        #: The positions of the rows whose templates end here, and of those that take everything below.
        self.ends: list[int] = []
        self.below: list[int] = []


class RouteTable:
    """Routes in registration order, found by a tree over the segments of their templates.

    Templates share the nodes of their common beginning. A lookup walks the segments of the path, keeps every node that
    is still possible, and ends as soon as none is left: a miss costs no scan. The rows it finds are a superset of those
    that match; each of them is then matched in turn. Nothing is remembered from lookup to lookup.

    The templates `/users/me`, `/users/{id}` and `/{rest:path}` at the positions 0, 1 and 2 make this tree:

        root                    below: [2]
        root, "users"
        root, "users", "me"     ends: [0]
        root, "users", any      ends: [1]

    Args:
        rows: `Row(route, segments, below, shortcut)` for each route.
        none: the first item that `matches` of a route returns for no match.
        partial: the same for a match except for the method.
        full: the same for a match.
    """

    def __init__(self, rows: Iterable[Row], none: object, partial: object, full: object) -> None:
        self._none = none
        self._partial = partial
        self._full = full
        self._rows: list[tuple[Any, Shortcut | None]] = []
        self._unindexed: list[int] = []
        self._root = _Node()
        self._depth = 0
        for position, (route, segments, below, shortcut) in enumerate(rows):
            self._rows.append((route, shortcut))
            if segments is None:
                self._unindexed.append(position)
                continue
            node = self._root
            for segment in segments:
                node = _child(node, segment)
            (node.below if below else node.ends).append(position)
            self._depth = max(self._depth, len(segments))

    def candidates(self, route_path: str) -> list[Any]:
        """The routes that can match `route_path`, a superset of those that do, in registration order."""
        return [self._rows[position][0] for position in self._positions(self._split(route_path))]

    def find(
        self, scope: Mapping[str, Any], route_path: str, any_match: bool = False
    ) -> tuple[Any, Mapping[str, Any]] | None:
        """The route that Starlette's router would choose, and its child scope.

        Args:
            scope: of the request; it is not changed.
            route_path: the part of the scope's path that routes match.
            any_match: True if the first match is good enough, partial or full.

        Returns:
            The first full match, else the first partial one, else None.

        Raises:
            Exception: `matches` of a route raised it, at the same turn as in a scan.
        """
        first_partial = None
        segments = self._split(route_path)
        for position in self._positions(segments):
            route, shortcut = self._rows[position]
            answer = None if shortcut is None else _answer(route, shortcut, scope, route_path, segments)
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
                return self._scan(scope, position + 1, any_match, first_partial)
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
        # Segment 0 is the text before the first slash. Nothing in the tree is deeper than `_depth`: the rest of a
        # longer path stays one segment, which leads nowhere.
        return route_path.split("/", self._depth + 1)

    def _positions(self, segments: list[str]) -> list[int]:
        found = self._unindexed.copy()
        if len(segments) > 1 and not segments[0]:
            self._walk(segments, found)
        if len(found) > 1:
            found.sort()
        return found

    def _walk(self, segments: list[str], found: list[int]) -> None:
        last = len(segments) - 1
        node, number = self._root, 1
        waiting: list[tuple[_Node, int]] = []
        while True:
            if node.below:
                found += node.below
            segment = segments[number]
            child = node.literals.get(segment)
            other = node.any if segment else None
            if number == last:
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
                number += 1
                if child is not None and other is not None:
                    waiting.append((other, number))
                following = child or other
                if following is not None:
                    node = following
                    continue
            if not waiting:
                return
            node, number = waiting.pop()


def _child(node: _Node, segment: str | None) -> _Node:
    if segment is None:
        node.any = node.any or _Node()
        return node.any
    child = node.literals.get(segment)
    if child is None:
        child = node.literals[segment] = _Node()
    return child


_NO_MATCH: tuple[bool, bool, dict[str, Any]] = (False, False, {})


def _is_unchanged(route: Any, unchanged: Unchanged, route_path: str) -> bool:
    cls = type(route)
    if cls is not unchanged.cls or cls.matches is not unchanged.matches or len(route_path) > unchanged.longest_path:
        return False
    attributes = vars(route)
    if "matches" in attributes:
        return False
    path_regex = unchanged.path_regex
    return path_regex is None or (
        attributes.get("path_regex") is path_regex and attributes.get("param_convertors") is unchanged.param_convertors
    )


def _answer(
    route: Any, shortcut: Shortcut, scope: Mapping[str, Any], route_path: str, segments: list[str]
) -> tuple[bool, bool, dict[str, Any]] | None:
    """Answer for a route: does it match, does it do so except for the method, and its child scope.

    Returns:
        None if the route is no longer as its shortcut says, so that its `matches` must be called.
    """
    if not _is_unchanged(route, shortcut.unchanged, route_path):
        return None
    params: dict[str, Any] | None
    match = shortcut.match
    if match is not None:
        params = match(route_path)
        if params is None:
            return _NO_MATCH
    else:
        params = {}
        for number, name in shortcut.text_segments:
            params[name] = segments[number]
    if "path_params" in scope:
        params = {**dict(scope["path_params"]), **params}
    attributes = vars(route)
    child_scope = {"endpoint": attributes[shortcut.endpoint], "path_params": params}
    if shortcut.adds_route:
        child_scope["route"] = route
    if shortcut.checks_method:
        methods = attributes["methods"]
        return True, bool(methods) and scope["method"] not in methods, child_scope
    return True, False, child_scope
