"""Which route answers: asks the routes of an application in the order in which it does, and keeps what each said."""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import Match

from .._starlette import get_route_path
from ._entries import Entry, entries, redirects

__all__ = ["Outcome", "Step", "ask", "connection", "in_order", "trace"]

Scope = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One route that was asked.

    Attributes:
        entry: the route.
        inside: the mounts and hosts that it is below, from the outside.
        scope: what it was asked about.
        match: its answer; None where it raised.
        child_scope: what it would add to the scope.
        error: what it raised.
    """

    entry: Entry
    inside: tuple[Entry, ...]
    scope: Scope
    match: Match | None
    child_scope: Scope
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an application does with a scope.

    Attributes:
        steps: all that were asked, in order; a mount or host that matched is followed by what is below it.
        answer: the step that decides; its match is PARTIAL where only the method is wrong, and None where it raised.
            Without one nothing matches.
        redirect: for a miss, the path that Starlette redirects to.
    """

    steps: list[Step]
    answer: Step | None
    redirect: str | None = None


def connection(type: str, method: str, path: str, host: str) -> Scope:
    """The scope of a connection, as far as routes look at it; `path` is decoded."""
    scope = {"type": type, "path": path, "root_path": "", "headers": [(b"host", host.encode("latin-1", "replace"))]}
    return {**scope, "method": method} if type == "http" else scope


def trace(app: Any, scope: Scope) -> Outcome:
    """Ask the routes of an application about a scope of type http or websocket, which is not changed."""
    return _trace(entries(app), redirects(app), scope, ())


def _trace(tree: Sequence[Entry], redirects: bool, scope: Scope, inside: tuple[Entry, ...]) -> Outcome:
    steps: list[Step] = []
    partial: Step | None = None
    for entry in in_order(tree):
        step = ask(entry, scope, inside)
        steps.append(step)
        if step.match is None:
            return Outcome(steps, step)
        if step.match is Match.FULL:
            if not entry.children:
                return Outcome(steps, step)
            below = _trace(entry.children, entry.redirects, {**scope, **step.child_scope}, (*inside, entry))
            return Outcome(steps + below.steps, below.answer, below.redirect)
        if step.match is Match.PARTIAL and partial is None:
            partial = step
    if partial is not None:
        return Outcome(steps, partial)
    return Outcome(steps, None, _redirect(tree, scope) if redirects else None)


def in_order(tree: Sequence[Entry]) -> Iterator[Entry]:
    """As they are asked: an included router is no more than its routes."""
    for entry in tree:
        if entry.kind == "included":
            yield from in_order(entry.children)
        else:
            yield entry


def ask(entry: Entry, scope: Scope, inside: tuple[Entry, ...] = ()) -> Step:
    """The answer of one route. It gets a copy of the scope, as nothing keeps it from writing there."""
    try:
        match, child_scope = _matches(entry, scope)
    except Exception as error:
        return Step(entry, inside, scope, None, {}, error)
    return Step(entry, inside, scope, match, child_scope)


def _matches(entry: Entry, scope: Scope) -> tuple[Match, Scope]:
    original = getattr(entry.route, "original_route", None)
    if original is not None and entry.kind == "http" and hasattr(original, "get_route_handler"):
        # FastAPI asks its own route, which looks up in the scope where it is included.
        scope = {**scope, "fastapi": {**scope.get("fastapi", {}), "effective_route_context": entry.route}}
        answer: tuple[Match, Scope] = original.matches(scope)
    else:
        answer = entry.route.matches(dict(scope))
    return answer


def _redirect(tree: Sequence[Entry], scope: Scope) -> str | None:
    path = get_route_path(scope)
    if scope["type"] != "http" or path == "/":
        return None
    other = scope["path"].rstrip("/") if path.endswith("/") else scope["path"] + "/"
    there = {**scope, "path": other}
    found = any(ask(entry, there).match not in (Match.NONE, None) for entry in in_order(tree))
    return other if found else None
