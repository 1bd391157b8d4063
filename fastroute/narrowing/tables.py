"""The index of one list of FastAPI's: which routes in it can match a path."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, NamedTuple

from starlette.routing import Match
from starlette.types import Scope

from .. import _fastapi
from ..indexing.index import PathShape
from ..matching.implementation import RouteTable
from ..matching.rows import Row

__all__ = ["ANYTHING", "Function", "Index", "NotCopied", "Reach", "table_of", "united"]

Function = Callable[..., Any]


class Reach(NamedTuple):
    """The requests that can match in a route.

    Attributes:
        http, websocket: the shapes of the paths; None for every path.
        writes: whether its `matches` is not known, and may write another path into the scope.
        relied: the classes whose `matches` this was read from, with these functions.
    """

    http: tuple[PathShape, ...] | None
    websocket: tuple[PathShape, ...] | None
    writes: bool = False
    relied: frozenset[tuple[type[Any], Function]] = frozenset()


ANYTHING = Reach(None, None, writes=True)


class NotCopied:
    """A router that was copied or pickled has other routes: it gets None in the place of this."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()


@dataclass(frozen=True, slots=True)
class Index(NotCopied):
    """The tables of a list in one of its editions; never changed, only replaced as a whole.

    Attributes:
        edition: `RouteList.newest` at the time for which this holds.
        routers, editions: the routers whose changes may end that, with their editions at this time; of a list inside of
            an included router without editions.
        candidates: the list.
        http, websocket: tables of positions in the list.
        writers: the positions of routes that may write another path into the scope.
        included: the included routers in the list and below, with the version of each and its list.
        mark: what the first included router does to a scope if it is asked; None inside of an included router.
        first_included: its position; after all others if there is none.
        scans: whether a lookup saves nothing: FastAPI asks all of the list.
        is_plain: whether there is nothing to do but to ask the routes at the positions.
        classes, functions: those whose `matches` this was read from, and these functions.
        reach: the requests that can match in the list; the list around it uses this.
        noted: whether every router below reports its changes, and has an index.
    """

    edition: object
    routers: tuple[Any, ...]
    editions: list[object]
    candidates: list[Any]
    http: RouteTable
    websocket: RouteTable
    writers: frozenset[int]
    included: tuple[tuple[Any, object, list[Any]], ...]
    mark: Callable[[Scope], Any] | None
    first_included: int
    scans: bool
    is_plain: bool
    classes: list[type[Any]]
    functions: list[Function]
    reach: Reach
    noted: bool

    def holds_for(self, candidates: Sequence[Any]) -> bool:
        """Whether this is still the list, and FastAPI still has the same lists below."""
        # The version comes first: FastAPI builds a list anew if it is another one, which only its turn should do.
        return (
            len(candidates) == len(self.candidates)
            and all(map(is_, candidates, self.candidates))
            and all(
                _fastapi.routes_version(included) == version and included.effective_candidates() is below
                for included, version, below in self.included
            )
        )

    def positions(self, scope: Scope, path: str) -> list[int]:
        """The positions that can match a path, in order; one can be there several times, one after the other."""
        table = self.http if scope["type"] == "http" else self.websocket
        return table.candidates(path)

    def routes(self, scope: Scope, positions: list[int]) -> Iterable[Any]:
        """The routes at these positions, for a router that asks them in turn."""
        if self.writers:
            return self._in_turn(scope, positions)
        if self.mark is not None:
            if positions and positions[0] < self.first_included:
                return self._in_turn(scope, positions)
            if not positions or positions[0] > self.first_included:
                self.mark(scope)
        return list(map(self.candidates.__getitem__, dict.fromkeys(positions)))

    def _in_turn(self, scope: Scope, positions: Iterable[int]) -> Iterator[Any]:
        """The routes at these positions, each when it is asked, and what those between them do to the scope."""
        path, root_path = scope["path"], scope.get("root_path")
        candidates, mark = self.candidates, self.mark
        for position in dict.fromkeys(positions):
            if mark is not None and position > self.first_included:
                mark(scope)
                mark = None
            yield candidates[position]
            if position in self.writers and (scope["path"] is not path or scope.get("root_path") is not root_path):
                yield from candidates[position + 1 :]
                return
        if mark is not None:
            mark(scope)


#: Of most routers the one for WebSockets. A table never changes.
_NO_ROWS = RouteTable((), Match.NONE, Match.PARTIAL, Match.FULL)


def table_of(paths: Sequence[tuple[PathShape, ...] | None], has_included: bool) -> RouteTable:
    """A table whose rows are positions in a list: a position with shapes is found by them, one with None always."""
    if has_included:
        paths = _beginnings(paths)
    rows: list[Row] = []
    for position, shapes in enumerate(paths):
        if shapes is None:
            rows.append(Row(position))
        else:
            rows += [Row(position, shape) for shape in shapes]
    return RouteTable(rows, Match.NONE, Match.PARTIAL, Match.FULL) if rows else _NO_ROWS


def _beginnings(paths: Sequence[tuple[PathShape, ...] | None]) -> list[tuple[PathShape, ...] | None]:
    """Fewer shapes, for the same paths and others: of each the shortest beginning that no other route has.

    An included router whose paths all begin with `/users` gets one shape, that of all paths below `/users`.
    """
    owners: dict[PathShape, int] = {}
    for position, shapes in enumerate(paths):
        for shape in shapes or ():
            for depth in range(1, len(shape)):
                beginning = shape[:depth]
                owners[beginning] = position if owners.get(beginning, position) == position else -1
    shorter: list[tuple[PathShape, ...] | None] = []
    for position, shapes in enumerate(paths):
        found = None if shapes is None else dict.fromkeys(_beginning(each, position, owners) for each in shapes)
        shorter.append(None if found is None else tuple(found))
    return shorter


def _beginning(shape: PathShape, position: int, owners: Mapping[PathShape, int]) -> PathShape:
    for depth in range(1, len(shape)):
        if owners[shape[:depth]] == position:
            return (*shape[:depth], ...)
    return shape


def united(reaches: Sequence[Reach]) -> Reach:
    """The requests that can match in one of several routes."""
    return Reach(
        _all_shapes([reach.http for reach in reaches]),
        _all_shapes([reach.websocket for reach in reaches]),
        any(reach.writes for reach in reaches),
        frozenset[Any]().union(*(reach.relied for reach in reaches)),
    )


def _all_shapes(paths: Sequence[tuple[PathShape, ...] | None]) -> tuple[PathShape, ...] | None:
    found: dict[PathShape, None] = {}
    for shapes in paths:
        if shapes is None:
            return None
        found.update(dict.fromkeys(shapes))
    return tuple(found)
