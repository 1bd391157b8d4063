"""FastAPI's routers decide by their own code, on a shorter list.

FastAPI scans two kinds of lists: the routes of a router, in `APIRouter.app`, and what stands for the routes of an
included router, in `_IncludedRouter._match`. Both functions run here as they are, with a stand-in for `self` whose list
has only the routes that can match this path, in their order. All that a request can see is therefore done by FastAPI.
One thing must be true: no route that would match is left out.

An `Index` belongs to one list. Its tables give the positions in the list that can match a path. A route is found by its
path if its class, the function `matches` and its regex prove by which paths (`reading`); an included router is found by
the paths of all routes below it. Every other route is asked for every path, in its turn.

A list of an included router is the one that FastAPI's `effective_candidates()` returns; FastAPI makes another one if a
router below it says that it has changed. `RouteList.newest` tells that anything changed anywhere. Only then does an
index look at its own routers, and if one of them has changed, it compares its list with that of now. If they differ,
FastAPI's own scan answers until `_PATIENCE` requests came without another change: an application that adds a route per
request never waits for an index.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from starlette import routing
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from .. import _fastapi
from .._starlette import other_slash
from ..indexing.index import ANY_PATH
from ..indexing.route_list import RouteList, reason_against_list
from ..indexing.substitute import Substitute, substitute_class
from ..matching.implementation import route_path
from .reading import Reader, hiding
from .tables import ANYTHING, Index, NotCopied, Reach, table_of, united

__all__ = ["NarrowedRouter", "NotedRouter", "narrow"]

#: A list of so few routes is asked for all of them, which costs less than a lookup; the second is for included routers.
_FEW = 3
_FEW_INCLUDED = 6

#: How many requests after a change FastAPI's own scan answers: together they cost about as much as an index.
_PATIENCE = 8

# Only one thread builds, the others scan meanwhile; and one that builds may be asked by user code again.
_BUILDING = threading.RLock()

# One router at a time gets another class and list, with all that it includes.
_SUBSTITUTING = threading.RLock()

_MATCHES_OF = attrgetter("matches")

#: The types of scopes for which there are routes.
_INDEXED = ("http", "websocket")


class _Waiting(NotCopied):
    """How many requests came since the last change."""

    __slots__ = ("editions", "requests", "size")

    def __init__(self, editions: list[object], size: int) -> None:
        self.editions = editions
        self.size = size
        self.requests = 0


@dataclass(frozen=True, slots=True)
class _LowPriority(NotCopied):
    """The routes that FastAPI tries after all others, in the editions of an index."""

    editions: list[object]
    routes: tuple[Any, ...]


class NotedRouter(Substitute, routing.Router):
    """Mix-in for FastAPI's `APIRouter` and its subclasses: whatever changes it is noted in `RouteList.newest`.

    Attributes:
        routes: a list, which may be changed in any way at any time, by any thread. Assigning another list copies it.
    """

    routes: RouteList

    def __setattr__(self, name: str, value: Any) -> None:
        # No property: FastAPI reads `routes` of each included router several times for each request.
        if name == "routes":
            value = _noting(value)
        super().__setattr__(name, value)
        if name == "routes":
            RouteList.newest = object()

    def _mark_routes_changed(self) -> None:
        self._fastroute_original._mark_routes_changed(self)
        self.routes.edition = RouteList.newest = object()


class NarrowedRouter(NotedRouter):
    """Mix-in for FastAPI's `APIRouter` and its subclasses: `app` asks only the routes that can match."""

    _fastroute_index: Index | None = None
    _fastroute_waiting: _Waiting | None = None
    _fastroute_low_priority: _LowPriority | None = None

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by FastAPI's `APIRouter.app`, which is given the routes that can match."""
        # In one piece: on a table of a dozen routes, calls are what can be saved.
        index = self._fastroute_index
        # The length also catches changes that bypass the list's methods, as `list.append(router.routes, route)`.
        if index is None or index.edition is not RouteList.newest or len(index.candidates) != len(self.routes):
            index = self._fastroute_renewed()
        if (
            index is None
            or index.scans
            or scope["type"] not in _INDEXED
            or list(map(_MATCHES_OF, index.classes)) != index.functions
            or ("fastapi" in scope and _fastapi.has_context_of_a_route(scope))
        ):
            await self._fastroute_original.app(self, scope, receive, send)
            return
        if "router" not in scope:
            scope["router"] = self
        view = _RouterView()
        # What FastAPI reads from `self` or writes to it is the router's.
        view.__dict__ = self.__dict__
        view._fastroute_router = self
        view._fastroute_index = index
        view._fastroute_scope = scope
        positions = (index.http if scope["type"] == "http" else index.websocket).candidates(route_path(scope))
        view.routes = (
            list(map(index.candidates.__getitem__, positions)) if index.is_plain else index.routes(scope, positions)
        )
        await self._fastroute_original.app(view, scope, receive, send)

    def _fastroute_renewed(self) -> Index | None:
        edition, routes = RouteList.newest, self.routes
        index, waiting = self._fastroute_index, self._fastroute_waiting
        if index is not None:
            editions = _editions(index.routers)
            if editions == index.editions and len(index.candidates) == len(routes):
                # Another router has changed.
                self._fastroute_index = index = replace(index, edition=edition)
                return index
            if waiting is None or waiting.editions != editions or waiting.size != len(routes):
                if not index.holds_for(routes):
                    self._fastroute_waiting = _Waiting(editions, len(routes))
                    return None
                self._fastroute_index = index = _belonging_to(edition, index, self)
                return index
            waiting.requests += 1
            if waiting.requests < _PATIENCE:
                return None
        # Other threads scan while one builds.
        if not _BUILDING.acquire(blocking=False):
            return None
        try:
            self._fastroute_waiting = None
            self._fastroute_index = index = _Builder(edition).index_of_router(self)
            return index
        finally:
            _BUILDING.release()

    def _iter_low_priority_routes(self) -> Iterator[Any]:
        # FastAPI asks every included router for them, which looks through all of its routes for a change.
        index = self._fastroute_index
        if index is None or not index.noted or index.edition is not RouteList.newest:
            yield from self._fastroute_original._iter_low_priority_routes(self)
            return
        kept = self._fastroute_low_priority
        if kept is None or kept.editions is not index.editions:
            found = tuple(self._fastroute_original._iter_low_priority_routes(self))
            kept = self._fastroute_low_priority = _LowPriority(index.editions, found)
        yield from kept.routes


