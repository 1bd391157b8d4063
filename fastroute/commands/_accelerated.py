"""The table of `bench` for a FastAPI application: a request before and after `accelerate`, by the processor's time.

One application is asked in turn with the classes that `accelerate` gave to its routers and with FastAPI's own. Its
middleware runs in a whole request. Its endpoints and dependencies do not: `handle` of its routes answers meanwhile. A
figure is the least of many rounds. Every request is checked to get to the route that is meant.
"""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from statistics import fmean
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.routing import Match

from .. import _fastapi
from ..acceleration import accelerate
from ..indexing.substitute import Substitute
from ..matching.template import kind_of
from ..tracing.entries import Entry, entries, router_of, walk_inside
from ..tracing.trace import Scope, scope_of, trace
from ._language import example

__all__ = ["Figures", "Measured", "NotComparable", "is_fastapi", "measured"]

_ROUNDS = 20
_REQUESTS = 3
_MOST_PATHS = 40
_MISS = "/~no-such-path~"
# The processor's time of Windows is too coarse.
_clock = time.process_time if time.get_clock_info("process_time").resolution < 1e-5 else time.perf_counter


class NotComparable(Exception):
    """There is nothing to compare, and why."""


class Figures(NamedTuple):
    """Seconds for a request to the application, or to its router alone.

    Each is a pair, with FastAPI's own routers and with accelerated ones; None if no such request gets there.
    """

    first: tuple[float, float] | None
    average: tuple[float, float] | None
    last: tuple[float, float] | None
    no_route: tuple[float, float] | None


class Measured(NamedTuple):
    """A FastAPI application before and after.

    Attributes:
        line: what `accelerate` says of its router.
        left_out: how many routes were not measured, by sort.
        figures: for "whole request" and "router alone".
    """

    line: str
    left_out: dict[str, int]
    figures: dict[str, Figures]


class _Asked(NamedTuple):
    """A request, and the route that answers it; None for a 404."""

    scope: Scope
    route: Any


def is_fastapi(app: Any) -> bool:
    """Whether the router of an application is FastAPI's."""
    return _fastapi.is_api_router(router_of(app))


def measured(app: Any) -> Measured:
    """Accelerate a FastAPI application, and measure it.

    Raises:
        NotComparable: the application has no HTTP route of its own, or `accelerate` leaves its router.
    """
    router = router_of(app)
    asked = [_asked(app, entry) for entry in _spread(_http_routes(router))]
    asked = [one for one in asked if _is_answered_so(router, one)]
    if not asked:
        raise NotComparable("there is no HTTP route in the application with only Starlette's own convertors")
    miss = _Asked(_scope(app, "GET", _MISS), None)
    if _is_answered_so(router, miss):
        asked.append(miss)
    result = accelerate(app)
    for left in result.left:
        if left.router is router:
            raise NotComparable(f"accelerate changes nothing: {left.reason}")
    if router.middleware_stack != router.app:
        raise NotComparable("its router has middleware, below which FastAPI's own cannot be put back")
    [line] = [str(indexed) for indexed in result.indexed if indexed.router is router]
    with _routes_that_answer(router) as reached:
        apps = {"whole request": app, "router alone": router}
        found = {name: asyncio.run(_Sides(router, each, reached).figures(asked)) for name, each in apps.items()}
    return Measured(line, _left_out(router), found)


def _http_routes(router: Any) -> list[Entry]:
    """Those of the router and of the routers that it includes; what is mounted has a router of its own."""
    return [entry for entry, inside in walk_inside(entries(router)) if _reason_to_leave_out(entry, inside) == ""]


def _left_out(router: Any) -> dict[str, int]:
    reasons = Counter(_reason_to_leave_out(entry, inside) for entry, inside in walk_inside(entries(router)))
    return {reason: count for reason, count in reasons.items() if reason}


def _reason_to_leave_out(entry: Entry, inside: tuple[Entry, ...]) -> str | None:
    """The sort of routes that are not measured; empty if it is one of those that are, None if it is no route."""
    if entry.children or entry.kind == "included" or _fastapi.is_documentation(entry.endpoint):
        return None
    if inside or entry.kind in ("mount", "host"):
        return "mounted"
    if entry.kind != "http":
        return {"websocket": "WebSocket", "frontend": "frontend"}.get(entry.kind, "of another class")
    return "" if all(map(kind_of, entry.route.param_convertors.values())) else "with other convertors"


