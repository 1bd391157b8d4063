"""Which route answers: asks the routes of an application in its own order, and keeps the answer of each."""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import Match

from .. import _fastapi
from .._starlette import get_route_path, other_slash
from .entries import Entry, entries, redirects

__all__ = ["Attempt", "Outcome", "ask", "in_order", "scope_of", "trace"]

Scope = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One route that was asked.

    Attributes:
        entry: the route.
        inside: the mounts and hosts around it, outermost first.
        scope: the scope it was asked about.
        match: its answer; None if it raised.
        child_scope: the items that it would add to the scope.
        error: the exception it raised.
    """

    entry: Entry
    inside: tuple[Entry, ...]
    scope: Scope
    match: Match | None
    child_scope: Scope
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of an application to a scope.

    Attributes:
        attempts: every route that was asked, in order; a mount or host that matched is followed by those below it,
            and so is an included router whose class has a `matches` of its own.
        decisive: the attempt that decides, None if nothing matches. Its match is PARTIAL if only the method is
            wrong, and None if the route raised.
        redirect: for a miss, the path that Starlette redirects to.
    """

    attempts: list[Attempt]
    decisive: Attempt | None
    redirect: str | None = None


def scope_of(type: str, method: str, path: str, host: str) -> Scope:
    """The scope of a connection, as far as routes look at it.

    Args:
        type: "http" or "websocket".
        method: of an HTTP request; a WebSocket has none.
        path: decoded.
        host: the Host header.
    """
    scope = {"type": type, "path": path, "root_path": "", "headers": [(b"host", host.encode("latin-1", "replace"))]}
    return {**scope, "method": method} if type == "http" else scope


def trace(app: Any, scope: Scope) -> Outcome:
    """Ask the routes of an application about a scope of type http or websocket, which is not changed."""
    return _trace(entries(app), redirects(app), scope, ())


def _trace(tree: Sequence[Entry], redirects: bool, scope: Scope, inside: tuple[Entry, ...]) -> Outcome:
    attempts: list[Attempt] = []
    chosen: Attempt | None = None
    for entry in in_order(tree):
        attempt = ask(entry, scope, inside)
        attempts.append(attempt)
        if attempt.match in (None, Match.FULL):
            chosen = attempt
            break
        if attempt.match is Match.PARTIAL and chosen is None:
            chosen = attempt
    # A mount without routes of its own has an application; an included router without routes has nothing that answers.
    if chosen is not None and (chosen.match is None or not (chosen.entry.children or chosen.entry.kind == "included")):
        return Outcome(attempts, chosen)
    if chosen is not None:
        entry, child_scope = chosen.entry, {**scope, **chosen.child_scope}
        below = _trace(entry.children, entry.redirects, child_scope, entry.around_children(inside))
        return Outcome(attempts + below.attempts, below.decisive, below.redirect)
    redirect = _redirect(tree, scope) if redirects else None
    if redirect is not None:
        return Outcome(attempts, None, redirect)
    frontends = [ask(entry, scope, inside) for entry in tree if entry.kind == "frontend"]
    return Outcome(attempts + frontends, _most_specific(frontends))


def in_order(tree: Sequence[Entry]) -> Iterator[Entry]:
    """The routes in the order in which they are asked, those of an included router in its place.

    If the class of that has a `matches` of its own, it is asked itself. Without frontends: they are asked last, and
    the most specific one answers, whatever their order.
    """
    for entry in tree:
        if entry.kind == "included" and _fastapi.asks_its_routes(entry.route):
            yield from in_order(entry.children)
        elif entry.kind != "frontend":
            yield entry


def _most_specific(frontends: Sequence[Attempt]) -> Attempt | None:
    for match in (None, Match.FULL, Match.PARTIAL):
        found = [attempt for attempt in frontends if attempt.match is match]
        if found:
            return max(found, key=lambda attempt: _fastapi.frontend_specificity(attempt.child_scope))
    return None


def ask(entry: Entry, scope: Scope, inside: tuple[Entry, ...] = ()) -> Attempt:
    """The answer of one route. It gets a copy of the scope, because a route may write there."""
    try:
        match, child_scope = _fastapi.matches(entry.route, scope)
    except Exception as error:
        return Attempt(entry, inside, scope, None, {}, error)
    return Attempt(entry, inside, scope, match, child_scope)


def _redirect(tree: Sequence[Entry], scope: Scope) -> str | None:
    there = other_slash(scope, get_route_path(scope)) if scope["type"] == "http" else None
    if there is None or all(ask(entry, there).match in (Match.NONE, None) for entry in in_order(tree)):
        return None
    path: str = there["path"]
    return path