def _editions(routers: Iterable[NotedRouter]) -> list[object]:
    """What is different for routers after one of them has changed."""
    return [router.routes.edition for router in routers]


def _belonging_to(edition: object, index: Index, router: NarrowedRouter) -> Index:
    """The index as that of a router in an edition, with all routers whose changes may end it.

    These are the routers in FastAPI's lists, and those that FastAPI sees in the lists of these only when they change.
    """
    routers = {id(each): each for each in (*index.routers, *_noted_routers(router))}
    editions = _editions(routers.values())
    if edition is not RouteList.newest:
        # What has changed meanwhile may be in the index or not.
        editions = []
    return replace(index, edition=edition, routers=tuple(routers.values()), editions=editions)


def _noted_routers(router: Any) -> Iterable[NotedRouter]:
    """A router and all that it includes, each once, as far as they note their changes."""
    found: dict[int, NotedRouter] = {}
    waiting = [router]
    while waiting:
        router = waiting.pop()
        if id(router) not in found and isinstance(router, NotedRouter):
            found[id(router)] = router
            waiting += [included.router for included in filter(None, map(_fastapi.inclusion, router.routes))]
    return found.values()


class _RouterView:
    """Stands in for a router as the `self` of FastAPI's `APIRouter.app`: it has fewer routes."""

    __slots__ = ("__dict__", "_fastroute_index", "_fastroute_router", "_fastroute_scope", "routes")

    routes: Iterable[Any]
    _fastroute_router: NarrowedRouter
    _fastroute_index: Index
    _fastroute_scope: Scope

    @property  # type: ignore[misc]  # FastAPI may ask for it, nobody sets it
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._fastroute_router)

    @property
    def redirect_slashes(self) -> bool:
        """Whether a path that no route matches is tried with the other slash; from now on there are routes for both.

        FastAPI reads it before it tries. So a path that a route matches is looked up once.
        """
        index, scope = self._fastroute_index, self._fastroute_scope
        path = route_path(scope)
        positions = index.positions(scope, path)
        redirected = other_slash(scope, path)
        if redirected is not None:
            positions = sorted(positions + index.positions(scope, route_path(redirected)))
        # Those that might write another path into the scope would get another scope now, which is not seen here.
        self.routes = index.candidates if index.writers else index.routes(scope, positions)
        return self._fastroute_router.redirect_slashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fastroute_router, name)


