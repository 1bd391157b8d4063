"""accelerate(): an index for the routers of an existing Starlette application."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette import routing
from starlette.routing import BaseRoute, Host, Mount

from . import _fastapi
from ._starlette import layers, mounted_app
from .indexing.index import is_indexed
from .indexing.index_router import IndexRouter
from .indexing.route_list import RouteList, reason_against_list
from .indexing.substitute import substitute_class
from .narrowing.leaves import leaves
from .narrowing.probe import reason_against_narrowing
from .narrowing.routers import NarrowedRouter, narrow

__all__ = ["Acceleration", "Indexed", "Left", "accelerate"]

#: So many routes are named in the text of a router; the others are only counted.
_NAMED = 3


@dataclass(frozen=True)
class Indexed:
    """A router that looks its routes up in an index.

    Attributes:
        where: the way to it through the mounts of the application.
        router: the router itself.
        routes: how many routes it has now; the routes of FastAPI's included routers count in place of these.
        asked: the routes that cannot be indexed, and are asked for every path.
        included: how many times FastAPI's routers are included in it.
    """

    where: str
    router: routing.Router
    routes: int
    asked: tuple[BaseRoute, ...]
    included: int = 0

    def __str__(self) -> str:
        # An index over a few of many routes saves nothing, and nobody should read that it does.
        word = "scanned" if len(self.asked) * 2 > self.routes else "indexed"
        text = f"{word}  {self.where}: {self.routes} route{'' if self.routes == 1 else 's'}"
        if self.included:
            text += f" with those of {self.included} included router{'' if self.included == 1 else 's'}"
        if not self.asked:
            return text
        named = ", ".join(map(_in_words, self.asked[:_NAMED]))
        others = f" and {len(self.asked) - _NAMED} more" if len(self.asked) > _NAMED else ""
        return f"{text}, {len(self.asked)} of them asked for every path: {named}{others}"


def _in_words(route: BaseRoute) -> str:
    # FastAPI's `repr` of an included router has all of its routes, with all of their options.
    included = _fastapi.inclusion(route)
    return repr(route) if included is None else f"{type(included.router).__name__} included at {included.prefix!r}"


@dataclass(frozen=True)
class Left:
    """A router that stays as it was.

    Attributes:
        where: the way to it through the mounts of the application.
        router: the router itself.
        reason: why it cannot be indexed.
    """

    where: str
    router: routing.Router
    reason: str

    def __str__(self) -> str:
        return f"left     {self.where}: {self.reason}"


@dataclass(frozen=True)
class Acceleration:
    """The result of `accelerate`; as text, one line for each router.

    Attributes:
        indexed: the routers that have an index.
        left: the routers that have none, with the reasons.
    """

    indexed: tuple[Indexed, ...]
    left: tuple[Left, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.indexed, *self.left)))


def accelerate(app: Any) -> Acceleration:
    """Let the routers of an application look routes up in an index, in place; nothing it answers changes.

    The router of the application and those inside of its `Mount`s and `Host`s get an index over their routes, and
    nothing else of fastroute's; they, their routes, the middleware around them and the application stay the same
    objects. It may be done before or after the first request; doing it again changes nothing. FastAPI's own routers,
    with all that they include, go on deciding by FastAPI's code, on the routes that can match. A router whose class
    overrides `app` is left as it is.

    Args:
        app: a `Starlette` application, a router, or middleware around either.

    Returns:
        The routers with an index, and those without one and why.

    Raises:
        TypeError: there is no router in `app`.
    """
    found = list(_routers(app))
    if not found:
        raise TypeError(f"{app!r} is not a Starlette application, nor a router, nor middleware around one")
    indexed: list[Indexed] = []
    left: list[Left] = []
    for where, router in found:
        reason = None if isinstance(router, IndexRouter | NarrowedRouter) else _convert(router)
        if reason is None:
            indexed.append(_indexed(where, router))
        else:
            left.append(Left(where, router, reason))
    return Acceleration(tuple(indexed), tuple(left))


def _indexed(where: str, router: routing.Router) -> Indexed:
    if not isinstance(router, NarrowedRouter):
        asked = tuple(route for route in router.routes if not is_indexed(route))
        return Indexed(where, router, len(router.routes), asked)
    found = leaves(router)
    asked = tuple(leaf.route for leaf in found if not leaf.found_by_path)
    return Indexed(where, router, len(found), asked, _included(router.routes))


def _included(routes: Iterable[BaseRoute]) -> int:
    """How many times routers are included in these routes, at any depth."""
    below = filter(None, map(_fastapi.inclusion, routes))
    return sum(1 + _included(inclusion.router.routes) for inclusion in below)


def _routers(app: Any) -> Iterator[tuple[str, routing.Router]]:
    """Every router of an application, once, with the way to it."""
    seen: set[int] = set()
    waiting = [(type(app).__name__, [app])]
    while waiting:
        where, apps = waiting.pop(0)
        router = next(filter(None, map(_router_of, apps)), None)
        if router is None or id(router) in seen:
            continue
        seen.add(id(router))
        yield where, router
        waiting += _below(where, router.routes)


def _below(where: str, routes: Iterable[BaseRoute]) -> Iterator[tuple[str, list[Any]]]:
    """The applications mounted in these routes and in those of FastAPI's included routers, each with the way to it."""
    for route in routes:
        if isinstance(route, Mount):
            # Middleware may hide the application it wraps; the mount knows it.
            yield f"{where} > Mount {route.path!r}", [route.app, mounted_app(route)]
        elif isinstance(route, Host):
            yield f"{where} > Host {route.host!r}", [route.app]
        elif (included := _fastapi.inclusion(route)) is not None:
            yield from _below(f"{where} > included {included.prefix!r}", included.router.routes)


