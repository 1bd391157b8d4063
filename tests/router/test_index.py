"""RouteIndex: a superset of the routes that match, in registration order, and as few others as can be."""

import copy
import itertools
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastapi.routing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES, Convertor, IntegerConvertor
from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, RouteIndex
from fastroute.indexing import index
from fastroute.matching import table_py

pytestmark = pytest.mark.twins

TABLES = Path(__file__).parents[2] / "bench" / "tables"


async def endpoint(connection: Any) -> None: ...


async def websocket_endpoint(websocket: Any) -> None: ...


async def nothing(websocket: WebSocket) -> None: ...


async def closing_endpoint(websocket: WebSocket, room: int) -> None:
    await websocket.close(4000 + room)


def routes_of(*paths: str) -> list[Route]:
    return [Route(path, endpoint) for path in paths]


def candidates(paths: list[str], route_path: str) -> list[str]:
    return [route.path for route in RouteIndex(routes_of(*paths)).candidates(route_path)]  # type: ignore[attr-defined]


def real_table(name: str) -> list[str]:
    lines = (TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


SEGMENTS = ["", "a", "b", "ab", "é", "{%s}", "{%s:int}", "{%s:path}", "{%s:float}", "a{%s}", "{%s}.b", "{%s:uuid}", "{"]
TEMPLATES = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=5).map(
    lambda segments: "".join("/" + segment.replace("%s", f"p{number}") for number, segment in enumerate(segments))
)
PATHS = st.lists(
    st.sampled_from(["", "a", "b", "ab", "é", "1", "1.5", "x.b", "{", "a\n", "\n", "漢", "\ud800", "😀"]), max_size=6
).map(lambda segments: "".join("/" + segment for segment in segments))


@pytest.mark.slow
@given(st.lists(TEMPLATES, max_size=12), PATHS | st.text("/ab1\n", max_size=6))
def test_candidates_are_a_superset_in_registration_order(templates: list[str], path: str) -> None:
    routes = routes_of(*templates)
    found = RouteIndex(routes).candidates(path)
    positions = [next(position for position, route in enumerate(routes) if route is one) for one in found]
    assert positions == sorted(positions)
    scope = {"type": "http", "path": path, "method": "GET"}
    missed = [
        route for route in routes if route.matches(scope)[0] is not Match.NONE and id(route) not in map(id, found)
    ]
    assert not missed


@pytest.mark.slow
@given(st.lists(TEMPLATES, max_size=12), PATHS | st.text("/ab1\n", max_size=6))
def test_the_twins_have_the_same_candidates(templates: list[str], path: str) -> None:
    compiled = pytest.importorskip("fastroute.matching.table_c", reason="the compiled kernel is not built")
    rows = [index._row(route) for route in routes_of(*templates)]
    one, other = (kernel.RouteTable(rows, Match.NONE, Match.PARTIAL, Match.FULL) for kernel in (compiled, table_py))
    assert one.candidates(path) == other.candidates(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/me", ["/users/{id}", "/users/me", "/{rest:path}"]),
        ("/users/7", ["/users/{id}", "/{rest:path}"]),
        ("/users/", ["/{rest:path}"]),
        ("/users", ["/users", "/{rest:path}"]),
        ("/users\n", ["/users", "/{rest:path}"]),
        ("/users\n\n", ["/{rest:path}"]),
        ("/users/me\n", ["/users/{id}", "/users/me", "/{rest:path}"]),
        ("/users/7/posts", ["/users/{id}/posts", "/{rest:path}"]),
        ("/nowhere", ["/{rest:path}"]),
        ("/", ["/{rest:path}"]),
        ("", []),
        ("users", []),
        ("x/users", []),
        ("x/users/me", []),
    ],
)
def test_only_routes_that_can_match_are_candidates(path: str, expected: list[str]) -> None:
    paths = ["/users/{id}", "/users/me", "/users", "/users/{id}/posts", "/{rest:path}"]
    assert candidates(paths, path) == expected


def test_a_newline_after_a_slash_matches_the_empty_segment() -> None:
    assert candidates(["/a/"], "/a/\n") == ["/a/"]
    assert candidates(["/"], "/\n") == ["/"]