class _NarrowedIncluded(Substitute):
    """Mix-in for FastAPI's `_IncludedRouter`: `_match` asks only the routes that can match."""

    _fastroute_index: Index | None = None

    def __eq__(self, other: object) -> bool:  # so that it has no hash, as FastAPI's
        # FastAPI's compares only what is exactly of one class.
        return bool(_without_index(self) == _without_index(other))

    def _match(self: Any, scope: Scope) -> Any:
        index = self._fastroute_index
        if index is not None and index.edition is not RouteList.newest:
            edition = RouteList.newest
            index = replace(index, edition=edition) if index.holds_for(self.effective_candidates()) else None
            self._fastroute_index = index
        if index is None or index.scans or list(map(_MATCHES_OF, index.classes)) != index.functions:
            return self._fastroute_original._match(self, scope)
        view = _IncludedView()
        view._fastroute_included = self
        positions = (index.http if scope["type"] == "http" else index.websocket).candidates(route_path(scope))
        found = list(map(index.candidates.__getitem__, positions)) if index.is_plain else index.routes(scope, positions)
        view.effective_candidates = found.__iter__
        return self._fastroute_original._match(view, scope)


def _without_index(included: Any) -> Any:
    """FastAPI's `_IncludedRouter` with the attributes of a narrowed one; everything else as it is."""
    if not issubclass(type(included), _NarrowedIncluded):
        return included
    made = object.__new__(included._fastroute_original)
    made.__dict__ = included.__dict__
    return made


class _IncludedView:
    """Stands in for an included router as the `self` of FastAPI's `_IncludedRouter._match`: it has fewer candidates."""

    __slots__ = ("_fastroute_included", "effective_candidates")

    _fastroute_included: Any
    effective_candidates: Callable[[], Iterator[Any]]

    @property  # type: ignore[misc]  # FastAPI may ask for it, nobody sets it
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._fastroute_included)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fastroute_included, name)


class _Builder:
    """Builds the indexes of a router and of all that it includes.

    Args:
        edition: the one that the indexes belong to. A change while they are built makes another one.
    """

    def __init__(self, edition: object) -> None:
        self._fastapi = _fastapi.routing()
        self._reader = Reader(self._fastapi)
        self._edition = edition

    def index_of_router(self, router: NarrowedRouter) -> Index:
        """The index of the routes of a router, and of all that it includes."""
        return _belonging_to(self._edition, self._index(list(router.routes), is_included=False), router)

    def _index(self, candidates: list[Any], *, is_included: bool) -> Index:
        """The index of the list of a router, or of an included one."""
        reaches: list[Reach] = []
        included: list[tuple[Any, object, list[Any]]] = []
        routers: dict[int, Any] = {}
        first_included, noted = len(candidates), True
        for position, candidate in enumerate(candidates):
            if not self._fastapi.is_included(candidate):
                reaches.append(self._reader.reach(candidate))
                continue
            first_included = min(first_included, position)
            below = self._index_of_included(candidate)
            if below is None:
                reaches.append(ANYTHING)
                noted = False
                continue
            version, index = below
            included += [(candidate, version, index.candidates), *index.included]
            routers |= {id(router): router for router in (candidate.original_router, *index.routers)}
            reaches.append(_asked_by_fastapi(index.reach) if _fastapi.asks_its_routes(candidate) else ANYTHING)
        has_included = first_included < len(candidates)
        writers = frozenset(position for position, reach in enumerate(reaches) if reach.writes)
        reach = united(reaches)
        return Index(
            edition=self._edition,
            routers=tuple(routers.values()),
            editions=[],
            candidates=candidates,
            http=table_of([reach.http for reach in reaches], has_included),
            websocket=table_of([reach.websocket for reach in reaches], has_included),
            writers=writers,
            included=tuple(included),
            mark=self._fastapi.mark if has_included and not is_included else None,
            first_included=first_included,
            is_plain=not (has_included or writers),
            scans=_scans(reaches, is_included=is_included, has_included=has_included),
            classes=[cls for cls, _ in reach.relied],
            functions=[function for _, function in reach.relied],
            # Nothing is around the list of a router that is no included one.
            reach=reach if is_included else ANYTHING,
            noted=noted,
        )

    def _index_of_included(self, included: Any) -> tuple[object, Index] | None:
        """The version of an included router, and its index.

        None if it, or one below it, does not say when it changes, is of an unknown class, or cannot build its list.
        """
        if _substitute(included.original_router, NotedRouter) is not None:
            return None
        if type(included) is not self._fastapi.included and not issubclass(type(included), _NarrowedIncluded):
            return None
        version = _fastapi.routes_version(included)
        try:
            candidates = included.effective_candidates()
        except Exception:
            # It is raised at each request for which FastAPI asks this router.
            return None
        known: Index | None = vars(included).get("_fastroute_index")
        if known is None or not known.holds_for(candidates):
            known = self._index(candidates, is_included=True)
        if not known.noted:
            return None
        included._fastroute_index = known = replace(known, edition=self._edition)
        if not known.scans and not issubclass(type(included), _NarrowedIncluded):
            included.__class__ = substitute_class(type(included), _NarrowedIncluded)
        return version, known


