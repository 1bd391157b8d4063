"""RouteTable: many path templates -> the routes that can match one path, in registration order (pure twin)."""

import heapq
import itertools
import operator
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .rows import Row, Shortcut

__all__ = ["RouteTable", "difference"]

#: A label, which sorts as the routes do, and the number of a row. A tree uses no number twice.
_Key = tuple[int, int]

#: Between the labels of neighbours at first: so many routes, halving what is left, fit between two of them.
_GAP = 1 << 40

#: A lookup walks up to so many nodes at once. More are visited in the order of the routes, as far as needed.
_MOST_NODES = 100


class _Node:
    """The templates that are still possible after some whole segments of a path."""

    __slots__ = ("any", "below", "ends", "first", "literals")

    def __init__(self, first: _Key) -> None:
        #: No key here or in the nodes below comes before it.
        self.first = first
        self.literals = _NO_NODES
        #: The node after one segment of any text except the empty one.
        self.any: _Node | None = None
        #: The keys of the rows whose templates end here, and of those that take everything below.
        self.ends = _NO_KEYS
        self.below = _NO_KEYS


# Most nodes have none, and share these, to which nothing is added.
_NO_NODES: dict[str, _Node] = {}
_NO_KEYS: list[_Key] = []


class _Tree:
    """The tree of one table and of those that are made from it by changes; it only ever grows."""

    def __init__(self) -> None:
        self.root = _Node((0, 0))
        self.unindexed: list[_Key] = []
        self.depth = 0
        self.rows = 0
        #: Of the newest table.
        self.edition = 0

    def add(self, row: Row, key: _Key) -> None:
        self.rows += 1
        if row.segments is None:
            self.unindexed.append(key)
            return
        node = self.root
        self.depth = max(self.depth, len(row.segments))
        node.first = min(node.first, key)
        for segment in row.segments:
            if segment is ...:
                node.below = _with(node.below, key)
                return
            node = _child(node, segment, key)
            node.first = min(node.first, key)
        node.ends = _with(node.ends, key)