def _router_of(app: Any) -> routing.Router | None:
    return next((layer for layer in layers(app) if isinstance(layer, routing.Router)), None)


def _convert(router: Any) -> str | None:
    """Put an index into a router, in place. Returns None, or the reason why not."""
    is_fastapis = _fastapi.is_api_router(router)
    if is_fastapis and (reason := reason_against_narrowing()) is not None:
        return reason
    base = _fastapi.api_router() if is_fastapis else routing.Router
    cls = getattr(router, "_fastroute_original", type(router))
    name = f"{cls.__module__}.{cls.__qualname__}"
    for attribute in ("app", "routes", "middleware_stack", "__getattribute__"):
        if getattr(cls, attribute, None) is not getattr(base, attribute, None):
            return f"{name} has `{attribute}` of its own"
    if "app" in vars(router):
        return "its `app` was replaced"
    scan = router.app
    innermost = router if router.middleware_stack == scan else None
    for layer in layers(router.middleware_stack):
        if getattr(layer, "app", None) == scan:
            innermost = layer
    if innermost is None:
        return f"its middleware {router.middleware_stack!r} does not show the application it wraps as `app`"
    leads_to_app = "middleware_stack" if innermost is router else "app"
    try:
        setattr(innermost, leads_to_app, scan)
    except Exception as error:
        return f"`{leads_to_app}` of {innermost!r} cannot be assigned: {error}"
    reason = narrow(router) if is_fastapis else _index(router)
    if reason is None:
        setattr(innermost, leads_to_app, router.app)
    return reason


def _index(router: routing.Router) -> str | None:
    cls = type(router)
    if (reason := reason_against_list(router.routes)) is not None:
        return reason
    # In this order, so that a request in another thread finds a whole router in between.
    vars(router)["_fastroute_routes"] = RouteList(router.routes)
    try:
        router.__class__ = substitute_class(cls, IndexRouter)
    except Exception as error:  # a metaclass or an `__init_subclass__` may raise anything
        del vars(router)["_fastroute_routes"]
        return f"{cls.__module__}.{cls.__qualname__} cannot become a subclass of fastroute's IndexRouter: {error}"
    del vars(router)["routes"]
    return None
