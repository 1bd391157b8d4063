"""`check`: what it calls unreachable is, and it is silent about everything else."""

import json
import re
import sys
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import assume, event, given
from hypothesis import strategies as st
from route_tables import any_tables, anybody, page, paths_of, socket, socket_route
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends, strategies
from fastroute import __main__ as command_line
from fastroute.commands._mistakes import mistakes
from fastroute.commands.check import shadowed, unguarded
from fastroute.tracing.trace import scope_of, trace

TABLES = Path(__file__).parents[2] / "bench" / "tables"


def hidden(routes: Sequence[BaseRoute]) -> list[tuple[str, list[str], str]]:
    return [
        (finding.entry.path, [by.path for by in finding.by], finding.path)
        for finding in shadowed(Starlette(routes=routes))
    ]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([Route("/{a}", page), Route("/me", page)], [("/me", ["/{a}"], "/me")]),
        ([Route("/me", page), Route("/{a}", page)], []),
        ([Route("/{a}", page), Route("/{a}", page)], [("/{a}", ["/{a}"], "/x")]),
        ([Route("/{a}", page), WebSocketRoute("/me", socket)], []),
        ([WebSocketRoute("/{a}", socket), socket_route("/{b:int}")], [("/{b:int}", ["/{a}"], "/1")]),
        ([socket_route("/{b:int}"), WebSocketRoute("/{a}", socket)], []),
        ([Mount("/a", Router()), Route("/a/b", page)], [("/a/b", ["/a"], "/a/b")]),
        ([Mount("/a", Router()), Route("/a", page)], []),
        ([Mount("/a", Router()), Mount("/a/b", Router())], [("/a/b", ["/a"], "/a/b/x/y")]),
        ([Route("/{p:path}", page, methods=None), Mount("/a", Router())], []),
        (
            [Route("/{p:path}", Router()), WebSocketRoute("/{p:path}", socket), Mount("/a", Router())],
            [("/a", ["/{p:path}", "/{p:path}"], "/a/x/y")],
        ),
        ([Host("a.org", Router()), Route("/x", page)], []),
        ([Host("{a}.org", Router()), Host("www.org", Router())], [("www.org", ["{a}.org"], "/")]),
        ([Host("www.org", Router()), Host("{a}.org", Router())], []),
        ([Host("WWW.org", Router()), Host("WWW.org", Router())], [("WWW.org", ["WWW.org"], "/")]),
        ([Host("{a}.org", Router()), Host("WWW.org", Router())], []),
        (
            [Mount("/m", routes=[Route("/{a}", page), Route("/b", page)])],
            [("/b", ["/{a}"], "/m/b")],
        ),
        (
            [Host("{a}.org", Router([Route("/{a}", page), Route("/b", page)]))],
            [("/b", ["/{a}"], "/b")],
        ),
    ],
)
def test_one_table(routes: list[BaseRoute], expected: list[tuple[str, list[str], str]]) -> None:
    assert hidden(routes) == expected


def test_methods() -> None:
    get, post = Route("/{a}", page), Route("/{b}", page, methods=["POST"])
    assert hidden([get, Route("/x", page, methods=["POST"])]) == []
    assert hidden([get, Route("/x", page, methods=["GET", "POST"])]) == []
    assert hidden([get, post, Route("/x", page, methods=["GET", "POST"])]) == [("/x", ["/{a}", "/{b}"], "/x")]
    assert hidden([get, post, Route("/x", Router())]) == []
    assert hidden([Route("/{a}", Router()), post]) == [("/{b}", ["/{a}"], "/x")]


def test_only_odd_paths_are_left() -> None:
    """`{p:path}` stops at a newline and `{a}` does not, so a mount at the root does not take quite everything."""
    (finding,) = shadowed(Starlette(routes=[Mount("/", Router()), Route("/{a}", page)]))
    assert finding.odd_paths
    assert not shadowed(Starlette(routes=[Mount("/", Router()), Route("/a", page)]))[0].odd_paths


def test_an_example_that_something_else_takes_is_not_given() -> None:
    first = Route("/m/x", page)
    mount = Mount("/m", routes=[Route("/{a}", page), Route("/{b}", page)])
    assert hidden([first, mount]) == [("/{b}", ["/{a}"], "/m/1")]


