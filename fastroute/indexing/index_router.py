"""IndexRouter: Starlette's router with an index over its routes, and nothing else."""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress
from operator import is_
from typing import Any

from starlette import routing
from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from .._starlette import SETS_ROUTE, other_slash
from ..connection.observing import logger, shown
from ..matching.implementation import RouteTable, route_path
from .index import build_table, changed_table, relied_on, serves
from .route_list import RouteList
from .substitute import Substitute

__all__ = ["IndexRouter"]


@dataclass(slots=True)
class _TypeTable:
    """The table of those routes of a list that can match one type of scope."""

    table: RouteTable
    #: A byte for each route of the list: 1 if it is in the table.
    chosen: bytes

    def changed(self, start: int, stop: int, routes: list[BaseRoute], chosen: bytes) -> "_TypeTable":
        """The table after routes of the list were replaced, `chosen` of them by `chosen` of these."""
        first, last = self.chosen.count(1, 0, start), self.chosen.count(1, 0, stop)
        table = changed_table(self.table, first, last, compress(routes, chosen))
        return _TypeTable(table, self.chosen[:start] + chosen + self.chosen[stop:])


@dataclass(slots=True)
class _Tables:
    """The tables of a list of routes in one of its editions; never changed, only replaced as a whole.

    A list that was changed is compared with that of before, so that a change costs about as much as it changes.

    Attributes:
        edition: of the list.
        routes: begins with a copy of it. Tables of a list that only grew share one.
        size: how many of them are in this edition.
        relied: the tables hold only as long as these are the same objects.
        http, websocket: the tables.
    """

    edition: object
    routes: list[BaseRoute]
    size: int
    relied: tuple[object, ...]
    http: _TypeTable
    websocket: _TypeTable

    def __reduce__(self) -> tuple[Any, ...]:
        # A router that was pickled or copied deeply has other routes: None, so that its first request builds tables.
        return type(None), ()

    def changed_routes(self, start: int, stop: int, added: list[BaseRoute]) -> list[BaseRoute]:
        with _GROWING:
            routes = self.routes if start == len(self.routes) == self.size else self.routes[: self.size]
            routes[start:stop] = added
        return routes


# One change of a list that tables share at a time.
_GROWING = threading.Lock()


class IndexRouter(Substitute, routing.Router):
    """`starlette.routing.Router`, with the same answers: they are looked up in an index instead of scanned for.

    It takes the place of other people's routers and of their subclasses. So it adds no name that they could use
    themselves: but for `app` and `routes`, which are Starlette's, all begin with `_fastroute_`.

    Attributes:
        routes: a list, which may be changed in any way at any time, by any thread. Assigning another list copies it.
    """

    _fastroute_routes: RouteList
    _fastroute_tables: _Tables | None = None

    @property
    def routes(self) -> list[BaseRoute]:
        return self._fastroute_routes

    @routes.setter
    def routes(self, routes: Iterable[BaseRoute]) -> None:
        self._fastroute_routes = self._fastroute_list_of(routes)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the route that Starlette's `Router.app` would choose, and in the same way."""
        assert scope["type"] in ("http", "websocket", "lifespan")

        if "router" not in scope:
            scope["router"] = self

        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return

        tables, routes = self._fastroute_tables, self._fastroute_routes
        # The length also catches changes that bypass the list's methods, as `list.append(router.routes, route)`.
        if tables is None or tables.edition is not routes.edition or tables.size != len(routes):
            tables = self._fastroute_updated_tables()
        table = (tables.http if scope["type"] == "http" else tables.websocket).table
        found = table.find(scope, route_path(scope))
        if found is not None:
            route, child_scope = found
            if SETS_ROUTE:
                scope["route"] = route
            scope.update(child_scope)
            await route.handle(scope, receive, send)
            return

        if scope["type"] == "http" and self.redirect_slashes:
            redirect_scope = other_slash(scope, route_path(scope))
            if redirect_scope and table.find(redirect_scope, route_path(redirect_scope), any_match=True):
                response = RedirectResponse(url=str(URL(scope=redirect_scope)))
                await response(scope, receive, send)
                return

        if scope["type"] == "websocket":
            if logger.isEnabledFor(logging.DEBUG):
                _log_miss(self, scope)
            if self._fastroute_demands():
                await self.not_found(scope, receive, send)
                return
        await self.default(scope, receive, send)

    def _fastroute_updated_tables(self) -> _Tables:
        """Make the tables of the routes as they are now."""
        routes = self._fastroute_routes
        # The edition is read first: a change while this runs leaves tables of the older edition, so that the next
        # request builds them again.
        edition, relied = routes.edition, (routes.reassigned, *relied_on())
        known = self._fastroute_tables
        if known is None or not all(map(is_, known.relied, relied)):
            known = _Tables(edition, [], 0, relied, _TypeTable(build_table(()), b""), _TypeTable(build_table(()), b""))
        start, stop, added = routes.changes_since(known.routes, known.size)
        self._fastroute_check_again(added)
        http = bytes(serves(route, "http") for route in added)
        sockets = bytes(serves(route, "websocket") and self._fastroute_may_serve_sockets(route) for route in added)
        tables = self._fastroute_tables = _Tables(
            edition,
            known.changed_routes(start, stop, added),
            known.size - (stop - start) + len(added),
            relied,
            known.http.changed(start, stop, added, http),
            known.websocket.changed(start, stop, added, sockets),
        )
        return tables

    def _fastroute_list_of(self, routes: Iterable[BaseRoute]) -> RouteList:
        # `router.routes += [...]` assigns the list it got, and Starlette lets routers share one: keep such a list.
        return routes if isinstance(routes, RouteList) else RouteList(routes)

    def _fastroute_check(self, routes: Iterable[BaseRoute]) -> None:
        """Raise for routes that this router must not have; a router of somebody else may have every route."""

    def _fastroute_check_again(self, routes: Iterable[BaseRoute]) -> None:
        """The same for routes of the list that a request meets for the first time."""

    def _fastroute_demands(self) -> bool:
        """Whether WebSockets of this router need what its `default` cannot have; none goes there then."""
        return False

    def _fastroute_may_serve_sockets(self, route: BaseRoute) -> bool:
        """Whether WebSockets may go to a route of this router; they may in a router of somebody else."""
        return True


def _log_miss(router: IndexRouter, scope: Scope) -> None:
    """Note a WebSocket path that no route matches, and the nearest route."""
    # Late, because it is of use only if somebody debugs: imported at the top it would make each start 6 ms longer.
    from ..tracing.failures import nearest_route

    nearest = nearest_route(router, scope)
    found = f"; the nearest is {nearest}" if nearest else ""
    logger.debug("WebSocket path %s matches no route%s", shown(scope["path"]), found)
