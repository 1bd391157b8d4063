"""`python -m fastroute check`: routes that nothing can reach, and WebSockets that nobody guards.

A route is only called unreachable where that is proven: all that it matches is decided, by the languages of the
templates, to be taken by an earlier route, and the application itself gives an example path to that route. What cannot
be decided (custom convertors, route classes with a `matches` of their own) is passed over in silence.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from starlette.convertors import IntegerConvertor
from starlette.routing import Host, Match, Mount, Route, WebSocketRoute

from ..matching.template import parts
from ..routing import APIWebSocketRoute
from ._entries import Entry, entries, facts, title, walk
from ._language import ANY, Language, Undecided, escapee, example, language
from ._loading import add_application
from ._trace import connection, trace

__all__ = ["Shadowed", "add_arguments", "run", "shadowed", "unguarded"]


class Demand(NamedTuple):
    """What a route can be asked for; no method stands for every method."""

    type: Literal["http", "websocket"]
    method: str | None = None


@dataclass(frozen=True)
class Shadowed:
    """A route that an earlier one hides.

    Attributes:
        entry: the route that is hidden.
        inside: the mounts and hosts that it is below.
        by: the earlier routes that take all it would answer: one, or one for each method.
        path: an example, which the whole application gives to the first of them.
        demand: the type and method of the example.
        odd_paths: it can still be reached by a path with a line break or without a leading slash, but by no other.
    """

    entry: Entry
    inside: tuple[Entry, ...]
    by: list[Entry]
    path: str
    demand: Demand
    odd_paths: bool


def shadowed(app: Any) -> list[Shadowed]:
    """The routes of an application that are proven to be unreachable, in order."""
    return list(_shadowed(app, entries(app), ()))


def unguarded(app: Any) -> list[tuple[Entry, tuple[Entry, ...]]]:
    """The WebSocket routes without any dependency, where the application has others with one; each with its mounts.

    What is behind middleware of its own, or of its mount, is left out: that may be what guards it.
    """
    routes = list(_websockets(entries(app), ()))
    without = [(entry, inside) for entry, inside in routes if not _has_dependencies(entry)]
    return without if len(without) < len(routes) else []


# --- unreachable routes ------------------------------------------------------------------------------------------


class _Claim:
    """What a route takes for certain."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.regex: re.Pattern[str] | None = getattr(entry.route, "path_regex", None)

    @cached_property
    def demands(self) -> list[Demand]:
        if self.entry.kind == "http":
            methods = self.entry.methods
            return [Demand("http", method) for method in methods] if methods else [Demand("http")]
        if self.entry.kind == "websocket":
            return [Demand("websocket")]
        return [Demand("http"), Demand("websocket")]

    def answers(self, demand: Demand) -> bool:
        return demand in self.demands or Demand(demand.type) in self.demands

    @property
    def template(self) -> str:
        return self.entry.path + "/{path:path}" if self.entry.kind == "mount" else self.entry.path

    @cached_property
    def paths(self) -> Language | None:
        if self.entry.kind == "host":
            return ANY
        route = self.entry.route
        return None if self.regex is None else language(self.template, route.param_convertors, self.regex)

    @cached_property
    def hosts(self) -> Language | None:
        """Of a Host; its letters may be compared with or without their case, so there must be no difference."""
        route, host = self.entry.route, self.entry.path
        if not host.isascii() or host != host.lower() or ":" in host:
            return None
        return language(host, route.param_convertors, route.host_regex)

    def example(self, filling: str) -> str:
        if self.entry.kind == "host":
            return "/"
        return example(self.template, self.entry.route.param_convertors, filling)

    def takes(self, later: "_Claim", *, ordinary: bool) -> bool:
        """Whether it takes every path, of every host, that the later one does."""
        if self.entry.kind == "host" and (later.entry.kind != "host" or not self._takes_hosts(later)):
            return False
        if self.paths is None or later.paths is None or not self._digits_agree(later):
            return False
        try:
            return escapee(later.paths, self.paths, ordinary=ordinary) is None
        except Undecided:
            return False

    def _takes_hosts(self, later: "_Claim") -> bool:
        if self.entry.path == later.entry.path and self.entry.route.host_regex == later.entry.route.host_regex:
            return True
        if self.hosts is None or later.hosts is None:
            return False
        try:
            return escapee(later.hosts, self.hosts) is None
        except Undecided:
            return False

    def _digits_agree(self, later: "_Claim") -> bool:
        """Whether what our own route refuses, an int of more digits than Python converts, gets no further.

        It does not where each int is a segment of its own in both templates: the later route refuses it as well.
        Starlette's own routes raise there, so nothing gets further in any case.
        """
        if not isinstance(self.entry.route, APIWebSocketRoute):
            return True
        own, others = self._segments(), later._segments()
        if not any(type(convertor) is IntegerConvertor for segment in own for _, convertor in segment):
            return True
        shortest_limit = sys.int_info.str_digits_check_threshold
        return all(len(segment) < 2 for segment in own + others) and all(
            len(text) <= shortest_limit for segment in others for text, convertor in segment if convertor is None
        )

    def _segments(self) -> list[list[tuple[str, Any]]]:
        segments: list[list[tuple[str, Any]]] = [[]]
        convertors = getattr(self.entry.route, "param_convertors", {})
        for text, convertor, _ in parts(self.template):
            if convertor is not None:
                segments[-1].append((text, convertors[text]))
                continue
            first, *rest = text.split("/")
            segments[-1] += [(first, None)] if first else []
            segments += [[(literal, None)] if literal else [] for literal in rest]
        return segments


