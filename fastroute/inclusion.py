"""What an including router gives to the routes it takes in: prefix, dependencies, overrides and policy."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from inspect import Parameter
from typing import Any, NamedTuple, TypeVar

from starlette.datastructures import URLPath
from starlette.routing import (
    BaseRoute,
    Host,
    Match,
    Mount,
    NoMatchFound,
    Route,
    Router,
    WebSocketRoute,
    compile_path,
)
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Lifespan, Scope

from . import _fastapi
from ._starlette import mounted_app, template_of
from .connection.policy import ConnectionPolicy, nested
from .dependencies.arguments import check_text
from .exceptions import DeclarationError, describe
from .routing import APIWebSocketRoute

__all__ = ["Outer", "Unplaced", "check_prefix", "has_no_sockets", "merge", "mounted"]

_COLLECTING = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)

_PathRoute = TypeVar("_PathRoute", bound=Route | WebSocketRoute | Mount)

#: From its path such a route reads only the regex, so a copy of the route can be given another one.
_STARLETTE_INITS = {cls.__init__ for cls in (Route, WebSocketRoute, Mount)}


def check_prefix(prefix: str, cls: type[Any]) -> None:
    """Check the prefix of a router, or of an inclusion.

    Args:
        prefix: as given.
        cls: the class of the router; the error names it.

    Raises:
        DeclarationError: it is no text.
        ValueError: it does not start with a slash, or ends with one.
    """
    check_text(prefix, cls, "prefix")
    if prefix and not prefix.startswith("/"):
        raise ValueError(f"the prefix {prefix!r} must start with '/'")
    if prefix.endswith("/"):
        raise ValueError(f"the prefix {prefix!r} must not end with '/', the paths of the routes start with it")
    try:
        compile_path(prefix)
    except (AssertionError, ValueError) as error:
        raise DeclarationError(cls, "prefix", f"{prefix!r}: {error}") from None


def mounted(prefix: str, app: ASGIApp) -> ASGIApp:
    """The application, below a prefix."""
    return Router([Mount(prefix, app)]) if prefix else app


def merge(outer: Lifespan[Any], inner: Lifespan[Any]) -> Lifespan[Any]:
    """A lifespan that runs the inner one inside the outer one; the outer one's state wins."""

    @asynccontextmanager
    async def merged(app: Any) -> AsyncIterator[Any]:
        async with outer(app) as outer_state, inner(app) as inner_state:
            if outer_state is None and inner_state is None:
                yield None
            else:
                yield {**(inner_state or {}), **(outer_state or {})}

    return merged


class Unplaced(APIWebSocketRoute):
    """A route with the empty path: it matches nothing, until an including router gives it a prefix."""

    class_when_remade = APIWebSocketRoute

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("/", *args, **kwargs)
        self.path = path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


def has_no_sockets(route: BaseRoute) -> bool:
    """Whether no WebSocket can be opened by way of a route; False if not all routes below it can be seen."""
    if not isinstance(route, Mount | Host):
        return isinstance(route, Route)
    app = mounted_app(route)
    routes = getattr(app, "routes", None)
    return isinstance(app, StaticFiles) or (isinstance(routes, list) and all(map(has_no_sockets, routes)))


