"""The routes of FastAPI's routers and of those that they include, as they are declared, for whoever shows them."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from starlette.routing import BaseRoute

from .. import _fastapi
from .reading import Reader
from .routers import NarrowedRouter, NotedRouter

__all__ = ["Leaf", "found_by_path", "leaves"]


class Leaf(NamedTuple):
    """A route of a router or of one that it includes, at any depth.

    Attributes:
        route: itself; an included router whose `matches` is not known is one as well.
        found_by_path: whether an index finds it by its path; it is asked for every path if not.
    """

    route: BaseRoute
    found_by_path: bool


def leaves(router: NarrowedRouter) -> list[Leaf]:
    """The routes of a router and of those that it includes."""
    return list(_leaves(_reader(), router.routes, None))


def found_by_path(candidate: Any) -> bool:
    """Whether an index finds a route by its path; it is asked for every path if not.

    Args:
        candidate: a route, FastAPI's stand-in for one, or an included router with all that is below it.
    """
    return _finds(_reader(), candidate)


def _reader() -> Reader:
    return Reader(_fastapi.routing())


def _finds(reader: Reader, candidate: Any) -> bool:
    included = _fastapi.inclusion(candidate)
    if included is None:
        return reader.finds(candidate)
    return _is_followed(candidate, included) and all(_finds(reader, each) for each in candidate.effective_candidates())


def _leaves(reader: Reader, routes: Iterable[BaseRoute], prefix: str | None) -> Iterator[Leaf]:
    """The routes of a list that is included with a prefix; None if it is not included."""
    for route in routes:
        included = _fastapi.inclusion(route)
        if included is None:
            found = reader.finds(route) if prefix is None else reader.finds_with_prefix(route, prefix)
            if found is not None:
                yield Leaf(route, found)
            continue
        if not _is_followed(route, included):
            yield Leaf(route, False)
        yield from _leaves(reader, included.router.routes, (prefix or "") + included.prefix)


def _is_followed(route: Any, included: _fastapi.Inclusion) -> bool:
    """Whether an index goes by the routes in an included router."""
    return _notes_changes(included.router) and _fastapi.asks_its_routes(route)


def _notes_changes(router: Any) -> bool:
    """Whether a router and all that it includes note their changes."""
    return isinstance(router, NotedRouter) and all(
        _notes_changes(included.router) for included in filter(None, map(_fastapi.inclusion, router.routes))
    )