@pytest.mark.parametrize("name", ["github", "kubernetes"])
def test_a_miss_in_a_real_table_asks_nobody(name: str) -> None:
    paths = real_table(name)
    found = RouteIndex(routes_of(*paths))
    assert found.candidates("/nowhere/at/all") == []
    assert found.candidates("/") in ([], ["/"])


@pytest.mark.parametrize("name", ["github", "kubernetes"])
def test_a_hit_in_a_real_table_asks_few(name: str) -> None:
    paths = real_table(name)
    found = RouteIndex(routes_of(*paths))
    sizes = [len(found.candidates(re.sub(r"\{[^}]*\}", "value", path))) for path in paths]
    assert min(sizes) == 1
    assert sum(sizes) / len(sizes) < 2


@pytest.mark.parametrize("kind", ["route", "websocket", "ours"])
@pytest.mark.parametrize("template", ["/a", "/{x}", "/{x:int}/b", "/a{x}"])
def test_a_table_answers_in_place_of_a_route(kind: str, template: str) -> None:
    """Asked or not, the answers are the same: so this looks at the row."""
    row = index._row(MADE[kind](template))
    assert row.segments is not None
    assert row.shortcut is not None
    assert (row.shortcut.match is None) == (template in ("/a", "/{x}"))


def test_mount_is_a_candidate_below_its_path_only() -> None:
    mounts = [Mount("/api", routes=[]), Mount("/api/{version:int}", routes=[]), Mount("", routes=[])]
    found = RouteIndex(mounts)
    assert found.candidates("/api") == [mounts[2]]
    assert found.candidates("/api/") == [mounts[0], mounts[2]]
    assert found.candidates("/api/1/x") == mounts
    assert found.candidates("/other") == [mounts[2]]
    assert found.candidates("") == []


class Own(BaseRoute):
    path = "/own"

    def matches(self, scope: Any) -> Any:
        return Match.NONE, {}


class Overriding(Route):
    def matches(self, scope: Any) -> Any:
        return Match.NONE, {}


class Inheriting(WebSocketRoute):
    pass


class OwnAPI(APIWebSocketRoute):
    pass


def edited_regex() -> BaseRoute:
    route = Route("/edited", endpoint)
    route.path_regex = re.compile("^/other$")
    return route


def flagged_regex() -> BaseRoute:
    route = Route("/edited", endpoint)
    route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    return route


def edited_path() -> BaseRoute:
    route = Route("/edited", endpoint)
    route.path = "/other"
    return route


def regex_without_a_slash() -> BaseRoute:
    route = Route("/edited", endpoint)
    route.path, route.path_regex = "edited", re.compile("^edited$")
    return route


def patched_matches() -> BaseRoute:
    route = Route("/edited", endpoint)
    route.matches = Own().matches  # type: ignore[method-assign]
    return route


def unfinished() -> BaseRoute:
    return Route.__new__(Route)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Own(), id="own class"),
        pytest.param(lambda: Host("example.org", endpoint), id="host"),  # type: ignore[arg-type]
        pytest.param(lambda: Overriding("/edited", endpoint), id="overridden matches"),
        pytest.param(lambda: Inheriting("/edited", websocket_endpoint), id="subclass"),
        pytest.param(lambda: OwnAPI("/edited", websocket_endpoint), id="subclass of ours"),
        edited_regex,
        flagged_regex,
        edited_path,
        regex_without_a_slash,
        patched_matches,
        unfinished,
    ],
)
def test_an_uncertain_route_is_a_candidate_for_every_path(make: Any) -> None:
    first, odd, last = Route("/x", endpoint), make(), Route("/x", endpoint)
    found = RouteIndex([first, odd, last])
    assert [id(route) for route in found.candidates("/x")] == [id(first), id(odd), id(last)]
    assert [id(route) for route in found.candidates("anything")] == [id(odd)]
    assert not index.is_indexed(odd)
    if make is not unfinished:
        scope = {"type": "http", "path": "/anything", "method": "GET", "headers": []}
        assert index.build_table([odd]).find(scope, "/anything") is None