class RouteTable:
    """Routes in registration order, found by a tree over the segments of their templates.

    Templates share the nodes of their common beginning. A lookup walks the segments of the path, keeps every node that
    is still possible, and ends as soon as none is left: a miss costs no scan. The rows it finds are a superset of those
    that match; each of them is then matched in turn. Nothing is remembered from lookup to lookup.

    A table is never changed: `replaced` makes another one, at a cost that does not depend on how many routes there are.
    Both share the tree, in which each row has a key that sorts as the routes do. A lookup passes over the rows that
    its own table does not have.

    The templates `/users/me`, `/users/{id}` and `/{rest:path}` at the positions 0, 1 and 2 make this tree:

        root                    below: [2]
        root, "users"
        root, "users", "me"     ends: [0]
        root, "users", any      ends: [1]

    Args:
        rows: `Row(route, segments, shortcut)` for each route.
        none: the first item that `matches` of a route returns for no match.
        partial: the same for a match except for the method.
        full: the same for a match.
    """

    def __init__(self, rows: Iterable[Row], none: object, partial: object, full: object) -> None:
        self._none = none
        self._partial = partial
        self._full = full
        self._start([Row(*row) for row in rows])

    def _start(self, rows: list[Row]) -> None:
        """A tree of its own for these rows."""
        #: The first `size` of them are its own.
        self._rows = rows
        self._size = len(rows)
        #: Of the rows; None if the number of each is its position.
        self._keys: list[_Key] | None = None
        self._edition = 0
        self._tree = _Tree()
        for position, row in enumerate(rows):
            self._tree.add(row, self._key(position))

    def _key(self, position: int) -> _Key:
        return (position * _GAP, position) if self._keys is None else self._keys[position]

    def replaced(self, start: int, stop: int, rows: Sequence[Row], /) -> "RouteTable":
        """The table that has `rows` in the place of those from `start` up to `stop`; this one stays as it is.

        The routes of both are the same objects. Changes that follow each other share one tree; a change of an older
        table copies it, and so does one after many routes have gone.
        """
        table = RouteTable((), self._none, self._partial, self._full)
        added = [Row(*row) for row in rows]
        with _GROWING:
            if not self._grow_into(table, start, stop, added):
                table._start([*self._rows[:start], *added, *self._rows[stop : self._size]])
        return table

    def _grow_into(self, table: "RouteTable", start: int, stop: int, added: list[Row]) -> bool:
        """Make a table that shares the tree; False if that needs one of its own."""
        tree, size, number = self._tree, self._size, self._tree.rows
        if self._edition != tree.edition or number > 2 * (size + 16):
            return False
        before, step = self._key(start - 1)[0] if start else -_GAP, _GAP
        if stop < size:
            if not start:
                before = self._key(stop)[0] - (len(added) + 1) * _GAP
            step = (self._key(stop)[0] - before) // (len(added) + 1)
            if not step:
                return False
        new = [(before + k * step, number + k - 1) for k in range(1, len(added) + 1)]
        if self._keys is None and start == len(self._rows) == number:
            # The rows of a table that has grown at its end are the first of the new one.
            table._rows = self._rows
        else:
            table._rows = self._rows[:size]
            keys = [(k * _GAP, k) for k in range(size)] if self._keys is None else self._keys
            table._keys = [*keys[:start], *new, *keys[stop:]]
        table._rows[start:stop] = added
        table._size = size - (stop - start) + len(added)
        table._tree = tree
        table._edition = tree.edition = tree.edition + 1
        for row, key in zip(added, new, strict=True):
            tree.add(row, key)
        return True

    def candidates(self, route_path: str) -> list[Any]:
        """The routes that can match `route_path`, a superset of those that do, in registration order."""
        return [self._rows[position].route for position in self._positions(self._split(route_path))]

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
            route, _, shortcut = self._rows[position]
            found = None if shortcut is None else self._answer(route, shortcut, scope, route_path, segments)
            is_rewritten = False
            if found is None:
                path, root_path = scope["path"], scope.get("root_path")
                found = route.matches(scope)
                is_rewritten = scope["path"] is not path or scope.get("root_path") is not root_path
            match, child_scope = found
            if match is self._full or (any_match and match is not self._none):
                return route, child_scope
            if match is self._partial:
                first_partial = first_partial or (route, child_scope)
            if is_rewritten:
                # A route's own `matches` wrote another path into the scope: the later ones are asked about that.
                return self._scan(scope, position + 1, any_match, first_partial)
        return first_partial

    def _answer(
        self, route: Any, shortcut: Shortcut, scope: Mapping[str, Any], route_path: str, segments: list[str]
    ) -> tuple[Any, Any] | None:
        """What `matches` of the route would return; None if the route is no longer as its shortcut says."""
        cls, unchanged = type(route), shortcut.unchanged
        if (
            cls is not unchanged.cls
            or cls.matches is not unchanged.matches
            or len(route_path) > unchanged.longest_path
            or "matches" in (attributes := vars(route))
        ):
            return None
        path_regex = unchanged.path_regex
        if path_regex is not None and (
            attributes.get("path_regex") is not path_regex
            or attributes.get("param_convertors") is not unchanged.param_convertors
        ):
            return None
        params: dict[str, Any] | None
        if shortcut.match is None:
            params = {}
            for number, name in shortcut.text_segments:
                params[name] = segments[number]
        else:
            params = shortcut.match(route_path)
            if params is None:
                return self._none, {}
        if "path_params" in scope:
            params = {**dict(scope["path_params"]), **params}
        child_scope = {"endpoint": attributes[shortcut.endpoint], "path_params": params}
        if shortcut.adds_route:
            child_scope["route"] = route
        if shortcut.checks_method:
            methods = attributes["methods"]
            if methods and scope["method"] not in methods:
                return self._partial, child_scope
        return self._full, child_scope

    def _scan(
        self, scope: Mapping[str, Any], start: int, any_match: bool, first_partial: tuple[Any, Any] | None
    ) -> tuple[Any, Any] | None:
        for row in self._rows[start : self._size]:
            route = row.route
            match, child_scope = route.matches(scope)
            if match is self._full or (any_match and match is not self._none):
                return route, child_scope
            if match is self._partial:
                first_partial = first_partial or (route, child_scope)
        return first_partial

    def _split(self, route_path: str) -> list[str]:
        # Segment 0 is the text before the first slash. Nothing in the tree is deeper than `depth`: the rest of a
        # longer path stays one segment, which leads nowhere.
        return route_path.split("/", self._tree.depth + 1)

    def _positions(self, segments: list[str]) -> Iterable[int]:
        tree = self._tree
        found = tree.unindexed[:]
        if len(segments) > 1 and not segments[0] and not self._walk(segments, found):
            return self._in_turn(segments)
        if len(found) < 2:
            # Nearly always; this costs half of what follows.
            position = self._position(found[0]) if found else None
            return () if position is None else (position,)
        if self._keys is None:
            return sorted([number for _, number in found if number < self._size])
        return sorted([position for key in found if (position := self._position(key)) is not None])

    def _in_turn(self, segments: list[str]) -> Iterator[int]:
        """As `_positions`, found one by one: the first of very many may be the only one that is asked for."""
        # Keys of rows, and nodes by a key that none of theirs comes before; a node is before the row of the same key.
        ties = itertools.count()
        root = self._tree.root
        heap: list[tuple[_Key, int, tuple[_Node, int] | None]] = [(root.first, next(ties), (root, 1))]
        for key in self._tree.unindexed:
            heapq.heappush(heap, (key, next(ties), None))
        while heap:
            key, _, place = heapq.heappop(heap)
            if place is None:
                position = self._position(key)
                if position is not None:
                    yield position
                continue
            node, number = place
            keys, nodes = self._step(node, segments, number)
            for key in keys:
                heapq.heappush(heap, (key, next(ties), None))
            for node in nodes:
                heapq.heappush(heap, (node.first, next(ties), (node, number + 1)))

    def _step(self, node: _Node, segments: list[str], number: int) -> tuple[list[_Key], list[_Node]]:
        """The keys that a node adds for a segment, and the nodes from which to go on."""
        segment = segments[number]
        nodes = [child for child in (node.literals.get(segment), node.any if segment else None) if child is not None]
        if number < len(segments) - 1:
            return node.below, nodes
        if segment[-1:] == "\n" and (child := node.literals.get(segment[:-1])) is not None:
            nodes.append(child)
        return list(itertools.chain(node.below, *(node.ends for node in nodes))), []

    def _position(self, key: _Key) -> int | None:
        """The position of a row; None if it is in other tables of the tree only."""
        if self._keys is None:
            return key[1] if key[1] < self._size else None
        position = bisect_left(self._keys, key)
        return position if position < self._size and self._keys[position] == key else None

    def _walk(self, segments: list[str], found: list[_Key]) -> bool:
        """Add the keys of all candidates. Returns False if there are so many nodes that it gave up."""
        last = len(segments) - 1
        node, number = self._tree.root, 1
        waiting: list[tuple[_Node, int]] = []
        for _ in range(_MOST_NODES):
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
                return True
            node, number = waiting.pop()
        return False


