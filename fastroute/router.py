"""Router: Starlette's router with an index, and with prefix, dependencies, overrides and policy for its routes."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from starlette import routing
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Lifespan

from . import _fastapi
from ._starlette import mounted_app
from .connection.observing import logger
from .connection.origins import Origins
from .connection.policy import ConnectionPolicy, nested
from .dependencies.arguments import as_dependencies, check_subclass, check_text
from .dependencies.markers import unread, written
from .dependencies.plan import OverridesProvider, check_provider
from .exceptions import DeclarationError
from .fixed import Fixed
from .inclusion import Outer, Unplaced, check_prefix, has_no_sockets, merge, mounted
from .indexing.index_router import IndexRouter
from .indexing.route_list import RouteList
from .routing import APIWebSocketRoute

__all__ = ["Router"]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Any]])


class NewerOptions(TypedDict, total=False):
    """The options that newer releases of `starlette.routing.Router` have, and the oldest that we run with does not.

    Attributes:
        max_body_size: the most bytes of a request's body; needs Starlette 1.10.
    """

    max_body_size: int | None


class Router(IndexRouter):
    """`starlette.routing.Router` with the same answers, from an index, and with FastAPI's prefix and dependencies.

    Every route gets the prefix and the dependencies from the methods that register it. A route that is put into
    `routes` without them is an error.

    Args:
        routes: tried in this order.
        redirect_slashes: redirect a path that misses to the one with or without a slash at its end.
        default: the application that answers if no route does; by default 404, or a close.
        lifespan: a context manager around the life of the application, called with it.
        middleware: around the whole router.
        dependencies: `Depends()` for all WebSocket routes; they run before those of the route, in this order.
        dependency_overrides_provider: has a mapping `dependency_overrides`; for the routes registered here, and for
            those of included routers; see `APIWebSocketRoute`.
        prefix: the beginning of the paths of all routes: `/api`.
        policy: for all WebSocket routes that are registered here; see `ConnectionPolicy`.
        **newer: options that the installed `starlette.routing.Router` has and the oldest one does not.

    Attributes:
        routes: a list, which may be changed in any way at any time, by any thread. Assigning another list copies it.
        prefix: as given.
        dependencies: as given, as a tuple.
        dependency_overrides_provider: as given.
        policy: as given.

    Raises:
        DeclarationTypeError: the provider of overrides can have none.
        ValueError: a prefix without a leading slash or with a trailing one, or a route that lacks the prefix, the
            dependencies or the origins; or a default application that may serve WebSockets without them.
    """

    prefix: Fixed[str] = Fixed("")
    dependencies: Fixed[tuple[Any, ...]] = Fixed(())
    dependency_overrides_provider: OverridesProvider | Starlette | None = None
    policy: Fixed[ConnectionPolicy | None] = Fixed(None)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        check_subclass(cls, Router, ("prefix", "dependencies", "dependency_overrides_provider", "policy"))

    def __init__(
        self,
        routes: Sequence[BaseRoute] | None = None,
        redirect_slashes: bool = True,
        default: ASGIApp | None = None,
        lifespan: Lifespan[Any] | None = None,
        *,
        middleware: Sequence[Middleware] | None = None,
        dependencies: Sequence[Any] | None = None,
        dependency_overrides_provider: OverridesProvider | Starlette | None = None,
        prefix: str = "",
        policy: ConnectionPolicy | None = None,
        **newer: Unpack[NewerOptions],
    ) -> None:
        check_prefix(prefix, type(self))
        if not isinstance(redirect_slashes, int):
            problem = f"{redirect_slashes!r} is neither True nor False; write Router(dependencies=[...])"
            raise DeclarationError(type(self), "redirect_slashes", problem)
        self.prefix = prefix
        self.dependencies = tuple(as_dependencies(dependencies, type(self)))
        check_provider(dependency_overrides_provider, type(self))
        self.dependency_overrides_provider = dependency_overrides_provider
        self.policy = nested(policy)
        super().__init__(routes, redirect_slashes, default, lifespan, middleware=middleware, **newer)

    def websocket(
        self,
        path: str,
        name: str | None = None,
        *,
        dependencies: Sequence[Any] | None = None,
        policy: ConnectionPolicy | None = None,
        include_in_schema: bool = True,
    ) -> Callable[[Endpoint], Endpoint]:
        """Register the decorated function as by `add_api_websocket_route`; it is returned as it was."""
        if not isinstance(path, str) and callable(path):
            raise DeclarationError(path, "path", "@router.websocket needs a path; write @router.websocket('/path')")

        def register(endpoint: Endpoint) -> Endpoint:
            self.add_api_websocket_route(
                path, endpoint, name, dependencies=dependencies, policy=policy, include_in_schema=include_in_schema
            )
            return endpoint

        return register

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Any]],
        name: str | None = None,
        dependencies: Sequence[Any] | None = None,
        *,
        policy: ConnectionPolicy | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Register a WebSocket endpoint with typed parameters and dependencies.

        Args:
            path: the template; it comes after the prefix of the router. An empty one needs a prefix: of this router,
                or of the one that includes it; until then the route matches nothing.
            endpoint: see `APIWebSocketRoute`, which also names the errors.
            name: for `url_path_for`; the endpoint's name unless it is given.
            dependencies: `Depends()` that run after those of the router and before those of the endpoint.
            policy: inside of the policy of the router.
            include_in_schema: False leaves the route out of the document of `fastroute.asyncapi`.
        """
        _check_path(path, endpoint)
        whole_path = self.prefix + path
        cls = APIWebSocketRoute if whole_path else Unplaced
        route = cls(
            whole_path,
            endpoint,
            name,
            [*self.dependencies, *as_dependencies(dependencies, endpoint)],
            self.dependency_overrides_provider,
            policy=nested(self.policy, policy),
            include_in_schema=include_in_schema,
        )
        self.routes.append(route)

    def include_router(
        self,
        router: routing.Router,
        prefix: str = "",
        dependencies: Sequence[Any] | None = None,
        *,
        policy: ConnectionPolicy | None = None,
    ) -> None:
        """Register all routes of another router as it is now; routes that it gets later are not seen here.

        Args:
            router: its routes have its own prefix and dependencies already. Its lifespan runs inside this router's.
            prefix: comes between this router's and theirs.
            dependencies: `Depends()` that run after this router's and before theirs.
            policy: inside of this router's and around theirs.

        Raises:
            ValueError: a route cannot take the prefix, the dependencies or the policy, or the router has middleware,
                which would be left out; then nothing is registered.
            TypeError: `router` is no router.
        """
        check_prefix(prefix, type(self))
        if not isinstance(router, routing.Router):
            raise TypeError(_no_router(router))
        if router is self:
            raise ValueError("a router cannot be included in itself")
        if router.middleware_stack != router.app:
            raise ValueError(f"{router!r} has middleware, which its routes would lose; mount() it instead")
        outer = Outer(
            self.prefix + prefix,
            [*self.dependencies, *as_dependencies(dependencies, type(self))],
            self.dependency_overrides_provider,
            getattr(router, "dependency_overrides_provider", None),
            nested(self.policy, policy),
        )
        self.routes.extend([outer.include(route) for route in router.routes])
        self.lifespan_context = merge(self.lifespan_context, router.lifespan_context)

    def mount(self, path: str, app: ASGIApp, name: str | None = None) -> None:
        """Starlette's `mount`, behind the prefix."""
        _check_name(name, app)
        super().mount(self.prefix + path, app, name)

    def host(self, host: str, app: ASGIApp, name: str | None = None) -> None:
        """Starlette's `host`, behind the prefix."""
        _check_name(name, app)
        super().host(host, mounted(self.prefix, app), name)

    def add_route(
        self, path: str, endpoint: Any, methods: Any = None, name: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Starlette's `add_route`, behind the prefix."""
        _check_name(name, endpoint)
        super().add_route(self.prefix + path, endpoint, methods, name, *args, **kwargs)

    def add_websocket_route(self, path: str, endpoint: Any, name: str | None = None, **kwargs: Any) -> None:
        """Starlette's `add_websocket_route`, behind the prefix; see `add_api_websocket_route` for dependencies."""
        _check_name(name, endpoint)
        super().add_websocket_route(self.prefix + path, endpoint, name, **kwargs)

    @property
    def default(self) -> ASGIApp:
        return self._default

    @default.setter
    def default(self, app: ASGIApp) -> None:
        demanded = "dependencies" if self.dependencies else "origins"
        if self._fastroute_demands() and app != self.not_found and not has_no_sockets(Mount("", app)):
            raise ValueError(
                f"default={app!r} would be open: WebSockets would reach it without the {demanded} of this router. "
                f"Mount it in a router without {demanded}, or give a Starlette application that has no WebSockets"
            )
        self._default = app

    @property
    def _demanding(self) -> bool:
        return bool(self.prefix or self.dependencies or self._origin_lists)

    @property
    def _origin_lists(self) -> tuple[Origins, ...]:
        return () if self.policy is None else self.policy.origin_lists

    def _fastroute_list_of(self, routes: Iterable[BaseRoute]) -> RouteList:
        # Keep another router's list, too, unless this router demands something that the list does not check.
        if isinstance(routes, RouteList) and (not self._demanding or routes.check == self._fastroute_check):
            return routes
        return RouteList(routes, self._fastroute_check)

    def _fastroute_check(self, routes: Iterable[BaseRoute]) -> None:
        """Raise ValueError for things that are no route, or lack prefix, dependencies or origins of this one."""
        routes = list(routes)
        for route in routes:
            if isinstance(route, type) or not hasattr(route, "matches"):
                raise DeclarationError(type(self), "routes", _no_route(route))
            _check_read(route)
        if not self._demanding:
            return
        for route in routes:
            if not self._has_dependencies(route):
                raise ValueError(
                    f"{route!r} would be open: it does not have the dependencies of this router. Register it with "
                    "websocket(), add_api_websocket_route() or include_router(), or put it into a router without "
                    "dependencies"
                )
            if not self._has_origins(route):
                raise ValueError(
                    f"{route!r} would be open to any origin: it does not have the origins of this router. Register it "
                    "with websocket(), add_api_websocket_route() or include_router(), or put it into a router without "
                    "origins"
                )
            if not self._has_prefix(route):
                raise ValueError(
                    f"{route!r} is not below the prefix {self.prefix!r} of this router. Register it with a method of "
                    "the router, which puts the prefix before its path, or put it into a router without prefix"
                )

    def _fastroute_check_again(self, routes: Iterable[BaseRoute]) -> None:
        # They were checked when they were registered, but a mount may have got a socket since.
        mounts = [route for route in routes if isinstance(route, Mount | Host)]
        self._fastroute_check(route for route in routes if route not in mounts or self._has_origins(route))
        for mount in mounts:
            if not self._has_origins(mount):
                logger.warning(
                    "%r got WebSocket routes after it was registered. Nobody can connect to them, as they do not have "
                    "the origins of this router: register them with websocket(), add_api_websocket_route() or "
                    "include_router(), or put the mount into a router without origins",
                    mount,
                )

    def _fastroute_demands(self) -> bool:
        return bool(self.dependencies or self._origin_lists)

    def _has_dependencies(self, route: BaseRoute) -> bool:
        if not self.dependencies:
            return True
        if not isinstance(route, APIWebSocketRoute):
            return False
        return route.runs(self.dependencies)

    if not TYPE_CHECKING:  # else every attribute would seem to exist

        def __getattr__(self, name: str) -> Any:
            problem = f"{type(self).__name__!r} object has no attribute {name!r}"
            if _fastapi.reader(depth=1) is not None:
                problem += (
                    "; FastAPI's include_router takes FastAPI's routers only, and would leave out the dependencies of "
                    'this one: write app.mount("", router)'
                )
            raise AttributeError(problem)

    def _has_origins(self, route: BaseRoute) -> bool:
        if not self._origin_lists or has_no_sockets(route):
            return True
        own = route.policy if isinstance(route, APIWebSocketRoute) else None
        return own is not None and {*self._origin_lists} <= {*own.origin_lists}

    def _fastroute_may_serve_sockets(self, route: BaseRoute) -> bool:
        # The mount was accepted because no socket was below it. A socket that comes later would be open.
        return not self._origin_lists or isinstance(route, APIWebSocketRoute)

    def _has_prefix(self, route: BaseRoute) -> bool:
        if isinstance(route, Host):
            return bool(route.routes) and all(map(self._has_prefix, route.routes))
        return str(getattr(route, "path", "")).startswith(self.prefix)


def _check_name(name: Any, app: Any) -> None:
    if name is not None:
        check_text(name, app, "name", "write add_api_websocket_route(path, endpoint, dependencies=[{}])")


def _check_read(route: BaseRoute) -> None:
    """Check that nobody waits for the dependencies of an endpoint that Starlette calls, here or below a mount."""
    for each in _with_those_below(route):
        if type(each) is not Route and type(each) is not WebSocketRoute:
            continue
        for function, parameter, code in unread(each.endpoint):
            advice = (
                "write APIWebSocketRoute(path, endpoint)" if type(each) is WebSocketRoute else "leave it to FastAPI"
            )
            problem = f"{code} is never read, as Starlette's {type(each).__name__} calls the endpoint; {advice}"
            raise DeclarationError(function, parameter, problem)


def _with_those_below(route: BaseRoute) -> list[BaseRoute]:
    """A route, and those of Starlette's applications that it mounts; an application may be mounted below itself."""
    routes, seen = [route], set()
    for each in routes:
        app: Any = mounted_app(each) if isinstance(each, Mount | Host) else None
        # Every other application may be lazy, and is asked for nothing.
        if issubclass(type(app), Starlette | routing.Router) and id(app) not in seen:
            seen.add(id(app))
            routes += app.routes if isinstance(app.routes, list) else ()
    return routes


def _no_route(thing: Any) -> str:
    """The error text for something in `routes` that cannot match."""
    if _fastapi.is_marker(thing) or (callable(thing) and not isinstance(thing, type)):
        return f"{thing!r} is no route; write Router(dependencies=[{written(thing)}])"
    return f"{thing!r} is no route; write APIWebSocketRoute(path, endpoint)"


def _check_path(path: Any, endpoint: Any) -> None:
    if isinstance(path, str) and (not path or path.startswith("/")):
        return
    if callable(path) and isinstance(endpoint, str):
        name = getattr(path, "__name__", "endpoint")
        raise DeclarationError(path, "path", f"path and endpoint are swapped; write ({endpoint!r}, {name})")
    problem = f"must be a text that starts with '/', not {path!r}"
    if callable(endpoint):
        raise DeclarationError(endpoint, "path", problem)
    raise TypeError(f"the path {problem}, and the endpoint an async function, not {endpoint!r}")


def _no_router(thing: Any) -> str:
    """The error text for something that include_router() cannot take."""
    text = f"include_router() takes a router, not {thing!r}; "
    if isinstance(getattr(thing, "router", None), routing.Router):
        return text + "mount() the application, or include its `.router`"
    if isinstance(thing, Iterable) and not isinstance(thing, str):
        return text + "write include_router(Router(routes))"
    if isinstance(thing, BaseRoute):
        return text + "append the route to `routes`"
    return text + "mount() an application that has no routes to include" if callable(thing) else text + "write Router()"
