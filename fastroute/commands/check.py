"""`python -m fastroute check`: routes that nothing can reach, WebSockets that nobody guards, and mistaken declarations.

A route is called unreachable only if that is proven: the languages of the templates show that an earlier route takes
everything it matches, and the application itself gives an example path to that earlier route. Nothing is said if this
cannot be decided (custom convertors, route classes with a `matches` of their own).
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from starlette.convertors import IntegerConvertor
from starlette.routing import Host, Match, Mount, Route, WebSocketRoute

from .. import _fastapi
from ..matching.template import parts
from ..routing import APIWebSocketRoute
from ..tracing.entries import Entry, entries, one_line, record, walk
from ..tracing.trace import scope_of, trace
from ._language import ANY, Language, Undecided, escapee, example, language
from ._loading import add_application
from ._mistakes import Mistake, mistakes
from ._terminal import print_lines

__all__ = ["Shadowed", "add_arguments", "run", "shadowed", "unguarded"]

_MOST_ROUTES = 3
_WRAPPED = textwrap.TextWrapper(
    80, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
)


class Demand(NamedTuple):
    """A type of connection and a method; None stands for every method."""

    type: Literal["http", "websocket"]
    method: str | None = None


@dataclass(frozen=True)
class Shadowed:
    """A route that an earlier one hides.

    Attributes:
        entry: the route that is hidden.
        inside: the mounts and hosts around it.
        by: the earlier routes that take everything it would answer: one, or one for each method.
        path: an example, which the whole application gives to the first of them.
        demand: the type and method of the example.
        odd_paths: only unusual paths still reach it: ones with a line break or without a leading slash.
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
    """The WebSocket routes without any dependency, if other ones of the application have one; each with its mounts.

    A route with middleware of its own, or of its mount, is left out, because that may guard it.
    """
    routes = list(_websockets(entries(app), ()))
    without = [(entry, inside) for entry, inside in routes if not _has_dependencies(entry)]
    return without if len(without) < len(routes) else []


# --- unreachable routes ------------------------------------------------------------------------------------------


class _Claim:
    """The connections that a route takes for certain."""

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

    @cached_property
    def paths(self) -> Language | None:
        if self.entry.kind == "host":
            return ANY
        route = self.entry.route
        return None if self.regex is None else language(self.entry.template, route.param_convertors, self.regex)

    @cached_property
    def hosts(self) -> Language | None:
        """The hosts of a `Host`. It may compare letters with or without their case: None if that makes a difference."""
        route, host = self.entry.route, self.entry.path
        if not host.isascii() or host != host.lower() or ":" in host:
            return None
        return language(host, route.param_convertors, route.host_regex)

    def example(self, filling: str) -> str:
        if self.entry.kind == "host":
            return "/"
        return example(self.entry.template, self.entry.route.param_convertors, filling)

    def takes(self, later: "_Claim", *, ordinary: bool) -> bool:
        """Whether it takes every path, of every host, that the later claim takes."""
        if self.entry.kind == "host" and (later.entry.kind != "host" or not self._takes_hosts(later)):
            return False
        if self.paths is None or later.paths is None or not self._no_long_int_slips_through(later):
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

    def _no_long_int_slips_through(self, later: "_Claim") -> bool:
        """Our routes skip an int that is too long for Python; Starlette's raise. Could such a path reach `later`?

        It cannot if every parameter is a whole segment in both templates: then `later` refuses the same int. And it
        cannot through a literal of `later` that is shorter than any such int.
        """
        if not isinstance(self.entry.route, APIWebSocketRoute):
            return True
        earlier_segments, later_segments = self._segments(), later._segments()
        if not any(type(convertor) is IntegerConvertor for segment in earlier_segments for _, convertor in segment):
            return True
        every_parameter_is_a_segment = all(len(segment) < 2 for segment in earlier_segments + later_segments)
        literals = [word for segment in later_segments for word, convertor in segment if convertor is None]
        longest_safe = sys.int_info.str_digits_check_threshold
        return every_parameter_is_a_segment and all(len(literal) <= longest_safe for literal in literals)

    def _segments(self) -> list[list[tuple[str, Any]]]:
        """The parts of the template between its slashes: each a text and None, or a name and its convertor."""
        segments: list[list[tuple[str, Any]]] = [[]]
        convertors = getattr(self.entry.route, "param_convertors", {})
        for word, convertor, _ in parts(self.entry.template):
            if convertor is not None:
                segments[-1].append((word, convertors[word]))
                continue
            first, *rest = word.split("/")
            segments[-1] += [(first, None)] if first else []
            segments += [[(literal, None)] if literal else [] for literal in rest]
        return segments


def _shadowed(app: Any, tree: Sequence[Entry], inside: tuple[Entry, ...]) -> Iterator[Shadowed]:
    earlier: list[_Claim] = []
    for entry in _decidable(tree):
        claim = _Claim(entry)
        found = _covers(claim, earlier)
        if found is not None:
            covers, odd_paths = found
            yield from _confirmed(app, claim, covers, inside, odd_paths)
        earlier.append(claim)
        if entry.kind in ("mount", "host") and found is None:
            yield from _shadowed(app, entry.children, entry.around_children(inside))


def _decidable(tree: Sequence[Entry]) -> Iterator[Entry]:
    """The routes with a standard `matches`, in the order in which they are asked; included routers resolved."""
    for entry in tree:
        if entry.kind == "included":
            if _has_standard_matches(entry.route):
                yield from _decidable(entry.children)
        elif entry.kind in ("http", "websocket", "mount", "host") and _has_standard_matches(entry.route):
            yield entry


