"""The index of one list of FastAPI's: which routes in it can match a path."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, NamedTuple

from starlette.routing import Match
from starlette.types import Scope

from .. import _fastapi
from ..indexing.index import Position
from ..matching.implementation import RouteTable
from ..matching.rows import Row

__all__ = ["ANYTHING", "Function", "Index", "NotCopied", "Reach", "table_of", "united"]

Function = Callable[..., Any]


class Reach(NamedTuple):
    """The requests that can match in a route.

    Attributes:
        http, websocket: the positions of the paths; None for every path.
        writes: whether its `matches` is not known, and may write another path into the scope.
        relied: the classes whose `matches` this was read from, with these functions.
    """

    http: tuple[Position, ...] | None
    websocket: tuple[Position, ...] | None
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
        candidates: the list.
        http, websocket: tables of places in the list.
        writers: the places of routes that may write another path into the scope.
        included: the included routers in the list, with the version of each and its list.
        mark: what the first included router does to a scope if it is asked; None inside of an included router.
        first_included: its place; after all others if there is none.
        is_plain: whether there is nothing to do but to ask the routes at the places.
        classes, functions: those whose `matches` this was read from, and these functions.
        reach: the requests that can match in the list; the list around it uses this.
        noted: whether every router below reports its changes.
    """

    edition: object
    candidates: list[Any]
    http: RouteTable
    websocket: RouteTable
    writers: frozenset[int]
    included: tuple[tuple[Any, object, list[Any]], ...]
    mark: Callable[[Scope], Any] | None
    first_included: int
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

    def places(self, scope: Scope, path: str) -> list[int]:
        """The places that can match a path, in order; one can be there several times, one after the other."""
        table = self.http if scope["type"] == "http" else self.websocket
        return table.candidates(path)

    def routes(self, scope: Scope, places: list[int]) -> Iterable[Any]:
        """The routes at these places, for a router that asks them in turn."""
        if self.writers:
            return self._in_turn(scope, places)
        if self.mark is not None:
            if places and places[0] < self.first_included:
                return self._in_turn(scope, places)
            if not places or places[0] > self.first_included:
                self.mark(scope)
        return list(map(self.candidates.__getitem__, dict.fromkeys(places)))

    def _in_turn(self, scope: Scope, places: Iterable[int]) -> Iterator[Any]:
        """The routes at these places, each when it is asked, and what those between them do to the scope."""
        path, root_path = scope["path"], scope.get("root_path")
        candidates, mark, last = self.candidates, self.mark, -1
        for place in places:
            if place == last:
                continue
            if mark is not None and place > self.first_included:
                mark(scope)
                mark = None
            last = place
            yield candidates[place]
            if place in self.writers and (scope["path"] is not path or scope.get("root_path") is not root_path):
                yield from candidates[place + 1 :]
                return
        if mark is not None:
            mark(scope)


#: Of most routers the one for WebSockets. A table never changes.
_NO_ROWS = RouteTable((), Match.NONE, Match.PARTIAL, Match.FULL)


def table_of(paths: Sequence[tuple[Position, ...] | None], has_included: bool) -> RouteTable:
    """A table whose rows are places in a list: a place with positions is found by them, one with None always."""
    if has_included:
        paths = _beginnings(paths)
    rows: list[Row] = []
    for place, positions in enumerate(paths):
        if positions is None:
            rows.append(Row(place))
        else:
            rows += [Row(place, position) for position in positions]
    return RouteTable(rows, Match.NONE, Match.PARTIAL, Match.FULL) if rows else _NO_ROWS


def _beginnings(paths: Sequence[tuple[Position, ...] | None]) -> list[tuple[Position, ...] | None]:
    """Fewer positions, for the same paths and others: of each the shortest beginning that no other route has.

    An included router whose paths all begin with `/users` gets one position, that of all paths below `/users`.
    """
    owners: dict[Position, int] = {}
    for place, positions in enumerate(paths):
        for position in positions or ():
            for depth in range(1, len(position)):
                beginning = position[:depth]
                owners[beginning] = place if owners.get(beginning, place) == place else -1
    shorter: list[tuple[Position, ...] | None] = []
    for place, positions in enumerate(paths):
        found = None if positions is None else dict.fromkeys(_beginning(each, place, owners) for each in positions)
        shorter.append(None if found is None else tuple(found))
    return shorter


def _beginning(position: Position, place: int, owners: Mapping[Position, int]) -> Position:
    for depth in range(1, len(position)):
        if owners[position[:depth]] == place:
            return (*position[:depth], ...)
    return position


def united(reaches: Sequence[Reach]) -> Reach:
    """The requests that can match in one of several routes."""
    return Reach(
        _all_positions([reach.http for reach in reaches]),
        _all_positions([reach.websocket for reach in reaches]),
        any(reach.writes for reach in reaches),
        frozenset[Any]().union(*(reach.relied for reach in reaches)),
    )


def _all_positions(paths: Sequence[tuple[Position, ...] | None]) -> tuple[Position, ...] | None:
    found: dict[Position, None] = {}
    for positions in paths:
        if positions is None:
            return None
        found.update(dict.fromkeys(positions))
    return tuple(found)