def test_patching_a_class_makes_its_routes_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route("/x", endpoint)
    monkeypatch.setattr(Route, "matches", lambda self, scope: (Match.NONE, {}))
    assert RouteIndex([route]).candidates("/y") == [route]


class Everything(Convertor[str]):
    def __init__(self, regex: str) -> None:
        self.regex = regex  # type: ignore[misc]

    def convert(self, value: str) -> str:
        return value


@pytest.mark.parametrize("regex", [".*", "[a-z/]+", "x|y/z", "(?:a/)?b", "(?=.)[^q]*"])
def test_a_convertor_of_ones_own_may_cross_slashes(regex: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "own", Everything(regex))
    route = Route("/a/{p:own}/z", endpoint)
    found = RouteIndex([route])
    assert found.candidates("/a/b/c/z") == [route]
    assert found.candidates("/b/c/z") == []


def test_a_regex_that_breaks_out_of_its_group_is_always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "own", Everything("a)|(b"))
    route = Route("/x/{p:own}", endpoint)
    assert route.path_regex.match("b")
    assert RouteIndex([route]).candidates("b") == [route]


def test_a_convertor_that_took_over_a_name_counts_by_its_regex(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Route("/{p:int}", endpoint)
    monkeypatch.setitem(CONVERTOR_TYPES, "int", Everything("[0-9/]+"))
    after = Route("/{p:int}", endpoint)
    found = RouteIndex([before, after])
    assert found.candidates("/1/2") == [after]
    assert found.candidates("/1") == [before, after]


def test_a_patched_regex_of_a_convertor_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Route("/{p:int}", endpoint)
    monkeypatch.setattr(IntegerConvertor, "regex", "-?[0-9/]+")
    after = Route("/{p:int}", endpoint)
    found = RouteIndex([before, after])
    assert found.candidates("/-1/2") == [before, after]


def test_thousands_of_segments_and_of_routes() -> None:
    deep = "/" + "/".join(f"{{p{place}}}" for place in range(50)) + "/a" * 3000
    routes = routes_of(deep, *(f"/r{number}/{{id}}" for number in range(1_000)))
    found = RouteIndex(routes)
    assert found.candidates("/x" * 50 + "/a" * 3000) == [routes[0]]
    assert found.candidates("/a" * 100_000) == []
    assert found.candidates("/" * 100_000) == []
    assert found.candidates("/r999/x") == [routes[-1]]


def test_every_way_through_literals_and_parameters_is_kept() -> None:
    """2**6 templates, all of which match one path: more than a lookup keeps without asking for memory."""
    templates = []
    for bits in range(64):
        pieces = [f"{{p{place}}}" if bits >> place & 1 else "a" for place in range(6)]
        templates.append("/" + "/".join(pieces))
    assert candidates(templates, "/a/a/a/a/a/a") == templates
    assert candidates(templates, "/b/b/b/b/b/b") == templates[-1:]
    assert len(candidates(templates, "/a/b/a/b/a/b")) == 8


def test_literals_outside_of_latin_1() -> None:
    paths = ["/é", "/漢", "/😀", "/a", "/a漢/{p}"]
    for path in paths[:4]:
        assert candidates(paths, path) == [path]
    assert candidates(paths, "/a漢/é") == ["/a漢/{p}"]
    assert candidates(paths, "/\ud83d\ude00") == []


def test_a_path_of_a_subclass_of_str() -> None:
    class Text(str):
        pass

    table = index.build_table(routes := routes_of("/a/{p}"))
    scope = {"type": "http", "path": Text("/a/b"), "method": "GET"}
    found = table.find(scope, scope["path"])
    assert found == (routes[0], routes[0].matches(scope)[1])
    assert table.candidates(Text("/a/b")) == routes


def test_find_does_not_change_the_scope_nor_keep_what_it_gives() -> None:
    table = index.build_table(routes_of("/a/{p}"))
    scope = {"type": "http", "path": "/a/b", "method": "GET", "path_params": {"q": 1}}
    before = {**scope, "path_params": {"q": 1}}
    _, first = table.find(scope, "/a/b")  # type: ignore[misc]
    first["path_params"]["leak"] = True  # type: ignore[index]
    assert scope == before
    assert table.find(scope, "/a/b")[1]["path_params"] == {"q": 1, "p": "b"}  # type: ignore[index]


def test_table_is_not_fooled_by_a_stale_convertor_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTOR_TYPES, "gone", Everything("[a-z]+"))
    route = Route("/{p:gone}", endpoint)
    monkeypatch.delitem(CONVERTOR_TYPES, "gone")
    table = index.build_table([route])
    scope = {"type": "http", "path": "/abc", "method": "GET"}
    assert table.find(scope, "/abc") == (route, route.matches(scope)[1])