def _has_standard_matches(route: Any) -> bool:
    function = getattr(_fastapi.asked_object(route).matches, "__func__", None)
    classes = (Route, WebSocketRoute, Mount, Host, APIWebSocketRoute, *_fastapi.route_classes())
    return any(function is getattr(cls, "matches", None) for cls in classes)


def _covers(claim: _Claim, earlier: Sequence[_Claim]) -> tuple[list[tuple[Demand, Entry]], bool] | None:
    """For each demand that a route answers the earlier route that takes it; and whether that leaves odd paths out."""
    if claim.paths is None:
        return None
    path = claim.example("x")
    # Most routes do not even take an example, so only few need a proof.
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
    """The finding, if an example shows that the application does as the finding says."""
    demand, by = covers[0]
    for filling in ("x", "1", "other"):
        mounts = [_Claim(entry).example(filling).removesuffix("/x/y") for entry in inside if entry.kind == "mount"]
        path = "".join(mounts) + claim.example(filling)
        hosts = [entry for entry in (*inside, claim.entry) if entry.kind == "host"]
        host = example(hosts[-1].path, hosts[-1].route.param_convertors, filling) if hosts else "example.org"
        outcome = trace(app, scope_of(demand.type, demand.method or "GET", path, host))
        asked = {id(attempt.entry.route) for attempt in outcome.attempts if attempt.match is Match.FULL}
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
        yield from _websockets(entry.children, entry.around_children(inside))


def _has_dependencies(entry: Entry) -> bool:
    return bool(getattr(entry.dependant, "dependencies", ()))


# --- the command -------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_application(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON, for tools")
    parser.epilog = """\
exit code: 0 if nothing was found, 1 if something was or there is no route,
2 if the application could not be loaded

examples:
  python -m fastroute check main:app
  python -m fastroute check shop.main:app --json"""


def run(arguments: argparse.Namespace) -> int:
    count = sum(entry.kind not in ("included", "frontend") for entry in walk(entries(arguments.app)))
    wrong = mistakes(arguments.app)
    named = {id(mistake.entry.route) for mistake in wrong if mistake.kind == "missing_dependencies"}
    open_ = [(entry, inside) for entry, inside in unguarded(arguments.app) if id(entry.route) not in named]
    found = _Findings(shadowed(arguments.app), open_, _grouped(wrong), count)
    if arguments.json:
        print(json.dumps(_report(found), indent=2))
    else:
        print_lines(_lines(found))
    return 0 if found.routes and not found.problems else 1


class _Findings(NamedTuple):
    """The problems of an application, and its number of routes. Mistakes with the same text are one problem."""

    hidden: list[Shadowed]
    open: list[tuple[Entry, tuple[Entry, ...]]]
    mistakes: list[list[Mistake]]
    routes: int

    @property
    def problems(self) -> int:
        return len(self.hidden) + len(self.open) + len(self.mistakes)


def _grouped(mistakes: Sequence[Mistake]) -> list[list[Mistake]]:
    """The mistakes by their text: a dependency or an included router may bring the same one to many routes."""
    groups: dict[str, list[Mistake]] = {}
    for mistake in mistakes:
        groups.setdefault(mistake.text, []).append(mistake)
    return list(groups.values())


def _lines(found: _Findings) -> Iterator[str]:
    for finding in found.hidden:
        yield f"{one_line(finding.entry, finding.inside)}\n{_why(finding)}\n"
    for entry, inside in found.open:
        yield (
            f"{one_line(entry, inside)}\n"
            "  has no dependency, while other WebSocket routes of the application have one.\n"
            "  If anybody may connect, say so with a dependency: dependencies=[Depends(anybody)]\n"
        )
    for group in found.mistakes:
        yield from (one_line(mistake.entry, mistake.inside) for mistake in group[:_MOST_ROUTES])
        if len(group) > _MOST_ROUTES:
            yield f"and {len(group) - _MOST_ROUTES} more"
        yield _WRAPPED.fill(group[0].text) + "\n"
    if not found.routes:
        yield "no routes: there is nothing to check. Is this the application, with all its routers included?"
    else:
        ending = "" if found.problems == 1 else "s"
        yield f"{found.routes} route{'' if found.routes == 1 else 's'}, {found.problems or 'no'} problem{ending} found"


def _why(finding: Shadowed) -> str:
    by = "\n    and ".join(one_line(entry, finding.inside) for entry in finding.by)
    verbs = ("takes", "stands") if len(finding.by) == 1 else ("take", "stand")
    reached = "is reached only by a path with a line break (%0A) in it:" if finding.odd_paths else "is never reached:"
    asked = "WebSocket" if finding.demand.type == "websocket" else finding.demand.method or "GET"
    takes = f"{verbs[0]} everything it would answer and {verbs[1]} before it"
    return f"  {reached}\n    {by}\n  {takes}; an example is {asked} {finding.path}"


def _report(found: _Findings) -> dict[str, Any]:
    return {
        "routes": found.routes,
        "unreachable": [
            {
                "route": record(finding.entry, finding.inside),
                "by": [record(entry, finding.inside) for entry in finding.by],
                "example": {"type": finding.demand.type, "method": finding.demand.method, "path": finding.path},
                "except_paths_with_line_breaks": finding.odd_paths,
            }
            for finding in found.hidden
        ],
        "without_dependency": [record(entry, inside) for entry, inside in found.open],
        "mistakes": [
            {
                "kind": group[0].kind,
                "routes": [record(mistake.entry, mistake.inside) for mistake in group],
                "text": group[0].text,
            }
            for group in found.mistakes
        ],
    }