def _shadowed(app: Any, tree: Sequence[Entry], inside: tuple[Entry, ...]) -> Iterator[Shadowed]:
    earlier: list[_Claim] = []
    for entry in _in_order(tree):
        claim = _Claim(entry)
        found = _covers(claim, earlier)
        if found is not None:
            covers, odd_paths = found
            yield from _confirmed(app, claim, covers, inside, odd_paths)
        earlier.append(claim)
        if entry.kind in ("mount", "host") and found is None:
            yield from _shadowed(app, entry.children, (*inside, entry))


def _in_order(tree: Sequence[Entry]) -> Iterator[Entry]:
    """The routes whose matching is known, included routers resolved."""
    for entry in tree:
        if entry.kind == "included":
            if _function(entry.route.original_router, "matches") in _known_matches():
                yield from _in_order(entry.children)
        elif entry.kind in ("http", "websocket", "mount", "host") and _is_known(entry.route):
            yield entry


def _is_known(route: Any) -> bool:
    if hasattr(route, "original_route"):
        # FastAPI asks the route itself, not its stand-in.
        return _function(route.original_route, "matches") in _known_matches()
    return _function(route, "matches") in _known_matches()


def _function(thing: Any, name: str) -> Any:
    return getattr(getattr(thing, name, None), "__func__", None)


def _known_matches() -> set[Any]:
    fastapi = sys.modules.get("fastapi.routing")
    theirs = [getattr(fastapi, name, None) for name in ("APIRoute", "APIWebSocketRoute", "APIRouter")]
    own = (Route, WebSocketRoute, Mount, Host, APIWebSocketRoute)
    return {getattr(kind, "matches", None) for kind in (*own, *theirs)} - {None}


def _covers(claim: _Claim, earlier: Sequence[_Claim]) -> tuple[list[tuple[Demand, Entry]], bool] | None:
    """For all that a route answers the earlier route that takes it; and whether that leaves odd paths out."""
    if claim.paths is None:
        return None
    path = claim.example("x")
    # Most routes do not even take an example; only the others are worth a proof.
    candidates = [other for other in earlier if _may_take(other, claim, path)]
    for odd_paths in (False, True):
        covers = []
        for demand in claim.demands:
            cover = next(
                (other for other in candidates if other.answers(demand) and other.takes(claim, ordinary=odd_paths)),
                None,
            )
            if cover is None:
                break
            covers.append((demand, cover.entry))
        else:
            return covers, odd_paths
    return None


def _may_take(other: _Claim, claim: _Claim, path: str) -> bool:
    if other.regex is not None and other.regex.match(path) is None:
        return False
    return any(other.answers(demand) for demand in claim.demands)


