"""Starlette's private side, and how its installed release behaves: the file to read if a new Starlette breaks us."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http import cookies as http_cookies
from types import FunctionType, SimpleNamespace
from typing import Any

from starlette import requests, routing
from starlette._exception_handler import _lookup_exception_handler
from starlette._utils import get_route_path, is_async_callable
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

__all__ = [
    "ANSWERS_ALIKE",
    "SETS_ROUTE",
    "HeaderPairs",
    "cookie_parser",
    "cookies_of",
    "exception_handlers",
    "get_route_path",
    "header_pairs",
    "is_async_callable",
    "is_genuine",
    "layers",
    "lookup_exception_handler",
    "mounted_app",
    "other_slash",
    "template_of",
]

lookup_exception_handler = _lookup_exception_handler


def exception_handlers(scope: Scope) -> tuple[Any, Any]:
    """The exception handlers for a connection, by class and by status code, as `ExceptionMiddleware` leaves them."""
    by_class, by_status = scope.get("starlette.exception_handlers", ({}, {}))
    return by_class, by_status


#: The headers of a scope, as they were received.
HeaderPairs = Sequence[tuple[bytes, bytes]]


def header_pairs(scope: Scope) -> HeaderPairs:
    """The headers of a scope as a list; any other iterable is replaced in the scope, as by Starlette's `Headers`."""
    headers = scope["headers"]
    if type(headers) is not list:
        headers = scope["headers"] = list(headers)
    pairs: HeaderPairs = headers
    return pairs


def mounted_app(route: Any) -> Any:
    """The application of a mount or host, without the middleware of the mount."""
    return getattr(route, "_base_app", route.app)


#: More than any application has. An object that has every attribute, as a mock, would have layers without end.
_MOST_LAYERS = 1000


def layers(app: Any) -> Iterator[Any]:
    """An application and all it wraps, outermost first: of `Starlette` its router, of all others their `app`."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen and len(seen) < _MOST_LAYERS:
        seen.add(id(app))
        yield app
        if isinstance(app, routing.Router):
            return
        app = app.router if isinstance(app, Starlette) else _wrapped(app)


def _wrapped(app: Any) -> Any:
    try:
        return getattr(app, "app", None)
    except Exception:  # a property may raise anything
        return None


def is_genuine(cls: type[Any], function: object) -> bool:
    """Whether a function of a class is from the module of the class: another one was put there by somebody."""
    # A wrapper may have every attribute of the function it wraps, and one of its own.
    is_wrapper = hasattr(function, "__wrapped__")
    return not is_wrapper and getattr(function, "__globals__", None) is vars(sys.modules[cls.__module__])


def template_of(route: Route | WebSocketRoute | Mount) -> str:
    """The template that Starlette compiles for a route: a mount matches its path and everything below it."""
    return f"{route.path}/{{path:path}}" if isinstance(route, Mount) else route.path


def other_slash(scope: Scope, route_path: str) -> Scope | None:
    """The scope that Starlette's redirect is about: with or without a slash at its end; None for the root.

    Args:
        scope: it is not changed.
        route_path: that of the scope, which decides.
    """
    if route_path == "/":
        return None
    path = scope["path"]
    return {**scope, "path": path.rstrip("/") if route_path.endswith("/") else f"{path}/"}


def _sets_route() -> bool:
    """Whether the router of the installed Starlette puts the route into the scope."""

    class Everything(BaseRoute):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return Match.FULL, {}

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    scope: dict[str, Any] = {"type": "http", "path": "/"}
    router: Any = routing.Router(routes=[Everything()])
    with suppress(StopIteration):
        router.app(scope, None, None).send(None)
    return "route" in scope


#: Starlette's router puts the route into the scope.
SETS_ROUTE = _sets_route()


def _answers_alike() -> bool:
    """Whether routes of the installed Starlette answer as `RouteTable` does in their place."""

    async def endpoint(connection: object) -> None: ...

    child_scope = {"endpoint": endpoint, "path_params": {"outer": 1, "own": "x"}}
    scope = {"type": "http", "method": "POST", "path": "/x", "path_params": {"outer": 1}}
    route = Route("/{own}", endpoint, methods=["POST"])
    websocket_route = WebSocketRoute("/{own}", endpoint)
    return (
        route.matches(scope) == (Match.FULL, child_scope)
        and route.matches({**scope, "method": "GET"}) == (Match.PARTIAL, child_scope)
        and websocket_route.matches({**scope, "type": "websocket"}) == (Match.FULL, child_scope)
    )


#: Routes of the installed Starlette answer as `RouteTable` does in their place.
ANSWERS_ALIKE = _answers_alike()


_ESCAPED = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")


def _unquoted(value: str) -> str:
    """`http.cookies._unquote` as it is since Python 3.11.10 and 3.12.6: in linear time, with the same values."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPED.sub(lambda match: match[2] or chr(int(match[1], 8)), value[1:-1])


def _linear_cookie_parser() -> Callable[[str], dict[str, str]]:
    """Starlette's parser of a `cookie` header, in linear time also on older Pythons (CVE-2024-7592)."""
    parser = requests.cookie_parser
    if not hasattr(http_cookies, "_QuotePatt"):
        return parser
    # Its own code, with another function below it.
    module = SimpleNamespace(**{**vars(http_cookies), "_unquote": _unquoted})
    return FunctionType(parser.__code__, {**parser.__globals__, "http_cookies": module})


cookie_parser = _linear_cookie_parser()


def cookies_of(connection: HTTPConnection) -> dict[str, str]:
    """`connection.cookies`, in linear time on every Python."""
    if cookie_parser is not requests.cookie_parser and not hasattr(connection, "_cookies"):
        cookies: dict[str, str] = {}
        for header in connection.headers.getlist("cookie"):
            cookies.update(cookie_parser(header))
        connection._cookies = cookies
    return connection.cookies