def _spread(table: Sequence[Entry]) -> list[Entry]:
    """The first, the last, and some between them."""
    steps = min(len(table), _MOST_PATHS) - 1
    return [table[number * (len(table) - 1) // max(steps, 1)] for number in range(steps + 1)]


def _asked(app: Any, entry: Entry) -> _Asked:
    path = example(entry.path, entry.route.param_convertors, "1")
    return _Asked(_scope(app, (entry.methods or ["GET"])[0], path), entry.route)


def _scope(app: Any, method: str, path: str) -> Scope:
    return {
        **scope_of("http", method, path, "localhost"),
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "raw_path": quote(path).encode(),
        "query_string": b"",
        "app": app,
    }


def _is_answered_so(router: Any, asked: _Asked) -> bool:
    outcome = trace(router, asked.scope)
    if asked.route is None:
        return outcome.decisive is None and outcome.redirect is None
    found = outcome.decisive
    return found is not None and found.match is Match.FULL and found.entry.route is asked.route


@contextmanager
def _routes_that_answer(router: Any) -> Iterator[list[Any]]:
    """Meanwhile no HTTP route calls its endpoint. Gives the list of the routes that are reached."""
    reached: list[Any] = []

    async def handle(self: Any, scope: Scope, receive: Any, send: Any) -> None:
        reached.append(self)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    routes = [entry.route for entry, _ in walk_inside(entries(router)) if entry.kind == "http"]
    classes = {type(each) for route in routes for each in (_fastapi.original_route(route), route)}
    own = {cls: vars(cls).get("handle") for cls in classes}
    for cls in classes:
        cls.handle = handle
    try:
        yield reached
    finally:
        for cls, function in own.items():
            if function is None:
                del cls.handle
            else:
                cls.handle = function


@contextmanager
def _fastapis_own(router: Any) -> Iterator[None]:
    """Meanwhile an accelerated router, and those that it includes, have the classes that FastAPI gave them."""
    below = [entry for entry, inside in walk_inside(entries(router)) if not inside]
    things = [router, *(entry.route for entry in below), *(_fastapi.asked_object(entry.route) for entry in below)]
    substituted = {id(thing): (thing, type(thing)) for thing in things if isinstance(thing, Substitute)}
    try:
        for thing, cls in substituted.values():
            thing.__class__ = cls._fastroute_original
        router.middleware_stack = router.app
        yield
    finally:
        for thing, cls in substituted.values():
            thing.__class__ = cls
        router.middleware_stack = router.app


class _Sides:
    """An application, or a router alone, with FastAPI's own routers and with accelerated ones.

    Args:
        router: that of the application.
        app: whatever is asked.
        reached: gets the routes that are reached.
    """

    def __init__(self, router: Any, app: Any, reached: list[Any]) -> None:
        self._router = router
        self._app = app
        self._reached = reached

    async def figures(self, asked: Sequence[_Asked]) -> Figures:
        least = [[float("inf")] * 2 for _ in asked]
        for _ in range(_ROUNDS):
            for side in (0, 1):
                with _fastapis_own(self._router) if side == 0 else nullcontext():
                    for one in asked:  # untimed: the interpreter adapts to other classes
                        await self._seconds(one)
                    for seconds, one in zip(least, asked, strict=True):
                        seconds[side] = min(seconds[side], await self._seconds(one))
        answered = [(seconds[0], seconds[1]) for seconds in least]
        hits = [pair for pair, one in zip(answered, asked, strict=True) if one.route is not None]
        misses = [pair for pair, one in zip(answered, asked, strict=True) if one.route is None]
        there = [pair for pair in hits if max(pair) < float("inf")]
        average = (fmean(before for before, _ in there), fmean(after for _, after in there)) if there else None
        first, last, miss = (_known(pair) for pair in (hits[0], hits[-1], *misses, (float("inf"), 0.0))[:3])
        return Figures(first, average, last, miss)

    async def _seconds(self, asked: _Asked) -> float:
        """For each of a few requests; infinite if they do not get to the route, as if middleware refuses them."""
        scopes = [dict(asked.scope) for _ in range(_REQUESTS)]
        self._reached.clear()
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        gc.disable()
        try:
            begun = _clock()
            for scope in scopes:
                try:
                    await self._app(scope, _receive, send)
                except HTTPException as error:  # of the router alone
                    statuses.append(error.status_code)
            spent = _clock() - begun
        except Exception:
            # Middleware may raise: the lifespan of the application was not run.
            return float("inf")
        finally:
            gc.enable()
        route = _fastapi.original_route(asked.route)
        expected = 404 if asked.route is None else 200
        there = [] if asked.route is None else [route] * _REQUESTS
        return spent / _REQUESTS if (self._reached, statuses) == (there, [expected] * _REQUESTS) else float("inf")


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def _known(pair: tuple[float, float]) -> tuple[float, float] | None:
    return pair if max(pair) < float("inf") else None
