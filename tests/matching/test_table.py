"""RouteTable by itself: which route is asked, and how a table answers in place of one."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from fastroute.matching import implementation as selector
from fastroute.matching import table_py
from fastroute.matching.rows import Row, Shortcut, Unchanged

pytestmark = pytest.mark.twins

REGEX = re.compile("")
CONVERTORS: dict[str, Any] = {}
LONGEST = 10


class Asked:
    """A route that says so if it is asked."""

    def __init__(self) -> None:
        self.endpoint = object()
        self.path_regex = REGEX
        self.param_convertors = CONVERTORS
        self.methods = {"POST"}

    def matches(self, scope: Any) -> Any:
        return "full", {"asked": True}


class Subclass(Asked):
    """Another class with the same function."""


def table_of(*rows: Row) -> Any:
    return selector.RouteTable(rows, "none", "partial", "full")


def row_of(route: Asked, regex: re.Pattern[str] | None = REGEX) -> Row:
    """The row of a route with the template `/r/{x}`, which its table answers for."""
    unchanged = Unchanged(Asked, Asked.matches, regex, regex and CONVERTORS, longest_path=LONGEST)
    shortcut = Shortcut(
        unchanged, match=None, text_segments=((2, "x"),), endpoint="endpoint", checks_method=False, adds_route=False
    )
    return Row(route, ("r", None), shortcut)


def answer(table: Any, path: str) -> Any:
    found = table.find({"path": path}, path)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("checks_method", [False, True])
def test_a_route_that_is_as_its_shortcut_says_is_not_asked(method: str, checks_method: bool) -> None:
    row, other = row_of(Asked()), row_of(Asked())
    assert row.shortcut is not None
    row.shortcut.checks_method = checks_method
    route, child_scope = table_of(row, other).find({"path": "/r/7", "method": method}, "/r/7")
    assert route is (other if checks_method and method == "GET" else row).route
    assert child_scope == {"endpoint": route.endpoint, "path_params": {"x": "7"}}
    found = table_of(row).find({"path": "/r/7", "method": method}, "/r/7")
    assert found == (row.route, {"endpoint": row.route.endpoint, "path_params": {"x": "7"}})


CHANGES: dict[str, Callable[[Asked], Any]] = {
    "of another class": lambda route: setattr(route, "__class__", Subclass),
    "with its own function": lambda route: setattr(route, "matches", lambda scope: ("full", {"asked": True})),
    "with another regex": lambda route: setattr(route, "path_regex", re.compile("[a]")),
    "without a regex": lambda route: delattr(route, "path_regex"),
    "with other convertors": lambda route: setattr(route, "param_convertors", {}),
    "without convertors": lambda route: delattr(route, "param_convertors"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_route_is_asked(change: Callable[[Asked], Any]) -> None:
    table = table_of(row_of(route := Asked()))
    change(route)
    assert answer(table, "/r/7") == {"asked": True}


def test_routes_of_a_class_with_another_function_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(row_of(Asked()))
    monkeypatch.setattr(Asked, "matches", lambda self, scope: ("full", {"asked": True}))
    assert answer(table, "/r/7") == {"asked": True}


@pytest.mark.parametrize("size", [LONGEST, LONGEST + 1])
def test_a_route_is_asked_about_longer_paths_than_its_shortcut_is_for(size: int) -> None:
    assert ("asked" in answer(table_of(row_of(Asked())), "/r/".ljust(size, "x"))) == (size > LONGEST)


def test_a_regex_that_cannot_be_assigned_is_not_compared() -> None:
    table = table_of(row_of(route := Asked(), regex=None))
    del route.path_regex, route.param_convertors
    assert answer(table, "/r/7")["path_params"] == {"x": "7"}


class Answering:
    """A route with one answer."""

    def __init__(self, match: str) -> None:
        self.match = match

    def matches(self, scope: Any) -> Any:
        return self.match, {}


def test_the_first_full_match_counts_else_the_first_partial_one() -> None:
    none, partial, other, full = routes = [Answering(match) for match in ("none", "partial", "partial", "full")]
    scope = {"path": "/"}

    def found(*routes: Answering, **options: bool) -> Any:
        chosen = table_of(*map(Row, routes)).find(scope, "/", **options)
        return chosen and chosen[0]

    assert found(*routes) is full
    assert found(none, partial, other) is partial
    assert found(none) is None
    assert found(*routes, any_match=True) is partial
    assert found(none, full, partial, any_match=True) is full


class Rewriting:
    """A route that writes another path."""

    def __init__(self, match: str) -> None:
        self.match = match
        self.asked: list[str] = []

    def matches(self, scope: Any) -> Any:
        self.asked.append(scope["path"])
        scope["path"] += "/rewritten"
        return self.match, {}


def test_each_route_is_asked_once_if_one_writes_another_path() -> None:
    rewriting = [Rewriting("none"), Rewriting("none"), Rewriting("partial"), Rewriting("partial"), Rewriting("full")]
    table = table_of(*map(Row, rewriting))

    def chosen(**options: bool) -> tuple[Any, list[str]]:
        for route in rewriting:
            route.asked.clear()
        route, _ = table.find({"path": "/"}, "/", **options)
        return route, [path for route in rewriting for path in route.asked]

    asked = ["/" + "/rewritten" * number for number in range(5)]
    assert chosen() == (rewriting[4], asked)
    assert chosen(any_match=True) == (rewriting[2], asked[:3])
    table = table_of(*map(Row, rewriting[:4]))
    assert chosen() == (rewriting[2], asked[:4])


@pytest.mark.parametrize("first", ["asked", "no match", "another method"])
def test_a_route_of_another_path_is_not_asked(first: str) -> None:
    row = row_of(Asked())
    assert row.shortcut is not None
    match first:
        case "asked":
            row = Row(Answering("partial"), row.segments)
        case "no match":
            row.shortcut.match = {}.get
        case _:
            row.shortcut.checks_method = True
    table = table_of(row, Row(Answering("full"), ("other",)))
    found = table.find({"path": "/r/7", "method": "GET"}, "/r/7")
    assert (found and found[0]) is (None if first == "no match" else row.route)


def test_a_usual_lookup_keeps_every_possible_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many nodes that it would take too long are visited in turn: shown for the pure twin."""
    monkeypatch.delattr(table_py.RouteTable, "_in_turn")
    rows = [Row(n, [None if n >> place & 1 else "a" for place in range(5)]) for n in range(1 << 5)]
    table = table_py.RouteTable([*rows, Row("below", ("a", ...))], "none", "partial", "full")
    assert table.candidates("/a" * 5) == [*range(1 << 5), "below"]
    assert table.candidates("/a/a\n") == ["below"]
    assert table.candidates("/x/a/x/a/x") == [0b10101, 0b10111, 0b11101, 0b11111]
    assert table.candidates("/x") == []