def _confirmed(
    app: Any, claim: _Claim, covers: list[tuple[Demand, Entry]], inside: tuple[Entry, ...], odd_paths: bool
) -> Iterator[Shadowed]:
    """The finding with an example for which the application does as it says; none without one."""
    demand, by = covers[0]
    for filling in ("x", "1", "other"):
        mounts = [_Claim(entry).example(filling).removesuffix("/x/y") for entry in inside if entry.kind == "mount"]
        path = "".join(mounts) + claim.example(filling)
        hosts = [entry for entry in (*inside, claim.entry) if entry.kind == "host"]
        host = example(hosts[-1].path, hosts[-1].route.param_convertors, filling) if hosts else "example.org"
        outcome = trace(app, connection(demand.type, demand.method or "GET", path, host))
        asked = {id(step.entry.route) for step in outcome.steps if step.match is Match.FULL}
        if id(by.route) in asked and id(claim.entry.route) not in asked:
            distinct = list({id(entry): entry for _, entry in covers}.values())
            yield Shadowed(claim.entry, inside, distinct, path, demand, odd_paths)
            return


# --- WebSockets without dependencies -----------------------------------------------------------------------------


def _websockets(tree: Sequence[Entry], inside: tuple[Entry, ...]) -> Iterator[tuple[Entry, tuple[Entry, ...]]]:
    for entry in tree:
        if entry.wrapped:
            continue
        if entry.kind == "websocket":
            yield entry, inside
        # The paths of an included router are complete.
        yield from _websockets(entry.children, inside if entry.kind == "included" else (*inside, entry))


def _has_dependencies(entry: Entry) -> bool:
    return bool(getattr(getattr(entry.route, "dependant", None), "dependencies", ()))


# --- the command -------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON, for tools")
    parser.epilog = """\
exit code: 0 where nothing was found, 1 where something was, 2 where the application could not be loaded

examples:
  python -m fastroute check main:app
  python -m fastroute check shop.main:app --json"""


def run(arguments: argparse.Namespace) -> int:
    hidden, open_ = shadowed(arguments.app), unguarded(arguments.app)
    if arguments.json:
        print(json.dumps(_report(hidden, open_), indent=2))
    else:
        _print(arguments.app, hidden, open_)
    return 1 if hidden or open_ else 0


def _print(app: Any, hidden: list[Shadowed], open_: list[tuple[Entry, tuple[Entry, ...]]]) -> None:
    for finding in hidden:
        print(f"{title(finding.entry, finding.inside)}\n{_why(finding)}\n")
    for entry, inside in open_:
        print(
            f"{title(entry, inside)}\n"
            "  has no dependency, where other WebSocket routes of the application have one.\n"
            "  If anybody may connect, say so with a dependency: dependencies=[Depends(anybody)]\n"
        )
    count = sum(entry.kind not in ("included", "frontend") for entry in walk(entries(app)))
    found = len(hidden) + len(open_)
    print(f"{count} route{'' if count == 1 else 's'}, {found or 'no'} problem{'' if found == 1 else 's'} found")


def _why(finding: Shadowed) -> str:
    by = "\n    and ".join(title(entry, finding.inside) for entry in finding.by)
    verbs = ("takes", "stands") if len(finding.by) == 1 else ("take", "stand")
    reached = (
        "is reached by no path but one with a line break (%0A) in it:" if finding.odd_paths else "is never reached:"
    )
    asked = "WebSocket" if finding.demand.type == "websocket" else finding.demand.method or "GET"
    takes = f"{verbs[0]} all that it would answer and {verbs[1]} before it"
    return f"  {reached}\n    {by}\n  {takes}; an example is {asked} {finding.path}"


def _report(hidden: list[Shadowed], open_: list[tuple[Entry, tuple[Entry, ...]]]) -> dict[str, Any]:
    return {
        "unreachable": [
            {
                "route": facts(finding.entry, finding.inside),
                "by": [facts(entry, finding.inside) for entry in finding.by],
                "example": {"type": finding.demand.type, "method": finding.demand.method, "path": finding.path},
                "except_paths_with_line_breaks": finding.odd_paths,
            }
            for finding in hidden
        ],
        "without_dependency": [facts(entry, inside) for entry, inside in open_],
    }