@pytest.mark.slow
def test_what_would_take_too_long_to_tell_is_not_claimed() -> None:
    one, other = "{a:path}a{b:uuid}b{c:uuid}", "{d:path}a{e:uuid}b{f:uuid}"
    assert hidden([Route(f"/{one}", page), Route(f"/{other}", page)]) == []
    # Every host that the second takes is taken by the first; it may be any number of parameters ahead.
    one, other = ("".join(f"{{p{number}}}{text}" for number in range(40)) for text in ("ab", "aab"))
    assert hidden([Host(one, Router()), Host(other, Router())]) == []


def test_custom_convertors_and_classes_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    class Even(Convertor[int]):
        regex = "[02468]"

    class Picky(Route):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return Match.NONE, {}

    monkeypatch.setitem(CONVERTOR_TYPES, "even", Even())
    even = Route("/{a:even}", page)
    picky = Picky("/{a}", page)
    assert hidden([Route("/{a}", page), even]) == []
    assert hidden([even, Route("/2", page)]) == []
    assert hidden([picky, Route("/x", page)]) == []
    assert hidden([Route("/{a}", page), Picky("/x", page)]) == []
    changed = Route("/{a}", page)
    changed.path_regex = re.compile("^/y$")
    assert hidden([changed, Route("/x", page)]) == []
    patched = Route("/{a}", page)
    patched.matches = picky.matches  # type: ignore[method-assign]
    assert hidden([patched, Route("/x", page)]) == []


@pytest.mark.twins
def test_digits_that_python_does_not_convert() -> None:
    """Our own route does not match them, so that a later one may."""
    assert hidden([socket_route("/{a:int}"), WebSocketRoute("/{b:int}{c:int}", socket)]) == []
    assert hidden([WebSocketRoute("/{a:int}", socket), WebSocketRoute("/{b:int}{c:int}", socket)]) != []
    assert hidden([socket_route("/{a:int}"), WebSocketRoute("/" + "1" * 5000, socket)]) == []
    assert hidden([socket_route("/x/{a:int}"), WebSocketRoute("/x/{b:int}", socket)]) != []
    assert hidden([socket_route("/x/{a:int}"), WebSocketRoute("/x/12", socket)]) != []


def test_included_routers_of_fastapi() -> None:
    app, router = FastAPI(), APIRouter()
    router.add_api_route("/{name}", page)
    router.add_api_route("/me", page)
    app.include_router(router, prefix="/users")
    app.add_api_route("/users/you", page)
    app.add_api_route("/users/you", page, methods=["DELETE"])
    assert [(finding.entry.path, finding.by[0].path) for finding in shadowed(app)] == [
        ("/users/me", "/users/{name}"),
        ("/users/you", "/users/{name}"),
    ]


@pytest.mark.slow
@pytest.mark.twins
@given(any_tables(), st.data())
def test_what_is_called_unreachable_is(routes: list[BaseRoute], data: st.DataObject) -> None:
    app = Starlette(routes=routes)
    findings = shadowed(app)
    event(f"{len(findings)} findings")
    assume(findings)
    finding = data.draw(st.sampled_from(findings))
    route = finding.entry.route

    example = scope_of(finding.demand.type, finding.demand.method or "GET", finding.path, _host(finding))
    attempts = trace(app, example).attempts
    assert any(attempt.entry.route is finding.by[0].route and attempt.match is Match.FULL for attempt in attempts)
    assert not any(attempt.entry.route is route for attempt in attempts)

    outside = "".join(data.draw(paths_of(mount.route, below="")) for mount in finding.inside if mount.kind == "mount")
    template = finding.entry.path if finding.entry.kind != "host" else "/{p:path}"
    path = outside + data.draw(st.one_of(paths_of(route, below="/b"), strategies.paths(template)))
    assume(not finding.odd_paths or ("\n" not in path and path.startswith("/")))
    for demand in [("http", "GET"), ("http", "POST"), ("http", "PUT"), ("websocket", "")]:
        for host in ("a.org", "b", "x.y", _host(finding)):
            attempts = trace(app, scope_of(*demand, path, host)).attempts
            assert not any(attempt.entry.route is route and attempt.match is Match.FULL for attempt in attempts)


def _host(finding: Any) -> str:
    hosts = [entry.path for entry in (*finding.inside, finding.entry) if entry.kind == "host"]
    return hosts[-1].replace("{h}", "x") if hosts else "example.org"


