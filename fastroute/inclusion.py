"""The prefix and the dependencies that an including router gives to the routes it takes in."""

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from inspect import Parameter
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute, compile_path
from starlette.types import ASGIApp, Lifespan

from ._starlette import template_of
from .routing import APIWebSocketRoute

__all__ = ["Outer", "check_prefix", "merge", "mounted"]

_COLLECTING = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def check_prefix(prefix: str) -> None:
    """Check the prefix of a router, or of an inclusion.

    Raises:
        ValueError: it does not start with a slash, or ends with one.
    """
    if prefix and not prefix.startswith("/"):
        raise ValueError(f"the prefix {prefix!r} must start with '/'")
    if prefix.endswith("/"):
        raise ValueError(f"the prefix {prefix!r} must not end with '/', the paths of the routes start with it")


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


class Outer(NamedTuple):
    """The prefix, dependencies and overrides that included routes get."""

    prefix: str
    dependencies: list[Any]
    dependency_overrides_provider: Any | None

    def include(self, route: BaseRoute) -> BaseRoute:
        """The route with the outer prefix and dependencies: itself if there are none, else a copy."""
        if isinstance(route, APIWebSocketRoute):
            return self._include_api_websocket_route(route)
        if self.dependencies:
            raise ValueError(
                f"{route!r} would be open: only an APIWebSocketRoute can have the dependencies of the including "
                "router; include it without dependencies"
            )
        if not self.prefix:
            return route
        included = copy(route)
        if isinstance(included, Host):
            included.app = mounted(self.prefix, included.app)
            return included
        if not isinstance(included, Route | WebSocketRoute | Mount):
            raise ValueError(f"{route!r} cannot have the prefix {self.prefix!r}; append it to `routes` as it is")
        included.path = self.prefix + included.path
        included.path_regex, included.path_format, included.param_convertors = compile_path(template_of(included))
        return included

    def _include_api_websocket_route(self, route: APIWebSocketRoute) -> APIWebSocketRoute:
        if not any(self):
            return route
        cls = type(route)
        arguments: dict[str, Any] = {
            "path": self.prefix + route.path,
            "endpoint": route.endpoint,
            "name": route.name,
            "dependencies": [*self.dependencies, *route.dependencies],
            "dependency_overrides_provider": self.dependency_overrides_provider or route.dependency_overrides_provider,
        }
        unknown = [
            parameter.name
            for parameter in inspect.signature(cls).parameters.values()
            if parameter.name not in arguments and parameter.kind not in _COLLECTING
        ]
        if unknown:
            raise ValueError(
                f"{route!r} cannot be made again for the including router: the value that its class got for "
                f"{', '.join(unknown)} is not known; make the route with its whole path and all dependencies instead, "
                "and append it to `routes`"
            )
        return cls(**arguments)