def test_a_convertor_registered_anew_with_the_same_regex_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shouting(IntegerConvertor):
        def convert(self, value: str) -> Any:
            return value + "!"

    route = Route("/{p:int}", endpoint)
    monkeypatch.setitem(CONVERTOR_TYPES, "int", Shouting())
    table = index.build_table([route, Route("/x/{p:int}", endpoint)])
    scope = {"type": "http", "path": "/7", "method": "GET"}
    assert table.find(scope, "/7")[1]["path_params"] == {"p": 7}  # type: ignore[index]
    assert table.find(scope | {"path": "/x/7"}, "/x/7")[1]["path_params"] == {"p": "7!"}  # type: ignore[index]


def test_kernels_are_not_pickled_with_their_memory() -> None:
    compiled = pytest.importorskip("fastroute.matching.table_c", reason="the compiled kernel is not built")
    with pytest.raises(TypeError):
        compiled.RouteTable([], None, None, None).__reduce__()


def test_the_installed_starlette_answers_as_the_kernels_do() -> None:
    """Else routes are asked by `matches`, which is right as well, but slow."""
    assert index.ANSWERS_ALIKE
    assert sys.int_info.str_digits_check_threshold > 0


def test_segments_of_the_same_hash_are_told_apart() -> None:
    """The compiled kernel finds a segment by a hash of its own, which these two share."""
    one, other = "/xmrgqmylADAaMAad/x", "/wsnfnsih9-2m..h./x"
    assert candidates([one], other) == []
    assert candidates([one, other], other) == [other]
    assert candidates([one, other], one) == [one]


@pytest.mark.parametrize("size", [1, 6, 7, 8, 9, 15, 16, 17, 40])
def test_segments_that_differ_in_one_place(size: int) -> None:
    """The compiled kernel reads eight bytes at a time, of the UTF-8 of a path, with or without others behind them."""
    segments = ["a" * size, "a" * size + "\0", *("a" * at + "b" + "a" * (size - at - 1) for at in range(size))]
    segments += [segment.replace("b", other) for segment in segments[2:] for other in ("\0", "é", "漢", "\ud800")]
    templates = [f"/{segment}{end}" for segment in segments for end in ("", "/", "/{p}", "/a", "/a/{p}/aaaaaaaa")]
    index = RouteIndex(routes := routes_of(*templates))
    for segment in segments:
        for end in ("", "/", "/x", "/a", "\n", "/a\n", "/a/é漢/aaaaaaaa", "/aa", "/a/x/aaaaaaa/", "//"):
            path = f"/{segment}{end}"
            found = [route for route in routes if route.path_regex.match(path)]
            assert index.candidates(path) == found
            for route in found[:1]:
                scope = {"type": "http", "path": path, "method": "GET"}
                assert index._table.find(scope, path) == (route, route.matches(scope)[1])


@pytest.mark.parametrize(("path", "written"), [("/a", {"path": "/b"}), ("/a/b", {"root_path": "/a"})])
def test_after_a_route_that_writes_another_path_the_later_ones_are_asked_about_that(
    path: str, written: dict[str, str]
) -> None:
    class Rewriting(BaseRoute):
        def matches(self, scope: Any) -> tuple[Match, Any]:
            scope.update(written)
            return Match.NONE, {}

    post, put, get = (Route("/b", endpoint, methods=[method]) for method in ("POST", "PUT", "GET"))
    for routes, expected in (([post, put], post), ([post, get], get), ([Route(path, endpoint)], None)):
        scope = {"type": "http", "path": path, "method": "GET"}
        found = index.build_table([Rewriting(), *routes]).find(scope, path)
        assert (found and found[0]) is expected