def difference(old: list[Any], old_stop: int, new: list[Any], /) -> tuple[int, int, int]:
    """The part in which the first `old_stop` of a list differ from another list, by identity.

    Returns:
        Where it starts, where it stops in `old`, and where in `new`.
    """
    new_stop = len(new)
    shortest = min(old_stop, new_stop)
    start = _common(old, new, shortest)
    end = _common(_backwards(old, old_stop), _backwards(new, new_stop), shortest - start)
    return start, old_stop - end, new_stop - end


def _backwards(items: list[Any], stop: int) -> Iterator[Any]:
    return map(items.__getitem__, reversed(range(stop)))


def _common(one: Iterable[Any], other: Iterable[Any], most: int) -> int:
    return next(itertools.compress(range(most), map(operator.is_not, one, other)), most)


# One change at a time.
_GROWING = threading.Lock()


def _child(node: _Node, segment: str | None, key: _Key) -> _Node:
    if segment is None:
        node.any = node.any or _Node(key)
        return node.any
    child = node.literals.get(segment)
    if child is None:
        child = _Node(key)
        if node.literals is _NO_NODES:
            node.literals = {segment: child}
        else:
            node.literals[segment] = child
    return child


def _with(keys: list[_Key], key: _Key) -> list[_Key]:
    if keys is _NO_KEYS:
        return [key]
    keys.append(key)
    return keys
