"""The routes of an application as a tree, in the order in which they are tried."""

import inspect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from starlette.routing import Host, Mount, Route, WebSocketRoute

from .. import _fastapi
from .._starlette import layers, mounted_app
from ..exceptions import describe

__all__ = [
    "Entry",
    "EntryKind",
    "entries",
    "location",
    "one_line",
    "record",
    "redirects",
    "router_of",
    "routes_of",
    "walk",
    "walk_inside",
]

EntryKind = Literal["http", "websocket", "mount", "host", "included", "frontend", "other"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route as a router tries it, and the routes below it.

    Attributes:
        kind: the sort of route; "included" is a router that FastAPI keeps as one, "frontend" is tried by FastAPI
            after all others, "other" is anything else that has `matches`.
        route: the object that answers `matches(scope)`: the route, or FastAPI's stand-in for it in an included router.
        path: its template; for a host the pattern of the host, for an included router its prefix.
        router: whatever asks this route: the router, or the included router.
        children: in the order in which they are tried.
        redirects: the router of the children redirects a path that misses to the one with or without a slash at
            its end.
        wrapped: the route, or the application mounted there, has middleware of its own.
    """

    kind: EntryKind
    route: Any
    path: str
    router: Any
    children: list["Entry"] = field(default_factory=list)
    redirects: bool = False
    wrapped: bool = False

    @property
    def name(self) -> str | None:
        name: str | None = getattr(self.route, "name", None)
        return name

    @property
    def endpoint(self) -> Any:
        if self.children:
            return None
        found = getattr(self.route, "endpoint", None) or getattr(self.route, "app", None)
        included = self._included_route
        return found if included is None else included.endpoint

    @property
    def dependant(self) -> Any:
        """The parameters and dependencies of the endpoint; None for a route that has no such tree."""
        return getattr(self._included_route or self.route, "dependant", None)

    @property
    def _included_route(self) -> Any:
        # FastAPI's stand-in for a WebSocket route of fastroute's has our way to the endpoint in the place of that.
        return getattr(getattr(self.route, "endpoint", None), "included_route", None)

    @property
    def methods(self) -> list[str] | None:
        """None if any method is answered, and if the route knows no methods."""
        methods = getattr(self.route, "methods", None)
        return sorted(methods) if methods else None

    @property
    def template(self) -> str:
        """The template that its regex is made from: a mount matches its path and everything below."""
        return f"{self.path}/{{path:path}}" if self.kind == "mount" else self.path

    @property
    def label(self) -> str:
        """The methods of an HTTP route; the kind of every other one."""
        labels = {"http": ",".join(self.methods or ["any method"]), "websocket": "WebSocket"}
        return labels.get(self.kind, self.kind)

    def around_children(self, inside: tuple["Entry", ...]) -> tuple["Entry", ...]:
        """The mounts and hosts around the children of a route that is `inside` others.

        An included router is not one of them: FastAPI's stand-ins have the whole path, its prefix included.
        """
        return inside if self.kind == "included" else (*inside, self)


def routes_of(app: Any) -> Sequence[Any] | None:
    """The routes of an application, also below the middleware that wraps it; None if it has none."""
    routes: Sequence[Any] | None = getattr(_unwrapped(app), "routes", None)
    return routes


def redirects(app: Any) -> bool:
    """Whether a path that misses is sent to the one with or without a slash at its end (Starlette's option)."""
    return bool(getattr(router_of(app), "redirect_slashes", False))


def entries(app: Any) -> list[Entry]:
    """The routes of an application as a tree, in the order in which they are tried."""
    return _entries(app, ())


def walk(tree: Sequence[Entry]) -> Iterator[Entry]:
    """Every entry of a tree, each before the entries below it."""
    for entry in tree:
        yield entry
        yield from walk(entry.children)


def walk_inside(tree: Sequence[Entry], inside: tuple[Entry, ...] = ()) -> Iterator[tuple[Entry, tuple[Entry, ...]]]:
    """Every entry of a tree as `walk` does, each with the mounts and hosts around it."""
    for entry in tree:
        yield entry, inside
        yield from walk_inside(entry.children, entry.around_children(inside))


def one_line(entry: Entry, inside: Sequence[Entry] = ()) -> str:
    """A route in one line: its methods or kind, its whole path, and its endpoint with the file."""
    known = record(entry, inside)
    label = entry.label if entry.kind in ("http", "websocket") else entry.label.capitalize()
    host = f"{known['host']} " if known["host"] else ""
    endpoint = f"  {known['endpoint']}" if known["endpoint"] else ""
    return f"{label} {host}{known['path'] or repr('')}{endpoint}"


def record(entry: Entry, inside: Sequence[Entry] = ()) -> dict[str, Any]:
    """A route as JSON output shows it; `inside` are the mounts and hosts around it."""
    paths = [outer.path for outer in (*inside, entry) if outer.kind != "host"]
    hosts = [outer.path for outer in (*inside, entry) if outer.kind == "host"]
    return {
        "kind": entry.kind,
        "methods": entry.methods,
        "host": hosts[-1] if hosts else None,
        "path": "".join(paths),
        "name": entry.name,
        "endpoint": None if entry.endpoint is None else location(entry.endpoint),
    }


def location(call: Any) -> str:
    """The name of a callable, and its file if that is below the current folder."""
    name, _, file = describe(call).partition(" (")
    here = f"{Path.cwd()}{os.sep}"
    return f"{name} ({file.removeprefix(here)}" if file.startswith(here) and "site-packages" not in file else name


def _unwrapped(app: Any) -> Any:
    """The object that has the routes, below any middleware."""
    return next((layer for layer in layers(app) if isinstance(getattr(layer, "routes", None), Sequence)), None)


def router_of(app: Any) -> Any:
    """The router of an application, also below middleware; None if it has none."""
    inner = _unwrapped(app)
    return getattr(inner, "router", inner)


def _entries(app: Any, outer: tuple[Any, ...]) -> list[Entry]:
    # An application can be mounted in itself.
    if any(app is other for other in outer):
        return []
    router = router_of(app)
    found = [_entry(route, router, (*outer, app)) for route in routes_of(app) or ()]
    return found + [Entry("frontend", route, _path(route), router) for route in _fastapi.frontends(router)]


def _entry(route: Any, router: Any, outer: tuple[Any, ...]) -> Entry:
    included = _fastapi.included_routes(route)
    if included is not None:
        below = [_entry(candidate, route, outer) for candidate in included]
        return Entry("included", route, _fastapi.include_prefix(route), router, below)
    original, answers = _fastapi.original_route(route), _fastapi.answering_route(route)
    if isinstance(answers, (Mount, Host)):
        app = mounted_app(answers)
        kind: EntryKind = "mount" if isinstance(answers, Mount) else "host"
        wrapped = answers.app is not app or _has_middleware(app)
        path = answers.path if isinstance(answers, Mount) else answers.host
        return Entry(kind, answers, path, router, _entries(app, outer), redirects(app), wrapped)
    wrapped = not _is_bare(getattr(answers, "app", None), getattr(answers, "endpoint", None))
    if isinstance(original, WebSocketRoute):
        return Entry("websocket", answers, _path(answers), router, wrapped=wrapped)
    if isinstance(original, Route):
        return Entry("http", answers, _path(answers), router, wrapped=wrapped)
    return Entry("other", answers, _path(answers), router)


def _has_middleware(app: Any) -> bool:
    inner, router = _unwrapped(app), router_of(app)
    stack = getattr(router, "middleware_stack", None)
    return app is not inner or bool(getattr(inner, "user_middleware", ())) or stack != getattr(router, "app", None)


def _is_bare(app: Any, endpoint: Any) -> bool:
    """Whether nothing stands between a route and its endpoint but the frameworks' own wrappers."""
    framework = str(getattr(app, "__module__", "")).partition(".")[0] in ("starlette", "fastapi", "fastroute")
    return app is endpoint or (inspect.isroutine(app) and framework)


def _path(route: Any) -> str:
    path = getattr(route, "path", "")
    return path if isinstance(path, str) else ""
