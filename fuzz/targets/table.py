"""Tables of routes that change, asked meanwhile: both twins against a scan of Starlette's routes in their order.

Each line is a step: a letter of `ROUTES`, a place and a template put a route there; `-` and a place remove one; any
other line is a path that every edition is asked about, that of before the last change too.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Host, Match, Mount, Route, WebSocketRoute

from fastroute import APIWebSocketRoute
from fastroute.indexing.index import _row, serves
from fastroute.matching.rows import Row
from targets import lines, text, twins

WORDS = ["\r\n", "A/", "W/", "G/", "P0/", "M/", "M", "O/", "H{h}.org", "-0", "{a}", "{b:path}", "{c:int}", "/a", "\n"]
WORDS += ["/{d}/a", "/{e:float}", "/{a}-{b}", "//", "1.5", "a.org"]


class Own(Route):
    """A class that an index knows nothing about."""


def _page(request: Any) -> Any: ...


async def _socket(websocket: Any) -> None: ...


ROUTES: dict[str, Callable[[str], BaseRoute]] = {
    "A": lambda template: APIWebSocketRoute(template, _socket),
    "W": lambda template: WebSocketRoute(template, _socket),
    "G": lambda template: Route(template, _page, methods=["GET"]),
    "P": lambda template: Route(template, _page, methods=["POST"]),
    "O": lambda template: Own(template, _page),
    "M": lambda template: Mount(template, routes=[]),
    "H": lambda template: Host(template, _page),
}
STEP = re.compile(r"([AWGPOMH-])(\d{0,3})(.*)", re.DOTALL)
TABLES = [twin.RouteTable for twin in twins("table")]
ROUTE_PATHS = [twin.route_path for twin in twins("scope")]
HEADERS = [(b"host", b"a.org")]
SCOPES: dict[str, list[dict[str, Any]]] = {
    "websocket": [{}],
    "http": [{"method": "GET", "root_path": "/a", "path_params": {"outer": 1}}, {"method": "POST"}],
}


class Edition(NamedTuple):
    """The routes that can serve one type of scope, as rows, and the tables that must find them."""

    type: str
    rows: list[Row]
    tables: list[Any]

    def changed(self, before: list[Row], removed: list[Row], added: list[Row]) -> "Edition":
        """The edition with other rows behind those of `before`."""
        start = sum(serves(row.route, self.type) for row in before)
        stop = start + sum(serves(row.route, self.type) for row in removed)
        added = [row for row in added if serves(row.route, self.type)]
        tables = [table.replaced(start, stop, added) for table in self.tables]
        return Edition(self.type, [*self.rows[:start], *added, *self.rows[stop:]], tables)

    def rebuilt(self) -> "Edition":
        return Edition(self.type, self.rows, _tables(self.rows))

    def check(self, text: str) -> None:
        routes = [row.route for row in self.rows]
        for scope in SCOPES[self.type]:
            asked = {**scope, "type": self.type, "headers": HEADERS, "path": scope.get("root_path", "") + text}
            path = get_route_path(asked)
            assert [twin(asked) for twin in ROUTE_PATHS] == [path] * len(ROUTE_PATHS), asked["path"]
            for any_match in (False, True):
                expected = _scan(routes, asked, any_match)
                for table in self.tables:
                    found = table.find(asked, path, any_match=any_match)
                    assert _same(found, expected), f"{type(table)}: {path!r} gives {found}, a scan {expected}"
            self._check_candidates(routes, path, asked)

    def _check_candidates(self, routes: list[BaseRoute], path: str, scope: dict[str, Any]) -> None:
        first, *others = ([id(route) for route in table.candidates(path)] for table in self.tables)
        assert all(other == first for other in others), f"{path!r}: the twins have other candidates"
        places = {id(route): place for place, route in enumerate(routes)}
        order = [places[route] for route in first]
        assert order == sorted(set(order)), f"{path!r}: {order}"
        found = set(first)
        lost = [route for route in routes if id(route) not in found and route.matches(scope)[0] is not Match.NONE]
        assert not lost, f"{path!r}: {lost} match, and are no candidates"


def _tables(rows: list[Row]) -> list[Any]:
    return [table(rows, Match.NONE, Match.PARTIAL, Match.FULL) for table in TABLES]


def _scan(routes: list[BaseRoute], scope: dict[str, Any], any_match: bool) -> Any:
    """The choice of `starlette.routing.Router.app`."""
    partial = None
    for route in routes:
        match, child_scope = route.matches(scope)
        if match is Match.FULL or (any_match and match is Match.PARTIAL):
            return route, child_scope
        if match is Match.PARTIAL and partial is None:
            partial = route, child_scope
    return partial


def _same(found: Any, expected: Any) -> bool:
    if found is None or expected is None:
        return found is expected
    return found[0] is expected[0] and found[1] == expected[1]


def check(data: bytes) -> None:
    rows: list[Row] = []
    before = now = [Edition(kind, [], _tables([])) for kind in SCOPES]
    for line in map(text, lines(data)):
        step = STEP.fullmatch(line)
        if step is None:
            for edition in (*before, *now, *(edition.rebuilt() for edition in now)):
                edition.check(line)
            continue
        letter, number, template = step.groups()
        start = int(number) if number else len(rows)
        stop = start + (letter == "-")
        try:
            added = [] if letter == "-" else [_row(ROUTES[letter](template))]
        except (AssertionError, ValueError):
            continue
        before, now = now, [edition.changed(rows[:start], rows[start:stop], added) for edition in now]
        rows[start:stop] = added
