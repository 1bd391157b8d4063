"""Router: Starlette's router with an index over its routes, and dependencies for its WebSocket routes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from starlette import routing
from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Host
from starlette.types import ASGIApp, Receive, Scope, Send

from ._starlette import SETS_ROUTE
from .inclusion import Outer, check_prefix, merge, mounted
from .index import build_table, serves
from .matching.implementation import RouteTable, route_path
from .route_list import RouteList
from .routing import APIWebSocketRoute

__all__ = ["Router"]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class _Index(NamedTuple):
    """The tables of a list of routes in one of its editions; never changed, only replaced as a whole."""

    edition: object
    size: int
    http: RouteTable
    websocket: RouteTable


class Router(routing.Router):
    """`starlette.routing.Router`, with the same answers: they are looked up in an index instead of scanned for.

    Prefix and dependencies hold for every route: the methods that register one see to it, and what is put into
    `routes` without them is refused.

    Args:
        *args: what `starlette.routing.Router` takes: `routes`, `redirect_slashes`, `default`, `lifespan`.
        dependencies: `Depends()` for all WebSocket routes; they run before those of the route, in this order.
        dependency_overrides_provider: has a mapping `dependency_overrides`; for the routes registered here, and for
            those of included routers.
        prefix: what the paths of all routes begin with: `/api`.
        **kwargs: what `starlette.routing.Router` takes.

    Attributes:
        routes: a list, which may be changed in any way at any time, by any thread. Assigning another list copies it.
        prefix, dependencies, dependency_overrides_provider: as given; `dependencies` is a tuple.

    Raises:
        ValueError: a prefix without a leading slash or with a trailing one, or a route that lacks the prefix or the
            dependencies.
    """

    prefix: str = ""
    dependencies: tuple[Any, ...] = ()
    dependency_overrides_provider: Any | None = None
    _index: _Index | None = None

    def __init__(
        self,
        *args: Any,
        dependencies: Sequence[Any] | None = None,
        dependency_overrides_provider: Any | None = None,
        prefix: str = "",
        **kwargs: Any,
    ) -> None:
        check_prefix(prefix)
        self.prefix = prefix
        self.dependencies = tuple(dependencies or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        super().__init__(*args, **kwargs)

    @property
    def routes(self) -> list[BaseRoute]:
        return self._routes

    @routes.setter
    def routes(self, routes: Iterable[BaseRoute]) -> None:
        # `routes += ...` assigns the list to itself, and routers may share one as they may in Starlette; but not one
        # that does not refuse what this router refuses.
        if isinstance(routes, RouteList) and (not self._demanding or routes.refuse == self._refuse_unfit):
            self._routes = routes
        else:
            self._routes = RouteList(routes, self._refuse_unfit)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the route that Starlette's `Router.app` would choose, and in the same way."""
        assert scope["type"] in ("http", "websocket", "lifespan")

        if "router" not in scope:
            scope["router"] = self

        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return

        index = self._current_index()
        table = index.http if scope["type"] == "http" else index.websocket
        found = table.find(scope, route_path(scope))
        if found is not None:
            route, child_scope = found
            if SETS_ROUTE:
                scope["route"] = route
            scope.update(child_scope)
            await route.handle(scope, receive, send)
            return

        if scope["type"] == "http" and self.redirect_slashes:
            redirect_scope = _with_other_slash(scope)
            if redirect_scope and table.find(redirect_scope, route_path(redirect_scope), any_match=True):
                response = RedirectResponse(url=str(URL(scope=redirect_scope)))
                await response(scope, receive, send)
                return

        await self.default(scope, receive, send)

    def _current_index(self) -> _Index:
        index, routes = self._index, self._routes
        # The size also tells of a change that went around the methods of the list.
        if index is None or index.edition is not routes.edition or index.size != len(routes):
            index = self._index = self._build_index(routes)
        return index

    def _build_index(self, routes: RouteList) -> _Index:
        # The edition is read first: a change while this runs leaves an index of the older edition, so that the next
        # request builds another one.
        edition = routes.edition
        now = list(routes)
        self._refuse_unfit(now)
        return _Index(
            edition,
            len(now),
            build_table(route for route in now if serves(route, "http")),
            build_table(route for route in now if serves(route, "websocket")),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_index"}

    def websocket(
        self, path: str, name: str | None = None, *, dependencies: Sequence[Any] | None = None
    ) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated function as by `add_api_websocket_route`; it is returned as it was."""

        def register(endpoint: Endpoint) -> Endpoint:
            self.add_api_websocket_route(path, endpoint, name, dependencies=dependencies)
            return endpoint

        return register

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
    ) -> None:
        """Register a WebSocket endpoint with typed parameters and dependencies.

        Args:
            path: the template; it comes after the prefix of the router.
            endpoint: see `APIWebSocketRoute`, which also says what is raised.
            name: for `url_path_for`; the endpoint's name unless it is given.
            dependencies: `Depends()` that run after those of the router and before those of the endpoint.
        """
        route = APIWebSocketRoute(
            self.prefix + path,
            endpoint,
            name,
            [*self.dependencies, *(dependencies or ())],
            self.dependency_overrides_provider,
        )
        self.routes.append(route)

    def include_router(
        self, router: routing.Router, prefix: str = "", dependencies: Sequence[Any] | None = None
    ) -> None:
        """Register all routes of another router, as it is now; what it registers later is not seen here.

        Args:
            router: its routes have its own prefix and dependencies already. Its lifespan runs inside of this router's.
            prefix: comes between this router's and theirs.
            dependencies: `Depends()` that run after this router's and before theirs.

        Raises:
            ValueError: a route cannot take the prefix or the dependencies, or the router has middleware, which would
                be left out; nothing is registered then.
        """
        check_prefix(prefix)
        if router is self:
            raise ValueError("a router cannot be included in itself")
        if router.middleware_stack != router.app:
            raise ValueError(f"{router!r} has middleware, which its routes would lose; mount() it instead")
        outer = Outer(
            self.prefix + prefix, [*self.dependencies, *(dependencies or ())], self.dependency_overrides_provider
        )
        self.routes.extend([outer.include(route) for route in router.routes])
        self.lifespan_context = merge(self.lifespan_context, router.lifespan_context)

    def mount(self, path: str, app: ASGIApp, name: str | None = None) -> None:
        """Starlette's `mount`, behind the prefix."""
        super().mount(self.prefix + path, app, name)

    def host(self, host: str, app: ASGIApp, name: str | None = None) -> None:
        """Starlette's `host`, behind the prefix."""
        super().host(host, mounted(self.prefix, app), name)

    def add_route(self, path: str, *args: Any, **kwargs: Any) -> None:
        """Starlette's `add_route`, behind the prefix."""
        super().add_route(self.prefix + path, *args, **kwargs)

    def add_websocket_route(self, path: str, *args: Any, **kwargs: Any) -> None:
        """Starlette's `add_websocket_route`, behind the prefix; see `add_api_websocket_route` for dependencies."""
        super().add_websocket_route(self.prefix + path, *args, **kwargs)

    @property
    def _demanding(self) -> bool:
        return bool(self.prefix or self.dependencies)

    def _refuse_unfit(self, routes: Iterable[BaseRoute]) -> None:
        if not self._demanding:
            return
        for route in routes:
            if not self._has_dependencies(route):
                raise ValueError(
                    f"{route!r} would be open: it does not have the dependencies of this router. Register it with "
                    "websocket(), add_api_websocket_route() or include_router(), or put it into a router without "
                    "dependencies"
                )
            if not self._has_prefix(route):
                raise ValueError(
                    f"{route!r} is not below the prefix {self.prefix!r} of this router. Register it with a method of "
                    "the router, which puts the prefix before its path, or put it into a router without prefix"
                )

    def _has_dependencies(self, route: BaseRoute) -> bool:
        if not self.dependencies:
            return True
        own = {id(dependency) for dependency in route.dependencies} if isinstance(route, APIWebSocketRoute) else set()
        return own.issuperset(map(id, self.dependencies))

    def _has_prefix(self, route: BaseRoute) -> bool:
        if isinstance(route, Host):
            return bool(route.routes) and all(map(self._has_prefix, route.routes))
        return str(getattr(route, "path", "")).startswith(self.prefix)


def _with_other_slash(scope: Scope) -> Scope | None:
    """The scope for the path with a slash at its end, or without any, where it is the other way around."""
    path = route_path(scope)
    if path == "/":
        return None
    if path.endswith("/"):
        return {**scope, "path": scope["path"].rstrip("/")}
    return {**scope, "path": scope["path"] + "/"}