class Outer(NamedTuple):
    """The prefix, dependencies, overrides and policy that included routes get.

    Attributes:
        prefix: of the including router and of the inclusion.
        dependencies: of both, in this order.
        dependency_overrides_provider: of the including router.
        inner_provider: of the included router, for routes that do not keep their own.
        policy: of the including router and of the inclusion; it is around that of the route.
    """

    prefix: str
    dependencies: list[Any]
    dependency_overrides_provider: Any | None
    inner_provider: Any | None = None
    policy: ConnectionPolicy | None = None

    def include(self, route: BaseRoute) -> BaseRoute:
        """The route with the outer prefix and dependencies: itself if there are none, else a copy."""
        if isinstance(route, APIWebSocketRoute):
            return self._include_api_websocket_route(route)
        if self.dependencies:
            raise ValueError(
                f"{route!r} would be open: only an APIWebSocketRoute can have the dependencies of the including "
                "router; include it without dependencies"
            )
        if self.policy is not None and self.policy.origin_lists and not has_no_sockets(route):
            raise ValueError(
                f"{route!r} would be open to any origin: only an APIWebSocketRoute can have the origins of the "
                "including router; include it without them, or make an APIWebSocketRoute of it"
            )
        if not self.prefix:
            return route
        if isinstance(route, Host):
            included = copy(route)
            included.app = mounted(self.prefix, included.app)
            return included
        if not isinstance(route, Route | WebSocketRoute | Mount):
            raise ValueError(f"{route!r} cannot have the prefix {self.prefix!r}; append it to `routes` as it is")
        if type(route).__init__ in _STARLETTE_INITS:
            return self._moved(route)
        return self._made_anew(route)

    def _moved(self, route: _PathRoute) -> _PathRoute:
        """A copy with the whole path, for a class that does nothing but match its path."""
        included = copy(route)
        included.path = self.prefix + included.path
        included.path_regex, included.path_format, included.param_convertors = compile_path(template_of(included))
        return included

    def _made_anew(self, route: _PathRoute) -> _PathRoute:
        """The same route with the whole path, for a class that may read its path when a route is made.

        FastAPI's classes do: a parameter that is not in the path comes from the query. The class is called with those
        attributes of the route that are named as its parameters. Then the new route gets all other attributes.
        """
        path = self.prefix + route.path
        values, unknown = self._arguments(route)
        if unknown:
            names = {*compile_path(self.prefix)[2]}
            if names and not _fastapi.reads_from_path(getattr(route, "dependant", None), names):
                raise ValueError(
                    f"{_told(route)} would not find {', '.join(sorted(names))} in the path {path!r}: it cannot be made "
                    f"again, as the value that its class got for {', '.join(unknown)} is not known. Make it with its "
                    "whole path instead, and append it to `routes`; or, if FastAPI reads its parameters, declare each "
                    "parameter of the prefix as Annotated[..., Path()]"
                )
            return self._moved(route)
        try:
            made = type(route)(**{**values, "path": path})
        except Exception as error:
            raise ValueError(f"{_told(route)} cannot be made again with the path {path!r}: {error}") from error
        lost = [name for name in vars(route) if name not in vars(made) and hasattr(type(made), name)]
        if _kind(getattr(route, "app", None)) != _kind(getattr(made, "app", None)):
            lost.append("app")
        if lost:
            raise ValueError(
                f"{_told(route)} has {' and '.join(lost)} set by hand, which the route for the including router would "
                "lose; include the router first, and wrap the new route"
            )
        for name, value in vars(route).items():
            vars(made).setdefault(name, value)
        return made

    def _provider_before(self, inner: Any | None) -> Any | None:
        """The provider of overrides: that of the including router counts before that of the included one."""
        return inner if self.dependency_overrides_provider is None else self.dependency_overrides_provider

    def _arguments(self, route: Route | WebSocketRoute | Mount) -> tuple[dict[str, Any], list[str]]:
        """The arguments that made a route, as far as its attributes tell, and the names of the others."""
        values: dict[str, Any] = {}
        unknown: list[str] = []
        for name in _parameters(type(route)):
            if name == "dependency_overrides_provider":
                values[name] = self._provider_before(getattr(route, name, self.inner_provider))
            elif hasattr(route, name):
                values[name] = getattr(route, name)
            else:
                unknown.append(name)
        return values, unknown if "path" in values else [*unknown, "path"]

    def _include_api_websocket_route(self, route: APIWebSocketRoute) -> APIWebSocketRoute:
        if not self.prefix + route.path:
            raise DeclarationError(
                route.endpoint,
                "path",
                "the path and the prefix of include_router() are both empty; give one of them at least '/'",
            )
        if not (self.prefix or self.dependencies or self.dependency_overrides_provider is not None or self.policy):
            return route
        return route.remade(
            self.prefix + route.path,
            [*self.dependencies, *route.dependencies],
            self._provider_before(route.dependency_overrides_provider),
            nested(self.policy, route.policy),
        )


def _kind(app: Any) -> tuple[Any, ...]:
    """Tells an application that a class makes for each of its routes from one that was put around it."""
    return type(app), getattr(app, "__module__", None), getattr(app, "__qualname__", None)


def _parameters(cls: type[Any]) -> list[str]:
    """The names of the parameters that a class takes; those of its bases, too, if it hands on the rest."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= dict.fromkeys(each.name for each in parameters if each.kind not in _COLLECTING)
        if not any(each.kind is Parameter.VAR_KEYWORD for each in parameters):
            break
    return list(names)


def _told(route: BaseRoute) -> str:
    """A route as its class and path, and where its endpoint is."""
    endpoint = getattr(route, "endpoint", None)
    return f"{route!r} of {describe(endpoint)}" if callable(endpoint) else repr(route)