@pytest.mark.slow
@pytest.mark.twins
@given(strategies.route_tables(4), st.data())
def test_what_is_called_unreachable_in_any_table_is(routes: list[BaseRoute], data: st.DataObject) -> None:
    # The same route once more, somewhere: in most tables it is one that is told.
    routes.insert(data.draw(st.integers(0, len(routes))), copy(data.draw(st.sampled_from(routes))))
    app = Starlette(routes=routes)
    findings = [finding for finding in shadowed(app) if not finding.inside]
    assume(findings)
    finding = data.draw(st.sampled_from(findings))
    path = data.draw(strategies.paths(finding.entry.path))
    assume(not finding.odd_paths or ("\n" not in path and path.startswith("/")))
    for demand in [("http", "GET"), ("http", "POST"), ("websocket", "")]:
        attempts = trace(app, scope_of(*demand, path, "a.org")).attempts
        assert not any(
            attempt.entry.route is finding.entry.route and attempt.match is Match.FULL for attempt in attempts
        )


@pytest.mark.parametrize("app", ["shop", "site", "api", "frontend"])
def test_silent_on_usual_applications(app: str, tmp_path: Path) -> None:
    """What documentation shows: fixed paths before parameters, routers with prefixes, catch-alls at the end."""
    built = USUAL[app](tmp_path)
    assert shadowed(built) == []
    assert unguarded(built) == []
    assert mistakes(built) == []


def _shop(folder: Path) -> Starlette:
    users = [Route("/", page), Route("/me", page), Route("/{username}", page, methods=["GET", "PATCH"])]
    return Starlette(
        routes=[
            Route("/", page),
            Route("/users", page),
            Route("/users", page, methods=["POST"]),
            Mount("/users", routes=users, name="users"),
            Route("/orders/latest", page),
            Route("/orders/{order:uuid}", page),
            Route("/orders/{number:int}", page),
            Route("/orders/{slug}", page, methods=["GET", "DELETE"]),
            Route("/orders/{slug}", page, methods=["PUT"]),
            WebSocketRoute("/orders/{number:int}", socket),
            Mount("/static", StaticFiles(directory=folder)),
            Mount("/{tenant}/admin", Starlette(routes=[Route("/{rest:path}", page)])),
        ]
    )


def _site(folder: Path) -> Starlette:
    www = Router([Route("/", page), Route("/{page}", page)])
    api = Router([Route("/", page), Route("/{page}", page), WebSocketRoute("/{page}", socket)])
    return Starlette(
        routes=[
            Host("api.example.org", api),
            Host("{subdomain}.example.org", www),
            Route("/{page}", page),
            Mount("/", StaticFiles(directory=folder, html=True)),
        ]
    )


def _api(folder: Path) -> FastAPI:
    app, items, users = FastAPI(), APIRouter(prefix="/items"), APIRouter()
    for router in (items, users):
        router.add_api_route("/", page)
        router.add_api_route("/", page, methods=["POST"])
        router.add_api_route("/me", page)
        router.add_api_route("/{name}", page)
        router.add_api_route("/{name}", page, methods=["PUT"])
        router.add_api_route("/{name}/{file:path}", page)
    items.add_api_websocket_route("/{name}/ws", socket)
    app.include_router(items)
    app.include_router(users, prefix="/users")
    app.include_router(users, prefix="/v2/users")
    app.mount("/sub", FastAPI())
    app.mount("/static", StaticFiles(directory=folder))
    return app


def _frontend(folder: Path) -> FastAPI:
    app = _api(folder)
    app.add_api_websocket_route("/ws", socket)
    app.add_api_route("/{rest:path}", page)
    (folder / "index.html").write_text("")
    app.frontend("/", directory=str(folder))
    return app


USUAL = {"shop": _shop, "site": _site, "api": _api, "frontend": _frontend}


@pytest.mark.slow
@pytest.mark.parametrize("table", ["github", "kubernetes"])
def test_silent_on_real_tables(table: str) -> None:
    paths = [line for line in (TABLES / f"{table}.txt").read_text().splitlines() if line.startswith("/")]
    assert len(paths) > 100
    routes = [Route(path, page) for path in paths] + [socket_route(path) for path in paths]
    app = Starlette(routes=routes)
    assert shadowed(app) == []
    assert unguarded(app) == []
    assert mistakes(app) == []