def test_more_candidates_than_fit_on_the_stack() -> None:
    templates = [f"/{{p{number}:int}}" for number in range(1_000)]
    assert candidates(templates, "/7") == templates


class Page(HTTPEndpoint):
    """Starlette makes a closure of a function, which no route can be pickled with; a class stays as it is."""


COPIES: dict[str, Any] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda index: pickle.loads(pickle.dumps(index)),
}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_an_index_can_be_copied(make_copy: Any) -> None:
    original = RouteIndex(
        [
            Route("/rooms/{room:int}", Page),
            Host("example.org", Router()),
            APIWebSocketRoute("/rooms/{room}", websocket_endpoint),
            Mount("/rooms", routes=[Route("/x", Page)]),
        ]
    )
    copied = make_copy(original)
    assert type(copied) is RouteIndex
    for path in ("/rooms/7", "/rooms/x/y", "/rooms", "/nowhere"):
        found, expected = copied.candidates(path), original.candidates(path)
        assert [*map(type, found)] == [*map(type, expected)]
        assert [getattr(route, "path", None) for route in found] == [getattr(route, "path", None) for route in expected]
    same = [
        one is other for one, other in zip(copied.candidates("/rooms/7"), original.candidates("/rooms/7"), strict=True)
    ]
    assert same == [make_copy is copy.copy] * 4


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_an_index_of_a_route_that_has_answered_can_be_copied(make_copy: Any) -> None:
    route = APIWebSocketRoute("/rooms/{room}", closing_endpoint)
    expected = connect(route, websocket_scope("/rooms/7"))
    [copied] = make_copy(RouteIndex([route])).candidates("/rooms/7")
    assert connect(copied, websocket_scope("/rooms/7")) == expected


MADE: dict[str, Any] = {
    "route": lambda path: Route(path, endpoint, methods=["GET"]),
    "api": lambda path: fastapi.routing.APIRoute(path, endpoint, methods=["GET"]),
    "websocket": lambda path: WebSocketRoute(path, websocket_endpoint),
    "ours": lambda path: APIWebSocketRoute(path, nothing),
}


@pytest.mark.parametrize("template", ["/a", "/{x}", "/{x}/b", "/{x:int}/b", "/a{x}"])
@pytest.mark.parametrize("kind", MADE)
def test_a_table_answers_all_that_the_route_answers(template: str, kind: str) -> None:
    route = MADE[kind](template)
    table = index.build_table([route])
    for path, method in itertools.product(["/a", "/1", "/1/b", "/ab", "/a/b"], ["GET", "HEAD", "POST"]):
        for params in ({}, {"path_params": {"x": "outer", "y": 1}}):
            scope = {"type": "http" if kind in ("route", "api") else "websocket", "path": path, "method": method}
            scope.update(params)
            match, child_scope = route.matches(dict(scope))
            found = table.find(scope, path)
            assert found == (None if match is Match.NONE else (route, child_scope))
            assert found is None or list(found[1]) == list(child_scope)


#: Somebody has put functions around Starlette's before fastroute is imported; a wrapper may look like the function.
PATCHED_FIRST = """
from starlette.routing import Mount, Route

class Wrapper:
    def __init__(self, wrapped):
        self.__wrapped__ = wrapped
    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)
    def __get__(self, instance, cls):
        return self if instance is None else lambda scope: self.lowered(instance, scope)
    def lowered(self, instance, scope):
        return self.__wrapped__(instance, {**scope, "path": scope["path"].lower()})

mount_matches = Mount.matches
Route.matches = Wrapper(Route.matches)
Mount.matches = lambda self, scope: mount_matches(self, {**scope, "path": scope["path"].lower()})

from fastroute import RouteIndex

routes = [Route("/page", print), Mount("/mounted", print)]
for path in "/PAGE", "/MOUNTED/x":
    assert RouteIndex(routes).candidates(path) == routes, path
"""


def test_a_matches_that_was_patched_before_the_import_is_asked_for_every_path() -> None:
    subprocess.run([sys.executable, "-P", "-c", PATCHED_FIRST], check=True)
