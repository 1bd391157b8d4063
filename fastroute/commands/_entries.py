"""The routes of an application as a tree, in the order in which they are tried."""

import inspect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from starlette.routing import Host, Mount, Route, WebSocketRoute

from ..exceptions import describe

__all__ = [
    "Entry",
    "Kind",
    "entries",
    "facts",
    "redirects",
    "routes_of",
    "title",
    "walk",
]

Kind = Literal["http", "websocket", "mount", "host", "included", "frontend", "other"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route as a router tries it, and the routes below it.

    Attributes:
        kind: what sort of route it is; "included" is a router that FastAPI keeps as one, "frontend" is what FastAPI
            tries after all others, "other" is anything else that has `matches`.
        route: what answers `matches(scope)`: the route, or what FastAPI puts in its place in an included router.
        path: its template; for a host the pattern of the host, for an included router its prefix.
        children: in the order in which they are tried.
        redirects: whether the router of the children sends a path that misses to the one with or without a slash
            at its end.
        router: what asks it: the router, or what stands in its place.
        wrapped: whether middleware of its own stands before it, or before what is mounted.
    """

    kind: Kind
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
        return None if self.children else getattr(self.route, "endpoint", None) or getattr(self.route, "app", None)

    @property
    def methods(self) -> list[str] | None:
        """None where any method is answered, and where there are none."""
        methods = getattr(self.route, "methods", None)
        return sorted(methods) if methods else None


def routes_of(app: Any) -> Sequence[Any] | None:
    """The routes of an application, also below the middleware that it is wrapped in; None where it has none."""
    routes: Sequence[Any] | None = getattr(_unwrapped(app), "routes", None)
    return routes


def redirects(app: Any) -> bool:
    """Whether a path that misses is sent to the one with or without a slash at its end (Starlette's option)."""
    inner = _unwrapped(app)
    return bool(getattr(getattr(inner, "router", inner), "redirect_slashes", False))


def _unwrapped(app: Any) -> Any:
    """What has the routes, in whatever middleware it is wrapped."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        if isinstance(getattr(app, "routes", None), Sequence):
            return app
        app = getattr(app, "app", None)
    return None


def entries(app: Any) -> list[Entry]:
    """The routes of an application as a tree, in the order in which they are tried."""
    return _entries(app, ())


def walk(tree: Sequence[Entry]) -> Iterator[Entry]:
    """Every entry of a tree, each before what lies below it."""
    for entry in tree:
        yield entry
        yield from walk(entry.children)


def title(entry: Entry, inside: Sequence[Entry] = ()) -> str:
    """A route in one line: what it answers, its whole path, and where its endpoint is."""
    known = facts(entry, inside)
    kinds = {"http": ",".join(entry.methods or ["any method"]), "websocket": "WebSocket"}
    host = f"{known['host']} " if known["host"] else ""
    endpoint = f"  {known['endpoint']}" if known["endpoint"] else ""
    return f"{kinds.get(entry.kind, entry.kind.capitalize())} {host}{known['path'] or repr('')}{endpoint}"


def facts(entry: Entry, inside: Sequence[Entry] = ()) -> dict[str, Any]:
    """What JSON says about a route; `inside` are the mounts and hosts that it is below."""
    own = [entry] if entry.kind != "host" else []
    hosts = [outer.path for outer in (*inside, entry) if outer.kind == "host"]
    return {
        "kind": entry.kind,
        "methods": entry.methods,
        "host": hosts[-1] if hosts else None,
        "path": "".join(part.path for part in (*inside, *own) if part.kind != "host"),
        "name": entry.name,
        "endpoint": None if entry.endpoint is None else _place(entry.endpoint),
    }


def _place(endpoint: Any) -> str:
    """The name of an endpoint, and the file where that is below the current folder."""
    name, _, file = describe(endpoint).partition(" (")
    here = f"{Path.cwd()}{os.sep}"
    return f"{name} ({file.removeprefix(here)}" if file.startswith(here) and "site-packages" not in file else name


def _entries(app: Any, outer: tuple[Any, ...]) -> list[Entry]:
    # An application can be mounted in itself.
    if any(app is other for other in outer):
        return []
    inner = _unwrapped(app)
    router = getattr(inner, "router", inner)
    found = [_entry(route, router, (*outer, app)) for route in routes_of(app) or ()]
    iterate_last = getattr(router, "_iter_low_priority_routes", tuple)
    return found + [Entry("frontend", route, _path(route), router) for route in iterate_last()]


def _entry(route: Any, router: Any, outer: tuple[Any, ...]) -> Entry:
    included = getattr(route, "effective_candidates", None)
    if included is not None:
        prefix = getattr(getattr(route, "include_context", None), "prefix", "")
        below = [_entry(candidate, route, outer) for candidate in included()]
        return Entry("included", route, prefix, router, below)
    # FastAPI's stand-in for a route of an included router: either a new route, or itself with a path and methods.
    original = getattr(route, "original_route", route)
    answers = getattr(route, "starlette_route", None) or route
    if isinstance(answers, (Mount, Host)):
        app = getattr(answers, "_base_app", answers.app)
        kind: Kind = "mount" if isinstance(answers, Mount) else "host"
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
    inner = _unwrapped(app)
    router = getattr(inner, "router", inner)
    stack = getattr(router, "middleware_stack", None)
    return app is not inner or bool(getattr(inner, "user_middleware", ())) or stack != getattr(router, "app", None)


def _is_bare(app: Any, endpoint: Any) -> bool:
    """Whether nothing stands between a route and its endpoint but what the frameworks themselves put there."""
    framework = str(getattr(app, "__module__", "")).partition(".")[0] in ("starlette", "fastapi", "fastroute")
    return app is endpoint or (inspect.isroutine(app) and framework)


def _path(route: Any) -> str:
    path = getattr(route, "path", "")
    return path if isinstance(path, str) else ""