@pytest.mark.slow
def test_found_in_a_real_table() -> None:
    paths = [line for line in (TABLES / "github.txt").read_text().splitlines() if line.startswith("/")]
    routes = [Route(path, page) for path in paths]
    routes.insert(0, Route("/repos/{a}/{b}/{c:path}", page))
    found = {finding.entry.path for finding in shadowed(Starlette(routes=routes))}
    # From the second parameter on, `{c:path}` stops at a newline and `{x}` does not: these are left to odd paths.
    assert found == {path for path in paths if re.match("/repos/[^/]+/[^/]+/", path)}


# --- WebSockets without dependencies -----------------------------------------------------------------------------


def names(app: Any) -> list[str]:
    return [entry.path for entry, _ in unguarded(app)]


def test_a_socket_without_dependencies_among_others() -> None:
    guarded, open_, plain = socket_route("/a"), APIWebSocketRoute("/b", socket), WebSocketRoute("/c", socket)
    assert names(Starlette(routes=[guarded, open_, plain])) == ["/b", "/c"]
    assert names(Starlette(routes=[open_, plain])) == []
    assert names(Starlette(routes=[guarded])) == []
    assert names(Starlette(routes=[guarded, Mount("/m", routes=[open_])])) == ["/b"]


def test_a_dependency_of_the_endpoint_counts() -> None:
    async def endpoint(websocket: WebSocket, user: Annotated[None, Depends(anybody)]) -> None: ...

    assert names(Starlette(routes=[socket_route("/a"), APIWebSocketRoute("/b", endpoint)])) == []


def test_what_may_be_guarded_by_middleware_is_left_out() -> None:
    guarded, gzip = socket_route("/a"), [Middleware(GZipMiddleware)]
    plain = WebSocketRoute("/b", socket)
    for guard in (
        WebSocketRoute("/b", socket, middleware=gzip),
        Mount("/m", routes=[plain], middleware=gzip),
        Mount("/m", Starlette(routes=[plain], middleware=gzip)),
        Mount("/m", Router([plain], middleware=gzip)),
        Mount("/m", GZipMiddleware(Starlette(routes=[plain]))),
        Host("b.org", GZipMiddleware(Router([plain]))),
    ):
        assert names(Starlette(routes=[guarded, guard])) == []


def test_dependencies_of_fastapi_routers_count() -> None:
    import fastapi

    app, router = FastAPI(), APIRouter(dependencies=[fastapi.Depends(anybody)])
    router.add_api_websocket_route("/a", socket)
    app.include_router(router)
    app.add_api_websocket_route("/b", socket)
    assert names(app) == ["/b"]


# --- the command -------------------------------------------------------------------------------------------------

EXAMPLE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends

async def page(request): ...
async def socket(websocket: WebSocket): ...
def anybody(): ...

app = Starlette(routes=[
    Route("/{a}", page),
    Route("/{b}", page, methods=["POST"]),
    Route("/c", page, methods=["GET", "POST"]),
    Mount("/", routes=[APIWebSocketRoute("/guarded", socket, dependencies=[Depends(anybody)])]),
    Route("/x/{late}", page),
    APIWebSocketRoute("/open", socket),
])
clean = Starlette(routes=[Route("/", page)])
empty = Starlette()

async def of_team(websocket: WebSocket, team: str): ...

mistaken = Starlette(routes=[
    Route("/a/{b-c}", page),
    Mount("/{team}", routes=[APIWebSocketRoute(f"/{number}", of_team) for number in range(5)]),
])
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "check_example", raising=False)
    (tmp_path / "check_example.py").write_text(EXAMPLE)

    def told(app: str, *argv: str) -> tuple[int, str]:
        code = command_line.main(["check", f"check_example:{app}", *argv])
        return code, capsys.readouterr().out

    return told