def _scans(reaches: list[Reach], *, is_included: bool, has_included: bool) -> bool:
    """Whether a lookup in a list saves nothing: it has few routes, or most of them can match any path."""
    if is_included and len(reaches) <= _FEW_INCLUDED:
        return True
    if has_included:
        return False
    always = sum(reach.http is None or ANY_PATH in reach.http for reach in reaches)
    return len(reaches) <= _FEW or always * 2 > len(reaches)


def _asked_by_fastapi(reach: Reach) -> Reach:
    """The requests that can match in an included router, if FastAPI asks the list in it, which has this reach."""
    return reach._replace(relied=reach.relied | {(cls, cls.matches) for cls in _fastapi.asked_classes()})


def narrow(router: Any) -> str | None:
    """Make a router of FastAPI's ask only the routes that can match, in place. Returns None, or the reason why not.

    Routers that it includes note their changes from now on. One that cannot is asked for every path.
    """
    # What stands in for the router has its attributes, and not its class.
    hidden = next((name for name in vars(router) if hiding(type(router), name) is not None), None)
    return f"{_name(type(router))} has `{hidden}` of its own" if hidden else _substitute(router, NarrowedRouter)


def _name(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


_OURS = ("routes", "_get_routes_version", "_mark_routes_changed", "_iter_low_priority_routes", "__getattribute__")


def _noting(routes: Iterable[BaseRoute]) -> RouteList:
    """The routes as a list that notes its changes, and from whose routers the changes are noted as well."""
    return routes if isinstance(routes, RouteList) else RouteList(routes, _note)


def _note(routes: Iterable[BaseRoute]) -> None:
    """Make the routers that are included by these routes note their changes, before the routes get into a list.

    FastAPI need not see such a change of the list: what it sees is the next one of that router.
    """
    for included in filter(None, map(_fastapi.inclusion, routes)):
        _substitute(included.router, NotedRouter)


def _substitute(router: Any, mixin: type[NotedRouter]) -> str | None:
    with _SUBSTITUTING:
        return None if isinstance(router, mixin) else _substituted(router, mixin)


def _substituted(router: Any, mixin: type[NotedRouter]) -> str | None:
    fastapi = _fastapi.routing()
    original = router._fastroute_original if isinstance(router, NotedRouter) else type(router)
    name = _name(original)
    for attribute in _OURS:
        if getattr(original, attribute, None) is not getattr(fastapi.router, attribute, None):
            return f"{name} has `{attribute}` of its own"
        if attribute != "routes" and attribute in vars(router):
            return f"its `{attribute}` was replaced"
    routes = router.routes
    if (reason := reason_against_list(routes)) is not None:
        return reason
    # In this order, so that a request in another thread finds a whole router in between.
    vars(router)["routes"] = _noting(routes)
    try:
        router.__class__ = substitute_class(original, mixin)
    except Exception as error:  # a metaclass or an `__init_subclass__` may raise anything
        vars(router)["routes"] = routes
        return f"{name} cannot become a subclass of fastroute's {mixin.__name__}: {error}"
    return None