def test_what_is_told(told: Any) -> None:
    assert told("clean") == (0, "1 route, no problems found\n")
    assert told("app") == (
        1,
        "GET,HEAD,POST /c  check_example.page (check_example.py:9)\n"
        "  is never reached:\n"
        "    GET,HEAD /{a}  check_example.page (check_example.py:9)\n"
        "    and POST /{b}  check_example.page (check_example.py:9)\n"
        "  take everything it would answer and stand before it; an example is GET /c\n"
        "\n"
        "GET,HEAD /x/{late}  check_example.page (check_example.py:9)\n"
        "  is reached only by a path with a line break (%0A) in it:\n"
        "    Mount ''\n"
        "  takes everything it would answer and stands before it; an example is GET /x/x\n"
        "\n"
        "WebSocket /open  check_example.socket (check_example.py:10)\n"
        "  is never reached:\n"
        "    Mount ''\n"
        "  takes everything it would answer and stands before it; an example is WebSocket /open\n"
        "\n"
        "WebSocket /open  check_example.socket (check_example.py:10)\n"
        "  has no dependency, while other WebSocket routes of the application have one.\n"
        "  If anybody may connect, say so with a dependency: dependencies=[Depends(anybody)]\n"
        "\n"
        "7 routes, 4 problems found\n",
    )


def test_json(told: Any) -> None:
    code, out = told("app", "--json")
    found = json.loads(out)
    assert code == 1
    assert [one["route"]["path"] for one in found["unreachable"]] == ["/c", "/x/{late}", "/open"]
    assert [by["path"] for by in found["unreachable"][0]["by"]] == ["/{a}", "/{b}"]
    assert found["unreachable"][0]["example"] == {"type": "http", "method": "GET", "path": "/c"}
    assert [one["except_paths_with_line_breaks"] for one in found["unreachable"]] == [False, True, False]
    assert [one["endpoint"] for one in found["without_dependency"]] == ["check_example.socket (check_example.py:10)"]
    assert json.loads(told("clean", "--json")[1]) == {
        "routes": 1,
        "unreachable": [],
        "without_dependency": [],
        "mistakes": [],
    }


def test_mistakes_are_told_once_for_all_their_routes(told: Any) -> None:
    code, out = told("mistaken")
    assert (code, out) == (
        1,
        "GET,HEAD /a/{b-c}  check_example.page (check_example.py:9)\n"
        "  '{b-c}' in its path is text and no parameter. A parameter is written {name} or\n"
        "  {name:convertor}; its name has letters, digits and `_`\n"
        "\n"
        "WebSocket /{team}/0  check_example.of_team (check_example.py:24)\n"
        "WebSocket /{team}/1  check_example.of_team (check_example.py:24)\n"
        "WebSocket /{team}/2  check_example.of_team (check_example.py:24)\n"
        "and 2 more\n"
        "  reads 'team' from the query string (parameter 'team' of check_example.of_team\n"
        "  (check_example.py:24)), while the path or host has {team}: a client can send\n"
        "  another ?team=. Write Annotated[..., Path()], or rename one\n"
        "\n"
        "7 routes, 2 problems found\n",
    )
    found = json.loads(told("mistaken", "--json")[1])["mistakes"]
    assert [(mistake["kind"], len(mistake["routes"])) for mistake in found] == [
        ("braces_that_are_text", 1),
        ("query_named_like_path_parameter", 5),
    ]
    assert found[0]["routes"][0]["path"] == "/a/{b-c}"
    assert "\n" not in found[1]["text"]


def test_a_socket_without_the_dependencies_of_the_application_is_told_once(told: Any, tmp_path: Path) -> None:
    (tmp_path / "check_example.py").write_text(GUARDED)
    code, out = told("app")
    assert code == 1
    assert "WebSocket /open" in out.partition("does not get check_example.user")[0]
    assert "has no dependency" not in out
    assert out.endswith("6 routes, 1 problem found\n")


GUARDED = """
from fastapi import Depends, FastAPI
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute

def user(): ...
async def socket(websocket: WebSocket): ...

app = FastAPI(dependencies=[Depends(user)], routes=[APIWebSocketRoute("/open", socket)])
app.add_api_websocket_route("/guarded", socket)
"""


def test_an_application_without_routes_is_no_clean_one(told: Any) -> None:
    code, out = told("empty")
    assert (code, out.partition(":")[0]) == (1, "no routes")
    assert json.loads(told("empty", "--json")[1])["routes"] == 0


def test_the_dependencies_of_our_route_that_fastapi_includes_guard_it() -> None:
    app, router = FastAPI(), APIRouter()
    router.routes.append(APIWebSocketRoute("/guarded", socket, dependencies=[Depends(anybody)]))
    router.routes.append(APIWebSocketRoute("/open", socket))
    app.include_router(router, prefix="/in")
    assert [entry.path for entry, _ in unguarded(app)] == ["/in/open"]
